export { createNorthd, type Northd, type NorthdOptions, type NorthdStatus } from "./northd.ts";
export { type Stage, stagesByPlace } from "./stages.ts";
