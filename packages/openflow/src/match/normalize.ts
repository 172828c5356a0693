/**
 * Normal form: a match looks only at fields that its protocols make applicable. ovs-ofctl and the switch drop the rest
 * (ovs-ofctl(8), "Flow Syntax").
 */
import { WORD } from "../field/layout.ts";
import { MatchBuilder } from "./builder.ts";
import type { Match } from "./match.ts";
import { ETH_TYPE, etherTypeOf, IP_PROTO, ipProtoOf } from "./prerequisites.ts";

function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

const GROUPS = {
  nwAddresses: [WORD.nw_src, WORD.nw_dst],
  nwProto: [WORD.nw_proto],
  ip: [WORD.nw_tos, WORD.nw_ttl, WORD.nw_frag],
  transport: [WORD.tp_src, WORD.tp_dst],
  tcpFlags: [WORD.tcp_flags],
  arpSha: range(WORD.arp_sha, 2),
  arpTha: range(WORD.arp_tha, 2),
  ipv6: [...range(WORD.ipv6_src, 4), ...range(WORD.ipv6_dst, 4), WORD.ipv6_label],
  ndTarget: [...range(WORD.nd_target, 4)],
  mpls: [WORD.mpls_lse],
} as const;

type Group = keyof typeof GROUPS;
const ALL = Object.keys(GROUPS) as Group[];
const GROUP_OF = new Map<number, Group>(ALL.flatMap((group) => GROUPS[group].map((word) => [word, group] as const)));

function allowed(match: Match): ReadonlySet<Group> {
  const type = etherTypeOf(match);
  const may = new Set<Group>();
  if (type === ETH_TYPE.ip || type === ETH_TYPE.ipv6) {
    may.add("nwProto").add("ip");
    const proto = ipProtoOf(match);
    const icmp = type === ETH_TYPE.ip ? IP_PROTO.icmp : IP_PROTO.icmpv6;
    if (proto === IP_PROTO.tcp || proto === IP_PROTO.udp || proto === IP_PROTO.sctp || proto === icmp) may.add("transport");
    if (proto === IP_PROTO.tcp) may.add("tcpFlags");
    if (type === ETH_TYPE.ip) may.add("nwAddresses");
    else {
      may.add("ipv6");
      if (proto === icmp) {
        may.add("ndTarget");
        const kind = (match.wordMask(WORD.tp_src) & 0xff) === 0xff ? match.wordValue(WORD.tp_src) & 0xff : 0;
        if (kind === 135) may.add("arpSha");
        if (kind === 136) may.add("arpTha");
      }
    }
  } else if (type === ETH_TYPE.arp || type === ETH_TYPE.rarp) may.add("nwAddresses").add("nwProto").add("arpSha").add("arpTha");
  else if (type === ETH_TYPE.mpls || type === ETH_TYPE.mplsm) may.add("mpls");
  return may;
}

/** ICMP types and codes are 8 bits of the port words. */
function narrow(match: Match): Match {
  const icmp = ipProtoOf(match) === (etherTypeOf(match) === ETH_TYPE.ip ? IP_PROTO.icmp : IP_PROTO.icmpv6);
  const wide = [WORD.tp_src, WORD.tp_dst].filter((word) => (match.wordMask(word) & 0xff00) !== 0);
  if (!icmp || wide.length === 0) return match;
  const builder = new MatchBuilder(match);
  for (const word of wide) builder.clearWord(word, 0xff00);
  return builder.build();
}

/** The match in normal form; the same object when it is already. */
export function normalizeMatch(match: Match): Match {
  let may: ReadonlySet<Group> | undefined;
  let builder: MatchBuilder | undefined;
  for (let i = 0; i < match.size; i++) {
    const group = GROUP_OF.get(match.offset(i));
    if (group === undefined) continue;
    may ??= allowed(match);
    if (may.has(group)) continue;
    builder ??= new MatchBuilder(match);
    builder.clearWord(match.offset(i));
  }
  return narrow(builder === undefined ? match : builder.build());
}
