/** ovsdb-server: single-row inserts in a pipeline, and updates fanned out to many monitors. */

import { writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { Framer } from "@weft/ovsdb";
import { type Side, Site } from "./daemons.ts";
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

/** What a message counts for: 1, or the rows that it tells of. */
type Count = (message: unknown) => number;

const messages: Count = () => 1;

/** The rows of an update2 notification; replies count for none. */
const rows: Count = (message) => {
  // The servers' own messages.
  const { method, params } = message as { method?: string; params?: [unknown, Record<string, object>] };
  return method === "update2" ? Object.values(params![1]).reduce((sum, table) => sum + Object.keys(table).length, 0) : 0;
};

/** Raw JSON-RPC: messages out, and counted in. */
class Client {
  readonly #socket: Socket;
  #waiting: { count: number; resolve: () => void } | undefined;
  received = 0;

  private constructor(socket: Socket, count: Count) {
    this.#socket = socket;
    const framer = new Framer();
    socket.on("data", (bytes) =>
      framer.push(bytes, (message) => {
        this.received += count(message);
        if (this.#waiting && this.received >= this.#waiting.count) this.#waiting.resolve();
      }),
    );
  }

  static open(path: string, count = messages): Promise<Client> {
    return new Promise((resolve, reject) => {
      const socket = connect(path, () => resolve(new Client(socket, count)));
      socket.on("error", reject);
    });
  }

  send(method: string, params: unknown, id: number): void {
    this.#socket.write(JSON.stringify({ method, params, id }));
  }

  /** Resolves when as much has been counted in all. */
  async until(count: number): Promise<void> {
    if (this.received >= count) return;
    await new Promise<void>((resolve) => {
      this.#waiting = { count, resolve };
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}

const row = (i: number) => ({
  name: `item${i}`,
  count: i,
  tags: ["set", ["a", "b"]],
  external_ids: ["map", [["owner", `o${i % 100}`]]],
});

async function inserts(side: Side, count: number): Promise<number> {
  const site = new Site();
  try {
    const file = join(site.dir, "bench.ovsschema");
    writeFileSync(file, JSON.stringify(schema));
    const remote = site.database(side, "bench", file);
    const client = await Client.open(remote.slice("unix:".length));
    const start = performance.now();
    const window = 200;
    for (let i = 0; i < count; i++) {
      client.send("transact", ["Bench", { op: "insert", table: "Item", row: row(i) }], i);
      if (i % window === window - 1) await client.until(i + 1 - window / 2);
    }
    await client.until(count);
    const rate = count / ((performance.now() - start) / 1000);
    client.close();
    return rate;
  } finally {
    site.close();
  }
}

const monitored = { Item: [{ columns: ["name", "count", "tags", "external_ids"] }] };

/** Rows a second that reach the monitors, of inserts in a pipeline; servers may tell of several in one message. */
async function fanoutPipelined(side: Side, monitors: number, count: number): Promise<number> {
  const site = new Site();
  try {
    const file = join(site.dir, "bench.ovsschema");
    writeFileSync(file, JSON.stringify(schema));
    const path = site.database(side, "bench", file).slice("unix:".length);
    const writer = await Client.open(path);
    const readers = await Promise.all(Array.from({ length: monitors }, () => Client.open(path, rows)));
    for (const reader of readers) reader.send("monitor_cond", ["Bench", "m", monitored], 1);
    // Long enough for the monitors to be there; a row that one of them misses would keep this from ending.
    await new Promise((resolve) => setTimeout(resolve, 500));
    const start = performance.now();
    const window = 100;
    for (let i = 0; i < count; i++) {
      writer.send("transact", ["Bench", { op: "insert", table: "Item", row: row(i) }], i);
      if (i % window === window - 1) await writer.until(i + 1 - window / 2);
    }
    await Promise.all(readers.map((reader) => reader.until(count)));
    const rate = (monitors * count) / ((performance.now() - start) / 1000);
    for (const client of [writer, ...readers]) client.close();
    return rate;
  } finally {
    site.close();
  }
}

/** From an update to the last monitor's hearing of it, one update after the other; ms. */
async function fanoutLatency(side: Side, monitors: number, updates: number): Promise<number> {
  const site = new Site();
  try {
    const file = join(site.dir, "bench.ovsschema");
    writeFileSync(file, JSON.stringify(schema));
    const path = site.database(side, "bench", file).slice("unix:".length);
    const writer = await Client.open(path);
    writer.send("transact", ["Bench", { op: "insert", table: "Item", row: row(0) }], 0);
    await writer.until(1);
    const readers = await Promise.all(Array.from({ length: monitors }, () => Client.open(path)));
    for (const reader of readers) reader.send("monitor_cond", ["Bench", "m", monitored], 1);
    await Promise.all(readers.map((reader) => reader.until(1)));
    const start = performance.now();
    for (let i = 1; i <= updates; i++) {
      writer.send("transact", ["Bench", { op: "update", table: "Item", where: [["name", "==", "item0"]], row: { count: i } }], i);
      // Each update is seen by all before the next, so that none may be merged with it.
      await Promise.all(readers.map((reader) => reader.until(1 + i)));
    }
    const each = (performance.now() - start) / updates;
    for (const client of [writer, ...readers]) client.close();
    return each;
  } finally {
    site.close();
  }
}

export async function ovsdbServer(): Promise<Result[]> {
  const results: Result[] = [];
  const count = 30_000;
  results.push({
    what: `ovsdb-server: ${count} single-row inserts, pipelined`,
    unit: "/s",
    weft: await inserts("weft", count),
    reference: await inserts("reference", count),
    goal: 0.5,
  });
  results.push({
    what: "ovsdb-server: inserts in a pipeline to 50 monitors, rows",
    unit: "/s",
    weft: await fanoutPipelined("weft", 50, 5000),
    reference: await fanoutPipelined("reference", 50, 5000),
    goal: 0.5,
  });
  results.push({
    what: "ovsdb-server: one update until all of 50 monitors have it",
    unit: "ms",
    weft: await fanoutLatency("weft", 50, 1000),
    reference: await fanoutLatency("reference", 50, 1000),
  });
  return results;
}
