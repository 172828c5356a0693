/** How each action is parsed: one row a name. */
import { parseIpv4, parseMac } from "@weft/packet";
import type { Action, Subfield } from "../action/types.ts";
import { fieldMask } from "../field/access.ts";
import { fieldNamed } from "../field/lookup.ts";
import { OFPP } from "../ports.ts";
import { type ActionContext, outputTo } from "./actionContext.ts";
import { TextError } from "./error.ts";
import { parsePort, parseTable } from "./names.ts";
import { integerOf, u8, u16, u32, u64, unsigned } from "./number.ts";
import type { Item } from "./scan.ts";
import { parseSubfield, takeSubfield } from "./subfield.ts";
import { LONG_SYNTAX } from "./syntaxLong.ts";
import { formatFieldValue, parseFieldValue } from "./value.ts";

export type Syntax = (item: Item, context: ActionContext) => Action[];

function port(text: string, context: ActionContext): number {
  const found = parsePort(text, context.names);
  if (found === undefined) throw new TextError(`${text}: output to unknown port`, text);
  return found;
}

function table(text: string, context: ActionContext): number {
  const found = parseTable(text, context.names);
  if (found === undefined) throw new TextError(`unknown table "${text}"`, text);
  return found;
}

function splitArrow(text: string): [string, string] {
  const arrow = text.indexOf("->");
  if (arrow < 0) throw new TextError(`${text}: missing \`->'`, text);
  return [text.slice(0, arrow), text.slice(arrow + 2)];
}

function setField(item: Item, context: ActionContext): Action[] {
  const [value, name] = splitArrow(item.value);
  const field = fieldNamed(name);
  if (field === undefined) throw new TextError(`${name} is not a valid OXM field name`, item.value);
  if (!field.writable) throw new TextError(`${name} is read-only`, item.value);
  const parsed = parseFieldValue(field, value, context.names);
  checkCt(field.name, context);
  const isFlags = field.format === "tunnel-flags" || field.format === "tcp-flags" || field.format === "ct-state";
  // Flags parse with the mask of the bits that were named; all of them is exact.
  const full = isFlags ? fieldMask(field) : (1n << BigInt(8 * field.bytes)) - 1n;
  const mask = parsed.mask === undefined || parsed.mask === full ? undefined : parsed.mask;
  return [{ type: "set_field", field, value: parsed.value, mask }];
}

function checkCt(name: string, context: ActionContext): void {
  const isCt = name === "ct_mark" || name === "ct_label";
  if (isCt && context.within !== "ct") throw new TextError("cannot set CT fields outside of ct action");
  if (!isCt && context.within === "ct") throw new TextError(`ct action doesn't support nested modification of ${name}`);
}

function load(item: Item, context: ActionContext): Action[] {
  const [text, name] = splitArrow(item.value);
  const dst = writable(name, item.value);
  const value = integerOf(text);
  if (value === undefined || value < 0n || value >> BigInt(8 * dst.field.bytes) !== 0n)
    throw new TextError(`${item.value}: cannot parse integer value`, item.value);
  if (value >> BigInt(dst.bits) !== 0n)
    throw new TextError(
      `${item.value}: value ${formatFieldValue(dst.field, value, undefined)} does not fit into ${dst.bits} bits`,
      item.value,
    );
  checkCt(dst.field.name, context);
  return [{ type: "load", value, dst }];
}

function writable(name: string, text: string): Subfield {
  const subfield = parseSubfield(name);
  if (!subfield.field.writable) throw new TextError(`${text}: ${subfield.field.name} is not writable`, text);
  return subfield;
}

function move(item: Item, context: ActionContext): Action[] {
  const taken = takeSubfield(item.value);
  if (taken === undefined) throw new TextError(`${item.value}: unknown field \`${/^[^[-]*/.exec(item.value)![0]}'`, item.value);
  if (!taken.rest.startsWith("->")) throw new TextError(`${item.value}: missing \`->' following source`, item.value);
  const dst = writable(taken.rest.slice(2), item.value);
  const src = taken.subfield;
  if (src.bits !== dst.bits)
    throw new TextError(
      `${item.value}: source field is ${src.bits} bits wide but destination is ${dst.bits} bits wide`,
      item.value,
    );
  checkCt(dst.field.name, context);
  return [{ type: "move", src, dst }];
}

