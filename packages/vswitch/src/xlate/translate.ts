/**
 * The translation of actions (ovs-actions(7)): what the flow tables want done to a packet becomes datapath actions, and what
 * decided it becomes a mask. {@link doActions} runs an action list; resubmit and goto_table go through {@link resubmitTo}.
 */
import { type Action, field, OFPP } from "@weft/openflow";
import type { DpAction } from "../datapath/actions.ts";
import { putMac } from "../datapath/fields.ts";
import { ETH_IP, IP_SCTP, IP_TCP, IP_UDP, VLAN_CFI, WORD } from "../flow/key.ts";
import type { FlowTable } from "../ofproto/flow-table.ts";
import type { Rule } from "../ofproto/rule.ts";
import { effectiveActionSet, hasOutput, updateActsetOutput } from "./action-set.ts";
import { patchesOf } from "./bits.ts";
import { xlateBundle, xlateMultipath } from "./choose.ts";
import { type Context, type Engine, MAX_DEPTH, MAX_NESTED, MAX_RESUBMITS, type TranslationError } from "./context.ts";
import { xlateController } from "./controller.ts";
import { xlateCt, xlateCtClear } from "./ct.ts";
import { shorten } from "./effects.ts";
import {
  applicable,
  applyPatch,
  decMplsTtl,
  decTtl,
  deleteField,
  isIp,
  moveBits,
  popMpls,
  popVlan,
  pushMpls,
  pushVlan,
  setField,
  setLse,
  setTpid,
} from "./fields.ts";
import { xlateGroup } from "./group.ts";
import { xlateLearn } from "./learn.ts";
import { outputPort, outputTo } from "./output.ts";
import { actionSetText, actionText, conjunctiveText, fieldValueText, ruleText, subfieldText } from "./text.ts";
import { forkRecirculation } from "./thaw.ts";
import type { TraceLookup } from "./trace.ts";

/** Actions behind an MPLS pop that need to see what is below the label have the packet come around again. */
function needsInner(action: Action): boolean {
  switch (action.type) {
    case "output":
    case "output_reg":
    case "output_trunc":
    case "controller":
    case "strip_vlan":
    case "mod_vlan_pcp":
    case "mod_vlan_vid":
    case "push_vlan":
    case "set_queue":
    case "pop_queue":
    case "set_tunnel":
    case "note":
    case "mod_dl_src":
    case "mod_dl_dst":
    case "exit":
    case "enqueue":
    case "write_metadata":
    case "goto_table":
    case "write_actions":
    case "clear_actions":
    case "conjunction":
    case "clone":
    case "sample":
    case "group":
    case "meter":
      return false;
    case "push_mpls":
    case "pop_mpls":
    case "set_mpls_label":
    case "set_mpls_tc":
    case "set_mpls_ttl":
    case "dec_mpls_ttl":
      return false;
    case "set_field":
      return needsIp(action.field.prerequisite);
    case "load":
      return needsIp(action.dst.field.prerequisite);
    case "move":
      return needsIp(action.dst.field.prerequisite) || needsIp(action.src.field.prerequisite);
    case "push":
      return needsIp(action.src.field.prerequisite);
    case "pop":
      return needsIp(action.dst.field.prerequisite);
    default:
      return true;
  }
}
const needsIp = (prerequisite: string): boolean => !["none", "ethernet", "vlan-vid", "mpls"].includes(prerequisite);

/**
 * Runs `actions`. `last` says that nothing of the whole pipeline comes behind them, so that nothing need be kept for later.
 * `quiet` is for lists whose actions the trace has printed already.
 */
export function doActions(ctx: Context, actions: readonly Action[], last: boolean, inGroup = false): void {
  if (actions.length === 0) {
    if (ctx.tracing && !inGroup) ctx.report("action", "drop");
    return;
  }
  const patches = patchesOf(actions);
  for (let i = 0; i < actions.length; i++) {
    const action = actions[i] as Action;
    if (ctx.error !== undefined) return;
    if (!ctx.exit && ctx.wasMpls && needsInner(action)) {
      ctx.wasMpls = false;
      ctx.freeze("mpls");
    }
    if (ctx.exit) {
      if (ctx.freezing) ctx.unroll(actions.slice(i));
      return;
    }
    if (ctx.tracing) ctx.report("action", actionText(ctx, action));
    const patch = patches[i];
    if (patch !== undefined) applyPatch(ctx, patch);
    else if (doAction(ctx, action, actions, i, last && i === actions.length - 1)) return;
  }
}

