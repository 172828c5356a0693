/** NORMAL: what a learning VLAN switch does with a packet (ovs-actions(7), ovs-vswitchd.conf.db(5) on VLAN modes). */

import { OFPP, PORT_CONFIG } from "@weft/openflow";
import { formatMac, isMacReserved } from "@weft/packet";
import { SLOTS } from "../bond/balance.ts";
import type { Bond } from "../bond/bond.ts";
import { macAt } from "../datapath/fields.ts";
import { ETH_ARP, WORD } from "../flow/key.ts";
import { type Bundle, bundleIncludesVlan, newBundle, type OfPort } from "../ofproto/port.ts";
import type { Context } from "./context.ts";
import { inputTags, inputVlanValid, outputTags, putTags, type Tags, tagsOf } from "./vlan.ts";

/** Sends the flow out of an OpenFlow port. */
export type OutputPort = (port: number, last: boolean) => void;

/** The bundle that the packet came in on; reports when there is none. */
export function inputBundle(ctx: Context): Bundle | undefined {
  // Packet-outs that name no port may be of all VLANs, and no address is learned from them.
  if (ctx.inPort === OFPP.NONE || ctx.inPort === OFPP.CONTROLLER) return newBundle("", ctx.bridge);
  const port = ctx.bridge.ports.get(ctx.inPort);
  if (port?.bundle === undefined) {
    ctx.report("error", `received packet on unknown port ${ctx.inPort === 0xfffe ? "LOCAL" : ctx.inPort}`);
    return undefined;
  }
  return port.bundle;
}

/** Why nothing comes in on the port that a mirror sends to. */
export function mirrorOnly({ name }: Bundle): string {
  return `dropping packet received on port ${name}, which is reserved exclusively for mirroring`;
}

export function xlateNormal(ctx: Context, output: OutputPort, last: boolean): void {
  const { bridge, flow } = ctx;
  ctx.lookMac(WORD.eth_src);
  ctx.lookMac(WORD.eth_dst);
  ctx.look(WORD.vlan_tci, 0x1fff);
  const bundle = inputBundle(ctx);
  if (bundle === undefined) {
    ctx.report("warning", "no input bundle, dropping");
    return;
  }
  if (bundle.mirrorOut !== 0) {
    ctx.report("error", mirrorOnly(bundle));
    ctx.report("warning", "input port is mirror output port, dropping");
    return;
  }
  const before = tagsOf(flow);
  if (!inputVlanValid(ctx, before[0].vid, bundle)) {
    ctx.report("warning", "disallowed VLAN VID for this input port, dropping");
    return;
  }
  const tags = inputTags(bundle, before);
  const vlan = tags[0].vid;
  const dst = macAt(flow, WORD.eth_dst);
  const src = macAt(flow, WORD.eth_src);
  if (!bridge.forwardBpdu && isMacReserved(dst)) {
    ctx.report("detail", "packet has reserved destination MAC, dropping");
    return;
  }
  if (!admitted(ctx, bundle, vlan)) return;
  isGratuitous(ctx);
  if (bundle.ports.length > 0) learn(ctx, bundle, vlan, src);
  const entry = bridge.macs.lookup(vlan, dst);
  if (entry !== undefined) {
    if (entry.port === bundle) ctx.report("detail", "learned port is input port, dropping");
    else if (bundle.protected && entry.port.protected) ctx.report("detail", "learned port is protected, dropping");
    else {
      ctx.report("detail", "forwarding to learned port");
      outputNormal(ctx, entry.port, tags, output, last);
    }
    return;
  }
  ctx.report("detail", "no learned MAC for destination, flooding");
  const targets = [...bridge.bundles.values()].filter(
    (other) =>
      other !== bundle &&
      other.ports.length > 0 &&
      bundleIncludesVlan(other, vlan, tags[1].vid) &&
      other.mirrorOut === 0 &&
      !(bundle.protected && other.protected) &&
      other.ports.every((port) => (port.config & PORT_CONFIG.NO_FLOOD) === 0),
  );
  for (const [i, other] of targets.entries()) outputNormal(ctx, other, tags, output, last && i === targets.length - 1);
}

