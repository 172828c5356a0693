/** Several datapaths that are known together: a flow that is on all of them is yielded once. */
import type { Uuid } from "@weft/ovsdb";

/** Sums over the members, modulo 2^32 each, tell sets apart: members come and go without the others being looked at. */
export function hashesOf(datapath: Uuid): readonly [number, number] {
  return [Number.parseInt(datapath.slice(0, 8), 16), Number.parseInt(datapath.slice(28, 36), 16)];
}

export function setKey(hash1: number, hash2: number, size: number): string {
  return `${hash1} ${hash2} ${size}`;
}

export class DatapathSet {
  readonly members: readonly Uuid[];
  /** The same for the same members, in any order. */
  readonly key: string;

  constructor(members: readonly Uuid[]) {
    this.members = members;
    let [hash1, hash2] = [0, 0];
    for (const member of members) {
      const [one, two] = hashesOf(member);
      hash1 = (hash1 + one) >>> 0;
      hash2 = (hash2 + two) >>> 0;
    }
    this.key = setKey(hash1, hash2, members.length);
  }

  get size(): number {
    return this.members.length;
  }
}

/** For use as a cut-off: sets with the same members are the same. */
export function sameSet(a: DatapathSet, b: DatapathSet): boolean {
  return a.key === b.key;
}
