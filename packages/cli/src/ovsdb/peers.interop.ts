import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type Kind, reference, Servers, until } from "./servers.ts";

const SB = join(reference, "share/ovn/ovn-sb.ovsschema");

const started: Servers[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const servers of started.splice(0)) await servers.stop();
});

async function serve(kind: Kind, ...options: readonly string[]): Promise<Servers> {
  const servers = new Servers();
  started.push(servers);
  await servers.create("sb", SB);
  await servers.start(kind, "sb", ["sb.db", ...options]);
  return servers;
}

/** A bare connection, and all that came over it. */
class Raw {
  readonly socket: Socket;
  received = "";
  closed = false;

  constructor(where: string | number) {
    this.socket = typeof where === "string" ? connect(where) : connect(where, "127.0.0.1");
    sockets.push(this.socket);
    this.socket.setEncoding("utf8");
    this.socket.on("data", (text: string) => {
      this.received += text;
    });
    this.socket.on("error", () => undefined);
    this.socket.on("close", () => {
      this.closed = true;
    });
  }

  ask(method: string, params: unknown, id: unknown = 1): void {
    this.socket.write(JSON.stringify({ method, params, id }));
  }
}

test("five hundred clients at once are all told, and leave nothing behind when they go", async () => {
  const servers = await serve("weft");
  const path = join(servers.dir, "sb.sock");
  const clients = Array.from({ length: 500 }, () => new Raw(path));
  for (const client of clients) client.ask("monitor_cond", ["OVN_Southbound", "m", { SB_Global: [{ columns: ["nb_cfg"] }] }]);
  await until(() => clients.every(({ received }) => received.includes('"id":1')));
  await servers.transact("sb", "OVN_Southbound", { op: "insert", table: "SB_Global", row: { nb_cfg: 7 } });
  await until(() => clients.every(({ received }) => received.includes('"nb_cfg":7')));
  expect(clients.filter(({ received }) => !received.includes('"nb_cfg":7'))).toEqual([]);
  expect(await servers.control("sb", "memory/show")).toMatch(/monitors:1 .*sessions:500/);
  for (const client of clients) client.socket.destroy();
  await until(async () => !(await servers.control("sb", "memory/show")).includes("sessions"));
  expect(await servers.control("sb", "memory/show")).toContain("monitors:0");
});

/** What hostile or broken peers see. */
async function story(kind: Kind): Promise<unknown[]> {
  const servers = await serve(kind, "--remote=db:OVN_Southbound,SB_Global,connections");
  const path = join(servers.dir, "sb.sock");
  const told: unknown[] = [];
  // A message of five megabytes, in pieces, and its reply.
  const big = new Raw(path);
  const rows = Array.from({ length: 50 }, (_, i) => ({
    op: "insert",
    table: "Address_Set",
    row: { name: `a${i}`, addresses: ["set", [`${i}${"x".repeat(100_000)}`]] },
  }));
  big.ask("transact", ["OVN_Southbound", ...rows, { op: "select", table: "Address_Set", where: [], columns: ["addresses"] }]);
  await until(() => big.received.length > 5_000_000 && big.received.trimEnd().endsWith("}"));
  told.push((JSON.parse(big.received) as { result: unknown[] }).result.length);
  // Half a message, and then no more: nothing is answered, the other half is waited for.
  const half = new Raw(path);
  half.socket.write('{"method":"echo","params":["hal');
  await new Promise((resolve) => setTimeout(resolve, 200));
  told.push(half.received, half.closed);
  half.socket.write('f"],"id":9}');
  await until(() => half.received !== "");
  told.push(JSON.parse(half.received));
  // One that says what it wants and closes its side still gets the answer.
  const oneWay = new Raw(path);
  oneWay.ask("list_dbs", []);
  oneWay.socket.end();
  await until(() => oneWay.closed);
  told.push(oneWay.received === "" ? "nothing" : "an answer", oneWay.closed);
  for (const rubbish of [
    "}",
    "nonsense",
    '{"method":7}',
    '{"id":1}',
    "[1,2]",
    '"text"',
    '{"method":"echo","params":{},"id":1}',
  ]) {
    const peer = new Raw(path);
    peer.socket.write(rubbish);
    peer.socket.write(JSON.stringify({ method: "list_dbs", params: [], id: 2 }));
    await until(() => peer.closed || peer.received.includes('"id":2'));
    told.push([rubbish, peer.closed, peer.received.replaceAll(" ", "")]);
  }
  // A silent peer is asked for a sign of life, and left after as long again without one.
  await servers.run("ovn-sbctl", [
    `--db=${servers.socket("sb")}`,
    "--inactivity-probe=1000",
    "set-connection",
    "ptcp:0:127.0.0.1",
  ]);
  await until(() => /listening on port \d+/.test(servers.log("sb")));
  const port = Number(/listening on port (\d+)/.exec(servers.log("sb"))?.[1]);
  const silent = new Raw(port);
  const lively = new Raw(port);
  lively.socket.on("data", () => lively.socket.write('{"result":[],"error":null,"id":"echo"}'));
  await until(() => silent.closed);
  told.push(silent.received, silent.closed, lively.closed);
  return told;
}

test("big messages, halves of messages, rubbish and silence are treated as the reference treats them", async () => {
  const [theirs, ours] = await Promise.all([story("reference"), story("weft")]);
  expect(ours).toEqual(theirs);
});

test("a client that does not read does not stop the others", async () => {
  const servers = await serve("weft");
  const path = join(servers.dir, "sb.sock");
  const stuck = new Raw(path);
  stuck.ask("monitor", ["OVN_Southbound", "m", { Address_Set: {} }]);
  await until(() => stuck.received !== "");
  stuck.socket.pause();
  const text = "y".repeat(100_000);
  for (let i = 0; i < 60; i++) {
    const reply = await servers.transact("sb", "OVN_Southbound", {
      op: i === 0 ? "insert" : "update",
      table: "Address_Set",
      ...(i === 0 ? {} : { where: [] }),
      row: { name: "a", addresses: ["set", [`${i}${text}`]] },
    });
    expect(JSON.stringify(reply)).not.toContain("error");
  }
  stuck.socket.resume();
  await until(() => stuck.received.includes('"59yyy'));
  expect(stuck.received).toContain('"59yyy');
});
