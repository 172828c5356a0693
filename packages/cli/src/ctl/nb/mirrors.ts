import { parseIpv4, parseIpv6 } from "@weft/packet";
import type { NbRow } from "@weft/schemas";
import { fail } from "../error.ts";
import {
  compareNames,
  findSwitchPort,
  type NbCall,
  type NbCommand,
  named,
  needSwitchPort,
  parsePriority,
  parseUnsigned,
} from "./common.ts";

const GROUP = "Mirror commands";
const tables = ["Mirror", "Mirror_Rule", "Logical_Switch_Port"] as const;
const types = ["gre", "erspan", "local", "lport"] as const;

type Mirror = NbRow<"Mirror">;

const needMirror = (call: NbCall, name: string): Mirror =>
  named(call.db.rows("Mirror"), name) ?? fail(`${name}: mirror name not found`);

function filterOf(text: string): Mirror["filter"] {
  // Its first letter says it.
  if (text.startsWith("t")) return "to-lport";
  if (text.startsWith("f")) return "from-lport";
  if (text.startsWith("b")) return "both";
  return fail(`${text}: selection must be "to-lport", "from-lport", or "both"`);
}

function add(call: NbCall): void {
  const [name, typeText] = [call.arg(0), call.arg(1)];
  if (named(call.db.rows("Mirror"), name) !== undefined) fail(`Mirror with ${name} name already exists.`);
  const type =
    types.find((word) => word === typeText) ?? fail(`${typeText}: type must be "gre", "erspan", or "local" or "lport"`);
  const remote = type === "gre" || type === "erspan";
  const index = remote ? (parseUnsigned(call.arg(2), 0xffffffff) ?? fail("Invalid Index")) : -1;
  const [filterText = "", sink = ""] = call.args.slice(remote ? 3 : 2);
  const filter = filterOf(filterText);
  if (remote && parseIpv4(sink) === undefined && parseIpv6(sink) === undefined) fail(`Invalid sink ip: ${sink}`);
  if (type === "lport" && findSwitchPort(call, sink) === undefined) {
    call.warn("nbctl", `Attaching target to non existing port with name ${sink}.`);
  }
  call.db.insert("Mirror", { name, type, filter, sink, index });
}

function rulesOf(call: NbCall, mirror: Mirror): NbRow<"Mirror_Rule">[] {
  return mirror.mirror_rules.map((uuid) => call.db.row("Mirror_Rule", uuid)).filter((row) => row !== undefined);
}

function describe(call: NbCall, mirror: Mirror): string {
  const { name, type, sink, filter, index } = mirror;
  const key = type === "gre" || type === "erspan" ? `  Index/Key:  ${index}\n` : "";
  const rules = rulesOf(call, mirror)
    .sort((a, b) => b.priority - a.priority || compareNames(a.match, b.match))
    .map(({ priority, match, action }) => `  ${String(priority).padStart(10)} ${match.padStart(30)} ${action.padStart(15)}\n`);
  const listed = rules.length === 0 ? "" : `  Rules    :\n${rules.join("")}`;
  return `${name}:\n  Type     :  ${type}\n  Sink     :  ${sink}\n  Filter   :  ${filter}\n${key}${listed}\n`;
}

export const mirrorCommands: readonly NbCommand[] = [
  {
    name: "mirror-add",
    usage: "NAME TYPE [INDEX] FILTER SINK",
    min: 4,
    max: 5,
    options: "--may-exist",
    tables,
    group: GROUP,
    help: "create a mirror; INDEX for types gre and erspan",
    run: add,
  },
  {
    name: "mirror-del",
    usage: "[NAME]",
    min: 0,
    max: 1,
    tables,
    group: GROUP,
    help: "delete one mirror or all",
    run(call) {
      const name = call.args[0];
      for (const row of [...call.db.rows("Mirror")])
        if (name === undefined || row.name === name) call.db.delete("Mirror", row._uuid);
    },
  },
  {
    name: "mirror-list",
    usage: "",
    min: 0,
    max: 0,
    tables,
    group: GROUP,
    help: "print all mirrors",
    run(call) {
      for (const row of [...call.db.rows("Mirror")].sort((a, b) => compareNames(a.name, b.name))) call.print(describe(call, row));
    },
  },
  {
    name: "mirror-rule-add",
    usage: "MIRROR PRIORITY MATCH ACTION",
    min: 4,
    max: 4,
    tables,
    group: GROUP,
    help: "select what a mirror copies",
    run(call) {
      const mirror = needMirror(call, call.arg(0));
      const priority = parsePriority(call.arg(1));
      const [match, action] = [call.arg(2), call.arg(3)];
      if (action !== "mirror" && action !== "skip") return fail(`${action}: action must be one of "mirror", "skip"`);
      if (rulesOf(call, mirror).some((rule) => rule.priority === priority && rule.match === match)) {
        fail(`Same mirror-rule already exists on the mirror ${mirror.name}.`);
      }
      const rule = call.db.insert("Mirror_Rule", { priority, match, action });
      call.db.mutate("Mirror", mirror._uuid, "mirror_rules", { insert: [rule] });
    },
  },
  {
    name: "mirror-rule-del",
    usage: "MIRROR [PRIORITY] [MATCH]",
    min: 1,
    max: 3,
    tables,
    group: GROUP,
    help: "remove rules from a mirror",
    run(call) {
      const mirror = needMirror(call, call.arg(0));
      const priority = call.args[1] === undefined ? undefined : parsePriority(call.args[1]);
      const match = call.args[2];
      const gone = rulesOf(call, mirror).filter(
        (rule) => (priority === undefined || rule.priority === priority) && (match === undefined || rule.match === match),
      );
      if (gone.length > 0) call.db.mutate("Mirror", mirror._uuid, "mirror_rules", { delete: gone.map(({ _uuid }) => _uuid) });
    },
  },
  {
    name: "lsp-attach-mirror",
    usage: "PORT MIRROR",
    min: 2,
    max: 2,
    options: "--may-exist",
    tables,
    group: GROUP,
    help: "mirror a port",
    run(call) {
      const port = needSwitchPort(call, call.arg(0));
      const mirror = needMirror(call, call.arg(1));
      if (port.mirror_rules.includes(mirror._uuid)) {
        if (call.has("may-exist")) return;
        fail(`mirror ${mirror.name} is already attached to the logical port ${port.name}.`);
      }
      call.db.mutate("Logical_Switch_Port", port._uuid, "mirror_rules", { insert: [mirror._uuid] });
    },
  },
  {
    name: "lsp-detach-mirror",
    usage: "PORT MIRROR",
    min: 2,
    max: 2,
    tables,
    group: GROUP,
    help: "mirror a port no more",
    run(call) {
      const port = needSwitchPort(call, call.arg(0));
      const mirror = needMirror(call, call.arg(1));
      if (!port.mirror_rules.includes(mirror._uuid))
        call.warn("ovsdb_idl", "Trying to delete a key that doesn't exist in the set.");
      else call.db.mutate("Logical_Switch_Port", port._uuid, "mirror_rules", { delete: [mirror._uuid] });
    },
  },
];
