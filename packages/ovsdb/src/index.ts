export * from "./jsonrpc/index.ts";
export * from "./replica.ts";
export * from "./schema.ts";
export * from "./value.ts";
export * from "./client/index.ts";
