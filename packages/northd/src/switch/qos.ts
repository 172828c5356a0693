/** QoS rules: marks and rates (ovn-northd(8), "from-lport QoS" and "to-lport QoS"; ovn-nb(5), QoS). */
import { each } from "@weft/incremental";
import type { NbRow } from "@weft/schemas";
import { type Flow, flow } from "../flow.ts";
import { listOfSwitch, nb, switches } from "../model/nb.ts";
import { LS_IN_QOS, LS_OUT_QOS } from "../stages.ts";

export const qos = each("switch/qos", switches, function* (uuid, _row, read): Iterable<Flow> {
  for (const id of read(listOfSwitch.qos_rules, uuid)) {
    const rule = read(nb.QoS, id);
    if (rule === undefined) continue;
    const stage = rule.direction === "from-lport" ? LS_IN_QOS : LS_OUT_QOS;
    yield flow(uuid, stage, rule.priority, rule.match, `${actionsOf(rule)}next;`, { hint: id });
  }
});

function actionsOf({ action, bandwidth }: NbRow<"QoS">): string {
  const rate = bandwidth.get("rate");
  const burst = bandwidth.get("burst");
  const dscp = action.get("dscp");
  const mark = action.get("mark");
  return [
    rate === undefined ? "" : `set_meter(${rate}${burst === undefined ? "" : `, ${burst}`}); `,
    dscp === undefined ? "" : `ip.dscp = ${dscp}; `,
    mark === undefined ? "" : `pkt.mark = ${mark}; `,
  ].join("");
}
