/** ovs-vsctl(8). */
import type { SchemaJson } from "@weft/ovsdb";
import { openVSwitch, type VsSchema } from "@weft/schemas";
import { directoriesOf } from "../directories.ts";
import type { Command } from "./command.ts";
import { connectionCommands, sslCommands } from "./connection.ts";
import { byName, onlyOne, type RowRule, type RowRules } from "./lookup.ts";
import { ctlProgram, type WaitContext } from "./program.ts";
import { showCommand } from "./show.ts";
import { autoAttachCommands } from "./vs/autoAttach.ts";
import { bridgeCommands } from "./vs/bridges.ts";
import { conntrackCommands } from "./vs/conntrack.ts";
import { controllerCommands } from "./vs/controllers.ts";
import { portCommands } from "./vs/ports.ts";
import { resetCommand } from "./vs/reset.ts";

const through = (from: string, column: string): readonly RowRule[] => [
  { by: "reference", from, through: column, column: "name" },
];

const rules: RowRules = {
  AutoAttach: through("Bridge", "auto_attach"),
  Bridge: byName,
  Controller: through("Bridge", "controller"),
  Flow_Sample_Collector_Set: [{ by: "column", column: "id" }],
  Flow_Table: byName,
  IPFIX: through("Bridge", "ipfix"),
  Interface: byName,
  Manager: [{ by: "column", column: "target" }],
  Mirror: byName,
  NetFlow: through("Bridge", "netflow"),
  Open_vSwitch: onlyOne,
  Port: byName,
  QoS: through("Port", "qos"),
  SSL: onlyOne,
  sFlow: through("Bridge", "sflow"),
};

// Tables and columns are found in the schema at run time.
const shared = [
  ...connectionCommands(
    { root: "Open_vSwitch", table: "Manager", column: "manager_options", noun: "manager", module: "vsctl" },
    "Manager commands",
  ),
  ...sslCommands("Open_vSwitch", "ssl", false),
] as readonly Command<SchemaJson>[] as unknown as readonly Command<VsSchema>[];

/** The change is in the database, but the switch could not follow. */
const EXIT_NOT_APPLIED = 65;

/** Tells of new interfaces that the switch could not set up. */
async function checkInterfaces({ replica, kept, host }: WaitContext<VsSchema>): Promise<number> {
  const rows = [...replica.table("Interface").rows()];
  let failed = false;
  // add-br, add-port and their like keep the names of what they made.
  for (const name of kept.flatMap((names) => (Array.isArray(names) ? names.map(String) : []))) {
    const row = rows.find((row) => row.name === name);
    if (row === undefined || (row.ofport !== undefined && row.ofport !== -1)) continue;
    const reason = row.error === undefined ? "" : `: ${row.error}`;
    await host.stderr.write(
      `ovs-vsctl: Error detected while setting up '${name}'${reason}.  See ovs-vswitchd log for details.\n`,
    );
    failed = true;
  }
  if (!failed) return 0;
  await host.stderr.write(`ovs-vsctl: The default log directory is "${directoriesOf(host.env, "ovs").log}".\n`);
  return EXIT_NOT_APPLIED;
}

export const ovsVsctl = ctlProgram<VsSchema>({
  name: "ovs-vsctl",
  family: "ovs",
  title: "configuration of Open vSwitch",
  schema: openVSwitch,
  commands: [
    showCommand<VsSchema>([
      { table: "Open_vSwitch", columns: ["manager_options", "bridges", "ovs_version"] },
      { table: "Bridge", name: "name", columns: ["controller", "fail_mode", "datapath_type", "ports"] },
      { table: "Port", name: "name", columns: ["tag", "trunks", "interfaces"] },
      { table: "Interface", name: "name", columns: ["type", "options", "error"] },
      { table: "Controller", name: "target", columns: ["is_connected"] },
      { table: "Manager", name: "target", columns: ["is_connected"] },
    ]),
    resetCommand,
    ...bridgeCommands,
    ...portCommands,
    ...controllerCommands,
    ...shared,
    ...autoAttachCommands,
    ...conntrackCommands,
  ],
  rules,
  options: [{ name: "no-wait" }, { name: "retry" }, { name: "peer-ca-cert", argument: "required" }],
  database: { socket: "db.sock" },
  root: "Open_vSwitch",
  module: "vsctl",
  wording: "getopt",
  tables: ["Open_vSwitch"],
  beforeCommit(context, db) {
    const [root] = db.rows("Open_vSwitch");
    if (root === undefined || db.empty || context.options.some(({ name }) => name === "no-wait")) return false;
    db.increment("Open_vSwitch", root._uuid, "next_cfg", 1);
    return true;
  },
  async wait(context, target) {
    const row = () => [...context.replica.table("Open_vSwitch").rows()][0];
    await context.until(() => (row()?.cur_cfg ?? 0) >= target);
    return checkInterfaces(context);
  },
});
