import { type Files, type OpenFile, type VirtualRuntime, virtualRuntime, WeftError } from "@weft/runtime";
import { describe, expect, it } from "vitest";
import { Connection } from "../jsonrpc/connection.ts";
import { isReply, type Json, type Message, type Reply } from "../jsonrpc/index.ts";
import { createDatabaseFile } from "../log/file.ts";
import { parseSchema } from "../model.ts";
import { createServer, memoryDatabase, type OvsdbServer } from "./server.ts";
import { HIGH_WATER } from "./session.ts";

const SCHEMA = {
  name: "db",
  version: "1.0.0",
  tables: {
    T: {
      isRoot: true,
      columns: {
        name: { type: "string" },
        n: { type: "integer" },
        set: { type: { key: "string", min: 0, max: "unlimited" } },
      },
      indexes: [["name"]],
    },
  },
} as const;

/** A client that keeps everything it is told, in order. */
class Client {
  readonly #runtime: VirtualRuntime;
  readonly connection: Connection;
  readonly heard: Json[] = [];
  closed = false;

  constructor(runtime: VirtualRuntime, connection: Connection) {
    this.#runtime = runtime;
    this.connection = connection;
  }

  static of(runtime: VirtualRuntime, server: OvsdbServer): Client {
    const client: Client = new Client(
      runtime,
      new Connection(
        server.connect(),
        runtime.clock,
        {
          onNotification: ({ method, params }) => client.heard.push([method, ...params]),
          onClose: () => {
            client.closed = true;
          },
        },
        0,
      ),
    );
    return client;
  }

  /** The reply to a request, or undefined if there is none after `ms`. */
  async ask(method: string, params: Json[], ms = 1): Promise<Reply | undefined> {
    let reply: Reply | undefined;
    this.connection.call(method, params, (got) => {
      reply = got;
    });
    await this.#runtime.clock.advance(ms);
    return reply;
  }

  async result(method: string, ...params: Json[]): Promise<Json | undefined> {
    const reply = await this.ask(method, params);
    expect(reply?.error).toBeNull();
    return reply?.result;
  }
}

async function start(clients: number): Promise<{ runtime: VirtualRuntime; server: OvsdbServer; clients: Client[] }> {
  const runtime = virtualRuntime({ seed: 1 });
  const server = await createServer({ runtime, databases: [memoryDatabase(runtime, SCHEMA)] });
  return { runtime, server, clients: Array.from({ length: clients }, () => Client.of(runtime, server)) };
}

const insert = (name: string, n = 0): Json => ({ op: "insert", table: "T", row: { name, n } });
const UUID = "00000000-0000-4000-8000-000000000001";

