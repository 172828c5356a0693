/** Connections as dpctl/dump-conntrack prints them (ovs-dpctl(8)). */
import { formatIpv4, formatIpv6, ipv4Of } from "@weft/packet";
import { ipv6At } from "../datapath/fields.ts";
import { IP_ICMP, IP_ICMPV6, IP_IGMP, IP_SCTP, IP_TCP, IP_UDP } from "../flow/key.ts";
import type { Expectation } from "./expectations.ts";
import { type ConnectionTable, FLAG, newTuple, REC, type Tuple } from "./table.ts";
import { SCALE_FLAG, SCALE_MASK, SCALE_UNKNOWN, TCP_STATES, tcpScale, tcpState } from "./tcp.ts";

export interface DumpOptions {
  /** -m: details of the implementation. */
  readonly more: boolean;
  /** -s: what is left of the timeout. */
  readonly statistics: boolean;
}

const PROTOCOLS: ReadonlyMap<number, string> = new Map([
  [IP_ICMP, "icmp"],
  [IP_IGMP, "igmp"],
  [IP_TCP, "tcp"],
  [IP_UDP, "udp"],
  [33, "dccp"],
  [IP_ICMPV6, "icmpv6"],
  [IP_SCTP, "sctp"],
  [136, "udplite"],
]);

export const protocolName = (protocol: number): string => PROTOCOLS.get(protocol) ?? String(protocol);

export function formatTuple(family: 4 | 6, tuple: Tuple): string {
  const { addresses, ports } = tuple;
  const protocol = tuple.head & 0xff;
  const address = (at: number): string =>
    family === 4 ? formatIpv4(ipv4Of((addresses[at] as number) >>> 0)) : formatIpv6(ipv6At(addresses, at));
  const rest =
    protocol === IP_ICMP || protocol === IP_ICMPV6
      ? `id=${ports >>> 16},type=${(ports >>> 8) & 0xff},code=${ports & 0xff}`
      : `sport=${ports >>> 16},dport=${ports & 0xffff}`;
  return `(src=${address(0)},dst=${address(4)},${rest})`;
}

/** The state of a connection in one word: that of the peer which is further on, with what is left after both FINs as one. */
export function tcpSummary(table: ConnectionTable, index: number): string {
  const slab = table.slab(index);
  const at = table.base(index);
  const state = TCP_STATES[Math.max(tcpState(slab, at, false), tcpState(slab, at, true))] ?? "CLOSED";
  return state === "FIN_WAIT_2" ? "TIME_WAIT" : state;
}

function formatTcp(table: ConnectionTable, index: number, more: boolean): string {
  if (!more) return `protoinfo=(state=${tcpSummary(table, index)})`;
  const slab = table.slab(index);
  const at = table.base(index);
  const state = (reply: boolean): string => TCP_STATES[tcpState(slab, at, reply)] ?? "CLOSED";
  const scales = [tcpScale(slab, at, false), tcpScale(slab, at, true)] as const;
  const flags = (scale: number): string =>
    [(scale & SCALE_FLAG) === 0 ? "" : "WINDOW_SCALE", (scale & SCALE_UNKNOWN) === 0 ? "" : "BE_LIBERAL"]
      .filter((flag) => flag !== "")
      .join("|") || "0";
  const scaled = scales.some((scale) => (scale & SCALE_FLAG) !== 0 && (scale & SCALE_MASK) !== 0);
  const scaleText = scaled ? `wscale_orig=${scales[0] & SCALE_MASK},wscale_reply=${scales[1] & SCALE_MASK},` : "";
  return `protoinfo=(state_orig=${state(false)},state_reply=${state(true)},${scaleText}flags_orig=${flags(scales[0])},flags_reply=${flags(scales[1])})`;
}

const tuple = newTuple();

export function formatConnection(
  family: 4 | 6,
  table: ConnectionTable,
  index: number,
  now: number,
  options: DumpOptions,
): string {
  const head = table.get(index, REC.head);
  const flags = table.get(index, REC.flags);
  const parts: string[] = [protocolName(head & 0xff)];
  table.tuple(index, false, tuple);
  parts.push(`orig=${formatTuple(family, tuple)}`);
  table.tuple(index, true, tuple);
  parts.push(`reply=${formatTuple(family, tuple)}`);
  if (options.more) parts.push("id=0");
  const zone = head >>> 16;
  if (zone !== 0) parts.push(`zone=${zone}`);
  if (options.more) parts.push("status=0");
  if (options.statistics) parts.push(`timeout=${Math.floor((table.expires(index) - now) / 1000)}`);
  const mark = table.get(index, REC.mark) >>> 0;
  if (mark !== 0) parts.push(`mark=${mark}`);
  const label = formatLabel([0, 1, 2, 3].map((i) => table.get(index, REC.label + i)));
  if (label !== undefined) parts.push(label);
  if ((head & 0xff) === IP_TCP) parts.push(formatTcp(table, index, options.more));
  if ((flags & FLAG.ftp) !== 0) parts.push("helper=ftp");
  if ((flags & FLAG.tftp) !== 0) parts.push("helper=tftp");
  const parent = options.more && (flags & FLAG.related) !== 0 ? table.parents.get(index) : undefined;
  if (parent !== undefined) parts.push(`parent=${formatTuple(family, parent)}`);
  return parts.join(",");
}

function formatLabel(words: readonly number[]): string | undefined {
  const digits = words.map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  return /^0+$/.test(digits) ? undefined : `labels=0x${digits.replace(/^0+/, "")}`;
}

/** A line of dpctl/dump-conntrack-exp. */
export function formatExpectation({ family, tuple: expected, parentTuple, mark, label }: Expectation): string {
  const parts = [protocolName(expected.head & 0xff), `orig=${formatTuple(family, expected)}`];
  const zone = expected.head >>> 16;
  if (zone !== 0) parts.push(`zone=${zone}`);
  if (mark !== 0) parts.push(`mark=${mark >>> 0}`);
  const labels = formatLabel([...label]);
  if (labels !== undefined) parts.push(labels);
  parts.push(`parent=${formatTuple(family, parentTuple)}`);
  return parts.join(",");
}
