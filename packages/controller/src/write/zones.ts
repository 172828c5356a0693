/**
 * Gives out conntrack zones. They are kept in the integration bridge's external_ids ("ct-zone-NAME"), so that
 * connections survive a restart of the controller.
 */
import { counted, type Engine, each, type Read, type Sink } from "@weft/incremental";
import type { Transaction, Uuid } from "@weft/ovsdb";
import type { SbRow, VsSchema } from "@weft/schemas";
import { config, integrationBridge } from "../model/config.ts";
import { isLocalDatapath } from "../model/datapaths.ts";
import { sb, vs, zones } from "../model/inputs.ts";
import { datapathName, zoneNameOf } from "../model/zones.ts";

export const portZones = each<string, Uuid, SbRow<"Port_Binding">>("portZones", sb.Port_Binding, function* (uuid, _row, read) {
  const name = read(zoneNameOf, uuid);
  if (name !== undefined) yield name;
});

export const datapathZoneNames = each<string, Uuid, SbRow<"Datapath_Binding">>(
  "datapathZoneNames",
  sb.Datapath_Binding,
  function* (uuid, _row, read) {
    const name = read(isLocalDatapath, uuid) ? read(datapathName, uuid) : undefined;
    if (name === undefined) return;
    yield `${name}_dnat`;
    yield `${name}_snat`;
  },
);

interface ZoneRequest {
  readonly name: string;
  readonly zone: number;
}

/** Zones that are asked for by number: Logical_Router options:snat-ct-zone, ovn-nb(5). */
export const requestedZones = each<ZoneRequest, Uuid, SbRow<"Datapath_Binding">>(
  "requestedZones",
  sb.Datapath_Binding,
  function* (uuid, row, read) {
    const name = read(isLocalDatapath, uuid) ? read(datapathName, uuid) : undefined;
    const zone = Number(row.external_ids.get("snat-ct-zone") ?? Number.NaN);
    if (name !== undefined && Number.isInteger(zone) && zone >= 0 && zone <= 65535) yield { name: `${name}_snat`, zone };
  },
);

const PREFIX = "ct-zone-";

export class ZoneBook {
  readonly #byName = new Map<string, number>();
  /** The same as the bridge's external_ids say it. */
  readonly #texts = new Map<string, string>();
  /** The zones that the engine knows of. */
  readonly #told = new Map<string, number>();
  /** How many names have a zone: several where all of them ask for it. */
  readonly #taken = new Map<number, number>();
  readonly #wanted = new Set<string>();
  readonly #requested = new Map<string, number>();
  /** Whose request is new: it takes the zone from others, but not from those that only ceased to ask for it too. */
  readonly #asked = new Set<string>();
  /** Zones that we, or a former run, have given out at any time. */
  readonly #given = new Set<number>();
  /** The bridge's external_ids that say what we do. */
  #alike: ReadonlyMap<string, string> | undefined;
  #changed = true;
  #lowest = 1;
  #version = 0;

  /** Another number after every change of who has which zone. */
  get version(): number {
    return this.#version;
  }

  /** Whether a zone is, or was at any time, one that we have given out. */
  isOurs(zone: number): boolean {
    return this.#given.has(zone);
  }

  /** Hears which names need a zone. */
  readonly sink: Sink<string> = counted<string>((name) => name, {
    appear: (name) => {
      this.#wanted.add(name);
      this.#changed = true;
    },
    vanish: (name) => {
      this.#wanted.delete(name);
      this.#changed = true;
    },
  });

