import { join } from "node:path";
import { expect, test } from "vitest";
import { compareLines, reference, runOurs, runReference, Server } from "../ctl/differential.ts";
import { ovsdbClient } from "./client.ts";
import { Servers, weft } from "./servers.ts";

const nb = join(reference, "share/ovn/ovn-nb.ovsschema");

const insert = (name: string) =>
  `transact SERVER '["OVN_Northbound",{"op":"insert","table":"Logical_Switch","row":{"name":"${name}","external_ids":["map",[["a","b"]]]}}]'`;

const script = `
list-dbs SERVER
get-schema SERVER OVN_Northbound
get-schema SERVER Nope
get-schema SERVER
get-schema-version SERVER OVN_Northbound
get-schema-cksum SERVER OVN_Northbound
~list-tables SERVER OVN_Northbound
~list-columns SERVER OVN_Northbound Copp
~list-columns SERVER OVN_Northbound
list-columns SERVER OVN_Northbound Nope
list-columns SERVER OVN_Northbound Copp extra
${insert("a")}
${insert("b")}
transact SERVER '["OVN_Northbound",{"op":"insert","table":"NB_Global","row":{}}]'
~transact SERVER '["OVN_Northbound",{"op":"select","table":"Logical_Switch","where":[["name","==","a"]],"columns":["name","ports"]}]'
--pretty transact SERVER '["OVN_Northbound",{"op":"select","table":"Copp","where":[]}]'
transact SERVER '["Nope"]'
transact SERVER '{}'
transact SERVER '["OVN_Northbound",{"op":"foo"}]'
query SERVER '["OVN_Northbound",{"op":"insert","table":"Logical_Switch","row":{"name":"zz"}}]'
query SERVER '["OVN_Northbound",{"op":"select","table":"Copp","where":[]}]'
dump SERVER OVN_Northbound Logical_Switch name external_ids
dump SERVER OVN_Northbound Logical_Switch external_ids name
dump SERVER OVN_Northbound NB_Global
dump SERVER OVN_Northbound Nope
dump SERVER OVN_Northbound Logical_Switch nope
dump SERVER Logical_Switch name
-f csv dump SERVER OVN_Northbound Logical_Switch name
-f list dump SERVER OVN_Northbound Logical_Switch name
-f json dump SERVER OVN_Northbound Logical_Switch name
-f json --pretty dump SERVER OVN_Northbound Logical_Switch name
-f html dump SERVER OVN_Northbound Logical_Switch name
-d bare dump SERVER OVN_Northbound Logical_Switch name
-d json dump SERVER OVN_Northbound Logical_Switch name
--max-column-width=5 dump SERVER OVN_Northbound Logical_Switch name external_ids
~-f csv dump SERVER OVN_Northbound
needs-conversion SERVER ${nb}
convert SERVER ${nb}
convert SERVER /nope
wait SERVER OVN_Northbound connected
wait SERVER OVN_Northbound added
-t 1 wait SERVER OVN_Northbound removed
wait SERVER Nope removed
wait SERVER OVN_Northbound foo
wait SERVER
-t 1 lock SERVER l1
-t 1 steal SERVER l1
-t 1 monitor SERVER OVN_Northbound NB_Global name,nb_cfg
-t 1 monitor SERVER OVN_Northbound NB_Global '!initial'
-t 1 -f json monitor SERVER OVN_Northbound NB_Global name nb_cfg
-t 1 monitor-cond SERVER OVN_Northbound '[["name","==","a"]]' Logical_Switch name,external_ids
-t 1 monitor-cond-since SERVER OVN_Northbound '[["name","==","a"]]' Logical_Switch name,external_ids
monitor SERVER OVN_Northbound Nope
monitor SERVER OVN_Northbound NB_Global nope
monitor SERVER
foo SERVER
--foo SERVER
list-dbs SERVER x y
list-dbs SERVER/nope
`;

