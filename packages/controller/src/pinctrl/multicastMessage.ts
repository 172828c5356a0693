/** What IGMP and MLD messages ask of a switch that snoops (RFC 4541). */
import {
  emit,
  find,
  formatIpv4,
  formatIpv6,
  type Header,
  IGMP_TYPE,
  type Igmp,
  type Ipv4,
  type Ipv6,
  type Layer,
  type Mac,
  type Mld,
  parseIpv4,
  parseIpv6,
  parseMac,
} from "@weft/packet";
import type { GroupProtocol } from "./groupTable.ts";

export interface Change {
  readonly address: string;
  readonly protocol: GroupProtocol;
  readonly join: boolean;
}

/** A query comes from where a multicast router is. */
export type MulticastMessage = "query" | readonly Change[];

/** Types of records in reports of IGMPv3 (RFC 3376 section 4.2.12) and MLDv2 (RFC 3810 section 5.2.12). */
const IS_INCLUDE = 1;
const TO_INCLUDE = 3;
const BLOCK_OLD = 6;

/**
 * Whether a record makes its port a member of the group; undefined: it is of no known type. Sources are not told apart: who
 * tells any wants the group, and who includes none does not.
 */
function joins(type: number, sources: number): boolean | undefined {
  if (type < IS_INCLUDE || type > BLOCK_OLD) return undefined;
  return sources > 0 || (type !== IS_INCLUDE && type !== TO_INCLUDE);
}

function changesOf<A>(
  records: readonly { readonly type: number; readonly group: A; readonly sources: readonly A[] }[],
  protocol: GroupProtocol,
  text: (group: A) => string,
): Change[] {
  return records.flatMap(({ type, group, sources }) => {
    const join = joins(type, sources.length);
    return join === undefined ? [] : [{ address: text(group), protocol, join }];
  });
}

function readIgmp(message: Igmp): MulticastMessage {
  switch (message.type) {
    case IGMP_TYPE.query:
      return "query";
    case IGMP_TYPE.report3:
      return changesOf(message.records, "IGMPv3", formatIpv4);
    default: {
      const protocol = message.type === IGMP_TYPE.report1 ? "IGMPv1" : "IGMPv2";
      return [{ address: formatIpv4(message.group), protocol, join: message.type !== IGMP_TYPE.leave }];
    }
  }
}

const MLD_QUERY = 130;
const MLD_DONE = 132;
const MLD_REPORT2 = 143;

function readMld(message: Mld): MulticastMessage {
  if (message.type === MLD_QUERY) return "query";
  if (message.type === MLD_REPORT2) return changesOf(message.records, "MLDv2", formatIpv6);
  return [{ address: formatIpv6(message.group), protocol: "MLDv1", join: message.type !== MLD_DONE }];
}

/** Undefined: no message, or one with a wrong checksum. */
export function multicastMessage(layers: readonly Layer[]): MulticastMessage | undefined {
  const igmp = find(layers, "igmp");
  if (igmp !== undefined) return igmp.checksum === undefined ? readIgmp(igmp) : undefined;
  const mld = find(layers, "mld");
  return mld === undefined || mld.checksum !== undefined ? undefined : readMld(mld);
}

interface QueryOptions {
  readonly mac: Mac;
  /** Milliseconds. */
  readonly maxResponse: number;
}

const ALL_HOSTS = parseIpv4("224.0.0.1")!;
const ALL_HOSTS_MAC = parseMac("01:00:5e:00:00:01")!;

/** A general IGMPv3 query. Like the reference's it has no router alert, and the interval is the time to answer. */
export function igmpQuery(src: Ipv4, { mac, maxResponse }: QueryOptions): Uint8Array {
  const tenths = maxResponse / 100;
  const version3 = { suppress: false, robustness: 0, intervalCode: tenths, sources: [] };
  return emit([
    { kind: "ethernet", dst: ALL_HOSTS_MAC, src: mac },
    { kind: "ipv4", src, dst: ALL_HOSTS, ttl: 1, dontFragment: true },
    { kind: "igmp", type: IGMP_TYPE.query, maxResponse: tenths, group: parseIpv4("0.0.0.0")!, version3 },
  ]);
}

const ALL_NODES = parseIpv6("ff02::1")!;
/** Where the reference sends them, though ff02::1 is at 33:33:00:00:00:01. */
const QUERY_MAC = parseMac("33:33:00:00:00:00")!;
/** A router alert for MLD (RFC 2711), and two bytes of padding. */
const ROUTER_ALERT = Uint8Array.of(5, 2, 0, 0, 0, 0);

/** A general MLDv2 query. */
export function mldQuery(src: Ipv6, { mac, maxResponse }: QueryOptions): Uint8Array {
  const version2 = { suppress: false, robustness: 0, intervalCode: maxResponse / 1000, sources: [] };
  const headers: Header[] = [
    { kind: "ethernet", dst: QUERY_MAC, src: mac },
    { kind: "ipv6", src, dst: ALL_NODES, hopLimit: 1 },
    { kind: "ipv6-options", where: "hop-by-hop", options: ROUTER_ALERT },
    { kind: "mld", type: MLD_QUERY, maxResponse, group: parseIpv6("::")!, version2 },
  ];
  return emit(headers);
}
