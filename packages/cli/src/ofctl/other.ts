/** Commands about packets, tunnel options, connection tracking, bundles and monitors. */
import {
  formatMessage,
  MatchBuilder,
  type Message,
  type MessageOf,
  MONITOR_FLAG,
  type Names,
  NO_BUFFER,
  type OpenFlowConnection,
  parseActions,
  parseCtFlush,
  parseFlowMod,
  parseGroupMod,
  parsePacketOut,
  parsePort,
  parseTlvMappings,
  TextError,
  takeGroupCommand,
} from "@weft/openflow";
import { Fatal } from "./fatal.ts";
import { parseFlowLine, sendBundle, withPlace } from "./flows.ts";
import { usableForGroup } from "./groups.ts";
import { ANY_PROTOCOL, PROTOCOL, usableForActions, usableForFlowMod } from "./protocols.ts";
import type { Session } from "./session.ts";

export async function packetOut(session: Session, args: readonly string[]): Promise<void> {
  const [name, first, actionText, ...packets] = args as [string, string, string | undefined, ...string[]];
  const names = await session.namesToAccept(name);
  let messages: MessageOf<"packet_out">[];
  if (actionText === undefined) messages = [parsePacketOut(first, names)];
  else {
    // The old form: port, actions, packets in hexadecimal.
    const port = parsePort(first, names);
    if (port === undefined) throw new Fatal(`${name}: unknown port \`${first}'`);
    const actions = parseActions(actionText, names);
    const metadata = new MatchBuilder().set("in_port", port).build();
    messages = packets.map((hex) => {
      if (!/^([0-9a-fA-F]{2})+$/.test(hex)) throw new Fatal(`Trailing garbage in packet data`);
      return { type: "packet_out", buffer: NO_BUFFER, packet: new Uint8Array(Buffer.from(hex, "hex")), metadata, actions };
    });
  }
  const usable = messages.reduce((all, m) => all & usableForActions(m.actions), ANY_PROTOCOL);
  const { connection } = await session.openForFlows(name, usable);
  await session.mustSucceedAll(connection, messages);
}

const OF10_UP_NXM = ANY_PROTOCOL;

/** TLV maps need a connection in which flows can name tunnel options. */
async function tlvConnection(session: Session, name: string): Promise<OpenFlowConnection> {
  const usable = OF10_UP_NXM & ~(PROTOCOL.OF10 | PROTOCOL.OF10_TID | PROTOCOL.OF11);
  return (await session.openForFlows(name, usable)).connection;
}

export async function addTlvMap(session: Session, args: readonly string[]): Promise<void> {
  const mappings = parseTlvMappings(args[1]!);
  await session.mustSucceed(await tlvConnection(session, args[0]!), { type: "tlv_table_mod", command: "add", mappings });
}

export async function delTlvMap(session: Session, args: readonly string[]): Promise<void> {
  const message: Message =
    args[1] === undefined
      ? { type: "tlv_table_mod", command: "clear", mappings: [] }
      : { type: "tlv_table_mod", command: "delete", mappings: parseTlvMappings(args[1]) };
  await session.mustSucceed(await tlvConnection(session, args[0]!), message);
}

export async function dumpTlvMap(session: Session, args: readonly string[]): Promise<void> {
  await session.dumpOnce(args[0]!, { type: "tlv_table_request" });
}

export async function ctFlushZone(session: Session, args: readonly string[]): Promise<void> {
  const zone = Number(args[1]);
  if (!/^(\d+|0x[0-9a-fA-F]+)$/.test(args[1]!) || zone > 0xffff) throw new Fatal(`invalid zone_id "${args[1]}"`);
  await session.mustSucceed(await session.open(args[0]!), { type: "ct_flush_zone", zone });
}

export async function ctFlush(session: Session, args: readonly string[]): Promise<void> {
  let message: Message;
  try {
    message = parseCtFlush(args.slice(1));
  } catch (error) {
    if (error instanceof TextError) throw new Fatal(`Failed to parse CT match: ${error.message}`);
    throw error;
  }
  await session.mustSucceed(await session.open(args[0]!), message);
}

/** A line of a bundle file: "flow ...", "group ...", "packet-out ...". */
function parseBundleLine(text: string, names: Names): { readonly message: Message; readonly usable: number } {
  const found = /^\s*(flow|group|packet-out)(?=[\s,]|$)\s*(.*)$/s.exec(text);
  if (found === null) throw new TextError(`Unsupported bundle message type: ${text.trim().split(/[\s,]/)[0]}`, text);
  const [, kind, rest] = found as unknown as [string, string, string];
  if (kind === "flow") {
    const message = parseFlowLine(rest, "add", names);
    return { message, usable: usableForFlowMod(message) };
  }
  if (kind === "packet-out") {
    const message = parsePacketOut(rest, names);
    return { message, usable: usableForActions(message.actions) };
  }
  const [command, groupText] = takeGroupCommand(rest, "add");
  const message = parseGroupMod(groupText, command, names);
  return { message, usable: usableForGroup(message) };
}