/** Returns true when the rest of the list has been dealt with. */
function doAction(ctx: Context, action: Action, actions: readonly Action[], i: number, last: boolean): boolean {
  const { flow } = ctx;
  switch (action.type) {
    case "set_field":
      setField(ctx, action);
      break;
    case "load":
      if (applicable(ctx, action.dst.field.prerequisite)) ctx.writeSubfield(action.dst, action.value);
      break;
    case "resubmit":
      if (ctx.inGroup && ctx.inActionSet) break;
      resubmitTo(
        ctx,
        action.port === undefined || action.port === OFPP.IN_PORT ? ctx.inPort : action.port,
        action.table ?? ctx.table,
        last,
        false,
        action.ct,
      );
      break;
    case "move":
      moveBits(ctx, action);
      if (ctx.tracing)
        ctx.report("detail", `${subfieldText(action.dst)} is now ${fieldValueText(action.dst, subValue(ctx, action.dst))}`);
      break;
    case "output":
      outputTo(ctx, action.port, action.maxLen ?? 0, last);
      break;
    case "output_trunc":
      outputTruncated(ctx, action.port, action.maxLen, last);
      break;
    case "output_reg": {
      const port = ctx.readSubfield(action.src);
      ctx.report("detail", `output port is ${port}`);
      const number = port > 0xffffn ? fromWide(port) : Number(port);
      if (number !== undefined) outputTo(ctx, number, action.maxLen, last);
      break;
    }
    case "controller":
      xlateController(ctx, action);
      break;
    case "enqueue": {
      ctx.look(WORD.skb_priority);
      const before = flow[WORD.skb_priority] as number;
      const priority = action.queue;
      flow[WORD.skb_priority] = priority;
      const port = action.port === OFPP.IN_PORT ? ctx.inPort : action.port;
      if (action.port !== OFPP.IN_PORT && port === ctx.inPort) {
        flow[WORD.skb_priority] = before;
        break;
      }
      outputPort(ctx, port, last);
      flow[WORD.skb_priority] = before;
      break;
    }
    case "set_queue":
      ctx.look(WORD.skb_priority);
      flow[WORD.skb_priority] = action.queue;
      break;
    case "pop_queue":
      ctx.look(WORD.skb_priority);
      if (flow[WORD.skb_priority] === 0) break;
      flow[WORD.skb_priority] = 0;
      ctx.report("detail", "queue = 0");
      break;
    case "bundle":
      xlateBundle(ctx, action, last);
      break;
    case "multipath":
      xlateMultipath(ctx, action);
      break;
    case "group":
      if (xlateGroup(ctx, action.group, last, () => actions.slice(i))) return true;
      break;
    case "strip_vlan":
      popVlan(ctx);
      break;
    case "mod_vlan_vid":
      if (action.pushIfNeeded || ((flow[WORD.vlan_tci] as number) & VLAN_CFI) !== 0) {
        ctx.look(WORD.vlan_tci, 0x1fff);
        setTpid(flow);
        flow[WORD.vlan_tci] = ((flow[WORD.vlan_tci] as number) & ~0xfff) | action.vid | VLAN_CFI;
      } else ctx.look(WORD.vlan_tci, 0x1000);
      break;
    case "mod_vlan_pcp":
      if (action.pushIfNeeded || ((flow[WORD.vlan_tci] as number) & VLAN_CFI) !== 0) {
        ctx.look(WORD.vlan_tci, 0xf000);
        setTpid(flow);
        flow[WORD.vlan_tci] = ((flow[WORD.vlan_tci] as number) & ~0xe000) | (action.pcp << 13) | VLAN_CFI;
      } else ctx.look(WORD.vlan_tci, 0x1000);
      break;
    case "push_vlan":
      pushVlan(ctx, action.ethertype);
      break;
    case "push_mpls":
      pushMpls(ctx, action.ethertype);
      break;
    case "pop_mpls":
      popMpls(ctx, action.ethertype);
      break;
    case "set_mpls_label":
      setLse(ctx, 0xfffff000 | 0, action.label << 12);
      break;
    case "set_mpls_tc":
      setLse(ctx, 0xe00, action.tc << 9);
      break;
    case "set_mpls_ttl":
      setLse(ctx, 0xff, action.ttl);
      break;
    case "dec_mpls_ttl":
      return decMplsTtl(ctx);
    case "mod_dl_src":
      ctx.lookMac(WORD.eth_src);
      putMac(flow, WORD.eth_src, action.mac);
      break;
    case "mod_dl_dst":
      ctx.lookMac(WORD.eth_dst);
      putMac(flow, WORD.eth_dst, action.mac);
      break;
    case "mod_nw_src":
    case "mod_nw_dst":
      if (flow[WORD.eth_type] === ETH_IP) {
        const word = action.type === "mod_nw_src" ? WORD.nw_src : WORD.nw_dst;
        ctx.look(word);
        flow[word] = action.address | 0;
      }
      break;
    case "mod_nw_tos":
      if (isIp(flow[WORD.eth_type])) {
        ctx.look(WORD.nw_tos, 0xfc);
        flow[WORD.nw_tos] = ((flow[WORD.nw_tos] as number) & 3) | (action.tos & 0xfc);
      }
      break;
    case "mod_nw_ecn":
      if (isIp(flow[WORD.eth_type])) {
        ctx.look(WORD.nw_tos, 3);
        flow[WORD.nw_tos] = ((flow[WORD.nw_tos] as number) & 0xfc) | action.ecn;
      }
      break;
    case "mod_nw_ttl":
      if (isIp(flow[WORD.eth_type])) {
        ctx.look(WORD.nw_ttl, 0xff);
        flow[WORD.nw_ttl] = action.ttl;
      }
      break;
    case "mod_tp_src":
    case "mod_tp_dst": {
      const protocol = flow[WORD.nw_proto];
      if (
        isIp(flow[WORD.eth_type]) &&
        ((flow[WORD.nw_frag] as number) & 2) === 0 &&
        (protocol === IP_TCP || protocol === IP_UDP || protocol === IP_SCTP)
      ) {
        const word = action.type === "mod_tp_src" ? WORD.tp_src : WORD.tp_dst;
        ctx.look(WORD.nw_proto, 0xff);
        ctx.look(word, 0xffff);
        flow[word] = action.port;
      }
      break;
    }
    case "dec_ttl":
      return decTtl(ctx, action.controllers);
    case "push":
      ctx.stack.push({ bits: action.src.bits, value: ctx.readSubfield(action.src) });
      if (ctx.stack.length > 64 * 1024) ctx.fail("Stack too deep");
      break;
    case "pop": {
      const entry = ctx.stack.pop();
      if (entry === undefined) {
        ctx.report("error", "stack underflow");
        break;
      }
      ctx.writeSubfield(action.dst, entry.value);
      if (ctx.tracing)
        ctx.report("detail", `${subfieldText(action.dst)} is now ${fieldValueText(action.dst, subValue(ctx, action.dst))}`);
      break;
    }
    case "set_tunnel":
      ctx.writeField(field("tun_id"), action.id);
      break;
    case "fin_timeout":
      ctx.look(WORD.nw_proto, 0xff);
      if (flow[WORD.nw_proto] === IP_TCP) {
        const { rule } = ctx;
        if (rule === undefined) break;
        ctx.effects.push({ kind: "fin", rule, idle: action.idleTimeout, hard: action.hardTimeout });
        if (ctx.sideEffects && ((flow[WORD.tcp_flags] as number) & 5) !== 0)
          shorten(rule, action.idleTimeout, action.hardTimeout);
      }
      break;
    case "learn":
      xlateLearn(ctx, action);
      break;
    case "conjunction":
      ctx.report("error", "executing no-op conjunction action");
      break;
    case "note":
      break;
    case "sample":
      // Nothing collects samples here; the packet itself goes on unchanged.
      break;
    case "clone":
      xlateClone(ctx, action.actions, last);
      break;
    case "ct":
      xlateCt(ctx, action);
      break;
    case "nat":
      // Inside ct only, which has dealt with it.
      break;
    case "ct_clear":
      if (ctx.conntracked) ctx.commit();
      xlateCtClear(ctx);
      break;
    case "exit":
      ctx.exit = true;
      break;
    case "check_pkt_larger":
      checkPacketLarger(ctx, action, actions.slice(i + 1));
      return true;
    case "delete_field":
      ctx.report("detail", `delete ${action.field.name}`);
      deleteField(ctx, action.field);
      break;
    case "encap":
    case "decap":
    case "dec_nsh_ttl":
      ctx.report("error", `${action.type} is not supported by this datapath`);
      ctx.datapath.unsupported(`action ${action.type}`);
      ctx.exit = true;
      break;
    case "meter": {
      const meter = ctx.bridge.meters.get(action.meter);
      if (meter !== undefined) ctx.odp.push({ type: "meter", meter: meter.dpId });
      break;
    }
    case "clear_actions":
      if (ctx.tracing)
        ctx.report(
          "detail",
          `action set ${ctx.actionSet.length === 0 ? "was empty" : `was: ${actionSetText(ctx, ctx.actionSet)}`}`,
        );
      ctx.actionSet = [];
      updateActsetOutput(ctx);
      break;
    case "write_actions":
      ctx.actionSet = [...ctx.actionSet, ...action.actions];
      updateActsetOutput(ctx);
      if (ctx.tracing) {
        const set = effectiveActionSet(ctx.actionSet);
        ctx.report("detail", set.length === 0 ? "action set is empty" : `action set is: ${actionSetText(ctx, set)}`);
      }
      break;
    case "write_metadata": {
      const metadata = field("metadata");
      ctx.writeField(metadata, (ctx.readField(metadata) & ~action.mask) | (action.value & action.mask));
      break;
    }
    case "goto_table":
      resubmitTo(ctx, ctx.inPort, action.table, last, true, false);
      break;
  }
  return false;
}

