/** Network address translation: the choice of addresses and ports for a new connection (ovs-actions(7), ct, nat). */
import type { CtNat, TunnelAddress } from "../datapath/actions.ts";
import { IP_ICMP, IP_ICMPV6, IP_SCTP, IP_TCP, IP_UDP } from "../flow/key.ts";
import type { Tuple } from "./table.ts";

/** What a choice needs of the tracker. */
export interface NatChoice {
  /** Is no connection known by this tuple? */
  free(tuple: Tuple): boolean;
  /** A number that depends on the tuple, the same for the life of the switch. */
  hash(tuple: Tuple, persistent: boolean): number;
  /** A random number below `bound`. */
  below(bound: number): number;
}

/** A run of ports, inclusive, that is gone through from `start` on and round. */
interface PortRange {
  readonly min: number;
  readonly max: number;
  readonly start: number;
}

/** Ports that may stand for a port where no range is given: those of its own kind. */
function ephemeral(port: number): PortRange {
  if (port < 512) return { min: 1, max: 511, start: port };
  if (port < 1024) return { min: 600, max: 1023, start: port };
  return { min: 1024, max: 65535, start: port };
}

/** Tries before giving up on one address: a busy address must not hold the switch up for all of its ports. */
const MAX_TRIES = 128 * 1024;

const hasPorts = (protocol: number): boolean => protocol === IP_TCP || protocol === IP_UDP || protocol === IP_SCTP;

const SIZE_LIMIT = 1n << 32n;

/** Addresses of a range, at most 2^32 of them. */
function addressCount(min: TunnelAddress, max: TunnelAddress): number {
  if (min.family === 4) return max.family === 4 && max.ip >= min.ip ? max.ip - min.ip + 1 : 1;
  const count = max.family === 6 && max.ip >= min.ip ? max.ip - min.ip + 1n : 1n;
  return Number(count < SIZE_LIMIT ? count : SIZE_LIMIT);
}

/** Writes the address that is `offset` above `min`. */
function putAddress(min: TunnelAddress, offset: number, words: Int32Array, at: number): void {
  if (min.family === 4) {
    words[at] = min.ip + offset;
    return;
  }
  let value: bigint = min.ip + BigInt(offset);
  for (let i = 3; i >= 0; i--) {
    words[at + i] = Number(value & 0xffffffffn);
    value >>= 32n;
  }
}

const isZero = (address: TunnelAddress): boolean => (address.family === 4 ? address.ip === 0 : address.ip === 0n);

/**
 * Changes `reply`, the tuple that answers to the original would have, to the one they will have. False: every tuple that the range
 * allows is taken, and the connection cannot be.
 */
export function chooseTranslation(nat: CtNat, original: Tuple, reply: Tuple, choice: NatChoice): boolean {
  const source = nat.direction === "src";
  const protocol = original.head & 0xff;
  // The reply's destination is the original's translated source.
  const at = source ? 4 : 0;
  const { min } = nat;
  // All zeros: the packet's own address, with another port where it is needed.
  const keep = min === undefined || isZero(min);
  const count = keep ? 1 : addressCount(min, nat.max ?? min);
  const hash = choice.hash(original, nat.persistent);
  const first = count === 1 ? 0 : hash % count;
  for (let i = 0; i < count && i < MAX_TRIES; i++) {
    if (!keep) putAddress(min, (first + i) % count, reply.addresses, at);
    if (hasPorts(protocol)) {
      if (choosePorts(nat, source, original, reply, hash, choice)) return true;
    } else if (protocol === IP_ICMP || protocol === IP_ICMPV6) {
      if (chooseIdentifier(nat, original, reply, hash, choice)) return true;
    } else if (choice.free(reply)) return true;
  }
  return false;
}

/** The ports that are asked for, from a hash or at random on. */
function givenPorts(nat: CtNat, hash: number, choice: NatChoice): PortRange | undefined {
  if (nat.portMin === 0) return undefined;
  const max = Math.max(nat.portMin, nat.portMax);
  const size = max - nat.portMin + 1;
  return { min: nat.portMin, max, start: nat.portMin + (nat.random ? choice.below(size) : hash % size) };
}

/** The i-th port of a range; a start outside of it counts as one more. */
function portAt({ min, max, start }: PortRange, i: number): number {
  if (start >= min && start <= max) return min + ((start - min + i) % (max - min + 1));
  return i === 0 ? start : min + i - 1;
}
const portCount = ({ min, max, start }: PortRange): number => max - min + 1 + (start >= min && start <= max ? 0 : 1);

/**
 * Source ports are gone through in any case, for two connections to translated destinations may differ in nothing else; destination
 * ports only if there is a range of them.
 */
function choosePorts(nat: CtNat, source: boolean, original: Tuple, reply: Tuple, hash: number, choice: NatChoice): boolean {
  const sourcePort = original.ports >>> 16;
  const destinationPort = original.ports & 0xffff;
  const given = givenPorts(nat, hash, choice);
  const ours = (source ? given : undefined) ?? ephemeral(sourcePort);
  const theirs = (source ? undefined : given) ?? { min: destinationPort, max: destinationPort, start: destinationPort };
  let tries = 0;
  for (let i = 0; i < portCount(ours); i++) {
    for (let j = 0; j < portCount(theirs); j++) {
      reply.ports = (portAt(theirs, j) << 16) | portAt(ours, i);
      if (choice.free(reply)) return true;
      if (++tries >= MAX_TRIES) return false;
    }
  }
  return false;
}

/**
 * ICMP has its identifier in place of ports, and a range of ports of SNAT is one of identifiers. ICMPv6 keeps its own, as in the
 * reference: who cannot have it is not translated.
 */
function chooseIdentifier(nat: CtNat, original: Tuple, reply: Tuple, hash: number, choice: NatChoice): boolean {
  if ((original.head & 0xff) === IP_ICMPV6) return choice.free(reply);
  const given = nat.direction === "src" ? givenPorts(nat, hash, choice) : undefined;
  const range = given ?? { min: 0, max: 0xffff, start: original.ports >>> 16 };
  const rest = reply.ports & 0xffff;
  for (let i = 0; i < portCount(range); i++) {
    reply.ports = (portAt(range, i) << 16) | rest;
    if (choice.free(reply)) return true;
  }
  return false;
}
