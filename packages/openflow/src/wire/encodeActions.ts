/**
 * Actions to bytes, in every version of OpenFlow. One row of {@link ENCODE} a type; what a version has no action for is
 * said in the extensions, or in other actions of the same effect, as Open vSwitch does.
 */
import type { Action, ActionOf, ActionType, Subfield } from "../action/types.ts";
import { field as fieldNamed } from "../field/lookup.ts";
import type { Field } from "../field/types.ts";
import { toOfp11Port } from "../ports.ts";
import { NXAST, OFPAT10, OFPAT11, PACKET_TYPE_NEXT } from "./actionCodes.ts";
import type { ByteWriter } from "./bytes.ts";
import { type EncodeContext, endAction, nx, offsetAndBits } from "./encodeContext.ts";
import { ENCODE_LONG } from "./encodeLong.ts";
import { byteLength, codeOf, fieldHeaderLength, toWire, writeFieldHeader, writeHeader } from "./oxm.ts";

function standard(out: ByteWriter, type: number, length: number): void {
  out.u16(type).u16(length);
}

function simple16(out: ByteWriter, type: number, value: number): void {
  out.u16(type).u16(8).u16(value).zeros(2);
}

function simple8(out: ByteWriter, type: number, value: number): void {
  out.u16(type).u16(8).u8(value).zeros(3);
}

function simple32(out: ByteWriter, type: number, value: number): void {
  out.u16(type).u16(8).u32(value);
}

function bare(out: ByteWriter, type: number): void {
  out.u16(type).u16(8).zeros(4);
}

function nxBare(out: ByteWriter, subtype: number): void {
  endAction(out, nx(out, subtype));
}

/** A whole or masked OFPAT_SET_FIELD. */
function oxmSetField(out: ByteWriter, field: Field, value: bigint, mask: bigint | undefined, version: number): void {
  const start = out.at;
  standard(out, OFPAT11.set_field, 0);
  writeValue(out, field, value, mask, version);
  endAction(out, start);
}

/** Header, value and mask. Variable fields take the bytes that they need. */
function writeValue(out: ByteWriter, field: Field, value: bigint, mask: bigint | undefined, version: number): void {
  const bytes = field.variable ? byteLength(mask ?? value) : field.bytes;
  writeHeader(out, codeOf(field, version), mask !== undefined, mask === undefined ? bytes : 2 * bytes);
  out.big(toWire(field, value), bytes);
  if (mask !== undefined) out.big(mask, bytes);
}

/** NXAST_REG_LOAD, or NXAST_REG_LOAD2 where the field's name or width does not fit it. */
function regLoad(out: ByteWriter, dst: Subfield, value: bigint, version: number): void {
  const { field } = dst;
  const code = codeOf(field, version >= 3 ? 1 : version);
  if (code.class === 0xffff || field.variable) {
    const whole = !field.variable && dst.offset === 0 && dst.bits === field.bits;
    const start = nx(out, NXAST.load2);
    const mask = whole ? undefined : ((1n << BigInt(dst.bits)) - 1n) << BigInt(dst.offset);
    writeValue(out, field, value << BigInt(dst.offset), mask, version);
    endAction(out, start);
    return;
  }
  for (let done = 0; done < dst.bits; done += 64) {
    const part: Subfield = { field, offset: dst.offset + done, bits: Math.min(64, dst.bits - done) };
    const start = nx(out, NXAST.load);
    out.u16(offsetAndBits(part));
    writeHeader(out, code, false, field.bytes);
    out.u64(BigInt.asUintN(64, value >> BigInt(done)));
    endAction(out, start);
  }
}

/** A masked set_field as loads of each run of ones. */
function loadsOfMask(out: ByteWriter, field: Field, value: bigint, mask: bigint, version: number): void {
  let bit = 0;
  let rest = mask;
  while (rest !== 0n) {
    while ((rest & 1n) === 0n) {
      rest >>= 1n;
      bit++;
    }
    let bits = 0;
    while ((rest & 1n) === 1n) {
      rest >>= 1n;
      bits++;
    }
    regLoad(out, { field, offset: bit, bits }, (value >> BigInt(bit)) & ((1n << BigInt(bits)) - 1n), version);
    bit += bits;
  }
}

