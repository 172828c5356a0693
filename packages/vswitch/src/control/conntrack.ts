/** dpctl/... about connection tracking (ovs-dpctl(8), "Connection Tracking Table Commands"). */
import { type CtFlush, parseCtFlush } from "@weft/openflow";
import { parseIpv4, parseIpv6 } from "@weft/packet";
import { type ControlCommand, messageOf } from "@weft/runtime";
import { formatConnection, formatExpectation, protocolName, tcpSummary } from "../conntrack/dump.ts";
import { FLUSH_ALL, flushConnections } from "../conntrack/flush.ts";
import type { ZoneLimit } from "../conntrack/limits.ts";
import { REC } from "../conntrack/table.ts";
import { type ControlContext, command, isDatapath, refuse } from "./context.ts";

const invalid = (what: string): Error => refuse(`ovs-vswitchd: ${what} (Invalid argument)\n`);

interface DpctlArguments {
  /** Options that stand in front. */
  readonly options: ReadonlySet<string>;
  /** What is behind them and the datapath's name, if that is given. */
  readonly operands: readonly string[];
}

const LONG: Readonly<Record<string, string>> = { "--more": "-m", "--statistics": "-s" };

/** Options, the datapath's name if it is there, and what follows. */
function dpctlArguments(c: ControlContext, args: readonly string[]): DpctlArguments {
  const options = new Set<string>();
  let at = 0;
  for (; at < args.length && /^-./.test(args[at] as string); at++) {
    const given = args[at] as string;
    const option = LONG[given] ?? given;
    if (option !== "-m" && option !== "-s") throw refuse(`Unrecognized option ${given}`);
    options.add(option);
  }
  if (at < args.length && isDatapath(c, args[at] as string)) at++;
  return { options, operands: args.slice(at) };
}

/** Operands of commands that take no others than the datapath: anything else would be one, and there is none. */
export function none({ operands }: DpctlArguments): void {
  if (operands.length > 0) throw invalid("datapath not found");
}

function zoneOperand({ operands }: DpctlArguments): number | undefined {
  if (operands.length === 0) return undefined;
  const zone = /^zone=(\d+)$/.exec(operands[0] as string)?.[1];
  if (zone === undefined) throw invalid("datapath not found");
  return Number(zone) & 0xffff;
}

function dump(c: ControlContext, args: DpctlArguments): string {
  const zone = zoneOperand(args);
  const options = { more: args.options.has("-m"), statistics: args.options.has("-s") };
  const now = c.datapath.now();
  const lines: string[] = [];
  for (const { table, index, family } of c.datapath.conntracker.connections()) {
    if (table.expires(index) <= now) continue;
    if (zone !== undefined && table.get(index, REC.head) >>> 16 !== zone) continue;
    lines.push(formatConnection(family, table, index, now, options));
  }
  return lines.join("\n");
}

/** A number of at most `bits`, decimal or hexadecimal. */
const isNumber = (text: string, bits: number): boolean => /^(\d+|0x[0-9a-f]+)$/i.test(text) && BigInt(text) < 1n << BigInt(bits);

/** Says what is wrong with the operands in the reference's words. */
function checkFlush(operands: readonly string[]): void {
  for (const [i, operand] of operands.entries()) {
    const [, key, value] = /^(zone|mark|labels)=(.*)$/.exec(operand) ?? [];
    if (key === "zone" && i > 0) throw refuse("invalid conntrack tuple field: zone");
    if (key !== undefined && value !== undefined) {
      const bits = key === "labels" ? 128 : 32;
      if (!value.split("/").every((part) => isNumber(part, bits))) throw refuse(`failed to parse ${key}`);
      continue;
    }
    let ports = false;
    let protocol = false;
    for (const part of operand.split(",")) {
      const [field, text] = part.split("=") as [string, string | undefined];
      if (text === undefined) {
        if (field === "") continue;
        throw refuse(`field ${field} missing value`);
      }
      const wrong =
        (/^ct_nw_(src|dst)$/.test(field) && parseIpv4(text) === undefined) ||
        (/^ct_ipv6_(src|dst)$/.test(field) && parseIpv6(text) === undefined) ||
        (/^(ct_tp_(src|dst)|icmp_id)$/.test(field) && !isNumber(text, 16)) ||
        (/^(ct_nw_proto|icmp_type|icmp_code)$/.test(field) && !isNumber(text, 8));
      if (wrong) throw refuse(`failed to parse field ${field}`);
      if (field.startsWith("ct_tp_")) ports = true;
      if (field === "ct_nw_proto") protocol = true;
    }
    if (ports && !protocol) throw refuse("port is set without protocol");
  }
}

