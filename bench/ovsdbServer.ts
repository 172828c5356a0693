/** ovsdb-server: transactions of several kinds, updates fanned out to many monitors, starting with much, memory. */

import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Client, type Count } from "./client.ts";
import { median, type Side, Site } from "./daemons.ts";
import type { Result } from "./table.ts";

const schema = {
  name: "Bench",
  version: "1.0.0",
  tables: {
    Item: {
      isRoot: true,
      columns: {
        name: { type: "string" },
        count: { type: "integer" },
        tags: { type: { key: "string", min: 0, max: "unlimited" } },
        external_ids: { type: { key: "string", value: "string", min: 0, max: "unlimited" } },
      },
    },
  },
};

/** The rows of an update2 notification; replies count for none. */
const rows: Count = (message) => {
  // The servers' own messages.
  const { method, params } = message as { method?: string; params?: [unknown, Record<string, object>] };
  return method === "update2" ? Object.values(params![1]).reduce((sum, table) => sum + Object.keys(table).length, 0) : 0;
};

const row = (i: number) => ({
  name: `item${i}`,
  count: i,
  tags: ["set", ["a", "b"]],
  external_ids: ["map", [["owner", `o${i % 100}`]]],
});

type Operation = Readonly<Record<string, unknown>>;

const insert = (i: number): Operation => ({ op: "insert", table: "Item", row: row(i) });

/** A server with an empty database; `use` is given its remote, its pid and its file. */
async function onServer<T>(side: Side, use: (remote: string, pid: number, file: string, site: Site) => Promise<T>): Promise<T> {
  const site = new Site();
  try {
    const schemaFile = join(site.dir, "bench.ovsschema");
    writeFileSync(schemaFile, JSON.stringify(schema));
    const file = join(site.dir, "bench.db");
    site.run("reference", "ovsdb-tool", "create", file, schemaFile);
    const remote = join(site.dir, "bench.sock");
    return await use(remote, site.daemon(side, "ovsdb-server", "bench", `--remote=punix:${remote}`, file), file, site);
  } finally {
    await site.close();
  }
}

/** Sends transactions of one operation with at most `window` unanswered; transactions a second. */
async function pipeline(client: Client, count: number, window: number, operation: (i: number) => Operation): Promise<number> {
  const before = client.received;
  const start = performance.now();
  for (let i = 0; i < count; i++) {
    client.send("transact", ["Bench", operation(i)], i);
    if (i % window === window - 1) await client.until(before + i + 1 - window / 2);
  }
  await client.until(before + count);
  return count / ((performance.now() - start) / 1000);
}

interface Rates {
  readonly insert: number;
  readonly update: number;
  readonly select: number;
  readonly batch: number;
}

function rates(side: Side, count: number): Promise<Rates> {
  return onServer(side, async (remote) => {
    const client = await Client.open(remote);
    const inserted = await pipeline(client, count, 200, insert);
    // The reply's form is RFC 7047 section 5.2.1's.
    const made = (await client.call("transact", ["Bench", ...Array.from({ length: 1000 }, (_, i) => insert(i))])) as {
      readonly uuid: unknown;
    }[];
    const where = (i: number) => [["_uuid", "==", made[i % 1000]!.uuid]];
    const updated = await pipeline(client, count, 200, (i) => ({
      op: "update",
      table: "Item",
      where: where(i),
      row: { count: -i },
    }));
    const selected = await pipeline(client, count, 200, (i) => ({ op: "select", table: "Item", where: where(i) }));
    const batches = 30;
    const start = performance.now();
    for (let n = 0; n < batches; n++) {
      await client.call("transact", ["Bench", ...Array.from({ length: 1000 }, (_, i) => insert(n * 1000 + i))]);
    }
    const batch = (batches * 1000) / ((performance.now() - start) / 1000);
    client.close();
    return { insert: inserted, update: updated, select: selected, batch };
  });
}

const monitored = { Item: [{ columns: ["name", "count", "tags", "external_ids"] }] };

/** Rows a second that reach the monitors, of inserts in a pipeline; servers may tell of several in one message. */
function fanoutPipelined(side: Side, monitors: number, count: number): Promise<number> {
  return onServer(side, async (remote) => {
    const writer = await Client.open(remote);
    const readers = await Promise.all(Array.from({ length: monitors }, () => Client.open(remote, rows)));
    await Promise.all(readers.map((reader) => reader.call("monitor_cond", ["Bench", "m", monitored])));
    const start = performance.now();
    await pipeline(writer, count, 100, insert);
    await Promise.all(readers.map((reader) => reader.until(count)));
    const rate = (monitors * count) / ((performance.now() - start) / 1000);
    for (const client of [writer, ...readers]) client.close();
    return rate;
  });
}