export async function bundle(session: Session, args: readonly string[]): Promise<void> {
  const [name, path] = args as [string, string];
  const names = await session.namesToAccept(name);
  const messages: Message[] = [];
  let usable = PROTOCOL.OXM13 | PROTOCOL.OXM14 | PROTOCOL.OXM15;
  for (const { text, where } of await session.readLines(path)) {
    const parsed = withPlace(where, () => parseBundleLine(text, names));
    messages.push(parsed.message);
    usable &= parsed.usable;
  }
  const { connection } = await session.openForFlows(name, usable);
  await sendBundle(session, name, connection, messages);
}

/** watch:[spec...] of `monitor`. */
function parseWatch(text: string, id: number, names: Names): MessageOf<"flow_monitor_request"> {
  let flags =
    MONITOR_FLAG.INITIAL | MONITOR_FLAG.ADD | MONITOR_FLAG.DELETE | MONITOR_FLAG.MODIFY | MONITOR_FLAG.ACTIONS | MONITOR_FLAG.OWN;
  const bits: Readonly<Record<string, number>> = {
    "!initial": MONITOR_FLAG.INITIAL,
    "!add": MONITOR_FLAG.ADD,
    "!delete": MONITOR_FLAG.DELETE,
    "!modify": MONITOR_FLAG.MODIFY,
    "!actions": MONITOR_FLAG.ACTIONS,
    "!own": MONITOR_FLAG.OWN,
  };
  const rest: string[] = [];
  for (const word of text.split(",")) {
    const bit = bits[word.trim()];
    if (bit !== undefined) flags &= ~bit;
    else if (word.trim() !== "") rest.push(word);
  }
  const mod = parseFlowMod(rest.join(","), "delete", { names });
  return {
    type: "flow_monitor_request",
    id,
    command: "add",
    flags,
    outPort: mod.outPort,
    outGroup: mod.outGroup,
    table: mod.table,
    match: mod.match,
  };
}

export async function monitor(session: Session, args: readonly string[]): Promise<void> {
  const [name, ...rest] = args as [string, ...string[]];
  const names = await session.namesToAccept(name);
  const shown = await session.namesToShow(name);
  let missLength: number | undefined;
  let invalidTtl = false;
  const watches: MessageOf<"flow_monitor_request">[] = [];
  for (const arg of rest) {
    if (/^\d+$/.test(arg)) missLength = Math.min(65535, Number(arg));
    else if (arg === "invalid_ttl") {
      if ((session.settings.versions & 0xe) === 0)
        throw new Fatal(
          "invalid_ttl requires one of the OpenFlow versions OpenFlow10, OpenFlow11, OpenFlow12 but none is enabled (use -O)",
        );
      invalidTtl = true;
    } else if (arg.startsWith("watch:")) watches.push(parseWatch(arg.slice(6), watches.length, names));
    else throw new Fatal(`${arg}: unsupported "monitor" argument`);
  }
  let printing = false;
  const connection = await session.connect(
    name,
    { versions: session.settings.versions },
    {
      onMessage: (bytes) => {
        if (printing) void session.complain(formatMessage(bytes, { names: shown, verbosity: session.settings.verbosity + 3 }));
      },
    },
  );
  if (missLength !== undefined) await setMissLength(session, connection, missLength, invalidTtl);
  for (const watch of watches) await session.dump(connection, watch, shown);
  await setPacketInFormat(session, connection);
  printing = true;
  await new Promise<void>((resolve) => {
    session.host.signal.addEventListener("abort", () => resolve(), { once: true });
    if (session.host.signal.aborted) resolve();
    const timer = session.host.runtime.clock.every(100, () => {
      if (!connection.closed) return;
      timer.cancel();
      resolve();
    });
  });
}

async function setMissLength(
  session: Session,
  connection: OpenFlowConnection,
  missSendLength: number,
  invalidTtl: boolean,
): Promise<void> {
  const config = await session.ask(connection, { type: "get_config_request" });
  if (config.type !== "get_config_reply") throw new Fatal("bad reply to a request for the configuration");
  await session.mustSucceed(connection, {
    ...config,
    type: "set_config",
    missSendLength,
    invalidTtlToController: config.invalidTtlToController || invalidTtl,
  });
}

async function setPacketInFormat(session: Session, connection: OpenFlowConnection): Promise<void> {
  const wanted = session.settings.packetInFormat;
  const format =
    wanted === undefined || wanted.startsWith("nxt_packet_in2") || wanted === "nxt_packet_in_2"
      ? "nxt_packet_in2"
      : wanted.startsWith("nx")
        ? "nxt_packet_in"
        : "standard";
  await session.mustSucceed(connection, { type: "set_packet_in_format", format });
}

export async function snoop(session: Session, args: readonly string[]): Promise<void> {
  const shown = await session.namesToShow(args[0]!);
  let done: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    done = resolve;
  });
  await session.connect(
    args[0]!,
    { versions: session.settings.versions },
    {
      onMessage: (bytes) =>
        void session.complain(formatMessage(bytes, { names: shown, verbosity: session.settings.verbosity + 3 })),
      onClose: () => done(),
    },
    "snoop",
  );
  session.host.signal.addEventListener("abort", () => done(), { once: true });
  await ended;
}
