/**
 * Limits of connection tracking zones (ct-zone-limit of switches, routers and their ports, ovn-nb(5)), which the switch follows: CT_Zone
 * rows of the local database. A port's own limit goes before that of its datapath; 0 means unlimited.
 */
import { counted, each, type Read, type Sink } from "@weft/incremental";
import type { Transaction, Uuid } from "@weft/ovsdb";
import type { SbRow, VsSchema } from "@weft/schemas";
import { integrationBridge, openVSwitchUuid } from "../model/config.ts";
import { sb, vs, zones } from "../model/inputs.ts";
import { datapathZones, zoneNameOf } from "../model/zones.ts";

interface ZoneLimit {
  readonly zone: number;
  readonly limit: number;
}

function limitOf(options: ReadonlyMap<string, string> | undefined): number | undefined {
  const text = options?.get("ct-zone-limit");
  const limit = Number(text);
  return text !== undefined && /^\d+$/.test(text) && limit <= 0xffff_ffff ? limit : undefined;
}

export const datapathLimits = each<ZoneLimit, Uuid, SbRow<"Datapath_Binding">>(
  "datapathLimits",
  sb.Datapath_Binding,
  function* (uuid, row, read) {
    const limit = limitOf(row.external_ids);
    if (limit === undefined) return;
    const { dnat, snat } = datapathZones(read, uuid);
    for (const zone of [dnat, snat]) if (zone !== undefined) yield { zone, limit };
  },
);

export const portLimits = each<ZoneLimit, Uuid, SbRow<"Port_Binding">>(
  "portLimits",
  sb.Port_Binding,
  function* (uuid, row, read) {
    const name = read(zoneNameOf, uuid);
    const zone = name === undefined ? undefined : read(zones, name);
    if (zone === undefined) return;
    const limit = limitOf(row.options) ?? limitOf(read(sb.Datapath_Binding, row.datapath)?.external_ids);
    if (limit !== undefined) yield { zone, limit };
  },
);

export class LimitBook {
  readonly #limits = new Map<number, number>();
  #changed = false;

  readonly sink: Sink<ZoneLimit> = counted<ZoneLimit>(({ zone, limit }) => `${zone} ${limit}`, {
    appear: ({ zone, limit }) => {
      this.#limits.set(zone, limit);
      this.#changed = true;
    },
    vanish: ({ zone, limit }) => {
      if (this.#limits.get(zone) === limit) this.#limits.delete(zone);
      this.#changed = true;
    },
  });

  /** Whether limits are others than at the last call. */
  takeChanged(): boolean {
    const changed = this.#changed;
    this.#changed = false;
    return changed;
  }

  /** Brings the datapath's CT_Zone rows in line. `isOurs`: whether a zone is one that we have given out; others' limits are left alone. */
  write(read: Read, transaction: Transaction<VsSchema>, isOurs: (zone: number) => boolean): void {
    const root = openVSwitchUuid(read);
    const bridge = read(integrationBridge, 0);
    if (root === undefined || bridge === undefined) return;
    const type = read(vs.Bridge, bridge)?.datapath_type || "system";
    const uuid = read(vs.Open_vSwitch, root)?.datapaths.get(type);
    const row = uuid === undefined ? undefined : read(vs.Datapath, uuid);
    const gone: number[] = [];
    for (const [zone, id] of row?.ct_zones ?? []) {
      const there = read(vs.CT_Zone, id);
      const limit = this.#limits.get(zone);
      if (there === undefined || there.limit === limit || !isOurs(zone)) continue;
      // A timeout policy is the operator's.
      if (limit === undefined && there.timeout_policy === undefined) gone.push(zone);
      else transaction.update("CT_Zone", id, { limit });
    }
    const missing = [...this.#limits].filter(([zone]) => row?.ct_zones.has(zone) !== true);
    if (gone.length === 0 && missing.length === 0) return;
    const added = missing.map(([zone, limit]) => [zone, transaction.insert("CT_Zone", { limit })] as const);
    if (uuid === undefined) {
      const datapath = transaction.insert("Datapath", { ct_zones: added });
      transaction.mutate("Open_vSwitch", root, "datapaths", { insert: [[type, datapath]] });
    } else transaction.mutate("Datapath", uuid, "ct_zones", { delete: gone, insert: added });
  }
}
