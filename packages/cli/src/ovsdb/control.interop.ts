import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type Kind, reference, Servers, until, weft } from "./servers.ts";

const NB = join(reference, "share/ovn/ovn-nb.ovsschema");
const SB = join(reference, "share/ovn/ovn-sb.ovsschema");

const started: Servers[] = [];
afterEach(async () => {
  for (const servers of started.splice(0)) await servers.stop();
});

async function prepare(): Promise<Servers> {
  const servers = new Servers();
  started.push(servers);
  await servers.create("nb", NB);
  await servers.create("sb", SB);
  return servers;
}

/** Control commands and their arguments, in this order. */
const COMMANDS: readonly string[] = [
  "list-commands",
  "sync-status",
  "get-active-ovsdb-server",
  "connect-active-ovsdb-server",
  "disconnect-active-ovsdb-server",
  "set-active-ovsdb-server",
  "set-active-ovsdb-server unix:nowhere",
  "get-active-ovsdb-server",
  "sync-status",
  "set-active-ovsdb-server-probe-interval x",
  "set-active-ovsdb-server-probe-interval 5000",
  "set-relay-source-probe-interval x",
  "set-relay-source-probe-interval 5000",
  "set-sync-exclude-tables OVN_Northbound:ACL",
  "get-sync-exclude-tables",
  "list-dbs",
  "add-db sb.db",
  "add-db sb.db",
  "add-db nowhere.db",
  "list-dbs",
  "get-db-storage-status OVN_Southbound",
  "get-db-storage-status Nope",
  "compact Nope",
  "compact _Server",
  "compact",
  "compact OVN_Northbound",
  "remove-db OVN_Southbound",
  "remove-db OVN_Southbound",
  "remove-db _Server",
  "list-remotes",
  "add-remote punix:second.sock",
  "add-remote punix:second.sock",
  "add-remote pfd:3",
  "add-remote db:OVN_Northbound,NB_Global,connections",
  "add-remote db:OVN_Northbound,NB_Global,nope",
  "add-remote db:OVN_Northbound,Nope,connections",
  "add-remote db:Nope,NB_Global,connections",
  "add-remote db:OVN_Northbound",
  "list-remotes",
  "remove-remote punix:second.sock",
  "remove-remote punix:second.sock",
  "list-remotes",
  "tlog-set OVN_Northbound:ACL on",
  "tlog-set OVN_Northbound:ACL maybe",
  "tlog-set OVN_Northbound:Nope on",
  "tlog-set Nope:ACL on",
  "tlog-set ACL on",
  "tlog-list",
  "memory-trim-on-compaction on",
  "memory-trim-on-compaction x",
  "reload",
  "reconnect",
  "connect-active-ovsdb-server",
  "sync-status",
  "disconnect-active-ovsdb-server",
  "memory/show",
  "coverage/read-counter nope",
];

async function answers(kind: Kind): Promise<string[]> {
  const servers = await prepare();
  await servers.start(kind, "nb", ["nb.db"]);
  const told: string[] = [];
  for (const line of COMMANDS) {
    const [command = "", ...args] = line.split(" ");
    told.push(`${line}: ${await servers.control("nb", command, ...args)}`);
  }
  return told;
}

test("the control commands answer as the reference's", async () => {
  const [theirs, ours] = await Promise.all([answers("reference"), answers("weft")]);
  expect(ours).toEqual(theirs);
});