/** OpenFlow 1.0 and 1.1 have actions of their own for some fields. False: not for this one. */
function legacySetField(context: EncodeContext, field: Field, value: bigint): boolean {
  const { out, version } = context;
  const of10 = version === 1;
  const n = Number(value & 0xffffffffn);
  switch (field.name) {
    case "vlan_tci":
      if (value === 0n) {
        bare(out, of10 ? OFPAT10.strip_vlan : OFPAT11.pop_vlan);
        context.hasVlan = false;
      } else {
        pushIfNeeded(context, true);
        simple16(out, OFPAT10.set_vlan_vid, n & 0xfff);
        simple8(out, OFPAT10.set_vlan_pcp, (n >> 13) & 7);
        context.hasVlan = true;
      }
      return true;
    case "vlan_vid":
      simple16(out, OFPAT10.set_vlan_vid, n & 0xfff);
      return true;
    case "vlan_pcp":
      simple8(out, OFPAT10.set_vlan_pcp, n & 7);
      return true;
    case "eth_src":
    case "eth_dst": {
      const src = field.name === "eth_src";
      standard(out, of10 ? (src ? OFPAT10.set_dl_src : OFPAT10.set_dl_dst) : src ? OFPAT11.set_dl_src : OFPAT11.set_dl_dst, 16);
      out.u48(Number(value)).zeros(6);
      return true;
    }
    case "ip_src":
      simple32(out, of10 ? OFPAT10.set_nw_src : OFPAT11.set_nw_src, n);
      return true;
    case "ip_dst":
      simple32(out, of10 ? OFPAT10.set_nw_dst : OFPAT11.set_nw_dst, n);
      return true;
    case "nw_tos":
      simple8(out, of10 ? OFPAT10.set_nw_tos : OFPAT11.set_nw_tos, n);
      return true;
    case "ip_dscp":
      simple8(out, of10 ? OFPAT10.set_nw_tos : OFPAT11.set_nw_tos, n << 2);
      return true;
    case "nw_ecn":
      if (of10) return false;
      simple8(out, OFPAT11.set_nw_ecn, n);
      return true;
    case "tcp_src":
    case "udp_src":
      simple16(out, of10 ? OFPAT10.set_tp_src : OFPAT11.set_tp_src, n);
      return true;
    case "tcp_dst":
    case "udp_dst":
      simple16(out, of10 ? OFPAT10.set_tp_dst : OFPAT11.set_tp_dst, n);
      return true;
    default:
      return false;
  }
}

function setField(context: EncodeContext, field: Field, value: bigint, mask: bigint | undefined): void {
  const { out, version } = context;
  if (version >= 6 || (version >= 3 && mask === undefined)) oxmSetField(out, field, value, mask, version);
  else if (version < 3 && legacySetField(context, field, value)) return;
  else if (field.variable || codeOf(field, 1).class === 0xffff) {
    const start = nx(out, NXAST.load2);
    writeValue(out, field, value, mask, version);
    endAction(out, start);
  } else loadsOfMask(out, field, value, mask ?? (1n << BigInt(field.bits)) - 1n, version);
}

/** Sets a field where the version has no better: set_field from OpenFlow 1.2 on, loads before. */
function setNamed(context: EncodeContext, name: string, value: bigint | number): void {
  setField(context, fieldNamed(name), BigInt(value), undefined);
}

/** OpenFlow 1.1 and later do not add a VLAN header when they set the id. */
function pushIfNeeded(context: EncodeContext, wanted: boolean): void {
  if (context.version >= 2 && wanted && !context.hasVlan) {
    simple16(context.out, OFPAT11.push_vlan, 0x8100);
    context.hasVlan = true;
  }
}

export type Encode<T extends ActionType> = (action: ActionOf<T>, context: EncodeContext) => void;
export type EncodeTable = { readonly [T in ActionType]: Encode<T> };

function output(out: ByteWriter, version: number, port: number, maxLen: number): void {
  if (version === 1) out.u16(OFPAT10.output).u16(8).u16(port).u16(maxLen);
  else out.u16(OFPAT11.output).u16(16).u32(toOfp11Port(port)).u16(maxLen).zeros(6);
}

