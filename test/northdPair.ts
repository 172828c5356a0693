/**
 * The reference's northd and ours beside each other: both follow the same northbound database, each writes a southbound
 * one of its own, and the two are compared column by column. With one northbound database between them uuids are the same
 * too, so that hints, names made of uuids and keys of datapath groups are compared as they are.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createNorthd, type Northd } from "@weft/northd";
import { createReplica, type Replica, type Uuid } from "@weft/ovsdb";
import { nodeRuntime } from "@weft/runtime";
import { ovnNorthbound, ovnSouthbound, type SbSchema } from "@weft/schemas";

const reference = process.env["OVN_REFERENCE"] ?? "/opt/ovn-reference/sid";
const runtime = nodeRuntime();

/** Columns that depend on the moment or on the order of arrival, and what chassis alone write. */
const ignored: Readonly<Record<string, readonly string[]>> = {
  Logical_Flow: ["external_ids", "logical_datapath", "logical_dp_group"],
  Datapath_Binding: ["tunnel_key", "load_balancers"],
  Port_Binding: ["tunnel_key", "nb_cfg"],
  BFD: ["disc", "src_port"],
  SB_Global: ["nb_cfg", "options", "connections", "ssl"],
};
/** What a chassis tells that it is capable of: flows for older ones are not compared. */
const features = [
  "ct-commit-nat-v2",
  "ct-commit-to-zone",
  "ct-label-flush",
  "ct-next-zone",
  "ct-no-masked-label",
  "ct-state-save",
  "fdb-timestamp",
  "ls-dpg-column",
  "mac-binding-timestamp",
  "ovn-ct-lb-related",
  "ovn-sample-with-registers",
  "port-up-notif",
];
/** Rows that only matter through what refers to them. */
const skipped = [
  "Chassis",
  "Chassis_Private",
  "Encap",
  "Logical_DP_Group",
  "Meter_Band",
  "RBAC_Role",
  "RBAC_Permission",
  "DHCP_Options",
  "DHCPv6_Options",
];

/** What northd would make up otherwise: options of NB_Global, as the value of the column. */
const DEFAULTS = `set NB_Global . 'options={mac_prefix="0a:00:77",svc_monitor_mac="0a:00:77:00:00:01",svc_monitor_mac_dst="0a:00:77:00:00:02"}'`;

type Row = Readonly<Record<string, unknown>> & { readonly _uuid: Uuid };

export class NorthdPair {
  readonly dir = mkdtempSync(join(tmpdir(), "weft-pair-"));
  readonly #started: string[] = [];
  readonly #replicas: Replica<SbSchema>[] = [];
  #nb: Replica<typeof ovnNorthbound> | undefined;
  #northd: Northd | undefined;

  /** `chassis`: names of chassis that both southbound databases have, each with all features of this version. */
  static async start(chassis: readonly string[] = []): Promise<NorthdPair> {
    const pair = new NorthdPair();
    await pair.#start();
    for (const [index, name] of chassis.entries()) {
      pair.sbctl(`chassis-add ${name} geneve 192.0.2.${index + 1}`);
      pair.sbctl(`set Chassis ${name} ${features.map((feature) => `other_config:${feature}=true`).join(" ")}`);
    }
    return pair;
  }

