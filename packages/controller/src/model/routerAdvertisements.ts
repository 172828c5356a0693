/** Router ports of this chassis that advertise themselves from time to time (ovn-sb(5), Port_Binding:options ipv6_ra_*). */
import { each } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";
import { claimOf } from "./binding.ts";
import { localKeyOf, peerOf } from "./datapaths.ts";
import { sb } from "./inputs.ts";
import type { Place } from "./services.ts";

export interface Advertiser {
  /** The port of the router. */
  readonly port: Uuid;
  /** Where its packets come into the switch. */
  readonly from: Place;
  /** Between two advertisements, at least and at most (ms). */
  readonly min: number;
  readonly max: number;
  /** The row's options, without the prefix "ipv6_ra_". */
  readonly options: ReadonlyMap<string, string>;
}

const PREFIX = "ipv6_ra_";

function seconds(text: string | undefined, otherwise: number): number {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : otherwise;
}

export const advertisers = each<Advertiser, Uuid, SbRow<"Port_Binding">>(
  "advertisers",
  sb.Port_Binding,
  function* (uuid, row, read) {
    if (row.options.get(`${PREFIX}send_periodic`) !== "true") return;
    if (row.type !== "patch" && (row.type !== "l3gateway" || read(claimOf, uuid) === undefined)) return;
    const end = read(peerOf, uuid);
    const peer = end === undefined ? undefined : read(sb.Port_Binding, end);
    const datapath = peer === undefined ? undefined : read(localKeyOf, peer.datapath);
    if (peer === undefined || datapath === undefined) return;
    const options = new Map(
      [...row.options].flatMap(([name, value]) => (name.startsWith(PREFIX) ? [[name.slice(PREFIX.length), value]] : [])),
    );
    const max = seconds(options.get("max_interval"), 600);
    const min = Math.min(seconds(options.get("min_interval"), Math.floor(max / 3)), max);
    yield { port: uuid, from: { datapath, port: peer.tunnel_key }, min: min * 1000, max: max * 1000, options };
  },
);
