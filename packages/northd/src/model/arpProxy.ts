/** Addresses that a router answers for on a switch although they are not its own (ovn-nb(5), Logical_Switch_Port:options:arp_proxy). */
import { derive, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { formatIpv6, parseIpv4Prefix, parseIpv6Prefix, parseMac, solicitedNodeOf } from "@weft/packet";
import { type SwitchPort, switchPort, switchPorts } from "./switchPort.ts";

export interface ArpProxy {
  /** The MAC address of its own that it answers with, if it has one. */
  readonly mac: string | undefined;
  /** "10.0.0.0/24", always with the length. */
  readonly ip4: readonly string[];
  readonly ip6: readonly { readonly text: string; readonly solicitedNode: string }[];
}

/** Words that are no address end the list. */
function parse(text: string): ArpProxy | undefined {
  const [first = "", ...rest] = text.trim().split(/\s+/);
  const mac = parseMac(first) === undefined ? undefined : first;
  const ip4: string[] = [];
  const ip6: { text: string; solicitedNode: string }[] = [];
  for (const word of mac === undefined ? [first, ...rest] : rest) {
    const four = parseIpv4Prefix(word);
    const six = four === undefined ? parseIpv6Prefix(word) : undefined;
    if (four !== undefined) ip4.push(`${word.split("/")[0]}/${four.length}`);
    else if (six !== undefined) {
      const solicitedNode = `${formatIpv6(solicitedNodeOf(six.address))}/${six.length}`;
      ip6.push({ text: `${formatIpv6(six.address)}/${six.length}`, solicitedNode });
    } else break;
  }
  return ip4.length + ip6.length === 0 ? undefined : { mac, ip4, ip6 };
}

/** Of a switch port that leads to a router. */
export const arpProxy = derive(
  "arpProxy",
  (uuid: Uuid, read): ArpProxy | undefined => {
    const port = read(switchPort, uuid);
    const text = port?.peer === undefined ? undefined : port.options.get("arp_proxy");
    return text === undefined ? undefined : parse(text);
  },
  { equals: sameContent },
);

/** Whether some router answers for others on a switch: then unicast requests for known addresses are left to their owners. */
export const hasArpProxy = derive("hasArpProxy", (datapath: Uuid, read): boolean =>
  read(switchPorts, datapath).some(
    ({ uuid, options }: SwitchPort) => options.has("arp_proxy") && read(arpProxy, uuid) !== undefined,
  ),
);

/** Matches frames to a router port, under whichever of its MAC addresses. */
export function toRouter(mac: string, proxy: ArpProxy | undefined): string {
  return proxy?.mac === undefined ? `eth.dst == ${mac}` : `eth.dst == { ${proxy.mac}, ${mac} }`;
}
