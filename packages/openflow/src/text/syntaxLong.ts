/** Parsers of the longer actions. */
import { parseIpv4, parseIpv6 } from "@weft/packet";
import type {
  Action,
  BundleAlgorithm,
  EncapProperty,
  HashFields,
  LearnSource,
  LearnSpec,
  MultipathAlgorithm,
  NatRange,
  Subfield,
} from "../action/types.ts";
import { fieldMask } from "../field/access.ts";
import { fieldNamed } from "../field/lookup.ts";
import { OFPP } from "../ports.ts";
import type { ActionContext } from "./actionContext.ts";
import { TextError } from "./error.ts";
import { parsePort, parseTable } from "./names.ts";
import { integerOf, u8, u16, u32, u64 } from "./number.ts";
import { type Item, items } from "./scan.ts";
import { parseSubfield, takeSubfield } from "./subfield.ts";
import type { Syntax } from "./syntax.ts";
import { type MaskedValue, parseFieldValue } from "./value.ts";

const HASH_FIELDS: readonly HashFields[] = [
  "eth_src",
  "symmetric_l4",
  "symmetric_l3l4",
  "symmetric_l3l4+udp",
  "nw_src",
  "nw_dst",
  "symmetric_l3",
];

function hashFields(text: string, whole: string): HashFields {
  const found = HASH_FIELDS.find((name) => name === text.toLowerCase());
  if (found === undefined) throw new TextError(`${whole}: unknown fields \`${text}'`, whole);
  return found;
}

function bundle(item: Item, context: ActionContext): Action[] {
  const text = item.value;
  const isLoad = item.key.toLowerCase() === "bundle_load";
  const parts = text.split(/[, ]+/);
  const [fields, basis, algorithm, memberType] = parts;
  const dstText = isLoad ? parts[4] : undefined;
  const members = parts.slice(isLoad ? 5 : 4).join(",");
  const found = /^(members|slaves):?,?(.*)$/.exec(members);
  if (fields === undefined || basis === undefined || algorithm === undefined || memberType === undefined || found === null)
    throw new TextError(`${text}: not enough arguments to bundle action`, text);
  const chosen = algorithm.toLowerCase();
  if (chosen !== "hrw" && chosen !== "active_backup") throw new TextError(`${text}: unknown algorithm \`${algorithm}'`, text);
  if (memberType.toLowerCase() !== "ofport") throw new TextError(`${text}: unknown member_type \`${memberType}'`, text);
  const ports = found[2]!
    .split(",")
    .filter((name) => name !== "")
    .map((name) => {
      const port = parsePort(name, context.names);
      if (port === undefined) throw new TextError(`${name}: bad port number`, text);
      return port;
    });
  let dst: Subfield | undefined;
  if (dstText !== undefined) {
    dst = parseSubfield(dstText);
    if (dst.bits < 16) throw new TextError(`${text}: bundle_load destination is too small`, text);
  }
  return [
    {
      type: "bundle",
      fields: hashFields(fields, text),
      basis: u16(basis, "basis"),
      algorithm: chosen satisfies BundleAlgorithm,
      ports,
      dst,
    },
  ];
}

const MULTIPATH: readonly MultipathAlgorithm[] = ["modulo_n", "hash_threshold", "hrw", "iter_hash"];

function multipath(item: Item): Action[] {
  const text = item.value;
  const [fields, basis, algorithm, links, arg, dst] = text.split(/[, ]+/);
  if (
    fields === undefined ||
    basis === undefined ||
    algorithm === undefined ||
    links === undefined ||
    arg === undefined ||
    dst === undefined
  )
    throw new TextError(`${text}: not enough arguments to multipath action`, text);
  const chosen = MULTIPATH.find((name) => name === algorithm.toLowerCase());
  if (chosen === undefined) throw new TextError(`${text}: unknown algorithm \`${algorithm}'`, text);
  const count = u32(links);
  if (count < 1 || count > 65536) throw new TextError(`${text}: n_links ${count} is not in valid range 1 to 65536`, text);
  const to = parseSubfield(dst);
  if (to.bits < 16 && count > 2 ** to.bits)
    throw new TextError(
      `${text}: ${to.bits}-bit destination field has ${2 ** to.bits} possible values, less than specified n_links ${count}`,
      text,
    );
  return [
    {
      type: "multipath",
      fields: hashFields(fields, text),
      basis: u16(basis, "basis"),
      algorithm: chosen,
      links: count,
      arg: u32(arg),
      dst: to,
    },
  ];
}

