/** The frame that a guest would send, in the language of logical matches: what is asked for, and defaults for the rest. */
import { LogicalError, microflow, parseMatch } from "@weft/logical";
import { newFlowKey, VLAN_PRESENT, WORD } from "@weft/openflow";
import {
  formatIpv6,
  formatMac,
  ipv4Contains,
  linkLocalOfMac,
  multicastMacOfIpv4,
  multicastMacOfIpv6,
  parseIpv4,
  parseIpv4Prefix,
  parseIpv6,
  parseMac,
} from "@weft/packet";
import { composeFrame, extract, Packet } from "@weft/vswitch";
import type { Cloud } from "../cloud/cloud.ts";
import { type Endpoint, endpointOf, gatewayFor, routerPortsOn, TraceQuestionError } from "./endpoint.ts";
import { LISTENERS, saying } from "./message.ts";

export interface Question {
  readonly from: Endpoint;
  /** Undefined: an address that no port has. */
  readonly to: Endpoint | undefined;
  /** The IP address that was asked for in place of a port. */
  readonly address?: string;
  /** What the packet is, without the port: an expression for ovn-trace(8), too. */
  readonly expression: string;
  readonly frame: Uint8Array;
  /** It is for whoever answers, as a request for a lease is, and has arrived when an answer has. */
  readonly forAnswer?: boolean;
}

/** As ping's. */
const DEFAULT_SIZE = 56;

/** A port of the transport layer that a client would choose. */
const EPHEMERAL = 49152;

/**
 * `to`: a port's name, or an IP address. `packet`: what is to be otherwise than usual, as a match: "tcp.dst == 22",
 * "eth.src == 00:00:00:00:00:66". `size`: bytes behind the transport header. `name`: what a DNS query asks for; by default the first
 * name that the cloud knows in the guest's network.
 */
export function questionOf(
  cloud: Cloud,
  fromText: string,
  toText: string,
  { packet = "", size = DEFAULT_SIZE, name }: { readonly packet?: string; readonly size?: number; readonly name?: string },
): Question {
  const from = endpointOf(cloud, fromText);
  const address = parseIpv4(toText) !== undefined || parseIpv6(toText) !== undefined ? toText : undefined;
  const to = address === undefined ? endpointOf(cloud, toText) : ownerOf(cloud, address);
  const says = (name: string): boolean => new RegExp(`(^|[^a-z0-9._])${name.replace(".", "\\.")}\\b`).test(packet);
  const family = familyOf(from, to, address, says("ip6"));
  const source = sourceOf(from, family, address);
  const target = address ?? (family === 4 ? to?.ipv4 : to?.ipv6);
  const port = Number(/udp\.dst *== *(\d+)/.exec(packet)?.[1] ?? 0);
  const terms: string[] = [];
  const unless = (field: string, value: string | undefined): void => {
    if (!says(field) && value !== undefined) terms.push(`${field} == ${value}`);
  };
  unless("eth.src", from.mac);
  if (!says("eth.dst")) terms.push(`eth.dst == ${nextHop(cloud, from, to, source, target)}`);
  if (!says("arp")) {
    const ip = family === 4 ? "ip4" : "ip6";
    unless(`${ip}.src`, source);
    unless(`${ip}.dst`, target);
    // Neighbour discovery is not for those behind routers (RFC 4861).
    unless("ip.ttl", says("nd") || /icmp6\.type *== *13[3-7]\b/.test(packet) ? "255" : "64");
    terms.push(...transportOf(says, family, port));
  }
  if (packet !== "") terms.push(`(${packet})`);
  const expression = terms.join(" && ");
  const frame = frameOf(expression, from, size);
  const mac = parseMac(from.mac);
  const told = mac === undefined ? frame : saying(frame, { mac, name: name ?? knownName(cloud, from) });
  const forAnswer = groupAddress(target) !== undefined && LISTENERS[port]?.client !== undefined;
  return { from, to, ...(address === undefined ? {} : { address }), expression, frame: told, forAnswer };
}

/** Who asks for an address has none yet; what is for neighbours only comes from a link-local address. */
function sourceOf(from: Endpoint, family: 4 | 6, address: string | undefined): string | undefined {
  if (family === 4) return address === "255.255.255.255" ? "0.0.0.0" : from.ipv4;
  const mac = parseMac(from.mac);
  return address !== undefined && /^ff02:/i.test(address) && mac !== undefined ? formatIpv6(linkLocalOfMac(mac)) : from.ipv6;
}