const fromWide = (port: bigint): number | undefined => {
  const small = port - 0xffff0000n;
  return small >= 0xff00n && small <= 0xffffn ? Number(small) : undefined;
};

const subValue = (ctx: Context, sub: import("@weft/openflow").Subfield): bigint =>
  (ctx.readField(sub.field) >> BigInt(sub.offset)) & ((1n << BigInt(sub.bits)) - 1n);

function outputTruncated(ctx: Context, port: number, maxLen: number, last: boolean): void {
  if (port === OFPP.IN_PORT || port !== ctx.inPort) {
    ctx.odp.push({ type: "trunc", max: maxLen });
    const before = ctx.odp.length;
    outputTo(ctx, port, maxLen, last);
    // A truncation that nothing follows would hit the next output.
    if (ctx.odp.length === before) ctx.odp.pop();
  } else outputTo(ctx, port, maxLen, last);
}

/** Whether what datapath actions do to a packet can be undone by setting its fields back; what is in a clone is undone there. */
function reversible(actions: readonly DpAction[]): boolean {
  return actions.every((action) => {
    switch (action.type) {
      case "ct":
      case "ct_clear":
      case "meter":
      case "trunc":
      case "tnl_push":
        return false;
      case "check_pkt_len":
        return reversible(action.gt) && reversible(action.le);
      default:
        return true;
    }
  });
}