const ENCODE: EncodeTable = {
  ...ENCODE_LONG,
  output: ({ port, maxLen }, { out, version }) => output(out, version, port, maxLen ?? 0),
  output_trunc: ({ port, maxLen }, { out }) => {
    const start = nx(out, NXAST.output_trunc);
    out.u16(port).u32(maxLen);
    endAction(out, start);
  },
  enqueue: ({ port, queue }, { out, version }) => {
    if (version === 1) {
      out.u16(OFPAT10.enqueue).u16(16).u16(port).zeros(6).u32(queue);
      return;
    }
    simple32(out, OFPAT11.set_queue, queue);
    output(out, version, port, 0xffff);
    nxBare(out, NXAST.pop_queue);
  },
  group: ({ group }, { out, version }) => {
    if (version >= 2) {
      simple32(out, OFPAT11.group, group);
      return;
    }
    const start = nx(out, NXAST.group);
    out.zeros(2).u32(group);
    endAction(out, start);
  },
  strip_vlan: (_, context) => {
    bare(context.out, context.version === 1 ? OFPAT10.strip_vlan : OFPAT11.pop_vlan);
    context.hasVlan = false;
  },
  mod_vlan_vid: ({ vid, pushIfNeeded: push }, context) => {
    pushIfNeeded(context, push);
    if (context.version < 3) simple16(context.out, OFPAT10.set_vlan_vid, vid);
    else setNamed(context, "vlan_vid", vid | 0x1000);
    context.hasVlan ||= push;
  },
  mod_vlan_pcp: ({ pcp, pushIfNeeded: push }, context) => {
    pushIfNeeded(context, push);
    if (context.version < 3) simple8(context.out, OFPAT10.set_vlan_pcp, pcp);
    else setNamed(context, "vlan_pcp", pcp);
    context.hasVlan ||= push;
  },
  push_vlan: ({ ethertype }, context) => {
    // OpenFlow 1.0 pushes only as a side effect of setting the VLAN id or priority.
    if (context.version > 1) simple16(context.out, OFPAT11.push_vlan, ethertype);
    context.hasVlan = true;
  },
  push_mpls: ({ ethertype }, { out, version }) => mpls16(out, version, OFPAT11.push_mpls, NXAST.push_mpls, ethertype),
  pop_mpls: ({ ethertype }, { out, version }) => mpls16(out, version, OFPAT11.pop_mpls, NXAST.pop_mpls, ethertype),
  set_mpls_label: ({ label }, context) => {
    if (context.version >= 3) setNamed(context, "mpls_label", label);
    else if (context.version === 2) simple32(context.out, OFPAT11.set_mpls_label, label);
    else {
      const start = nx(context.out, NXAST.set_mpls_label);
      context.out.zeros(2).u32(label);
      endAction(context.out, start);
    }
  },
  set_mpls_tc: ({ tc }, context) => {
    if (context.version >= 3) setNamed(context, "mpls_tc", tc);
    else if (context.version === 2) simple8(context.out, OFPAT11.set_mpls_tc, tc);
    else nx8(context.out, NXAST.set_mpls_tc, tc);
  },
  set_mpls_ttl: ({ ttl }, { out, version }) =>
    version === 1 ? nx8(out, NXAST.set_mpls_ttl, ttl) : simple8(out, OFPAT11.set_mpls_ttl, ttl),
  dec_mpls_ttl: (_, { out, version }) => (version === 1 ? nxBare(out, NXAST.dec_mpls_ttl) : bare(out, OFPAT11.dec_mpls_ttl)),
  mod_dl_src: ({ mac }, context) => setNamed(context, "eth_src", mac),
  mod_dl_dst: ({ mac }, context) => setNamed(context, "eth_dst", mac),
  mod_nw_src: ({ address }, context) => setNamed(context, "ip_src", address),
  mod_nw_dst: ({ address }, context) => setNamed(context, "ip_dst", address),
  mod_nw_tos: ({ tos }, context) => setNamed(context, "ip_dscp", tos >> 2),
  mod_nw_ecn: ({ ecn }, context) => setNamed(context, "nw_ecn", ecn),
  mod_nw_ttl: ({ ttl }, context) =>
    context.version === 1 ? setNamed(context, "nw_ttl", ttl) : simple8(context.out, OFPAT11.set_nw_ttl, ttl),
  mod_tp_src: ({ port }, context) => setNamed(context, `${context.transport}_src`, port),
  mod_tp_dst: ({ port }, context) => setNamed(context, `${context.transport}_dst`, port),
  dec_ttl: ({ controllers }, { out, version }) => {
    if (controllers.length === 1 && controllers[0] === 0) {
      if (version === 1) nxBare(out, NXAST.dec_ttl);
      else bare(out, OFPAT11.dec_nw_ttl);
      return;
    }
    const start = nx(out, NXAST.dec_ttl_cnt_ids);
    out.u16(controllers.length).zeros(4);
    for (const id of controllers) out.u16(id);
    endAction(out, start);
  },
  dec_nsh_ttl: (_, { out }) => nxBare(out, NXAST.dec_nsh_ttl),
  set_field: ({ field, value, mask }, context) => setField(context, field, value, mask),
  load: ({ value, dst }, { out, version }) => {
    if (version < 6) {
      regLoad(out, dst, value, version);
      return;
    }
    const whole = dst.offset === 0 && dst.bits === 8 * dst.field.bytes;
    const mask = whole ? undefined : ((1n << BigInt(dst.bits)) - 1n) << BigInt(dst.offset);
    oxmSetField(out, dst.field, value << BigInt(dst.offset), mask, version);
  },
  move: ({ src, dst }, { out, version }) => {
    if (version >= 6) {
      const start = out.at;
      standard(out, OFPAT11.copy_field, 0);
      out.u16(src.bits).u16(src.offset).u16(dst.offset).zeros(2);
      writeFieldHeader(out, src.field, version);
      writeFieldHeader(out, dst.field, version);
      endAction(out, start);
      return;
    }
    const start = nx(out, NXAST.move);
    out.u16(src.bits).u16(src.offset).u16(dst.offset);
    writeFieldHeader(out, src.field, 0);
    writeFieldHeader(out, dst.field, 0);
    endAction(out, start);
  },
  push: ({ src }, { out }) => stack(out, NXAST.push, src),
  pop: ({ dst }, { out }) => stack(out, NXAST.pop, dst),
  set_tunnel: ({ id, wide }, context) => {
    const { out, version } = context;
    if (version >= 3) setNamed(context, "tun_id", id);
    else if (wide || id > 0xffffffffn) {
      const start = nx(out, NXAST.set_tunnel64);
      out.zeros(6).u64(id);
      endAction(out, start);
    } else {
      const start = nx(out, NXAST.set_tunnel);
      out.zeros(2).u32(Number(id));
      endAction(out, start);
    }
  },
  set_queue: ({ queue }, { out, version }) => {
    if (version >= 2) {
      simple32(out, OFPAT11.set_queue, queue);
      return;
    }
    const start = nx(out, NXAST.set_queue);
    out.zeros(2).u32(queue);
    endAction(out, start);
  },
  pop_queue: (_, { out }) => nxBare(out, NXAST.pop_queue),
  fin_timeout: ({ idleTimeout, hardTimeout }, { out }) => {
    const start = nx(out, NXAST.fin_timeout);
    out.u16(idleTimeout).u16(hardTimeout);
    endAction(out, start);
  },
  resubmit: ({ port, table, ct }, { out }) => {
    const start = nx(out, ct ? NXAST.resubmit_table_ct : NXAST.resubmit_table);
    out.u16(port ?? 0xfff8).u8(table ?? 0xff);
    endAction(out, start);
  },
  conjunction: ({ id, clause, clauses }, { out }) => {
    const start = nx(out, NXAST.conjunction);
    out
      .u8(clause - 1)
      .u8(clauses)
      .u32(id);
    endAction(out, start);
  },
  note: ({ data }, { out }) => {
    const start = nx(out, NXAST.note);
    out.raw(data);
    endAction(out, start);
  },
  ct_clear: (_, { out }) => nxBare(out, NXAST.ct_clear),
  exit: (_, { out }) => nxBare(out, NXAST.exit),
  delete_field: ({ field }, { out }) => {
    const start = nx(out, NXAST.delete_field);
    writeFieldHeader(out, field, 0);
    out.zeros(10);
    endAction(out, start);
  },
  decap: ({ packetType }, { out }) => {
    const start = nx(out, NXAST.decap);
    out.zeros(2).u32(packetType ?? PACKET_TYPE_NEXT);
    endAction(out, start);
  },
  meter: ({ meter }, { out, version }) => {
    // An instruction up to OpenFlow 1.4 (see instructions.ts); nothing before 1.3.
    if (version >= 6) simple32(out, OFPAT11.meter, meter);
  },
  // Instructions from OpenFlow 1.1 on; OpenFlow 1.0 says what it can in actions.
  clear_actions: () => undefined,
  write_actions: () => undefined,
  write_metadata: ({ value, mask }, { out, version }) => {
    if (version > 1) return;
    const start = nx(out, NXAST.write_metadata);
    out.zeros(6).u64(value).u64(mask);
    endAction(out, start);
  },
  goto_table: ({ table }, { out, version }) => {
    if (version > 1) return;
    const start = nx(out, NXAST.resubmit_table);
    out.u16(0xfff8).u8(table);
    endAction(out, start);
  },
};

function nx8(out: ByteWriter, subtype: number, value: number): void {
  const start = nx(out, subtype);
  out.u8(value);
  endAction(out, start);
}

function mpls16(out: ByteWriter, version: number, type: number, subtype: number, ethertype: number): void {
  if (version >= 2) {
    simple16(out, type, ethertype);
    return;
  }
  const start = nx(out, subtype);
  out.u16(ethertype);
  endAction(out, start);
}

function stack(out: ByteWriter, subtype: number, subfield: Subfield): void {
  const start = nx(out, subtype);
  out.u16(subfield.offset);
  writeFieldHeader(out, subfield.field, 0);
  out.u16(subfield.bits);
  if (fieldHeaderLength(subfield.field, 0) === 4) out.zeros(6);
  endAction(out, start);
}

/** Writes actions one after the other. */
export function encodeActions(actions: readonly Action[], context: EncodeContext): void {
  for (const action of actions) {
    // The row for an action's type takes that type's actions; TypeScript cannot follow this through the table.
    const encode = ENCODE[action.type] as Encode<ActionType>;
    encode(action, context);
  }
}

/** Types that have an encoder, for the completeness test. */
export const ENCODED_TYPES: readonly string[] = Object.keys(ENCODE);
