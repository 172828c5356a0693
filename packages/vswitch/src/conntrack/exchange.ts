/** Connections of all protocols but TCP: what is known of them is who has sent. */
import { IP_ICMP, IP_ICMPV6 } from "../flow/key.ts";
import { REC } from "./table.ts";
import type { Verdict } from "./tcp.ts";
import type { TimeoutName } from "./timeouts.ts";

/** What has been seen, in the record's `peer` word: one packet, several of the original direction, both directions. */
const FIRST = 0;
const SINGLE = 1;
const BOTH = 2;

export function exchangeUpdate(slab: Int32Array, at: number, reply: boolean): Verdict {
  if (reply) slab[at + REC.peer] = BOTH;
  else if (slab[at + REC.peer] === FIRST) slab[at + REC.peer] = SINGLE;
  return slab[at + REC.peer] === BOTH ? "valid" : "new";
}

export function exchangeTimeout(slab: Int32Array, at: number, protocol: number): TimeoutName {
  const state = slab[at + REC.peer];
  if (protocol === IP_ICMP || protocol === IP_ICMPV6) return state === BOTH ? "icmp_reply" : "icmp_first";
  return state === BOTH ? "udp_multiple" : state === SINGLE ? "udp_single" : "udp_first";
}
