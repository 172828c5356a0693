/** Which connections a flush means: NXT_CT_FLUSH, dpctl/flush-conntrack (ovs-dpctl(8)). */
import type { CtFlush, CtTuple } from "@weft/openflow";
import { parseIpv4, parseIpv6 } from "@weft/packet";
import { IP_ICMP, IP_ICMPV6 } from "../flow/key.ts";
import type { ConnectionTracker } from "./conntrack.ts";
import { type ConnectionTable, newTuple, REC, type Tuple } from "./table.ts";

/** What is asked of one direction's tuple, with addresses as words. */
interface Wanted {
  readonly family: 4 | 6 | undefined;
  readonly src: readonly number[] | undefined;
  readonly dst: readonly number[] | undefined;
  readonly tuple: CtTuple;
}

function wordsOf(text: string | undefined): readonly number[] | undefined {
  if (text === undefined) return undefined;
  const v4 = parseIpv4(text);
  if (v4 !== undefined) return [v4 | 0];
  const v6 = parseIpv6(text);
  return v6 === undefined ? [] : [96n, 64n, 32n, 0n].map((shift) => Number(BigInt.asIntN(32, v6 >> shift)));
}

function wanted(tuple: CtTuple | undefined): Wanted | undefined {
  if (tuple === undefined) return undefined;
  const src = wordsOf(tuple.src);
  const dst = wordsOf(tuple.dst);
  const words = src ?? dst;
  return { family: words === undefined ? undefined : words.length === 1 ? 4 : 6, src, dst, tuple };
}

const sameWords = (words: readonly number[] | undefined, addresses: Int32Array, at: number): boolean =>
  words === undefined || words.every((word, i) => word === addresses[at + i]);

function agrees(want: Wanted | undefined, family: 4 | 6, have: Tuple): boolean {
  if (want === undefined) return true;
  if (want.family !== undefined && want.family !== family) return false;
  if (!sameWords(want.src, have.addresses, 0) || !sameWords(want.dst, have.addresses, 4)) return false;
  const { tuple } = want;
  const { ports } = have;
  const protocol = have.head & 0xff;
  if (protocol === IP_ICMP || protocol === IP_ICMPV6) {
    const asked = tuple.icmpId !== undefined || tuple.icmpType !== undefined || tuple.icmpCode !== undefined;
    // Parameters of ICMP say nothing without an address.
    if (asked && want.family === undefined) return false;
    return (
      (tuple.icmpId ?? ports >>> 16) === ports >>> 16 &&
      (tuple.icmpType ?? (ports >>> 8) & 0xff) === ((ports >>> 8) & 0xff) &&
      (tuple.icmpCode ?? ports & 0xff) === (ports & 0xff)
    );
  }
  return (tuple.srcPort ?? ports >>> 16) === ports >>> 16 && (tuple.dstPort ?? ports & 0xffff) === (ports & 0xffff);
}

export const FLUSH_ALL: Omit<CtFlush, "type"> = {
  protocol: 0,
  zone: undefined,
  original: undefined,
  reply: undefined,
  mark: undefined,
  labels: undefined,
};

const have = newTuple();

/** Removes what the flush names; a part that it leaves out is as good as any. */
export function flushConnections(tracker: ConnectionTracker, flush: Omit<CtFlush, "type">): void {
  const { zone, protocol, mark, labels } = flush;
  const original = wanted(flush.original);
  const reply = wanted(flush.reply);
  tracker.flushWhere((table, index, family) => {
    const head = table.get(index, REC.head);
    if (zone !== undefined && head >>> 16 !== zone) return false;
    if (protocol !== 0 && (head & 0xff) !== protocol) return false;
    if (mark !== undefined && ((table.get(index, REC.mark) ^ mark.value) & mark.mask) !== 0) return false;
    if (labels !== undefined && ((labelOf(table, index) ^ labels.value) & labels.mask) !== 0n) return false;
    table.tuple(index, false, have);
    if (!agrees(original, family, have)) return false;
    table.tuple(index, true, have);
    return agrees(reply, family, have);
  });
}

function labelOf(table: ConnectionTable, index: number): bigint {
  let label = 0n;
  for (let i = 0; i < 4; i++) label = (label << 32n) | BigInt(table.get(index, REC.label + i) >>> 0);
  return label;
}