function conjunction(item: Item): Action[] {
  const found = /^([^,]+),[ ]*([0-9]+)\/([0-9]+)$/.exec(item.value);
  if (found === null) throw new TextError('"conjunction" syntax is "conjunction(id,i/n)"', item.value);
  const clause = Number(found[2]);
  const clauses = Number(found[3]);
  if (clauses < 2) throw new TextError("conjunction must have at least 2 clauses", item.value);
  if (clauses > 64) throw new TextError("conjunction must have at most 64 clauses", item.value);
  if (clause < 1) throw new TextError("clause index must be positive", item.value);
  if (clause > clauses) throw new TextError("clause index must be less than or equal to number of clauses", item.value);
  return [{ type: "conjunction", id: u32(found[1]!), clause, clauses }];
}

function finTimeout(item: Item): Action[] {
  let idleTimeout = 0;
  let hardTimeout = 0;
  for (const { key, value } of items(item.value)) {
    if (key === "idle_timeout") idleTimeout = u16(value, key);
    else if (key === "hard_timeout") hardTimeout = u16(value, key);
    else throw new TextError(`invalid key '${key}' in 'fin_timeout' argument`, item.value);
  }
  return [{ type: "fin_timeout", idleTimeout, hardTimeout }];
}

function observed(text: string): number | Subfield {
  return /^[0-9]/.test(text) ? u32(text) : parseSubfield(text);
}

function sample(item: Item, context: ActionContext): Action[] {
  let probability = 0;
  let collectorSet = 0;
  let obsDomain: number | Subfield = 0;
  let obsPoint: number | Subfield = 0;
  let samplingPort: number = OFPP.NONE;
  let direction: "default" | "ingress" | "egress" = "default";
  for (const { key, value } of items(item.value)) {
    if (key === "probability") {
      probability = u16(value, "probability");
      if (probability === 0) throw new TextError(`invalid probability value "${value}"`, item.value);
    } else if (key === "collector_set_id") collectorSet = u32(value);
    else if (key === "obs_domain_id") obsDomain = observed(value);
    else if (key === "obs_point_id") obsPoint = observed(value);
    else if (key === "sampling_port") {
      const port = parsePort(value, context.names);
      if (port === undefined) throw new TextError(`${value}: unknown port`, item.value);
      samplingPort = port;
    } else if (key === "ingress" || key === "egress") direction = key;
    else throw new TextError(`invalid key "${key}" in "sample" argument`, item.value);
  }
  if (probability === 0) throw new TextError('non-zero "probability" must be specified on sample', item.value);
  return [{ type: "sample", probability, collectorSet, obsDomain, obsPoint, samplingPort, direction }];
}

function natRange<A>(text: string, parse: (text: string) => A | undefined, whole: string): NatRange<A> {
  const [first, last] = text.split("-") as [string, string | undefined];
  const min = parse(first);
  const max = last === undefined ? min : parse(last);
  if (min === undefined || max === undefined) throw new TextError(`invalid IP address or range "${whole}"`, whole);
  return { min, max };
}

function parsePorts(text: string, whole: string): NatRange<number> {
  const found = /^([0-9]+)(?:-([0-9]+))?$/.exec(text);
  if (found === null) throw new TextError(`invalid range "${whole}"`, whole);
  const min = u16(found[1]!, "port");
  const max = found[2] === undefined ? min : u16(found[2], "port");
  if (max < min) throw new TextError(`invalid range ${whole}`, whole);
  return { min, max };
}

