/** Commands that need no switch: parsers and printers of ovs-ofctl, most of them not in its manual page. */
import {
  ByteReader,
  DecodeError,
  decodeActionList,
  decodeInstructions,
  ERROR_NAMES,
  encode,
  errorCode,
  type FlowMod,
  Framer,
  formatActions,
  formatMessage,
  formatOxms,
  hexDump,
  type Message,
  matchOfOxms,
  matchToOxms,
  type OfVersion,
  parseFlowMod,
  parseGroupMod,
  parseOxms,
  peekHeader,
  takeGroupCommand,
} from "@weft/openflow";
import { Fatal } from "./fatal.ts";
import { withPlace } from "./flows.ts";
import { usableForGroup } from "./groups.ts";
import { ANY_PROTOCOL, hasTableId, isNxm, lowest, protocolNames, protocolsOf, usableForFlowMod, versionOf } from "./protocols.ts";
import type { Session } from "./session.ts";
import { versionNamed } from "./settings.ts";

async function chooseProtocol(session: Session, usable: number): Promise<number> {
  await session.print(`usable protocols: ${protocolNames(usable)}\n`);
  const allowed = usable & session.settings.protocols & protocolsOf(session.settings.versions);
  if (allowed === 0) throw new Fatal("no usable protocol");
  return lowest(allowed);
}

async function printFlowMods(session: Session, mods: readonly FlowMod[]): Promise<void> {
  const usable = mods.reduce((all, mod) => all & usableForFlowMod(mod), ANY_PROTOCOL);
  const protocol = await chooseProtocol(session, usable);
  await session.print(`chosen protocol: ${protocolNames(protocol)}\n`);
  const options = { flowFormat: isNxm(protocol) ? "nxm" : "openflow10", flowModTableId: hasTableId(protocol) } as const;
  let xid = 0;
  for (const mod of mods)
    await session.print(
      formatMessage(encode(mod, versionOf(protocol), ++xid, options), { verbosity: session.settings.verbosity }),
    );
}

export async function parseFlow(session: Session, args: readonly string[]): Promise<void> {
  await printFlowMods(session, [parseFlowMod(args[0]!, "add")]);
}

export async function parseFlows(session: Session, args: readonly string[]): Promise<void> {
  const mods: FlowMod[] = [];
  for (const { text, where } of await session.readLines(args[0]!)) mods.push(withPlace(where, () => parseFlowMod(text, "add")));
  await printFlowMods(session, mods);
}

export async function parseGroup(session: Session, args: readonly string[]): Promise<void> {
  const [command, text] = takeGroupCommand(args[0]!, "add");
  const mod = parseGroupMod(text, command);
  const usable = usableForGroup(mod);
  const protocol = await chooseProtocol(session, usable);
  const version = versionOf(protocol);
  await session.print(`chosen version: OpenFlow1${version - 1}\n`);
  await session.print(formatMessage(encode(mod, version, 1)));
}

