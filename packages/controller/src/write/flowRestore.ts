/**
 * A switch that starts with other_config:flow-restore-wait lets no packet in until that is taken away. ovn-controller ends the
 * wait when its flows are there; on a gateway that has others beside it, it asks for the wait of the next start too, so that
 * nothing comes to a switch without flows and no BFD session says that it lives. external_ids:ovn-managed-flow-restore-wait
 * says that a wait is ovn-controller's (ovn-controller(8)); others' waits are left alone.
 */

import type { Transaction } from "@weft/ovsdb";
import type { VsSchema } from "@weft/schemas";
import type { LocalRow } from "../model/inputs.ts";

const MANAGED = "ovn-managed-flow-restore-wait";
const WAIT = "flow-restore-wait";

type Root = LocalRow<"Open_vSwitch">;

export class FlowRestore {
  /** The connection to the switch that was told that its flows are there. */
  #told: object | undefined;
  /** The configuration that tells it so, until the switch has it. */
  #awaited: number | undefined;

  /**
   * Puts the next step into a transaction; to be called when all flows are there. Returns what the log says of it; undefined:
   * nothing is to be done now.
   *
   * @param gateway Whether this chassis is one of several gateways.
   * @param connection To the switch: another one may be to a switch that has started anew.
   */
  step(root: Root, transaction: Transaction<VsSchema>, gateway: boolean, connection: object): string | undefined {
    const waits = root.other_config.get(WAIT) === "true";
    const managed = root.external_ids.get(MANAGED) === "true";
    const ours = gateway && (managed || !waits);
    const told = ours && this.#told === connection;
    this.#told = ours ? connection : undefined;
    if (!told && (ours || managed)) {
      this.#set(root, transaction, false);
      return `Setting flow-restore-wait=false (cur_cfg=${root.cur_cfg})`;
    }
    if (waits || !ours) return undefined;
    if (this.#awaited === undefined) {
      this.#set(root, transaction, false);
      return `OVS frw cleared, restarting flow-restore-wait sequence (cur_cfg=${root.cur_cfg})`;
    }
    if (root.cur_cfg < this.#awaited) return undefined;
    this.#set(root, transaction, true);
    return "Setting flow-restore-wait=true";
  }

  /** What step() has put into a transaction has not come to be. */
  failed(): void {
    this.#told = undefined;
  }

  #set({ _uuid: uuid, next_cfg: next, external_ids: ids }: Root, transaction: Transaction<VsSchema>, wait: boolean): void {
    this.#awaited = wait ? undefined : next + 1;
    transaction.mutate("Open_vSwitch", uuid, "other_config", { delete: [WAIT], insert: new Map([[WAIT, String(wait)]]) });
    if (wait)
      transaction.mutate("Open_vSwitch", uuid, "external_ids", { delete: [MANAGED], insert: new Map([[MANAGED, "true"]]) });
    else if (ids.has(MANAGED)) transaction.mutate("Open_vSwitch", uuid, "external_ids", { delete: [MANAGED] });
    // Where another has just asked for that number, the switch may have it before it sees this.
    transaction.verify("Open_vSwitch", uuid, ["next_cfg"]);
    transaction.update("Open_vSwitch", uuid, { next_cfg: next + 1 });
  }
}
