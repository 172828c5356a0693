/** A whole translation: from a packet's key to datapath actions, a mask, and the effects on counters and tables. */
import { type Action, PORT_CONFIG } from "@weft/openflow";
import { SLOW_PROTOCOLS } from "@weft/packet";
import { BFD_PORT } from "../bfd/frames.ts";
import type { DpAction } from "../datapath/actions.ts";
import type { Datapath } from "../datapath/datapath.ts";
import { macAt } from "../datapath/fields.ts";
import {
  END_PACKET_WORD,
  ETH_IP,
  ETH_IPV6,
  ETH_MPLS,
  ETH_MPLSM,
  IP_ICMP,
  IP_ICMPV6,
  IP_UDP,
  TUN_KEY,
  VLAN_CFI,
  WORD,
} from "../flow/key.ts";
import type { Packet } from "../flow/packet.ts";
import type { Bridge } from "../ofproto/bridge.ts";
import type { OfPort } from "../ofproto/port.ts";
import { Context, type RecircInTrace, type TranslationError } from "./context.ts";
import type { Effect } from "./effects.ts";
import { clearTracking, type FrozenState, thawMetadata } from "./freeze.ts";
import { mirrorIngress } from "./mirror.ts";
import { mirrorOnly, outputBond } from "./normal.ts";
import { outputPort } from "./output.ts";
import { actionText, isTunnelled } from "./text.ts";
import { forkRecirculation } from "./thaw.ts";
import type { TraceNode } from "./trace.ts";
import { ENGINE, lookup, xlateActionSet } from "./translate.ts";
import { flowAddress } from "./tunnel.ts";

export interface XlateRequest {
  readonly datapath: Datapath;
  readonly bridge: Bridge;
  /** The key with in_port as OpenFlow port; not changed. */
  readonly key: Int32Array;
  readonly port: OfPort | undefined;
  readonly packet: Packet | undefined;
  readonly frozen: FrozenState | undefined;
  readonly sideEffects: boolean;
  readonly tracing: boolean;
  readonly names?: boolean;
  /** Instead of the tables: a packet-out's actions. */
  readonly actions?: readonly Action[] | undefined;
}

export interface Translation {
  readonly actions: readonly DpAction[];
  /** Bits of the packet's key that decided; registers and other fields that are not the datapath's are left out. */
  readonly mask: Int32Array;
  readonly effects: readonly Effect[];
  readonly recircIds: readonly number[];
  readonly recircs: readonly RecircInTrace[];
  readonly slow: Context["slow"];
  readonly error: TranslationError | undefined;
  readonly nodes: readonly TraceNode[];
  /** The flow as it was at the end. */
  readonly flow: Int32Array;
}

/** Words that exist only within a translation. */
function clearInternal(mask: Int32Array): void {
  mask.fill(0, WORD.metadata, WORD.metadata + 2);
  mask.fill(0, WORD.reg, WORD.reg + 32);
  mask[WORD.conj_id] = 0;
  mask[WORD.actset_output] = 0;
}

function finishMask(mask: Int32Array, key: Int32Array): void {
  clearInternal(mask);
  if (!isTunnelled(key)) {
    mask.fill(0, WORD.tun_id, WORD.metadata);
    mask.fill(0, WORD.tun_metadata);
  }
  for (const word of [WORD.vlan_tci, WORD.vlan_tci1]) {
    if (mask[word] !== 0) mask[word] = (mask[word] as number) | VLAN_CFI;
  }
  const type = key[WORD.eth_type];
  const protocol = key[WORD.nw_proto];
  if ((type === ETH_IP && protocol === IP_ICMP) || (type === ETH_IPV6 && protocol === IP_ICMPV6)) {
    mask[WORD.tp_src] = (mask[WORD.tp_src] as number) & 0xff;
    mask[WORD.tp_dst] = (mask[WORD.tp_dst] as number) & 0xff;
  }
  if (type !== ETH_IP && type !== ETH_IPV6 && (key[WORD.eth_type] as number) !== 0x0806 && type !== 0x8035) {
    // Fields of headers that the packet does not have.
    mask.fill(0, WORD.nw_src, END_PACKET_WORD);
  }
  if (type !== ETH_MPLS && type !== ETH_MPLSM) mask.fill(0, WORD.mpls_lse, WORD.mpls_lse2 + 1);
  if (((key[WORD.nw_frag] as number) & 2) !== 0) {
    mask[WORD.tp_src] = 0;
    mask[WORD.tp_dst] = 0;
  }
}

