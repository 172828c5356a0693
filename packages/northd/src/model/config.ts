/** The options of switches and routers: what else is in their rows, which are large, is no news to who reads these. */
import { derive, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { routers, switches } from "./nb.ts";

const NONE: ReadonlyMap<string, string> = new Map();

/** Logical_Switch:other_config. */
export const switchConfig = derive(
  "switchConfig",
  (uuid: Uuid, read): ReadonlyMap<string, string> => read(switches, uuid)?.other_config ?? NONE,
  { equals: sameContent },
);

/** Logical_Router:options. */
export const routerOptions = derive(
  "routerOptions",
  (uuid: Uuid, read): ReadonlyMap<string, string> => read(routers, uuid)?.options ?? NONE,
  { equals: sameContent },
);
