export * from "./replica.ts";
export * from "./schema.ts";
export * from "./value.ts";