test("ovsdb-client: the same answers as the reference's", async () => {
  const lines = script.split("\n").filter((line) => line !== "");
  const { differences, theirs, ours } = await compareLines(
    "ovsdb-client",
    ovsdbClient,
    lines,
    "ovn/ovn-nb.ovsschema",
    "OVN_Northbound",
  );
  expect(differences.map(({ line, ours }) => [line, ours])).toEqual(differences.map(({ line, theirs }) => [line, theirs]));
  expect(ours).toEqual(theirs);
});

test("ovsdb-client: a backup is a database file, and restores", async () => {
  const server = await new Server("ovn/ovn-nb.ovsschema", "OVN_Northbound").start();
  try {
    runReference("ovn-nbctl", [
      `--db=${server.remote}`,
      "ls-add",
      "a",
      "--",
      "lsp-add",
      "a",
      "p",
      "--",
      "acl-add",
      "a",
      "to-lport",
      "1",
      "ip",
      "drop",
    ]);
    const before = await server.contents();
    const { stdout, code } = await runOurs(ovsdbClient, ["backup", server.remote, "OVN_Northbound"]);
    expect(code).toBe(0);
    runReference("ovn-nbctl", [`--db=${server.remote}`, "ls-del", "a", "--", "ls-add", "b"]);
    expect(await server.contents()).not.toEqual(before);
    const restored = await runOurs(ovsdbClient, ["restore", server.remote, "OVN_Northbound"], {}, stdout);
    expect(restored).toEqual({ stdout: "", stderr: "", code: 0 });
    expect(await server.contents()).toEqual(before);
    const wrong = await runOurs(ovsdbClient, ["restore", server.remote, "OVN_Northbound"], {}, "garbage");
    expect(wrong.code).toBe(1);
  } finally {
    server.stop();
  }
});

test("ovsdb-client: the leader among several servers, and servers that come by themselves", async () => {
  const servers = new Servers();
  try {
    const dir = servers.dir;
    const raft = (name: string) => `unix:${dir}/${name}.raft`;
    await servers.run("ovsdb-tool", ["create-cluster", "a.db", nb, raft("a")]);
    for (const name of ["b", "c"])
      await servers.run("ovsdb-tool", ["join-cluster", `${name}.db`, "OVN_Northbound", raft(name), raft("a")]);
    for (const name of ["a", "b", "c"])
      await servers.start("reference", name, [`${name}.db`, `--remote=unix:${dir}/caller-${name}`]);
    for (const name of ["a", "b", "c"])
      await servers.run("ovsdb-client", ["-t", "15", "wait", servers.socket(name), "OVN_Northbound", "connected"]);
    const ask = (...args: string[]) => servers.run("node", [weft, "ovsdb-client", "-t", "10", ...args]);
    const select = JSON.stringify([
      "_Server",
      { op: "select", table: "Database", where: [["name", "==", "OVN_Northbound"]], columns: ["leader"] },
    ]);
    const all = ["b", "c", "nobody", "a"].map((name) => servers.socket(name)).join(",");
    const version = await servers.run("ovsdb-client", ["get-schema-version", all, "OVN_Northbound"]);
    expect(await ask("get-schema-version", all, "OVN_Northbound")).toEqual({ ...version, err: "" });
    // The transaction is about _Server, which every server leads; so the database is asked for by name.
    expect((await ask("dump", all, "OVN_Northbound", "NB_Global", "name")).code).toBe(0);
    expect((await ask("--no-leader-only", "transact", all, select)).code).toBe(0);
    const followers = ["b", "c"].map((name) => servers.socket(name)).join(",");
    const none = await ask("dump", followers, "OVN_Northbound", "NB_Global", "name");
    expect([none.code, none.err]).toEqual([1, expect.stringContaining("no server is the leader")]);
    expect((await ask("--no-leader-only", "dump", followers, "OVN_Northbound", "NB_Global", "name")).code).toBe(0);
    // A server that connects to us is as good as one that we connect to.
    const [theirs, ours] = await Promise.all([
      servers.run("ovsdb-client", ["list-dbs", `punix:${dir}/caller-a`]),
      ask("list-dbs", `punix:${dir}/caller-b`),
    ]);
    expect(ours.out).toBe(theirs.out);
    expect(ours.err.replace(/^\S+/, "")).toContain("waiting for connection...");
  } finally {
    await servers.stop();
  }
});
