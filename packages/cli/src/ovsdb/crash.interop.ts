import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Connection, type Json, streamChannel } from "@weft/ovsdb";
import { nodeRuntime, type Stream, seededRandom } from "@weft/runtime";
import { afterEach, expect, test } from "vitest";
import { type Kind, Servers, until, weft } from "./servers.ts";

const SCHEMA = {
  name: "X",
  version: "1.0.0",
  tables: { A: { isRoot: true, columns: { n: { type: "string" } }, indexes: [["n"]] } },
};

const runtime = nodeRuntime();
let servers: Servers;
let child: ChildProcess | undefined;
afterEach(async () => {
  child?.kill("SIGKILL");
  await servers.stop();
});

async function prepare(): Promise<void> {
  servers = new Servers();
  writeFileSync(join(servers.dir, "x.ovsschema"), JSON.stringify(SCHEMA));
  await servers.create("x", "x.ovsschema");
}

/** Starts our server in the foreground, and connects to it. */
async function serve(): Promise<Connection> {
  const socket = join(servers.dir, "x.sock");
  rmSync(socket, { force: true });
  const options = [`--remote=punix:${socket}`, `--unixctl=${join(servers.dir, "x.ctl")}`, "-vconsole:off", "x.db"];
  child = spawn("node", [weft, "ovsdb-server", ...options], { cwd: servers.dir, stdio: "ignore" });
  // The socket is there a moment before anybody listens.
  let stream: Stream | undefined;
  await until(async () => {
    stream = await runtime.net.connect(`unix:${socket}`).catch(() => undefined);
    return stream !== undefined;
  });
  return new Connection(streamChannel(stream!), runtime.clock, {}, 0);
}

/** Asks for a compaction and does not wait for it. */
async function compact(): Promise<void> {
  const stream = await runtime.net.connect(`unix:${join(servers.dir, "x.ctl")}`).catch(() => undefined);
  stream?.start({ onData: () => {}, onClose: () => {} });
  stream?.write(new TextEncoder().encode(JSON.stringify({ id: 0, method: "ovsdb-server/compact", params: [] })));
}

test("killed at forty random moments, our server has every transaction that it had acknowledged", async () => {
  await prepare();
  const random = seededRandom(7);
  const acknowledged = new Set<string>();
  let next = 0;
  for (let round = 0; round <= 40; round++) {
    const connection = await serve();
    const reply = await connection.request("transact", ["X", { op: "select", table: "A", where: [], columns: ["n"] }]);
    const there = new Set((reply as unknown as [{ rows: { n: string }[] }])[0].rows.map(({ n }) => n));
    expect([...acknowledged].filter((n) => !there.has(n))).toEqual([]);
    // Nothing is there that nobody asked for.
    expect([...there].filter((n) => Number(n) >= next)).toEqual([]);
    const ended = new Promise<void>((resolve) => child!.on("exit", () => resolve()));
    const until = runtime.clock.now() + 5 + random.below(120);
    const write = (): void => {
      const n = String(next++);
      const durable = { op: "commit", durable: true };
      const operations: Json[] = [{ op: "insert", table: "A", row: { n } }, ...(random.below(2) === 0 ? [durable] : [])];
      connection.call("transact", ["X", ...operations], (answer) => {
        if (answer !== undefined && !JSON.stringify(answer).includes('"details"')) acknowledged.add(n);
        if (!connection.closed && runtime.clock.now() < until) write();
      });
    };
    for (let i = 0; i < 20; i++) write();
    if (random.below(2) === 0) runtime.clock.after(random.below(60), () => void compact());
    await runtime.clock.sleep(Math.max(0, until - runtime.clock.now()));
    child!.kill("SIGKILL");
    await ended;
    connection.destroy();
  }
  expect(acknowledged.size).toBeGreaterThan(400);
  // No end of a record was lost, and the reference reads the file as well.
  expect(readdirSync(servers.dir)).not.toContain("x.db.damaged");
  const { out } = await servers.run("ovsdb-tool", [
    "query",
    "x.db",
    '["X",{"op":"select","table":"A","where":[],"columns":["n"]}]',
  ]);
  const read = new Set((JSON.parse(out) as [{ rows: { n: string }[] }])[0].rows.map(({ n }) => n));
  expect([...acknowledged].filter((n) => !read.has(n))).toEqual([]);
});

