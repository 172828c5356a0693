/** Decoders of the longer Nicira actions. */
import type { Action, EncapProperty, LearnSource, LearnSpec, NatRange, Subfield } from "../action/types.ts";
import { fromOfp11Port } from "../ports.ts";
import {
  ALGS,
  BUNDLE_ALGORITHMS,
  BUNDLE_MEMBER_OFPORT,
  HASH_FIELDS,
  MULTIPATH_ALGORITHMS,
  NXAST,
  REASONS,
} from "./actionCodes.ts";
import type { ByteReader } from "./bytes.ts";
import { type Decode, type DecodeContext, readSubfield, subfieldOf } from "./decodeContext.ts";
import { readFieldHeader } from "./oxm.ts";

/** An element of a table of names, by a number read. */
function pick<T>(input: ByteReader, table: readonly T[], index: number): T {
  const found = table[index];
  if (found === undefined) throw input.fail("OFPBAC_BAD_ARGUMENT", `unknown number ${index}`);
  return found;
}

function controller(input: ByteReader): Action {
  const maxLen = input.u16();
  const controllerId = input.u16();
  const reason = pick(input, REASONS, input.u8());
  return { type: "controller", maxLen, reason, controllerId, userdata: new Uint8Array(0), pause: false, meter: undefined };
}

function controller2(input: ByteReader): Action {
  input.skip(6);
  let maxLen = 0xffff;
  let controllerId = 0;
  let reason: (typeof REASONS)[number] = "action";
  let userdata = new Uint8Array(0);
  let pause = false;
  let meter: number | undefined;
  while (input.left >= 4) {
    const start = input.at;
    const type = input.u16();
    const length = input.u16();
    if (length < 4 || start + length > input.end) throw input.fail("OFPBPC_BAD_LEN", "controller property");
    const property = input.part(length - 4, "OFPBPC_BAD_LEN");
    input.at = Math.min(input.end, start + Math.ceil(length / 8) * 8);
    switch (type) {
      case 0:
        maxLen = property.u16();
        break;
      case 1:
        controllerId = property.u16();
        break;
      case 2:
        reason = pick(input, REASONS, property.u8());
        break;
      case 3:
        userdata = new Uint8Array(property.take(property.left));
        break;
      case 4:
        pause = true;
        break;
      case 5:
        meter = property.u32();
        break;
      default:
        throw input.fail("OFPBPC_BAD_TYPE", `controller property ${type}`);
    }
  }
  return { type: "controller", maxLen, reason, controllerId, userdata, pause, meter };
}

function readRef(input: ByteReader, bits: number): Subfield {
  const field = readFieldHeader(input);
  return readSubfield(input, field, input.u16(), bits);
}

function learn(second: boolean): Decode {
  return (input) => {
    const idleTimeout = input.u16();
    const hardTimeout = input.u16();
    const priority = input.u16();
    const cookie = input.u64();
    const flags = input.u16();
    if ((flags & ~(second ? 7 : 3)) !== 0) throw input.fail("OFPBAC_BAD_ARGUMENT", "learn flags");
    const table = input.u8();
    if (table === 0xff) throw input.fail("OFPBAC_BAD_ARGUMENT", "learn into table 255");
    input.zeros(1, "OFPBAC_BAD_ARGUMENT");
    const finIdleTimeout = input.u16();
    const finHardTimeout = input.u16();
    let limit = 0;
    let resultDst: Subfield | undefined;
    if (second) {
      limit = input.u32();
      const offset = input.u16();
      input.skip(2);
      if ((flags & 4) !== 0) resultDst = readSubfield(input, readFieldHeader(input), offset, 1);
    }
    return {
      type: "learn",
      idleTimeout,
      hardTimeout,
      priority,
      cookie,
      table,
      finIdleTimeout,
      finHardTimeout,
      sendFlowRemoved: (flags & 1) !== 0,
      deleteLearned: (flags & 2) !== 0,
      limit,
      resultDst,
      specs: learnSpecs(input),
    };
  };
}