function nat(item: Item): Action[] {
  let direction: "src" | "dst" | undefined;
  let persistent = false;
  let hash = false;
  let random = false;
  let ipv4: NatRange<number> | undefined;
  let ipv6: NatRange<bigint> | undefined;
  let ports: NatRange<number> | undefined;
  for (const { key, value } of items(item.value)) {
    if (key === "src" || key === "dst") {
      direction = key;
      if (value === "") continue;
      const v4 = /^([0-9]+\.[0-9.]+(?:-[0-9.]+)?)(?::(.+))?$/.exec(value);
      const bracketed = /^(\[[0-9a-fA-F:.]+\](?:-\[[0-9a-fA-F:.]+\])?)(?::(.+))?$/.exec(value);
      if (v4 !== null) {
        ipv4 = natRange(v4[1]!, parseIpv4, value);
        if (ipv4.max < ipv4.min) throw new TextError(`invalid nat range "${value}"`, item.value);
        if (v4[2] !== undefined) ports = parsePorts(v4[2], value);
      } else {
        ipv6 = natRange((bracketed === null ? value : bracketed[1]!).replace(/[[\]]/g, ""), parseIpv6, value);
        if (ipv6.max < ipv6.min) throw new TextError(`invalid nat range "${value}"`, item.value);
        if (bracketed?.[2] !== undefined) ports = parsePorts(bracketed[2], value);
      }
    } else if (key === "persistent") persistent = true;
    else if (key === "hash") hash = true;
    else if (key === "random") random = true;
    else throw new TextError(`invalid key "${key}" in "nat" argument`, item.value);
  }
  if (direction === undefined && (persistent || hash || random))
    throw new TextError("Flags allowed only with SNAT or DNAT", item.value);
  if (hash && random) throw new TextError("Both hash and random are not allowed", item.value);
  return [{ type: "nat", direction, persistent, hash, random, ipv4, ipv6, ports }];
}

function ct(item: Item, context: ActionContext): Action[] {
  let commit = false;
  let force = false;
  let zone: number | Subfield = 0;
  let table: number | undefined;
  let alg: "ftp" | "tftp" | undefined;
  const actions: Action[] = [];
  for (const part of items(item.value)) {
    const { key, value } = part;
    if (key === "commit") commit = true;
    else if (key === "force") force = true;
    else if (key === "table") {
      table = parseTable(value, context.names);
      if (table === undefined) throw new TextError(`unknown table ${value}`, item.value);
      if (table === 255) throw new TextError("invalid table 0xff", item.value);
    } else if (key === "zone") {
      const number = integerOf(value);
      zone = number !== undefined && number >= 0n && number <= 0xffffn ? Number(number) : parseSubfield(value);
    } else if (key === "alg") {
      if (value !== "ftp" && value !== "tftp") throw new TextError(`invalid conntrack helper "${value}"`, item.value);
      alg = value;
    } else if (key === "nat") {
      actions.push(...nat(part));
    } else if (key === "exec") actions.push(...context.parse(value, "ct"));
    else throw new TextError(`invalid argument to "ct" action: \`${key}'`, item.value);
  }
  if (force && !commit) throw new TextError('"force" flag requires "commit" flag.', item.value);
  return [{ type: "ct", commit, force, zone, table, alg, actions: orderCt(actions) }];
}

/** nat comes before what is executed. */
function orderCt(actions: readonly Action[]): Action[] {
  return [...actions.filter((a) => a.type === "nat"), ...actions.filter((a) => a.type !== "nat")];
}