/** A disk of 64 kB becomes full, and is then compacted: what is answered, for whoever serves. */
async function fullDisk(kind: Kind): Promise<string> {
  await prepare();
  const program = kind === "weft" ? `node ${weft} ovsdb-server` : "ovsdb-server";
  const transact = `ovsdb-client -t 9 transact unix:$PWD/x.sock`;
  const script = `
    mkdir disk; mount -t tmpfs -o size=64k tmpfs disk; cp x.db disk
    ${program} --detach --no-chdir --pidfile=$PWD/x.pid --unixctl=$PWD/x.ctl --log-file=$PWD/x.log --remote=punix:$PWD/x.sock -vconsole:off disk/x.db 2>/dev/null
    big=$(head -c 20000 /dev/zero | tr '\\0' x)
    for i in 1 2 3 4 5; do ${transact} '["X",{"op":"insert","table":"A","row":{"n":"'$i$big'"}}]'; done
    ${transact} '["X",{"op":"insert","table":"A","row":{"n":"small"}}]'
    ovs-appctl -t $PWD/x.ctl ovsdb-server/compact
    ${transact} '["X",{"op":"delete","table":"A","where":[["n","!=","small"]]}]'
    ls disk
    mount -o remount,size=200k disk
    ovs-appctl -t $PWD/x.ctl ovsdb-server/compact
    ${transact} '["X",{"op":"insert","table":"A","row":{"n":"'6$big'"}}]'
    kill $(cat x.pid); while kill -0 $(cat x.pid 2>/dev/null) 2>/dev/null; do sleep 0.05; done
    ovsdb-tool query disk/x.db '["X",{"op":"select","table":"A","where":[],"columns":["n"]}]'`;
  writeFileSync(join(servers.dir, "script"), script);
  const { out, err } = await servers.run("unshare", ["-rm", "bash", "script"]);
  await servers.stop();
  return `${out}${err}`
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "UUID")
    .replace(/x{100,}/g, "x...x")
    .replaceAll(`${servers.dir}/`, "")
    .replace(/\{"n":"(\dx...x|small)"\}(,\{"n":"(\dx...x|small)"\})*/g, (rows) =>
      rows
        .split(/(?<=\}),/)
        .sort()
        .join(","),
    );
}

test("a full disk is an I/O error for who writes; what was there stays, and the service goes on", async () => {
  const theirs = await fullDisk("reference");
  expect(theirs).toContain('"io-error":"No space left on device"');
  expect(await fullDisk("weft")).toBe(theirs);
});

test("what is cut off or scribbled behind the last good record does not keep the server from serving", async () => {
  await prepare();
  const connection = await serve();
  await connection.request("transact", ["X", { op: "insert", table: "A", row: { n: "good" } }]);
  connection.destroy();
  const ended = new Promise<void>((resolve) => child!.on("exit", () => resolve()));
  child!.kill("SIGKILL");
  await ended;
  const file = join(servers.dir, "x.db");
  writeFileSync(
    file,
    Buffer.concat([readFileSync(file), Buffer.from('OVSDB JSON 100 0123456789012345678901234567890123456789\n{"_da')]),
  );
  const again = await serve();
  await again.request("transact", ["X", { op: "insert", table: "A", row: { n: "better" } }]);
  again.destroy();
  const { out } = await servers.run("ovsdb-tool", [
    "query",
    "x.db",
    '["X",{"op":"select","table":"A","where":[],"columns":["n"]}]',
  ]);
  expect(
    JSON.parse(out)[0]
      .rows.map(({ n }: { n: string }) => n)
      .sort(),
  ).toEqual(["better", "good"]);
});
