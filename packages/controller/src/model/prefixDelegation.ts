/**
 * Router ports of this chassis that want an IPv6 prefix delegated (ovn-nb(5), Logical_Router_Port:options prefix), and the
 * port of the same router that asks for it (prefix_delegation).
 */
import { each, type Read } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { type Ipv6, linkLocalOfMac, type Mac } from "@weft/packet";
import type { SbRow } from "@weft/schemas";
import { isResident } from "../lflow/names.ts";
import { parsePortAddresses } from "./addresses.ts";
import { claimOf } from "./binding.ts";
import { localKeyOf, peerOf } from "./datapaths.ts";
import { portsOfDatapath, sb } from "./inputs.ts";
import type { Place } from "./services.ts";

type Port = SbRow<"Port_Binding">;

export interface Delegation {
  /** The port that the prefix is for, and its MAC, by which the server knows it. */
  readonly port: Uuid;
  readonly identity: Mac;
  /** The port that asks, its router's tunnel key, and where its packets come into the switch. */
  readonly asking: Uuid;
  readonly router: number;
  readonly from: Place;
  readonly mac: Mac;
  readonly address: Ipv6;
}

/** Whether a port's traffic leaves the router on this chassis. */
function isHere(read: Read, row: Port): boolean {
  if (row.type === "l3gateway") return read(claimOf, row._uuid) !== undefined;
  const redirect = row.options.get("chassis-redirect-port");
  return redirect !== undefined && read(isResident, redirect);
}

function* portsWith(read: Read, router: Uuid, option: string): Iterable<Port> {
  for (const type of ["patch", "l3gateway"]) {
    for (const uuid of read(portsOfDatapath, `${router} ${type}`)) {
      const row = read(sb.Port_Binding, uuid);
      if (row?.options.get(option) === "true") yield row;
    }
  }
}

export const delegations = each<Delegation, Uuid, Port>("delegations", sb.Port_Binding, function* (uuid, row, read) {
  if (row.options.get("ipv6_prefix_delegation") !== "true" || !isHere(read, row)) return;
  const end = read(peerOf, uuid);
  const peer = end === undefined ? undefined : read(sb.Port_Binding, end);
  const datapath = peer === undefined ? undefined : read(localKeyOf, peer.datapath);
  const router = read(localKeyOf, row.datapath);
  const own = row.mac.map(parsePortAddresses)[0];
  if (peer === undefined || datapath === undefined || router === undefined || own === undefined) return;
  const address = own.ipv6[0]?.address ?? linkLocalOfMac(own.mac);
  for (const wanting of portsWith(read, row.datapath, "ipv6_prefix")) {
    const identity = wanting.mac.map(parsePortAddresses)[0]?.mac;
    if (identity === undefined) continue;
    const from = { datapath, port: peer.tunnel_key };
    yield { port: wanting._uuid, identity, asking: uuid, router, from, mac: own.mac, address };
  }
});
