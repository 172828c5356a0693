/** The state of one translation: a packet's flow on its way through the tables. */
import { type Action, type Field, KEEP_COOKIE, type Subfield } from "@weft/openflow";
import type { CtNat, DpAction } from "../datapath/actions.ts";
import type { Datapath } from "../datapath/datapath.ts";
import { FLOW_WORDS, WORD } from "../flow/key.ts";
import type { Packet } from "../flow/packet.ts";
import type { Bridge } from "../ofproto/bridge.ts";
import type { Rule } from "../ofproto/rule.ts";
import type { IpAddress } from "../tunnel/address.ts";
import { commit } from "./commit.ts";
import type { Effect } from "./effects.ts";
import type { FrozenAction, StackEntry } from "./freeze.ts";
import type { TraceKind, TraceLookup, TraceNode } from "./trace.ts";

/** Resubmits and gotos within one another, and altogether. */
export const MAX_DEPTH = 64;
export const MAX_RESUBMITS = MAX_DEPTH * MAX_DEPTH;

/**
 * Nested resubmits are nested calls, of some six functions each; the stack holds fewer of them than ovs-actions(7) allows
 * resubmits (node --stack-size changes that). Found out by trying, with a good margin.
 */
export const MAX_NESTED = Math.floor(0.06 * stackDepth());

