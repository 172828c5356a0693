/**
 * ofproto/trace (ovs-vswitchd(8)): the switch's own translation of a packet, with a recorder. What comes back from connection
 * tracking is traced too, with the state that the caller names or `trk|new`.
 */
import { type Action, type Match, type Names, NO_NAMES, parseActions, parseMatch } from "@weft/openflow";
import { fromHex } from "@weft/packet";
import { messageOf, WeftError } from "@weft/runtime";
import { formatDpActions, portNumber } from "../datapath/actions.ts";
import type { Datapath } from "../datapath/datapath.ts";
import { parseDpFlow } from "../datapath/key-text.ts";
import { composeFrame } from "../flow/compose.ts";
import { extract } from "../flow/extract.ts";
import { FLOW_WORDS, VLAN_CFI, WORD } from "../flow/key.ts";
import { Packet } from "../flow/packet.ts";
import type { Bridge } from "../ofproto/bridge.ts";
import type { OfPort } from "../ofproto/port.ts";
import type { RecircInTrace } from "../xlate/context.ts";
import { applyEffects } from "../xlate/effects.ts";
import type { FrozenState } from "../xlate/freeze.ts";
import { bridgeNames, flowText, megaflowText } from "../xlate/text.ts";
import { formatTrace } from "../xlate/trace.ts";
import { xlate } from "../xlate/xlate.ts";

export interface TraceRequest {
  readonly bridge: Bridge;
  /** OpenFlow's view: in_port is an OpenFlow port. */
  readonly key: Int32Array;
  readonly packet: Packet | undefined;
  /** Values of ct_state for what comes back from connection tracking, one after another. */
  readonly ctNext: readonly number[];
  readonly names: boolean;
  readonly actions?: readonly Action[] | undefined;
}

const CT_STATES = ["new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"] as const;
const RULE = "=".repeat(79);

function ctStateText(state: number): string {
  return CT_STATES.filter((_, i) => (state & (1 << i)) !== 0).join("|");
}

/** "trk,est" as bits. */
export function parseCtState(text: string): number | undefined {
  let state = 0;
  for (const name of text.split(/[,|]/)) {
    const at = (CT_STATES as readonly string[]).indexOf(name.trim());
    if (at < 0) return undefined;
    state |= 1 << at;
  }
  return state;
}

function traceOne(
  datapath: Datapath,
  request: TraceRequest,
  bridge: Bridge,
  key: Int32Array,
  port: OfPort | undefined,
  frozen: FrozenState | undefined,
  shown: Int32Array,
): { text: string; recircs: readonly RecircInTrace[]; ids: readonly number[] } {
  const names: Names = request.names ? bridgeNames(bridge) : NO_NAMES;
  let text = `Flow: ${flowText(shown, bridge.tlv, names)}\n`;
  const made = xlate({
    datapath,
    bridge,
    key,
    port,
    packet: request.packet,
    frozen,
    sideEffects: request.packet !== undefined,
    tracing: true,
    names: request.names,
    actions: frozen === undefined ? request.actions : undefined,
  });
  text += formatTrace(made.nodes);
  const final = made.flow;
  final[WORD.actset_output] = 0;
  final[WORD.conj_id] = 0;
  text += "\nFinal flow: ";
  const finalText = flowText(final, bridge.tlv, names);
  text += `Flow: ${finalText}\n` === text.slice(0, finalText.length + 7) ? "unchanged" : finalText;
  text += `\nMegaflow: ${megaflowText(key, made.mask, bridge.tlv, names)}`;
  text += `\nDatapath actions: ${formatDpActions(made.actions, request.names ? datapath.portName : portNumber)}`;
  if (made.error !== undefined) text += `\nTranslation failed (${made.error}), packet is dropped.`;
  else if (made.slow !== undefined) {
    text += "\nThis flow is handled by the userspace slow path because it:";
    text += `\n  - ${SLOW_TEXT[made.slow]}`;
  }
  if (request.packet !== undefined) {
    applyEffects(
      made.effects.filter((e) => e.kind !== "learn" && e.kind !== "mac"),
      1,
      request.packet.bytes.length,
      datapath.now(),
      0,
    );
  }
  return { text, recircs: made.recircs, ids: made.recircIds };
}

const SLOW_TEXT = {
  action: "Uses action(s) not supported by datapath.",
  controller: 'Sends "packet-in" messages to the OpenFlow controller.',
  lacp: "Consists of LACP packets.",
  stp: "Consists of STP packets.",
  cfm: "Consists of CFM packets.",
  bfd: "Consists of BFD packets.",
} as const;

