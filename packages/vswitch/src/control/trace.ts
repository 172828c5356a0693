/**
 * ofproto/trace (ovs-vswitchd(8)): the switch's own translation of a packet, with a recorder. What comes back from connection
 * tracking is traced too, with the state that the caller names or `trk|new`.
 */
import { type Action, CT_STATES, formatBits, type Names, NO_NAMES } from "@weft/openflow";
import { formatIpv4, formatIpv6, ipv4Of } from "@weft/packet";
import { type CtNat, formatDpActions, portNumber } from "../datapath/actions.ts";
import type { Datapath } from "../datapath/datapath.ts";
import { ipv6At, putIpv6 } from "../datapath/fields.ts";
import { ETH_IPV6, WORD } from "../flow/key.ts";
import type { Packet } from "../flow/packet.ts";
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

const RULE = "=".repeat(79);
/** new and trk. */
const DEFAULT_STATE = 0x21;

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
  // What the text does not show counts too, but not what a translation begins with by itself.
  const same = final.every((word, i) => word === shown[i] || i === WORD.actset_output);
  text += `\nFinal flow: ${same ? "unchanged" : flowText(final, bridge.tlv, names)}`;
  text += `\nMegaflow: ${megaflowText(key, made.mask, bridge.tlv, names)}`;
  text += `\nDatapath actions: ${formatDpActions(made.actions, request.names ? datapath.portName : portNumber)}`;
  if (made.error !== undefined) text += `\nTranslation failed (${made.error}), packet is dropped.`;
  else if (made.slow !== undefined) {
    text += "\nThis flow is handled by the userspace slow path because it:";
    text += `\n  - ${SLOW_TEXT[made.slow]}`;
  }
  if (request.packet !== undefined) {
    applyEffects(made.effects, 1, request.packet.bytes.length, datapath.now(), 0, true);
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
  const resumed = datapath.recirc.get(request.key[WORD.recirc_id] as number);
  const first = traceOne(datapath, request, request.bridge, request.key, port, resumed, request.key);
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
    const state = given ?? DEFAULT_STATE;
    const how =
      given === undefined ? "default ct_state=trk|new (use --ct-next to customize)" : `ct_state=${formatBits(CT_STATES, state)}`;
    text += `\n\n${RULE}\nrecirc(0x${recirc.id.toString(16)}) - resume conntrack with ${how}`;
    const key = recirc.flow.slice();
    if (recirc.nat !== undefined) text += simulateNat(key, recirc.nat);
    text += `\n${RULE}\n\n`;
    key[WORD.recirc_id] = recirc.id;
    key[WORD.ct_state] = state;
    key[WORD.ct_zone] = recirc.zone;
    key[WORD.conj_id] = 0;
    key[WORD.actset_output] = 0;
    const result = traceOne(
      datapath,
      request,
      request.bridge,
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

/** Translates addresses and ports to the first of the ranges, and tells so. */
function simulateNat(key: Int32Array, nat: CtNat): string {
  const before = endsText(key);
  const { direction, min, portMin } = nat;
  const told = direction !== undefined && min !== undefined;
  if (told) {
    if (min.family === 4) key[direction === "src" ? WORD.nw_src : WORD.nw_dst] = min.ip | 0;
    else putIpv6(key, direction === "src" ? WORD.ipv6_src : WORD.ipv6_dst, min.ip);
    if (portMin !== 0) key[direction === "src" ? WORD.tp_src : WORD.tp_dst] = portMin;
  }
  const [initial, modified] = told ? [before, endsText(key)] : ["", ""];
  return `\nReplacing src/dst IP/ports to simulate NAT:\n Initial flow: ${initial}\n Modified flow: ${modified}`;
}

function endsText(key: Int32Array): string {
  const v6 = key[WORD.eth_type] === ETH_IPV6;
  const name = v6 ? "ipv6" : "nw";
  const address = (v4: number, at: number): string =>
    v6 ? `[${formatIpv6(ipv6At(key, at))}]` : formatIpv4(ipv4Of((key[v4] as number) >>> 0));
  const one = (end: "src" | "dst"): string => {
    const ip = end === "src" ? address(WORD.nw_src, WORD.ipv6_src) : address(WORD.nw_dst, WORD.ipv6_dst);
    return `${name}_${end}=${ip},tp_${end}=${key[end === "src" ? WORD.tp_src : WORD.tp_dst]}`;
  };
  return `${one("src")},${one("dst")}`;
}
