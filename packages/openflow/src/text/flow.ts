/** Flows as text: what add-flow takes, what dump-flows prints. */
import { fieldByOvsName } from "../field/lookup.ts";
import { MatchBuilder } from "../match/builder.ts";
import type { Match } from "../match/match.ts";
import { normalizeMatch } from "../match/normalize.ts";
import { FLOW_FLAG, type Flow, type FlowMod, type FlowModCommand, type FlowStats } from "../message/flow.ts";
import { ALL_TABLES, NO_BUFFER, OFPG, OFPP } from "../ports.ts";
import { formatActions, parseActions } from "./actions.ts";
import { TextError } from "./error.ts";
import { formatMatch, setFieldText, setProtocol } from "./match.ts";
import { formatTable, type Names, NO_NAMES, parsePort, parseTable } from "./names.ts";
import { u16, u32, u64 } from "./number.ts";
import { Scanner } from "./scan.ts";

const FLAGS: ReadonlyMap<string, number> = new Map([
  ["send_flow_rem", FLOW_FLAG.SEND_FLOW_REM],
  ["check_overlap", FLOW_FLAG.CHECK_OVERLAP],
  ["reset_counts", FLOW_FLAG.RESET_COUNTS],
  ["no_packet_counts", FLOW_FLAG.NO_PKT_COUNTS],
  ["no_byte_counts", FLOW_FLAG.NO_BYT_COUNTS],
]);

/** What dump-flows prints besides; taken and ignored, so that its output can be fed back. */
const IGNORED = new Set(["duration", "n_packets", "n_bytes", "idle_age", "hard_age"]);

export interface ParsedFlowMod extends FlowMod {
  /** The match as written, where normalisation took something away. */
  readonly unnormalized?: Match;
}

/** Splits "match, actions=..." before the actions; the second part is undefined where there are none. */
function splitActions(text: string): [string, string | undefined] {
  const at = text.indexOf("action");
  if (at < 0) return [text, undefined];
  const found = /^actions?[ \t]*=?/.exec(text.slice(at))!;
  return [text.slice(0, at), text.slice(at + found[0].length)];
}

interface Options {
  readonly names?: Names;
}

/**
 * Parses a flow as the ovs-ofctl commands for `command` take it. Additions and modifications must have actions=. Throws a
 * TextError with the message of ovs-ofctl.
 */
export function parseFlowMod(text: string, command: FlowModCommand, options: Options = {}): ParsedFlowMod {
  const names = options.names ?? NO_NAMES;
  const deletes = command === "delete" || command === "delete_strict";
  const [head, actionText] = splitActions(text);
  if (actionText === undefined && !deletes) throw new TextError("must specify an action", text);
  const builder = new MatchBuilder();
  let table: number = ALL_TABLES;
  let priority = 32768;
  let cookie = 0n;
  let cookieMask = 0n;
  let newCookie = 0n;
  let modifyCookie = false;
  let idleTimeout = 0;
  let hardTimeout = 0;
  let importance = 0;
  let flags = 0;
  let outPort: number = OFPP.NONE;
  let outGroup: number = OFPG.ANY;
  const scanner = new Scanner(head);
  for (let item = scanner.next(); item !== undefined; item = scanner.next()) {
    const { key, value, delimiter } = item;
    try {
      const flag = FLAGS.get(key);
      if (flag !== undefined) {
        flags |= flag;
        continue;
      }
      if (delimiter === "" && (setProtocol(builder, key) || key === "allow_hidden_fields" || key === "no_readonly_table"))
        continue;
      if (key === "table" && delimiter !== "") {
        const found = parseTable(value, names);
        if (found === undefined) throw new TextError(`unknown table "${value}"`);
        table = found;
        continue;
      }
      const field = fieldByOvsName(key);
      if (field !== undefined) {
        setFieldText(builder, field, delimiter === "" ? "*" : value, names);
        continue;
      }
      if (delimiter === "") throw new TextError(`field ${key} missing value`);
      if (deletes && key === "out_port") {
        const port = parsePort(value, names);
        if (port === undefined) throw new TextError(`${value} is not a valid OpenFlow port`);
        outPort = port;
      } else if (deletes && key === "out_group") outGroup = value.toLowerCase() === "any" ? OFPG.ANY : u32(value);
      else if (key === "priority") priority = u16(value, key);
      else if (key === "idle_timeout") idleTimeout = u16(value, key);
      else if (key === "hard_timeout") hardTimeout = u16(value, key);
      else if (key === "importance") importance = u16(value, key);
      else if (key === "cookie") {
        const slash = value.indexOf("/");
        if (slash >= 0) {
          if (command === "add") throw new TextError("flow additions cannot use a cookie mask");
          cookie = u64(value.slice(0, slash));
          cookieMask = u64(value.slice(slash + 1));
        } else if (deletes) throw new TextError("cannot set cookie (use cookie/-1 to match on a cookie)");
        else {
          newCookie = u64(value);
          modifyCookie = command !== "add";
        }
      } else if (!IGNORED.has(key)) throw new TextError(`unknown keyword ${key}`);
    } catch (error) {
      if (error instanceof TextError && error.place.offset === undefined) throw new TextError(error.message, text, item.start);
      throw error;
    }
  }
  const given = builder.build();
  const match = normalizeMatch(given);
  return {
    type: "flow_mod",
    command,
    table,
    priority,
    match,
    cookie,
    cookieMask,
    newCookie,
    modifyCookie,
    idleTimeout,
    hardTimeout,
    importance,
    flags,
    buffer: NO_BUFFER,
    outPort,
    outGroup,
    actions: deletes || actionText === undefined ? [] : parseActions(actionText, names),
    ...(match.size === given.size ? {} : { unnormalized: given }),
  };
}