/** Configuration files: what a server is after each of them, or what its log complains of. */
const CONFIGURATIONS: readonly (readonly [string, string])[] = [
  [
    "read only",
    '{"remotes":{"punix:x.sock":{"read-only":true,"inactivity-probe":3000,"max-backoff":5,"dscp":1,"role":""}},"databases":{"nb.db":{}}}',
  ],
  [
    "two databases",
    '{"remotes":{"punix:x.sock":{},"db:OVN_Northbound,NB_Global,connections":null},"databases":{"nb.db":{"service-model":"standalone"},"sb.db":{}}}',
  ],
  [
    "backup",
    '{"remotes":{"punix:x.sock":{}},"databases":{"nb.db":{"service-model":"active-backup","backup":true,"source":{"unix:nowhere":{"max-backoff":900}},"exclude-tables":["ACL"]},"sb.db":{"service-model":"active-backup","backup":false,"source":{"unix:nowhere":{}}}}}',
  ],
  [
    "active again",
    '{"remotes":{"punix:x.sock":{}},"databases":{"nb.db":{"service-model":"active-backup","backup":false,"source":{"unix:nowhere":{}}}}}',
  ],
  [
    "relay",
    '{"remotes":{"punix:x.sock":{}},"databases":{"nb.db":{},"X":{"service-model":"relay","source":{"unix:nowhere":{"inactivity-probe":10000}}}}}',
  ],
  ["not JSON", "{"],
  ["no object", "[]"],
  ["unknown option", '{"remotes":{"punix:x.sock":{"foo":1}},"databases":{"nb.db":{}}}'],
  ["mistyped option", '{"remotes":{"punix:x.sock":{"inactivity-probe":"x"}},"databases":{"nb.db":{}}}'],
  ["remote is no object", '{"remotes":{"punix:x.sock":1},"databases":{"nb.db":{}}}'],
  ["remotes is no object", '{"remotes":[],"databases":{"nb.db":{}}}'],
  ["database is no object", '{"remotes":{"punix:x.sock":{}},"databases":{"nb.db":1}}'],
  ["unknown member", '{"remotes":{"punix:x.sock":{}},"databases":{"nb.db":{"foo":1}}}'],
  ["relay without source", '{"remotes":{"punix:x.sock":{}},"databases":{"foo":{"service-model":"relay"}}}'],
  ["two sources", '{"remotes":{"punix:x.sock":{}},"databases":{"foo":{"service-model":"relay","source":{"a":{},"b":{}}}}}'],
  ["backup without word", '{"remotes":{"punix:x.sock":{}},"databases":{"nb.db":{"service-model":"active-backup"}}}'],
  [
    "source of a standalone",
    '{"remotes":{"punix:x.sock":{}},"databases":{"nb.db":{"service-model":"standalone","source":{"x":{}}}}}',
  ],
  ["back to good", '{"remotes":{"punix:x.sock":{}},"databases":{"nb.db":{}}}'],
];

async function configured(kind: Kind): Promise<string[]> {
  const servers = await prepare();
  const file = join(servers.dir, "server.conf");
  writeFileSync(file, CONFIGURATIONS[0]![1]);
  await servers.start(kind, "x", [`--config-file=${file}`], []);
  const told: string[] = [];
  for (const [what, text] of CONFIGURATIONS) {
    writeFileSync(file, text);
    const before = servers.log("x").length;
    told.push(`${what}: ${await servers.control("x", "reload")}`);
    for (const command of ["list-remotes", "list-dbs", "sync-status", "get-active-ovsdb-server", "get-sync-exclude-tables"]) {
      told.push(await servers.control("x", command));
    }
    const log = servers.log("x").slice(before).split("\n");
    const complaints = log.filter((line) => /\|(WARN|ERR)\|/.test(line)).map((line) => line.replace(/^[^|]*\|\d+\|/, ""));
    // Where in the text the JSON ends is each parser's own word.
    told.push(...complaints.map((line) => line.replaceAll(servers.dir, "DIR").replace(/JSON failed .*/, "JSON failed")));
    told.push(JSON.stringify(await servers.transact("x", "OVN_Northbound", { op: "delete", table: "ACL", where: [] })));
  }
  for (const command of [
    "add-remote punix:y",
    "remove-remote x",
    "add-db x",
    "remove-db x",
    "set-active-ovsdb-server x",
    "connect-active-ovsdb-server",
  ]) {
    const [name = "", ...args] = command.split(" ");
    told.push(await servers.control("x", name, ...args));
  }
  return told;
}

test("configuration files make of the server what they make of the reference", async () => {
  const [theirs, ours] = await Promise.all([configured("reference"), configured("weft")]);
  expect(ours).toEqual(theirs);
});

test("a database of a cluster is refused with advice, wherever it is named", async () => {
  const servers = await prepare();
  await servers.run("ovsdb-tool", ["create-cluster", "cluster.db", NB, "tcp:127.0.0.1:16643"]);
  const advice = /cluster\.db: .*clustered.*original ovsdb-server/;
  const { err, code } = await servers.run("node", [weft, "ovsdb-server", "--unixctl=none", "--no-chdir", "cluster.db"]);
  expect([err, code]).toEqual([expect.stringMatching(advice), 1]);
  await servers.start("weft", "nb", ["nb.db"]);
  expect(await servers.control("nb", "add-db", join(servers.dir, "cluster.db"))).toMatch(advice);
  const before = readFileSync(join(servers.dir, "cluster.db"));
  const converted = await servers.run("node", [weft, "ovsdb-tool", "compact", "cluster.db"]);
  expect([converted.err, converted.code]).toEqual([expect.stringMatching(advice), 1]);
  expect(readFileSync(join(servers.dir, "cluster.db"))).toEqual(before);
});