/** Lines of standard input without comments. */
async function inputLines(session: Session): Promise<string[]> {
  return (await session.readText("-"))
    .split("\n")
    .map((line) => line.replace(/#.*$/, "").trim())
    .filter((line) => line !== "");
}

function bytesOf(hex: string): Uint8Array | undefined {
  const digits = hex.replace(/\s+/g, "");
  return /^([0-9a-fA-F]{2})*$/.test(digits) ? new Uint8Array(Buffer.from(digits, "hex")) : undefined;
}

function versionArgument(text: string): OfVersion {
  const version = versionNamed(text);
  if (version === undefined) throw new Fatal(`unknown OpenFlow version "${text}"`);
  return version as OfVersion; // versionNamed knows 1 to 6 only.
}

async function parseEach(session: Session, what: string, version: OfVersion, run: (bytes: Uint8Array) => string): Promise<void> {
  for (const line of await inputLines(session)) {
    const bytes = bytesOf(line);
    if (bytes === undefined) throw new Fatal("Trailing garbage in hex data");
    try {
      await session.print(`${run(bytes)}\n\n`);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      await session.print(`bad OpenFlow1${version - 1} ${what}: ${error.error}\n\n`);
    }
  }
}

export async function parseActionsCommand(session: Session, args: readonly string[]): Promise<void> {
  const version = versionArgument(args[0]!);
  await parseEach(session, "actions", version, (bytes) => {
    if (bytes.length % 8 !== 0) throw new DecodeError("OFPBRC_BAD_LEN", 0);
    return `actions=${formatActions(decodeActionList(bytes, version))}`;
  });
}

export async function parseInstructions(session: Session, args: readonly string[]): Promise<void> {
  const version = versionArgument(args[0]!);
  await parseEach(session, "instructions", version, (bytes) => {
    if (bytes.length % 8 !== 0) throw new DecodeError("OFPBIC_BAD_LEN", 0);
    return `actions=${formatActions(decodeInstructions(new ByteReader(bytes), version))}`;
  });
}

async function parseNxm(session: Session, version: OfVersion): Promise<void> {
  for (const line of await inputLines(session)) {
    const bytes = parseOxms(line);
    try {
      const match = matchOfOxms(bytes, session.settings.strict === false);
      const again = matchToOxms(match, version);
      await session.print(`${formatOxms(again)}\n`);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      await session.print(`nx_pull_match() returned error ${error.error}\n`);
    }
  }
}

export function parseNxMatch(session: Session): Promise<void> {
  return parseNxm(session, 1);
}

export function parseOxm(session: Session, args: readonly string[]): Promise<void> {
  return parseNxm(session, versionArgument(args[0]!));
}

async function printHex(session: Session, hex: string, verbosity: number): Promise<void> {
  const bytes = bytesOf(hex);
  if (bytes === undefined) throw new Fatal("trailing garbage following hex bytes");
  const length = bytes.length >= 4 ? (bytes[2]! << 8) | bytes[3]! : 0;
  if (bytes.length > length && length >= 8) {
    await session.print(`(***only uses ${length} bytes out of ${bytes.length}***)\n${hexDump(bytes)}`);
    return;
  }
  await session.print(formatMessage(bytes, { verbosity }));
}

export async function ofpPrint(session: Session, args: readonly string[]): Promise<void> {
  const [hex, verbosity] = args as [string, string | undefined];
  const level = verbosity === undefined ? 2 : Number(verbosity);
  if (hex !== "-") {
    await printHex(session, hex, level);
    return;
  }
  for (const line of await inputLines(session)) await printHex(session, line, level);
}

export async function ofpParse(session: Session, args: readonly string[]): Promise<void> {
  const [path] = args as [string];
  let bytes: Uint8Array;
  if (path === "-") {
    const chunks: Uint8Array[] = [];
    for await (const chunk of session.host.stdin) chunks.push(chunk);
    bytes = Buffer.concat(chunks);
  } else bytes = await session.host.runtime.files.read(path.startsWith("/") ? path : `${session.host.cwd}/${path}`);
  const messages: Uint8Array[] = [];
  const framer = new Framer((message) => messages.push(message));
  framer.push(bytes);
  for (const message of messages) await session.print(formatMessage(message, { verbosity: session.settings.verbosity }));
  const left = bytes.length - framer.consumed;
  if (left > 0) throw new Fatal(`${path}: unexpected end of file mid-message`);
}

export async function printError(session: Session, args: readonly string[]): Promise<void> {
  const [name] = args as [string];
  if (!ERROR_NAMES.includes(name)) throw new Fatal(`unknown error "${name}"`);
  for (const version of [1, 2, 3, 4, 5, 6]) {
    const code = errorCode(name, version);
    if (code === undefined) continue;
    const vendor = code.vendor === 0 ? "0" : `0x${code.vendor.toString(16)}`;
    await session.print(`OpenFlow 1.${version - 1}: vendor ${vendor}, type ${code.type}, code ${code.code}\n`);
  }
}

export async function encodeErrorReply(session: Session, args: readonly string[]): Promise<void> {
  const [name, hex] = args as [string, string];
  if (!ERROR_NAMES.includes(name)) throw new Fatal(`unknown error "${name}"`);
  const request = bytesOf(hex);
  if (request === undefined || request.length < 8) throw new Fatal("trailing garbage following hex bytes");
  const { version, xid } = peekHeader(request);
  const message: Message = { type: "error", error: name, errorType: 0, code: 0, vendor: 0, data: request.subarray(0, 64) };
  await session.print(hexDump(encode(message, version as OfVersion, xid))); // An impossible version makes encode fail.
}

export async function encodeHello(session: Session, args: readonly string[]): Promise<void> {
  const versions = Number(args[0]) & 0x7e;
  const highest = (31 - Math.clz32(versions)) as OfVersion; // The mask leaves bits 1 to 6.
  const bytes = encode({ type: "hello", versions }, highest, 1);
  await session.print(hexDump(bytes, false) + formatMessage(bytes));
}