/** A name that ovn-controller answers for itself in a guest's network (ovn-sb(5), DNS). */
function knownName({ sb }: Cloud, { row }: Endpoint): string | undefined {
  const records = [...(sb?.table("DNS").rows() ?? [])].filter(({ datapaths }) => datapaths.includes(row.datapath));
  return records.flatMap(({ records: names }) => [...names.keys()]).sort()[0];
}

/** The Ethernet address of an IP address that many have; undefined: one has it. */
function groupAddress(ip: string | undefined): string | undefined {
  const [v4, v6] = [parseIpv4(ip ?? ""), parseIpv6(ip ?? "")];
  if (ip === "255.255.255.255") return "ff:ff:ff:ff:ff:ff";
  if (v4 !== undefined && v4 >>> 28 === 0xe) return formatMac(multicastMacOfIpv4(v4));
  return v6 !== undefined && /^ff/i.test(ip ?? "") ? formatMac(multicastMacOfIpv6(v6)) : undefined;
}

/** The port that has an address, where one of the cloud does. */
function ownerOf(cloud: Cloud, ip: string): Endpoint | undefined {
  const row = [...(cloud.sb?.table("Port_Binding").rows() ?? [])].find(
    ({ type, mac }) => type === "" && mac.some((text) => text.split(/\s+/).includes(ip)),
  );
  return row === undefined ? undefined : endpointOf(cloud, row.logical_port);
}

function familyOf(from: Endpoint, to: Endpoint | undefined, address: string | undefined, v6: boolean): 4 | 6 {
  if (address !== undefined) return parseIpv4(address) === undefined ? 6 : 4;
  if (v6 || from.ipv4 === undefined || to?.ipv4 === undefined) {
    if (from.ipv6 !== undefined && to?.ipv6 !== undefined) return 6;
    if (v6) throw new TraceQuestionError(`${from.ipv6 === undefined ? from.name : to?.name} has no IPv6 address`);
  }
  return 4;
}

/** The Ethernet address that the guest sends to: the other port's in the same network, else the gateway's. */
function nextHop(
  cloud: Cloud,
  from: Endpoint,
  to: Endpoint | undefined,
  source: string | undefined,
  target: string | undefined,
): string {
  const group = groupAddress(target);
  if (group !== undefined) return group;
  if (to !== undefined && to.row.datapath === from.row.datapath) return to.mac;
  const routers = routerPortsOn(cloud, from.row.datapath);
  const own = routers.find(({ networks }) => networks.some((network) => network.split("/")[0] === target));
  const named = own === undefined ? leasedNextHop(cloud, from, target) : undefined;
  if (named !== undefined) return named;
  const gateway = own ?? gatewayFor(routers, source ?? "");
  if (gateway === undefined)
    throw new TraceQuestionError(
      `${target ?? "the destination"} is not in the network of ${from.name}, and its switch has no router port: say where to with eth.dst`,
    );
  return gateway.mac;
}

/**
 * The Ethernet address that a guest with a lease sends to (DHCP_Options: cidr, options router and classless_static_route): the
 * destination's own in its network, else that of the router that the lease names, which may be none of the cloud's.
 */
function leasedNextHop({ nb, sb, hosts }: Cloud, { name, row }: Endpoint, target: string | undefined): string | undefined {
  const port = [...(nb?.table("Logical_Switch_Port").rows() ?? [])].find((one) => one.name === name);
  const lease = port?.dhcpv4_options === undefined ? undefined : nb?.table("DHCP_Options").get(port.dhcpv4_options);
  if (lease === undefined || target === undefined || parseIpv4(target) === undefined) return undefined;
  const near = isWithin(lease.cidr, target);
  const hop = near ? target : (staticRoute(lease.options.get("classless_static_route"), target) ?? lease.options.get("router"));
  if (hop === undefined) return undefined;
  const owner = [...(sb?.table("Port_Binding").rows() ?? [])]
    .filter(({ datapath, options }) => datapath === row.datapath || options.has("peer"))
    .flatMap(({ mac }) => mac.map((text) => text.split(/\s+/)))
    .find(([, ...ips]) => ips.some((ip) => ip.split("/")[0] === hop));
  const learned = [...(sb?.table("MAC_Binding").rows() ?? [])].find(({ ip }) => ip === hop);
  const mac = owner?.[0] ?? hosts.find(({ ips }) => ips.includes(hop))?.mac ?? learned?.mac;
  if (mac !== undefined || near) return mac;
  throw new TraceQuestionError(
    `the DHCP options of ${name} name ${hop} as the router to ${target}, whose Ethernet address is not known: say it with eth.dst`,
  );
}

