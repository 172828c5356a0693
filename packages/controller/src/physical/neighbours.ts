/**
 * MAC bindings: table 66 finds a neighbour's MAC, table 67 says whether a binding is known already, table 79 counts the
 * packets of a neighbour, so that its binding does not age. And the FDB: tables 71 and 72.
 */
import { each, type Read } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { parseIpv4, parseIpv6, parseMac } from "@weft/packet";
import type { SbRow } from "@weft/schemas";
import { isLocalDatapath, localDatapaths, localKeyOf } from "../model/datapaths.ts";
import { portsByName, sb } from "../model/inputs.ts";
import { flag, reg, tables as t } from "../tables.ts";
import { type DesiredFlow, ETH, flow, IP, type MatchSpec, set } from "./flow.ts";

interface Binding {
  readonly _uuid: Uuid;
  readonly datapath: Uuid;
  readonly logical_port: string;
  readonly ip: string;
  readonly mac: string;
}

const found = set(reg.flags, flag.lookupMac, flag.lookupMac);

function* neighbour(read: Read, row: Binding, priority: number, used: boolean): Iterable<DesiredFlow> {
  const port = read(portsByName, row.logical_port)[0];
  const key = port === undefined ? undefined : read(sb.Port_Binding, port)?.tunnel_key;
  const metadata = read(localKeyOf, row.datapath);
  const mac = parseMac(row.mac);
  const v4 = parseIpv4(row.ip);
  const v6 = v4 === undefined ? parseIpv6(row.ip) : undefined;
  if (key === undefined || metadata === undefined || mac === undefined || (v4 === undefined && v6 === undefined)) return;
  const from = row._uuid;
  const ip: MatchSpec = v4 !== undefined ? { reg0: v4 } : { xxreg1: v6! };
  yield flow({
    table: t.macBinding,
    priority,
    match: { metadata, [reg.outport]: key, ...ip },
    actions: [set("eth_dst", mac), found],
    from,
  });
  const sender = { metadata, [reg.inport]: key, eth_src: mac };
  const lookup: MatchSpec =
    v4 !== undefined ? { eth_type: ETH.arp, reg0: v4 } : { eth_type: ETH.ipv6, ip_proto: IP.icmpv6, icmpv6_code: 0, xxreg0: v6! };
  yield flow({ table: t.macLookup, priority, match: { ...sender, ...lookup }, actions: [found], from });
  if (!used) return;
  const packets: MatchSpec[] =
    v4 !== undefined
      ? [
          { eth_type: ETH.ip, ip_src: v4 },
          { eth_type: ETH.arp, arp_op: 2, arp_spa: v4 },
        ]
      : [{ eth_type: ETH.ipv6, ipv6_src: v6! }];
  for (const match of packets)
    yield flow({ table: t.macCacheUse, priority: 100, match: { ...sender, ...match }, actions: [], from });
}

export const macBindings = each<DesiredFlow, Uuid, SbRow<"MAC_Binding">>(
  "macBindings",
  sb.MAC_Binding,
  function* (_uuid, row, read) {
    if (read(isLocalDatapath, row.datapath)) yield* neighbour(read, row, 100, true);
  },
);

export const staticMacBindings = each<DesiredFlow, Uuid, SbRow<"Static_MAC_Binding">>(
  "staticMacBindings",
  sb.Static_MAC_Binding,
  function* (_uuid, row, read) {
    if (read(isLocalDatapath, row.datapath)) yield* neighbour(read, row, row.override_dynamic_mac ? 150 : 50, false);
  },
);

export const forwardingDatabase = each<DesiredFlow, Uuid, SbRow<"FDB">>(
  "forwardingDatabase",
  sb.FDB,
  function* (uuid, row, read) {
    const mac = parseMac(row.mac);
    if (mac === undefined) return;
    const metadata = row.dp_key;
    if (!read(localDatapaths, 0).some((datapath) => read(localKeyOf, datapath) === metadata)) return;
    yield flow({
      table: t.getFdb,
      priority: 100,
      match: { metadata, eth_dst: mac },
      actions: [set(reg.outport, row.port_key)],
      from: uuid,
    });
    yield flow({
      table: t.lookupFdb,
      priority: 100,
      match: { metadata, eth_src: mac, [reg.inport]: row.port_key },
      actions: [set(reg.flags, flag.lookupFdb, flag.lookupFdb)],
      from: uuid,
    });
  },
);
