import { type FlowStats, formatFlowStats, formatMatch, formatActions as formatOpenFlowActions } from "@weft/openflow";
import type { AnyRow, Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";
import { cookieOf, type FlowsOf, flowsOfSwitch } from "../../switchFlows.ts";
import { fail } from "../error.ts";
import { findRow, type RowRules } from "../lookup.ts";
import { compareText, datapathLabel, type SbCall, type SbCommand } from "./common.ts";

type Flow = SbRow<"Logical_Flow">;
type Datapath = SbRow<"Datapath_Binding">;
/** What rows are read with. */
type Reader = Pick<SbCall, "db" | "database" | "rules">;
interface Entry {
  readonly flow: Flow;
  readonly datapath: Datapath;
}

const GROUP = "Logical flow commands";
const flowTables = ["Logical_Flow", "Datapath_Binding", "Logical_DP_Group"] as const;
const vflowTables = ["Port_Binding", "MAC_Binding", "Multicast_Group", "Chassis", "Load_Balancer"] as const;

function findDatapath(call: Reader, rules: RowRules, text: string): Datapath | undefined {
  const table = call.database.tables.get("Datapath_Binding");
  if (table === undefined) return undefined;
  const rows = {
    rows: (name: string) => call.db.rows(name as "Datapath_Binding") as unknown as Iterable<AnyRow>, // the same rows
    row: (name: string, uuid: Uuid) => call.db.row(name as "Datapath_Binding", uuid) as unknown as AnyRow | undefined,
  };
  const found = findRow(table, rules, text, rows);
  return found === undefined ? undefined : call.db.row("Datapath_Binding", found._uuid);
}

function datapathsOf(call: Reader, flow: Flow): Datapath[] {
  const group =
    flow.logical_dp_group === undefined ? [] : (call.db.row("Logical_DP_Group", flow.logical_dp_group)?.datapaths ?? []);
  const uuids = flow.logical_datapath === undefined ? group : [flow.logical_datapath, ...group];
  return uuids.map((uuid) => call.db.row("Datapath_Binding", uuid)).filter((row) => row !== undefined);
}

function compareDatapaths(a: Datapath, b: Datapath): number {
  const name = (row: Datapath) => row.external_ids.get("name") ?? "";
  return compareText(name(a), name(b)) || compareText(a._uuid, b._uuid);
}

function order(a: Entry, b: Entry): number {
  return (
    compareDatapaths(a.datapath, b.datapath) ||
    // "ingress" comes before "egress".
    compareText(b.flow.pipeline, a.flow.pipeline) ||
    a.flow.table_id - b.flow.table_id ||
    b.flow.priority - a.flow.priority ||
    compareText(a.flow.match, b.flow.match) ||
    compareText(a.flow.actions, b.flow.actions)
  );
}

function entries(call: Reader, only: Datapath | undefined): Entry[] {
  const found: Entry[] = [];
  for (const flow of call.db.rows("Logical_Flow")) {
    for (const datapath of datapathsOf(call, flow)) {
      if (only === undefined || only._uuid === datapath._uuid) found.push({ flow, datapath });
    }
  }
  return found.sort(order);
}

const stageOf = (flow: Flow) => (flow.external_ids.get("stage-name") ?? "").padEnd(19);

/** The beginning of a uuid, as a flow's cookie shows it: "0x80986ea1", without the zeros in front. Capitals match nothing, as in the reference. */
function partialUuid(text: string): string {
  const bare = text.replace(/^0x/i, "");
  if (!/^[0-9a-f-]{1,36}$/i.test(bare)) fail(`${text} is not a UUID or the beginning of a UUID`);
  return withoutZeros(bare);
}

const withoutZeros = (text: string): string => text.replace(/^0+/, "");

function list(call: SbCall): void {
  const [first] = call.args;
  const only = first === undefined ? undefined : findDatapath(call, call.rules, first);
  const wanted = call.args.slice(only === undefined ? 0 : 1).map(partialUuid);
  const chosen = (uuid: Uuid) => wanted.length === 0 || wanted.some((text) => withoutZeros(uuid).startsWith(text));
  const prefix = (uuid: Uuid) => (call.has("uuid") ? `uuid=0x${uuid.slice(0, 8)}, ` : "");
  let section = "";
  for (const { flow, datapath } of entries(call, only)) {
    if (!chosen(flow._uuid)) continue;
    const head = `Datapath: ${datapathLabel(datapath)}  Pipeline: ${flow.pipeline}\n`;
    if (head !== section) call.print(head);
    section = head;
    const place = `table=${String(flow.table_id).padEnd(2)}(${stageOf(flow)}), priority=${String(flow.priority).padEnd(5)}`;
    call.print(`  ${prefix(flow._uuid)}${place}, match=(${flow.match}), action=(${flow.actions})\n${openflow(call, flow._uuid)}`);
  }
  if (call.has("vflows")) for (const part of vflows(call, only)) call.print(part(prefix));
}

/** --ovs: the switch's flows that come of a row, each a line. */
function openflow(call: SbCall, uuid: Uuid): string {
  // what `gather` below resolves to
  const flows = (call.gathered as FlowsOf | undefined)?.(cookieOf(uuid)) ?? [];
  const text = (flow: FlowStats): string =>
    call.has("stats")
      ? formatFlowStats(flow)
      : `table=${flow.table} ${formatMatch(flow.match)} actions=${formatOpenFlowActions(flow.actions)}`;
  return flows.map((flow) => `    ${text(flow)}\n`).join("");
}

type Section = (prefix: (uuid: Uuid) => string) => string;

/** What else flows of the switch are made from, each kind under its heading. */
function vflows(call: SbCall, only: Datapath | undefined): Section[] {
  const { db } = call;
  const of = <R extends { readonly datapath: Uuid }>(rows: Iterable<R>) =>
    [...rows].filter(({ datapath }) => only === undefined || datapath === only._uuid);
  const where = (uuid: Uuid | undefined) => {
    const datapath = uuid === undefined ? undefined : db.row("Datapath_Binding", uuid);
    return only !== undefined || datapath === undefined
      ? ""
      : `datapath="${datapath.external_ids.get("name") ?? datapath._uuid}", `;
  };
  const section = <R extends { readonly _uuid: Uuid }>(title: string, rows: readonly R[], text: (row: R) => string): Section => {
    return (prefix) =>
      rows.length === 0
        ? ""
        : `\n${title}:\n${rows.map((row) => `  ${prefix(row._uuid)}${text(row)}\n${openflow(call, row._uuid)}`).join("")}`;
  };
  const portsOf = (group: SbRow<"Multicast_Group">) =>
    group.ports.map((uuid) => db.row("Port_Binding", uuid)?.logical_port ?? "").join(", ");
  return [
    section(
      "Port Bindings",
      of(db.rows("Port_Binding")),
      (row) => `${where(row.datapath)}logical_port=${row.logical_port}, tunnel_key=${String(row.tunnel_key).padEnd(5)}`,
    ),
    section(
      "MAC Bindings",
      of(db.rows("MAC_Binding")),
      (row) => `${where(row.datapath)}logical_port=${row.logical_port}, ip=${row.ip}, mac=${row.mac}`,
    ),
    section(
      "MC Groups",
      of(db.rows("Multicast_Group")),
      (row) => `${where(row.datapath)}name=${row.name}, tunnel_key=${row.tunnel_key}, ports=(${portsOf(row)})`,
    ),
    section("Chassis", [...db.rows("Chassis")], (row) => `name=${row.name}`),
    section(
      "Load Balancers",
      [...db.rows("Load_Balancer")].filter(({ datapaths }) => only === undefined || datapaths.includes(only._uuid)),
      (row) => {
        const vips = [...row.vips].map(([vip, backends]) => `    ${vip} = ${backends}\n`).join("");
        return `name="${row.name}", protocol="${row.protocol ?? "(null)"}", ${row.datapaths.map(where).join("")}\n  vips:\n${vips}`;
      },
    ),
  ];
}

function count(call: SbCall): void {
  const [text] = call.args;
  const only = text === undefined ? undefined : findDatapath(call, call.rules, text);
  if (text !== undefined && only === undefined) {
    call.print("Total number of logical flows = 0\n");
    return;
  }
  const all = entries(call, only);
  let at = 0;
  while (at < all.length) {
    const { datapath, flow } = all[at]!;
    const label = `${datapathLabel(datapath)}`;
    call.print(`Datapath: ${label}  Pipeline: ${flow.pipeline}\n`);
    const start = at;
    while (all[at]?.datapath === datapath && all[at]?.flow.pipeline === flow.pipeline) {
      const first = all[at]!.flow;
      const from = at;
      while (
        all[at]?.datapath === datapath &&
        all[at]?.flow.pipeline === flow.pipeline &&
        all[at]?.flow.table_id === first.table_id
      )
        at++;
      call.print(`  table=${String(first.table_id).padEnd(2)}(${stageOf(first)}) lflows=${at - from}\n`);
    }
    call.print(`Total number of logical flows in the datapath ${label} Pipeline: ${flow.pipeline} = ${at - start}\n\n`);
  }
  call.print(`Total number of logical flows = ${all.length}\n`);
}

const listing = (name: string): SbCommand => ({
  name,
  usage: "[DATAPATH] [LFLOW]...",
  min: 0,
  max: Number.POSITIVE_INFINITY,
  options: "--uuid --ovs? --stats --vflows?",
  tables: flowTables,
  group: GROUP,
  help: "print logical flows",
  prepare: (call) => (call.options.has("vflows") ? vflowTables : []),
  gather: async (call, { db, log, ...rest }) => {
    if (!call.options.has("ovs")) return undefined;
    const [first] = call.args;
    const reader = { ...call, db };
    const only = first === undefined ? undefined : findDatapath(reader, call.rules, first);
    const others = call.options.has("vflows") ? vflowTables.flatMap((table) => [...db.rows(table)]) : [];
    const rows = [...entries(reader, only).map(({ flow }) => flow), ...others];
    const cookies = rows.map(({ _uuid }) => cookieOf(_uuid));
    return flowsOfSwitch(call.options.get("ovs"), cookies, { ...rest, logger: log.logger("sbctl") });
  },
  run: list,
});

export const flowCommands: readonly SbCommand[] = [
  listing("lflow-list"),
  listing("dump-flows"),
  {
    name: "count-flows",
    usage: "[DATAPATH]",
    min: 0,
    max: 1,
    tables: flowTables,
    group: GROUP,
    help: "print the number of logical flows per table",
    run: count,
  },
];