function learn(item: Item, context: ActionContext): Action[] {
  let idleTimeout = 0;
  let hardTimeout = 0;
  let priority = 32768;
  let cookie = 0n;
  let table = 1;
  let finIdleTimeout = 0;
  let finHardTimeout = 0;
  let sendFlowRemoved = false;
  let deleteLearned = false;
  let limit = 0;
  let resultDst: Subfield | undefined;
  const specs: LearnSpec[] = [];
  for (const part of items(item.value)) {
    const { key, value } = part;
    if (key === "table") {
      const found = parseTable(value, context.names);
      if (found === undefined) throw new TextError(`unknown table ${value}`, item.value);
      if (found === 255) throw new TextError(`${item.value}: table id 255 not valid for \`learn' action`, item.value);
      table = found;
    } else if (key === "priority") priority = u16(value, key);
    else if (key === "idle_timeout") idleTimeout = u16(value, key);
    else if (key === "hard_timeout") hardTimeout = u16(value, key);
    else if (key === "fin_idle_timeout") finIdleTimeout = u16(value, key);
    else if (key === "fin_hard_timeout") finHardTimeout = u16(value, key);
    else if (key === "cookie") cookie = u64(value);
    else if (key === "send_flow_rem") sendFlowRemoved = true;
    else if (key === "delete_learned") deleteLearned = true;
    else if (key === "limit") limit = u32(value);
    else if (key === "result_dst") {
      resultDst = parseSubfield(value);
      if (resultDst.bits !== 1) throw new TextError(`result_dst in 'learn' action must be a single bit`, item.value);
    } else specs.push(learnSpec(part, item.value, context));
  }
  return [
    {
      type: "learn",
      idleTimeout,
      hardTimeout,
      priority,
      cookie,
      table,
      finIdleTimeout,
      finHardTimeout,
      sendFlowRemoved,
      deleteLearned,
      limit,
      resultDst,
      specs,
    },
  ];
}

function learnSpec(part: Item, whole: string, context: ActionContext): LearnSpec {
  const { key, value } = part;
  if (key === "output") {
    const src = parseSubfield(value);
    return { kind: "output", bits: src.bits, src };
  }
  if (key === "load") {
    const arrow = value.indexOf("->");
    if (arrow < 0) throw new TextError(`${value}: missing \`->'`, whole);
    const dst = parseSubfield(value.slice(arrow + 2));
    const from = value.slice(0, arrow);
    const field = takeSubfield(from);
    if (field !== undefined && field.rest === "") {
      const { bits } = field.subfield;
      if (bits !== dst.bits)
        throw new TextError(`${value}: source field is ${bits} bits wide but destination is ${dst.bits} bits wide`, whole);
      return { kind: "load", bits: dst.bits, dst, src: field.subfield };
    }
    const number = integerOf(from);
    if (number === undefined) throw new TextError(`load: garbage before \`->' in \`${value}'`, whole);
    if (number < 0n || number >> BigInt(dst.bits) !== 0n)
      throw new TextError(`${value}: value does not fit into ${dst.bits} bits`, whole);
    return { kind: "load", bits: dst.bits, dst, src: { value: number } };
  }
  const taken = takeSubfield(key);
  if (taken === undefined || taken.rest !== "") throw new TextError(`${whole}: unknown keyword ${key}`, whole);
  const dst = taken.subfield;
  if (part.delimiter === "") return { kind: "match", bits: dst.bits, dst, src: dst };
  return { kind: "match", bits: dst.bits, dst, src: learnSource(key, value, dst, whole, context) };
}

function checkWidths(dstText: string, dst: Subfield, srcText: string, src: Subfield, whole: string): void {
  if (src.bits !== dst.bits)
    throw new TextError(`${whole}: bit widths of ${dstText} (${src.bits}) and ${srcText} (${dst.bits}) differ`, whole);
}

/** A field of the packet, or a value in the form of the field that is matched. */
function learnSource(key: string, text: string, dst: Subfield, whole: string, context: ActionContext): LearnSource {
  let notField: string;
  try {
    const src = parseSubfield(text);
    checkWidths(key, dst, text, src, `${key}=${text}`);
    return src;
  } catch (error) {
    if (!(error instanceof TextError) || /bit widths/.test(error.message)) throw error;
    notField = error.message;
  }
  const refuse = (why: string): TextError =>
    new TextError(
      `${whole}: ${key} value ${text} cannot be parsed as a subfield (${notField}) or an immediate value (${why})`,
      whole,
    );
  const isWhole = dst.offset === 0 && dst.bits === dst.field.bits;
  if (isWhole) {
    let parsed: MaskedValue;
    try {
      parsed = parseFieldValue(dst.field, text, context.names);
    } catch (error) {
      if (!(error instanceof TextError)) throw error;
      throw refuse(error.message);
    }
    if (parsed.mask !== undefined && parsed.mask !== fieldMask(dst.field)) throw refuse(`${text}: wildcards not allowed here`);
    return { value: parsed.value };
  }
  const value = integerOf(text);
  if (value === undefined || value < 0n) throw refuse(`${text}: cannot parse integer value`);
  if (value >> BigInt(dst.bits) !== 0n) throw new TextError(`${key}=${text}: value does not fit into ${dst.bits} bits`, whole);
  return { value };
}

