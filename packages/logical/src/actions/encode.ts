/** Actions to OpenFlow. Learned from the flows that ovn-controller 26.03 installs for each action. */
import { type Action, encodeActionList, field, OFPP, type Subfield, ByteWriter as WireWriter, whole } from "@weft/openflow";
import type { Constant } from "../match/expression.ts";
import type { LogicalSymbol } from "../symbols.ts";
import { encodeConntrack, encodeSelect } from "./encodeConntrack.ts";
import { encodeDhcpOptions, encodeDhcpv6Options, encodeRouterAdvertisement } from "./encodeOptions.ts";
import { type EncodeOptions, resubmit, setBits, subfieldOf } from "./encodeParts.ts";
import { encodeForwardGroup, encodeLearn, encodeSample } from "./encodeServices.ts";
import { LOG_SEVERITIES, LOG_VERDICTS } from "./parseServices.ts";
import { OPENFLOW_TABLES, openflowTable } from "./tables.ts";
import type { LogicalAction, LogicalActionOf, NestedName, Pipeline, QueryName } from "./types.ts";
import { ByteWriter, type Opcode, USERDATA_VERSION, userdata, writeResultField } from "./userdata.ts";

/** Encodes the actions of one logical flow. An empty result means drop. */
export function encodeActions(actions: readonly LogicalAction[], options: EncodeOptions): Action[] {
  const out: Action[] = [];
  for (const action of actions) encodeAction(action, options, out);
  return out;
}

/**
 * The actions as {@link encodeActions} encodes them, where nothing that options say matters to them but the pipeline; for
 * those who encode the same actions for many flows. Otherwise undefined.
 */
export function encodeEverywhere(actions: readonly LogicalAction[], pipeline: Pipeline): readonly Action[] | undefined {
  const options = new AskedOptions(pipeline);
  const encoded = encodeActions(actions, options);
  return options.asked ? undefined : encoded;
}

/** Options that note whether anything was asked of them. */
class AskedOptions implements Required<EncodeOptions> {
  readonly pipeline: Pipeline;
  asked = false;
  // Encoders may call these without the object.
  readonly lookupPort = (): undefined => this.#answer(undefined);
  readonly isLocal = (): boolean => this.#answer(false);
  readonly tunnelPort = (): undefined => this.#answer(undefined);
  readonly group = (): number => this.#answer(0);
  readonly meter = (): undefined => this.#answer(undefined);
  readonly wire = (): Uint8Array => this.#answer(new Uint8Array());
  readonly collectorSet = (): boolean => this.#answer(true);

  constructor(pipeline: Pipeline) {
    this.pipeline = pipeline;
  }

  #answer<T>(answer: T): T {
    this.asked = true;
    return answer;
  }

  get isSwitch(): boolean {
    return this.#answer(false);
  }

  get datapath(): number {
    return this.#answer(0);
  }

  get cookie(): number {
    return this.#answer(0);
  }

  get controllerMeter(): string {
    return this.#answer("");
  }

  get explicitOutput(): boolean {
    return this.#answer(false);
  }
}

function bitsNamed(name: string, offset = 0, bits?: number): Subfield {
  const of = field(name);
  return { field: of, offset, bits: bits ?? of.bits };
}

const REG0 = bitsNamed("reg0");
const REG1 = bitsNamed("reg1");
const REG14 = bitsNamed("reg14");
const REG15 = bitsNamed("reg15");
const XXREG0 = bitsNamed("xxreg0");
const XXREG1 = bitsNamed("xxreg1");
const ETH_SRC = bitsNamed("eth_src");
const ETH_DST = bitsNamed("eth_dst");

/** Bits of the logical flags (reg10) through which tables 66 and up answer. */
const FLAG = { lookupMac: 6, hairpin: 7, lookupFdb: 8, portSecurity: 12, ecmp: 13, lbAffinity: 14 } as const;

function flagBit(bit: number): Subfield {
  return bitsNamed("reg10", bit, 1);
}

