/** Commands about flows: dump, add, modify, delete. */
import {
  applicable,
  BUNDLE_FLAG,
  type FlowMod,
  type FlowModCommand,
  type FlowStats,
  fieldByOvsName,
  formatFlowStats,
  formatMessage,
  type Message,
  type Names,
  OFPG,
  type OpenFlowConnection,
  OpenFlowError,
  parseFlowMod,
  TextError,
} from "@weft/openflow";
import { messageOf } from "@weft/runtime";
import { Fatal, Refused } from "./fatal.ts";
import { ANY_PROTOCOL, usableForFlowMod, usableForMatch } from "./protocols.ts";
import type { Session } from "./session.ts";
import type { SortKey } from "./settings.ts";

/** A file position before the message, for lines of files. */
export function withPlace<T>(where: string | undefined, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (where !== undefined && error instanceof TextError) throw new Fatal(`${where}: ${error.message}`);
    throw error;
  }
}

/** Parses a filter of flows (dump-flows, dump-aggregate): no actions, no priority. */
function parseFilter(text: string, names: Names): FlowMod {
  if (/(^|[\s,])priority=/.test(text)) throw new TextError("unknown keyword priority", text);
  return parseFlowMod(text, "delete", { names });
}

async function statsRequest(session: Session, args: readonly string[], type: "flow_stats_request" | "aggregate_stats_request") {
  const [name, filter] = args as [string, string | undefined];
  const names = filter === undefined ? undefined : await session.namesToAccept(name);
  const mod = parseFilter(filter ?? "", names!);
  let usable = usableForMatch(mod.match);
  if (filter === undefined) usable = ANY_PROTOCOL;
  if (mod.outGroup !== OFPG.ANY) usable &= usableForFlowMod(mod);
  const { connection } = await session.openForDump(name, usable);
  return {
    name,
    connection,
    request: {
      type,
      match: mod.match,
      cookie: mod.cookie,
      cookieMask: mod.cookieMask,
      outPort: mod.outPort,
      outGroup: mod.outGroup,
      table: mod.table,
    } as const,
  };
}

export async function dumpFlows(session: Session, args: readonly string[]): Promise<void> {
  const { sort, showNames, stats } = session.settings;
  for (const { field } of sort)
    if (field !== "priority" && fieldByOvsName(field) === undefined) throw new Fatal(`${field}: unknown field name`);
  const { name, connection, request } = await statsRequest(session, args, "flow_stats_request");
  if (sort.length === 0 && !showNames && stats) {
    await session.dump(connection, request);
    return;
  }
  const replies = await session.askAll(connection, request);
  const flows = replies.flatMap((reply) => (reply.type === "flow_stats_reply" ? reply.flows : []));
  const names = await session.namesToShow(name);
  // Ages are not shown here.
  for (const flow of sort.length === 0 ? flows : sorted(flows, sort))
    await session.print(` ${formatFlowStats({ ...flow, idleAge: -1, hardAge: -1 }, { names, stats })}\n`);
}

/** The value that a flow is sorted by; undefined where the flow does not look at the field. */
function sortValue(flow: FlowStats, name: string): bigint | undefined {
  if (name === "priority") return BigInt(flow.priority);
  const field = fieldByOvsName(name)!;
  // A word that several fields share counts only for the field that the flow's protocol has.
  return applicable(flow.match, field) ? flow.match.get(field)?.value : undefined;
}

function sorted(flows: readonly FlowStats[], given: readonly SortKey[]): FlowStats[] {
  // What the given keys leave alike goes by priority, highest first.
  const keys = given.some(({ field }) => field === "priority") ? given : [...given, { field: "priority", descending: true }];
  return [...flows].sort((a, b) => {
    for (const { field, descending } of keys) {
      const x = sortValue(a, field);
      const y = sortValue(b, field);
      // Flows without the field come last, whichever way the others are sorted.
      if (x === undefined || y === undefined) {
        if (x !== y) return x === undefined ? 1 : -1;
        continue;
      }
      if (x !== y) return x < y !== descending ? -1 : 1;
    }
    return 0;
  });
}

export async function dumpAggregate(session: Session, args: readonly string[]): Promise<void> {
  const { connection, request } = await statsRequest(session, args, "aggregate_stats_request");
  await session.dump(connection, request);
}

const COMMAND_WORDS: ReadonlyMap<string, FlowModCommand> = new Map([
  ["add", "add"],
  ["modify", "modify"],
  ["modify_strict", "modify_strict"],
  ["delete", "delete"],
  ["delete_strict", "delete_strict"],
]);