export function xlate(request: XlateRequest): Translation {
  const { key, bridge, frozen } = request;
  const flow = key.slice();
  const ctx = new Context({
    engine: ENGINE,
    datapath: request.datapath,
    bridge: frozen?.bridge ?? bridge,
    flow,
    packet: request.packet,
    sideEffects: request.sideEffects,
    tracing: request.tracing,
    names: request.names ?? false,
    packetOut: frozen === undefined && request.actions !== undefined,
  });
  ctx.ownAddress = flowAddress(key, WORD.tun_dst, WORD.tun_ipv6_dst);
  const { wc } = ctx;
  wc[WORD.in_port] = -1;
  wc[WORD.recirc_id] = -1;
  wc[WORD.packet_type] = -1;
  wc[WORD.eth_type] = 0xffff;
  const type = key[WORD.eth_type];
  if (type === ETH_IP || type === ETH_IPV6) wc[WORD.nw_frag] = 3;
  if (isTunnelled(key)) lookTunnel(ctx);

  // A trace goes on where it began, whatever bridge the rest of the pipeline is of.
  const node = ctx.report("bridge", `bridge("${bridge.name}")`);
  ctx.within(node, () => {
    if (frozen !== undefined) thaw(ctx, frozen);
    else if (flow[WORD.recirc_id] !== 0) lostRecirculation(ctx);
    else if (request.actions !== undefined) ENGINE.actions(ctx, request.actions, true);
    else start(ctx, request.port);
    // The action set belongs to the pipeline's first table.
    ctx.within(
      ctx.nodes.findLast((n) => n.kind === "table"),
      () => {
        if (!ctx.freezing && ctx.error === undefined) xlateActionSet(ctx);
        if (ctx.freezing && ctx.error === undefined) forkRecirculation(ctx);
      },
    );
  });
  let actions: readonly DpAction[] = withoutLastClone(ctx.odp);
  if (ctx.error !== undefined) actions = [];
  finishMask(wc, key);
  return {
    actions,
    mask: wc,
    effects: ctx.effects,
    recircIds: ctx.recircIds,
    recircs: ctx.recircs,
    slow: ctx.slow,
    error: ctx.error,
    nodes: ctx.nodes,
    flow,
  };
}

/** What nothing follows needs no copy of the packet. A copy within the last one stays, as the reference has it. */
function withoutLastClone(actions: readonly DpAction[]): readonly DpAction[] {
  const last = actions.at(-1);
  return last?.type === "clone" ? [...actions.slice(0, -1), ...last.actions] : actions;
}

/** Which tunnel port a packet is received on depends on its outer addresses and key. */
function lookTunnel(ctx: Context): void {
  if (ctx.flow[WORD.tun_dst] !== 0) {
    ctx.look(WORD.tun_src);
    ctx.look(WORD.tun_dst);
  } else ctx.lookAt(WORD.tun_ipv6_src, 8);
  ctx.lookAt(WORD.tun_id, 2);
  ctx.look(WORD.tun_flags, TUN_KEY);
  ctx.look(WORD.tun_tos, 0xff);
}

function start(ctx: Context, port: OfPort | undefined): void {
  if (port !== undefined && (port.config & PORT_CONFIG.NO_RECV) !== 0) {
    return;
  }
  const { flow, bridge } = ctx;
  flow[WORD.actset_output] = 0xfff7;
  ctx.base.set(flow);
  if (((flow[WORD.nw_frag] as number) & 1) !== 0) {
    if (bridge.fragments === "drop") {
      ctx.report("table", ` 0. Packets are IP fragments and the fragment handling mode is "drop".`);
      return;
    }
  }
  if (port === undefined) {
    pipeline(ctx, 0, true);
    return;
  }
  const ingress = port.bundle?.mirrorOut ?? 0;
  if (port.kind === "patch" || port.kind === "tunnel") ctx.effects.push({ kind: "receive", port });
  if (interceptBfd(ctx, port) || interceptLacp(ctx, port)) return;
  if (ingress !== 0 && port.bundle !== undefined) {
    const why = mirrorOnly(port.bundle);
    lookup(ctx, 0, true);
    ctx.within(ctx.nodes.at(-1), () => ctx.report("error", why));
    return;
  }
  if (bridge.mirrors.length > 0 && ingress === 0) mirrorIngress(ctx, outputPort);
  pipeline(ctx, 0, true);
}

