/** Bytes to actions: tables by number for OpenFlow 1.0, for 1.1 and later, and for Nicira's actions. */
import type { Action, Subfield } from "../action/types.ts";
import { OFPP } from "../ports.ts";
import { NICIRA, NXAST, OFPAT_EXPERIMENTER, OFPAT10, OFPAT11, ONF, PACKET_TYPE_NEXT } from "./actionCodes.ts";
import type { ByteReader } from "./bytes.ts";
import { type Decode, type DecodeContext, readPort, readSubfield, subfieldOf } from "./decodeContext.ts";
import { DECODE_LONG } from "./decodeLong.ts";
import { readFieldHeader, readHeader, readValue } from "./oxm.ts";

function writable(input: ByteReader, subfield: Subfield): Subfield {
  if (!subfield.field.writable) throw input.fail("OFPBAC_BAD_SET_ARGUMENT", `${subfield.field.name} is read-only`);
  return subfield;
}

function setField(input: ByteReader): Action {
  const header = readHeader(input)!;
  const { field } = header;
  if (!field.writable) throw input.fail("OFPBAC_BAD_SET_ARGUMENT", `${field.name} is read-only`);
  const { value, mask } = readValue(input, header);
  const full = (1n << BigInt(field.bits)) - 1n;
  if (!field.variable && value > full && field.name !== "vlan_vid") throw input.fail("OFPBAC_BAD_SET_ARGUMENT", field.name);
  input.zeros(input.left, "OFPBAC_BAD_SET_ARGUMENT");
  return { type: "set_field", field, value, mask: mask === (1n << BigInt(8 * field.bytes)) - 1n ? undefined : mask };
}

function load(input: ByteReader): Action {
  const ofsNbits = input.u16();
  const field = readFieldHeader(input);
  const value = input.u64();
  const dst = writable(input, subfieldOf(input, ofsNbits, field));
  if (value >> BigInt(dst.bits) !== 0n) throw input.fail("OFPBAC_BAD_ARGUMENT", "value wider than its destination");
  return { type: "load", value, dst };
}

function move(input: ByteReader): Action {
  const bits = input.u16();
  const srcOffset = input.u16();
  const dstOffset = input.u16();
  const src = readFieldHeader(input);
  const dst = readFieldHeader(input);
  return {
    type: "move",
    src: readSubfield(input, src, srcOffset, bits),
    dst: writable(input, readSubfield(input, dst, dstOffset, bits)),
  };
}

function copyField(input: ByteReader): Action {
  const bits = input.u16();
  const srcOffset = input.u16();
  const dstOffset = input.u16();
  input.skip(2);
  const src = readFieldHeader(input);
  const dst = readFieldHeader(input);
  return {
    type: "move",
    src: readSubfield(input, src, srcOffset, bits),
    dst: writable(input, readSubfield(input, dst, dstOffset, bits)),
  };
}

/** ONF's copy_field: the experimenter header is followed by two more bytes of padding. */
function onfCopyField(input: ByteReader): Action {
  input.skip(2);
  return copyField(input);
}

function stack(input: ByteReader): Subfield {
  const offset = input.u16();
  const field = readFieldHeader(input);
  return readSubfield(input, field, offset, input.u16());
}

function vlanVid(pushIfNeeded: boolean): Decode {
  return (input) => {
    const vid = input.u16();
    if ((vid & ~0xfff) !== 0) throw input.fail("OFPBAC_BAD_ARGUMENT", `VLAN ${vid}`);
    return { type: "mod_vlan_vid", vid, pushIfNeeded };
  };
}

function vlanPcp(pushIfNeeded: boolean): Decode {
  return (input) => {
    const pcp = input.u8();
    if (pcp > 7) throw input.fail("OFPBAC_BAD_ARGUMENT", `VLAN priority ${pcp}`);
    return { type: "mod_vlan_pcp", pcp, pushIfNeeded };
  };
}

function mac(type: "mod_dl_src" | "mod_dl_dst"): Decode {
  return (input) => ({ type, mac: input.u48() });
}

function ip(type: "mod_nw_src" | "mod_nw_dst"): Decode {
  return (input) => ({ type, address: input.u32() });
}