/** A flow mod of a line that may begin with the word of its command. */
export function parseFlowLine(text: string, fallback: FlowModCommand, names: Names): FlowMod {
  const found = /^\s*([a-z_]+)(?=\s|$)/.exec(text);
  const command = found === null ? undefined : COMMAND_WORDS.get(found[1]!);
  return command === undefined
    ? parseFlowMod(text, fallback, { names })
    : parseFlowMod(text.slice(found![0].length), command, { names });
}

/** Warns of what normalisation took away, as the log of ovs-ofctl has it. */
export async function warnNormalized(
  session: Session,
  mods: readonly (FlowMod & { readonly unnormalized?: unknown })[],
): Promise<void> {
  const log = session.host.runtime.log.logger("ofp_match");
  for (const mod of mods) if (mod.unnormalized !== undefined) log.info("normalization changed ofp_match, details:");
}

export async function sendFlowMods(session: Session, name: string, mods: readonly FlowMod[]): Promise<void> {
  if (mods.length === 0) return;
  const usable = mods.reduce((all, mod) => all & usableForFlowMod(mod), ANY_PROTOCOL);
  const { connection } = await session.openForFlows(name, usable);
  if (session.settings.bundle) {
    await sendBundle(session, connection, mods);
    return;
  }
  await session.mustSucceedAll(connection, mods);
}

/** Sends messages as one atomic, ordered transaction. */
export async function sendBundle(session: Session, connection: OpenFlowConnection, messages: readonly Message[]): Promise<void> {
  const bundle = 0;
  const flags = BUNDLE_FLAG.ATOMIC | BUNDLE_FLAG.ORDERED;
  const version = connection.version!;
  await session.ask(connection, { type: "bundle_control", bundle, control: "open_request", flags });
  const failures = await connection.transact(
    messages.map((message) => ({ type: "bundle_add", bundle, flags, message: { version, xid: 0, message } }) as const),
  );
  if (failures.length > 0) {
    for (const { error } of failures) await session.complain(`Error ${error.message} for: ${describeFailed(error)}`);
    await discard(session, connection, bundle, flags);
    throw new Refused("bundle refused");
  }
  try {
    await connection.request({ type: "bundle_control", bundle, control: "commit_request", flags });
  } catch (error) {
    if (!(error instanceof OpenFlowError)) throw error;
    await session.complain(`Error ${error.message} for: ${describeFailed(error)}`);
    throw new Refused(messageOf(error));
  }
}

function describeFailed(error: OpenFlowError): string {
  return formatMessage(error.error.data.length >= 8 ? error.error.data : error.request, { verbosity: 1 });
}

async function discard(session: Session, connection: OpenFlowConnection, bundle: number, flags: number): Promise<void> {
  try {
    await connection.request({ type: "bundle_control", bundle, control: "discard_request", flags });
  } catch (error) {
    if (!(error instanceof OpenFlowError)) throw error;
    await session.complain(formatMessage(error.reply));
  }
}

async function flowsCommand(session: Session, args: readonly string[], command: FlowModCommand): Promise<void> {
  const [name, text] = args as [string, string | undefined];
  const names = await session.namesToAccept(name);
  if (text === "-") {
    await flowsOfFile(session, name, "-", command);
    return;
  }
  const mod = parseFlowMod(text ?? "", command, { names });
  await warnNormalized(session, [mod]);
  await sendFlowMods(session, name, [mod]);
}

async function flowsOfFile(session: Session, name: string, path: string, command: FlowModCommand): Promise<void> {
  const names = await session.namesToAccept(name);
  const mods: FlowMod[] = [];
  for (const { text, where } of await session.readLines(path))
    mods.push(withPlace(where, () => parseFlowLine(text, command, names)));
  await sendFlowMods(session, name, mods);
}

export function addFlow(session: Session, args: readonly string[]): Promise<void> {
  return flowsCommand(session, args, "add");
}

export function addFlows(session: Session, args: readonly string[]): Promise<void> {
  return flowsOfFile(session, args[0]!, args[1]!, "add");
}

export function modFlows(session: Session, args: readonly string[]): Promise<void> {
  return flowsCommand(session, args, session.settings.strict ? "modify_strict" : "modify");
}

export function delFlows(session: Session, args: readonly string[]): Promise<void> {
  return flowsCommand(session, args, session.settings.strict ? "delete_strict" : "delete");
}
