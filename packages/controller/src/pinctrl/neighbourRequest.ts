import { emit, MAC_BROADCAST, MAC_ZERO, multicastMacOfIpv6, parseIpv4, parseIpv6, solicitedNodeOf } from "@weft/packet";
import { parsePortAddresses } from "../model/addresses.ts";

/** An ARP request or a neighbour solicitation from the first address of a port: "MAC ADDRESS/LENGTH...". */
export function neighbourRequest(own: string, ip: string): Uint8Array | undefined {
  const from = parsePortAddresses(own);
  const v4 = parseIpv4(ip);
  const v6 = v4 === undefined ? parseIpv6(ip) : undefined;
  if (from === undefined) return undefined;
  const { mac } = from;
  const [sender] = from.ipv4;
  if (v4 !== undefined && sender !== undefined) {
    return emit([
      { kind: "ethernet", dst: MAC_BROADCAST, src: mac },
      { kind: "arp", operation: 1, senderMac: mac, senderIp: sender.address, targetMac: MAC_ZERO, targetIp: v4 },
    ]);
  }
  const [source] = from.ipv6;
  if (v6 === undefined || source === undefined) return undefined;
  const dst = solicitedNodeOf(v6);
  return emit([
    { kind: "ethernet", dst: multicastMacOfIpv6(dst), src: mac },
    { kind: "ipv6", src: source.address, dst, hopLimit: 255 },
    { kind: "nd", type: 135, target: v6, options: [{ option: "source-mac", mac }] },
  ]);
}
