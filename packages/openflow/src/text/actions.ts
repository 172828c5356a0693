/**
 * Actions as text. One row of {@link SYNTAX} for every name: how it is parsed. One row of {@link PRINT} for every type: how
 * it is printed. The completeness test compares both with the union of types.
 */

import { formatIpv4, ipv4Of } from "@weft/packet";
import type { Action, ActionOf, ActionType } from "../action/types.ts";
import { OFPP } from "../ports.ts";
import { instructionOrderProblem } from "../wire/instructions.ts";
import { type ActionContext, outputTo, type Within } from "./actionContext.ts";
import { TextError } from "./error.ts";
import { formatPort, formatTable, type Names, NO_NAMES, parsePort } from "./names.ts";
import { integerOf } from "./number.ts";
import { PRINT_MORE } from "./printActions.ts";
import { type Item, Scanner } from "./scan.ts";
import { formatSubfield } from "./subfield.ts";
import { SYNTAX } from "./syntax.ts";
import { formatFieldValue, formatMacNumber, hex } from "./value.ts";

/** Parses the text after `actions=`. Only a flow's may have instructions. Throws a TextError. */
export function parseActions(text: string, names: Names = NO_NAMES, within: "flow" | "list" = "flow"): Action[] {
  return parseList(text, names, within);
}

function parseList(text: string, names: Names, within: Within): Action[] {
  const context: ActionContext = { names, within, parse: (inner, where) => parseList(inner, names, where) };
  const actions: Action[] = [];
  const scanner = new Scanner(text);
  let count = 0;
  let drop = false;
  for (let item = scanner.next(); item !== undefined; item = scanner.next()) {
    count++;
    try {
      if (item.key.toLowerCase() === "drop" && item.delimiter === "") drop = true;
      else actions.push(...parseOne(item, context));
    } catch (error) {
      if (error instanceof TextError && error.place.offset === undefined) throw new TextError(error.message, text, item.start);
      throw error;
    }
  }
  const problem = misplaced(actions, within) ?? instructionOrderProblem(actions);
  if (problem !== undefined) throw new TextError(problem, text);
  if (drop && count > 1) throw new TextError('"drop" must not be accompanied by any other action or instruction', text);
  return actions;
}

const INSTRUCTIONS: ReadonlySet<ActionType> = new Set(["clear_actions", "write_actions", "write_metadata", "goto_table"]);
const IN_CT: ReadonlySet<ActionType> = new Set(["set_field", "load", "move", "nat"]);

/** What is wrong with an action in this place. */
function misplaced(actions: readonly Action[], within: Within): string | undefined {
  if (within === "flow") return undefined;
  for (const { type } of actions) {
    if (within === "ct" ? !IN_CT.has(type) : type === "meter" && within !== "list")
      return `${within} action doesn't support nested action ${type}`;
    if (INSTRUCTIONS.has(type)) return `${type} instruction not allowed here`;
  }
  return undefined;
}

function parseOne(item: Item, context: ActionContext): Action[] {
  const syntax = SYNTAX.get(item.key.toLowerCase());
  if (syntax !== undefined) return syntax(item, context);
  if (item.delimiter === "") {
    const port = parsePort(item.key, context.names);
    if (port !== undefined) return [outputTo(port)];
    if (integerOf(item.key) !== undefined) throw new TextError(`${item.key}: output to unknown port`);
  }
  throw new TextError(`unknown action ${item.key}`);
}

/** The actions as ovs-ofctl prints them; "drop" for none. */
export function formatActions(actions: readonly Action[], names: Names = NO_NAMES): string {
  if (actions.length === 0) return "drop";
  let text = "";
  for (let i = 0; i < actions.length; i++) text += (i === 0 ? "" : ",") + formatAction(actions[i]!, names);
  return text;
}

export type Print<T extends ActionType> = (action: ActionOf<T>, names: Names) => string;

export type PrintTable = { readonly [T in ActionType]: Print<T> };

const hex4 = (n: number) => `0x${n.toString(16).padStart(4, "0")}`;

