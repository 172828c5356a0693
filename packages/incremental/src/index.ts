export { derive, each, index, input, relation, table } from "./definitions.ts";
export { createEngine } from "./engine.ts";
export { sameContent } from "./equality.ts";
export { IncrementalError } from "./error.ts";
export { counted } from "./sink.ts";
export type * from "./types.ts";
