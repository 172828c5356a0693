import { routing } from "./routing.ts";
import { services } from "./services.ts";
import { trunks } from "./trunks.ts";

/** The built-in labs, as the files that they would be. */
export const builtinLabs: ReadonlyMap<string, string> = new Map([
  ["routing", routing],
  ["services", services],
  ["trunks", trunks],
]);
