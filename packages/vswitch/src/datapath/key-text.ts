/** Flow keys as datapaths write them: `recirc_id(0),in_port(1),eth(src=...,dst=...),eth_type(0x0800),ipv4(...)`. */
import { ALL_TUNNEL_FLAGS, formatMaskedBits, formatMatch, Match, parseBits, type TlvMap } from "@weft/openflow";
import { formatIpv4, formatIpv6, ipv4Of, ipv6Of, parseIpv4, parseIpv6 } from "@weft/packet";
import { WeftError } from "@weft/runtime";
import {
  ETH_ARP,
  ETH_IP,
  ETH_IPV6,
  ETH_MPLS,
  ETH_MPLSM,
  ETH_NONE,
  ETH_QINQ,
  ETH_RARP,
  ETH_VLAN,
  FLOW_WORDS,
  IP_ICMP,
  IP_ICMPV6,
  IP_SCTP,
  IP_TCP,
  IP_UDP,
  VLAN_CFI,
  WORD,
} from "../flow/key.ts";
import { formatOption, formatVlan, type PortName } from "./actions.ts";
import {
  CT_TUPLES,
  DP_GROUPS,
  type DpField,
  type DpGroupName,
  formatFields,
  formatGroup,
  ipv6At,
  parseDpValue,
  putIpv6,
} from "./fields.ts";

const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;

const CT_STATES = ["new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"];

function ctState(value: number, mask: number): string {
  if (mask === 0) return "0/0";
  return CT_STATES.map((name, i) => (((mask >>> i) & 1) === 0 ? "" : ((value >>> i) & 1) === 1 ? `+${name}` : `-${name}`)).join(
    "",
  );
}

/** One number with its mask: nothing when not looked at and not verbose. */
function number(name: string, value: number, mask: number, full: number, verbose: boolean, text = hex): string | undefined {
  if (mask === 0 && !verbose) return undefined;
  const shown = value === 0 ? "0" : text(value);
  return (mask & full) === full ? `${name}(${shown})` : `${name}(${shown}/${mask === 0 ? "0" : hex(mask)})`;
}

/** The text of a key under a mask. With `verbose` also what is not looked at, as "x/0". */
export function formatDpKey(key: Int32Array, mask: Int32Array, port: PortName, verbose = false, tlv?: TlvMap): string {
  const parts: (string | undefined)[] = [];
  const word = (at: number): number => key[at] as number;
  const bits = (at: number): number => mask[at] as number;
  parts.push(number("recirc_id", word(WORD.recirc_id), -1, -1, true));
  parts.push(number("dp_hash", word(WORD.dp_hash), bits(WORD.dp_hash), -1, verbose));
  parts.push(number("skb_priority", word(WORD.skb_priority), bits(WORD.skb_priority), -1, verbose));
  const tunnel = formatTunnel(key, mask, tlv);
  if (tunnel !== "") parts.push(`tunnel(${tunnel})`);
  parts.push(`in_port(${port(word(WORD.in_port))})`);
  parts.push(number("skb_mark", word(WORD.pkt_mark), bits(WORD.pkt_mark), -1, verbose));
  if (verbose) parts.push(number("ct_state", word(WORD.ct_state), bits(WORD.ct_state) & 0xff, -1, verbose));
  else if (bits(WORD.ct_state) !== 0) parts.push(`ct_state(${ctState(word(WORD.ct_state), bits(WORD.ct_state) & 0xff)})`);
  parts.push(number("ct_zone", word(WORD.ct_zone), bits(WORD.ct_zone), 0xffff, verbose));
  parts.push(number("ct_mark", word(WORD.ct_mark), bits(WORD.ct_mark), -1, verbose));
  const label = ipv6At(mask, WORD.ct_label);
  if (label !== 0n || verbose) {
    const value = ipv6At(key, WORD.ct_label);
    const shown = value === 0n ? "0" : `0x${value.toString(16)}`;
    parts.push(
      label === (1n << 128n) - 1n ? `ct_label(${shown})` : `ct_label(${shown}/${label === 0n ? "0" : `0x${label.toString(16)}`})`,
    );
  }
  const tuple = word(WORD.eth_type) === ETH_IPV6 ? "ct_tuple6" : "ct_tuple4";
  parts.push(formatFields(tuple, CT_TUPLES[tuple], key, mask, verbose && word(WORD.ct_nw_proto) !== 0) || undefined);
  parts.push("packet_type(ns=0,id=0)");
  parts.push(formatGroup("eth", key, mask, verbose) || undefined);
  let closing = "";
  for (const at of [WORD.vlan_tci, WORD.vlan_tci1]) {
    if ((word(at) & VLAN_CFI) === 0) continue;
    parts.push(
      `eth_type(0x${word(at + 1)
        .toString(16)
        .padStart(4, "0")})`,
    );
    const tci = bits(at) & ~VLAN_CFI;
    if (tci !== 0) parts.push(`vlan(${vlanText(word(at), tci)})`);
    parts.push(`encap(`);
    closing += ")";
  }
  const type = word(WORD.eth_type);
  if (type !== ETH_NONE) parts.push(`eth_type(0x${type.toString(16).padStart(4, "0")})`);
  for (const group of groupsOf(key)) parts.push(formatGroup(group, key, mask, verbose) || undefined);
  if (word(WORD.nw_proto) === IP_TCP && bits(WORD.tcp_flags) !== 0) {
    const flags = formatMatch(new Match([WORD.tcp_flags, word(WORD.tcp_flags) & bits(WORD.tcp_flags), bits(WORD.tcp_flags)]));
    parts.push(flags.replace(/^tcp_flags=(.*)$/, "tcp_flags($1)"));
  }
  const text = parts.filter((part) => part !== undefined).join(",");
  return text.replaceAll("encap(,", "encap(") + closing;
}