function same(a: Subfield, b: Subfield): boolean {
  return a.field === b.field && a.offset === b.offset && a.bits === b.bits;
}

/**
 * Puts operands where the tables beyond the logical pipelines expect them. Returns what restores the fields that were
 * overwritten. Operands that are in place already are left alone.
 */
function arrange(out: Action[], operands: readonly (readonly [from: Subfield, to: Subfield])[]): Action[] {
  const moved = operands.filter(([from, to]) => !same(from, to));
  for (const [, to] of moved) out.push({ type: "push", src: to });
  for (const [from] of [...moved].reverse()) out.push({ type: "push", src: from });
  for (const [, to] of moved) out.push({ type: "pop", dst: to });
  return moved.map(([, to]): Action => ({ type: "pop", dst: to })).reverse();
}

export function toController(data: ByteWriter, options: EncodeOptions, pause = false, meter?: string): Action {
  const name = meter ?? options.controllerMeter;
  return {
    type: "controller",
    maxLen: 0xffff,
    reason: "action",
    controllerId: 0,
    userdata: data.done(),
    pause,
    meter: name === undefined ? undefined : options.meter?.({ kind: "named", name }),
  };
}

// ---- actions

function encodeAction(action: LogicalAction, options: EncodeOptions, out: Action[]): void {
  switch (action.kind) {
    case "output":
      out.push(resubmit(options.pipeline === "ingress" ? OPENFLOW_TABLES.output : OPENFLOW_TABLES.logicalToPhysical));
      break;
    case "next":
      out.push(resubmit(openflowTable(action.to.pipeline, action.to.table)));
      break;
    case "load":
      out.push(load(action, options));
      break;
    case "move":
      out.push({ type: "move", src: subfieldOf(action.src), dst: subfieldOf(action.dst) });
      break;
    case "exchange": {
      const [a, b] = [subfieldOf(action.a), subfieldOf(action.b)];
      out.push({ type: "push", src: b }, { type: "push", src: a }, { type: "pop", dst: b }, { type: "pop", dst: a });
      break;
    }
    case "dec_ttl":
      out.push({ type: "dec_ttl", controllers: [0] });
      break;
    case "push":
      out.push({ type: "push", src: subfieldOf(action.field) });
      break;
    case "pop":
      out.push({ type: "pop", dst: subfieldOf(action.field) });
      break;
    case "plain":
      encodePlain(action, options, out);
      break;
    case "nested":
      encodeNested(action, options, out);
      break;
    case "query":
      encodeQuery(action, options, out);
      break;
    case "ct_next":
    case "ct_commit":
    case "ct_commit_to_zone":
    case "ct_commit_nat":
    case "ct_nat":
    case "ct_lb":
      encodeConntrack(action, options, out, encodeActions);
      break;
    case "select":
      encodeSelect(action, options, out);
      break;
    case "get_mac":
    case "put_mac":
    case "lookup_mac":
    case "lookup_ip":
      encodeMac(action, options, out);
      break;
    case "put_fdb":
    case "get_fdb":
    case "lookup_fdb":
      encodeFdb(action, options, out);
      break;
    case "put_opts":
      encodePutOptions(action, options, out);
      break;
    case "dhcp_relay":
      out.push(
        toController(writeResultField(userdata(action.name), action.dst).u32(action.relay).u32(action.server), options, true),
      );
      break;
    case "log": {
      const data = userdata("log").u8(LOG_VERDICTS.indexOf(action.verdict)).u8(LOG_SEVERITIES[action.severity]);
      out.push(toController(data.text(action.name ?? ""), options, false, action.meter));
      break;
    }
    case "trigger_event": {
      const data = userdata("event").u32(0);
      for (const { code, value } of action.options) {
        const bytes = new TextEncoder().encode(value);
        data.u16(code).u16(bytes.length).bytes(bytes);
      }
      out.push(toController(data, options));
      break;
    }
    case "bind_vport":
      encodeBindVport(action, options, out);
      break;
    case "handle_svc_check":
      withOperands(out, [[subfieldOf(action.port), REG14]], toController(userdata("handle_svc_check"), options));
      break;
    case "set_queue":
      out.push({ type: "set_queue", queue: action.queue });
      break;
    case "set_meter": {
      const meter = options.meter?.({ kind: "rate", rate: action.rate, burst: action.burst });
      if (meter !== undefined) out.push({ type: "meter", meter });
      break;
    }
    case "check_pkt_larger":
      out.push({ type: "check_pkt_larger", length: action.length, dst: subfieldOf(action.dst) });
      break;
    case "sample":
      encodeSample(action, options, out);
      break;
    case "mirror":
      encodeMirror(action, options, out);
      break;
    case "fwd_group":
      encodeForwardGroup(action, options, out);
      break;
    case "commit_ecmp_nh":
    case "commit_lb_aff":
      encodeLearn(action, options, out);
      break;
  }
}

