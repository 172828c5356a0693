/** ct and ct_clear: connection tracking as the datapath does it (ovs-actions(7)). */
import type { ActionOf } from "@weft/openflow";
import { ipv4Of, ipv6Of } from "@weft/packet";
import type { CtAction, CtNat } from "../datapath/actions.ts";
import { ipv6At } from "../datapath/fields.ts";
import { WORD } from "../flow/key.ts";
import type { Context } from "./context.ts";
import { frozenState, recirculate } from "./thaw.ts";

function natOf(action: ActionOf<"nat">): CtNat {
  const range =
    action.ipv4 !== undefined
      ? ({ min: { family: 4, ip: ipv4Of(action.ipv4.min) }, max: { family: 4, ip: ipv4Of(action.ipv4.max) } } as const)
      : action.ipv6 !== undefined
        ? ({ min: { family: 6, ip: ipv6Of(action.ipv6.min) }, max: { family: 6, ip: ipv6Of(action.ipv6.max) } } as const)
        : { min: undefined, max: undefined };
  return {
    direction: action.direction,
    ...range,
    portMin: action.ports?.min ?? 0,
    portMax: action.ports?.max ?? 0,
    persistent: action.persistent,
    hash: action.hash,
    random: action.random,
  };
}

export function xlateCt(ctx: Context, action: ActionOf<"ct">): void {
  ctx.commit();
  const { flow, wc } = ctx;
  // The mark and label in `exec` start from nothing and are written under a mask of their own.
  const saved = { mark: flow[WORD.ct_mark] as number, label: flow.slice(WORD.ct_label, WORD.ct_label + 4) };
  const savedWc = { mark: wc[WORD.ct_mark] as number, label: wc.slice(WORD.ct_label, WORD.ct_label + 4) };
  wc[WORD.ct_mark] = 0;
  wc.fill(0, WORD.ct_label, WORD.ct_label + 4);
  const { inGroup } = ctx;
  ctx.engine.actions(ctx, action.actions, false);
  ctx.inGroup = inGroup;
  const mark = wc[WORD.ct_mark] as number;
  const label = ipv6At(wc, WORD.ct_label);
  const zone = typeof action.zone === "number" ? action.zone : Number(ctx.readSubfield(action.zone) & 0xffffn);
  const nat = action.actions.findLast((a) => a.type === "nat");
  const made: CtAction = {
    type: "ct",
    commit: action.commit,
    force: action.force,
    zone,
    mark: mark === 0 ? undefined : { value: (flow[WORD.ct_mark] as number) & mark, mask: mark },
    label: label === 0n ? undefined : { value: ipv6At(flow, WORD.ct_label) & label, mask: label },
    helper: action.alg,
    nat: nat?.type === "nat" ? natOf(nat) : undefined,
  };
  ctx.odp.push(made);
  // A trace goes on with the mark and label that the connection gets.
  const tracked = action.table === undefined ? undefined : flow.slice();
  flow[WORD.ct_mark] = saved.mark;
  flow.set(saved.label, WORD.ct_label);
  wc[WORD.ct_mark] = savedWc.mark;
  wc.set(savedWc.label, WORD.ct_label);
  if (action.table !== undefined && tracked !== undefined) {
    const before = ctx.conntracked;
    ctx.conntracked = true;
    const state = frozenState(ctx, action.table, []);
    const id = recirculate(ctx, state);
    ctx.conntracked = before;
    ctx.recircs.push({ id, kind: "conntrack", flow: tracked, zone, nat: made.nat });
    ctx.report(
      "detail",
      `A clone of the packet is forked to recirculate. The forked pipeline will be resumed at table ${action.table}.`,
    );
  }
  ctx.report("detail", "Sets the packet to an untracked state, and clears all the conntrack fields.");
  clearConntrack(ctx);
}

/** Forgets what connection tracking said; nothing is emitted. */
export function clearConntrack(ctx: Context): void {
  ctx.conntracked = false;
  const { flow } = ctx;
  flow[WORD.ct_state] = 0;
  flow[WORD.ct_zone] = 0;
  flow[WORD.ct_mark] = 0;
  flow.fill(0, WORD.ct_label, WORD.ct_label + 4);
  flow.fill(0, WORD.ct_nw_src, WORD.ct_tp_dst + 1);
}

export function xlateCtClear(ctx: Context): void {
  if (!ctx.conntracked) return;
  ctx.odp.push({ type: "ct_clear" });
  clearConntrack(ctx);
}
