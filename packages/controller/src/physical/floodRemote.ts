/** Table 84: what the parts of a transit router in other availability zones are to hear, too (flood_remote, ovn-sb(5)). */
import { derive, each, sameContent } from "@weft/incremental";
import { type Settings, sb, settings } from "../model/inputs.ts";
import { isRemote, type Tunnel, tunnelFor } from "../model/tunnels.ts";
import { flag, reg, tables as t } from "../tables.ts";
import { bits, type DesiredFlow, flow, move, set } from "./flow.ts";
import { geneveField, throughTunnel } from "./tunnelOutput.ts";

/** The tunnels to chassis of other zones. VXLAN cannot tell a packet without an output port. */
const remoteTunnels = derive<0, readonly Tunnel[]>(
  "remoteTunnels",
  (_key, read) => {
    const tunnels: Tunnel[] = [];
    for (const uuid of read.keys(sb.Chassis)) {
      const row = read(sb.Chassis, uuid);
      const tunnel = row !== undefined && isRemote(row) ? tunnelFor(read, uuid, undefined, 0) : undefined;
      if (tunnel?.type === "geneve") tunnels.push(tunnel);
    }
    return tunnels.sort((a, b) => a.ofport - b.ofport || (a.remoteIp < b.remoteIp ? -1 : 1));
  },
  { equals: sameContent },
);

export const floodRemote = each<DesiredFlow, 0, Settings>("floodRemote", settings, function* (_key, _settings, read) {
  const tunnels = read(remoteTunnels, 0);
  if (tunnels.length === 0) return;
  const option = geneveField(read);
  yield flow({
    table: t.floodRemoteChassis,
    priority: 100,
    // What came from another zone has been everywhere.
    match: { [reg.flags]: [0, flag.rxFromTunnel] },
    actions: [
      move(bits("metadata", 0, 24), bits("tun_id", 0, 24)),
      set(option, 0),
      move(bits(reg.inport, 0, 15), bits(option, 16, 15)),
      ...tunnels.flatMap(throughTunnel),
    ],
  });
});