function withOperands(
  out: Action[],
  operands: readonly (readonly [from: Subfield, to: Subfield])[],
  ...actions: readonly Action[]
): void {
  const restore = arrange(out, operands);
  out.push(...actions, ...restore);
}

function load({ dst, value }: LogicalActionOf<"load">, options: EncodeOptions): Action {
  if (dst.symbol.kind === "ovn-field") return ovnField(dst.symbol, value);
  if (value.kind === "string") return setBits(subfieldOf(dst), BigInt(options.lookupPort(value.value) ?? 0));
  return setBits(subfieldOf(dst), value.value, value.mask);
}

/** A note that ovn-controller reads back when it runs nested actions: "ovn", which field, its value. */
function ovnField(of: LogicalSymbol, value: Constant): Action {
  const number = value.kind === "integer" ? value.value : 0n;
  const wide = of.name === "icmp6.frag_mtu";
  const data = new ByteWriter()
    .text("ovn")
    .u8(0)
    .u16(wide ? 1 : 0)
    .u16(0)
    .uint(number, wide ? 4 : 2);
  while (data.length < NOTE_LENGTH) data.u8(0);
  return { type: "note", data: data.done() };
}

/** A note of one field fills its action, which is a multiple of 8 bytes. */
const NOTE_LENGTH = 14;

function encodePlain({ name }: LogicalActionOf<"plain">, options: EncodeOptions, out: Action[]): void {
  switch (name) {
    case "ct_clear":
      out.push({ type: "ct_clear" });
      break;
    case "ct_snat_to_vip":
      out.push(resubmit(OPENFLOW_TABLES.hairpinSnat));
      break;
    case "mac_cache_use":
      out.push(resubmit(OPENFLOW_TABLES.macCacheUse));
      break;
    case "flood_remote":
      out.push(resubmit(OPENFLOW_TABLES.floodRemote));
      break;
    case "igmp":
      out.push(toController(userdata("igmp"), options));
      break;
    case "handle_dhcpv6_reply":
      out.push(toController(userdata("handle_dhcpv6_reply"), options));
      break;
    case "handle_bfd_msg":
      out.push(toController(userdata("bfd"), options));
      break;
  }
}

const NESTED_OPCODES: Readonly<Record<Exclude<NestedName, "clone">, Opcode>> = {
  arp: "arp",
  icmp4: "icmp",
  icmp4_error: "icmp4_error",
  icmp6: "icmp",
  icmp6_error: "icmp6_error",
  tcp_reset: "tcp_reset",
  sctp_abort: "sctp_abort",
  reject: "reject",
  nd_ns: "nd_ns",
  nd_na: "nd_na",
  nd_na_router: "nd_na_router",
};

/** Actions as a switch takes them: what ovn-controller sends on, with the packet that it makes. */
function wire(actions: readonly Action[]): Uint8Array {
  const writer = new WireWriter();
  encodeActionList(actions, writer, USERDATA_VERSION);
  return writer.slice();
}

/** These wait for the neighbour's answer, with the packet that asked: it goes on to its output when it is known. */
const PAUSING: ReadonlySet<NestedName> = new Set(["arp", "nd_ns"]);

