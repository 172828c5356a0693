export {
  type CommitLog,
  createDatabaseFile,
  createFile,
  databaseBytes,
  type FileWorld,
  LogFile,
  openDatabase,
  readDatabase,
  readSchemaOfFile,
} from "./file.ts";
export { encodeRecord, type LogContents, magicOf, readLog, scanLog } from "./format.ts";
export { applyRecord, transactionRecord } from "./transactions.ts";