  /** Hears which names want a certain zone. */
  readonly requests: Sink<ZoneRequest> = counted<ZoneRequest>(({ name, zone }) => `${zone} ${name}`, {
    appear: ({ name, zone }) => {
      this.#requested.set(name, zone);
      this.#asked.add(name);
      this.#changed = true;
    },
    // A name whose request is gone keeps its zone.
    vanish: ({ name, zone }) => {
      if (this.#requested.get(name) === zone) this.#requested.delete(name);
    },
  });

  /** Takes over what a former run has left in the bridge; zones that are in use already keep theirs. */
  restore(externalIds: ReadonlyMap<string, string>): void {
    const before = new Set(this.#taken.keys());
    for (const [key, value] of externalIds) {
      const id = Number(value);
      if (!key.startsWith(PREFIX) || !Number.isInteger(id) || id < 0 || id > 65535) continue;
      this.#given.add(id);
      const name = key.slice(PREFIX.length);
      if (this.#byName.has(name) || before.has(id)) continue;
      this.#give(name, id);
      this.#changed = true;
    }
  }

  /**
   * Gives zones to the names that have none yet and writes them into the engine. With `forget`, zones of names that are
   * wanted no longer are free again. Returns the zones that are new, whose connections are to be flushed.
   */
  allot(engine: Engine, range: readonly [number, number], forget: boolean): number[] {
    if (!this.#changed) return [];
    this.#changed = false;
    if (forget) {
      for (const [name, id] of this.#byName) {
        const inRange = id >= range[0] && id <= range[1];
        if (this.#wanted.has(name) && (inRange || this.#requested.get(name) === id)) continue;
        this.#release(engine, name, id);
      }
    }
    const fresh: number[] = [];
    for (const [name, zone] of this.#requested) {
      if (!this.#wanted.has(name)) continue;
      const has = this.#byName.get(name) === zone;
      if (has && !(forget && this.#asked.has(name))) continue;
      for (const [other, id] of this.#byName) {
        if (id === zone && this.#requested.get(other) !== zone) this.#release(engine, other, id);
      }
      if (has) continue;
      const before = this.#byName.get(name);
      if (before !== undefined) this.#release(engine, name, before);
      this.#give(name, zone);
      fresh.push(zone);
    }
    if (forget) this.#asked.clear();
    for (const name of this.#wanted) {
      let id = this.#byName.get(name);
      if (id === undefined) {
        id = this.#free(range);
        if (id === undefined) continue;
        this.#give(name, id);
        fresh.push(id);
      }
      if (this.#told.get(name) === id) continue;
      this.#told.set(name, id);
      engine.set(zones, name, id);
    }
    return fresh;
  }

  #give(name: string, id: number): void {
    this.#byName.set(name, id);
    this.#texts.set(PREFIX + name, String(id));
    this.#taken.set(id, (this.#taken.get(id) ?? 0) + 1);
    this.#given.add(id);
    this.#alike = undefined;
    this.#version++;
  }

  #release(engine: Engine, name: string, id: number): void {
    this.#byName.delete(name);
    this.#texts.delete(PREFIX + name);
    this.#told.delete(name);
    this.#alike = undefined;
    this.#version++;
    engine.delete(zones, name);
    const others = (this.#taken.get(id) ?? 1) - 1;
    if (others > 0) {
      this.#taken.set(id, others);
      return;
    }
    this.#taken.delete(id);
    this.#lowest = Math.min(this.#lowest, id);
  }

  #free([first, last]: readonly [number, number]): number | undefined {
    for (let id = Math.max(first, this.#lowest); id <= last; id++) {
      if (!this.#taken.has(id)) {
        this.#lowest = id;
        return id;
      }
    }
    return undefined;
  }

  /** Names and zones that are in use. */
  *entries(): Iterable<readonly [string, number]> {
    for (const [name, id] of this.#byName) if (this.#wanted.has(name)) yield [name, id];
  }

  /** Brings the bridge's external_ids in line. */
  write(read: Read, transaction: Transaction<VsSchema>): void {
    const uuid = read(integrationBridge, 0);
    const row = uuid === undefined ? undefined : read(vs.Bridge, uuid);
    // There are as many as ports, and this is asked after every change.
    if (row === undefined || read(config, 0) === undefined || row.external_ids === this.#alike) return;
    const gone: string[] = [];
    let right = 0;
    for (const [key, value] of row.external_ids) {
      if (this.#texts.get(key) === value) right++;
      else if (key.startsWith(PREFIX)) gone.push(key);
    }
    const added = right === this.#texts.size ? [] : [...this.#texts].filter(([key, text]) => row.external_ids.get(key) !== text);
    if (gone.length === 0 && added.length === 0) this.#alike = row.external_ids;
    else transaction.mutate("Bridge", row._uuid, "external_ids", { delete: gone, insert: added });
  }
}
