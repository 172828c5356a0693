/** What parsers of actions share. */
import type { Action } from "../action/types.ts";
import { OFPP } from "../ports.ts";
import type { Names } from "./names.ts";

/** What parsing an action may need to know of its surroundings. */
export interface ActionContext {
  readonly names: Names;
  /** Within ct's exec(...). */
  readonly inCt: boolean;
  parse(text: string, inCt?: boolean): Action[];
}

/** Output to a port, with CONTROLLER's length. */
export function outputTo(port: number, maxLen = 0xffff): Action {
  return port === OFPP.CONTROLLER ? { type: "output", port, maxLen } : { type: "output", port };
}