const PRINT: PrintTable = {
  ...PRINT_MORE,
  output: ({ port, maxLen }, names) =>
    port < OFPP.MAX
      ? `output:${formatPort(port, names)}`
      : port === OFPP.CONTROLLER
        ? `CONTROLLER:${maxLen ?? 0xffff}`
        : formatPort(port, names),
  output_reg: ({ src }) => `output:${formatSubfield(src)}`,
  output_trunc: ({ port, maxLen }, names) => `output(port=${formatPort(port, names)},max_len=${maxLen})`,
  enqueue: ({ port, queue }, names) => `enqueue:${formatPort(port, names)}:${queue}`,
  group: ({ group }) => `group:${group}`,
  strip_vlan: ({ pop }) => (pop === true ? "pop_vlan" : "strip_vlan"),
  mod_vlan_vid: ({ vid, pushIfNeeded }) => `${pushIfNeeded ? "mod_vlan_vid" : "set_vlan_vid"}:${vid}`,
  mod_vlan_pcp: ({ pcp, pushIfNeeded }) => `${pushIfNeeded ? "mod_vlan_pcp" : "set_vlan_pcp"}:${pcp}`,
  push_vlan: ({ ethertype }) => `push_vlan:${hex4(ethertype)}`,
  push_mpls: ({ ethertype }) => `push_mpls:${hex4(ethertype)}`,
  pop_mpls: ({ ethertype }) => `pop_mpls:${hex4(ethertype)}`,
  set_mpls_label: ({ label }) => `set_mpls_label(${label})`,
  set_mpls_tc: ({ tc }) => `set_mpls_tc(${tc})`,
  set_mpls_ttl: ({ ttl }) => `set_mpls_ttl(${ttl})`,
  dec_mpls_ttl: () => "dec_mpls_ttl",
  mod_dl_src: ({ mac }) => `mod_dl_src:${formatMacNumber(mac)}`,
  mod_dl_dst: ({ mac }) => `mod_dl_dst:${formatMacNumber(mac)}`,
  mod_nw_src: ({ address }) => `mod_nw_src:${formatIpv4(ipv4Of(address))}`,
  mod_nw_dst: ({ address }) => `mod_nw_dst:${formatIpv4(ipv4Of(address))}`,
  mod_nw_tos: ({ tos }) => `mod_nw_tos:${tos}`,
  mod_nw_ecn: ({ ecn }) => `mod_nw_ecn:${ecn}`,
  mod_nw_ttl: ({ ttl }) => `mod_nw_ttl:${ttl}`,
  mod_tp_src: ({ port }) => `mod_tp_src:${port}`,
  mod_tp_dst: ({ port }) => `mod_tp_dst:${port}`,
  dec_ttl: ({ controllers }) =>
    controllers.length === 1 && controllers[0] === 0 ? "dec_ttl" : `dec_ttl(${controllers.join(",")})`,
  dec_nsh_ttl: () => "dec_nsh_ttl",
  set_field: ({ field, value, mask }, names) => `set_field:${formatFieldValue(field, value, mask, names)}->${field.name}`,
  load: ({ value, dst }) => `load:${hex(value)}->${formatSubfield(dst)}`,
  move: ({ src, dst }) => `move:${formatSubfield(src)}->${formatSubfield(dst)}`,
  push: ({ src }) => `push:${formatSubfield(src)}`,
  pop: ({ dst }) => `pop:${formatSubfield(dst)}`,
  set_tunnel: ({ id, wide }) => `${wide || id > 0xffffffffn ? "set_tunnel64" : "set_tunnel"}:${hex(id)}`,
  set_queue: ({ queue }) => `set_queue:${queue}`,
  pop_queue: () => "pop_queue",
  resubmit: ({ port, table, ct }, names) => {
    if (port !== undefined && table === undefined && !ct) return `resubmit:${formatPort(port, names)}`;
    const inPort = port === undefined ? "" : formatPort(port, names);
    return `resubmit(${inPort},${table === undefined ? "" : formatTable(table, names)}${ct ? ",ct" : ""})`;
  },
  ct_clear: () => "ct_clear",
  exit: () => "exit",
  conjunction: ({ id, clause, clauses }) => `conjunction(${id},${clause}/${clauses})`,
  clone: ({ actions }, names) => `clone(${formatActions(actions, names)})`,
  meter: ({ meter }) => `meter:${meter}`,
  clear_actions: () => "clear_actions",
  write_actions: ({ actions }, names) => `write_actions(${formatActions(actions, names)})`,
  write_metadata: ({ value, mask }) => `write_metadata:${hex(value)}${mask === 0xffffffffffffffffn ? "" : `/${hex(mask)}`}`,
  goto_table: ({ table }, names) => `goto_table:${formatTable(table, names)}`,
  ct: (action, names) => {
    const parts: string[] = [];
    if (action.commit) parts.push("commit");
    if (action.force) parts.push("force");
    if (action.table !== undefined) parts.push(`table=${formatTable(action.table, names)}`);
    if (typeof action.zone !== "number") parts.push(`zone=${formatSubfield(action.zone)}`);
    else if (action.zone !== 0) parts.push(`zone=${action.zone}`);
    for (const inner of action.actions) if (inner.type === "nat") parts.push(formatAction(inner, names));
    const exec = action.actions.filter((inner) => inner.type !== "nat");
    if (exec.length > 0) parts.push(`exec(${formatActions(exec, names)})`);
    if (action.alg !== undefined) parts.push(`alg=${action.alg}`);
    return `ct(${parts.join(",")})`;
  },
};

/** One action as text. */
export function formatAction(action: Action, names: Names = NO_NAMES): string {
  // The row for an action's type takes that type's actions; TypeScript cannot follow this through the table.
  const print = PRINT[action.type] as Print<ActionType>;
  return print(action, names);
}

/** Types that have a printer, for the completeness test. */
export const PRINTED_TYPES: readonly string[] = Object.keys(PRINT);
