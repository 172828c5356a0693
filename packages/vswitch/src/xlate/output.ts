/** Outputs: from an OpenFlow port to the datapath port, the bridge behind a patch port, or the tunnel that it stands for. */
import { OFPP, PORT_CONFIG } from "@weft/openflow";
import { WORD } from "../flow/key.ts";
import type { OfPort } from "../ofproto/port.ts";
import type { Context } from "./context.ts";
import { outputReason, xlateController } from "./controller.ts";
import { clearConntrack } from "./ct.ts";
import { hideMirrors, mirrorEgress, mirrorIngress } from "./mirror.ts";
import { xlateNormal } from "./normal.ts";
import { terminateTunnel } from "./terminate.ts";
import { forkRecirculation } from "./thaw.ts";
import { outputTunnel } from "./tunnel.ts";

/** output(port): reserved ports included. */
export function outputTo(ctx: Context, port: number, maxLen: number, last: boolean): void {
  switch (port) {
    case OFPP.IN_PORT:
      outputPort(ctx, ctx.inPort, last);
      break;
    case OFPP.TABLE:
      ctx.engine.table(ctx, 0, last);
      break;
    case OFPP.NORMAL:
      xlateNormal(ctx, (out, isLast) => outputPort(ctx, out, isLast), last);
      break;
    case OFPP.FLOOD:
      floodPorts(ctx, false, last);
      break;
    case OFPP.ALL:
      floodPorts(ctx, true, last);
      break;
    case OFPP.CONTROLLER:
      xlateController(ctx, {
        type: "controller",
        maxLen: maxLen === 0 ? 0xffff : maxLen,
        reason: outputReason(ctx),
        controllerId: 0,
        userdata: new Uint8Array(0),
        pause: false,
        meter: undefined,
      });
      break;
    case OFPP.NONE:
      break;
    default:
      if (port !== ctx.inPort) outputPort(ctx, port, last);
      else ctx.report("warning", "skipping output to input port");
  }
}

function floodPorts(ctx: Context, all: boolean, last: boolean): void {
  const ports = [...ctx.bridge.ports.values()].filter(
    (port) => port.ofport !== ctx.inPort && (all || (port.config & PORT_CONFIG.NO_FLOOD) === 0),
  );
  for (const [i, port] of ports.entries()) outputPort(ctx, port.ofport, last && i === ports.length - 1);
}

/** Sends the packet as it now is out of a port. */
export function outputPort(ctx: Context, ofport: number, last: boolean): void {
  const port = ctx.bridge.ports.get(ofport);
  if (port === undefined) {
    ctx.report("warning", "Nonexistent output port");
    return;
  }
  if ((port.config & PORT_CONFIG.NO_FWD) !== 0) {
    ctx.report("detail", "OFPPC_NO_FWD set, skipping output");
    return;
  }
  if (port.kind === "patch") {
    const peer = ctx.datapath.peerOf(port);
    if (peer === undefined) {
      ctx.report("warning", "Nonexistent output port");
      return;
    }
    enterBridge(ctx, port, peer, last);
    mirrorEgress(ctx, port, outputPort);
    return;
  }
  if (port.kind === "tunnel") {
    outputTunnel(ctx, port, last, enterBridge);
    mirrorEgress(ctx, port, outputPort);
    return;
  }
  if (port.dpPort === undefined) return;
  const tos = ctx.flow[WORD.nw_tos] as number;
  if (port.queueDscp !== undefined) markQueue(ctx, port.queueDscp);
  ctx.commit();
  const popPort = terminateTunnel(ctx, port);
  if (popPort !== undefined) ctx.odp.push({ type: "tnl_pop", port: popPort });
  else ctx.odp.push({ type: "output", port: port.dpPort });
  mirrorEgress(ctx, port, outputPort);
  ctx.flow[WORD.nw_tos] = tos;
}

/** The packet gets the DSCP that packets of its queue leave with (ovs-vswitchd.conf.db(5), Queue column dscp). */
function markQueue(ctx: Context, marks: ReadonlyMap<number, number>): void {
  const { flow } = ctx;
  ctx.look(WORD.skb_priority);
  const dscp = marks.get(flow[WORD.skb_priority] as number);
  if (dscp === undefined) return;
  ctx.look(WORD.nw_tos, 0xfc);
  flow[WORD.nw_tos] = ((flow[WORD.nw_tos] as number) & 3) | (dscp << 2);
}

/** The packet goes from one bridge into another: the other's tables see it as received on `peer`. */
export function enterBridge(ctx: Context, from: OfPort | undefined, peer: OfPort, last: boolean): void {
  const { flow } = ctx;
  const saved = {
    bridge: ctx.bridge,
    flow: flow.slice(),
    stack: ctx.stack,
    actionSet: ctx.actionSet,
    conntracked: ctx.conntracked,
    wasMpls: ctx.wasMpls,
    table: ctx.table,
    exit: ctx.exit,
    rule: ctx.rule,
    cookie: ctx.cookie,
    mirrors: ctx.mirrors,
    inGroup: ctx.inGroup,
    inActionSet: ctx.inActionSet,
  };
  const sameBridge = peer.bridge === ctx.bridge;
  ctx.bridge = peer.bridge;
  ctx.stack = [];
  ctx.actionSet = [];
  ctx.inGroup = false;
  ctx.inActionSet = false;
  flow[WORD.in_port] = peer.ofport;
  flow.fill(0, WORD.tun_id, WORD.metadata);
  flow.fill(0, WORD.tun_metadata);
  flow.fill(0, WORD.metadata, WORD.metadata + 2);
  flow.fill(0, WORD.reg, WORD.reg + 32);
  flow[WORD.conj_id] = 0;
  flow[WORD.actset_output] = OFPP.UNSET;
  if (!sameBridge) clearConntrack(ctx);
  ctx.mirrors = hideMirrors(ctx, saved.bridge, peer.bridge);
  if (from !== undefined) ctx.effects.push({ kind: "transmit", port: from });
  if (peer.kind === "patch") ctx.effects.push({ kind: "receive", port: peer });
  const node = ctx.report("bridge", `bridge("${peer.bridge.name}")`);
  ctx.within(node, () => {
    if ((peer.config & PORT_CONFIG.NO_RECV) === 0) {
      mirrorIngress(ctx, outputPort);
      ctx.depth++;
      ctx.engine.table(ctx, 0, last, true);
      ctx.depth--;
      ctx.cookie = ctx.leftCookie;
      if (!ctx.freezing) ctx.engine.actionSet(ctx);
      if (ctx.freezing) forkRecirculation(ctx);
    }
  });
  ctx.bridge = saved.bridge;
  flow.set(saved.flow);
  ctx.stack = saved.stack;
  ctx.actionSet = saved.actionSet;
  ctx.conntracked = saved.conntracked;
  ctx.wasMpls = saved.wasMpls;
  ctx.table = saved.table;
  ctx.exit = saved.exit;
  ctx.rule = saved.rule;
  ctx.cookie = saved.cookie;
  ctx.inGroup = saved.inGroup;
  ctx.inActionSet = saved.inActionSet;
  ctx.mirrors = peer.bridge === saved.bridge ? ctx.mirrors : saved.mirrors;
}