/** From an update to the last monitor's hearing of it, one update after the other; the median, ms. */
function fanoutLatency(side: Side, monitors: number, updates: number): Promise<number> {
  return onServer(side, async (remote) => {
    const writer = await Client.open(remote);
    await writer.call("transact", ["Bench", insert(0)]);
    const readers = await Promise.all(Array.from({ length: monitors }, () => Client.open(remote, rows)));
    await Promise.all(readers.map((reader) => reader.call("monitor_cond", ["Bench", "m", monitored])));
    const samples: number[] = [];
    for (let i = 1; i <= updates; i++) {
      const start = performance.now();
      writer.send("transact", ["Bench", { op: "update", table: "Item", where: [["name", "==", "item0"]], row: { count: i } }], i);
      // Each update is seen by all before the next, so that none may be merged with it.
      await Promise.all(readers.map((reader) => reader.until(i)));
      samples.push(performance.now() - start);
    }
    for (const client of [writer, ...readers]) client.close();
    return median(samples);
  });
}

interface Large {
  /** From the start of the process to its first answer about the database, s. */
  readonly fromLog: number;
  readonly fromSnapshot: number;
  /** Peak while the rows were inserted, MB. */
  readonly memory: number;
}

/** Starting with many rows, from a log of as many transactions of a thousand rows as it takes and from one snapshot. */
function large(side: Side, count: number): Promise<Large> {
  return onServer(side, async (remote, pid, file, site) => {
    const client = await Client.open(remote);
    for (let n = 0; n < count; n += 1000) {
      await client.call("transact", ["Bench", ...Array.from({ length: 1000 }, (_, i) => insert(n + i))]);
    }
    const memory = Site.peakMemory(pid);
    client.close();
    const restart = async (name: string): Promise<number> => {
      await site.end(name === "log" ? "bench" : "log");
      const start = performance.now();
      site.daemon(side, "ovsdb-server", name, `--remote=punix:${remote}`, file);
      const again = await Client.open(remote);
      await again.call("transact", ["Bench", { op: "select", table: "Item", where: [["count", "==", count - 1]] }]);
      again.close();
      return (performance.now() - start) / 1000;
    };
    const size = statSync(file).size;
    const fromLog = await restart("log");
    site.run("reference", "ovs-appctl", "-t", join(site.dir, "log.ctl"), "ovsdb-server/compact");
    if (statSync(file).size === size) throw new Error(`${file} was not compacted`);
    return { fromLog, fromSnapshot: await restart("snapshot"), memory };
  });
}

export async function ovsdbServer(): Promise<Result[]> {
  const results: Result[] = [];
  const compare = async <T>(
    run: (side: Side) => Promise<T>,
    tell: (weft: T, reference: T) => readonly Result[],
  ): Promise<void> => {
    const weft = await run("weft");
    results.push(...tell(weft, await run("reference")));
  };
  const count = 30_000;
  await compare(
    (side) => rates(side, count),
    (weft, reference) =>
      (
        [
          ["insert", `${count} single-row inserts, pipelined`],
          ["update", `${count} updates by uuid, pipelined`],
          ["select", `${count} selects by uuid, pipelined`],
          ["batch", "inserts, 1000 in a transaction, rows"],
        ] as const
      ).map(([kind, text]) => ({
        what: `ovsdb-server: ${text}`,
        unit: "/s" as const,
        weft: weft[kind],
        reference: reference[kind],
        goal: 1,
      })),
  );
  await compare(
    (side) => fanoutPipelined(side, 50, 5000),
    (weft, reference) => [
      { what: "ovsdb-server: inserts in a pipeline to 50 monitors, rows", unit: "/s", weft, reference, goal: 1 },
    ],
  );
  for (const monitors of [50, 500]) {
    await compare(
      (side) => fanoutLatency(side, monitors, 50_000 / monitors),
      (weft, reference) => [
        { what: `ovsdb-server: one update until all of ${monitors} monitors have it`, unit: "ms", weft, reference, goal: 1 },
      ],
    );
  }
  await compare(
    (side) => large(side, 100_000),
    (weft, reference) => [
      { what: "ovsdb-server: start with 100 k rows, log", unit: "s", weft: weft.fromLog, reference: reference.fromLog, goal: 1 },
      {
        what: "ovsdb-server: start with 100 k rows, one snapshot",
        unit: "s",
        weft: weft.fromSnapshot,
        reference: reference.fromSnapshot,
        goal: 1,
      },
      { what: "ovsdb-server: peak memory at 100 k rows", unit: "MB", weft: weft.memory, reference: reference.memory, goal: 1 },
    ],
  );
  return results;
}
