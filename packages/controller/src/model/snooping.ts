/** Switches of this chassis that snoop on IGMP and MLD (ovn-sb(5), IP_Multicast). */
import { each } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { type Ipv4, type Ipv6, type Mac, parseIpv4, parseIpv6, parseMac } from "@weft/packet";
import type { SbRow } from "@weft/schemas";
import { localKeyOf } from "./datapaths.ts";
import { sb } from "./inputs.ts";

/** Times in ms. */
export interface SnoopingSwitch {
  readonly datapath: Uuid;
  /** Its tunnel key. */
  readonly key: number;
  /** How many groups it remembers. */
  readonly tableSize: number;
  /** How long a member that is silent stays one. */
  readonly idleTimeout: number;
  /** When it changes, everything is forgotten. */
  readonly sequence: number;
  /** Undefined: it sends no queries. */
  readonly querier: Querier | undefined;
}

export interface Querier {
  readonly interval: number;
  /** How long members may take to answer. */
  readonly maxResponse: number;
  readonly mac: Mac;
  readonly ipv4: Ipv4 | undefined;
  readonly ipv6: Ipv6 | undefined;
}

const TABLE_SIZE = 2048;
/** A table is no smaller, whatever the row says. */
const LEAST_TABLE_SIZE = 10;
const IDLE_TIMEOUT = 300;
const MAX_RESPONSE = 1;

function querierOf(row: SbRow<"IP_Multicast">, idleTimeout: number): Querier | undefined {
  const mac = parseMac(row.eth_src);
  if (row.querier !== true || mac === undefined) return undefined;
  return {
    interval: (row.query_interval ?? Math.floor(idleTimeout / 2)) * 1000,
    maxResponse: (row.query_max_resp ?? MAX_RESPONSE) * 1000,
    mac,
    ipv4: parseIpv4(row.ip4_src),
    ipv6: parseIpv6(row.ip6_src),
  };
}

export const snoopingSwitches = each<SnoopingSwitch, Uuid, SbRow<"IP_Multicast">>(
  "snoopingSwitches",
  sb.IP_Multicast,
  function* (_uuid, row, read) {
    const key = row.datapath === undefined ? undefined : read(localKeyOf, row.datapath);
    if (row.datapath === undefined || key === undefined || row.enabled !== true) return;
    const idle = row.idle_timeout ?? IDLE_TIMEOUT;
    yield {
      datapath: row.datapath,
      key,
      tableSize: Math.max(row.table_size ?? TABLE_SIZE, LEAST_TABLE_SIZE),
      idleTimeout: idle * 1000,
      sequence: row.seq_no,
      querier: querierOf(row, idle),
    };
  },
);
