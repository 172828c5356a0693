import { dvr } from "./dvr.ts";
import { gateways } from "./gateways.ts";
import { routing } from "./routing.ts";
import { services } from "./services.ts";
import { trunks } from "./trunks.ts";
import { whereIsMyPacket } from "./whereIsMyPacket.ts";

/** The built-in labs, as the files that they would be. */
export const builtinLabs: ReadonlyMap<string, string> = new Map([
  ["dvr", dvr],
  ["gateways", gateways],
  ["routing", routing],
  ["services", services],
  ["trunks", trunks],
  ["where-is-my-packet", whereIsMyPacket],
]);
