/**
 * A reference ovn-controller with its switch and a southbound database but no northd: logical flows are inserted by hand,
 * and what the controller installs is read back.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Names } from "../reader.ts";

const reference = process.env.OVN_REFERENCE ?? "/opt/ovn-reference/sid";
const cloud = fileURLToPath(new URL("../../../../test/reference/cloud.sh", import.meta.url));

/** Ports of the switch "ls1" by tunnel key; the first three are on the chassis. */
export const PORTS: Readonly<Record<string, number>> = { lsp1: 1, lsp2: 2, lsp3: 3, "ls1-lr1": 4, remote: 5, vport: 6 };
export const LOCAL = ["lsp1", "lsp2", "lsp3"];
export const FLOOD = { name: "_MC_flood", key: 32768 };
export const ADDRESS_SETS: Readonly<Record<string, readonly string[]>> = {
  as4: ["10.0.0.1", "10.0.0.2", "10.1.0.0/16"],
  as6: ["fd00::1", "fd00:1::/64"],
  asmac: ["00:00:00:00:00:01", "00:00:00:00:00:02"],
  as4b: ["1.1.1.1", "1.1.1.2", "1.1.1.3"],
  empty: [],
};
export const PORT_GROUPS: Readonly<Record<string, readonly string[]>> = {
  pg1: ["lsp1", "lsp2"],
  pg2: ["lsp2", "lsp3"],
  pgempty: [],
};
export const names: Names = { addressSet: (name) => ADDRESS_SETS[name], portGroup: (name) => PORT_GROUPS[name] };
/** The Flow_Sample_Collector_Set that the switch has. */
export const COLLECTOR_SET = 5;

export type DhcpOptions = ReadonlyMap<string, { readonly code: number; readonly type: string }>;

/** A southbound option table in a few words: "router:3:ipv4". */
function optionTable(text: string): DhcpOptions {
  return new Map(
    text
      .trim()
      .split(/\s+/)
      .map((word) => word.split(":"))
      .map(([name, code, type]) => [name!, { code: Number(code), type: type! }]),
  );
}

export const DHCP = optionTable(`offerip:0:ipv4 netmask:1:ipv4 router:3:ipv4 dns_server:6:ipv4 hostname:12:str domain_name:15:str
  ip_forward_enable:19:bool default_ttl:23:uint8 mtu:26:uint16 router_discovery:31:bool arp_cache_timeout:35:uint32
  netbios_node_type:46:uint8 lease_time:51:uint32 server_id:54:ipv4 T1:58:uint32 T2:59:uint32 tftp_server:66:host_id
  bootfile_name:67:str domain_search_list:119:domains classless_static_route:121:static_routes path_prefix:210:str
  ms_classless_static_route:249:static_routes wpad:252:str next_server:253:ipv4 bootfile_name_alt:254:str`);
export const DHCPV6 = optionTable(`server_id:2:mac ia_addr:5:ipv6 dns_server:23:ipv6 domain_search:24:str fqdn:39:domain
  bootfile_name:59:str bootfile_name_alt:254:str`);

export interface Flow {
  /** "" or as in the corpus. */
  readonly where: string;
  readonly match: string;
  readonly actions: string;
}

/** The priority of the flow with this index in what was loaded. Distinct, so that no two flows become one. */
export function priorityOf(index: number): number {
  return 101 + index;
}

/** "e5r": pipeline, table, and whether on the router. */
export function placeOf(where: string): {
  readonly pipeline: "ingress" | "egress";
  readonly table: number;
  readonly router: boolean;
} {
  const parts = /^([ie])(\d+)(r?)$/.exec(where);
  return { pipeline: parts?.[1] === "e" ? "egress" : "ingress", table: Number(parts?.[2] ?? 0), router: parts?.[3] === "r" };
}

type Json = unknown;

export class Chassis {
  readonly #dir = mkdtempSync(join(tmpdir(), "weft-logical-"));
  readonly #env: NodeJS.ProcessEnv = { ...process.env, DIR: this.#dir, PATH: `${reference}/bin:${process.env.PATH}` };