function vlanText(tci: number, mask: number): string {
  const vid = mask & 0xfff;
  const pcp = (mask >>> 13) & 7;
  if (vid === 0xfff && pcp === 7) return formatVlan(tci);
  const parts: string[] = [];
  if (vid !== 0) parts.push(`vid=${tci & 0xfff}${vid === 0xfff ? "" : `/${hex(vid)}`}`);
  if (pcp !== 0) parts.push(`pcp=${(tci >>> 13) & 7}${pcp === 7 ? "" : `/${hex(pcp)}`}`);
  return parts.join(",");
}

function groupsOf(key: Int32Array): DpGroupName[] {
  const type = key[WORD.eth_type];
  const groups: DpGroupName[] = [];
  if (type === ETH_IP || type === ETH_IPV6) {
    groups.push(type === ETH_IP ? "ipv4" : "ipv6");
    if (((key[WORD.nw_frag] as number) & 2) !== 0) return groups;
    switch (key[WORD.nw_proto]) {
      case IP_TCP:
        groups.push("tcp");
        break;
      case IP_UDP:
        groups.push("udp");
        break;
      case IP_SCTP:
        groups.push("sctp");
        break;
      case IP_ICMP:
        if (type === ETH_IP) groups.push("icmp");
        break;
      case IP_ICMPV6:
        if (type === ETH_IPV6) {
          groups.push("icmpv6");
          if (key[WORD.tp_dst] === 0 && (key[WORD.tp_src] === 135 || key[WORD.tp_src] === 136)) groups.push("nd", "nd_ext");
        }
        break;
      default:
    }
  } else if (type === ETH_ARP || type === ETH_RARP) groups.push("arp");
  else if (type === ETH_MPLS || type === ETH_MPLSM) groups.push("mpls");
  return groups;
}

