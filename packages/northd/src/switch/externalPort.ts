/** Requests of external ports for a router are answered where the port is claimed, and nowhere else (ovn-northd(8), "External ports"). */
import { each } from "@weft/incremental";
import { type Flow, flow } from "../flow.ts";
import { nb } from "../model/nb.ts";
import { switchPort, switchPorts } from "../model/switchPort.ts";
import { LS_IN_EXTERNAL_PORT } from "../stages.ts";

export const externalPorts = each("switch/externalPorts", nb.Logical_Switch_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(switchPort, uuid);
  if (port?.type !== "external") return;
  const elsewhere = `!is_chassis_resident(${port.json})`;
  // A router's addresses are those that the switch's port to it has.
  const routers = read(switchPorts, port.datapath).flatMap(({ peer, addresses }) => (peer === undefined ? [] : addresses));
  const localnets = read(switchPorts, port.datapath).filter(({ type }) => type === "localnet");
  for (const localnet of localnets) {
    const drop = (match: string, description: string): Flow =>
      flow(port.datapath, LS_IN_EXTERNAL_PORT, 100, match, "drop;", { hint: uuid, port: localnet.name, description });
    for (const { macText } of port.addresses) {
      const from = `inport == ${localnet.json} && eth.src == ${macText}`;
      for (const { ip4, ip6, macText: mac } of routers) {
        for (const { text } of ip4) {
          yield drop(`${from} && ${elsewhere} && arp.tpa == ${text} && arp.op == 1`, "Drop ARP for unknown router ports");
        }
        for (const { text, solicitedNode } of ip6) {
          const request = `nd_ns && ip6.dst == {${text}, ${solicitedNode}} && nd.target == ${text}`;
          yield drop(`${from} && ${elsewhere} && ${request}`, "Drop ND for unbound router ports");
        }
        yield drop(`${from} && eth.dst == ${mac} && ${elsewhere}`, "Packet does not come from a chassis resident");
      }
    }
  }
});