function tos(input: ByteReader): Action {
  const value = input.u8();
  if ((value & 3) !== 0) throw input.fail("OFPBAC_BAD_ARGUMENT", `TOS ${value}`);
  return { type: "mod_nw_tos", tos: value };
}

function transport(type: "mod_tp_src" | "mod_tp_dst"): Decode {
  return (input) => ({ type, port: input.u16() });
}

function output(input: ByteReader, { version }: DecodeContext): Action {
  const port = readPort(input, version);
  const maxLen = input.u16();
  return port === OFPP.CONTROLLER ? { type: "output", port, maxLen } : { type: "output", port };
}

function resubmit(ct: boolean, hasTable: boolean): Decode {
  return (input) => {
    const port = input.u16();
    const table = hasTable ? input.u8() : 0xff;
    return { type: "resubmit", port: port === OFPP.IN_PORT ? undefined : port, table: table === 0xff ? undefined : table, ct };
  };
}

const OF10: ReadonlyMap<number, Decode> = new Map<number, Decode>([
  [OFPAT10.output, output],
  [OFPAT10.set_vlan_vid, vlanVid(true)],
  [OFPAT10.set_vlan_pcp, vlanPcp(true)],
  [OFPAT10.strip_vlan, () => ({ type: "strip_vlan", pop: false })],
  [OFPAT10.set_dl_src, mac("mod_dl_src")],
  [OFPAT10.set_dl_dst, mac("mod_dl_dst")],
  [OFPAT10.set_nw_src, ip("mod_nw_src")],
  [OFPAT10.set_nw_dst, ip("mod_nw_dst")],
  [OFPAT10.set_nw_tos, tos],
  [OFPAT10.set_tp_src, transport("mod_tp_src")],
  [OFPAT10.set_tp_dst, transport("mod_tp_dst")],
  [
    OFPAT10.enqueue,
    (input) => {
      const port = input.u16();
      input.skip(6);
      if (port >= OFPP.MAX && port !== OFPP.IN_PORT && port !== OFPP.LOCAL) throw input.fail("OFPBAC_BAD_OUT_PORT");
      return { type: "enqueue", port, queue: input.u32() };
    },
  ],
]);

/** Number, first and last wire version, decoder. */
const OF11_ROWS: readonly (readonly [number, number, number, Decode])[] = [
  [OFPAT11.output, 2, 6, output],
  [OFPAT11.set_vlan_vid, 2, 2, vlanVid(false)],
  [OFPAT11.set_vlan_pcp, 2, 2, vlanPcp(false)],
  [OFPAT11.set_dl_src, 2, 2, mac("mod_dl_src")],
  [OFPAT11.set_dl_dst, 2, 2, mac("mod_dl_dst")],
  [OFPAT11.set_nw_src, 2, 2, ip("mod_nw_src")],
  [OFPAT11.set_nw_dst, 2, 2, ip("mod_nw_dst")],
  [OFPAT11.set_nw_tos, 2, 2, tos],
  [
    OFPAT11.set_nw_ecn,
    2,
    2,
    (input) => {
      const ecn = input.u8();
      if (ecn > 3) throw input.fail("OFPBAC_BAD_ARGUMENT", `ECN ${ecn}`);
      return { type: "mod_nw_ecn", ecn };
    },
  ],
  [OFPAT11.set_tp_src, 2, 2, transport("mod_tp_src")],
  [OFPAT11.set_tp_dst, 2, 2, transport("mod_tp_dst")],
  [OFPAT11.set_mpls_label, 2, 2, (input) => ({ type: "set_mpls_label", label: input.u32() & 0xfffff })],
  [OFPAT11.set_mpls_tc, 2, 2, (input) => ({ type: "set_mpls_tc", tc: input.u8() & 7 })],
  [OFPAT11.set_mpls_ttl, 2, 6, (input) => ({ type: "set_mpls_ttl", ttl: input.u8() })],
  [OFPAT11.dec_mpls_ttl, 2, 6, () => ({ type: "dec_mpls_ttl" })],
  [
    OFPAT11.push_vlan,
    2,
    6,
    (input) => {
      const ethertype = input.u16();
      if (ethertype !== 0x8100 && ethertype !== 0x88a8) throw input.fail("OFPBAC_BAD_ARGUMENT");
      return { type: "push_vlan", ethertype };
    },
  ],
  [OFPAT11.pop_vlan, 2, 6, () => ({ type: "strip_vlan", pop: true })],
  [OFPAT11.push_mpls, 2, 6, pushMpls],
  [OFPAT11.pop_mpls, 2, 6, (input) => ({ type: "pop_mpls", ethertype: input.u16() })],
  [OFPAT11.set_queue, 2, 6, (input) => ({ type: "set_queue", queue: input.u32() })],
  [OFPAT11.group, 2, 6, (input) => ({ type: "group", group: input.u32() })],
  [OFPAT11.set_nw_ttl, 2, 6, (input) => ({ type: "mod_nw_ttl", ttl: input.u8() })],
  [OFPAT11.dec_nw_ttl, 2, 6, () => ({ type: "dec_ttl", controllers: [0] })],
  [OFPAT11.set_field, 3, 6, setField],
  [OFPAT11.copy_field, 6, 6, copyField],
  [OFPAT11.meter, 6, 6, (input) => ({ type: "meter", meter: input.u32() })],
];