function encodeNested({ name, actions }: LogicalActionOf<"nested">, options: EncodeOptions, out: Action[]): void {
  const inner = encodeActions(actions, options);
  if (name === "clone") {
    out.push({ type: "clone", actions: inner });
    return;
  }
  const pause = PAUSING.has(name);
  out.push(toController(userdata(NESTED_OPCODES[name]).bytes((options.wire ?? wire)(inner)), options, pause));
  if (pause && options.explicitOutput !== true) encodeAction({ kind: "output" }, options, out);
}

/** Queries that a table answers with a flag. */
const FLAG_QUERIES: Readonly<Partial<Record<QueryName, { readonly table: number; readonly bit: number }>>> = {
  chk_lb_hairpin: { table: OPENFLOW_TABLES.hairpin, bit: FLAG.hairpin },
  chk_lb_hairpin_reply: { table: OPENFLOW_TABLES.hairpinReply, bit: FLAG.hairpin },
  check_in_port_sec: { table: OPENFLOW_TABLES.inPortSecurity, bit: FLAG.portSecurity },
  check_out_port_sec: { table: OPENFLOW_TABLES.outPortSecurity, bit: FLAG.portSecurity },
  chk_ecmp_nh_mac: { table: OPENFLOW_TABLES.ecmpNextHopMac, bit: FLAG.ecmp },
  chk_ecmp_nh: { table: OPENFLOW_TABLES.ecmpNextHop, bit: FLAG.ecmp },
  chk_lb_aff: { table: OPENFLOW_TABLES.lbAffinity, bit: FLAG.lbAffinity },
};

/** Queries that a table answers in the low bits of xxreg1. */
const VALUE_QUERIES: Readonly<Partial<Record<QueryName, number>>> = {
  ct_nw_dst: OPENFLOW_TABLES.ctOriginalIp4,
  ct_ip6_dst: OPENFLOW_TABLES.ctOriginalIp6,
  ct_tp_dst: OPENFLOW_TABLES.ctOriginalPort,
  ct_proto: OPENFLOW_TABLES.ctOriginalProtocol,
};

function encodeQuery({ name, dst }: LogicalActionOf<"query">, options: EncodeOptions, out: Action[]): void {
  const to = subfieldOf(dst);
  if (name === "dns_lookup") {
    out.push(toController(writeResultField(userdata("dns_lookup"), dst), options, true));
    return;
  }
  const flag = FLAG_QUERIES[name];
  if (flag !== undefined) {
    out.push(setBits(flagBit(flag.bit), 0n), resubmit(flag.table), { type: "move", src: flagBit(flag.bit), dst: to });
    return;
  }
  if (name === "ct_state_save") {
    const saved = bitsNamed("reg4", 0, 8);
    out.push(setBits(saved, 0n), resubmit(OPENFLOW_TABLES.ctStateSave), { type: "move", src: saved, dst: to });
    return;
  }
  const answer: Subfield = { ...XXREG1, bits: to.bits };
  const save = !same(answer, to);
  if (save) out.push({ type: "push", src: answer });
  // cleared at most 64 bits at a time
  for (let at = 0; at < answer.bits; at += 64) {
    out.push(setBits({ ...answer, offset: at, bits: Math.min(64, answer.bits - at) }, 0n));
  }
  out.push(resubmit(VALUE_QUERIES[name]!), { type: "move", src: answer, dst: to });
  if (save) out.push({ type: "pop", dst: answer });
}

