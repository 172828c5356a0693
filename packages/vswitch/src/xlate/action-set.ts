/** The action set (OpenFlow 1.5 section 5.6): what write_actions collects, in the order in which it is carried out. */
import { type Action, OFPP } from "@weft/openflow";
import { WORD } from "../flow/key.ts";
import type { Context } from "./context.ts";

/** OpenFlow's action set is executed in a fixed order (OpenFlow 1.5 section 5.6), the last one of a kind counting. */
const SET_ORDER: readonly Action["type"][] = [
  "strip_vlan",
  "decap",
  "pop_mpls",
  "push_mpls",
  "encap",
  "push_vlan",
  "dec_ttl",
  "dec_mpls_ttl",
  "dec_nsh_ttl",
];
const SET_MODIFY: ReadonlySet<Action["type"]> = new Set([
  "load",
  "move",
  "mod_dl_dst",
  "mod_dl_src",
  "mod_nw_dst",
  "mod_nw_src",
  "mod_nw_tos",
  "mod_nw_ecn",
  "mod_nw_ttl",
  "mod_tp_dst",
  "mod_tp_src",
  "mod_vlan_pcp",
  "mod_vlan_vid",
  "set_field",
  "set_mpls_label",
  "set_mpls_tc",
  "set_mpls_ttl",
  "set_queue",
  "set_tunnel",
]);

export function effectiveActionSet(written: readonly Action[]): Action[] {
  const out: Action[] = [];
  const lastOf = (type: Action["type"]): Action | undefined => written.findLast((a) => a.type === type);
  for (const type of SET_ORDER) {
    const action = lastOf(type);
    if (action !== undefined) out.push(action);
  }
  for (const action of written) if (SET_MODIFY.has(action.type)) out.push(action);
  const end =
    lastOf("group") ??
    written.findLast((a) => a.type === "output" || a.type === "output_reg" || a.type === "controller") ??
    lastOf("resubmit") ??
    lastOf("ct");
  if (end === undefined) return out;
  out.push(end);
  return out;
}

export const hasOutput = (actions: readonly Action[]): boolean =>
  actions.some((a) => ["group", "output", "output_reg", "controller", "resubmit", "ct", "clone"].includes(a.type));

export function updateActsetOutput(ctx: Context): void {
  const set = effectiveActionSet(ctx.actionSet);
  const output = set.find((a) => a.type === "output");
  ctx.flow[WORD.actset_output] = output?.type === "output" && !set.some((a) => a.type === "group") ? output.port : OFPP.UNSET;
}
