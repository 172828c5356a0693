/** How a bond spreads what it sends over its members: 256 slots, by a hash, each of which has a member. */
import { finishHash, mixHash } from "../xlate/hash.ts";

export const SLOTS = 256;

/** The slot of a bond that balances by source (balance-slb): by MAC address and VLAN. */
export function sourceSlot(mac: number, vlan: number, basis: number): number {
  const high = Math.floor(mac / 2 ** 32);
  return finishHash(mixHash(mixHash(basis, mac | 0), high | (vlan << 16)) ^ 8) & (SLOTS - 1);
}

export interface Slot {
  member: string | undefined;
  /** Sent of late, in bytes. */
  load: number;
}

/** Members whose loads differ by less, in bytes, are left alone. */
const LEAST_DIFFERENCE = 100_000;

export interface Move {
  readonly slot: number;
  readonly from: string;
  readonly to: string;
}

/**
 * Slots that should go from the member with the greatest load to the one with the least: as long as a slot's load is less than the
 * difference, so that every move brings the two closer. Loads are in bytes.
 */
export function rebalance(slots: readonly Readonly<Slot>[], members: readonly string[]): Move[] {
  const loads = new Map(members.map((name) => [name, 0]));
  const now = slots.map((slot) => ({ ...slot }));
  for (const { member, load } of now) {
    const known = member === undefined ? undefined : loads.get(member);
    if (member !== undefined && known !== undefined) loads.set(member, known + load);
  }
  const moves: Move[] = [];
  for (;;) {
    const sorted = [...loads].sort(([, a], [, b]) => b - a);
    const [from, most] = sorted[0] ?? ["", 0];
    const [to, least] = sorted.at(-1) ?? ["", 0];
    const difference = most - least;
    if (difference < LEAST_DIFFERENCE) return moves;
    let best: number | undefined;
    for (const [slot, { member, load }] of now.entries()) {
      if (member !== from || load === 0 || load >= difference) continue;
      // The closer to half the difference, the closer the two get.
      if (best === undefined || Math.abs(2 * load - difference) < Math.abs(2 * (now[best]?.load ?? 0) - difference)) best = slot;
    }
    const moved = best === undefined ? undefined : now[best];
    if (best === undefined || moved === undefined) return moves;
    moved.member = to;
    loads.set(from, most - moved.load);
    loads.set(to, least + moved.load);
    moves.push({ slot: best, from, to });
  }
}
