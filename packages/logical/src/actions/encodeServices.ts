/** Sampling, forwarding groups and learned flows to OpenFlow. */
import { type Action, field, type LearnSpec, OFPP, type Subfield, whole } from "@weft/openflow";
import { groupOf } from "./encodeConntrack.ts";
import { type EncodeOptions, resubmit, setBits, subfieldOf } from "./encodeParts.ts";
import { bucket } from "./groups.ts";
import { OPENFLOW_TABLES } from "./tables.ts";
import type { LogicalActionOf } from "./types.ts";

export function encodeSample(action: LogicalActionOf<"sample">, options: EncodeOptions, out: Action[]): void {
  if (options.collectorSet?.(action.collectorSet) === false) return;
  const { obsPoint } = action;
  const point =
    obsPoint.kind === "field" ? subfieldOf(obsPoint.field) : obsPoint.kind === "cookie" ? options.cookie >>> 0 : obsPoint.value;
  out.push({
    type: "sample",
    probability: action.probability,
    collectorSet: action.collectorSet,
    obsDomain: ((action.obsDomain << 24) | options.datapath) >>> 0,
    obsPoint: point,
    samplingPort: OFPP.NONE,
    direction: "default",
  });
}

export function encodeForwardGroup(action: LogicalActionOf<"fwd_group">, options: EncodeOptions, out: Action[]): void {
  const to: Subfield = { field: field("reg15"), offset: 0, bits: 16 };
  const buckets = [];
  for (const port of action.ports) {
    const key = options.lookupPort(port);
    const tunnel = action.liveness ? options.tunnelPort?.(port) : undefined;
    if (key === undefined || (action.liveness && tunnel === undefined)) continue;
    const actions = [setBits(to, BigInt(key)), resubmit(OPENFLOW_TABLES.output)];
    buckets.push(bucket(buckets.length, actions, 1, tunnel ?? OFPP.NONE));
  }
  if (buckets.length === 0) return;
  const request = { selection: { method: "dp_hash", param: 0n, fields: [] }, buckets };
  out.push({ type: "group", group: groupOf(request, options, "fwd_group") });
}

const PROTOCOL = { tcp: 6, udp: 17, sctp: 132 } as const;
const ETHERTYPE = { 4: 0x800, 6: 0x86dd } as const;

function full(name: string): Subfield {
  return whole(field(name));
}

/** Match the field with what the packet has in it, or in another one. */
function like(name: string, from = name): LearnSpec {
  const dst = full(name);
  return { kind: "match", bits: dst.bits, dst, src: full(from) };
}

function equal(name: string, value: number | bigint): LearnSpec {
  const dst = full(name);
  return { kind: "match", bits: dst.bits, dst, src: { value: BigInt(value) } };
}

function put(dst: Subfield, value: number | bigint): LearnSpec {
  return { kind: "load", bits: dst.bits, dst, src: { value: BigInt(value) } };
}

function learn(table: number, specs: readonly LearnSpec[], idleTimeout: number, hardTimeout: number, cookie = 0): Action {
  return {
    type: "learn",
    idleTimeout,
    hardTimeout,
    priority: 32768,
    cookie: BigInt(cookie),
    table,
    finIdleTimeout: 0,
    finHardTimeout: 0,
    sendFlowRemoved: false,
    deleteLearned: true,
    limit: 0,
    resultDst: undefined,
    specs,
  };
}

/** Seconds that the reply to a packet may take. */
const ECMP_IDLE = 20;
const ECMP_HARD = 30;
/** Bits of the logical flags (reg10) that learned flows set. */
const ECMP_FLAG = 13;
const AFFINITY_FLAG = 14;

function flag(bit: number): Subfield {
  return { field: field("reg10"), offset: bit, bits: 1 };
}

export function encodeLearn(
  action: LogicalActionOf<"commit_ecmp_nh"> | LogicalActionOf<"commit_lb_aff">,
  options: EncodeOptions,
  out: Action[],
): void {
  if (action.kind === "commit_lb_aff") {
    out.push(affinity(action, options));
    return;
  }
  const { proto } = action;
  const [src, dst] = action.ipv6 ? ["ipv6_src", "ipv6_dst"] : ["ip_src", "ip_dst"];
  const type = equal("eth_type", ETHERTYPE[action.ipv6 ? 6 : 4]);
  const protocol = equal("nw_proto", PROTOCOL[proto]);
  const set = put(flag(ECMP_FLAG), 1);
  const here = [
    like("metadata"),
    like("eth_src"),
    type,
    like(src!),
    like(dst!),
    protocol,
    like(`${proto}_src`),
    like(`${proto}_dst`),
    set,
  ];
  const back = [
    like("metadata"),
    type,
    like(src!, dst),
    like(dst!, src),
    protocol,
    like(`${proto}_src`, `${proto}_dst`),
    like(`${proto}_dst`, `${proto}_src`),
    set,
  ];
  out.push(learn(OPENFLOW_TABLES.ecmpNextHopMac, here, ECMP_IDLE, ECMP_HARD));
  out.push(learn(OPENFLOW_TABLES.ecmpNextHop, back, ECMP_IDLE, ECMP_HARD));
}

function affinity(action: LogicalActionOf<"commit_lb_aff">, options: EncodeOptions): Action {
  const six = action.vip.family === 6;
  const specs = [
    like("metadata"),
    equal("eth_type", ETHERTYPE[action.vip.family]),
    like(six ? "ipv6_src" : "ip_src"),
    equal(six ? "ipv6_dst" : "ip_dst", action.vip.value),
  ];
  if (action.proto !== undefined) {
    specs.push(equal("nw_proto", PROTOCOL[action.proto]));
    if (action.vipPort !== 0) specs.push(equal(`${action.proto}_dst`, action.vipPort));
  }
  specs.push(put(flag(AFFINITY_FLAG), 1), put(full(six ? "xxreg0" : "reg4"), action.backend.value));
  if (action.proto !== undefined) specs.push(put({ field: field("reg8"), offset: 0, bits: 16 }, action.backendPort));
  return learn(OPENFLOW_TABLES.lbAffinity, specs, action.timeout, 0, options.cookie);
}