function output(item: Item, context: ActionContext): Action[] {
  if (item.delimiter === "(") {
    let to: number | undefined;
    let maxLen: number | undefined;
    for (const part of item.value.split(",")) {
      const [key, value] = part.split("=") as [string, string | undefined];
      if (key === "port") to = port(value ?? "", context);
      else if (key === "max_len") maxLen = u32(value ?? "");
      else throw new TextError(`invalid key '${key}' in output_trunc argument`, item.value);
    }
    if (to === undefined || maxLen === undefined) throw new TextError(`${item.value}: output to unknown port`, item.value);
    if (maxLen < 14) throw new TextError(`max_len ${maxLen} is less than the minimum value 14`, item.value);
    if (to >= OFPP.MAX && to !== OFPP.LOCAL && to !== OFPP.IN_PORT)
      throw new TextError(`output to unsupported truncate port: ${item.value}`, item.value);
    return [{ type: "output_trunc", port: to, maxLen }];
  }
  const number = parsePort(item.value, context.names);
  if (number !== undefined) return [outputTo(number)];
  const taken = takeSubfield(item.value);
  if (taken === undefined || taken.rest !== "") throw new TextError(`${item.value}: output to unknown port`, item.value);
  return [{ type: "output_reg", src: taken.subfield, maxLen: 0xffff }];
}

function controller(item: Item): Action[] {
  let reason: "action" | Parameters<typeof REASONS.get>[0] = "action";
  let maxLen = 0xffff;
  let controllerId = 0;
  let userdata = new Uint8Array(0);
  let pause = false;
  let meter: number | undefined;
  if (item.delimiter === ":" || item.delimiter === "=") {
    if (item.value !== "") maxLen = u16(item.value, "max_len");
  } else if (item.delimiter === "(" && !item.value.includes("=") && /^[0-9]+$/.test(item.value))
    maxLen = u16(item.value, "max_len");
  else if (item.delimiter === "(") {
    for (const part of item.value.split(/[, ]+/)) {
      if (part === "") continue;
      const equals = part.indexOf("=");
      const key = equals < 0 ? part : part.slice(0, equals);
      const value = equals < 0 ? "" : part.slice(equals + 1);
      if (key === "reason") {
        if (!REASONS.has(value)) throw new TextError(`unknown reason "${value}"`, item.value);
        reason = value;
      } else if (key === "max_len") maxLen = u16(value, "max_len");
      else if (key === "id") controllerId = u16(value, "id");
      else if (key === "userdata") userdata = hexBytes(value, "`controller' action `userdata'");
      else if (key === "pause") pause = true;
      else if (key === "meter_id") meter = u32(value);
      else throw new TextError(`unknown key "${key}" parsing controller action`, item.value);
    }
  }
  if (reason === "action" && controllerId === 0 && userdata.length === 0 && !pause && meter === undefined)
    return [outputTo(OFPP.CONTROLLER, maxLen)];
  return [{ type: "controller", maxLen, reason: REASONS.get(reason)!, controllerId, userdata, pause, meter }];
}

const REASONS = new Map(
  (["no_match", "action", "invalid_ttl", "action_set", "group", "packet_out", "explicit_miss", "implicit_miss"] as const).map(
    (name) => [name as string, name],
  ),
);