function flush(c: ControlContext, { operands }: DpctlArguments): void {
  let wanted: Omit<CtFlush, "type"> = FLUSH_ALL;
  if (operands.length > 0) {
    try {
      checkFlush(operands);
      const zone = /^zone=(.*)$/.exec(operands[0] as string)?.[1];
      const parsed = parseCtFlush(zone === undefined ? operands : operands.slice(1));
      // Without a zone all of them are meant.
      wanted = { ...parsed, zone: zone === undefined ? undefined : Number(zone) & 0xffff };
    } catch (error) {
      throw invalid(messageOf(error));
    }
  }
  flushConnections(c.datapath.conntracker, wanted);
}

/** The line of ct-stats-show for each protocol, in its order; others count in the total only. */
const GROUPS: readonly (readonly [string, readonly string[]])[] = [
  ["TCP", ["tcp"]],
  ["UDP", ["udp"]],
  ["SCTP", ["sctp"]],
  ["ICMP", ["icmp", "icmpv6"]],
];

function statistics(c: ControlContext, args: DpctlArguments): string {
  const zone = zoneOperand(args);
  const now = c.datapath.now();
  const counts = new Map<string, number>();
  const states = new Map<string, number>();
  let total = 0;
  for (const { table, index } of c.datapath.conntracker.connections()) {
    const head = table.get(index, REC.head);
    if (table.expires(index) <= now || (zone !== undefined && head >>> 16 !== zone)) continue;
    const name = protocolName(head & 0xff);
    total++;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    if (name === "tcp") {
      const state = tcpSummary(table, index);
      states.set(state, (states.get(state) ?? 0) + 1);
    }
  }
  const lines = ["Connections Stats:", `    Total: ${total}`];
  for (const [group, names] of GROUPS) {
    const count = names.reduce((sum, name) => sum + (counts.get(name) ?? 0), 0);
    if (count === 0) continue;
    lines.push(`  ${group}: ${count}`);
    if (group !== "TCP" || !args.options.has("-m")) continue;
    lines.push("    Conn per TCP states:");
    for (const [state, n] of states) lines.push(`\t  [${state}]=${n}`);
  }
  return `${lines.join("\n")}\n`;
}

/** The reference's table of buckets; its tracker has one. */
function buckets(c: ControlContext, args: DpctlArguments): string {
  const { operands } = args;
  if (operands.length > 0 && !/^gt=\d+$/.test(operands[0] as string)) throw invalid("datapath not found");
  const live = dump(c, { options: new Set(), operands: [] });
  const count = live === "" ? 0 : live.split("\n").length;
  const above = Number(/^gt=(\d+)$/.exec(operands[0] ?? "")?.[1] ?? -1);
  const lines = ["Total Buckets: 1", `Current Connections: ${count}`, ""];
  if (count > 0) {
    lines.push("+-----------+-----------------------------------------+");
    lines.push("|  Buckets  |         Connections per Buckets         |");
    lines.push("+-----------+-----------------------------------------+");
    const shown = count > above ? String(count).padStart(5) : "";
    lines.push(`   0..  7   | ${shown}`, "");
  }
  return `${lines.join("\n")}\n`;
}

const uint32 = (text: string): number | undefined =>
  /^\d+$/.test(text) && Number(text) <= 0xffffffff ? Number(text) : undefined;

const limitText = ({ zone, limit, count }: ZoneLimit): string => `zone=${zone},limit=${limit},count=${count}\n`;

/** "zone=1,2,5" as numbers. */
function zonesOf(text: string): number[] {
  const list = /^zone=(.*)$/.exec(text)?.[1];
  if (list === undefined) throw invalid(`invalid argument ${text}`);
  return list.split(",").map((zone) => {
    if (!/^\d+$/.test(zone) || Number(zone) > 0xffff) throw invalid("invalid zone");
    return Number(zone);
  });
}

function setLimits(c: ControlContext, { operands }: DpctlArguments): void {
  const { limits } = c.datapath.conntracker;
  const rest = [...operands];
  let wanted: number | undefined;
  const first = /^default=(.*)$/.exec(rest[0] ?? "");
  if (first !== null) {
    wanted = uint32(first[1] as string);
    if (wanted === undefined) throw invalid("invalid default limit");
    rest.shift();
  }
  const zones = rest.map((text) => {
    let zone: number | undefined;
    let limit: number | undefined;
    for (const part of text.split(",")) {
      const [key, value] = part.split("=") as [string, string | undefined];
      if (value === undefined) throw invalid(`field ${key} missing value`);
      if (key === "zone") zone = uint32(value);
      else if (key === "limit") limit = uint32(value);
      else throw invalid(`invalid zone limit field: ${key}`);
      if ((key === "zone" && (zone ?? 0x10000) > 0xffff) || (key === "limit" && limit === undefined))
        throw invalid(`failed to parse field ${key}`);
    }
    if (zone === undefined || limit === undefined) throw invalid("failed to parse zone limit");
    return { zone, limit };
  });
  if (wanted !== undefined) limits.defaultLimit = wanted;
  for (const { zone, limit } of zones) limits.set(zone, limit);
}

