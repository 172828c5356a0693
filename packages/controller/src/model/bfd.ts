/** The BFD sessions that this chassis holds for routers (ovn-sb(5), BFD): those of gateway ports that are here. */
import { each, type Read } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { type Ipv4, type Ipv6, type Mac, parseIpv4, parseIpv6 } from "@weft/packet";
import type { SbRow } from "@weft/schemas";
import { parsePortAddresses } from "./addresses.ts";
import { claimOf } from "./binding.ts";
import { localKeyOf } from "./datapaths.ts";
import { portsByName, sb } from "./inputs.ts";
import type { Place } from "./services.ts";

/** Both addresses are of one family: numbers for IPv4. Intervals in ms. */
export interface BfdSession {
  readonly row: Uuid;
  /** The router's port that packets are sent from. */
  readonly place: Place;
  readonly mac: Mac;
  readonly src: Ipv4 | Ipv6;
  readonly dst: Ipv4 | Ipv6;
  readonly srcPort: number;
  readonly discriminator: number;
  readonly minTx: number;
  readonly minRx: number;
  readonly mult: number;
  readonly status: SbRow<"BFD">["status"];
}

/** Whether a router's port is on this chassis: by its gateway router, or by the port that redirects to the gateway. */
function isHere(read: Read, uuid: Uuid, port: SbRow<"Port_Binding">): boolean {
  if (port.type === "l3gateway") return read(claimOf, uuid) !== undefined;
  const redirect = port.options.get("chassis-redirect-port");
  const carrier = redirect === undefined ? undefined : read(portsByName, redirect)[0];
  return carrier !== undefined && read(claimOf, carrier) !== undefined;
}

/** The port's MAC and its address of the peer's family. */
function sourceOf(port: SbRow<"Port_Binding">, dst: Ipv4 | Ipv6): { mac: Mac; src: Ipv4 | Ipv6 } | undefined {
  const addresses = parsePortAddresses(port.mac[0] ?? "");
  const src = (typeof dst === "number" ? addresses?.ipv4 : addresses?.ipv6)?.[0]?.address;
  return addresses === undefined || src === undefined ? undefined : { mac: addresses.mac, src };
}

export const bfdSessions = each<BfdSession, Uuid, SbRow<"BFD">>("bfdSessions", sb.BFD, function* (uuid, row, read) {
  const port = read(portsByName, row.logical_port)[0];
  const binding = port === undefined ? undefined : read(sb.Port_Binding, port);
  const dst = parseIpv4(row.dst_ip) ?? parseIpv6(row.dst_ip);
  // northd says that nothing uses the session.
  if (port === undefined || binding === undefined || dst === undefined || row.status === "admin_down") return;
  const datapath = read(localKeyOf, binding.datapath);
  const source = sourceOf(binding, dst);
  if (datapath === undefined || source === undefined || !isHere(read, port, binding)) return;
  yield {
    row: uuid,
    place: { datapath, port: binding.tunnel_key },
    ...source,
    dst,
    srcPort: row.src_port,
    discriminator: row.disc,
    minTx: row.min_tx,
    minRx: row.min_rx,
    mult: row.detect_mult,
    status: row.status,
  };
});
