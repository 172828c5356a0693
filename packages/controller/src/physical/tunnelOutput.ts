/** Actions that send a packet to another chassis: datapath, ports and tunnel (ovn-architecture(7) "Tunnel Encapsulations"). */
import type { Read } from "@weft/incremental";
import type { Action } from "@weft/openflow";
import { parseIpv4, parseIpv6 } from "@weft/packet";
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
    const copies = ofType(tunnels, type);
    if (copies.length > 0) actions.push(...loadTunnelKey(read, type, datapath, outport), ...copies.flatMap(throughTunnel));
  }
  return actions;
}

/** The tunnels of a type, each once. */
function ofType(tunnels: readonly Tunnel[], type: string): readonly Tunnel[] {
  const ends = new Map<string, Tunnel>();
  for (const tunnel of tunnels)
    if (tunnel.type === type) ends.set(tunnel.flowBased ? tunnel.remoteIp : String(tunnel.ofport), tunnel);
  return [...ends.values()];
}

/** Output to a tunnel's port, with the addresses before it where they are not the port's own. */
export function throughTunnel({ flowBased, localIp, remoteIp, ofport }: Tunnel): Action[] {
  if (!flowBased) return [output(ofport)];
  return [...address("src", localIp), ...address("dst", remoteIp), output(ofport)];
}

function address(end: "src" | "dst", text: string): Action[] {
  const v4 = parseIpv4(text);
  if (v4 !== undefined) return [set(`tun_${end}`, v4)];
  const v6 = parseIpv6(text);
  return v6 === undefined ? [] : [set(`tun_ipv6_${end}`, v6)];
}