function pushMpls(input: ByteReader): Action {
  const ethertype = input.u16();
  if (ethertype !== 0x8847 && ethertype !== 0x8848) throw input.fail("OFPBAC_BAD_ARGUMENT");
  return { type: "push_mpls", ethertype };
}

const OF11: readonly ReadonlyMap<number, Decode>[] = [0, 1, 2, 3, 4, 5, 6].map(
  (version) =>
    new Map(
      OF11_ROWS.filter(([, first, last]) => version >= first && version <= last).map(([number, , , decode]) => [number, decode]),
    ),
);

const NX: ReadonlyMap<number, Decode> = new Map<number, Decode>([
  ...DECODE_LONG,
  [NXAST.resubmit, resubmit(false, false)],
  [NXAST.resubmit_table, resubmit(false, true)],
  [NXAST.resubmit_table_ct, resubmit(true, true)],
  [
    NXAST.set_tunnel,
    (input) => {
      input.skip(2);
      return { type: "set_tunnel", id: BigInt(input.u32()), wide: false };
    },
  ],
  [
    NXAST.set_tunnel64,
    (input) => {
      input.skip(6);
      return { type: "set_tunnel", id: input.u64(), wide: true };
    },
  ],
  [
    NXAST.set_queue,
    (input) => {
      input.skip(2);
      return { type: "set_queue", queue: input.u32() };
    },
  ],
  [NXAST.pop_queue, () => ({ type: "pop_queue" })],
  [NXAST.move, move],
  [NXAST.load, load],
  [NXAST.load2, setField],
  [NXAST.note, (input) => ({ type: "note", data: input.take(input.left) })],
  [NXAST.exit, () => ({ type: "exit" })],
  [NXAST.dec_ttl, () => ({ type: "dec_ttl", controllers: [0] })],
  [
    NXAST.dec_ttl_cnt_ids,
    (input) => {
      const count = input.u16();
      input.skip(4);
      if (input.left < 2 * count) throw input.fail("OFPBAC_BAD_LEN", "controller ids");
      return { type: "dec_ttl", controllers: Array.from({ length: count }, () => input.u16()) };
    },
  ],
  [NXAST.fin_timeout, (input) => ({ type: "fin_timeout", idleTimeout: input.u16(), hardTimeout: input.u16() })],
  [
    NXAST.write_metadata,
    (input) => {
      input.skip(6);
      return { type: "write_metadata", value: input.u64(), mask: input.u64() };
    },
  ],
  [NXAST.push_mpls, pushMpls],
  [NXAST.pop_mpls, (input) => ({ type: "pop_mpls", ethertype: input.u16() })],
  [NXAST.set_mpls_ttl, (input) => ({ type: "set_mpls_ttl", ttl: input.u8() })],
  [NXAST.dec_mpls_ttl, () => ({ type: "dec_mpls_ttl" })],
  [
    NXAST.set_mpls_label,
    (input) => {
      input.skip(2);
      return { type: "set_mpls_label", label: input.u32() & 0xfffff };
    },
  ],
  [NXAST.set_mpls_tc, (input) => ({ type: "set_mpls_tc", tc: input.u8() & 7 })],
  [NXAST.push, (input) => ({ type: "push", src: stack(input) })],
  [NXAST.pop, (input) => ({ type: "pop", dst: writable(input, stack(input)) })],
  [
    NXAST.conjunction,
    (input) => {
      const clause = input.u8() + 1;
      const clauses = input.u8();
      if (clauses < 2 || clauses > 64 || clause > clauses) throw input.fail("NXBAC_BAD_CONJUNCTION");
      return { type: "conjunction", id: input.u32(), clause, clauses };
    },
  ],
  [
    NXAST.group,
    (input) => {
      input.skip(2);
      return { type: "group", group: input.u32() };
    },
  ],
  [NXAST.ct_clear, () => ({ type: "ct_clear" })],
  [NXAST.dec_nsh_ttl, () => ({ type: "dec_nsh_ttl" })],
  [
    NXAST.delete_field,
    (input) => {
      const field = readFieldHeader(input);
      if (!field.variable) throw input.fail("OFPBAC_BAD_ARGUMENT", "only tun_metadata can be deleted");
      return { type: "delete_field", field };
    },
  ],
  [
    NXAST.decap,
    (input) => {
      input.skip(2);
      const packetType = input.u32();
      return { type: "decap", packetType: packetType === PACKET_TYPE_NEXT ? undefined : packetType };
    },
  ],
  [
    NXAST.output_trunc,
    (input) => {
      const port = input.u16();
      const maxLen = input.u32();
      if (maxLen < 14) throw input.fail("OFPBAC_BAD_ARGUMENT", `max_len ${maxLen}`);
      return { type: "output_trunc", port, maxLen };
    },
  ],
]);

