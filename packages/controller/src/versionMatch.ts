/** ovn-match-northd-version (ovn-controller(8)). */

import type { Logger } from "@weft/runtime";
import { ovnInternalVersion, type SbRow } from "@weft/schemas";
import { configOf, type Machine } from "./model/config.ts";
import type { LocalRow } from "./model/inputs.ts";

export class VersionMatch {
  readonly #log: Logger;
  readonly #machine: Machine;
  /** The northd's version that the log has named last. */
  #named: string | undefined;

  constructor(log: Logger, machine: Machine) {
    this.#log = log;
    this.#machine = machine;
  }

  /**
   * Whether the Southbound is the work of another version, where that matters: then nothing is to be done until it is not,
   * and the switch keeps the flows that it has. Takes the rows themselves: what the engine knows of them is as old as its
   * last commit, and no commit may come before this.
   */
  foreign(local: LocalRow<"Open_vSwitch"> | undefined, global: SbRow<"SB_Global"> | undefined): boolean {
    const northd = global?.options.get("northd_internal_version");
    if (northd === ovnInternalVersion) {
      this.#named = undefined;
      return false;
    }
    const matters = local !== undefined && configOf(local, this.#machine)?.matchNorthdVersion === true;
    const foreign = matters && northd !== undefined && northd !== ovnInternalVersion;
    if (foreign && northd !== this.#named)
      this.#log.warn(`controller version - ${ovnInternalVersion} mismatch with northd version - ${northd}`);
    this.#named = foreign ? northd : undefined;
    return foreign;
  }
}
