export { serverCommands } from "./control.ts";
export { type ServerDaemon, type ServerDaemonOptions, startServerDaemon } from "./daemon.ts";
export type { RemoteOptions } from "./remotes.ts";
export type { ReplicationOptions } from "./replication.ts";
export { ServedDatabase } from "./served.ts";
export { type CreateServerOptions, createServer, memoryDatabase, OvsdbServer, type ServerOptions } from "./server.ts";
export { SERVER_SCHEMA } from "./serverSchema.ts";