/** Runs actions on a copy: afterwards the packet is what it was before. */
export function xlateClone(ctx: Context, actions: readonly Action[], last: boolean, inGroup = false): void {
  const saved = {
    stack: ctx.stack.slice(),
    actionSet: ctx.actionSet,
    flow: ctx.flow.slice(),
    conntracked: ctx.conntracked,
    wasMpls: ctx.wasMpls,
  };
  ctx.actionSet = [];
  // Of what is not yet in effect the clone would give the datapath its own, and what follows it again.
  if (!last) ctx.commit();
  const base = ctx.base.slice();
  const outer = ctx.odp;
  ctx.odp = [];
  doActions(ctx, actions, true, inGroup);
  if (!ctx.freezing) xlateActionSet(ctx);
  if (ctx.freezing) forkRecirculation(ctx);
  const inner = ctx.odp;
  ctx.odp = outer;
  if (last || reversible(inner)) ctx.odp.push(...inner);
  else {
    ctx.odp.push({ type: "clone", actions: inner });
    ctx.base.set(base);
  }
  ctx.stack = saved.stack;
  ctx.actionSet = saved.actionSet;
  ctx.flow.set(saved.flow);
  ctx.conntracked = saved.conntracked;
  ctx.wasMpls = saved.wasMpls;
}

/** Each way goes on for itself, and to its end: nothing follows there, whatever does here. */
function checkPacketLarger(ctx: Context, action: Extract<Action, { type: "check_pkt_larger" }>, rest: readonly Action[]): void {
  ctx.commit();
  const saved = {
    stack: ctx.stack.slice(),
    actionSet: ctx.actionSet,
    conntracked: ctx.conntracked,
    wasMpls: ctx.wasMpls,
    exit: ctx.exit,
  };
  const flow = ctx.flow.slice();
  const base = ctx.base.slice();
  const outer = ctx.odp;
  const branch = (value: bigint): DpAction[] => {
    ctx.odp = [];
    ctx.writeSubfield(action.dst, value);
    doActions(ctx, rest, true);
    if (!ctx.freezing) xlateActionSet(ctx);
    if (ctx.freezing) forkRecirculation(ctx);
    const made = ctx.odp;
    ctx.stack = saved.stack.slice();
    ctx.actionSet = saved.actionSet;
    ctx.conntracked = saved.conntracked;
    ctx.wasMpls = saved.wasMpls;
    ctx.exit = saved.exit;
    ctx.flow.set(flow);
    ctx.base.set(base);
    return made;
  };
  const gt = branch(1n);
  const le = branch(0n);
  // A trace that a pause has ended has ended here, too.
  ctx.exit ||= ctx.freezing;
  ctx.odp = outer;
  ctx.odp.push({ type: "check_pkt_len", size: action.length, gt, le });
}

