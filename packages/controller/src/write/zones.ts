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

const PREFIX = "ct-zone-";

export class ZoneBook {
  readonly #byName = new Map<string, number>();
  readonly #taken = new Set<number>();
  readonly #wanted = new Set<string>();
  #changed = true;
  #lowest = 1;
  #version = 0;

  /** Another number after every change of who has which zone. */
  get version(): number {
    return this.#version;
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

  /** Takes over what a former run has left in the bridge; zones that are in use already keep theirs. */
  restore(externalIds: ReadonlyMap<string, string>): void {
    for (const [key, value] of externalIds) {
      const id = Number(value);
      if (!key.startsWith(PREFIX) || !Number.isInteger(id) || id < 1 || id > 65535) continue;
      const name = key.slice(PREFIX.length);
      if (this.#byName.has(name) || this.#taken.has(id)) continue;
      this.#byName.set(name, id);
      this.#taken.add(id);
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
        if (this.#wanted.has(name) && id >= range[0] && id <= range[1]) continue;
        this.#byName.delete(name);
        this.#version++;
        this.#taken.delete(id);
        this.#lowest = Math.min(this.#lowest, id);
        engine.delete(zones, name);
      }
    }
    const fresh: number[] = [];
    for (const name of this.#wanted) {
      let id = this.#byName.get(name);
      if (id === undefined) {
        id = this.#free(range);
        if (id === undefined) continue;
        this.#byName.set(name, id);
        this.#version++;
        this.#taken.add(id);
        fresh.push(id);
      }
      engine.set(zones, name, id);
    }
    return fresh;
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
    if (row === undefined || read(config, 0) === undefined) return;
    const gone: string[] = [];
    const added: [string, string][] = [];
    for (const [key, value] of row.external_ids) {
      if (!key.startsWith(PREFIX)) continue;
      if (this.#byName.get(key.slice(PREFIX.length)) !== Number(value)) gone.push(key);
    }
    for (const [name, id] of this.#byName) {
      const key = PREFIX + name;
      if (row.external_ids.get(key) !== String(id)) added.push([key, String(id)]);
    }
    if (gone.length > 0 || added.length > 0)
      transaction.mutate("Bridge", row._uuid, "external_ids", { delete: gone, insert: added });
  }
}
