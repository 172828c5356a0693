/** Flows as features write them: matches by field name, actions by short constructors. */
import type { GroupRequest, MeterRequest } from "@weft/logical";
import { type Action, field, Match, MatchBuilder, OFPP, type Subfield } from "@weft/openflow";

/** A flow that is to be in the switch. Two flows with the same table, priority and match exclude one another. */
export interface DesiredFlow {
  readonly table: number;
  readonly priority: number;
  readonly match: Match;
  readonly actions: readonly Action[];
  /** The first 32 bits of the uuid of the Southbound row it comes from; 0 for none. */
  readonly cookie: number;
  /** Groups and meters that the actions use, by key. */
  readonly groups?: ReadonlyMap<string, GroupRequest>;
  readonly meters?: ReadonlyMap<string, MeterRequest>;
  /** One of them has no number yet: not to be installed. */
  readonly waits?: boolean;
}

export type MatchValue = number | bigint | readonly [value: number | bigint, mask: number | bigint];

/** By field name; a prerequisite that has a choice (IPv4 or IPv6) stands before the field that asks for it. */
export type MatchSpec = { readonly [field: string]: MatchValue };

/** `base`: what is matched besides. */
export function matchOf(spec: MatchSpec, base?: Match): Match {
  const builder = new MatchBuilder(base);
  for (const name in spec) {
    const value = spec[name]!;
    const f = field(name);
    builder.require(f);
    if (typeof value === "object") builder.set(f, value[0], value[1]);
    else builder.set(f, value);
  }
  return builder.build();
}

export interface FlowSpec {
  readonly table: number;
  readonly priority: number;
  readonly match: MatchSpec | Match;
  readonly actions: readonly Action[];
  /** A row's uuid. */
  readonly from?: string | undefined;
}

export function flow(spec: FlowSpec): DesiredFlow {
  const match = spec.match instanceof Match ? spec.match : matchOf(spec.match);
  return desired(spec.table, spec.priority, match, spec.actions, spec.from === undefined ? 0 : cookieOf(spec.from));
}

export function desired(table: number, priority: number, match: Match, actions: readonly Action[], cookie: number): DesiredFlow {
  return { table, priority, match, actions, cookie };
}

/** The first 32 bits of a uuid. */
export function cookieOf(uuid: string): number {
  return Number.parseInt(uuid.slice(0, 8), 16);
}

/** All bits of a field, or those of a mask. */
export function set(name: string, value: number | bigint, mask?: number | bigint): Action {
  return { type: "set_field", field: field(name), value: BigInt(value), mask: mask === undefined ? undefined : BigInt(mask) };
}

export function bits(name: string, offset: number, count: number): Subfield {
  return { field: field(name), offset, bits: count };
}

export function all(name: string): Subfield {
  const f = field(name);
  return { field: f, offset: 0, bits: f.bits };
}

export function move(src: Subfield, dst: Subfield): Action {
  return { type: "move", src, dst };
}

export function resubmit(table: number): Action {
  return { type: "resubmit", port: undefined, table, ct: false };
}

export function output(port: number): Action {
  return { type: "output", port };
}

export function clone(actions: readonly Action[]): Action {
  return { type: "clone", actions };
}

export function conjunction(id: number, clause: number, clauses: number): Action {
  return { type: "conjunction", id, clause, clauses };
}

export const ctClear: Action = { type: "ct_clear" };
export const popVlan: Action = { type: "strip_vlan", pop: true };

/** Ethertypes of VLAN headers, by the names of Logical_Switch_Port options:ethtype (ovn-nb(5)). */
const VLAN_ETHERTYPES: ReadonlyMap<string | undefined, number> = new Map([["802.1ad", 0x88a8]]);
const ETHERTYPE_8021Q = 0x8100;

/** Puts on a VLAN header, 802.1Q unless `type` names another. */
export function pushed(vid: number, type?: string): Action[] {
  return [{ type: "push_vlan", ethertype: VLAN_ETHERTYPES.get(type) ?? ETHERTYPE_8021Q }, set("vlan_vid", 0x1000 | vid)];
}

/** Puts on a VLAN header with the VID, lets `actions` work, and takes the header off again. */
export function tagged(vid: number, actions: readonly Action[], type?: string): Action[] {
  if (vid === 0) return [...actions];
  return [...pushed(vid, type), ...actions, popVlan];
}

/** No input port: lets a packet leave by the port that it came in by. */
export const forgetInPort: Action = set("in_port", OFPP.NONE);

const scratch = ["reg0", "reg1", "reg2", "reg3", "reg4", "reg5", "reg6", "reg7", "reg8", "reg9"];
/** Clears the registers that belong to the logical pipeline. */
export const clearRegisters: readonly Action[] = scratch.map((name) => set(name, 0));

export const ETH = { ip: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const;
export const IP = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132 } as const;
