export {
  type AnyRow,
  type AtomModel,
  type ColumnKind,
  type ColumnModel,
  columnModel,
  compareAtoms,
  type DatabaseModel,
  databaseModel,
  decode,
  encode,
  encodeAtom,
  equalValues,
  isUuid,
  type TableModel,
  ValueError,
} from "./columns.ts";
export { type MemoryOptions, type MemoryReplica, memoryReplica } from "./memory.ts";
export { createReplica, type ReplicaOptions } from "./replica.ts";
export type { SessionOptions } from "./session.ts";
