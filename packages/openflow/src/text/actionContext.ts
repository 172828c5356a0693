/** What parsers of actions share. */
import type { Action } from "../action/types.ts";
import { OFPP } from "../ports.ts";
import type { Names } from "./names.ts";

/** Where a list of actions stands: in a flow, in another action, or elsewhere (a bucket, a packet to send). */
export type Within = "flow" | "list" | "clone" | "write_actions" | "ct";

/** What parsing an action may need to know of its surroundings. */
export interface ActionContext {
  readonly names: Names;
  readonly within: Within;
  parse(text: string, within: Within): Action[];
}

/** Output to a port, with CONTROLLER's length. */
export function outputTo(port: number, maxLen = 0xffff): Action {
  return port === OFPP.CONTROLLER ? { type: "output", port, maxLen } : { type: "output", port };
}