/** Parses a flow line of dump-flows or of a flow file as a flow. Table 255 (none given) becomes 0. */
export function parseFlow(text: string, names: Names = NO_NAMES): Flow {
  const mod = parseFlowMod(text, "add", { names });
  return {
    table: mod.table === ALL_TABLES ? 0 : mod.table,
    priority: mod.priority,
    cookie: mod.newCookie,
    match: mod.match,
    actions: mod.actions,
    idleTimeout: mod.idleTimeout,
    hardTimeout: mod.hardTimeout,
    flags: mod.flags,
    importance: mod.importance,
  };
}

/** Flags with a space after each, as dump-flows has them. */
export function formatFlowFlags(flags: number): string {
  let text = "";
  for (const [name, bit] of FLAGS) if ((flags & bit) !== 0) text += `${name} `;
  return text;
}

/** Priority (where it is not 32768) and match. */
export function formatPriorityMatch(match: Match, priority: number, names: Names = NO_NAMES): string {
  const text = formatMatch(match, names);
  if (priority === 32768) return text;
  return text === "" ? `priority=${priority}` : `priority=${priority},${text}`;
}

/** Seconds with the fraction as ovs-ofctl prints it: three, six or nine digits, as few as say it all; none for none. */
export function formatDuration(sec: number, nsec: number): string {
  if (nsec === 0) return `${sec}s`;
  return `${sec}.${String(nsec)
    .padStart(9, "0")
    .replace(/(?:000){1,2}$/, "")}s`;
}

/** A counter; all ones is "not counted". */
export function formatCounter(value: bigint): string {
  return value === 0xffffffffffffffffn ? "?" : String(value);
}

export interface FlowFormat {
  readonly names?: Names;
  /** false: neither statistics nor zero cookies and tables (`--no-stats`). */
  readonly stats?: boolean;
}

/** A line of dump-flows without its leading space and newline. */
export function formatFlowStats(flow: FlowStats, format: FlowFormat = {}): string {
  const names = format.names ?? NO_NAMES;
  const stats = format.stats ?? true;
  let text = "";
  if (stats || flow.cookie !== 0n) text += `cookie=0x${flow.cookie.toString(16)}, `;
  if (stats) text += `duration=${formatDuration(flow.durationSec, flow.durationNsec)}, `;
  if (stats || flow.table !== 0) text += `table=${formatTable(flow.table, names)}, `;
  if (stats) text += `n_packets=${formatCounter(flow.packets)}, n_bytes=${formatCounter(flow.bytes)}, `;
  if (flow.idleTimeout !== 0) text += `idle_timeout=${flow.idleTimeout}, `;
  if (flow.hardTimeout !== 0) text += `hard_timeout=${flow.hardTimeout}, `;
  text += formatFlowFlags(flow.flags);
  if (flow.importance !== 0) text += `importance=${flow.importance}, `;
  if (stats && flow.idleAge >= 0) text += `idle_age=${flow.idleAge}, `;
  if (stats && flow.hardAge >= 0 && flow.hardAge !== flow.durationSec) text += `hard_age=${flow.hardAge}, `;
  const match = formatPriorityMatch(flow.match, flow.priority, names);
  if (match !== "") text += `${match} `;
  return `${text}actions=${formatActions(flow.actions, names)}`;
}

/** A flow as diff-flows and flow files write it. */
export function formatFlow(flow: Flow, names: Names = NO_NAMES): string {
  return formatFlowStats(
    { ...flow, durationSec: 0, durationNsec: 0, idleAge: -1, hardAge: -1, packets: 0n, bytes: 0n },
    { names, stats: false },
  );
}