function decoderOf(input: ByteReader, type: number, version: number): Decode {
  if (type !== OFPAT_EXPERIMENTER) {
    const decode = version === 1 ? OF10.get(type) : OF11[version]!.get(type);
    if (decode === undefined) throw input.fail("OFPBAC_BAD_TYPE", `action ${type}`);
    return decode;
  }
  if (input.left < 6) throw input.fail("OFPBAC_BAD_LEN", "experimenter action");
  const vendor = input.u32();
  const subtype = input.u16();
  if (vendor === NICIRA) {
    const decode = NX.get(subtype);
    if (decode === undefined) throw input.fail("OFPBAC_BAD_VENDOR_TYPE", `Nicira action ${subtype}`);
    return decode;
  }
  if (vendor === ONF && subtype === 3200) return onfCopyField;
  throw input.fail(vendor === ONF ? "OFPBAC_BAD_VENDOR_TYPE" : "OFPBAC_BAD_VENDOR", `experimenter 0x${vendor.toString(16)}`);
}

/** Nested lists are limited in depth, so that no message can exhaust the stack. */
const MAX_DEPTH = 16;

/** Reads actions up to the reader's end. Throws DecodeErrors of the OFPBAC_ kind. */
export function decodeActions(input: ByteReader, version: number, depth = 0): Action[] {
  if (depth > MAX_DEPTH) throw input.fail("OFPBAC_TOO_MANY", "actions nested too deeply");
  const context: DecodeContext = { version, nested: (part) => decodeActions(part, version, depth + 1) };
  const actions: Action[] = [];
  while (input.left > 0) {
    const start = input.at;
    if (input.left < 4) throw input.fail("OFPBAC_BAD_LEN", "truncated action");
    const type = input.u16();
    const length = input.u16();
    if (length < 8 || length % 8 !== 0 || start + length > input.end) {
      input.at = start;
      throw input.fail("OFPBAC_BAD_LEN", `action length ${length}`);
    }
    const part = input.part(length - 4, "OFPBAC_BAD_LEN");
    actions.push(decoderOf(part, type, context.version)(part, context));
  }
  return actions;
}
