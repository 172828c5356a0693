/** ARP requests from outside reach a router on the chassis that answers, and no other (ovn-northd(8), "Ingress Port Security"). */
import { each } from "@weft/incremental";
import { type Flow, flow } from "../flow.ts";
import { balancesEverywhere } from "../model/balancers.ts";
import { nats } from "../model/nat.ts";
import { switches } from "../model/nb.ts";
import { routerPort } from "../model/routerPort.ts";
import { switchPorts } from "../model/switchPort.ts";
import { LS_IN_APPLY_PORT_SEC, LS_IN_CHECK_PORT_SEC } from "../stages.ts";

/** Priority of the flow that leaves a request to the chassis that answers it. */
export const ELSEWHERE = 70;

/** reg0[22]: an ARP request from outside. */
export const gatewayArp = each("switch/gatewayArp", switches, function* (uuid, _row, read): Iterable<Flow> {
  const ports = read(switchPorts, uuid);
  const outside = ports.filter(({ type }) => type === "localnet" || type === "l2gateway");
  if (outside.length === 0) return;
  const flows: Flow[] = [];
  let gateways = 0;
  for (const { peer, uuid: hint } of ports) {
    const router = peer === undefined ? undefined : read(routerPort, peer);
    if (router === undefined) continue;
    for (const { distributed, family, externalIp } of read(nats, router.datapath).rules) {
      if (distributed === undefined || family === 6) continue;
      const match = `reg0[22] == 1 && arp.tpa == ${externalIp} && is_chassis_resident(${distributed.portJson})`;
      flows.push(flow(uuid, LS_IN_APPLY_PORT_SEC, 85, match, "next;", { hint }));
    }
    const resident = router.redirectJson ?? (router.gatewayChassis === undefined ? undefined : router.json);
    if (resident === undefined) continue;
    gateways++;
    const where = read(balancesEverywhere, router.datapath) ? "" : ` && is_chassis_resident(${resident})`;
    flows.push(flow(uuid, LS_IN_APPLY_PORT_SEC, 75, `reg0[22] == 1${where}`, "next;", { hint }));
  }
  if (gateways === 0) return;
  yield* flows;
  for (const { json, uuid: hint } of outside) {
    yield flow(uuid, LS_IN_CHECK_PORT_SEC, 75, `arp.op == 1 && inport == ${json}`, "reg0[22] = 1; next;", { hint });
  }
  yield flow(uuid, LS_IN_APPLY_PORT_SEC, ELSEWHERE, "reg0[22] == 1", "drop;");
});
