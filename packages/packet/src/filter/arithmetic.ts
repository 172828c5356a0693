/** Arithmetic of byte expressions: loads from headers, numbers, the packet's length. */
import { FilterError } from "./error.ts";
import { and, equals, load, plus, resolve, type Test, type Value } from "./machine.ts";
import { ETHERTYPE, hasLinkHeader, ipProtocol, type Layout, linkType, notFragment, transport4 } from "./primitives.ts";

export interface Arithmetic {
  readonly value: Value;
  /** What must be true of a packet for the loads in it to make sense; part of the relation. */
  readonly checks: readonly Test[];
  /** Known without a packet. */
  readonly constant?: number | undefined;
  /** The number that the expression begins with, if it begins with one: all that libpcap looks at for its zero checks. */
  readonly leading?: number | undefined;
}

export function constant(value: number): Arithmetic {
  const number = value >>> 0;
  return { value: () => number, checks: [], constant: number, leading: number };
}

export const packetLength: Arithmetic = { value: (p) => p.length >>> 0, checks: [] };

/** Protocols whose header lies behind an IPv4 header. */
const TRANSPORTS = new Map<string, number>([
  ["tcp", 6],
  ["udp", 17],
  ["icmp", 1],
  ["igmp", 2],
  ["igrp", 9],
  ["pim", 103],
  ["vrrp", 112],
  ["carp", 112],
  ["sctp", 132],
  ["ah", 51],
  ["esp", 50],
]);

const NETWORKS = new Map<string, number>([
  ["ip", ETHERTYPE.ip],
  ["ip6", ETHERTYPE.ip6],
  ["arp", ETHERTYPE.arp],
  ["rarp", ETHERTYPE.rarp],
  ["atalk", 0x809b],
  ["aarp", 0x80f3],
  ["decnet", 0x6003],
  ["lat", 0x6004],
  ["sca", 0x6007],
  ["moprc", 0x6002],
  ["mopdl", 0x6001],
]);

/** `protocol[index:size]`. Throws FilterError for protocols without bytes of their own and for bad sizes. */
export function accessor(layout: Layout, protocol: string, index: Arithmetic, size: number, at: number): Arithmetic {
  if (size !== 1 && size !== 2 && size !== 4) throw new FilterError("data size must be 1, 2, or 4", at);
  const { leading } = index;
  const from = (start: Value): Value => {
    return (p) => {
      const place = (start(p) + index.value(p)) >>> 0;
      return p.failed ? 0 : load(p, place, size);
    };
  };
  if (protocol === "ether" || protocol === "link") {
    const { linkHeader } = layout;
    const has = hasLinkHeader(layout);
    return { value: from((p) => resolve(p, linkHeader)), checks: [...index.checks, ...(has ? [has] : [])], leading };
  }
  const { network } = layout;
  const type = NETWORKS.get(protocol);
  if (type !== undefined)
    return { value: from((p) => resolve(p, network)), checks: [...index.checks, linkType(layout, type)], leading };
  if (protocol === "icmp6") {
    const carried = and(linkType(layout, ETHERTYPE.ip6), equals(plus(network, 6), 1, 58));
    return { value: from((p) => resolve(p, network) + 40), checks: [...index.checks, carried], leading };
  }
  const transport = TRANSPORTS.get(protocol);
  if (transport === undefined) throw new FilterError("unsupported index operation", at);
  // byte expressions of transport headers are of IPv4 only, and never of later fragments
  const checks = [linkType(layout, ETHERTYPE.ip), ipProtocol(layout, 4, transport), notFragment(layout)];
  return { value: from(transport4(layout)), checks: [...index.checks, ...checks], leading };
}

const OPERATIONS: Readonly<Record<string, (a: number, b: number) => number>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => Math.imul(a, b),
  "&": (a, b) => a & b,
  "|": (a, b) => a | b,
  "^": (a, b) => a ^ b,
  "<<": (a, b) => (b > 31 ? 0 : a << b),
  ">>": (a, b) => (b > 31 ? 0 : a >>> b),
};

/** `left operator right`; `at` is the operator's place. */
export function binary(operator: string, left: Arithmetic, right: Arithmetic, at: number): Arithmetic {
  // as in libpcap, only the checks of the left side survive an operation
  const { checks, leading } = left;
  const a = left.value;
  const b = right.value;
  if (operator === "/" || operator === "%") {
    if (right.leading === 0) throw new FilterError(operator === "/" ? "division by zero" : "modulus by zero", at);
    const value: Value = (p) => {
      const dividend = a(p);
      const divisor = b(p);
      if (divisor === 0) p.failed = true;
      if (p.failed) return 0;
      return operator === "/" ? Math.floor(dividend / divisor) : dividend % divisor;
    };
    return { value, checks, leading };
  }
  if ((operator === "<<" || operator === ">>") && right.leading !== undefined && right.leading > 31)
    throw new FilterError("shift by more than 31 bits", at);
  const run = OPERATIONS[operator]!;
  if (left.constant !== undefined && right.constant !== undefined)
    return { ...constant(run(left.constant, right.constant)), leading };
  return { value: (p) => run(a(p), b(p)) >>> 0, checks, leading };
}

export function negate(operand: Arithmetic): Arithmetic {
  if (operand.constant !== undefined) return { ...constant(-operand.constant), leading: operand.leading };
  return { value: (p) => -operand.value(p) >>> 0, checks: operand.checks, leading: operand.leading };
}

const RELATIONS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  "=": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
};

export const isRelation = (operator: string): boolean => operator in RELATIONS;

/** `left relation right`, with the checks of both sides before it. */
export function relation(operator: string, left: Arithmetic, right: Arithmetic): Test {
  const compare = RELATIONS[operator]!;
  const test: Test = (p) => {
    const a = left.value(p);
    const b = right.value(p);
    return !p.failed && compare(a, b);
  };
  return and(...left.checks, ...right.checks, test);
}
