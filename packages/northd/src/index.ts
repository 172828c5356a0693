export { createNorthd } from "./northd.ts";
export type { Northd, NorthdOptions, NorthdStatus } from "./types.ts";
