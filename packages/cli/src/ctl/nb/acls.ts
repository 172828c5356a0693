import { isUuid } from "@weft/ovsdb";
import type { NbRow } from "@weft/schemas";
import { fail } from "../error.ts";
import {
  compareNames,
  findSwitch,
  type NbCall,
  type NbCommand,
  named,
  needSwitch,
  parseDirection,
  parsePriority,
  parseUnsigned,
  type Switch,
} from "./common.ts";

const GROUP = "ACL commands";
const tables = ["Logical_Switch", "Port_Group", "ACL"] as const;
const actions = ["allow", "allow-related", "allow-stateless", "drop", "reject", "pass"] as const;
const severities = ["alert", "warning", "notice", "info", "debug"] as const;

type Acl = NbRow<"ACL">;
type Owner =
  | { readonly table: "Logical_Switch"; readonly row: Switch }
  | { readonly table: "Port_Group"; readonly row: NbRow<"Port_Group"> };

/** The switch or port group that argument 0 names. */
function ownerOf(call: NbCall): Owner {
  const text = call.arg(0);
  const type = call.option("type");
  if (type !== undefined && type !== "switch" && type !== "port-group") fail(`Invalid value '${type}' for option --type`);
  if (type === "switch") return { table: "Logical_Switch", row: needSwitch(call, text) };
  const group = named(call.db.rows("Port_Group"), text);
  if (type === "port-group") return { table: "Port_Group", row: group ?? fail(`${text}: port group name not found`) };
  const found = findSwitch(call, text);
  if (group !== undefined && found !== undefined) {
    fail(
      `Same name '${text}' exists in both port-groups and logical switches. Specify --type=port-group or switch, or use a UUID.`,
    );
  }
  if (group !== undefined) return { table: "Port_Group", row: group };
  if (found !== undefined) return { table: "Logical_Switch", row: found };
  return fail(`'${text}' is not found for port-group or switch.`);
}

function aclsOf(call: NbCall, owner: Owner): Acl[] {
  return owner.row.acls.map((uuid) => call.db.row("ACL", uuid)).filter((row) => row !== undefined);
}

const afterLb = (acl: Acl) => acl.options.get("apply-after-lb") === "true";

/** from-lport before to-lport, what comes before load balancing first, then by falling priority and tier. */
function order(a: Acl, b: Acl): number {
  if (a.direction !== b.direction) return a.direction === "from-lport" ? -1 : 1;
  if (a.direction === "from-lport" && afterLb(a) !== afterLb(b)) return afterLb(a) ? 1 : -1;
  return b.priority - a.priority || b.tier - a.tier || compareNames(a.match, b.match);
}

function logging(acl: Acl): string {
  if (!acl.log) return "";
  const parts = [
    ...(acl.name === undefined ? [] : [`name=${acl.name}`]),
    ...(acl.severity === undefined ? [] : [`severity=${acl.severity}`]),
    ...(acl.meter === undefined ? [] : [`meter="${acl.meter}"`]),
  ];
  return ` log(${parts.join(",")})`;
}

function describe(acl: Acl): string {
  const head = `${acl.direction.padStart(10)} ${String(acl.priority).padStart(5)} (${acl.match}) ${acl.action}${logging(acl)}`;
  const label = acl.label === 0 ? "" : ` label=${acl.label}`;
  return `${head}${afterLb(acl) && acl.direction === "from-lport" ? " [after-lb]" : ""}${label}\n`;
}

function sampleOf(call: NbCall, option: string): { readonly _uuid: NbRow<"Sample">["_uuid"] } | undefined {
  const text = call.option(option);
  if (text === undefined) return undefined;
  if (!isUuid(text)) fail(`invalid --${option}: "${text}" is not a valid UUID`);
  const uuid = [...call.db.rows("Sample")].find(({ _uuid }) => _uuid === text.toLowerCase());
  return uuid ?? fail(`${text}: Sample UUID not found`);
}

