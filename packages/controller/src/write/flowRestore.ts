/**
 * A switch that starts with other_config:flow-restore-wait lets no packet in until that is taken away. Where
 * external_ids:ovn-managed-flow-restore-wait says that it is ovn-controller's to do so (ovn-controller(8)), it does when its
 * flows are there.
 */
import type { Replica, Transaction } from "@weft/ovsdb";
import type { VsSchema } from "@weft/schemas";

const MANAGED = "ovn-managed-flow-restore-wait";
const WAIT = "flow-restore-wait";

/** Puts the end of the wait into a transaction. Returns what the log says of it; undefined: there is none to end. */
export function endFlowRestore(ovs: Replica<VsSchema>, transaction: Transaction<VsSchema>): string | undefined {
  const [root] = ovs.table("Open_vSwitch").rows();
  if (root?.external_ids.get(MANAGED) !== "true") return undefined;
  const { _uuid: uuid, next_cfg: next, cur_cfg: current, other_config: config } = root;
  transaction.mutate("Open_vSwitch", uuid, "external_ids", { delete: [MANAGED] });
  if (config.get(WAIT) === "true") {
    transaction.mutate("Open_vSwitch", uuid, "other_config", { delete: [WAIT], insert: new Map([[WAIT, "false"]]) });
    transaction.update("Open_vSwitch", uuid, { next_cfg: next + 1 });
  }
  return `Setting flow-restore-wait=false (cur_cfg=${current})`;
}