function formatTunnel(key: Int32Array, mask: Int32Array, tlv: TlvMap | undefined): string {
  const parts: string[] = [];
  const idMask = (BigInt((mask[WORD.tun_id] as number) >>> 0) << 32n) | BigInt((mask[WORD.tun_id + 1] as number) >>> 0);
  if (key[WORD.tun_dst] === 0 && ipv6At(key, WORD.tun_ipv6_dst) === 0n) return "";
  if (idMask !== 0n) {
    const id = (BigInt((key[WORD.tun_id] as number) >>> 0) << 32n) | BigInt((key[WORD.tun_id + 1] as number) >>> 0);
    parts.push(`tun_id=0x${id.toString(16)}`);
  }
  const v4 = (name: string, at: number): void => {
    if (mask[at] !== 0) parts.push(`${name}=${formatIpv4(ipv4Of((key[at] as number) >>> 0))}`);
  };
  const v6 = (name: string, at: number): void => {
    if (ipv6At(mask, at) !== 0n && ipv6At(key, at) !== 0n) parts.push(`${name}=${formatIpv6(ipv6At(key, at))}`);
  };
  if (key[WORD.tun_dst] !== 0) {
    v4("src", WORD.tun_src);
    v4("dst", WORD.tun_dst);
  }
  v6("ipv6_src", WORD.tun_ipv6_src);
  v6("ipv6_dst", WORD.tun_ipv6_dst);
  const small = (name: string, at: number, full: number, text: (v: number) => string): void => {
    const m = (mask[at] as number) & full;
    if (m !== 0) parts.push(`${name}=${text(key[at] as number)}${m === full ? "" : `/${hex(m)}`}`);
  };
  if (key[WORD.tun_tos] !== 0) small("tos", WORD.tun_tos, 0xff, (v) => (v === 0 ? "0" : hex(v)));
  small("ttl", WORD.tun_ttl, 0xff, String);
  const options = (tlv?.mappings ?? []).flatMap((mapping) => {
    const place = tlv?.place(mapping.index);
    if (place === undefined) return [];
    let looked = false;
    const data = new Uint8Array(mapping.length);
    const bits = new Uint8Array(mapping.length);
    for (let i = 0; i < place.words; i++) {
      if (mask[place.word + i] !== 0) looked = true;
      const value = key[place.word + i] as number;
      for (let b = 0; b < 4; b++) {
        data[4 * i + b] = value >>> (24 - 8 * b);
        bits[4 * i + b] = (mask[place.word + i] as number) >>> (24 - 8 * b);
      }
    }
    return looked ? [formatOption({ optionClass: mapping.optionClass, type: mapping.optionType, data }, bits)] : [];
  });
  if (options.length > 0) parts.push(`geneve(${options.join("")})`);
  const flags = mask[WORD.tun_flags] as number;
  if (flags !== 0) parts.push(`flags(${formatMaskedBits(ALL_TUNNEL_FLAGS, key[WORD.tun_flags] as number, flags)})`);
  return parts.join(",");
}

const GROUP_NAMES = Object.keys(DP_GROUPS);

function bad(message: string): WeftError {
  return new WeftError("vswitch.flow-text", message, { blame: "caller" });
}

/** Splits "a(b(c)),d(e)" at commas outside parentheses. */
function split(text: string): string[] {
  const out: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === "(") depth++;
    else if (c === ")") depth--;
    else if (c === "," && depth === 0) {
      out.push(text.slice(start, i));
      start = i + 1;
    }
  }
  out.push(text.slice(start));
  return out.map((part) => part.trim()).filter((part) => part !== "");
}

/** Parses a datapath flow; in_port is the datapath's number. Throws a WeftError "vswitch.flow-text". */
export function parseDpFlow(text: string, portNumber?: (name: string) => number | undefined): Int32Array {
  const key = new Int32Array(FLOW_WORDS);
  parseInto(text, key, portNumber);
  return key;
}

function parseInto(text: string, key: Int32Array, portNumber?: (name: string) => number | undefined): void {
  for (const part of split(text)) {
    const found = /^([a-z_0-9]+)\((.*)\)$/s.exec(part);
    if (found === null) throw bad(`syntax error at ${part}`);
    const name = found[1] as string;
    const body = found[2] as string;
    const simple: Readonly<Record<string, number>> = {
      recirc_id: WORD.recirc_id,
      dp_hash: WORD.dp_hash,
      skb_priority: WORD.skb_priority,
      skb_mark: WORD.pkt_mark,
      ct_zone: WORD.ct_zone,
      ct_mark: WORD.ct_mark,
    };
    const value = (body.split("/")[0] as string).trim();
    const at = simple[name];
    if (at !== undefined) {
      if (!/^(0x[0-9a-f]+|\d+)$/i.test(value)) throw bad(`syntax error at ${part}`);
      key[at] = Number(value) | 0;
    } else if (name === "in_port") {
      const port = /^\d+$/.test(value) ? Number(value) : portNumber?.(value);
      if (port === undefined) throw bad(`syntax error at ${part}`);
      key[WORD.in_port] = port;
    } else if (name === "eth_type") {
      const type = Number(value);
      if (!Number.isInteger(type) || type < 0 || type > 0xffff) throw bad(`syntax error at ${part}`);
      if (type === ETH_VLAN || type === ETH_QINQ) {
        const outer = key[WORD.vlan_tpid] === 0;
        key[outer ? WORD.vlan_tpid : WORD.vlan_tpid1] = type;
      } else key[WORD.eth_type] = type;
    } else if (name === "vlan") parseVlan(body, key);
    else if (name === "encap") parseInto(body, key, portNumber);
    else if (name === "packet_type") continue;
    else if (name === "ct_state") {
      for (const item of value.split(/[+|]/)) {
        const bit = CT_STATES.indexOf(item.replace(/-.*/, ""));
        if (bit >= 0) key[WORD.ct_state] = (key[WORD.ct_state] as number) | (1 << bit);
      }
    } else if (name === "tcp_flags") {
      const flags = Number(value);
      if (Number.isInteger(flags)) key[WORD.tcp_flags] = flags & 0xfff;
      else {
        const names = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns"];
        for (const flag of value.split("|")) {
          const bit = names.indexOf(flag);
          if (bit < 0) throw bad(`syntax error at ${part}`);
          key[WORD.tcp_flags] = (key[WORD.tcp_flags] as number) | (1 << bit);
        }
      }
    } else if (name === "tunnel") parseTunnel(body, key);
    else if (name === "ct_label") {
      if (!/^(0x[0-9a-f]+|\d+)$/i.test(value)) throw bad(`syntax error at ${part}`);
      putIpv6(key, WORD.ct_label, ipv6Of(BigInt.asUintN(128, BigInt(value))));
    } else if (name === "ct_tuple4" || name === "ct_tuple6") parseFields(CT_TUPLES[name], body, key, part);
    else if (GROUP_NAMES.includes(name)) parseGroup(name as DpGroupName, body, key, part);
    else throw bad(`syntax error at ${part}`);
  }
  if (key[WORD.eth_type] === 0) key[WORD.eth_type] = ETH_NONE;
}

