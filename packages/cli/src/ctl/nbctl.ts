/** ovn-nbctl(8). */
import type { SchemaJson } from "@weft/ovsdb";
import { type NbSchema, ovnNorthbound } from "@weft/schemas";
import type { Command } from "./command.ts";
import { connectionCommands, sslCommands } from "./connection.ts";
import { fail } from "./error.ts";
import { byName, onlyOne, type RowRules } from "./lookup.ts";
import { aclCommands } from "./nb/acls.ts";
import { coppCommands } from "./nb/copp.ts";
import { dhcpCommands } from "./nb/dhcp.ts";
import { forwardingGroupCommands } from "./nb/forwardingGroups.ts";
import { haChassisCommands } from "./nb/haChassis.ts";
import { healthCheckCommands } from "./nb/healthChecks.ts";
import { loadBalancerCommands } from "./nb/loadBalancers.ts";
import { macBindingCommands } from "./nb/macBindings.ts";
import { qosAndMeterCommands } from "./nb/meters.ts";
import { mirrorCommands } from "./nb/mirrors.ts";
import { natCommands } from "./nb/nats.ts";
import { networkFunctionCommands } from "./nb/networkFunctions.ts";
import { policyCommands } from "./nb/policies.ts";
import { portGroupCommands } from "./nb/portGroups.ts";
import { routerPortCommands } from "./nb/routerPorts.ts";
import { routerCommands } from "./nb/routers.ts";
import { routeCommands } from "./nb/routes.ts";
import { showCommands } from "./nb/show.ts";
import { switchCommands } from "./nb/switches.ts";
import { switchPortCommands } from "./nb/switchPorts.ts";
import { ctlProgram, type WaitContext } from "./program.ts";

const byNeutronName = (name: string) => [...byName, { by: "column", column: "external_ids", key: `neutron:${name}` } as const];

const rules: RowRules = {
  ACL: byName,
  Address_Set: byName,
  Chassis_Template_Var: [{ by: "column", column: "chassis" }],
  Connection: [{ by: "column", column: "target" }],
  DHCP_Options: (["dhcpv4_options", "dhcpv6_options"] as const).flatMap((through) => [
    { by: "reference", from: "Logical_Switch_Port", through, column: "name" } as const,
    { by: "reference", from: "Logical_Switch_Port", through, column: "external_ids", key: "neutron:port_name" } as const,
  ]),
  Forwarding_Group: byName,
  HA_Chassis: [{ by: "column", column: "chassis_name" }],
  HA_Chassis_Group: byName,
  Load_Balancer: byName,
  Load_Balancer_Group: byName,
  Load_Balancer_Health_Check: [{ by: "column", column: "vip" }],
  Logical_Router: byNeutronName("router_name"),
  Logical_Router_Port: byName,
  Logical_Switch: byNeutronName("network_name"),
  Logical_Switch_Port: byNeutronName("port_name"),
  Meter: byName,
  NAT: [{ by: "column", column: "external_ip" }],
  NB_Global: onlyOne,
  Port_Group: byName,
  SSL: onlyOne,
};

const sync: Command<NbSchema> = {
  name: "sync",
  usage: "",
  min: 0,
  max: 0,
  group: "Synchronization command",
  help: "with --wait, wait even for earlier changes",
  run() {},
};

/** Unless NB_Global:options:nbctl_probe_interval says otherwise, in ms (ovn-nb(5)). */
const PROBE_INTERVAL = 120_000;

type Wait = "none" | "sb" | "hv";

function waitOf({ options }: Pick<WaitContext<NbSchema>, "options">): Wait {
  let wait: Wait = "none";
  for (const { name, value } of options) {
    if (name === "no-wait") wait = "none";
    else if (name === "wait") {
      if (value !== "none" && value !== "sb" && value !== "hv") fail('argument to --wait must be "none", "sb", or "hv"');
      else wait = value;
    }
  }
  return wait;
}

// Tables and columns are found in the schema at run time.
const shared = [
  ...connectionCommands(
    { root: "NB_Global", table: "Connection", column: "connections", noun: "connection", module: "nbctl" },
    "Connection commands",
  ),
  ...sslCommands("NB_Global", "ssl", true),
] as readonly Command<SchemaJson>[] as unknown as readonly Command<NbSchema>[];

export const ovnNbctl = ctlProgram<NbSchema>({
  name: "ovn-nbctl",
  family: "ovn",
  title: "OVN northbound database management utility",
  schema: ovnNorthbound,
  commands: [
    ...showCommands,
    ...switchCommands,
    ...aclCommands,
    ...switchPortCommands,
    ...qosAndMeterCommands,
    ...routerCommands,
    ...routerPortCommands,
    ...routeCommands,
    ...policyCommands,
    ...natCommands,
    ...loadBalancerCommands,
    ...dhcpCommands,
    ...portGroupCommands,
    ...mirrorCommands,
    ...forwardingGroupCommands,
    ...networkFunctionCommands,
    ...haChassisCommands,
    ...coppCommands,
    ...macBindingCommands,
    ...healthCheckCommands,
    ...shared,
    sync,
  ],
  rules,
  options: [
    { name: "no-wait" },
    { name: "wait", argument: "required" },
    { name: "print-wait-time" },
    { name: "unixctl", short: "u", argument: "required" },
  ],
  database: { variable: "OVN_NB_DB", socket: "ovnnb_db.sock" },
  root: "NB_Global",
  module: "ovn_dbctl",
  wording: "ovn",
  tables: ["NB_Global"],
  check: (context) => void waitOf(context),
  probeInterval(replica) {
    const [global] = replica.table("NB_Global").rows();
    const given = /^\d+$/.exec(global?.options.get("nbctl_probe_interval") ?? "")?.[0];
    return given === undefined ? PROBE_INTERVAL : Number(given);
  },
  beforeCommit(context, db) {
    if (waitOf(context) === "none") return false;
    const [global] = db.rows("NB_Global");
    const forced = context.calls.some(({ command }) => command.name === "sync");
    if (global === undefined || (db.empty && !forced)) return false;
    db.increment("NB_Global", global._uuid, "nb_cfg", 1);
    return true;
  },
  async wait(context, target) {
    const wait = waitOf(context);
    const { replica, options, host, started } = context;
    const row = () => [...replica.table("NB_Global").rows()][0];
    await context.until(() => (row()?.[wait === "sb" ? "sb_cfg" : "hv_cfg"] ?? 0) >= target);
    const global = row();
    if (global !== undefined && options.some(({ name }) => name === "print-wait-time")) {
      const after = (timestamp: number) => `${Math.round(timestamp - started)}ms\n`;
      await host.stdout.write(
        `Time spent on processing nb_cfg ${target}:\n` +
          `\tovn-northd delay before processing:\t${after(global.nb_cfg_timestamp)}` +
          `\tovn-northd completion:\t\t\t${after(global.sb_cfg_timestamp)}` +
          (wait === "hv" ? `\tovn-controller(s) completion:\t\t${after(global.hv_cfg_timestamp)}` : ""),
      );
    }
    return 0;
  },
});