function learnSpecs(input: ByteReader): LearnSpec[] {
  const specs: LearnSpec[] = [];
  while (input.left >= 2) {
    const header = input.u16();
    if (header === 0) break;
    const bits = header & 0x7ff;
    const kind = header & 0x1800;
    if ((header & 0xc000) !== 0 || kind === 0x1800 || bits === 0) throw input.fail("OFPBAC_BAD_ARGUMENT", "learn specification");
    let src: LearnSource;
    if ((header & 0x2000) !== 0) {
      if (kind === 0x1000) throw input.fail("OFPBAC_BAD_ARGUMENT", "output of a constant");
      src = { value: input.big(2 * Math.ceil(bits / 16)) };
    } else {
      const from = readRef(input, bits);
      if (kind === 0x1000) {
        specs.push({ kind: "output", bits, src: from });
        continue;
      }
      src = from;
    }
    const dst = readRef(input, bits);
    if ("value" in src && dst.field.format === "ofp11-port") {
      const port = fromOfp11Port(Number(src.value));
      if (port === undefined) throw input.fail("OFPBAC_BAD_ARGUMENT", "learned port");
      src = { value: BigInt(port) };
    }
    specs.push({ kind: kind === 0 ? "match" : "load", bits, dst, src });
  }
  input.zeros(input.left, "OFPBAC_BAD_ARGUMENT");
  return specs;
}

function ct(input: ByteReader, context: DecodeContext): Action {
  const flags = input.u16();
  if ((flags & ~3) !== 0 || flags === 2) throw input.fail("OFPBAC_BAD_ARGUMENT", "ct flags");
  const zoneAt = input.at;
  let zone: number | Subfield;
  if (input.u32() === 0) zone = input.u16();
  else {
    input.at = zoneAt;
    const field = readFieldHeader(input);
    zone = subfieldOf(input, input.u16(), field);
    if (zone.bits !== 16) throw input.fail("OFPBAC_BAD_SET_LEN", "zone is not 16 bits wide");
  }
  const table = input.u8();
  input.skip(3);
  const alg = input.u16();
  const actions = context.nested(input);
  for (const action of actions)
    if (action.type !== "nat" && action.type !== "set_field" && action.type !== "load" && action.type !== "move")
      throw input.fail("OFPBAC_BAD_ARGUMENT", `${action.type} within ct`);
  return {
    type: "ct",
    commit: (flags & 1) !== 0,
    force: (flags & 2) !== 0,
    zone,
    table: table === 0xff ? undefined : table,
    alg: alg === ALGS.ftp ? "ftp" : alg === ALGS.tftp ? "tftp" : undefined,
    actions,
  };
}

function nat(input: ByteReader): Action {
  input.skip(2);
  const flags = input.u16();
  const present = input.u16();
  const direction = (flags & 1) !== 0 ? "src" : (flags & 2) !== 0 ? "dst" : undefined;
  if ((flags & 3) === 3 || (flags & 0x18) === 0x18 || (direction === undefined && (flags !== 0 || present !== 0)))
    throw input.fail("OFPBAC_BAD_ARGUMENT", "nat flags");
  if ((present & 3) !== 0 && (present & 12) !== 0) throw input.fail("OFPBAC_BAD_ARGUMENT", "nat to IPv4 and IPv6");
  let ipv4: NatRange<number> | undefined;
  let ipv6: NatRange<bigint> | undefined;
  let ports: NatRange<number> | undefined;
  if ((present & 1) !== 0) {
    const min = input.u32();
    ipv4 = { min, max: (present & 2) !== 0 ? input.u32() : min };
  } else if ((present & 4) !== 0) {
    const min = input.big(16);
    ipv6 = { min, max: (present & 8) !== 0 ? input.big(16) : min };
  }
  if ((present & 16) !== 0) {
    const min = input.u16();
    ports = { min, max: (present & 32) !== 0 ? input.u16() : min };
  }
  return {
    type: "nat",
    direction,
    persistent: (flags & 4) !== 0,
    hash: (flags & 8) !== 0,
    random: (flags & 16) !== 0,
    ipv4,
    ipv6,
    ports,
  };
}

function bundle(load: boolean): Decode {
  return (input) => {
    const algorithm = pick(input, BUNDLE_ALGORITHMS, input.u16());
    const fields = pick(input, HASH_FIELDS, input.u16());
    const basis = input.u16();
    if (input.u32() !== BUNDLE_MEMBER_OFPORT) throw input.fail("OFPBAC_BAD_ARGUMENT", "member type");
    const count = input.u16();
    let dst: Subfield | undefined;
    const at = input.at;
    if (load) {
      const ofsNbits = input.u16();
      dst = subfieldOf(input, ofsNbits, readFieldHeader(input));
    }
    input.at = at;
    input.skip(10);
    if (input.left < 2 * count) throw input.fail("OFPBAC_BAD_LEN", "bundle members");
    return { type: "bundle", fields, basis, algorithm, ports: Array.from({ length: count }, () => input.u16()), dst };
  };
}

function multipath(input: ByteReader): Action {
  const fields = pick(input, HASH_FIELDS, input.u16());
  const basis = input.u16();
  input.skip(2);
  const algorithm = pick(input, MULTIPATH_ALGORITHMS, input.u16());
  const links = input.u16() + 1;
  const arg = input.u32();
  input.skip(2);
  const ofsNbits = input.u16();
  const dst = subfieldOf(input, ofsNbits, readFieldHeader(input));
  return { type: "multipath", fields, basis, algorithm, links, arg, dst };
}

