/** ofproto/trace and ofproto/trace-packet-out with their arguments (ovs-vswitchd(8)); their errors are the reference's, word by word. */
import {
  type Action,
  CT_STATES,
  checkActions as checkForPacket,
  formatBits,
  type Match,
  MatchBuilder,
  matchErrorOf,
  parseActions,
} from "@weft/openflow";
import { fromHex } from "@weft/packet";
import { messageOf, WeftError } from "@weft/runtime";
import type { Datapath } from "../datapath/datapath.ts";
import { parseDpFlow } from "../datapath/key-text.ts";
import { composeFrame } from "../flow/compose.ts";
import { extract } from "../flow/extract.ts";
import { WORD } from "../flow/key.ts";
import { Packet } from "../flow/packet.ts";
import type { Bridge } from "../ofproto/bridge.ts";
import { OpenFlowRefusal } from "../ofproto/errors.ts";
import { checkActions } from "../ofproto/flow-mods.ts";
import { bridgeNames } from "../xlate/text.ts";
import { parseExactFlow } from "./exactFlow.ts";
import { trace } from "./trace.ts";

/** How appctl's users name the one datapath that there is. */
const DATAPATH = "ovs-system";

function bad(message: string): WeftError {
  return new WeftError("vswitch.trace", message, { blame: "caller" });
}

/** Carries out ofproto/trace (with `packetOut`, ofproto/trace-packet-out) with its arguments. Throws a WeftError with the message for the caller. */
export function traceCommand(datapath: Datapath, args: readonly string[], packetOut = false): string {
  const options = parseOptions(packetOut ? args.slice(0, -1) : args, packetOut);
  const { names, ctNext } = options;
  const actionsText = packetOut ? args.at(-1) : undefined;
  // What the actions are is looked at before where they run.
  if (actionsText !== undefined) parseActions(actionsText, undefined, "list");
  const { bridge, key, packet } = whereAndWhat(datapath, options);
  let actions: readonly Action[] | undefined;
  if (actionsText !== undefined) {
    actions = parseActions(actionsText, undefined, "list");
    checkPacketOut(bridge, key, actions, options.consistent);
    // Without any the packet goes through the tables.
    if (actions.length === 0) actions = undefined;
  }
  return trace(datapath, { bridge, key, packet, ctNext, names, actions });
}

/** Refuses actions that name what is not there, or that are for other packets (with `consistent`, as OpenFlow 1.1 and later do). */
function checkPacketOut(bridge: Bridge, key: Int32Array, actions: readonly Action[], consistent: boolean): void {
  const since11 = consistent || actions.some(({ type }) => SINCE_OPENFLOW_11.has(type));
  const problem = matchErrorOf(checkForPacket(matchOf(key), actions), since11 ? OPENFLOW_11 : OPENFLOW_10);
  if (problem !== undefined) throw bad(`Bad actions: ${problem}`);
  try {
    checkActions(bridge, actions, 0xff);
  } catch (error) {
    if (!(error instanceof OpenFlowRefusal)) throw error;
    throw bad(`Bad actions: ${error.message}`);
  }
}

const OPENFLOW_10 = 1;
const OPENFLOW_11 = 2;
/** Actions that OpenFlow 1.0 has no form of, not even as an extension. */
const SINCE_OPENFLOW_11: ReadonlySet<Action["type"]> = new Set(["push_vlan", "group"]);

/** What the packet has, exactly: all words but those that only a switch knows. */
function matchOf(key: Int32Array): Match {
  const builder = new MatchBuilder();
  for (const word of [WORD.in_port, WORD.eth_type, WORD.vlan_tci, WORD.nw_proto, WORD.nw_frag, WORD.tp_src, WORD.tp_dst])
    builder.setWord(word, key[word] as number, 0xffff_ffff | 0);
  return builder.build();
}

interface Options {
  readonly words: readonly string[];
  readonly names: boolean;
  readonly generate: boolean;
  readonly consistent: boolean;
  /** What goes behind the transport header of a generated packet: bytes, or how many. */
  readonly payload: number | Uint8Array | undefined;
  readonly ctNext: readonly number[];
}

function parseOptions(args: readonly string[], packetOut: boolean): Options {
  const words: string[] = [];
  const ctNext: number[] = [];
  let names = false;
  let generate = false;
  let consistent = false;
  let payload: Options["payload"];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    const value = (): string => {
      const given = args[++i];
      if (given === undefined) throw bad(`Missing argument for option ${arg}`);
      return given;
    };
    if (arg === "-generate" || arg === "--generate") generate = true;
    else if (arg === "--names") names = true;
    else if (packetOut && (arg === "-consistent" || arg === "--consistent")) consistent = true;
    else if (arg === "--l7") payload = parsePacket(value());
    else if (arg === "--l7-len") {
      payload = Number(value());
      if (!Number.isInteger(payload) || payload < 0 || payload > 64_000) throw bad(`${args[i]}: invalid length`);
    } else if (arg === "--ct-next") ctNext.push(parseCtNext(value()));
    else if (arg.startsWith("-")) throw bad(`${arg}: unknown option`);
    else words.push(arg);
  }
  return { words, names, generate, consistent, payload, ctNext };
}

