import { isUuid } from "@weft/ovsdb";
import type { NbRow } from "@weft/schemas";
import { fail } from "../error.ts";
import {
  compareNames,
  type NbCall,
  type NbCommand,
  needSwitch,
  parseDirection,
  parsePriority,
  parseUnsigned,
  type Switch,
} from "./common.ts";

const UINT32 = 0xffffffff;

function qosOf(call: NbCall, of: Switch): NbRow<"QoS">[] {
  return of.qos_rules.map((uuid) => call.db.row("QoS", uuid)).filter((row) => row !== undefined);
}

function addQos(call: NbCall): void {
  const of = needSwitch(call, call.arg(0));
  const direction = parseDirection(call.arg(1));
  const priority = parsePriority(call.arg(2));
  const match = call.arg(3);
  const bandwidth: ["rate" | "burst", number][] = [];
  const action: ["dscp" | "mark", number][] = [];
  for (const setting of call.args.slice(4)) {
    const [key, text = ""] = setting.split(/=(.*)/s);
    if (key === "dscp") action.push(["dscp", parseUnsigned(text, 63) ?? fail(`${text}: dscp must be in the range 0...63`)]);
    else if (key === "mark")
      action.push(["mark", parseUnsigned(text, UINT32) ?? fail(`${text}: mark must be a positive integer`)]);
    else if (key === "rate" || key === "burst") {
      const value = parseUnsigned(text, UINT32);
      if (value === undefined || value === 0) fail(`${text}: ${key} must be in the range 1...${UINT32}`);
      else bandwidth.push([key, value]);
    } else fail(`${setting}: supported arguments are "dscp=", "rate=", "burst=" and "mark="`);
  }
  if (action.length === 0 && !bandwidth.some(([key]) => key === "rate"))
    fail('Either "mark", "rate" and/or "dscp" must be specified');
  const there = qosOf(call, of).some((row) => row.direction === direction && row.priority === priority && row.match === match);
  if (there) {
    if (call.has("may-exist")) return;
    fail(`Same qos already existed on the ls ${call.arg(0)}.`);
  }
  const handle = call.db.insert("QoS", { direction, priority, match, bandwidth, action });
  call.db.mutate("Logical_Switch", of._uuid, "qos_rules", { insert: [handle] });
}

function removeQos(call: NbCall): void {
  const of = needSwitch(call, call.arg(0));
  const [which, priorityText, match] = [call.args[1], call.args[2], call.args[3]];
  let gone = qosOf(call, of);
  if (which !== undefined && isUuid(which)) {
    if (priorityText !== undefined) fail("uuid must be the only argument");
    gone = gone.filter(({ _uuid }) => _uuid === which.toLowerCase());
    if (gone.length === 0) fail("uuid is not found");
  } else if (which !== undefined) {
    const direction = parseDirection(which);
    if (priorityText !== undefined && match === undefined) fail("cannot specify priority without match");
    const priority = priorityText === undefined ? undefined : parsePriority(priorityText);
    gone = gone.filter(
      (row) =>
        row.direction === direction &&
        (priority === undefined || row.priority === priority) &&
        (match === undefined || row.match === match),
    );
  }
  if (gone.length > 0) call.db.mutate("Logical_Switch", of._uuid, "qos_rules", { delete: gone.map(({ _uuid }) => _uuid) });
}

function describeQos({ direction, priority, match, bandwidth, action }: NbRow<"QoS">): string {
  const words = [
    `${direction.padStart(10)} ${String(priority).padStart(5)} (${match})`,
    ...(["rate", "burst"] as const).flatMap((key) => (bandwidth.has(key) ? [`${key}=${bandwidth.get(key)}`] : [])),
    ...[...action].map(([key, value]) => `${key}=${value}`),
  ];
  return `${words.join(" ")}\n`;
}