  get #sb(): string {
    return `unix:${this.#dir}/central/sb.sock`;
  }

  get #log(): string {
    return join(this.#dir, "hv", "controller.log");
  }

  #sh(script: string): string {
    return execFileSync("bash", ["-c", `. ${cloud}\nexport OVN_SB_DB=${this.#sb}\n${script}`], {
      env: this.#env,
      encoding: "utf8",
      maxBuffer: 1 << 28,
    });
  }

  start(): void {
    this.#sh(`mkdir -p $DIR/central; db_start $DIR/central sb $SCHEMAS/ovn/ovn-sb.ovsschema; ovn-sbctl init
      net_add n1; hv_add hv n1 10.9.0.1/24
      hv_do hv ovs-vsctl -- --id=@b get Bridge br-int -- --id=@i create IPFIX 'targets="127.0.0.1:4739"' \\
        -- create Flow_Sample_Collector_Set id=${COLLECTOR_SET} bridge=@b ipfix=@i`);
    this.#until(() => this.#select("Chassis_Private").length === 1);
    this.#network();
    this.#sh(`${LOCAL.map((port) => `vif_add hv ${port}`).join("\n")}
      ovs-appctl -t $DIR/hv/controller.ctl vlog/disable-rate-limit`);
    this.#until(() => this.#select("Port_Binding").filter((row) => row.chassis?.[0] === "uuid").length === LOCAL.length);
  }

  stop(): void {
    this.#sh("cloud_stop");
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #transact(operations: readonly Json[]): readonly Record<string, Json>[] {
    const text = JSON.stringify(["OVN_Southbound", ...operations]);
    const out = execFileSync(join(reference, "bin/ovsdb-client"), ["transact", this.#sb, text], {
      encoding: "utf8",
      maxBuffer: 1 << 28,
    });
    const results = JSON.parse(out) as Record<string, Json>[];
    const failed = results.find((result) => result !== null && "error" in result);
    if (failed !== undefined) throw new Error(JSON.stringify(failed));
    return results;
  }

  #select(table: string): readonly Record<string, Json[]>[] {
    return this.#transact([{ op: "select", table, where: [] }])[0]!.rows as Record<string, Json[]>[];
  }

  #until(holds: () => boolean): void {
    for (let i = 0; i < 400; i++) {
      if (holds()) return;
      execFileSync("sleep", ["0.05"]);
    }
    throw new Error("the reference did not get there in 20 s");
  }

  #network(): void {
    const map = (entries: Readonly<Record<string, string>>): Json => ["map", Object.entries(entries)];
    const set = (values: readonly Json[]): Json => ["set", values];
    const operations: Json[] = [];
    for (const [i, name] of ["ls1", "lr1"].entries()) {
      const nb = `00000000-0000-4000-8000-00000000000${i + 1}`;
      const kind = i === 0 ? "logical-switch" : "logical-router";
      const row = { tunnel_key: i + 1, type: kind, nb_uuid: ["uuid", nb], external_ids: map({ name, [kind]: nb }) };
      operations.push({ op: "insert", table: "Datapath_Binding", "uuid-name": name, row });
    }
    const port = (
      name: string,
      datapath: string,
      key: number,
      type = "",
      options: Readonly<Record<string, string>> = {},
    ): void => {
      const row = {
        logical_port: name,
        datapath: ["named-uuid", datapath],
        tunnel_key: key,
        type,
        options: map(options),
        mac: set([`00:00:00:00:00:0${key} 10.0.0.${key}`]),
      };
      operations.push({ op: "insert", table: "Port_Binding", "uuid-name": name.replaceAll("-", "_"), row });
    };
    for (const [name, key] of Object.entries(PORTS)) {
      if (name === "ls1-lr1") port(name, "ls1", key, "patch", { peer: "lr1-ls1" });
      else if (name === "vport") port(name, "ls1", key, "virtual", { "virtual-parents": "lsp1", "virtual-ip": "10.0.0.9" });
      else port(name, "ls1", key);
    }
    port("lr1-ls1", "lr1", 1, "patch", { peer: "ls1-lr1" });
    const members = Object.keys(PORTS).map((name) => ["named-uuid", name.replaceAll("-", "_")]);
    const group = { name: FLOOD.name, datapath: ["named-uuid", "ls1"], tunnel_key: FLOOD.key, ports: set(members) };
    operations.push({ op: "insert", table: "Multicast_Group", row: group });
    for (const [name, addresses] of Object.entries(ADDRESS_SETS)) {
      operations.push({ op: "insert", table: "Address_Set", row: { name, addresses: set(addresses) } });
    }
    // port groups of the southbound database are named after the datapath's key
    for (const [name, ports] of Object.entries(PORT_GROUPS)) {
      operations.push({ op: "insert", table: "Port_Group", row: { name: `1_${name}`, ports: set(ports) } });
    }
    for (const [table, options] of [
      ["DHCP_Options", DHCP],
      ["DHCPv6_Options", DHCPV6],
    ] as const) {
      for (const [name, row] of options) operations.push({ op: "insert", table, row: { name, ...row } });
    }
    operations.push({ op: "insert", table: "Meter_Band", "uuid-name": "band", row: { action: "drop", rate: 5, burst_size: 0 } });
    operations.push({ op: "insert", table: "Meter", row: { name: "m1", unit: "pktps", bands: ["named-uuid", "band"] } });
    this.#transact(operations);
  }

  /** Waits until the controller has handled everything. False: it did not (a flow that the switch refuses). */
  #sync(): boolean {
    const mutation = { op: "mutate", table: "SB_Global", where: [], mutations: [["nb_cfg", "+=", 1]] };
    this.#transact([mutation]);
    const wanted = this.#select("SB_Global")[0]!.nb_cfg as unknown as number;
    for (let i = 0; i < 200; i++) {
      const [row] = this.#select("Chassis_Private");
      if ((row?.nb_cfg as unknown as number) >= wanted) return true;
      execFileSync("sleep", ["0.05"]);
    }
    return false;
  }

  /** Replaces all logical flows; returns the lines of dump-flows by priority, and what the controller logged. */
  load(flows: readonly Flow[]): {
    readonly installed: ReadonlyMap<number, readonly string[]>;
    readonly warnings: readonly string[];
  } {
    this.#transact([{ op: "delete", table: "Logical_Flow", where: [] }]);
    this.#sync();
    const start = existsSync(this.#log) ? statSync(this.#log).size : 0;
    const datapaths = new Map(
      this.#select("Datapath_Binding").map((row) => [
        Object.fromEntries((row.external_ids as unknown as [string, [string, string][]])[1]).name,
        row._uuid,
      ]),
    );
    const operations = flows.map(({ where, match, actions }, i) => {
      const { pipeline, table, router } = placeOf(where);
      const uuid = `${(i + 1).toString(16).padStart(8, "0")}-0000-4000-8000-000000000000`;
      const row = {
        logical_datapath: datapaths.get(router ? "lr1" : "ls1"),
        pipeline,
        table_id: table,
        priority: priorityOf(i),
        match,
        actions,
      };
      return { op: "insert", table: "Logical_Flow", uuid, row };
    });
    for (let at = 0; at < operations.length; at += 100) this.#transact(operations.slice(at, at + 100));
    this.#sync();
    const dump = this.#sh("OVS_RUNDIR=$DIR/hv ovs-ofctl -O OpenFlow15 dump-flows --no-stats --no-names br-int");
    const installed = new Map<number, string[]>();
    for (const line of dump.split("\n")) {
      const table = Number(/table=(\d+)/.exec(line)?.[1] ?? 0);
      const priority = Number(/priority=(\d+)/.exec(line)?.[1] ?? 0);
      // only the logical pipelines: tables 8 to 41 and 48 to 63
      if (table < 8 || table > 63 || (table > 41 && table < 48) || priority <= 100) continue;
      const list = installed.get(priority);
      if (list === undefined) installed.set(priority, [line.trim()]);
      else list.push(line.trim());
    }
    const warnings = readFileSync(this.#log).subarray(start).toString().split("\n");
    return { installed, warnings };
  }
}
