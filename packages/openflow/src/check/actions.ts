/**
 * Whether actions fit the match of their flow: an action on a field needs packets that have the field.
 *
 * Two degrees, as in Open vSwitch: actions of OpenFlow 1.0 do nothing to packets without their field, and only later
 * versions refuse them (`inconsistent`); extensions and set_field are refused always (`error`).
 */
import type { Action, LearnSource, Subfield } from "../action/types.ts";
import { WORD } from "../field/layout.ts";
import type { Field } from "../field/types.ts";
import { MatchBuilder, VLAN_PRESENT } from "../match/builder.ts";
import { Match } from "../match/match.ts";
import { applicable, etherTypeOf, meets } from "../match/prerequisites.ts";
import { OFPP } from "../ports.ts";

export interface ActionsCheck {
  /** The OpenFlow error that every version reports: a name of ERROR_NAMES. */
  readonly error?: string;
  /** The field that the error is about. */
  readonly field?: Field;
  /** Versions since 1.1 report OFPBAC_MATCH_INCONSISTENT; OpenFlow 1.0 has no such rule. */
  readonly inconsistent: boolean;
}

interface State {
  /** What is known of the packet at this place in the list. */
  readonly packet: MatchBuilder;
  readonly table: number;
  inconsistent: boolean;
}

interface Problem {
  readonly error: string;
  readonly field?: Field;
}

/**
 * Checks the actions of a flow of `table` (0xff: not known) with `match`. Never throws.
 */
export function checkActions(match: Match, actions: readonly Action[], table = 0xff): ActionsCheck {
  const state: State = { packet: new MatchBuilder(match), table, inconsistent: false };
  const problem = checkList(state, actions);
  return { ...problem, inconsistent: state.inconsistent };
}