/** The router to an address by the most specific of an option's routes: "{169.254.169.254/32,10.0.0.2, 0.0.0.0/0,10.0.0.1}". */
function staticRoute(option: string | undefined, target: string): string | undefined {
  const pairs = [...(option ?? "").matchAll(/([\d.]+(?:\/\d+)?)\s*,\s*([\d.]+)(?![\d./])/g)];
  const fitting = pairs
    .map(([, network = "", hop = ""]) => ({ network, hop }))
    .filter(({ network }) => isWithin(network, target));
  const length = ({ network }: { readonly network: string }): number => Number(network.split("/")[1] ?? 32);
  return fitting.sort((a, b) => length(b) - length(a))[0]?.hop;
}

function isWithin(network: string, ip: string): boolean {
  const [prefix, address] = [parseIpv4Prefix(network), parseIpv4(ip)];
  return prefix !== undefined && address !== undefined && ipv4Contains(prefix, address);
}

function transportOf(says: (name: string) => boolean, family: 4 | 6, udpPort: number): string[] {
  for (const protocol of ["tcp", "udp", "sctp"] as const) {
    if (!says(protocol) && !says(`${protocol}.dst`) && !says(`${protocol}.src`)) continue;
    return [
      ...(says(`${protocol}.src`) ? [] : [`${protocol}.src == ${LISTENERS[udpPort]?.client ?? EPHEMERAL}`]),
      ...(protocol === "tcp" && !says("tcp.flags") ? ["tcp.flags == 2"] : []),
    ];
  }
  if (says("icmp") || says("icmp4") || says("icmp6") || says("icmp4.type") || says("icmp6.type") || says("nd")) return [];
  if (says("ip.proto")) return [];
  return family === 4 ? ["icmp4.type == 8", "icmp4.code == 0"] : ["icmp6.type == 128", "icmp6.code == 0"];
}

function frameOf(expression: string, from: Endpoint, size: number): Uint8Array {
  const key = newFlowKey();
  try {
    const { expression: parsed } = parseMatch(expression, { addressSet: () => undefined, portGroup: () => undefined });
    microflow(parsed, key, { lookupPort: () => undefined, resident: () => false }, expression);
  } catch (error) {
    if (!(error instanceof LogicalError)) throw error;
    throw new TraceQuestionError(`${expression}: ${error.message}`);
  }
  const tag = from.row.parent_port ? Number(from.row.tag ?? 0) : 0;
  if (tag !== 0) key[WORD.vlan_tci] = VLAN_PRESENT | tag;
  return composeFrame(key, size);
}

/** What the receiver of a frame answers: ends swapped, an echo's reply, a SYN's SYN ACK. Undefined where it does not answer. */
export function replyTo(frame: Uint8Array): Uint8Array | undefined {
  const packet = new Packet(frame.slice());
  extract(packet);
  const { key } = packet;
  const swap = (a: number, b: number, words = 1): void => {
    for (let i = 0; i < words; i++) [key[a + i], key[b + i]] = [key[b + i] ?? 0, key[a + i] ?? 0];
  };
  const word = (at: number): number => key[at] ?? 0;
  // A reply to many would not come from one.
  if ((word(WORD.eth_dst) & 0x0100) !== 0) return undefined;
  const type = word(WORD.eth_type);
  if (type !== 0x0800 && type !== 0x86dd) return undefined;
  swap(WORD.eth_src, WORD.eth_dst, 2);
  if (type === 0x0800) swap(WORD.nw_src, WORD.nw_dst);
  else swap(WORD.ipv6_src, WORD.ipv6_dst, 4);
  key[WORD.nw_ttl] = 64;
  const protocol = word(WORD.nw_proto);
  if (protocol === 1 || protocol === 58) {
    const replies: Readonly<Record<number, number>> = { 8: 0, 128: 129 };
    const reply = replies[word(WORD.tp_src)];
    if (reply === undefined) return undefined;
    key[WORD.tp_src] = reply;
  } else {
    swap(WORD.tp_src, WORD.tp_dst);
    if (protocol === 6) key[WORD.tcp_flags] = 0x12;
  }
  return composeFrame(key, Math.max(0, frame.length - composeFrame(key, 0).length));
}
