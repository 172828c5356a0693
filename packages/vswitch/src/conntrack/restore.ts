/** Connections from the text that dpctl/dump-conntrack prints (ovs-dpctl(8)): to go on elsewhere with what a switch knows. */
import { parseIpv4, parseIpv6 } from "@weft/packet";
import { putIpv6 } from "../datapath/fields.ts";
import { IP_ICMP, IP_ICMPV6, IP_SCTP, IP_TCP, IP_UDP } from "../flow/key.ts";
import type { ConnectionTracker } from "./conntrack.ts";
import { FLAG, newTuple, REC, type Tuple } from "./table.ts";
import { TCP_STATES } from "./tcp.ts";

const PROTOCOLS: Readonly<Record<string, number>> = {
  icmp: IP_ICMP,
  icmpv6: IP_ICMPV6,
  tcp: IP_TCP,
  udp: IP_UDP,
  sctp: IP_SCTP,
};
/** Both directions have been seen: the text does not say so of protocols without states of their own. */
const BOTH = 2;
/** A day; the text says nothing of it. */
const LIFETIME_MS = 86_400_000;

/**
 * Takes over a connection. TCP's windows are not in the text: sequence numbers must not be looked at. Returns false for a line
 * that is none, or whose protocol is not tracked.
 */
export function restoreConnection(tracker: ConnectionTracker, line: string, now: number): boolean {
  const found = /^(\w+),orig=\(([^)]*)\),reply=\(([^)]*)\)(.*)$/.exec(line.trim());
  const protocol = PROTOCOLS[found?.[1] ?? ""];
  if (found === null || protocol === undefined) return false;
  const rest = found[4] ?? "";
  const zone = Number(/,zone=(\d+)/.exec(rest)?.[1] ?? 0);
  const family = found[2]!.includes(":") ? 6 : 4;
  const original = tupleOf(found[2] ?? "", family, (zone << 16) | protocol);
  const reply = tupleOf(found[3] ?? "", family, (zone << 16) | protocol);
  if (original === undefined || reply === undefined) return false;
  const table = tracker.tables[family];
  if (table.lookup(original) >= 0 || table.lookup(reply) >= 0) return false;
  const index = table.insert(original, reply);
  const differs = (a: Tuple, from: number, b: Tuple, to: number): boolean =>
    [0, 1, 2, 3].some((i) => a.addresses[from + i] !== b.addresses[to + i]);
  const portsDiffer = (shiftA: number, shiftB: number): boolean =>
    protocol !== IP_ICMP &&
    protocol !== IP_ICMPV6 &&
    ((original.ports >>> shiftA) & 0xffff) !== ((reply.ports >>> shiftB) & 0xffff);
  let flags = 0;
  if (differs(original, 0, reply, 4) || portsDiffer(16, 0)) flags |= FLAG.natSource;
  if (differs(original, 4, reply, 0) || portsDiffer(0, 16)) flags |= FLAG.natDestination;
  table.addFlags(index, flags);
  table.set(index, REC.mark, Number(/,mark=(0x[0-9a-f]+|\d+)/.exec(rest)?.[1] ?? 0) | 0);
  const label = BigInt(/,labels=(0x[0-9a-f]+)/.exec(rest)?.[1] ?? 0);
  for (let i = 0; i < 4; i++)
    table.set(index, REC.label + i, Number(BigInt.asIntN(32, (label >> BigInt(96 - 32 * i)) & 0xffff_ffffn)));
  if (protocol === IP_TCP) {
    const state = Math.max(0, (TCP_STATES as readonly string[]).indexOf(/state=(\w+)/.exec(rest)?.[1] ?? "ESTABLISHED"));
    for (const peer of [REC.peer, REC.replyPeer]) table.set(index, peer, 0xffff | (state << 24));
  } else table.set(index, REC.peer, BOTH);
  table.setExpires(index, now + LIFETIME_MS);
  return true;
}

function tupleOf(text: string, family: 4 | 6, head: number): Tuple | undefined {
  const values = new Map(text.split(",").map((pair) => pair.split("=") as [string, string]));
  const tuple = newTuple();
  tuple.head = head;
  for (const [name, at] of [
    ["src", 0],
    ["dst", 4],
  ] as const) {
    const address = values.get(name) ?? "";
    const [v4, v6] = [parseIpv4(address), parseIpv6(address)];
    if (family === 4 && v4 !== undefined) tuple.addresses[at] = v4 | 0;
    else if (family === 6 && v6 !== undefined) putIpv6(tuple.addresses, at, v6);
    else return undefined;
  }
  const number = (name: string): number => Number(values.get(name) ?? 0);
  tuple.ports = values.has("id")
    ? (number("id") << 16) | (number("type") << 8) | number("code")
    : (number("sport") << 16) | number("dport");
  return tuple;
}