/**
 * Looks up `table` and runs what is found, with `port` as in_port meanwhile. `mayMiss`: see {@link lookup}; `withCt`: the
 * lookup sees the connection's original tuple.
 */
function resubmitTo(ctx: Context, port: number, table: number, last: boolean, mayMiss: boolean, withCt: boolean): void {
  if (!enter(ctx)) return;
  const { flow } = ctx;
  const savedPort = flow[WORD.in_port] as number;
  const savedTable = ctx.table;
  flow[WORD.in_port] = port;
  ctx.table = table;
  const ct = withCt ? swapCtTuple(ctx) : undefined;
  const rule = lookup(ctx, table, mayMiss);
  ct?.();
  flow[WORD.in_port] = savedPort;
  // Only going to the same or an earlier table counts as depth; the number of tables bounds the rest.
  const deepens = table <= savedTable ? 1 : 0;
  ctx.depth += deepens;
  if (rule !== undefined) runRule(ctx, rule, last);
  ctx.depth -= deepens;
  ctx.table = savedTable;
}

/** Entries of actions and of the stack that a translation may make, within which the reference's 64 kB lie. */
const MAX_ENTRIES = 65536;

function enter(ctx: Context): boolean {
  if (ctx.nested >= MAX_NESTED)
    return refuse(ctx, `over ${MAX_NESTED} nested resubmits, which is what the stack holds`, "Recursion too deep");
  if (ctx.depth >= MAX_DEPTH) return refuse(ctx, `over max translation depth ${MAX_DEPTH}`, "Recursion too deep");
  if (ctx.resubmits >= MAX_RESUBMITS) return refuse(ctx, `over ${MAX_RESUBMITS} resubmit actions`, "Too many resubmits");
  if (ctx.odp.length > MAX_ENTRIES) return refuse(ctx, "resubmits yielded over 64 kB of actions", "Too many resubmits");
  if (ctx.stack.length > MAX_ENTRIES) return refuse(ctx, "resubmits yielded over 64 kB of stack", "Stack too deep");
  return true;
}

function refuse(ctx: Context, text: string, error: TranslationError): false {
  ctx.report("error", text);
  ctx.fail(error);
  return false;
}

/** resubmit(...,ct): the lookup sees the connection's original tuple in place of the packet's (ovs-actions(7)). */
function swapCtTuple(ctx: Context): () => void {
  const { flow } = ctx;
  const pairs: readonly (readonly [number, number, number])[] = [
    [WORD.nw_src, WORD.ct_nw_src, 1],
    [WORD.nw_dst, WORD.ct_nw_dst, 1],
    [WORD.ipv6_src, WORD.ct_ipv6_src, 4],
    [WORD.ipv6_dst, WORD.ct_ipv6_dst, 4],
    [WORD.nw_proto, WORD.ct_nw_proto, 1],
    [WORD.tp_src, WORD.ct_tp_src, 1],
    [WORD.tp_dst, WORD.ct_tp_dst, 1],
  ];
  const swap = (words: Int32Array): void => {
    for (const [a, b, n] of pairs) {
      for (let i = 0; i < n; i++) {
        const t = words[a + i] as number;
        words[a + i] = words[b + i] as number;
        words[b + i] = t;
      }
    }
  };
  swap(flow);
  swap(ctx.wc);
  return () => {
    swap(flow);
    swap(ctx.wc);
  };
}

/** Unless asked otherwise, flows do not see the ports of fragments. */
function fragmentLookup(ctx: Context, table: FlowTable): Rule | undefined {
  const { flow, wc } = ctx;
  if (((flow[WORD.nw_frag] as number) & 1) === 0 || ctx.bridge.fragments !== "normal") return table.classifier.lookup(flow, wc);
  const src = flow[WORD.tp_src] as number;
  const dst = flow[WORD.tp_dst] as number;
  flow[WORD.tp_src] = 0;
  flow[WORD.tp_dst] = 0;
  const rule = table.classifier.lookup(flow, wc);
  flow[WORD.tp_src] = src;
  flow[WORD.tp_dst] = dst;
  return rule;
}