/** "trk,est" as bits; nothing is an untracked packet. */
function parseCtNext(text: string): number {
  let state = 0;
  for (const name of text.split(/[ ,]+/)) {
    if (name === "") continue;
    const at = CT_STATES.names.indexOf(name);
    if (at < 0) throw bad(`${name}: unknown connection tracking state flag`);
    state |= 1 << at;
  }
  const wrong = contradiction(state);
  if (wrong !== undefined) throw bad(`${formatBits(CT_STATES, state)}: invalid connection state: ${wrong}`);
  return state;
}

function contradiction(state: number): string | undefined {
  const { names } = CT_STATES;
  const has = (name: string): boolean => (state & (1 << names.indexOf(name))) !== 0;
  const others = names.some((name) => name !== undefined && name !== "trk" && name !== "inv" && has(name));
  if (!has("trk")) return others || has("inv") ? 'If "trk" is unset, no other flags are set' : undefined;
  if (has("inv")) return others ? 'when "inv" is set, only "trk" may also be set' : undefined;
  if (has("new") && has("est")) return '"new" and "est" are mutually exclusive';
  return has("new") && has("rpl") ? '"new" and "rpy" are mutually exclusive' : undefined;
}

function parsePacket(hex: string): Uint8Array {
  const bytes = fromHex(hex);
  if (bytes === undefined) throw bad("Trailing garbage in packet data");
  return bytes;
}

/** The words are [datapath] odp_flow [packet], or bridge br_flow [packet]; which ones, the words tell themselves. */
function whereAndWhat(datapath: Datapath, options: Options): { bridge: Bridge; key: Int32Array; packet: Packet | undefined } {
  let { words } = options;
  if (words.length > 3) throw bad("too many arguments");
  let bytes: Uint8Array | undefined;
  const last = words.at(-1) as string;
  if (words.length === 3 || (words.length === 2 && fromHex(last) !== undefined && last !== "")) {
    if (options.generate) throw bad("Syntax error");
    bytes = parsePacket(last);
    if (bytes.length < 14) throw bad("Packet data too short for Ethernet");
    words = words.slice(0, -1);
  }
  const { bridge, key } = words.length === 1 ? ofDatapath(datapath, words[0] as string) : ofBridge(datapath, words);
  if (bytes !== undefined) {
    const packet = new Packet(bytes, key.slice());
    extract(packet, datapath.vlanHeaders);
    return { bridge, key: packet.key, packet };
  }
  if (!options.generate) return { bridge, key, packet: undefined };
  const packet = new Packet(composeFrame(key, options.payload), key.slice());
  extract(packet, datapath.vlanHeaders);
  packet.key.set(key);
  return { bridge, key, packet };
}

function ofDatapath(datapath: Datapath, text: string): { bridge: Bridge; key: Int32Array } {
  let flow: Int32Array;
  try {
    flow = parsePlaced(datapath, text);
  } catch (error) {
    throw bad(`${messageOf(error)} (or the bridge name was omitted)`);
  }
  const where = datapath.locate(flow);
  if (where?.bridge === undefined) throw bad(`no OpenFlow port for datapath port ${(flow[WORD.in_port] as number) >>> 0}`);
  return { bridge: where.bridge, key: datapath.openflowKey(flow, where.port, undefined) };
}

function ofBridge(datapath: Datapath, [first, flow]: readonly string[]): { bridge: Bridge; key: Int32Array } {
  const name = first as string;
  const text = flow as string;
  if (isDpFlow(datapath, text)) {
    if (name !== DATAPATH) throw bad("Cannot find the datapath");
    return ofDatapath(datapath, text);
  }
  const bridge = datapath.bridges.get(name);
  if (bridge === undefined) throw bad(`${name}: unknown bridge`);
  return { bridge, key: parseExactFlow(text, bridgeNames(bridge), bridge.tlv) };
}

function isDpFlow(datapath: Datapath, text: string): boolean {
  try {
    parsePlaced(datapath, text);
    return true;
  } catch (error) {
    if (!(error instanceof WeftError)) throw error;
    return false;
  }
}

function parsePlaced(datapath: Datapath, text: string): Int32Array {
  return parseDpFlow(text, (name) => [...datapath.ports.values()].find((port) => port.name === name)?.number);
}