const DIRECTIONS = ["default", "ingress", "egress"] as const;

function sample(withPort: boolean, withDirection: boolean): Decode {
  return (input) => {
    const probability = input.u16();
    if (probability === 0) throw input.fail("OFPBAC_BAD_ARGUMENT", "sample probability 0");
    const collectorSet = input.u32();
    const obsDomain = input.u32();
    const obsPoint = input.u32();
    const samplingPort = withPort ? input.u16() : 0xffff;
    const direction = withDirection ? pick(input, DIRECTIONS, input.u8()) : "default";
    return { type: "sample", probability, collectorSet, obsDomain, obsPoint, samplingPort, direction };
  };
}

function observed(input: ByteReader): number | Subfield {
  const at = input.at;
  if (input.u32() === 0) return input.u32();
  input.at = at;
  const field = readFieldHeader(input);
  const subfield = subfieldOf(input, input.u16(), field);
  input.at = at + 8;
  return subfield;
}

function sample4(input: ByteReader): Action {
  const probability = input.u16();
  if (probability === 0) throw input.fail("OFPBAC_BAD_ARGUMENT", "sample probability 0");
  const collectorSet = input.u32();
  const obsDomain = observed(input);
  const obsPoint = observed(input);
  const samplingPort = input.u16();
  return {
    type: "sample",
    probability,
    collectorSet,
    obsDomain,
    obsPoint,
    samplingPort,
    direction: pick(input, DIRECTIONS, input.u8()),
  };
}

function encap(input: ByteReader): Action {
  input.skip(2);
  const packetType = input.u32();
  if (packetType !== 0 && packetType !== 0x1894f && packetType !== 0x18847 && packetType !== 0x18848)
    throw input.fail("NXBAC_UNKNOWN_ED_PROP", "encapsulation");
  const properties: EncapProperty[] = [];
  while (input.left >= 4) {
    const start = input.at;
    const cls = input.u16();
    const type = input.u8();
    const length = input.u8();
    if (length < 5 || start + length > input.end) throw input.fail("OFPBAC_BAD_LEN", "encap property");
    if (cls !== 4 || (type !== 1 && type !== 2)) throw input.fail("NXBAC_UNKNOWN_ED_PROP", `property ${cls}/${type}`);
    if (type === 1) properties.push({ kind: "md_type", mdType: input.u8() });
    else {
      const tlvClass = input.u16();
      const tlvType = input.u8();
      const bytes = input.u8();
      if (8 + bytes > length) throw input.fail("OFPBAC_BAD_LEN", "encap TLV");
      properties.push({ kind: "tlv", tlvClass, tlvType, data: input.take(bytes) });
    }
    input.at = Math.min(input.end, start + Math.ceil(length / 8) * 8);
  }
  return { type: "encap", packetType, properties };
}

function outputReg(input: ByteReader): Action {
  const ofsNbits = input.u16();
  const field = readFieldHeader(input);
  return { type: "output_reg", src: subfieldOf(input, ofsNbits, field), maxLen: input.u16() };
}

function outputReg2(input: ByteReader): Action {
  const ofsNbits = input.u16();
  const maxLen = input.u16();
  return { type: "output_reg", src: subfieldOf(input, ofsNbits, readFieldHeader(input)), maxLen };
}

function checkPacketLarger(input: ByteReader): Action {
  const length = input.u16();
  const offset = input.u16();
  return { type: "check_pkt_larger", length, dst: readSubfield(input, readFieldHeader(input), offset, 1) };
}

export const DECODE_LONG: readonly (readonly [number, Decode])[] = [
  [NXAST.controller, controller],
  [NXAST.controller2, controller2],
  [NXAST.learn, learn(false)],
  [NXAST.learn2, learn(true)],
  [NXAST.ct, ct],
  [NXAST.nat, nat],
  [NXAST.bundle, bundle(false)],
  [NXAST.bundle_load, bundle(true)],
  [NXAST.multipath, multipath],
  [NXAST.sample, sample(false, false)],
  [NXAST.sample2, sample(true, false)],
  [NXAST.sample3, sample(true, true)],
  [NXAST.sample4, sample4],
  [NXAST.encap, encap],
  [NXAST.output_reg, outputReg],
  [NXAST.output_reg2, outputReg2],
  [NXAST.check_pkt_larger, checkPacketLarger],
  [
    NXAST.clone,
    (input, context) => {
      input.skip(6);
      return { type: "clone", actions: context.nested(input) };
    },
  ],
];