/** Runs the tables from one on. What comes after them (the action set, a pause) is told of with that table and its rule's cookie. */
function pipeline(ctx: Context, table: number, last: boolean): void {
  ENGINE.table(ctx, table, last);
  ctx.table = table;
  ctx.cookie = ctx.leftCookie;
}

/** BFD packets to a port that BFD watches are the switch's own. */
function interceptBfd(ctx: Context, { bfd }: OfPort): boolean {
  if (bfd === undefined) return false;
  const { flow } = ctx;
  const { expectedDstMac, checkTunnelKey } = bfd.config;
  if (expectedDstMac !== undefined) {
    ctx.lookMac(WORD.eth_dst);
    if (macAt(flow, WORD.eth_dst) !== expectedDstMac) return false;
  }
  const type = flow[WORD.eth_type];
  if (type !== ETH_IP && type !== ETH_IPV6) return false;
  ctx.look(WORD.nw_proto, 0xff);
  if (flow[WORD.nw_proto] !== IP_UDP) return false;
  ctx.look(WORD.tp_dst, 0xffff);
  if (flow[WORD.tp_dst] !== BFD_PORT) return false;
  if (checkTunnelKey && (flow[WORD.tun_id] !== 0 || flow[WORD.tun_id + 1] !== 0)) return false;
  ctx.slow = "bfd";
  ctx.odp.push({ type: "slow_path", reason: "bfd" });
  return true;
}

/** So are LACPDUs to a port that speaks LACP. */
function interceptLacp(ctx: Context, { bundle }: OfPort): boolean {
  if (bundle?.lacp === undefined || ctx.flow[WORD.eth_type] !== SLOW_PROTOCOLS) return false;
  ctx.slow = "lacp";
  ctx.odp.push({ type: "slow_path", reason: "lacp" });
  return true;
}

/** Where the packet would go on is not known, or not any more. */
function lostRecirculation(ctx: Context): void {
  ctx.report("error", `Recirculation context not found for ID ${(ctx.flow[WORD.recirc_id] as number).toString(16)}`);
  ctx.fail("No recirculation context");
}

function thaw(ctx: Context, frozen: FrozenState): void {
  const { flow } = ctx;
  if (frozen.bond !== undefined) {
    outputBond(ctx, frozen.bond, (port, last) => outputPort(ctx, port, last));
    return;
  }
  thawMetadata(frozen.metadata, flow);
  ctx.base.set(flow);
  ctx.stack = frozen.stack.slice();
  ctx.mirrors = frozen.mirrors;
  ctx.actionSet = [...frozen.actionSet];
  ctx.conntracked = frozen.conntracked;
  if (!ctx.conntracked) clearTracking(flow);
  const node = ctx.report("thaw", "thaw");
  ctx.within(node, () => {
    if (frozen.table !== undefined) ctx.report("thaw", `Resuming from table ${frozen.table}`);
    const actions = frozen.actions.filter((a): a is Action => a.type !== "unroll");
    if (ctx.tracing && actions.length > 0)
      ctx.report("thaw", `Restoring actions: ${actions.map((a) => actionText(ctx, a)).join(",")}`);
  });
  if (frozen.table !== undefined) {
    pipeline(ctx, frozen.table, frozen.actions.length === 0);
    return;
  }
  runFrozen(ctx, frozen);
}

/** Runs what was left of the lists, each with the table and cookie that it belonged to. */
function runFrozen(ctx: Context, frozen: FrozenState): void {
  let at = 0;
  const { actions } = frozen;
  while (at < actions.length && ctx.error === undefined) {
    const head = actions[at];
    if (head?.type === "unroll") {
      ctx.table = head.table;
      ctx.cookie = head.cookie;
      at++;
    }
    const run: Action[] = [];
    for (; at < actions.length; at++) {
      const action = actions[at];
      if (action === undefined || action.type === "unroll") break;
      run.push(action);
    }
    if (run.length > 0) ENGINE.actions(ctx, run, at >= actions.length);
  }
}
