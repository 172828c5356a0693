import { memoryReplica, type Uuid } from "@weft/ovsdb";
import { ovnNorthbound } from "@weft/schemas";
import fc from "fast-check";
import { expect, it } from "vitest";
import { Core } from "./core.ts";
import { chassisEdits, edits, type Nb } from "./testing/edits.ts";

/** An edit of the northbound database: which kind, and numbers that choose rows and values. */
type Edit = readonly [kind: number, a: number, b: number, c: number];

/** Everything that the core wants, as sorted lines. */
function wanted(core: Core): string[] {
  const lines: string[] = [];
  for (const flow of core.flows.entries()) {
    if (flow.empty) continue;
    const { source, hint } = flow.origin;
    const { stage, priority, match, actions, port, meter, description } = flow;
    lines.push(
      [[...flow.members()].sort(), stage.name, priority, match, actions, port, meter, description, source, hint].join(" | "),
    );
  }
  for (const { table, key, desired } of core.rows.entries()) {
    if (desired === undefined) continue;
    lines.push(`${table} ${key} ${JSON.stringify(desired.columns, (_, value) => (value instanceof Map ? [...value] : value))}`);
  }
  return lines.sort();
}

function coreOver(nb: Nb, keys: (id: string) => number | undefined): Core {
  const core = new Core({
    existingDatapathKey: (uuid) => keys(uuid),
    existingPortKey: (name) => keys(name),
    existingAclId: (uuid) => keys(uuid),
    existingGroupKey: (address, datapath) => keys(`group ${datapath} ${address}`),
    existingQueue: (port) => keys(`queue ${port}`),
    warn: () => {},
  });
  core.macPrefix = "0a:bb:cc";
  for (const table of Object.keys(ovnNorthbound.tables) as (keyof typeof ovnNorthbound.tables)[]) {
    for (const row of nb.table(table).rows()) core.set(table, row._uuid, row);
  }
  return core;
}

/** What northd writes to the northbound database. */
function writeBack(nb: Nb, core: Core): void {
  for (const uuid of core.takeWriteBacks()) {
    if (nb.table("Logical_Switch_Port").get(uuid) === undefined) continue;
    nb.update("Logical_Switch_Port", uuid, { dynamic_addresses: core.addressesOf(uuid), tag: core.tagOf(uuid) });
  }
}

/** The tunnel keys that the core gave, by the keys of their rows. */
function keysOf(core: Core): Map<string, number> {
  const keys = new Map<string, number>();
  for (const { table, key, desired } of core.rows.entries()) {
    if (table === "Datapath_Binding" || table === "Port_Binding") {
      const given = desired?.columns["tunnel_key"];
      if (typeof given === "number") keys.set(key, given);
      const queue = (desired?.columns["options"] as ReadonlyMap<string, string> | undefined)?.get("qdisc_queue_id");
      if (queue !== undefined) keys.set(`queue ${key}`, Number(queue));
    } else if (table === "Multicast_Group") keys.set(`group ${key}`, desired?.columns["tunnel_key"] as number);
    else if (table === "ACL_ID") keys.set(key, desired?.columns["id"] as number);
  }
  return keys;
}

it("computes incrementally what it computes from scratch", () => {
  const kinds = edits.length + chassisEdits.length;
  const edit: fc.Arbitrary<Edit> = fc.tuple(fc.nat(kinds - 1), fc.nat(60), fc.nat(60), fc.nat(60));
  fc.assert(
    fc.property(fc.array(fc.array(edit, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 10 }), (rounds) => {
      const nb = memoryReplica(ovnNorthbound);
      const core = coreOver(nb, () => undefined);
      nb.onChange(({ changes }) => {
        for (const { table, uuid, after } of changes) {
          core.set(table as keyof typeof ovnNorthbound.tables, uuid as Uuid, after as object | undefined);
        }
      });
      const told = new Map<string, (core: Core) => void>();
      for (const round of rounds) {
        for (const [kind, a, b, c] of round) {
          if (kind < edits.length) edits[kind]!(nb, a, b, c);
          else {
            const news = chassisEdits[kind - edits.length]!(nb, a, b, c);
            if (news === undefined) continue;
            told.set(...news);
            news[1](core);
          }
        }
        core.compute();
        writeBack(nb, core);
        const keys = keysOf(core);
        const fresh = coreOver(nb, (id) => keys.get(id));
        for (const tell of told.values()) tell(fresh);
        fresh.compute();
        expect(wanted(core)).toEqual(wanted(fresh));
      }
    }),
    { numRuns: 150 },
  );
}, 60_000);
