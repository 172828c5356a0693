/** ovn-sbctl(8). */
import type { SchemaJson } from "@weft/ovsdb";
import { ovnSouthbound, type SbSchema } from "@weft/schemas";
import type { Command } from "./command.ts";
import { sslCommands } from "./connection.ts";
import { byName, onlyOne, type RowRule, type RowRules } from "./lookup.ts";
import { ctlProgram } from "./program.ts";
import { chassisCommands } from "./sb/chassis.ts";
import { sbConnectionCommands } from "./sb/connections.ts";
import { flowCommands } from "./sb/flows.ts";
import { showCommand } from "./show.ts";

const by = (column: string, key?: string): RowRule => ({ by: "column", column, ...(key === undefined ? {} : { key }) });

const rules: RowRules = {
  Address_Set: byName,
  Chassis: byName,
  Chassis_Private: byName,
  Chassis_Template_Var: [by("chassis")],
  Connection: [by("target")],
  DHCP_Options: byName,
  DHCPv6_Options: byName,
  Datapath_Binding: [by("external_ids", "name"), by("external_ids", "name2"), by("nb_uuid")],
  Gateway_Chassis: byName,
  HA_Chassis_Group: byName,
  Load_Balancer: byName,
  MAC_Binding: [by("logical_port")],
  Meter: byName,
  Mirror: byName,
  Port_Binding: [by("logical_port"), by("external_ids", "name")],
  Port_Group: byName,
  RBAC_Permission: [by("table")],
  RBAC_Role: byName,
  SB_Global: onlyOne,
  SSL: onlyOne,
  Service_Monitor: [by("logical_port")],
};

// Tables and columns are found in the schema at run time.
const shared = sslCommands("SB_Global", "ssl", true) as readonly Command<SchemaJson>[] as unknown as readonly Command<SbSchema>[];

export const ovnSbctl = ctlProgram<SbSchema>({
  name: "ovn-sbctl",
  family: "ovn",
  title: "OVN southbound database management utility",
  schema: ovnSouthbound,
  commands: [
    showCommand<SbSchema>([
      {
        table: "Chassis",
        name: "name",
        columns: ["hostname", "encaps"],
        referrers: { table: "Port_Binding", column: "chassis", name: "logical_port" },
      },
      { table: "Encap", name: "type", columns: ["ip", "options"] },
    ]),
    ...chassisCommands,
    ...flowCommands,
    ...sbConnectionCommands,
    ...shared,
  ],
  rules,
  options: [
    { name: "no-wait" },
    { name: "wait", argument: "required" },
    { name: "print-wait-time" },
    { name: "unixctl", short: "u", argument: "required" },
  ],
  database: { variable: "OVN_SB_DB", socket: "ovnsb_db.sock" },
  root: "SB_Global",
  module: "ovn_dbctl",
  wording: "ovn",
  tables: ["SB_Global"],
});
