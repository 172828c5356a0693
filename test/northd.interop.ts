/**
 * Random networks: the reference's northd and ours, each with databases of its own, are given the same edits; after every
 * round the southbound databases are the same but for uuids and tunnel keys.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createNorthd, type Northd } from "@weft/northd";
import { createReplica, type Replica, type Uuid } from "@weft/ovsdb";
import { nodeRuntime } from "@weft/runtime";
import { type NbSchema, ovnNorthbound, ovnSouthbound, type SbSchema } from "@weft/schemas";
import { afterAll, beforeAll, expect, it } from "vitest";
import { RandomNetwork } from "./random/network.ts";

const reference = process.env["OVN_REFERENCE"] ?? "/opt/ovn-reference/sid";
const networks = Number(process.env["NETWORKS"] ?? 25);
const dir = mkdtempSync(join(tmpdir(), "weft-northd-"));
const runtime = nodeRuntime();
const started: string[] = [];

function run(program: string, args: readonly string[]): string {
  return execFileSync(join(reference, "bin", program), args, {
    encoding: "utf8",
    timeout: 60_000,
    env: { ...process.env, OVS_RUNDIR: dir, OVN_RUNDIR: dir },
    stdio: ["ignore", "pipe", program.endsWith("ctl") ? "pipe" : "ignore"],
  });
}

function start(program: string, name: string, args: readonly string[]): void {
  const common = ["--detach", "--no-chdir", `--pidfile=${dir}/${name}.pid`, `--unixctl=${dir}/${name}.ctl`];
  run(program, [...common, `--log-file=${dir}/${name}.log`, "-vconsole:off", ...args]);
  started.push(name);
}

function socket(name: string): string {
  return `unix:${dir}/${name}.sock`;
}

let northd: Northd;
let ours: { readonly nb: Replica<NbSchema>; readonly sb: Replica<SbSchema> };
let theirs: Replica<SbSchema>;

beforeAll(async () => {
  for (const name of ["nb1", "sb1", "nb2", "sb2"]) {
    const file = `${dir}/${name}.db`;
    run("ovsdb-tool", ["create", file, `${reference}/share/ovn/ovn-${name.slice(0, 2)}.ovsschema`]);
    start("ovsdb-server", name, [`--remote=punix:${dir}/${name}.sock`, file]);
  }
  for (const name of ["nb1", "nb2"]) {
    run("ovn-nbctl", [`--db=${socket(name)}`, "init"]);
    run("ovn-nbctl", [`--db=${socket(name)}`, "set", "NB_Global", ".", "options:mac_prefix=0a:00:77"]);
  }
  // Some combinations of edits in one transaction make the reference's incremental engine crash: --monitor starts it again.
  start("ovn-northd", "northd", ["--monitor", `--ovnnb-db=${socket("nb1")}`, `--ovnsb-db=${socket("sb1")}`]);
  ours = {
    nb: createReplica({ runtime, schema: ovnNorthbound, remotes: [socket("nb2")] }),
    sb: createReplica({ runtime, schema: ovnSouthbound, remotes: [socket("sb2")] }),
  };
  theirs = createReplica({ runtime, schema: ovnSouthbound, remotes: [socket("sb1")] });
  northd = createNorthd({ runtime, ...ours });
  await Promise.all([northd.start(), theirs.ready()]);
});

afterAll(async () => {
  await northd.stop();
  await Promise.all([ours.nb.close(), ours.sb.close(), theirs.close()]);
  for (const name of started.reverse()) process.kill(Number(readFileSync(join(dir, `${name}.pid`), "utf8")));
  await runtime.clock.sleep(200);
  rmSync(dir, { recursive: true });
});

/** One transaction on both northbound databases. Waits until both southbound ones have it. */
async function edit(edits: readonly (readonly string[])[]): Promise<void> {
  const args = edits.flatMap((words, index) => (index === 0 ? [...words] : ["--", ...words]));
  run("ovn-nbctl", [`--db=${socket("nb1")}`, "--wait=sb", "--timeout=30", "--", ...args]);
  run("ovn-nbctl", [`--db=${socket("nb2")}`, "--", ...args]);
  // What the reference does incrementally may differ from what it computes from scratch, which is what counts.
  run("ovn-appctl", ["-t", `${dir}/northd.ctl`, "inc-engine/recompute"]);
  run("ovn-nbctl", [`--db=${socket("nb1")}`, "--wait=sb", "--timeout=30", "sync"]);
  const wanted = Number(run("ovn-nbctl", [`--db=${socket("nb2")}`, "get", "NB_Global", ".", "nb_cfg"])) + 1;
  run("ovn-nbctl", [`--db=${socket("nb2")}`, "set", "NB_Global", ".", `nb_cfg=${wanted}`]);
  const configured = () => [...ours.nb.table("NB_Global").rows()][0]?.sb_cfg === wanted;
  for (let waited = 0; !configured() && waited < 1000; waited++) await runtime.clock.sleep(10);
  expect(configured()).toBe(true);
}