/**
 * The rule for the flow in a table of the bridge, or undefined for a goto or resubmit into nothing. `mayMiss` gives the
 * switch's own behaviour on a miss (first table, goto_table); a resubmit that finds nothing does nothing.
 */
export function lookup(ctx: Context, tableId: number, mayMiss: boolean): Rule | undefined {
  const { bridge } = ctx;
  const table = bridge.tables[tableId];
  if (table === undefined) return undefined;
  const rule = fragmentLookup(ctx, table);
  if (rule !== undefined) {
    ctx.effects.push(rule.hitIn(table));
    if (table.classifier.conjId !== 0) ctx.flow[WORD.conj_id] = table.classifier.conjId;
    if (ctx.tracing) {
      const node = ctx.report("table", ruleText(ctx, rule, tableId), lookupOf(ctx, tableId, rule));
      ctx.within(node, () => {
        for (const soft of table.classifier.conjRules) ctx.report("detail", `conj. ${conjunctiveText(ctx, soft)}`);
      });
    }
    return rule;
  }
  const miss = missRule(ctx, tableId, mayMiss);
  ctx.effects.push(miss === ctx.datapath.missRule ? table.missedToController : table.missed);
  reportMiss(ctx, tableId, miss);
  return miss;
}

function reportMiss(ctx: Context, tableId: number, miss: Rule): void {
  if (!ctx.tracing) return;
  const own = ctx.bridge === ctx.firstBridge;
  const label = String(tableId).padStart(2, " ");
  const toController = miss.actions.length > 0;
  const where = lookupOf(ctx, tableId, undefined);
  if (own) ctx.report("table", `${label}. No match.`, where);
  else ctx.report("table", `${label}. reg0=${toController ? "0x1" : "0x2"}, priority 0`, where);
}

function lookupOf(ctx: Context, table: number, rule: Rule | undefined): TraceLookup {
  return { bridge: ctx.bridge.name, table, rule, key: ctx.flow.slice() };
}

/** A resubmit that finds nothing drops; elsewhere the table's configuration says what happens. */
function missRule(ctx: Context, tableId: number, mayMiss: boolean): Rule {
  const { bridge } = ctx;
  if (!mayMiss) return ctx.datapath.dropRule;
  const config = bridge.tables[tableId]?.miss ?? "default";
  const toController = config === "controller" || (config === "default" && bridge.wantsMisses);
  return toController ? ctx.datapath.missRule : ctx.datapath.dropRule;
}

/** Runs a rule's actions under its node in the trace. */
export function runRule(ctx: Context, rule: Rule, last: boolean, asClone = false): void {
  const savedRule = ctx.rule;
  const savedCookie = ctx.cookie;
  ctx.resubmits++;
  ctx.nested++;
  ctx.rule = rule;
  ctx.cookie = rule.cookie;
  const outer = ctx.nodes;
  const node = ctx.tracing ? outer[outer.length - 1] : undefined;
  if (node?.kind === "table") ctx.nodes = node.children;
  if (asClone) xlateClone(ctx, rule.actions, last);
  else doActions(ctx, rule.actions, last);
  ctx.nodes = outer;
  ctx.rule = savedRule;
  ctx.cookie = savedCookie;
  ctx.leftCookie = rule.cookie;
  ctx.nested--;
}

export function xlateActionSet(ctx: Context): void {
  const written = ctx.actionSet;
  if (written.length === 0) return;
  ctx.actionSet = [];
  const set = effectiveActionSet(written);
  if (set.length === 0 || !hasOutput(set)) return;
  ctx.inActionSet = true;
  const node = ctx.report("table", "--. Executing action set:");
  ctx.within(node, () => doActions(ctx, set, true));
  ctx.inActionSet = false;
}

/** What the other files of the translation call back. */
export const ENGINE: Engine = {
  actions: doActions,
  clone: xlateClone,
  actionSet: xlateActionSet,
  output: outputTo,
  table(ctx, table, last, asClone) {
    if (!enter(ctx)) return;
    const saved = ctx.table;
    ctx.table = table;
    const rule = lookup(ctx, table, true);
    if (rule !== undefined) runRule(ctx, rule, last, asClone);
    ctx.table = saved;
  },
};
