/** Encoders of the longer actions, all of them Nicira's. */
import type { ActionOf, ActionType, LearnSource, LearnSpec, Subfield } from "../action/types.ts";
import {
  ALGS,
  BUNDLE_ALGORITHMS,
  BUNDLE_MEMBER_OFPORT,
  HASH_FIELDS,
  MULTIPATH_ALGORITHMS,
  NXAST,
  REASONS,
} from "./actionCodes.ts";
import type { ByteWriter } from "./bytes.ts";
import { type EncodeContext, endAction, nx, offsetAndBits } from "./encodeContext.ts";
import { fieldHeaderLength, toWire, writeFieldHeader } from "./oxm.ts";

function controller(action: ActionOf<"controller">, { out }: EncodeContext): void {
  if (action.userdata.length === 0 && !action.pause && action.meter === undefined) {
    const start = nx(out, NXAST.controller);
    out.u16(action.maxLen).u16(action.controllerId).u8(REASONS.indexOf(action.reason));
    endAction(out, start);
    return;
  }
  const start = nx(out, NXAST.controller2);
  out.zeros(6);
  if (action.maxLen !== 0xffff) out.u16(0).u16(8).u16(action.maxLen).zeros(2);
  if (action.controllerId !== 0) out.u16(1).u16(8).u16(action.controllerId).zeros(2);
  if (action.reason !== "action") out.u16(2).u16(5).u8(REASONS.indexOf(action.reason)).zeros(3);
  if (action.userdata.length > 0) {
    const at = out.at;
    out
      .u16(3)
      .u16(4 + action.userdata.length)
      .raw(action.userdata)
      .pad(8, at);
  }
  if (action.pause) out.u16(4).u16(4).zeros(4);
  if (action.meter !== undefined) out.u16(5).u16(8).u32(action.meter);
  endAction(out, start);
}

function writeSubfieldRef(out: ByteWriter, subfield: Subfield): void {
  writeFieldHeader(out, subfield.field, 0);
  out.u16(subfield.offset);
}

function isValue(source: LearnSource): source is { readonly value: bigint } {
  return "value" in source;
}

function learnSpec(out: ByteWriter, spec: LearnSpec): void {
  const dst = spec.kind === "match" ? 0 : spec.kind === "load" ? 0x0800 : 0x1000;
  const immediate = spec.kind !== "output" && isValue(spec.src);
  out.u16((immediate ? 0x2000 : 0) | dst | spec.bits);
  if (isValue(spec.src)) {
    const value = spec.kind === "output" ? spec.src.value : toWire(spec.dst.field, spec.src.value);
    out.big(value, 2 * Math.ceil(spec.bits / 16));
  } else writeSubfieldRef(out, spec.src);
  if (spec.kind !== "output") writeSubfieldRef(out, spec.dst);
}

function learn(action: ActionOf<"learn">, { out }: EncodeContext): void {
  const second = action.limit !== 0 || action.resultDst !== undefined;
  const start = nx(out, second ? NXAST.learn2 : NXAST.learn);
  out.u16(action.idleTimeout).u16(action.hardTimeout).u16(action.priority).u64(action.cookie);
  out.u16((action.sendFlowRemoved ? 1 : 0) | (action.deleteLearned ? 2 : 0) | (action.resultDst !== undefined ? 4 : 0));
  out.u8(action.table).zeros(1).u16(action.finIdleTimeout).u16(action.finHardTimeout);
  if (second) {
    out.u32(action.limit);
    if (action.resultDst === undefined) out.zeros(4);
    else {
      out.u16(action.resultDst.offset).zeros(2);
      writeFieldHeader(out, action.resultDst.field, 0);
    }
  }
  for (const spec of action.specs) learnSpec(out, spec);
  endAction(out, start);
}

function ct(action: ActionOf<"ct">, context: EncodeContext): void {
  const { out } = context;
  const start = nx(out, NXAST.ct);
  out.u16((action.commit ? 1 : 0) | (action.force ? 2 : 0));
  if (typeof action.zone === "number") out.u32(0).u16(action.zone);
  else {
    writeFieldHeader(out, action.zone.field, 0);
    out.u16(offsetAndBits(action.zone));
  }
  out
    .u8(action.table ?? 0xff)
    .zeros(3)
    .u16(action.alg === undefined ? 0 : ALGS[action.alg]);
  context.nested(action.actions, context);
  endAction(out, start);
}

function nat(action: ActionOf<"nat">, { out }: EncodeContext): void {
  const start = nx(out, NXAST.nat);
  const { ipv4, ipv6, ports } = action;
  const flags =
    (action.direction === "src" ? 1 : action.direction === "dst" ? 2 : 0) |
    (action.persistent ? 4 : 0) |
    (action.hash ? 8 : 0) |
    (action.random ? 16 : 0);
  let present = 0;
  if (ipv4 !== undefined) present |= 1 | (ipv4.max === ipv4.min ? 0 : 2);
  if (ipv6 !== undefined) present |= 4 | (ipv6.max === ipv6.min ? 0 : 8);
  if (ports !== undefined) present |= 16 | (ports.max === ports.min ? 0 : 32);
  out.zeros(2).u16(flags).u16(present);
  if (ipv4 !== undefined) {
    out.u32(ipv4.min);
    if (ipv4.max !== ipv4.min) out.u32(ipv4.max);
  }
  if (ipv6 !== undefined) {
    out.big(ipv6.min, 16);
    if (ipv6.max !== ipv6.min) out.big(ipv6.max, 16);
  }
  if (ports !== undefined) {
    out.u16(ports.min);
    if (ports.max !== ports.min) out.u16(ports.max);
  }
  endAction(out, start);
}

