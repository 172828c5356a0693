/** BFD: sessions that chassis hold for router ports. */
import { each } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { bfdKey, bfdStatus, bfdUsed } from "../model/bfd.ts";
import { nb, routerPortsByName } from "../model/nb.ts";
import { type Row, row } from "../output/row.ts";

/** RFC 5881 section 4: the range of source ports. */
const FIRST_PORT = 49152;
const PORTS = 16384;

export const bfdSessions = each("northd/bfdSessions", nb.BFD, function* (uuid, session, read): Iterable<Row> {
  const { logical_port, dst_ip } = session;
  if (read(routerPortsByName, logical_port).length === 0) return;
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
  };
  // Whether a session in use is up is for the chassis to tell.
  const status = !used ? { status: "admin_down" } : told === "admin_down" ? { status: "down" } : {};
  yield row("BFD", bfdKey(session), { ...columns, ...status }, { ...identity(uuid), ...(used ? { status: "down" } : {}) });
});

/** Source port and discriminator, which nobody else should have: both follow from the row's uuid. */
function identity(uuid: Uuid): { readonly src_port: number; readonly disc: number } {
  const disc = Number.parseInt(uuid.slice(0, 8), 16) || 1;
  return { src_port: FIRST_PORT + (Number.parseInt(uuid.slice(28, 36), 16) % PORTS), disc };
}
