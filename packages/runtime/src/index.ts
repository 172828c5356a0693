export * from "./errors.ts";
export * from "./world.ts";
