/** Commands about flows: dump, add, modify, delete. */
import {
  applicable,
  encode,
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
  parseFlowMod,
  peekHeader,
  TextError,
} from "@weft/openflow";
import { Fatal } from "./fatal.ts";
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

/** Parses a filter of flows (dump-flows, dump-aggregate): without what only flows have. */
function parseFilter(text: string, names: Names): FlowMod {
  const word = /(?:^|[\s,])(priority|actions?|idle_timeout|hard_timeout|importance)=/.exec(text)?.[1];
  if (word !== undefined) throw new TextError(`unknown keyword ${word === "action" ? "actions" : word}`, text);
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

/** What a flow is sorted by: whether it looks at the field at all, and the value (that of a field in the same place too). */
function sortValue(flow: FlowStats, name: string): { readonly has: boolean; readonly value: bigint } {
  if (name === "priority") return { has: true, value: BigInt(flow.priority) };
  const field = fieldByOvsName(name)!;
  const value = flow.match.get(field)?.value;
  return { has: value !== undefined && applicable(flow.match, field), value: value ?? 0n };
}

function sorted(flows: readonly FlowStats[], given: readonly SortKey[]): FlowStats[] {
  // What the given keys leave alike goes by priority, highest first.
  const keys = given.some(({ field }) => field === "priority") ? given : [...given, { field: "priority", descending: true }];
  return [...flows].sort((a, b) => {
    for (const { field, descending } of keys) {
      const x = sortValue(a, field);
      const y = sortValue(b, field);
      // Flows without the field come last, whichever way the others are sorted.
      if (x.has !== y.has) return x.has ? -1 : 1;
      if (x.value !== y.value) return x.value < y.value !== descending ? -1 : 1;
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
    await sendBundle(session, name, connection, mods);
    return;
  }
  await session.mustSucceedAll(connection, mods);
}

/** Sends messages as one atomic, ordered transaction. */
export async function sendBundle(
  session: Session,
  name: string,
  connection: OpenFlowConnection,
  messages: readonly Message[],
): Promise<void> {
  const failures = await connection.bundle(messages);
  if (failures.length === 0) return;
  for (const { index, error } of failures) {
    // What was added is shown whole; of the bundle, what the error repeats.
    const request =
      index === undefined
        ? formatMessage(error.error.data, { verbosity: 1 })
        : formatMessage(encode(messages[index]!, connection.version!, peekHeader(error.reply).xid), { verbosity: 1 });
    await session.complain(`Error ${error.message} for: ${request}`);
  }
  throw new Fatal(`talking to ${await session.remoteOf(name)} (Protocol error)`);
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