/** Of what comes in on a bond only what its partner sends just once, and did not get from here, is taken. */
function admitted(ctx: Context, bundle: Bundle, vlan: number): boolean {
  const { bond } = bundle;
  const port = bundle.ports.find(({ ofport }) => ofport === ctx.inPort);
  if (bond === undefined || port === undefined) return true;
  const admission = bond.admit(port, macAt(ctx.flow, WORD.eth_dst) % 2 ** 41 >= 2 ** 40);
  if (admission === "refused") {
    ctx.report("detail", "bonding refused admissibility, dropping");
    return false;
  }
  if (admission === "ok") return true;
  const entry = ctx.bridge.macs.lookup(vlan, macAt(ctx.flow, WORD.eth_src));
  // An address that announces itself has moved.
  if (entry === undefined || entry.port === bundle || isGratuitous(ctx)) return true;
  ctx.report("detail", "SLB bond thinks this packet looped back, dropping");
  return false;
}

/** Whether an ARP is gratuitous is asked of every broadcast one, so that locked entries stay where they are. */
function isGratuitous(ctx: Context): boolean {
  const { flow } = ctx;
  if (flow[WORD.eth_type] !== ETH_ARP || macAt(flow, WORD.eth_dst) !== 0xffff_ffff_ffff) return false;
  ctx.look(WORD.nw_proto, 0xff);
  // Every broadcast reply is; a request for the sender's own address is.
  if (flow[WORD.nw_proto] !== 1) return flow[WORD.nw_proto] === 2;
  ctx.look(WORD.nw_src);
  ctx.look(WORD.nw_dst);
  return flow[WORD.nw_src] === flow[WORD.nw_dst];
}

function learn(ctx: Context, bundle: Bundle, vlan: number, mac: number): void {
  const { bridge } = ctx;
  ctx.effects.push({ kind: "mac", bridge, bundle, vlan, mac });
  if (!ctx.sideEffects) return;
  const changed = bridge.macs.learn(vlan, mac, bundle, ctx.datapath.now());
  if (!changed) return;
  if (ctx.tracing)
    ctx.report("detail", `learned that ${formatMac(macAt(ctx.flow, WORD.eth_src))} is on port ${bundle.name} in VLAN ${vlan}`);
  bridge.changed();
}

/** Sends a packet with the bridge's tags out of a bundle. */
export function outputNormal(ctx: Context, bundle: Bundle, tags: Tags, output: OutputPort, last: boolean): void {
  const { bond } = bundle;
  const recirculates = bond?.mode === "balance-tcp";
  const port = bond === undefined ? bundle.ports[0] : recirculates ? bond.active : bondPort(ctx, bond, tags[0].vid);
  // What balances by hash does so with a partner's consent alone.
  if (port === undefined || (recirculates && bond.lacp?.negotiated !== true)) return;
  const { flow } = ctx;
  const saved = flow.slice(WORD.vlan_tci, WORD.vlan_tpid1 + 1);
  putTags(ctx, outputTags(bundle, tags), bundle.priorityTags);
  if (recirculates) balanceByHash(ctx, bond);
  else output(port.ofport, last);
  flow.set(saved, WORD.vlan_tci);
}

/** The member that a bond sends a packet by that the datapath need not hash. */
function bondPort(ctx: Context, bond: Bond, vlan: number): OfPort | undefined {
  if (bond.mode === "active-backup") return bond.active;
  const slot = bond.slotOf(macAt(ctx.flow, WORD.eth_src), vlan);
  ctx.effects.push({ kind: "bond", bond, slot });
  return bond.portOf(slot);
}

/** The datapath hashes the packet and gives it back; {@link outputBond} goes on with that. */
function balanceByHash(ctx: Context, bond: Bond): void {
  const id = bond.recircId as number;
  ctx.commit();
  ctx.datapath.recirc.refer(id);
  ctx.recircIds.push(id);
  ctx.odp.push({ type: "hash", algorithm: "l4", basis: bond.config.basis }, { type: "recirc", id });
}

/** Sends a packet that has been hashed for a bond out of one of its members. */
export function outputBond(ctx: Context, bond: Bond, output: OutputPort): void {
  ctx.look(WORD.dp_hash, SLOTS - 1);
  const slot = (ctx.flow[WORD.dp_hash] as number) & (SLOTS - 1);
  const port = bond.portOf(slot);
  if (port === undefined) return;
  ctx.effects.push({ kind: "bond", bond, slot });
  output(port.ofport, true);
}