function describeMeter(call: NbCall, { name, fair, unit, bands }: NbRow<"Meter">): string {
  const lines = bands.map((uuid) => {
    const band = call.db.row("Meter_Band", uuid);
    if (band === undefined) return "";
    const burst = band.burst_size === 0 ? "" : `, ${band.burst_size} ${unit === "kbps" ? "kb" : "packet"} burst`;
    return `  ${band.action}: ${band.rate} ${unit}${burst}\n`;
  });
  return `${name}:${fair === true ? " (fair)" : ""} bands:\n${lines.join("")}`;
}

export const qosAndMeterCommands: readonly NbCommand[] = [
  {
    name: "qos-add",
    usage: "SWITCH DIRECTION PRIORITY MATCH SETTING...",
    min: 5,
    max: 8,
    options: "--may-exist",
    tables: ["Logical_Switch", "QoS"],
    group: "QoS commands",
    help: "add a QoS rule to a switch: rate=RATE burst=BURST dscp=DSCP mark=MARK",
    run: addQos,
  },
  {
    name: "qos-del",
    usage: "SWITCH [DIRECTION|UUID] [PRIORITY] [MATCH]",
    min: 1,
    max: 4,
    tables: ["Logical_Switch", "QoS"],
    group: "QoS commands",
    help: "remove QoS rules from a switch",
    run: removeQos,
  },
  {
    name: "qos-list",
    usage: "SWITCH",
    min: 1,
    max: 1,
    tables: ["Logical_Switch", "QoS"],
    group: "QoS commands",
    help: "print the QoS rules of a switch",
    run(call) {
      const rows = qosOf(call, needSwitch(call, call.arg(0))).sort(
        (a, b) => compareNames(a.direction, b.direction) || b.priority - a.priority || compareNames(a.match, b.match),
      );
      for (const row of rows) call.print(describeQos(row));
    },
  },
  {
    name: "meter-add",
    usage: "NAME ACTION RATE UNIT [BURST]",
    min: 4,
    max: 5,
    options: "--fair --may-exist",
    tables: ["Meter", "Meter_Band"],
    group: "Meter commands",
    help: "create a meter",
    run(call) {
      const [name, action, rateText, unit, burstText] = [call.arg(0), call.arg(1), call.arg(2), call.arg(3), call.args[4]];
      if ([...call.db.rows("Meter")].some((row) => row.name === name)) {
        if (call.has("may-exist")) return;
        fail(`meter with name "${name}" already exists`);
      }
      if (name.startsWith("__")) fail('meter names that begin with "__" are reserved');
      if (action !== "drop") return fail('action must be "drop"');
      const rate = parseUnsigned(rateText, UINT32);
      if (rate === undefined || rate === 0) return fail(`rate must be in the range 1...${UINT32}`);
      if (unit !== "kbps" && unit !== "pktps") return fail('unit must be "kbps" or "pktps"');
      const burst =
        burstText === undefined ? 0 : (parseUnsigned(burstText, UINT32) ?? fail(`burst must be in the range 0...${UINT32}`));
      const band = call.db.insert("Meter_Band", { action, rate, burst_size: burst });
      call.db.insert("Meter", { name, unit, bands: [band], ...(call.has("fair") ? { fair: true } : {}) });
    },
  },
  {
    name: "meter-del",
    usage: "[NAME]",
    min: 0,
    max: 1,
    tables: ["Meter", "Meter_Band"],
    group: "Meter commands",
    help: "delete one meter or all",
    run(call) {
      const name = call.args[0];
      for (const row of [...call.db.rows("Meter")])
        if (name === undefined || row.name === name) call.db.delete("Meter", row._uuid);
    },
  },
  {
    name: "meter-list",
    usage: "",
    min: 0,
    max: 0,
    tables: ["Meter", "Meter_Band"],
    group: "Meter commands",
    help: "print all meters",
    run(call) {
      for (const row of [...call.db.rows("Meter")].sort((a, b) => compareNames(a.name, b.name)))
        call.print(describeMeter(call, row));
    },
  },
];
