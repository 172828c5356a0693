export type { RemoteOptions } from "./remotes.ts";
export { ServedDatabase } from "./served.ts";
export { type CreateServerOptions, createServer, memoryDatabase, OvsdbServer, type ServerOptions } from "./server.ts";
export { SERVER_SCHEMA } from "./serverSchema.ts";