function parseFields(fields: readonly DpField[], body: string, key: Int32Array, part: string): void {
  for (const item of body.split(",")) {
    const [field, given] = item.split("=");
    const known = fields.find((f) => f.name === field?.trim());
    if (known === undefined || given === undefined) throw bad(`syntax error at ${part}`);
    if (!parseDpValue((given.split("/")[0] as string).trim(), known, key)) throw bad(`syntax error at ${part}`);
  }
}

function parseGroup(name: DpGroupName, body: string, key: Int32Array, part: string): void {
  parseFields(DP_GROUPS[name], body, key, part);
  if (name === "ipv4" && (key[WORD.nw_frag] as number) === 3) key[WORD.nw_frag] = 3;
  else if ((key[WORD.nw_frag] as number) === 2) key[WORD.nw_frag] = 3;
}

function parseVlan(body: string, key: Int32Array): void {
  let tci = VLAN_CFI;
  for (const item of body.split(",")) {
    const [name, given] = item.split("=");
    const value = Number((given ?? "").split("/")[0]);
    if (!Number.isInteger(value)) throw bad(`syntax error at vlan(${body})`);
    if (name === "vid") tci |= value & 0xfff;
    else if (name === "pcp") tci |= (value & 7) << 13;
    else if (name === "tci") tci = value;
    else if (name === "cfi") tci = value === 0 ? tci & ~VLAN_CFI : tci | VLAN_CFI;
  }
  const at = ((key[WORD.vlan_tci] as number) & VLAN_CFI) === 0 ? WORD.vlan_tci : WORD.vlan_tci1;
  key[at] = tci;
  if (key[at + 1] === 0) key[at + 1] = ETH_VLAN;
}

function parseTunnel(body: string, key: Int32Array): void {
  for (const item of split(body)) {
    const flags = /^flags\(([^)]*)\)$/.exec(item)?.[1];
    if (flags !== undefined && flags !== "") key[WORD.tun_flags] = parseBits(ALL_TUNNEL_FLAGS, flags).value;
    const [name, given = ""] = item.split("=");
    const value = given.split("/")[0] as string;
    const v4 = name === "src" ? WORD.tun_src : name === "dst" ? WORD.tun_dst : undefined;
    const v6 = name === "ipv6_src" ? WORD.tun_ipv6_src : name === "ipv6_dst" ? WORD.tun_ipv6_dst : undefined;
    if (name === "tun_id") {
      const id = BigInt(value);
      key[WORD.tun_id] = Number(BigInt.asIntN(32, id >> 32n));
      key[WORD.tun_id + 1] = Number(BigInt.asIntN(32, id));
    } else if (v4 !== undefined) {
      const ip = parseIpv4(value);
      if (ip === undefined) throw bad(`syntax error at tunnel(${body})`);
      key[v4] = ip | 0;
    } else if (v6 !== undefined) {
      const ip = parseIpv6(value);
      if (ip === undefined) throw bad(`syntax error at tunnel(${body})`);
      for (let i = 3, rest: bigint = ipv6Of(ip); i >= 0; i--, rest >>= 32n) key[v6 + i] = Number(BigInt.asIntN(32, rest));
    } else if (name === "tos") key[WORD.tun_tos] = Number(value);
    else if (name === "ttl") key[WORD.tun_ttl] = Number(value);
  }
}