function checkList(state: State, actions: readonly Action[]): Problem | undefined {
  for (const action of actions) {
    const problem = checkAction(state, action);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** Checks a list whose effects end with it. */
function checkNested(state: State, actions: readonly Action[]): Problem | undefined {
  const inner: State = { packet: new MatchBuilder(state.packet.build()), table: state.table, inconsistent: false };
  const problem = checkList(inner, actions);
  if (inner.inconsistent) state.inconsistent = true;
  return problem;
}

function needs(state: State, ...parts: readonly (Subfield | number | undefined)[]): Problem | undefined {
  for (const part of parts)
    if (typeof part === "object" && !applicable(state.packet, part.field))
      return { error: "OFPBAC_MATCH_INCONSISTENT", field: part.field };
  return undefined;
}

/** An action that OpenFlow 1.0 allows on packets that it does nothing to. */
function wants(state: State, ok: boolean): undefined {
  if (!ok) state.inconsistent = true;
}

function checkAction(state: State, action: Action): Problem | undefined {
  const { packet } = state;
  switch (action.type) {
    case "enqueue":
      if (action.port >= OFPP.MAX && action.port !== OFPP.IN_PORT && action.port !== OFPP.LOCAL)
        return { error: "OFPBAC_BAD_OUT_PORT" };
      return undefined;
    case "output_reg":
    case "push":
      return needs(state, action.src);
    case "move":
      return needs(state, action.src, action.dst);
    case "pop":
    case "multipath":
      return needs(state, action.dst);
    case "bundle":
      return needs(state, action.dst);
    case "load": {
      const mask = ((1n << BigInt(action.dst.bits)) - 1n) << BigInt(action.dst.offset);
      return setField(state, action.dst.field, action.value << BigInt(action.dst.offset), mask);
    }
    case "set_field":
      return setField(state, action.field, action.value, action.mask ?? (1n << BigInt(action.field.bits)) - 1n);
    case "sample":
      return needs(
        state,
        typeof action.obsDomain === "object" ? action.obsDomain : undefined,
        typeof action.obsPoint === "object" ? action.obsPoint : undefined,
      );
    case "learn":
      return checkLearn(state, action.specs);
    case "delete_field":
      return action.field.metadataIndex === undefined ? { error: "OFPBAC_BAD_ARGUMENT" } : undefined;
    case "mod_vlan_vid":
    case "mod_vlan_pcp":
      // Whether it may push is a matter of how it is said; either way the packet has a header then.
      if (!action.pushIfNeeded) wants(state, hasVlan(state));
      packet.setWord(WORD.vlan_tci, VLAN_PRESENT, VLAN_PRESENT);
      return undefined;
    case "push_vlan":
      packet.setWord(WORD.vlan_tci, VLAN_PRESENT, VLAN_PRESENT);
      return undefined;
    case "strip_vlan":
      wants(state, hasVlan(state));
      packet.setWord(WORD.vlan_tci, 0, 0xffff);
      return undefined;
    case "mod_nw_src":
    case "mod_nw_dst":
      return wants(state, meets(packet, "ipv4"));
    case "mod_nw_tos":
    case "mod_nw_ecn":
    case "mod_nw_ttl":
    case "dec_ttl":
      return wants(state, meets(packet, "ip"));
    case "mod_tp_src":
    case "mod_tp_dst":
      return wants(state, meets(packet, "tcp") || meets(packet, "udp") || meets(packet, "sctp"));
    case "fin_timeout":
      return wants(state, meets(packet, "tcp"));
    case "set_mpls_label":
    case "set_mpls_tc":
    case "set_mpls_ttl":
    case "dec_mpls_ttl":
      return wants(state, meets(packet, "mpls"));
    case "dec_nsh_ttl":
      return wants(state, meets(packet, "nsh"));
    case "push_mpls":
      setEtherType(packet, action.ethertype);
      packet.clearWord(WORD.nw_proto);
      return undefined;
    case "pop_mpls":
      wants(state, meets(packet, "mpls"));
      setEtherType(packet, action.ethertype);
      return undefined;
    case "encap":
      packet.setWord(WORD.packet_type, action.packetType, -1);
      if (action.packetType !== 0) packet.clearWord(WORD.eth_type);
      return undefined;
    case "decap":
      decap(packet);
      return undefined;
    case "clone":
      return checkNested(state, action.actions);
    case "ct":
      if (!meets(packet, "ip")) return { error: "OFPBAC_MATCH_INCONSISTENT" };
      return needs(state, typeof action.zone === "object" ? action.zone : undefined) ?? checkNested(state, action.actions);
    case "nat":
      if (action.ipv4 !== undefined && !meets(packet, "ipv4")) return { error: "OFPBAC_MATCH_INCONSISTENT" };
      if (action.ipv6 !== undefined && !meets(packet, "ipv6")) return { error: "OFPBAC_MATCH_INCONSISTENT" };
      return undefined;
    case "write_actions": {
      // In an action set OpenFlow 1.0's actions are not looked at.
      const before = state.inconsistent;
      const problem = checkNested(state, action.actions);
      state.inconsistent = before;
      return problem;
    }
    case "goto_table":
      return state.table !== 0xff && action.table <= state.table ? { error: "OFPBIC_BAD_TABLE_ID" } : undefined;
    default:
      return undefined;
  }
}

function hasVlan(state: State): boolean {
  return meets(state.packet, "vlan-vid");
}

function setEtherType(packet: MatchBuilder, type: number): void {
  if (packet.wordMask(WORD.packet_type) !== 0 && packet.wordValue(WORD.packet_type) !== 0)
    packet.setWord(WORD.packet_type, 0x10000 | type, -1);
  else packet.setWord(WORD.eth_type, type, 0xffff);
}

/** What the outermost header is after it was taken off; an NSH header says what follows only in the packet. */
function decap(packet: MatchBuilder): void {
  const isEthernet = packet.wordMask(WORD.packet_type) === 0 || packet.wordValue(WORD.packet_type) === 0;
  const type = etherTypeOf(packet) ?? 0;
  packet.setWord(WORD.packet_type, isEthernet ? 0x10000 | type : 0x1ffff, -1);
}

function setField(state: State, field: Field, value: bigint, mask: bigint): Problem | undefined {
  const problem = needs(state, { field, offset: 0, bits: field.bits });
  if (problem !== undefined) return problem;
  if (field.name === "vlan_tci") state.packet.setWord(WORD.vlan_tci, Number(value), Number(mask) & VLAN_PRESENT);
  return undefined;
}

function isField(source: LearnSource): source is Subfield {
  return "field" in source;
}

/** Sources are fields of the packet; destinations of matches and loads are fields of what the learned flow will match. */
function checkLearn(state: State, specs: Extract<Action, { type: "learn" }>["specs"]): Problem | undefined {
  const learned: State = { packet: new MatchBuilder(Match.ANY), table: 0xff, inconsistent: false };
  for (const spec of specs) {
    const source: LearnSource = spec.src;
    if (isField(source)) {
      const problem = needs(state, source);
      if (problem !== undefined) return problem;
    }
    if (spec.kind === "output") continue;
    const problem = needs(learned, spec.dst);
    if (problem !== undefined) return problem;
    if (spec.kind === "match" && !isField(source)) learned.packet.set(spec.dst.field, source.value << BigInt(spec.dst.offset));
  }
  return undefined;
}

/** The error of an action whose flow it contradicts, where actions are what a version since 1.1 says. */
export function matchErrorOf(check: ActionsCheck, version: number): string | undefined {
  return check.error ?? (check.inconsistent && version > 1 ? "OFPBAC_MATCH_INCONSISTENT" : undefined);
}
