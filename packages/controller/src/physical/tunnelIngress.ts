/** Table 0: packets that come in by a tunnel get their logical metadata from it. */
import { each, type Read } from "@weft/incremental";
import type { Action } from "@weft/openflow";
import type { Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";
import { type Settings, sb, settings } from "../model/inputs.ts";
import { flowTunnels, isRemote, type Tunnel, tunnelsTo } from "../model/tunnels.ts";
import { flag, reg, tables as t } from "../tables.ts";
import { bits, type DesiredFlow, ETH, flow, IP, move, resubmit, set } from "./flow.ts";
import { geneveField } from "./tunnelOutput.ts";

/** ICMP errors about the tunnel's MTU are also given to the ingress pipeline, marked as received from a tunnel. */
const tooBig = [
  { eth_type: ETH.ip, ip_proto: IP.icmp, icmp_type: 3, icmp_code: 4 },
  { eth_type: ETH.ipv6, ip_proto: IP.icmpv6, icmpv6_type: 2, icmpv6_code: 0 },
];

/** What the other zones' parts of a router have learned of neighbours is for the ingress pipeline: it has no output port yet. */
const answers = [
  { eth_type: ETH.arp, arp_op: 2 },
  { eth_type: ETH.ipv6, ip_proto: IP.icmpv6, icmpv6_type: 136, icmpv6_code: 0 },
];

type End = Pick<Tunnel, "type" | "ofport">;

function decode(read: Read, tunnel: End): Action[] {
  if (tunnel.type === "vxlan") {
    return [move(bits("tun_id", 12, 12), bits(reg.outport, 0, 12)), move(bits("tun_id", 0, 12), bits("metadata", 0, 12))];
  }
  const option = geneveField(read);
  return [
    move(bits("tun_id", 0, 24), bits("metadata", 0, 24)),
    move(bits(option, 16, 15), bits(reg.inport, 0, 15)),
    move(bits(option, 0, 16), bits(reg.outport, 0, 16)),
    set("reg5", tunnel.ofport * 0x10000, 0xffff0000),
  ];
}

/** The way in of a tunnel port. */
function* entrance(read: Read, tunnel: End): Iterable<DesiredFlow> {
  const actions = [...decode(read, tunnel), resubmit(t.localOutput)];
  const { ofport } = tunnel;
  yield flow({ table: t.physToLog, priority: 100, match: { in_port: ofport }, actions });
  const marked = [...actions, set(reg.flags, flag.rxFromTunnel, flag.rxFromTunnel), resubmit(t.ctZoneLookup)];
  for (const match of tooBig)
    yield flow({ table: t.physToLog, priority: 120, match: { in_port: ofport, ...match }, actions: marked });
  if (tunnel.type !== "vxlan") return;
  // Bit 23 says that the other 11 bits of the port are those of a multicast group's key.
  yield flow({
    table: t.physToLog,
    priority: 105,
    match: { tun_id: [0x800000, 0x800000], in_port: ofport },
    actions: [
      set(reg.outport, 0x8000, 0x8000),
      move(bits("tun_id", 12, 11), bits(reg.outport, 0, 11)),
      move(bits("tun_id", 0, 12), bits("metadata", 0, 12)),
      resubmit(t.localOutput),
    ],
  });
}

export const tunnelIngress = each<DesiredFlow, Uuid, SbRow<"Chassis">>(
  "tunnelIngress",
  sb.Chassis,
  function* (chassis, row, read) {
    for (const tunnel of read(tunnelsTo, chassis)) {
      if (!tunnel.flowBased) yield* entrance(read, tunnel);
      if (!isRemote(row) || tunnel.type !== "geneve") continue;
      const received = [set(reg.flags, flag.rxFromTunnel, flag.rxFromTunnel), ...decode(read, tunnel), resubmit(t.logIngress)];
      for (const answer of answers) {
        const match = { in_port: tunnel.ofport, [geneveField(read)]: 0, ...answer };
        yield flow({ table: t.physToLog, priority: 120, match, actions: received });
      }
    }
  },
);

/** Ports of flow-based tunnels are open whoever is at the other end. */
export const sharedTunnelIngress = each<DesiredFlow, 0, Settings>("sharedTunnelIngress", settings, function* (_key, _row, read) {
  for (const tunnel of read(flowTunnels, 0)) yield* entrance(read, tunnel);
});