function stackDepth(): number {
  let depth = 0;
  const deeper = (): void => {
    depth++;
    deeper();
  };
  try {
    deeper();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return depth;
}

/** Why a translation gave up; the packet is dropped. */
export type TranslationError =
  | "Recursion too deep"
  | "Too many resubmits"
  | "Stack too deep"
  | "No recirculation context"
  | "Recirculation conflict"
  | "Too many MPLS labels"
  | "Invalid tunnel metadata";

/** A packet that goes to somebody while the translation of its first packet runs. */
export interface RecircInTrace {
  readonly id: number;
  readonly kind: "conntrack" | "mpls" | "bond" | "check";
  readonly flow: Int32Array;
  readonly zone: number;
  readonly nat: CtNat | undefined;
}

/** The parts of the translation that call one another; given to the context so that files need not import in circles. */
export interface Engine {
  /** Runs an action list (translate.ts). */
  actions(ctx: Context, actions: readonly Action[], last: boolean, inGroup?: boolean): void;
  /** Runs an action list on a copy of the packet. */
  clone(ctx: Context, actions: readonly Action[], last: boolean, inGroup?: boolean): void;
  /** Runs the action set that was written, and empties it. */
  actionSet(ctx: Context): void;
  /** Runs the pipeline of the current bridge from a table on; `asClone` keeps what it does to the packet to itself. */
  table(ctx: Context, table: number, last: boolean, asClone?: boolean): void;
  output(ctx: Context, port: number, maxLen: number, last: boolean): void;
}

export interface TranslationInput {
  readonly engine: Engine;
  readonly datapath: Datapath;
  readonly bridge: Bridge;
  /** The packet's key with in_port as OpenFlow port. Changed by the translation. */
  readonly flow: Int32Array;
  /** The packet itself, where there is one: for packet-ins and continuation. */
  readonly packet: Packet | undefined;
  /** Learning (MAC addresses, flows) and packet-ins take place. */
  readonly sideEffects: boolean;
  readonly tracing: boolean;
  /** For learned matches: what a port is called. */
  readonly names?: boolean;
  /** Does it begin with the actions of a packet-out? */
  readonly packetOut?: boolean;
}

/** Notes that a Geneve option is there (or not). */
export function markOption(flow: Int32Array, index: number, present: boolean): void {
  const word = WORD.tun_metadata_present + (index >> 5);
  const bit = 1 << (index & 31);
  flow[word] = present ? (flow[word] as number) | bit : (flow[word] as number) & ~bit;
}

export class Context {
  readonly engine: Engine;
  readonly datapath: Datapath;
  /** The bridge that the translation began in. */
  readonly firstBridge: Bridge;
  bridge: Bridge;
  readonly flow: Int32Array;
  /** What the datapath's packet looks like after the actions so far. */
  readonly base: Int32Array;
  /** Bits of the packet that were looked at. */
  readonly wc = new Int32Array(FLOW_WORDS);
  readonly packet: Packet | undefined;
  readonly sideEffects: boolean;
  readonly tracing: boolean;
  readonly names: boolean;
  readonly packetOut: boolean;
  odp: DpAction[] = [];
  readonly effects: Effect[] = [];
  /** Recirculation ids that the actions refer to. */
  readonly recircIds: number[] = [];
  /** For the trace: what comes back from the datapath. */
  readonly recircs: RecircInTrace[] = [];
  stack: StackEntry[] = [];
  actionSet: Action[] = [];
  depth = 0;
  /** Resubmits within resubmits, whichever way they go. */
  nested = 0;
  resubmits = 0;
  table = 0;
  rule: Rule | undefined;
  cookie = 0n;
  /** That of the rule whose actions ended last. */
  leftCookie = 0n;
  exit = false;
  error: TranslationError | undefined;
  conntracked = false;
  /** Where the tunnel ended that the packet came out of: tunnels to there are loops. */
  ownAddress: IpAddress | undefined;
  freezing = false;
  /** With `freezing`: kept for whoever reads the trace. */
  freezeKind: "mpls" | "hash" | undefined;
  hashAlgorithm: "l4" | "sym_l4" = "l4";
  hashBasis = 0;
  pause: Extract<Action, { type: "controller" }> | undefined;
  frozenActions: FrozenAction[] = [];
  inGroup = false;
  inActionSet = false;
  wasMpls = false;
  mirrors = 0;
  /** The datapath cannot do it all: every packet of the flow comes up. */
  slow: "action" | "controller" | "lacp" | "stp" | "cfm" | "bfd" | undefined;
  /** Set by conjunctive matches: the trace says which. */
  nodes: TraceNode[] = [];

  constructor(input: TranslationInput) {
    this.engine = input.engine;
    this.datapath = input.datapath;
    this.firstBridge = input.bridge;
    this.bridge = input.bridge;
    this.flow = input.flow;
    this.base = input.flow.slice();
    this.packet = input.packet;
    this.sideEffects = input.sideEffects;
    this.tracing = input.tracing;
    this.names = input.names ?? false;
    this.packetOut = input.packetOut ?? false;
    if (this.packetOut) this.cookie = KEEP_COOKIE;
  }

  /** Adds a node to the trace. Callers with costly text ask {@link tracing} first. */
  report(kind: TraceKind, text: string, lookup?: TraceLookup): TraceNode | undefined {
    if (!this.tracing) return undefined;
    const node: TraceNode = { kind, text, children: [], ...(lookup === undefined ? {} : { lookup }) };
    this.nodes.push(node);
    return node;
  }

  /** Runs with new nodes going below `parent`. */
  within(parent: TraceNode | undefined, run: () => void): void {
    if (parent === undefined) {
      run();
      return;
    }
    const outer = this.nodes;
    this.nodes = parent.children;
    run();
    this.nodes = outer;
  }

  /** Stops the pipeline: what is still to be done is collected on the way out and done when the packet is back. */
  freeze(kind: "mpls" | "hash" | "pause"): void {
    this.exit = true;
    this.freezing = true;
    this.freezeKind = kind === "pause" ? undefined : kind;
  }

  /** Keeps what a list had left when the pipeline was frozen. */
  unroll(rest: readonly Action[]): void {
    if (rest.length === 0) return;
    const last = this.frozenActions.findLast((a) => a.type === "unroll");
    if (last?.type !== "unroll" || last.table !== this.table || last.cookie !== this.cookie)
      this.frozenActions.push({ type: "unroll", table: this.table, cookie: this.cookie });
    this.frozenActions.push(...rest);
  }

  fail(error: TranslationError): void {
    this.error ??= error;
  }

  commit(): void {
    if (commit(this.flow, this.base, this.wc, this.odp)) this.slow ??= "action";
  }

  /** Marks a word of the key as looked at. */
  look(word: number, mask = -1): void {
    this.wc[word] = (this.wc[word] as number) | mask;
  }

  lookAt(word: number, words: number): void {
    for (let w = word; w < word + words; w++) this.wc[w] = -1;
  }

  lookMac(word: number): void {
    this.look(word, 0xffff);
    this.look(word + 1);
  }

  /** The OpenFlow port the packet came in on. */
  get inPort(): number {
    return this.flow[WORD.in_port] as number;
  }

  placeOf(field: Field): { readonly word: number; readonly words: number } | undefined {
    if (field.metadataIndex === undefined) return field;
    return this.bridge.tlv.place(field.metadataIndex);
  }

  /** Marks bits of a field as looked at. */
  lookField(field: Field, mask: bigint): void {
    const place = this.placeOf(field);
    if (place === undefined) return;
    if (field.metadataIndex !== undefined)
      this.look(WORD.tun_metadata_present + (field.metadataIndex >> 5), 1 << (field.metadataIndex & 31));
    if (place.words === 1) {
      this.look(place.word, (Number(BigInt.asUintN(32, mask)) << field.shift) & field.wordMask);
    } else {
      let rest = mask;
      for (let i = place.words - 1; i >= 0; i--, rest >>= 32n) this.look(place.word + i, Number(BigInt.asIntN(32, rest)));
    }
    this.lookPrerequisites(field);
  }

  /** Reading a field means having looked at what makes it the field it is. */
  lookPrerequisites(field: Field): void {
    switch (field.prerequisite) {
      case "tcp":
      case "udp":
      case "sctp":
      case "icmpv4":
      case "icmpv6":
      case "nd-solicit":
      case "nd-advert":
      case "nd":
        this.look(WORD.nw_proto, 0xff);
        this.look(WORD.eth_type, 0xffff);
        if (field.prerequisite.startsWith("nd")) {
          this.look(WORD.tp_src, 0xff);
          this.look(WORD.tp_dst, 0xff);
        }
        break;
      case "none":
      case "ethernet":
        break;
      case "vlan-vid":
        this.look(WORD.vlan_tci, 0x1000);
        break;
      default:
        this.look(WORD.eth_type, 0xffff);
    }
  }

  readField(field: Field): bigint {
    const place = this.placeOf(field);
    if (place === undefined) return 0n;
    if (place.words === 1) return BigInt((((this.flow[place.word] as number) & field.wordMask) >>> field.shift) >>> 0);
    let value = 0n;
    for (let i = 0; i < place.words; i++) value = (value << 32n) | BigInt((this.flow[place.word + i] as number) >>> 0);
    return value;
  }

  writeField(field: Field, value: bigint): void {
    const place = this.placeOf(field);
    if (place === undefined) return;
    if (place.words === 1) {
      const bits = Number(BigInt.asUintN(32, value));
      this.flow[place.word] = ((this.flow[place.word] as number) & ~field.wordMask) | ((bits << field.shift) & field.wordMask);
      return;
    }
    let rest = value;
    for (let i = place.words - 1; i >= 0; i--, rest >>= 32n) this.flow[place.word + i] = Number(BigInt.asIntN(32, rest));
  }

  readSubfield(sub: Subfield): bigint {
    const mask = (1n << BigInt(sub.bits)) - 1n;
    this.lookField(sub.field, mask << BigInt(sub.offset));
    return (this.readField(sub.field) >> BigInt(sub.offset)) & mask;
  }

  /**
   * Sets bits of a field; as with every write, those bits count as looked at, for what they were decides what must be done.
   * Geneve options are written to the packet as a whole, whatever they were.
   */
  writeSubfield(sub: Subfield, value: bigint): void {
    const mask = ((1n << BigInt(sub.bits)) - 1n) << BigInt(sub.offset);
    if (sub.field.metadataIndex === undefined) this.lookField(sub.field, mask);
    else markOption(this.flow, sub.field.metadataIndex, true);
    this.writeField(sub.field, (this.readField(sub.field) & ~mask) | ((value << BigInt(sub.offset)) & mask));
  }
}