export function dpctlCommand(
  c: ControlContext,
  name: string,
  usage: string,
  min: number,
  max: number,
  run: (args: DpctlArguments) => string,
): ControlCommand {
  return command(`dpctl/${name}`, usage, min, max, (args) => run(dpctlArguments(c, args)));
}

export function conntrackCommands(c: ControlContext): ControlCommand[] {
  const tracker = c.datapath.conntracker;
  const dpctl = (name: string, usage: string, min: number, max: number, run: (args: DpctlArguments) => string): ControlCommand =>
    dpctlCommand(c, name, usage, min, max, run);
  return [
    dpctl("dump-conntrack", "[-m] [-s] [dp] [zone=N]", 0, 4, (args) => dump(c, args)),
    dpctl("dump-conntrack-exp", "[dp] [zone=N]", 0, 2, (args) => {
      const zone = zoneOperand(args);
      return [...tracker.expectations]
        .filter(({ tuple }) => zone === undefined || tuple.head >>> 16 === zone)
        .map(formatExpectation)
        .join("\n");
    }),
    dpctl("flush-conntrack", "[dp] [zone=N] [mark=X[/M]] [labels=Y[/N]] [ct-orig-tuple [ct-reply-tuple]]", 0, 6, (args) => {
      flush(c, args);
      return "";
    }),
    dpctl("ct-stats-show", "[dp] [zone=N]", 0, 3, (args) => statistics(c, args)),
    dpctl("ct-bkts", "[dp] [gt=N]", 0, 2, (args) => buckets(c, args)),
    dpctl("ct-set-maxconns", "[dp] maxconns", 1, 2, ({ operands }) => {
      const wanted = uint32(operands.at(-1) ?? "");
      if (wanted === undefined) throw invalid("maxconns missing or malformed");
      tracker.maxConnections = wanted;
      return "setting maxconns successful";
    }),
    dpctl("ct-get-maxconns", "[dp]", 0, 1, (args) => {
      none(args);
      return `${tracker.maxConnections}\n`;
    }),
    dpctl("ct-get-nconns", "[dp]", 0, 1, (args) => {
      none(args);
      return `${tracker.size}\n`;
    }),
    ...([true, false] as const).map((on) =>
      dpctl(on ? "ct-enable-tcp-seq-chk" : "ct-disable-tcp-seq-chk", "[dp]", 0, 1, (args) => {
        none(args);
        tracker.sequenceChecks = on;
        return `${on ? "enabling" : "disabling"} TCP sequence checking successful`;
      }),
    ),
    dpctl("ct-get-tcp-seq-chk", "[dp]", 0, 1, (args) => {
      none(args);
      return `TCP sequence checking: ${tracker.sequenceChecks ? "enabled" : "disabled"}\n`;
    }),
    dpctl("ct-set-sweep-interval", "[dp] ms", 1, 2, ({ operands }) => {
      const wanted = uint32(operands.at(-1) ?? "");
      if (wanted === undefined || wanted === 0) throw invalid("invalid sweep value");
      tracker.sweepInterval = wanted;
      return "setting sweep interval successful\n";
    }),
    dpctl("ct-get-sweep-interval", "[dp]", 0, 1, (args) => {
      none(args);
      return String(tracker.sweepInterval);
    }),
    dpctl("ct-set-limits", "[dp] [default=L] [zone=N,limit=L]...", 1, Number.MAX_SAFE_INTEGER, (args) => {
      setLimits(c, args);
      return "";
    }),
    dpctl("ct-get-limits", "[dp] [zone=N1[,N2]...]", 0, 2, ({ operands }) => {
      const { limits } = tracker;
      if (operands.length > 1) throw invalid("datapath not found");
      const shown = operands[0] === undefined ? limits.zones() : zonesOf(operands[0]).map((zone) => limits.get(zone));
      return `default limit=${limits.defaultLimit}\n${shown.map(limitText).join("")}`;
    }),
    dpctl("ct-del-limits", "[dp] [default] [zone=N1[,N2]...]", 1, 3, ({ operands }) => {
      const { limits } = tracker;
      const rest = [...operands];
      if (rest[0] === "default") {
        limits.defaultLimit = 0;
        rest.shift();
      }
      if (rest[0] !== undefined) for (const zone of zonesOf(rest[0])) limits.delete(zone);
      return "";
    }),
  ];
}