/** The whole text of a trace, without a newline at the end. */
export function trace(datapath: Datapath, request: TraceRequest): string {
  const port = request.bridge.ports.get(request.key[WORD.in_port] as number);
  const ids: number[] = [];
  const first = traceOne(datapath, request, request.bridge, request.key, port, undefined, request.key);
  ids.push(...first.ids);
  let { text } = first;
  const queue = [...first.recircs];
  const ctNext = [...request.ctNext];
  for (let n = 0; n < queue.length && n < 4096; n++) {
    const recirc = queue[n] as RecircInTrace;
    if (recirc.kind !== "conntrack") continue;
    const frozen = datapath.recirc.get(recirc.id);
    if (frozen === undefined) continue;
    const given = ctNext.shift();
    const state = given ?? 0x21;
    const how =
      given === undefined ? `default ct_state=${ctHeader(state)} (use --ct-next to customize)` : `ct_state=${ctHeader(state)}`;
    text += `\n\n${RULE}\nrecirc(0x${recirc.id.toString(16)}) - resume conntrack with ${how}`;
    if (recirc.nat) text += "\nReplacing src/dst IP/ports to simulate NAT:\n Initial flow: \n Modified flow: ";
    text += `\n${RULE}\n\n`;
    const key = Int32Array.from(recirc.flow);
    key[WORD.recirc_id] = recirc.id;
    key[WORD.ct_state] = state;
    key[WORD.ct_zone] = recirc.zone;
    key[WORD.conj_id] = 0;
    key[WORD.actset_output] = 0;
    const result = traceOne(
      datapath,
      request,
      frozen.bridge,
      key,
      frozen.bridge.ports.get(frozen.metadata[WORD.in_port] as number),
      frozen,
      key,
    );
    ids.push(...result.ids);
    text += result.text;
    queue.push(...result.recircs);
  }
  for (const id of ids) datapath.recirc.release(id);
  return text;
}

/** The order in which ovs writes these two. */
function ctHeader(state: number): string {
  return state === 0x21 ? "trk|new" : ctStateText(state);
}

function bad(message: string): WeftError {
  return new WeftError("vswitch.trace", message, { blame: "caller" });
}

const VLAN_HEADERS = [
  [WORD.vlan_tci, WORD.vlan_tpid],
  [WORD.vlan_tci1, WORD.vlan_tpid1],
] as const;

/** A key from a flow in ovs-ofctl's syntax. */
export function keyOfText(bridge: Bridge, text: string): Int32Array {
  const key = new Int32Array(FLOW_WORDS);
  let match: Match;
  try {
    match = parseMatch(text, bridgeNames(bridge));
  } catch (error) {
    throw bad(`Bad openflow flow syntax: ${text}: ${messageOf(error).replace(`${text}: `, "")}`);
  }
  const placed = match.place(bridge.tlv);
  if (placed === undefined) throw bad(`Bad openflow flow syntax: ${text}: tunnel metadata is not mapped`);
  for (let i = 0; i < placed.size; i++) key[placed.offset(i)] = placed.value(i);
  // A flow's text does not say what kind of VLAN header it has.
  for (const [tci, tpid] of VLAN_HEADERS) if (((key[tci] as number) & VLAN_CFI) !== 0) key[tpid] ||= 0x8100;
  return key;
}

/** Carries out ofproto/trace (with `packetOut`, ofproto/trace-packet-out) with its arguments. Throws a WeftError with the message for the caller. */
export function traceCommand(datapath: Datapath, args: readonly string[], packetOut = false): string {
  const ctNext: number[] = [];
  let names = false;
  let generate = false;
  const rest: string[] = [];
  const list = [...args];
  let actionsText: string | undefined;
  if (packetOut) actionsText = list.pop();
  while (list.length > 0) {
    const arg = list.shift() as string;
    if (arg === "-generate" || arg === "--generate") generate = true;
    else if (arg === "--names") names = true;
    else if (arg === "--no-names") names = false;
    else if (arg === "-consistent" || arg === "--consistent" || arg === "--l7" || arg === "--l7-len") {
      if (arg === "--l7" || arg === "--l7-len") list.shift();
    } else if (arg === "--ct-next") {
      const state = parseCtState(list.shift() ?? "");
      if (state === undefined) throw bad("bad --ct-next value");
      ctNext.push(state | 0x20);
    } else if (arg.startsWith("--")) throw bad(`${arg}: unknown option`);
    else rest.push(arg);
  }
  if (rest.length === 0) throw bad("Must specify a flow");
  let packet: Packet | undefined;
  const first = rest[0] as string;
  let bridge = datapath.bridges.get(first);
  let flowText: string;
  let hex: string | undefined;
  let key: Int32Array;
  if (bridge !== undefined) {
    if (rest.length < 2) throw bad("Must specify bridge and flow");
    flowText = rest[1] as string;
    hex = rest[2];
    key = keyOfText(bridge, flowText);
  } else {
    const isDp = rest.length > 1 && !/^[0-9a-f]+$/i.test(rest[1] as string);
    flowText = isDp ? (rest[1] as string) : first;
    hex = isDp ? rest[2] : rest[1];
    if (!isDp && rest.length === 2 && hex === undefined) throw bad(`${first}: unknown bridge`);
    if (!flowText.includes("(")) throw bad(isDp ? "Cannot find the datapath" : `${first}: unknown bridge`);
    key = parseDpFlow(flowText);
    const where = datapath.locate(key);
    if (where?.bridge === undefined) throw bad("Invalid datapath flow");
    bridge = where.bridge;
    key = datapath.openflowKey(key, where.port, undefined);
  }
  if (hex !== undefined) {
    const bytes = fromHex(hex);
    if (bytes === undefined) throw bad("Trailing garbage in packet data");
    packet = new Packet(bytes, Int32Array.from(key));
    extract(packet, datapath.vlanHeaders);
    key = packet.key;
  } else if (generate) {
    packet = new Packet(composeFrame(key), Int32Array.from(key));
    const given = Int32Array.from(key);
    extract(packet, datapath.vlanHeaders);
    packet.key.set(given);
  }
  const actions = actionsText === undefined ? undefined : parseActions(actionsText, bridgeNames(bridge));
  return trace(datapath, { bridge, key, packet, ctNext, names, actions });
}
