/** Actions that send a packet to another chassis: datapath, ports and tunnel (ovn-architecture(7) "Tunnel Encapsulations"). */
import type { Read } from "@weft/incremental";
import type { Action } from "@weft/openflow";
import { geneveIndex } from "../model/inputs.ts";
import type { Tunnel } from "../model/tunnels.ts";
import { geneveOption, reg } from "../tables.ts";
import { bits, move, output, set } from "./flow.ts";

/** The tun_metadata field that is OVN's Geneve option. */
export function geneveField(read: Read): string {
  return `tun_metadata${read(geneveIndex, 0) ?? geneveOption.index}`;
}

/** Ports and groups with this bit are multicast groups. */
const GROUP = 0x8000;

/** Loads the tunnel key of a packet for the logical output port or group `outport` of the datapath. */
export function loadTunnelKey(read: Read, type: string, datapath: number, outport: number): Action[] {
  if (type === "vxlan") {
    const port = outport >= GROUP ? 0x800 | (outport & 0x7ff) : outport;
    return [set("tun_id", (datapath & 0xfff) | (port << 12), 0xffffff)];
  }
  const option = geneveField(read);
  return [set("tun_id", datapath, 0xffffff), set(option, outport), move(bits(reg.inport, 0, 15), bits(option, 16, 15))];
}

/** Sends copies over tunnels, geneve first. */
export function sendOver(read: Read, tunnels: readonly Tunnel[], datapath: number, outport: number): Action[] {
  const actions: Action[] = [];
  for (const type of ["geneve", "vxlan"]) {
    const ports = new Set(tunnels.filter((tunnel) => tunnel.type === type).map((tunnel) => tunnel.ofport));
    if (ports.size === 0) continue;
    actions.push(...loadTunnelKey(read, type, datapath, outport));
    for (const port of ports) actions.push(output(port));
  }
  return actions;
}
