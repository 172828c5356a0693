/** Copies to logical ports (ovn-northd(8), "Mirror"). */
import { each } from "@weft/incremental";
import { type Flow, flow, quoted } from "../flow.ts";
import { logicalMirrors, mirrorPortName, mirrorPorts } from "../model/mirror.ts";
import { nb, switches } from "../model/nb.ts";
import { switchPort } from "../model/switchPort.ts";
import { LS_IN_MIRROR, LS_OUT_APPLY_PORT_SEC, LS_OUT_MIRROR, LS_OUT_PRE_ACL } from "../stages.ts";

/** Priorities of rules begin here; without a matching rule everything is copied. */
const OFFSET = 100;

export const mirrorFlows = each("switch/mirrors", nb.Logical_Switch_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(switchPort, uuid);
  if (port === undefined || !port.mirrored) return;
  const { datapath, json } = port;
  for (const { filter, sink, mirror_rules } of read(logicalMirrors, uuid)) {
    const copy = `mirror(${quoted(mirrorPortName(read(switches, datapath)?.name ?? "", sink))}); next;`;
    const rules = mirror_rules.flatMap((id) => read(nb.Mirror_Rule, id) ?? []);
    const places = [
      { stage: LS_IN_MIRROR, side: "inport", wanted: filter !== "to-lport" },
      { stage: LS_OUT_MIRROR, side: "outport", wanted: filter !== "from-lport" },
    ];
    for (const { stage, side } of places.filter(({ wanted }) => wanted)) {
      yield flow(datapath, stage, OFFSET, `${side} == ${json}`, copy, { hint: uuid });
      for (const { match, action, priority } of rules) {
        const actions = action === "mirror" ? copy : "next;";
        yield flow(datapath, stage, OFFSET + priority, `${side} == ${json} && (${match})`, actions, { hint: uuid });
      }
    }
  }
});

/** What was decided for the original holds for the copy. */
export const mirrorDelivery = each("switch/mirrorDelivery", switches, function* (uuid, _row, read): Iterable<Flow> {
  for (const { name } of read(mirrorPorts, uuid)) {
    const actions = `next(pipeline=egress, table=${LS_OUT_APPLY_PORT_SEC.table});`;
    yield flow(uuid, LS_OUT_PRE_ACL, 65535, `outport == ${quoted(name)}`, actions);
  }
});
