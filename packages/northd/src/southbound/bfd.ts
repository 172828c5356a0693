/** BFD: sessions that chassis hold for router ports. */
import { each, type Read } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { bfdKey, bfdStatus, bfdUsed } from "../model/bfd.ts";
import { nb, portChassis, routerPortsByName, switchPortsByPeer } from "../model/nb.ts";
import { routerPort } from "../model/routerPort.ts";
import { type Row, row } from "../output/row.ts";

/** RFC 5881 section 4: the range of source ports. */
const FIRST_PORT = 49152;
const PORTS = 16384;

export const bfdSessions = each("northd/bfdSessions", nb.BFD, function* (uuid, session, read): Iterable<Row> {
  const { logical_port, dst_ip } = session;
  const [port] = read(routerPortsByName, logical_port);
  if (port === undefined) return;
  const told = read(bfdStatus, bfdKey(session));
  const used = read(bfdUsed, uuid);
  const columns = {
    logical_port,
    dst_ip,
    min_tx: session.min_tx ?? 1000,
    min_rx: session.min_rx ?? 1000,
    detect_mult: session.detect_mult ?? 5,
    external_ids: session.external_ids,
    options: session.options,
    chassis_name: chassisOf(port, logical_port, read) ?? "",
  };
  // Whether a session in use is up is for the chassis to tell.
  const status = !used ? { status: "admin_down" } : told === "admin_down" ? { status: "down" } : {};
  yield row("BFD", bfdKey(session), { ...columns, ...status }, { ...identity(uuid), ...(used ? { status: "down" } : {}) });
});

/** The name of the chassis that a port of a gateway router is on, as the chassis told of the switch's port at its other end. */
function chassisOf(port: Uuid, name: string, read: Read): string | undefined {
  const attached = read(routerPort, port)?.gatewayChassis === undefined ? undefined : read(switchPortsByPeer, name)[0];
  return attached === undefined ? undefined : read(portChassis, attached);
}

/** Source port and discriminator, which nobody else should have: both follow from the row's uuid. */
function identity(uuid: Uuid): { readonly src_port: number; readonly disc: number } {
  const disc = Number.parseInt(uuid.slice(0, 8), 16) || 1;
  return { src_port: FIRST_PORT + (Number.parseInt(uuid.slice(28, 36), 16) % PORTS), disc };
}