/** The southbound database as lines that do not depend on uuids and keys. */
function contents(sb: Replica<SbSchema>): string[] {
  const lines: string[] = [];
  const datapath = (uuid: Uuid): string => {
    const row = sb.table("Datapath_Binding").get(uuid);
    return row === undefined ? "?" : `${row.type} ${row.external_ids.get("name")}`;
  };
  const port = (uuid: Uuid): string => sb.table("Port_Binding").get(uuid)?.logical_port ?? "?";
  const flat = (map: ReadonlyMap<string, string>): string => [...map].map((pair) => pair.join("=")).join();
  for (const row of sb.table("Logical_Flow").rows()) {
    const group = row.logical_dp_group && sb.table("Logical_DP_Group").get(row.logical_dp_group);
    const on = group === undefined ? [row.logical_datapath!] : group.datapaths;
    const actions = row.actions.replace(/ecmp_reply_port = \d+/, "ecmp_reply_port = KEY");
    const stage = `${row.pipeline} ${row.table_id} ${row.external_ids.get("stage-name")} ${row.priority}`;
    const rest = `${flat(row.tags)} ${row.controller_meter ?? ""} ${row.flow_desc ?? ""}`;
    for (const uuid of on) lines.push(`flow ${datapath(uuid)} ${stage} ${row.match} {${actions}} ${rest}`);
  }
  for (const row of sb.table("Datapath_Binding").rows()) {
    const ids = new Map(row.external_ids);
    ids.delete("logical-switch");
    ids.delete("logical-router");
    lines.push(`datapath ${row.type} ${flat(ids)}`);
  }
  for (const row of sb.table("Port_Binding").rows()) {
    lines.push(
      `port ${row.logical_port} on ${datapath(row.datapath)} ${row.type} ${flat(row.options)} mac ${row.mac.join()} ` +
        `security ${row.port_security.join()} parent ${row.parent_port ?? ""} tag ${row.tag ?? ""} up ${row.up} ` +
        `ids ${flat(row.external_ids)}`,
    );
  }
  for (const row of sb.table("Multicast_Group").rows()) {
    lines.push(`multicast ${datapath(row.datapath)} ${row.name} ${row.tunnel_key} ${row.ports.map(port).sort().join()}`);
  }
  for (const row of sb.table("Port_Group").rows()) {
    lines.push(`port group ${row.name.replace(/^\d+/, "KEY")} ${[...row.ports].sort().join()}`);
  }
  for (const row of sb.table("Address_Set").rows()) {
    if (row.name !== "svc_monitor_mac") lines.push(`address set ${row.name} ${[...row.addresses].sort().join()}`);
  }
  for (const row of sb.table("IP_Multicast").rows()) {
    lines.push(`ip multicast ${datapath(row.datapath)} ${row.enabled} ${row.querier} ${row.idle_timeout} ${row.query_interval}`);
  }
  return lines.sort();
}

function compare(seed: number, what: string): void {
  const [mine, other] = [new Set(contents(ours.sb)), new Set(contents(theirs))];
  const differences = [
    ...[...other].filter((line) => !mine.has(line)).map((line) => `- ${line}`),
    ...[...mine].filter((line) => !other.has(line)).map((line) => `+ ${line}`),
  ];
  expect(differences.slice(0, 20), `network ${seed}, ${what}`).toEqual([]);
  expect(mine.size).toBeGreaterThan(100);
}

async function clear(): Promise<void> {
  const tables = ["Logical_Switch", "Logical_Router", "Port_Group", "Address_Set"];
  const operations = tables.map((table) => ({ op: "delete", table, where: [] }));
  for (const name of ["nb1", "nb2"]) {
    run("ovsdb-client", ["transact", socket(name), JSON.stringify(["OVN_Northbound", ...operations])]);
  }
  await edit([["remove", "NB_Global", ".", "options", "use_ct_inv_match", "ignore_lsp_down", "default_acl_drop"]]);
}

it(`gives the reference's southbound database for ${networks} random networks`, { timeout: 20_000 * networks }, async () => {
  for (let seed = 1; seed <= networks; seed++) {
    const network = new RandomNetwork(seed, { static: true });
    await edit(network.build(40));
    compare(seed, "as built");
    for (let round = 0; round < 3; round++) {
      const edits = Array.from({ length: 12 }, () => network.next());
      await edit(edits);
      compare(seed, `after round ${round}: ${edits.map((words) => words.join(" ")).join("\n")}`);
    }
    await clear();
  }
});

it("gives the same dynamic addresses and tags, asked for one at a time", { timeout: 200_000 }, async () => {
  for (let seed = 1001; seed <= 1004; seed++) {
    const network = new RandomNetwork(seed);
    for (const words of network.build(50)) await edit([words]);
    compare(seed, "edited step by step");
    await clear();
  }
});
