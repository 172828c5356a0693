/** learn: a flow made from the packet (ovs-actions(7), "The learn action"). */
import {
  type Action,
  type ActionOf,
  FLOW_FLAG,
  type FlowMod,
  flowMod,
  formatActions,
  formatMatch,
  type LearnSource,
  MatchBuilder,
} from "@weft/openflow";
import { keyMatch } from "../flow/key.ts";
import { OpenFlowRefusal } from "../ofproto/errors.ts";
import { FlowMods } from "../ofproto/flow-mods.ts";
import type { Context } from "./context.ts";

function sourceValue(ctx: Context, source: LearnSource): bigint {
  return "value" in source ? source.value : ctx.readSubfield(source);
}

/** The flow that the action adds for this packet. */
export function learnedFlow(ctx: Context, action: ActionOf<"learn">): FlowMod {
  const match = new MatchBuilder();
  const actions: Action[] = [];
  for (const spec of action.specs) {
    const value = sourceValue(ctx, spec.src);
    if (spec.kind === "match") {
      const { field: f, offset, bits } = spec.dst;
      const mask = ((1n << BigInt(bits)) - 1n) << BigInt(offset);
      const place = f.words;
      match.require(f);
      if (place === 1 && offset === 0 && bits === f.bits) match.set(f, value);
      else {
        const held = match.build().get(f);
        match.set(f, ((held?.value ?? 0n) & ~mask) | (value << BigInt(offset)), (held?.mask ?? 0n) | mask);
      }
    } else if (spec.kind === "load") actions.push({ type: "load", value, dst: spec.dst });
    else actions.push({ type: "output", port: Number(value & 0xffffn) });
  }
  if (action.finIdleTimeout !== 0 || action.finHardTimeout !== 0)
    actions.push({ type: "fin_timeout", idleTimeout: action.finIdleTimeout, hardTimeout: action.finHardTimeout });
  return flowMod({
    command: "add",
    table: action.table,
    priority: action.priority,
    match: match.build(),
    newCookie: action.cookie,
    idleTimeout: action.idleTimeout,
    hardTimeout: action.hardTimeout,
    flags: action.sendFlowRemoved ? FLOW_FLAG.SEND_FLOW_REM : 0,
    actions,
  });
}

/** "table=30 dl_dst=... priority=32768 actions=...": a learned flow in a trace. */
function text(mod: FlowMod): string {
  const parts = [`table=${mod.table}`];
  const match = formatMatch(mod.match);
  if (mod.idleTimeout !== 0) parts.push(`idle_timeout=${mod.idleTimeout}`);
  if (mod.hardTimeout !== 0) parts.push(`hard_timeout=${mod.hardTimeout}`);
  if (match !== "") parts.push(match);
  parts.push(`priority=${mod.priority}`);
  if (mod.newCookie !== 0n) parts.push(`cookie=0x${mod.newCookie.toString(16)}`);
  parts.push(`actions=${mod.actions.length === 0 ? "drop" : formatActions(mod.actions)}`);
  return parts.join(" ");
}

export function xlateLearn(ctx: Context, action: ActionOf<"learn">): void {
  const mod = learnedFlow(ctx, action);
  if (!ctx.sideEffects) {
    ctx.report("warning", "suppressing side effects, so learn action ignored");
    return;
  }
  if (ctx.tracing) ctx.report("detail", text(mod));
  const { bridge, datapath } = ctx;
  const existing = (): import("../ofproto/rule.ts").Rule | undefined => {
    const placed = mod.match.place(bridge.tlv);
    return placed === undefined ? undefined : bridge.tables[mod.table]?.classifier.get(keyMatch(placed), mod.priority);
  };
  const run = (): boolean => {
    const old = existing();
    if (
      old !== undefined &&
      old.actions.length === mod.actions.length &&
      formatActions(old.actions) === formatActions(mod.actions) &&
      old.cookie === mod.newCookie
    ) {
      // The flow is there already: it counts as changed just now, and nothing else is new.
      old.modified = datapath.now();
      return true;
    }
    if (action.limit !== 0 && old === undefined) {
      let count = 0;
      for (const rule of bridge.tables[mod.table]?.rules() ?? []) if (rule.cookie === action.cookie) count++;
      if (count >= action.limit) return false;
    }
    try {
      new FlowMods(bridge).apply(mod);
    } catch (error) {
      if (!(error instanceof OpenFlowRefusal)) throw error;
      datapath.log.warn(`learn action failed on bridge ${bridge.name}: ${error.message}`);
      return false;
    }
    return true;
  };
  const learned = run();
  if (!learned) ctx.report("detail", "learn action: limit was reached or the table refused the flow");
  if (action.resultDst !== undefined) ctx.writeSubfield(action.resultDst, learned ? 1n : 0n);
  ctx.effects.push({ kind: "learn", again: () => void run() });
}