function add(call: NbCall): void {
  const owner = ownerOf(call);
  const direction = parseDirection(call.arg(1));
  const priority = parsePriority(call.arg(2));
  const [match, actionText, group] = [call.arg(3), call.arg(4), call.args[5]];
  const action =
    actions.find((word) => word === actionText) ??
    fail(`${actionText}: action must be one of "allow", "allow-related", "allow-stateless", "drop", and "reject"`);
  const severityText = call.option("severity");
  const severity = severities.find((word) => word === severityText);
  if (severityText !== undefined && severity === undefined) fail(`bad severity: ${severityText}`);
  const [name, meter] = [call.option("name"), call.option("meter")];
  const labelText = call.option("label");
  let label = 0;
  if (labelText !== undefined) {
    if (action !== "allow" && action !== "allow-related") fail('label can only be set with actions "allow" or "allow-related"');
    label = parseUnsigned(labelText, 0xffffffff) ?? fail(`${labelText}: label must in range 0...4294967295`);
  }
  const tierText = call.option("tier");
  const tier =
    tierText === undefined ? 0 : (parseUnsigned(tierText, Number.MAX_SAFE_INTEGER) ?? fail(`Invalid tier ${tierText}`));
  const [fresh, established] = [sampleOf(call, "sample-new"), sampleOf(call, "sample-est")];
  let functions: NbRow<"Network_Function_Group">["_uuid"] | undefined;
  if (group !== undefined) {
    functions = (named(call.db.rows("Network_Function_Group"), group) ?? fail(`${group}: network function group name not found`))
      ._uuid;
  }
  for (const acl of aclsOf(call, owner)) {
    if (acl.direction !== direction || acl.priority !== priority || acl.match !== match || acl.tier !== tier) continue;
    if (call.has("may-exist")) return;
    fail(`Same ACL already existed on the ls ${call.arg(0)}.`);
  }
  const handle = call.db.insert("ACL", {
    direction,
    priority,
    match,
    action,
    tier,
    label,
    log: call.has("log") || severity !== undefined || name !== undefined || meter !== undefined,
    ...(severity === undefined ? {} : { severity }),
    ...(name === undefined ? {} : { name }),
    ...(meter === undefined ? {} : { meter }),
    ...(fresh === undefined ? {} : { sample_new: fresh._uuid }),
    ...(established === undefined ? {} : { sample_est: established._uuid }),
    ...(functions === undefined ? {} : { network_function_group: functions }),
    ...(call.has("apply-after-lb") && direction === "from-lport" ? { options: [["apply-after-lb", "true"]] as const } : {}),
  });
  call.db.mutate(owner.table, owner.row._uuid, "acls", { insert: [handle] });
}

function remove(call: NbCall): void {
  const owner = ownerOf(call);
  const [directionText, priorityText, match] = [call.args[1], call.args[2], call.args[3]];
  const tierText = call.option("tier");
  const tier =
    tierText === undefined ? undefined : (parseUnsigned(tierText, Number.MAX_SAFE_INTEGER) ?? fail(`Invalid tier ${tierText}`));
  const direction = directionText === undefined ? undefined : parseDirection(directionText);
  if (priorityText !== undefined && match === undefined) fail("cannot specify priority without match");
  const priority = priorityText === undefined ? undefined : parsePriority(priorityText);
  const gone = aclsOf(call, owner).filter(
    (acl) =>
      (direction === undefined || acl.direction === direction) &&
      (priority === undefined || acl.priority === priority) &&
      (match === undefined || acl.match === match) &&
      (tier === undefined || acl.tier === tier),
  );
  // With a priority and a match one ACL is meant.
  const chosen = priority === undefined ? gone : gone.slice(0, 1);
  if (chosen.length > 0) call.db.mutate(owner.table, owner.row._uuid, "acls", { delete: chosen.map(({ _uuid }) => _uuid) });
}

export const aclCommands: readonly NbCommand[] = [
  {
    name: "acl-add",
    usage: "SWITCH|PORTGROUP DIRECTION PRIORITY MATCH ACTION [NETWORK-FUNCTION-GROUP]",
    min: 5,
    max: 6,
    options:
      "--log --may-exist --type= --name= --severity= --meter= --label= --apply-after-lb --tier= --sample-new= --sample-est=",
    tables: [...tables, "Sample", "Network_Function_Group"],
    group: GROUP,
    help: "add an ACL to a switch or port group",
    run: add,
  },
  {
    name: "acl-del",
    usage: "SWITCH|PORTGROUP [DIRECTION] [PRIORITY] [MATCH]",
    min: 1,
    max: 4,
    options: "--type= --tier=",
    tables,
    group: GROUP,
    help: "remove ACLs from a switch or port group",
    run: remove,
  },
  {
    name: "acl-list",
    usage: "SWITCH|PORTGROUP",
    min: 1,
    max: 1,
    options: "--all --type=",
    tables,
    group: GROUP,
    help: "print the ACLs of a switch or port group",
    run(call) {
      for (const acl of aclsOf(call, ownerOf(call)).sort(order)) call.print(describe(acl));
    },
  },
];
