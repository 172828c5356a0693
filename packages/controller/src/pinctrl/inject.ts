/** inject-pkt (ovn-controller(8)): the packet that a microflow describes, as coming in by its logical port. */
import type { Read } from "@weft/incremental";
import { LogicalError, microflow, parseMatch } from "@weft/logical";
import { ETH_TYPE, field, IP_PROTO, MatchBuilder, type Message, newFlowKey, OFPP, readField } from "@weft/openflow";
import type { Uuid } from "@weft/ovsdb";
import { emit, type Header, ipv4Of, ipv6Of, macOf } from "@weft/packet";
import { WeftError } from "@weft/runtime";
import { addressSet, isResident, portGroup } from "../lflow/names.ts";
import { attachmentOf } from "../model/binding.ts";
import { portsByName, sb } from "../model/inputs.ts";

/** What a packet without a description carries behind its transport header. */
const PAYLOAD = 64;

/**
 * The message that makes the switch take the packet in. Throws a WeftError that says what is wrong with the text, or that
 * its port is not here.
 */
export function injection(read: Read, text: string): Message {
  const key = newFlowKey();
  const ports = new Map<number, Uuid>();
  const lookupPort = (name: string): number | undefined => {
    const uuid = read(portsByName, name)[0];
    const number = uuid === undefined ? undefined : read(sb.Port_Binding, uuid)?.tunnel_key;
    if (uuid !== undefined && number !== undefined) ports.set(number, uuid);
    return number;
  };
  try {
    const { expression } = parseMatch(text, {
      addressSet: (name) => read(addressSet, name),
      portGroup: (name) => read(portGroup, name),
    });
    microflow(expression, key, { lookupPort, resident: (port) => read(isResident, port) }, text);
  } catch (error) {
    if (error instanceof LogicalError) throw refusal(error.message);
    throw error;
  }
  const port = ports.get(Number(readField(key, field("reg14"))));
  const at = port === undefined ? undefined : read(attachmentOf, port);
  if (at === undefined) throw refusal("ingress port not found on hypervisor.");
  return {
    type: "packet_out",
    buffer: 0xffffffff,
    packet: emit(headersOf(key, at.tag)),
    metadata: new MatchBuilder().set("in_port", at.ofport).build(),
    // Table 0 gives the packet the metadata of its port, as it does for all that come in there.
    actions: [{ type: "resubmit", port: OFPP.IN_PORT, table: 0, ct: false }],
  };
}

function refusal(text: string): WeftError {
  return new WeftError("controller.inject", text, { blame: "caller" });
}

/** `tag`: the VLAN in which the port's packets come. */
function headersOf(key: Int32Array, tag: number): Header[] {
  const value = (name: string): bigint => readField(key, field(name));
  const number = (name: string): number => Number(value(name));
  const mac = (name: string) => macOf(number(name));
  const type = number("eth_type");
  const headers: Header[] = [{ kind: "ethernet", dst: mac("eth_dst"), src: mac("eth_src") }];
  if (tag !== 0) headers.push({ kind: "vlan", id: tag });
  else if (number("vlan_tci") !== 0)
    headers.push({ kind: "vlan", id: number("vlan_tci") & 0xfff, priority: number("vlan_tci") >> 13 });
  const protocol = number("nw_proto");
  if (type === ETH_TYPE.arp) {
    headers.push({
      kind: "arp",
      operation: protocol,
      senderMac: mac("arp_sha"),
      senderIp: ipv4Of(number("nw_src")),
      targetMac: mac("arp_tha"),
      targetIp: ipv4Of(number("nw_dst")),
    });
    return headers;
  }
  if (type === ETH_TYPE.ip) {
    const [src, dst] = [ipv4Of(number("nw_src")), ipv4Of(number("nw_dst"))];
    headers.push({ kind: "ipv4", src, dst, ttl: number("nw_ttl"), tos: number("nw_tos"), protocol });
  } else if (type === ETH_TYPE.ipv6) {
    const [src, dst] = [ipv6Of(value("ipv6_src")), ipv6Of(value("ipv6_dst"))];
    headers.push({ kind: "ipv6", src, dst, hopLimit: number("nw_ttl"), trafficClass: number("nw_tos"), nextHeader: protocol });
  } else return headers;
  const [source, destination] = [number("tp_src"), number("tp_dst")];
  if (protocol === IP_PROTO.udp) headers.push({ kind: "udp", srcPort: source, dstPort: destination });
  else if (protocol === IP_PROTO.tcp)
    headers.push({ kind: "tcp", srcPort: source, dstPort: destination, sequence: 0, flags: number("tcp_flags") });
  else if (protocol === IP_PROTO.icmp) headers.push({ kind: "icmp", type: source, code: destination });
  else if (protocol === IP_PROTO.icmpv6) headers.push({ kind: "icmpv6", type: source, code: destination });
  headers.push({ kind: "payload", bytes: new Uint8Array(PAYLOAD) });
  return headers;
}