  async #start(): Promise<void> {
    const dir = this.dir;
    for (const name of ["nb", "sb1", "sb2"]) {
      const file = `${dir}/${name}.db`;
      this.#run("ovsdb-tool", ["create", file, `${reference}/share/ovn/ovn-${name.slice(0, 2)}.ovsschema`]);
      this.#daemon("ovsdb-server", name, [`--remote=punix:${dir}/${name}.sock`, file]);
    }
    this.nbctl("init");
    this.nbctl(DEFAULTS);
    // Some combinations of edits in one transaction make the reference's incremental engine crash: --monitor starts it again.
    this.#daemon("ovn-northd", "northd", ["--monitor", `--ovnnb-db=${this.#socket("nb")}`, `--ovnsb-db=${this.#socket("sb1")}`]);
    this.#nb = createReplica({ runtime, schema: ovnNorthbound, remotes: [this.#socket("nb")] });
    for (const name of ["sb1", "sb2"]) {
      this.#replicas.push(createReplica({ runtime, schema: ovnSouthbound, remotes: [this.#socket(name)] }));
    }
    this.#northd = createNorthd({ runtime, nb: this.#nb, sb: this.#replicas[1]! });
    await Promise.all([this.#northd.start(), this.#replicas[0]!.ready()]);
  }

  async stop(): Promise<void> {
    await this.#northd?.stop();
    await Promise.all([this.#nb?.close(), ...this.#replicas.map((replica) => replica.close())]);
    for (const name of this.#started.reverse()) process.kill(Number(readFileSync(join(this.dir, `${name}.pid`), "utf8")));
    await runtime.clock.sleep(200);
    rmSync(this.dir, { recursive: true });
  }

  #run(program: string, args: readonly string[]): string {
    return execFileSync(join(reference, "bin", program), args, {
      encoding: "utf8",
      timeout: 60_000,
      env: { ...process.env, OVS_RUNDIR: this.dir, OVN_RUNDIR: this.dir },
      stdio: ["ignore", "pipe", program.endsWith("ctl") ? "pipe" : "ignore"],
    });
  }

  #daemon(program: string, name: string, args: readonly string[]): void {
    const common = ["--detach", "--no-chdir", `--pidfile=${this.dir}/${name}.pid`, `--unixctl=${this.dir}/${name}.ctl`];
    this.#run(program, [...common, `--log-file=${this.dir}/${name}.log`, "-vconsole:off", ...args]);
    this.#started.push(name);
  }

  #socket(name: string): string {
    return `unix:${this.dir}/${name}.sock`;
  }

  /** Runs ovn-nbctl with commands in one transaction: one a line, words as in {@link wordsOf}. */
  nbctl(commands: string): string {
    return this.#run("ovn-nbctl", [`--db=${this.#socket("nb")}`, "--timeout=30", "--", ...joined(commands)]);
  }

  /** As chassis would write: runs ovn-sbctl on both southbound databases, with "<PORT>" for the uuid of a port binding and "<PORT:datapath>" for its datapath's. */
  sbctl(commands: string): void {
    for (const [index, name] of ["sb1", "sb2"].entries()) {
      const ports = this.#replicas[index]!.table("Port_Binding").index("logical_port", (row) => [row.logical_port]);
      const text = commands.replace(/<([^:>]+)(:datapath)?>/g, (_, port: string, datapath?: string) => {
        const row = ports.get(port)[0];
        return (datapath === undefined ? row?._uuid : row?.datapath) ?? "";
      });
      this.#run("ovn-sbctl", [`--db=${this.#socket(name)}`, "--timeout=30", "--", ...joined(text)]);
    }
  }

  /** Sets columns of the rows that have `logical_port`, as chassis do: the rows of the two databases have different uuids. */
  sbset(table: "Service_Monitor" | "Port_Binding" | "BFD", port: string, ...columns: readonly string[]): void {
    for (const [index, name] of ["sb1", "sb2"].entries()) {
      for (const row of this.#replicas[index]!.table(table).rows()) {
        if (row.logical_port !== port) continue;
        this.#run("ovn-sbctl", [`--db=${this.#socket(name)}`, "--timeout=30", "set", table, row._uuid, ...columns]);
      }
    }
  }

  /** One transaction on the northbound database; waits until both southbound ones have it. */
  async edit(commands: string): Promise<void> {
    this.nbctl(commands);
    await this.settle();
  }

  async settle(): Promise<void> {
    await this.sync();
    // What the reference does incrementally may differ from what it computes from scratch, which is what counts.
    this.#run("ovn-appctl", ["-t", `${this.dir}/northd.ctl`, "inc-engine/recompute"]);
    await this.sync();
  }

  /** Waits until both southbound databases have what the northbound one has now. */
  async sync(): Promise<void> {
    const wanted = Number(this.nbctl("get NB_Global . nb_cfg")) + 1;
    this.nbctl(`set NB_Global . nb_cfg=${wanted}`);
    const reached = () => this.#replicas.every((sb) => [...sb.table("SB_Global").rows()][0]?.nb_cfg === wanted);
    for (let waited = 0; !reached() && waited < 3000; waited++) await runtime.clock.sleep(10);
    const [theirs, ours] = this.#replicas.map((sb) => [...sb.table("SB_Global").rows()][0]?.nb_cfg);
    assert.ok(reached(), `a northd did not get to ${wanted}: the reference's is at ${theirs}, ours at ${ours}`);
  }

  /** What the reference has and we do not ("- "), and the other way round ("+ "), of lines as they are read. */
  differences(read = (line: string) => line): string[] {
    const [theirs, mine] = this.#replicas.map((sb) => this.contents(sb).map(read)) as [string[], string[]];
    const [has, wants] = [new Set(mine), new Set(theirs)];
    return [
      ...theirs.filter((line) => !has.has(line)).map((line) => `- ${line}`),
      ...mine.filter((line) => !wants.has(line)).map((line) => `+ ${line}`),
    ].sort((a, b) => (a.slice(2) < b.slice(2) ? -1 : 1));
  }

  /** How many learned routes the reference's southbound database has, and how many ours. */
  get learnedRoutes(): readonly [theirs: number, ours: number] {
    return [this.#replicas[0]!.table("Learned_Route").size, this.#replicas[1]!.table("Learned_Route").size];
  }

  get reference(): Replica<SbSchema> {
    return this.#replicas[0]!;
  }

  /** Deletes everything from the northbound database; its options are what they were at first. */
  async clear(): Promise<void> {
    const tables = Object.keys(ovnNorthbound.tables).filter((table) => table !== "NB_Global");
    const operations = tables.map((table) => ({ op: "delete", table, where: [] }));
    const answer = this.#run("ovsdb-client", ["transact", this.#socket("nb"), JSON.stringify(["OVN_Northbound", ...operations])]);
    assert.ok(!answer.includes('"error"'), answer);
    this.nbctl(DEFAULTS);
    await this.settle();
  }

  /** A southbound database as sorted lines, one a row (a flow: one a datapath), without uuids of its own. */
  contents(sb: Replica<SbSchema>): string[] {
    const lines: string[] = [];
    const { tables } = ovnSouthbound;
    // Address sets of a router's load balancers and copies of port groups have names with the datapath's key in front.
    const keys = new Map<string, string>();
    for (const row of sb.table("Datapath_Binding").rows()) {
      keys.set(String(row.tunnel_key), row.external_ids.get("name") ?? row._uuid);
    }
    const acls = new Map([...sb.table("ACL_ID").rows()].map((row) => [String(row.id), row._uuid]));
    const named = (text: string): string =>
      text
        .replace(/_rtr_lb_(\d+)_ip/g, (_, key: string) => `_rtr_lb_<${keys.get(key)}>_ip`)
        .replace(/reg2\[16\.\.31\] = (\d+)/, (_, id: string) => `reg2[16..31] = <${acls.get(id)}>`);
    const nameOf = (uuid: string): string => {
      for (const table of Object.keys(tables) as (keyof typeof tables)[]) {
        const row = sb.table(table).get(uuid as Uuid) as Row | undefined;
        if (row === undefined) continue;
        if (table === "Datapath_Binding") return String((row["external_ids"] as ReadonlyMap<string, string>).get("name"));
        if (table === "Port_Binding") return String(row["logical_port"]);
        if (table === "Chassis") return String(row["name"]);
        return `{${lineOf(table, row)}}`;
      }
      return uuid;
    };
    const groupName = (row: Row): string => String(row["name"]).replace(/^(\d+)_/, (_, key: string) => `<${keys.get(key)}>_`);
    const show = (value: unknown): string => {
      if (value === undefined) return "";
      if (value instanceof Map)
        return `{${[...value]
          .map(([key, item]) => `${key}=${show(item)}`)
          .sort()
          .join(" ")}}`;
      if (Array.isArray(value)) return `[${value.map(show).sort().join(", ")}]`;
      return typeof value === "string" && /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/.test(value)
        ? nameOf(value)
        : String(value);
    };
    const lineOf = (table: keyof typeof tables, row: Row): string =>
      Object.keys(tables[table].columns)
        .filter((column) => !(ignored[table] ?? []).includes(column) && show(row[column]) !== "")
        // Keys of learned groups depend on the order of arrival.
        .filter((column) => table !== "Multicast_Group" || column !== "tunnel_key" || Number(row[column]) < 32_773)
        .map((column) => {
          if (table === "Port_Group" && column === "name") return `${column}=${groupName(row)}`;
          return `${column}=${show(column === "nat_addresses" ? unordered(row[column]) : row[column])}`;
        })
        .join(" ");
    for (const table of Object.keys(tables) as (keyof typeof tables)[]) {
      if (skipped.includes(table)) continue;
      for (const row of sb.table(table).rows()) {
        if (table === "Logical_Flow") lines.push(...flowLines(sb, row as Row, show).map(named));
        else lines.push(named(`${table} ${lineOf(table, row as Row)}`));
      }
    }
    return lines.sort();
  }
}

/** Texts whose words come in the order of a hash table. */
function unordered(texts: unknown): unknown {
  return (texts as readonly string[]).map((text) => text.split(" ").sort().join(" "));
}

function flowLines(sb: Replica<SbSchema>, row: Row, show: (value: unknown) => string): string[] {
  const flow = sb.table("Logical_Flow").get(row._uuid)!;
  const group = flow.logical_dp_group && sb.table("Logical_DP_Group").get(flow.logical_dp_group);
  const on = group === undefined ? [flow.logical_datapath!] : group.datapaths;
  const actions = flow.actions
    .replace(/reg9\[16\.\.31\]=[1-9]/, "CHAIN")
    .replace(/reg8\[0\.\.15\] = [1-9]\d*/, "reg8[0..15] = GROUP")
    .replace(/ecmp_reply_port = \d+/, "ecmp_reply_port = KEY")
    // Of several symmetric routes by one port any may lend its source address to the flow of their replies.
    .replace(flow.priority === 10_300 ? /(reg5|xxreg1) = [^;]+/ : /$^/, "$1 = SOURCE");
  // Sets of NAT addresses come in the order of a hash table.
  const sorted = flow.match.replace(/\{([^}]*)\}/g, (_, set: string) => `{${set.split(", ").sort().join(", ")}}`);
  // So do the members of a group of routes.
  const match = sorted
    .replace(/reg9\[16\.\.31\] == [1-9]/, "CHAIN")
    .replace(/reg8\[0\.\.15\] == \d+ && reg8\[16\.\.31\] == \d+/, "MEMBER")
    .replace(/ecmp_reply_port == \d+/, "ecmp_reply_port == KEY");
  const stage = `${flow.external_ids.get("stage-name")} ${flow.priority}`;
  const tags = flow.tags.size === 0 ? "" : ` ${show(flow.tags)}`;
  const rest = `${tags} ${flow.controller_meter ?? ""} ${flow.flow_desc ?? ""}`.trimEnd();
  return on.map((uuid) => `flow ${show(uuid)} ${stage} ${match} {${actions}}${rest}`);
}

function joined(commands: string): string[] {
  return commands
    .split("\n")
    .map(wordsOf)
    .filter((words) => words.length > 0)
    .flatMap((words, index) => (index === 0 ? words : ["--", ...words]));
}

/** The words of a command line; single quotes keep spaces and other quotes together. */
export function wordsOf(line: string): string[] {
  return [...line.matchAll(/(?:'[^']*'|[^\s'])+/g)].map(([word]) => word.replaceAll("'", ""));
}
