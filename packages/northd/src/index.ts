export { createNorthd } from "./northd.ts";
export { stageNames } from "./stages.ts";
export type { Northd, NorthdOptions, NorthdStatus } from "./types.ts";