test.each([
  "--config-file=x nb.db",
  "--config-file=x --remote=punix:y",
  "--config-file=x --sync-from=y",
  "--config-file=x --active",
])("options that exclude each other: %s", async (line) => {
  const servers = await prepare();
  const args = ["--unixctl=none", ...line.split(" ")];
  const theirs = await servers.run("ovsdb-server", args);
  expect(await servers.run("node", [weft, "ovsdb-server", ...args])).toEqual(theirs);
});

/** The rows of a Connection table while clients come and go. */
async function statusStory(kind: Kind): Promise<unknown[]> {
  const servers = await prepare();
  await servers.start(kind, "sb", ["sb.db", "--remote=db:OVN_Southbound,SB_Global,connections"]);
  const sbctl = (...args: string[]) => servers.run("ovn-sbctl", [`--db=${servers.socket("sb")}`, ...args]);
  const listener = `punix:${servers.dir}/second.sock`;
  await sbctl("init");
  await sbctl("set-connection", listener, "read-only", `punix:${servers.dir}/third.sock`);
  const dialled = `unix:${servers.dir}/nobody`;
  const create = ["create", "Connection", `target="${dialled}"`, "max_backoff=1000"];
  await sbctl("--", "--id=@c", ...create, "--", "add", "SB_Global", ".", "connections", "@c");
  const told: unknown[] = [];
  const row = async (target: string) => {
    const { out } = await sbctl(
      "--format=json",
      "--columns=is_connected,status,read_only",
      "find",
      "Connection",
      `target="${target}"`,
    );
    return (JSON.parse(out) as { data: unknown[] }).data;
  };
  // Seconds pass as they like.
  const plain = (rows: unknown) =>
    JSON.stringify(rows)
      .replace(/(since_(?:dis)?connect",")\d+/g, "$1N")
      .replaceAll(servers.dir, "DIR");
  await until(async () => plain(await row(`unix:${servers.dir}/nobody`)).includes("BACKOFF"));
  told.push(plain(await row(listener)));
  const monitor = (socket: string) =>
    servers.run("ovsdb-client", ["-t", "5", "monitor", `unix:${servers.dir}/${socket}`, "OVN_Southbound", "SB_Global", "nb_cfg"]);
  const watching = [monitor("second.sock"), monitor("second.sock"), monitor("second.sock")];
  await until(async () => plain(await row(listener)).includes("n_connections"));
  told.push(plain(await row(listener)));
  await Promise.all(watching);
  await until(async () => plain(await row(listener)).startsWith("[[false"));
  told.push(plain(await row(listener)));
  // Locks are told of clients that the server connects to.
  const lock = (...args: string[]) => servers.run("ovsdb-client", ["-t", "6", ...args, "l1"]);
  const locking = Promise.all([lock("lock", servers.socket("sb")), lock("lock", `p${dialled}`)]);
  await until(async () => plain(await row(dialled)).includes("locks_"));
  told.push(
    plain(await row(dialled))
      .replace(/locks_(held|waiting)/, "locks_held or waiting")
      .replace(/,?\["sec_since_disconnect","N"\]/, ""),
  );
  await locking;
  told.push(
    JSON.stringify(
      await servers.run("ovsdb-client", [
        "transact",
        `unix:${servers.dir}/third.sock`,
        '["OVN_Southbound",{"op":"delete","table":"Meter","where":[]}]',
      ]),
    ),
  );
  return told;
}

test("Connection rows tell how their remotes are", async () => {
  const [theirs, ours] = await Promise.all([statusStory("reference"), statusStory("weft")]);
  expect(ours).toEqual(theirs);
  expect(theirs.join("\n")).toContain("locks_held or waiting");
});

test("the folders of sockets are not made", async () => {
  const servers = await prepare();
  const said: string[] = [];
  for (const kind of ["reference", "weft"] as const) {
    const socket = `${servers.dir}/none/${kind}.sock`;
    const failed = servers.start(kind, kind, ["nb.db", `--unixctl=${servers.dir}/none/nb.ctl`]);
    said.push(await failed.catch((error: Error) => error.message.split(": ").slice(-2).join(": ")).then(String));
    // A remote that cannot be listened at does not keep a server from serving others.
    await servers.start(kind, kind, ["nb.db"], [`--remote=punix:${servers.dir}/${kind}.sock`, `--remote=punix:${socket}`]);
    expect(servers.log(kind)).toContain("listen failed: ");
    expect(await servers.transact(kind, "OVN_Northbound")).toEqual([]);
    await servers.kill(kind);
    expect(existsSync(join(servers.dir, "none"))).toBe(false);
  }
  expect(said[0]).toContain("could not initialize control socket (No such file or directory)");
  expect(said[1]).toBe(said[0]);
});