function encodeMac(
  action: LogicalActionOf<"get_mac"> | LogicalActionOf<"put_mac"> | LogicalActionOf<"lookup_mac"> | LogicalActionOf<"lookup_ip">,
  options: EncodeOptions,
  out: Action[],
): void {
  const ip4 = action.name.includes("arp");
  const port = subfieldOf(action.port);
  const ip = subfieldOf(action.ip);
  const flag = flagBit(FLAG.lookupMac);
  switch (action.kind) {
    case "get_mac": {
      const restore = arrange(out, [
        [port, REG15],
        [ip, ip4 ? REG0 : XXREG1],
      ]);
      out.push(setBits(ETH_DST, 0n), resubmit(OPENFLOW_TABLES.getMac), ...restore);
      break;
    }
    case "put_mac": {
      const restore = arrange(out, [
        [port, REG14],
        [ip, ip4 ? REG0 : XXREG0],
        [subfieldOf(action.mac), ETH_SRC],
      ]);
      out.push(toController(userdata(ip4 ? "put_arp" : "put_nd"), options), ...restore);
      break;
    }
    case "lookup_mac": {
      const restore = arrange(out, [
        [port, REG14],
        [ip, ip4 ? REG0 : XXREG0],
        [subfieldOf(action.mac), ETH_SRC],
      ]);
      out.push(setBits(flag, 0n), resubmit(OPENFLOW_TABLES.lookupMac), { type: "move", src: flag, dst: subfieldOf(action.dst) });
      out.push(...restore);
      break;
    }
    case "lookup_ip": {
      const restore = arrange(out, [
        [port, REG15],
        [ip, ip4 ? REG0 : XXREG1],
      ]);
      out.push({ type: "push", src: ETH_DST }, setBits(flag, 0n), resubmit(OPENFLOW_TABLES.getMac));
      out.push({ type: "move", src: flag, dst: subfieldOf(action.dst) }, { type: "pop", dst: ETH_DST }, ...restore);
      break;
    }
  }
}

function encodeFdb(
  action: LogicalActionOf<"put_fdb"> | LogicalActionOf<"get_fdb"> | LogicalActionOf<"lookup_fdb">,
  options: EncodeOptions,
  out: Action[],
): void {
  const mac = subfieldOf(action.mac);
  if (action.kind === "get_fdb") {
    const remote = action.name === "get_remote_fdb";
    const answer = remote ? REG1 : REG15;
    const table = remote ? OPENFLOW_TABLES.getRemoteFdb : OPENFLOW_TABLES.getFdb;
    withOperands(out, [[mac, ETH_DST]], setBits(answer, 0n), resubmit(table));
    const to = subfieldOf(action.dst);
    if (!same(answer, to)) out.push({ type: "move", src: answer, dst: to });
    return;
  }
  const operands = [
    [subfieldOf(action.port), REG14],
    [mac, ETH_SRC],
  ] as const;
  if (action.kind === "put_fdb") {
    withOperands(out, operands, toController(userdata("put_fdb"), options));
    return;
  }
  const flag = flagBit(FLAG.lookupFdb);
  withOperands(out, operands, setBits(flag, 0n), resubmit(OPENFLOW_TABLES.lookupFdb));
  out.push({ type: "move", src: flag, dst: subfieldOf(action.dst) });
}

function encodePutOptions(action: LogicalActionOf<"put_opts">, options: EncodeOptions, out: Action[]): void {
  const data = writeResultField(userdata(action.name), action.dst);
  if (action.name === "put_dhcp_opts") encodeDhcpOptions(data, action.options);
  else if (action.name === "put_dhcpv6_opts") encodeDhcpv6Options(data, action.options);
  else encodeRouterAdvertisement(data, action.options);
  out.push(toController(data, options, true));
}

function encodeBindVport(action: LogicalActionOf<"bind_vport">, options: EncodeOptions, out: Action[]): void {
  const key = options.lookupPort(action.port);
  if (key === undefined) return;
  withOperands(out, [[subfieldOf(action.parent), REG14]], toController(userdata("bind_vport").u32(key), options));
}

function encodeMirror(action: LogicalActionOf<"mirror">, options: EncodeOptions, out: Action[]): void {
  const key = options.lookupPort(action.port);
  if (key === undefined) return;
  out.push({
    type: "clone",
    actions: [
      { type: "set_field", field: field("in_port"), value: BigInt(OFPP.NONE), mask: undefined },
      setBits(whole(field("reg15")), BigInt(key)),
      resubmit(OPENFLOW_TABLES.localOutput),
    ],
  });
}
