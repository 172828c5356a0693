/** Forwarding groups: one address, several ports behind it (ovn-nb(5), Forwarding_Group). */
import { each } from "@weft/incremental";
import { type Flow, flow, quoted } from "../flow.ts";
import { listOfSwitch, nb, switches } from "../model/nb.ts";
import { LS_IN_ARP_RSP, LS_IN_L2_LKUP } from "../stages.ts";
import { arpReply } from "./arpResponder.ts";

export const forwardingGroups = each("switch/forwardingGroups", switches, function* (uuid, _row, read): Iterable<Flow> {
  for (const id of read(listOfSwitch.forwarding_groups, uuid)) {
    const group = read(nb.Forwarding_Group, id);
    if (group === undefined || group.child_port.length === 0) continue;
    const { vip, vmac, liveness, child_port: ports } = group;
    yield flow(uuid, LS_IN_ARP_RSP, 50, `arp.tpa == ${vip} && arp.op == 1`, arpReply(vmac, vip), { hint: id });
    const children = ports.map(quoted).join();
    const actions = `fwd_group(${liveness ? 'liveness="true",' : ""}childports=${children});`;
    yield flow(uuid, LS_IN_L2_LKUP, 50, `eth.dst == ${vmac}`, actions, { hint: id });
  }
});