/** Pairs of hex digits, with periods between them if one likes. */
export function hexBytes(text: string, where: string): Uint8Array<ArrayBuffer> {
  const digits = text.replace(/[. ]/g, "");
  if (!/^([0-9a-fA-F]{2})*$/.test(digits)) throw new TextError(`bad hex digit in ${where}`, text);
  const bytes = new Uint8Array(digits.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

function enqueue(item: Item, context: ActionContext): Action[] {
  const found = /^([^:,]+)[:,](.+)$/.exec(item.value);
  if (found === null) throw new TextError('"enqueue" syntax is "enqueue:PORT:QUEUE" or "enqueue(PORT,QUEUE)"', item.value);
  const to = parsePort(found[1]!.trim(), context.names);
  if (to === undefined) throw new TextError(`${found[1]}: enqueue to unknown port`, item.value);
  return [{ type: "enqueue", port: to, queue: u32(found[2]!.trim()) }];
}

function resubmit(item: Item, context: ActionContext): Action[] {
  const [portText = "", tableText = "", ct = ""] = item.value.split(",").map((part) => part.trim());
  let inPort: number | undefined;
  if (portText !== "") {
    inPort = parsePort(portText, context.names);
    if (inPort === undefined) throw new TextError(`${portText}: resubmit to unknown port`, item.value);
    if (inPort === OFPP.IN_PORT) inPort = undefined;
  }
  let inTable: number | undefined;
  if (tableText !== "") {
    inTable = parseTable(tableText, context.names);
    if (inTable === undefined) throw new TextError(`${tableText}: resubmit to unknown table`, item.value);
    if (inTable === 255) inTable = undefined;
  }
  if (ct !== "" && ct !== "ct") throw new TextError(`${ct}: unknown parameter`, item.value);
  if (inPort === undefined && inTable === undefined)
    throw new TextError('at least one "in_port" or "table" must be specified on resubmit', item.value);
  return [{ type: "resubmit", port: inPort, table: inTable, ct: ct === "ct" }];
}

function mac(text: string): number {
  const value = parseMac(text);
  if (value === undefined) throw new TextError(`invalid mac address ${text}`, text);
  return value;
}

function ip(text: string): number {
  const value = parseIpv4(text);
  if (value === undefined) throw new TextError(`invalid IP address ${text}`, text);
  return value;
}

function ethertype(text: string, name: string, action: string, allowed?: readonly number[]): number {
  const value = u16(text, action);
  if (allowed !== undefined && !allowed.includes(value)) throw new TextError(`${text}: not a valid ${name} ethertype`, text);
  return value;
}

function limited(value: number, max: number, what: string): number {
  if (value > max) throw new TextError(`${value}: not a valid ${what}`);
  return value;
}

function decTtl(item: Item): Action[] {
  const controllers = item.value
    .split(/[, ]+/)
    .filter((id) => id !== "")
    .map((id) => u16(id, "controller ID"));
  if (item.delimiter !== "" && item.value !== "" && controllers.length === 0)
    throw new TextError("dec_ttl_cnt_ids: expected at least one controller id.", item.value);
  return [{ type: "dec_ttl", controllers: controllers.length === 0 ? [0] : controllers }];
}

function note(item: Item): Action[] {
  const given = hexBytes(item.value, "`note' argument");
  const length = Math.max(6, Math.ceil((given.length - 6) / 8) * 8 + 6);
  const data = new Uint8Array(length);
  data.set(given);
  return [{ type: "note", data }];
}

function writeMetadata(item: Item): Action[] {
  const [value, mask] = item.value.split("/") as [string, string | undefined];
  return [{ type: "write_metadata", value: u64(value), mask: mask === undefined ? 0xffffffffffffffffn : u64(mask) }];
}

function bare(action: Action): Syntax {
  return (item) => {
    if (item.value !== "") throw new TextError(`${item.key}: does not take an argument`, item.value);
    return [action];
  };
}

const MPLS_TYPES = [0x8847, 0x8848];

/** Rows by name, small letters. */
export const SYNTAX: ReadonlyMap<string, Syntax> = new Map<string, Syntax>([
  ["output", output],
  ["controller", controller],
  ["enqueue", enqueue],
  ["group", (item) => [{ type: "group", group: u32(item.value) }]],
  ["strip_vlan", bare({ type: "strip_vlan" })],
  ["pop_vlan", bare({ type: "strip_vlan", pop: true })],
  ["mod_vlan_vid", (item) => [{ type: "mod_vlan_vid", vid: vlanVid(item.value), pushIfNeeded: true }]],
  ["set_vlan_vid", (item) => [{ type: "mod_vlan_vid", vid: vlanVid(item.value), pushIfNeeded: false }]],
  ["mod_vlan_pcp", (item) => [{ type: "mod_vlan_pcp", pcp: vlanPcp(item.value), pushIfNeeded: true }]],
  ["set_vlan_pcp", (item) => [{ type: "mod_vlan_pcp", pcp: vlanPcp(item.value), pushIfNeeded: false }]],
  ["push_vlan", (item) => [{ type: "push_vlan", ethertype: ethertype(item.value, "VLAN", "push_vlan", [0x8100, 0x88a8]) }]],
  ["push_mpls", (item) => [{ type: "push_mpls", ethertype: ethertype(item.value, "MPLS", "push_mpls", MPLS_TYPES) }]],
  ["pop_mpls", (item) => [{ type: "pop_mpls", ethertype: ethertype(item.value, "MPLS", "pop_mpls") }]],
  ["set_mpls_label", (item) => [{ type: "set_mpls_label", label: limited(u32(item.value), 0xfffff, "MPLS label") }]],
  ["set_mpls_tc", (item) => [{ type: "set_mpls_tc", tc: limited(u8(item.value, "MPLS TC"), 7, "MPLS TC") }]],
  ["set_mpls_ttl", (item) => [{ type: "set_mpls_ttl", ttl: u8(item.value, "MPLS TTL") }]],
  ["dec_mpls_ttl", bare({ type: "dec_mpls_ttl" })],
  ["mod_dl_src", (item) => [{ type: "mod_dl_src", mac: mac(item.value) }]],
  ["mod_dl_dst", (item) => [{ type: "mod_dl_dst", mac: mac(item.value) }]],
  ["mod_nw_src", (item) => [{ type: "mod_nw_src", address: ip(item.value) }]],
  ["mod_nw_dst", (item) => [{ type: "mod_nw_dst", address: ip(item.value) }]],
  ["mod_nw_tos", (item) => [{ type: "mod_nw_tos", tos: tosOf(item.value) }]],
  ["mod_nw_ecn", (item) => [{ type: "mod_nw_ecn", ecn: limited(u8(item.value, "ECN"), 3, "ECN") }]],
  ["mod_nw_ttl", (item) => [{ type: "mod_nw_ttl", ttl: u8(item.value, "TTL") }]],
  ["mod_tp_src", (item) => [{ type: "mod_tp_src", port: u16(item.value, "source port") }]],
  ["mod_tp_dst", (item) => [{ type: "mod_tp_dst", port: u16(item.value, "destination port") }]],
  ["dec_ttl", decTtl],
  ["dec_nsh_ttl", bare({ type: "dec_nsh_ttl" })],
  ["set_field", setField],
  ["load", load],
  ["reg_load", load],
  ["move", move],
  ["push", (item) => [{ type: "push", src: parseSubfield(item.value) }]],
  ["pop", (item) => [{ type: "pop", dst: writable(item.value, item.value) }]],
  ["set_tunnel", (item) => [{ type: "set_tunnel", id: u64(item.value), wide: false }]],
  ["set_tunnel64", (item) => [{ type: "set_tunnel", id: u64(item.value), wide: true }]],
  ["set_queue", (item) => [{ type: "set_queue", queue: u32(item.value) }]],
  ["pop_queue", bare({ type: "pop_queue" })],
  ["resubmit", resubmit],
  ["note", note],
  ["ct_clear", bare({ type: "ct_clear" })],
  ["exit", bare({ type: "exit" })],
  ["clone", (item, context) => [{ type: "clone", actions: context.parse(item.value, "clone") }]],
  ["meter", (item) => [{ type: "meter", meter: u32(item.value) }]],
  ["clear_actions", bare({ type: "clear_actions" })],
  ["write_actions", (item, context) => [{ type: "write_actions", actions: context.parse(item.value, "write_actions") }]],
  ["write_metadata", writeMetadata],
  ["goto_table", (item, context) => [{ type: "goto_table", table: table(item.value, context) }]],
  ...LONG_SYNTAX,
]);

function vlanVid(text: string): number {
  const value = u16(text, "VLAN VID");
  if ((value & ~0xfff) !== 0) throw new TextError(`${value}: not a valid VLAN VID`, text);
  return value;
}

function vlanPcp(text: string): number {
  const value = u8(text, "VLAN PCP");
  if ((value & ~7) !== 0) throw new TextError(`${value}: not a valid VLAN PCP`, text);
  return value;
}

function tosOf(text: string): number {
  const value = unsigned(text, 0xff, "TOS");
  if ((value & 3) !== 0) throw new TextError(`${value}: not a valid TOS`, text);
  return value;
}
