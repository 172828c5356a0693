/**
 * Next hops of ECMP routes with symmetric replies (ovn-sb(5), ECMP_Nexthop): their MACs are kept in the table, connections that
 * came from a MAC go when it is no next hop's any more, and they are asked for their MACs all the time.
 */
import { each, index, type Read } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { parseMac } from "@weft/packet";
import type { SbRow } from "@weft/schemas";
import { ANY, type Flushable, NO_ICMP } from "../physical/ctFlush.ts";
import { type SbWrite, updateSb } from "../write/writes.ts";
import { claimOf } from "./binding.ts";
import { localKeyOf } from "./datapaths.ts";
import { portsByName, sb } from "./inputs.ts";
import { datapathZones } from "./zones.ts";

type Nexthop = SbRow<"ECMP_Nexthop">;

/** Groups are `port ip`. */
const learnedMacs = index<string, Uuid, SbRow<"MAC_Binding">>("learnedMacs", sb.MAC_Binding, (row) => [
  `${row.logical_port} ${row.ip}`,
]);

/** The port that a next hop is behind, if packets to it leave by this chassis. */
function exitOf(read: Read, { port }: Nexthop): SbRow<"Port_Binding"> | undefined {
  const row = read(sb.Port_Binding, port);
  const gateway = row?.type === "l3gateway" ? port : read(portsByName, row?.options.get("chassis-redirect-port") ?? "")[0];
  return gateway === undefined || read(claimOf, gateway) !== "main" ? undefined : row;
}

/** ECMP_Nexthop.mac, as the neighbour was learned last. */
export const nexthopMacs = each<SbWrite, Uuid, Nexthop>("nexthopMacs", sb.ECMP_Nexthop, function* (uuid, row, read) {
  const port = exitOf(read, row);
  const learned = port === undefined ? undefined : read(learnedMacs, `${port.logical_port} ${row.nexthop}`)[0];
  const mac = learned === undefined ? undefined : read(sb.MAC_Binding, learned)?.mac;
  if (mac !== undefined && mac !== row.mac) yield updateSb("ECMP_Nexthop", uuid, { mac });
});

/** Where northd's flows keep the MAC that a connection came from in its label. */
const LABEL_SHIFT = 32n;
const LABEL_MASK = 0xffffffffffffn << LABEL_SHIFT;

/** Connections by next hops that have a MAC. */
export const nexthopConnections = each<Flushable, Uuid, Nexthop>(
  "nexthopConnections",
  sb.ECMP_Nexthop,
  function* (_uuid, row, read) {
    const mac = parseMac(row.mac);
    const zone = datapathZones(read, row.datapath).dnat;
    if (mac === undefined || zone === undefined) return;
    const tuple = { ...ANY, ...NO_ICMP };
    const labels = { value: BigInt(mac) << LABEL_SHIFT, mask: LABEL_MASK };
    yield {
      key: `nexthop ${zone} ${row.mac}`,
      message: { type: "ct_flush", protocol: 0, zone, original: tuple, reply: tuple, mark: undefined, labels },
    };
  },
  { identity: ({ key }) => key },
);

/** A next hop that is to be asked for its MAC. */
export interface AskedNexthop {
  /** Tunnel keys. */
  readonly datapath: number;
  readonly port: number;
  /** The port's addresses, as Port_Binding has them. */
  readonly from: string;
  readonly ip: string;
}

export const askedNexthops = each<AskedNexthop, Uuid, Nexthop>("askedNexthops", sb.ECMP_Nexthop, function* (_uuid, row, read) {
  const port = exitOf(read, row);
  const datapath = read(localKeyOf, row.datapath);
  // Of a distributed router the reference asks nobody.
  if (port?.type !== "l3gateway" || datapath === undefined) return;
  yield { datapath, port: port.tunnel_key, from: port.mac[0] ?? "", ip: row.nexthop };
});