function bundle(action: ActionOf<"bundle">, { out }: EncodeContext): void {
  const start = nx(out, action.dst === undefined ? NXAST.bundle : NXAST.bundle_load);
  out.u16(BUNDLE_ALGORITHMS.indexOf(action.algorithm)).u16(HASH_FIELDS.indexOf(action.fields)).u16(action.basis);
  out.u32(BUNDLE_MEMBER_OFPORT).u16(action.ports.length);
  if (action.dst === undefined) out.zeros(10);
  else {
    out.u16(offsetAndBits(action.dst));
    writeFieldHeader(out, action.dst.field, 0);
    if (fieldHeaderLength(action.dst.field, 0) === 4) out.zeros(4);
  }
  for (const port of action.ports) out.u16(port);
  endAction(out, start);
}

function observed(out: ByteWriter, value: number | Subfield): void {
  if (typeof value === "number") out.u32(0).u32(value);
  else {
    writeFieldHeader(out, value.field, 0);
    out.u16(offsetAndBits(value)).zeros(2);
  }
}

function sample(action: ActionOf<"sample">, { out }: EncodeContext): void {
  const { obsDomain, obsPoint } = action;
  const hasFields = typeof obsDomain !== "number" || typeof obsPoint !== "number";
  const direction = action.direction === "ingress" ? 1 : action.direction === "egress" ? 2 : 0;
  if (hasFields) {
    const start = nx(out, NXAST.sample4);
    out.u16(action.probability).u32(action.collectorSet);
    observed(out, obsDomain);
    observed(out, obsPoint);
    out.u16(action.samplingPort).u8(direction);
    endAction(out, start);
    return;
  }
  const start = nx(out, direction !== 0 ? NXAST.sample3 : action.samplingPort !== 0xffff ? NXAST.sample2 : NXAST.sample);
  out.u16(action.probability).u32(action.collectorSet).u32(obsDomain).u32(obsPoint);
  if (direction !== 0 || action.samplingPort !== 0xffff) out.u16(action.samplingPort).u8(direction);
  endAction(out, start);
}

function encap(action: ActionOf<"encap">, { out }: EncodeContext): void {
  const start = nx(out, NXAST.encap);
  out.zeros(2).u32(action.packetType);
  for (const property of action.properties) {
    const at = out.at;
    if (property.kind === "md_type") out.u16(4).u8(1).u8(5).u8(property.mdType).pad(8, at);
    else {
      const length = Math.ceil((8 + property.data.length) / 8) * 8;
      out
        .u16(4)
        .u8(2)
        .u8(length)
        .u16(property.tlvClass)
        .u8(property.tlvType)
        .u8(property.data.length)
        .raw(property.data)
        .pad(8, at);
    }
  }
  endAction(out, start);
}

type LongTypes =
  | "controller"
  | "learn"
  | "ct"
  | "nat"
  | "bundle"
  | "sample"
  | "encap"
  | "output_reg"
  | "multipath"
  | "clone"
  | "check_pkt_larger";

export const ENCODE_LONG: { readonly [T in LongTypes & ActionType]: (action: ActionOf<T>, context: EncodeContext) => void } = {
  controller,
  learn,
  ct,
  nat,
  bundle,
  sample,
  encap,
  output_reg: ({ src, maxLen }, { out }) => {
    const long = fieldHeaderLength(src.field, 0) === 8;
    const start = nx(out, long ? NXAST.output_reg2 : NXAST.output_reg);
    out.u16(offsetAndBits(src));
    if (long) out.u16(maxLen);
    writeFieldHeader(out, src.field, 0);
    if (!long) out.u16(maxLen).zeros(6);
    endAction(out, start);
  },
  multipath: (action, { out }) => {
    const start = nx(out, NXAST.multipath);
    out.u16(HASH_FIELDS.indexOf(action.fields)).u16(action.basis).zeros(2);
    out
      .u16(MULTIPATH_ALGORITHMS.indexOf(action.algorithm))
      .u16(action.links - 1)
      .u32(action.arg)
      .zeros(2);
    out.u16(offsetAndBits(action.dst));
    writeFieldHeader(out, action.dst.field, 0);
    endAction(out, start);
  },
  clone: ({ actions }, context) => {
    const start = nx(context.out, NXAST.clone);
    context.out.zeros(6);
    context.nested(actions, context);
    endAction(context.out, start);
  },
  check_pkt_larger: ({ length, dst }, { out }) => {
    const start = nx(out, NXAST.check_pkt_larger);
    out.u16(length).u16(dst.offset);
    writeFieldHeader(out, dst.field, 0);
    endAction(out, start);
  },
};