function checkPacketLarger(item: Item): Action[] {
  if (!item.suffix.startsWith("->")) throw new TextError(`${item.value}: missing \`->'`, item.value);
  const dst = parseSubfield(item.suffix.slice(2));
  if (dst.bits !== 1) throw new TextError(`Only 1-bit destination field is allowed`, item.value);
  return [{ type: "check_pkt_larger", length: u16(item.value, "length of the packet"), dst }];
}

function deleteField(item: Item): Action[] {
  const field = fieldNamed(item.value);
  if (field === undefined) throw new TextError(`unknown field \`${item.value}'`, item.value);
  return [{ type: "delete_field", field }];
}

const ENCAPS: ReadonlyMap<string, number> = new Map([
  ["ethernet", 0],
  ["nsh", 0x1894f],
  ["mpls", 0x18847],
  ["mpls_mc", 0x18848],
]);

function encap(item: Item): Action[] {
  const inner = items(item.value)[0];
  if (inner === undefined) throw new TextError("Missing encap hdr: ", item.value);
  const packetType = ENCAPS.get(inner.key);
  if (packetType === undefined) throw new TextError(`Encap hdr not supported: ${inner.value}`, item.value);
  const properties: EncapProperty[] = [];
  for (const property of items(inner.value)) {
    if (property.key === "md_type") {
      const mdType = u8(property.value, "md_type");
      if (mdType !== 1 && mdType !== 2) throw new TextError("invalid md_type", item.value);
      properties.push({ kind: "md_type", mdType });
    } else if (property.key === "tlv") {
      const found = /^(0x[0-9a-fA-F]+),([0-9]+),0x((?:[0-9a-fA-F]{2})+)$/.exec(property.value);
      if (found === null) throw new TextError(`Invalid NSH TLV header: ${property.value}`, item.value);
      const data = new Uint8Array(found[3]!.length / 2);
      for (let i = 0; i < data.length; i++) data[i] = Number.parseInt(found[3]!.slice(2 * i, 2 * i + 2), 16);
      properties.push({ kind: "tlv", tlvClass: u16(found[1]!, "TLV class"), tlvType: u8(found[2]!, "TLV type"), data });
    } else throw new TextError(`Invalid property: ${property.key}`, item.value);
  }
  return [{ type: "encap", packetType, properties }];
}

function decap(item: Item): Action[] {
  const inner = items(item.value)[0];
  if (inner === undefined) return [{ type: "decap", packetType: undefined }];
  if (inner.key !== "packet_type") throw new TextError(`Invalid decap argument: ${inner.key}`, item.value);
  let namespace = 0;
  let type = 0;
  for (const { key, value } of items(inner.value)) {
    if (key === "ns") namespace = u16(value, "namespace");
    else if (key === "type") type = u16(value, "type");
    else throw new TextError(`Invalid decap packet_type argument: ${key}`, item.value);
  }
  return [{ type: "decap", packetType: namespace * 65536 + type }];
}

export const LONG_SYNTAX: readonly (readonly [string, Syntax])[] = [
  ["bundle", bundle],
  ["bundle_load", bundle],
  ["multipath", multipath],
  ["conjunction", conjunction],
  ["fin_timeout", finTimeout],
  ["sample", sample],
  ["nat", nat],
  ["ct", ct],
  ["learn", learn],
  ["check_pkt_larger", checkPacketLarger],
  ["delete_field", deleteField],
  ["encap", encap],
  ["decap", decap],
];