describe("OvsdbServer", () => {
  it("tells a client of its own change before the reply", async () => {
    const { clients } = await start(1);
    const client = clients[0]!;
    await client.result("monitor", "db", "m", { T: [{ columns: ["name"] }] });
    await client.result("transact", "db", { ...(insert("a") as object), uuid: UUID });
    expect(client.heard).toEqual([["update", "m", { T: { [UUID]: { new: { name: "a" } } } }]]);
  });

  it("sends differences to monitor_cond and follows conditions", async () => {
    const { clients } = await start(2);
    const [watcher, writer] = clients as [Client, Client];
    await watcher.result("monitor_cond", "db", "m", { T: [{ columns: ["n", "set"], where: [["name", "==", "a"]] }] });
    await writer.result("transact", "db", { ...(insert("a", 1) as object), uuid: UUID }, insert("b"));
    await writer.result("transact", "db", { op: "mutate", table: "T", where: [], mutations: [["set", "insert", "x"]] });
    await writer.result("transact", "db", {
      op: "mutate",
      table: "T",
      where: [["name", "==", "a"]],
      mutations: [["set", "insert", "y"]],
    });
    expect(watcher.heard).toEqual([
      ["update2", "m", { T: { [UUID]: { insert: { n: 1 } } } }],
      ["update2", "m", { T: { [UUID]: { modify: { set: "x" } } } }],
      ["update2", "m", { T: { [UUID]: { modify: { set: "y" } } } }],
    ]);
    watcher.heard.length = 0;
    await watcher.result("monitor_cond_change", "m", "m2", { T: [{ where: [false] }] });
    expect(watcher.heard).toEqual([["update2", "m2", { T: { [UUID]: { delete: null } } }]]);
  });

  it("brings a client that comes back up to date with the changes since its last transaction", async () => {
    const { clients } = await start(3);
    const [first, writer, again] = clients as [Client, Client, Client];
    const requests: Json = { T: [{ columns: ["name", "n"] }] };
    const zero = "00000000-0000-0000-0000-000000000000";
    expect(await first.result("monitor_cond_since", "db", "m", requests, zero)).toEqual([false, zero, {}]);
    await writer.result("transact", "db", { ...(insert("a", 1) as object), uuid: UUID });
    const [, , lastId] = first.heard[0] as [string, string, string, Json]; // an update3
    await writer.result("transact", "db", { op: "update", table: "T", where: [], row: { n: 2 } });
    await writer.result("transact", "db", { op: "update", table: "T", where: [], row: { n: 3 } });
    const reply = await again.result("monitor_cond_since", "db", "m", requests, lastId);
    expect(reply).toEqual([true, expect.stringMatching(/^[0-9a-f-]{36}$/), { T: { [UUID]: { modify: { n: 3 } } } }]);
  });

  it("wakes a waiting transaction, and ends it when its time is over or it is cancelled", async () => {
    const { runtime, clients } = await start(2);
    const [waiter, writer] = clients as [Client, Client];
    const wait = (timeout: number): Json => ({
      op: "wait",
      timeout,
      table: "T",
      where: [["name", "==", "a"]],
      columns: ["n"],
      until: "==",
      rows: [{ n: 5 }],
    });
    const results: Json[] = [];
    const ask = (timeout: number): number =>
      waiter.connection.call("transact", ["db", wait(timeout)], (reply) => results.push(reply?.error ?? reply?.result ?? null));
    ask(1000);
    await writer.result("transact", "db", insert("a", 4));
    expect(results).toEqual([]);
    await writer.result("transact", "db", { op: "update", table: "T", where: [], row: { n: 5 } });
    expect(results).toEqual([[{}]]);
    await writer.result("transact", "db", { op: "update", table: "T", where: [], row: { n: 6 } });
    ask(50);
    await runtime.clock.advance(60);
    expect(results[1]).toEqual([{ error: "timed out", details: '"wait" timed out after 50 ms' }]);
    const id = ask(1000);
    waiter.connection.notify("cancel", [id]);
    await runtime.clock.advance(1);
    expect(results[2]).toBe("canceled");
  });

  it("passes a lock on, also when its holder goes", async () => {
    const { runtime, clients } = await start(3);
    const [a, b, c] = clients as [Client, Client, Client];
    expect(await a.result("lock", "L")).toEqual({ locked: true });
    expect(await b.result("lock", "L")).toEqual({ locked: false });
    const assertion: Json = { op: "assert", lock: "L" };
    expect(await b.result("transact", "db", assertion)).toEqual([{ error: "not owner", details: "Asserted lock L not held." }]);
    expect(await c.result("steal", "L")).toEqual({ locked: true });
    expect(a.heard).toEqual([["stolen", "L"]]);
    c.connection.destroy();
    await runtime.clock.advance(1);
    expect(a.heard).toEqual([
      ["stolen", "L"],
      ["locked", "L"],
    ]);
    a.connection.destroy();
    await runtime.clock.advance(1);
    expect(b.heard).toEqual([["locked", "L"]]);
    expect(await b.result("transact", "db", assertion)).toEqual([{}]);
  });

  it("keeps no more than the rows for a client that does not read, and tells it the sum of all changes", async () => {
    const { runtime, server, clients } = await start(1);
    const writer = clients[0]!;
    const slow = server.connect();
    const got: Message[] = [];
    slow.start({ onMessage: (message) => got.push(message), onClose: () => {} });
    slow.send({ method: "monitor_cond", params: ["db", "m", { T: [{ columns: ["n"] }] }], id: 1 });
    await writer.result("transact", "db", { ...(insert("a", 0) as object), uuid: UUID });
    slow.pause();
    got.length = 0;
    const rounds = 30_000;
    for (let n = 1; n <= rounds; n++) {
      writer.connection.call("transact", ["db", { op: "update", table: "T", where: [], row: { n } }], () => {});
      if (n % 1000 === 0) await runtime.clock.advance(1);
    }
    const session = [...server.sessions].find((candidate) => candidate.channel.pending > 0)!;
    expect(session.channel.pending).toBeLessThan(HIGH_WATER + 100_000);
    slow.resume();
    await runtime.clock.advance(500);
    expect(got.length).toBeLessThan(rounds / 2);
    const last = got.at(-1)!;
    expect(isReply(last) ? undefined : last.params).toEqual(["m", { T: { [UUID]: { modify: { n: rounds } } } }]);
  });

  it("takes transactions back that the disk refuses, and goes on", async () => {
    const runtime = virtualRuntime({ seed: 2 });
    let broken = false;
    const { files: memory } = runtime;
    const files: Files = {
      read: (path) => memory.read(path),
      write: (path, bytes) => memory.write(path, bytes),
      exists: (path) => memory.exists(path),
      remove: (path) => memory.remove(path),
      rename: (from, to) => memory.rename(from, to),
      mkdir: () => memory.mkdir(),
      list: (path) => memory.list(path),
      async open(path, mode) {
        const file: OpenFile = await memory.open(path, mode);
        return {
          ...file,
          async append(bytes) {
            if (broken) throw new WeftError("files.ENOSPC", "No space left on device");
            await file.append(bytes);
          },
        };
      },
    };
    await createDatabaseFile(runtime.files, "/db", parseSchema(SCHEMA));
    const server = await createServer({ runtime: { ...runtime, files }, databases: ["/db"] });
    const writer = Client.of(runtime, server);
    const watcher = Client.of(runtime, server);
    await watcher.ask("monitor", ["db", 1, { T: [{ columns: ["name"] }] }]);
    expect((await writer.ask("transact", ["db", insert("kept")], 5))?.error).toBeNull();
    broken = true;
    const results: (Json | undefined)[] = [];
    for (const name of ["lost", "lost2"]) {
      writer.connection.call("transact", ["db", insert(name)], (reply) => results.push(reply?.result));
    }
    // Contents that somebody is shown at this moment will not have been.
    const hasty = Client.of(runtime, server);
    hasty.connection.call("monitor", ["db", 1, { T: [{ columns: ["name"] }] }], () => {});
    await runtime.clock.advance(5);
    expect([watcher.closed, hasty.closed]).toEqual([false, true]);
    for (const result of results) expect(result).toEqual([expect.anything(), expect.objectContaining({ error: "I/O error" })]);
    expect(results.length).toBe(2);
    broken = false;
    expect((await writer.ask("transact", ["db", insert("later")], 5))?.error).toBeNull();
    const reader = Client.of(runtime, server);
    const select = await reader.ask("transact", ["db", { op: "select", table: "T", where: [], columns: ["name"] }], 5);
    expect(select?.result).toEqual([{ rows: [{ name: "kept" }, { name: "later" }] }]);
    expect(JSON.stringify(watcher.heard)).toMatch(/kept.*later/);
    expect(JSON.stringify(watcher.heard)).not.toContain("lost");
  });

  it("converts a database online and sends clients away that do not keep track", async () => {
    const { runtime, clients } = await start(2);
    const [aware, plain] = clients as [Client, Client];
    await aware.result("set_db_change_aware", true);
    await aware.result("monitor", "db", "m", { T: [{ columns: ["name"] }] });
    await aware.result("transact", "db", insert("a", 1));
    aware.heard.length = 0;
    const schema: Json = {
      name: "db",
      version: "2.0.0",
      tables: { T: { columns: { name: { type: "string" }, more: { type: "integer" } } } },
    };
    expect(await aware.result("convert", "db", schema)).toEqual({});
    await runtime.clock.advance(1);
    expect(aware.heard).toEqual([["monitor_canceled", "m"]]);
    expect([aware.closed, plain.closed]).toEqual([false, true]);
    expect(await aware.result("transact", "db", { op: "select", table: "T", where: [], columns: ["name", "more"] })).toEqual([
      { rows: [{ name: "a", more: 0 }] },
    ]);
  });

  it("shows its databases in _Server, read-only", async () => {
    const { runtime, server, clients } = await start(1);
    const client = clients[0]!;
    await client.result("set_db_change_aware", true);
    await client.result("monitor", "_Server", "s", { Database: [{ columns: ["name"], select: { initial: false } }] });
    server.addDatabase(memoryDatabase(runtime, { ...SCHEMA, name: "second" }));
    await runtime.clock.advance(1);
    expect(client.heard).toEqual([["update", "s", { Database: expect.anything() }]]);
    expect(await client.result("list_dbs")).toEqual(["_Server", "db", "second"]);
    const refused = await client.result("transact", "_Server", { op: "delete", table: "Database", where: [] });
    expect(refused).toEqual([
      { error: "not allowed", details: "delete operation not allowed when database server is in read only mode" },
    ]);
  });

  it("listens where the rows of a database say", async () => {
    const runtime = virtualRuntime();
    const remotes = {
      name: "managed",
      version: "1.0.0",
      tables: {
        G: {
          isRoot: true,
          columns: { connections: { type: { key: { type: "uuid", refTable: "C" }, min: 0, max: "unlimited" } } },
        },
        C: { columns: { target: { type: "string" }, read_only: { type: { key: "boolean", min: 0 } } } },
      },
    } as const;
    const server = await createServer({
      runtime,
      databases: [memoryDatabase(runtime, remotes)],
      remotes: ["db:managed,G,connections"],
    });
    const client = Client.of(runtime, server);
    await client.result(
      "transact",
      "managed",
      { op: "insert", table: "C", "uuid-name": "c", row: { target: "pmemory:managed", read_only: true } },
      { op: "insert", table: "G", row: { connections: ["named-uuid", "c"] } },
    );
    await runtime.clock.advance(10);
    const connecting = runtime.net.connect("memory:managed");
    await runtime.clock.advance(10);
    const stream = await connecting;
    const texts: string[] = [];
    stream.start({ onData: (bytes) => texts.push(new TextDecoder().decode(bytes)), onClose: () => texts.push("closed") });
    stream.write(
      new TextEncoder().encode('{"method":"transact","params":["managed",{"op":"delete","table":"G","where":[]}],"id":1}'),
    );
    await runtime.clock.advance(10);
    expect(texts.join("")).toContain("not allowed when database server is in read only mode");
    await client.result("transact", "managed", { op: "update", table: "G", where: [], row: { connections: ["set", []] } });
    await runtime.clock.advance(10);
    expect(texts.at(-1)).toBe("closed");
    // A schema without the column names no remotes, and that is all.
    const { C } = remotes.tables;
    await client.result("set_db_change_aware", true);
    await client.result("convert", "managed", { name: "managed", version: "2.0.0", tables: { C: { ...C, isRoot: true } } });
    await client.result("transact", "managed", { op: "insert", table: "C", row: { target: "pmemory:other" } });
    await expect(runtime.net.connect("memory:managed")).rejects.toThrow();
  });
});
