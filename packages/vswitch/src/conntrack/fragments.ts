/**
 * Fragments: a packet is tracked as a whole, so its fragments are held until all are there, and then go on with what was found for
 * the whole (ovs-actions(7), ct; the settings are those of dpctl/ipf-*).
 */
import { internetChecksum } from "@weft/packet";
import { ETH_IP, FRAG_LATER, WORD } from "../flow/key.ts";
import type { Packet } from "../flow/packet.ts";
import { be16, be32, newNetworkHeader, put16, put32, readNetwork } from "./headers.ts";

/** Fragments wait so long for the others, from the first that came. */
const PATIENCE_MS = 15_000;
/** What an IP packet can hold. */
const MAX_LENGTH = 0xffff;

interface Fragment {
  readonly packet: Packet;
  /** Of the data: where it begins in the whole, how long it is, and where it is in the frame. */
  readonly offset: number;
  readonly length: number;
  readonly at: number;
  readonly last: boolean;
}

interface List {
  readonly text: string;
  /** By offset. */
  readonly fragments: Fragment[];
  readonly expires: number;
}

export interface FragmentCounters {
  accepted: number;
  completed: number;
  expired: number;
  tooSmall: number;
  overlapped: number;
}

const newCounters = (): FragmentCounters => ({ accepted: 0, completed: 0, expired: 0, tooSmall: 0, overlapped: 0 });
const header = newNetworkHeader();

export class Fragments {
  readonly enabled = { 4: true, 6: true };
  /** Bytes of a fragment other than the last, network header included. */
  readonly minimum = { 4: 1200, 6: 1280 };
  /** Fragments held at once. */
  maximum = 1000;
  readonly counters = { 4: newCounters(), 6: newCounters() };
  readonly #lists = new Map<string, List>();
  held = 0;

  /**
   * Takes a fragment. "refused": it is not one that could be waited for. Undefined: it is held. A list: all of a packet are here, in
   * their order. The packet is copied.
   */
  accept(packet: Packet, zone: number, now: number): readonly Fragment[] | "refused" | undefined {
    const family = packet.key[WORD.eth_type] === ETH_IP ? 4 : 6;
    const { bytes: b, l3 } = packet;
    if (!this.enabled[family] || l3 < 0 || !readNetwork(b, l3, b.length, family, header, false)) return "refused";
    if (family === 4 && internetChecksum(b, l3, header.l4) !== 0) return "refused";
    if (family === 6 && header.fragment < 0) return "refused";
    const word = family === 4 ? be16(b, l3 + 6) : be16(b, header.fragment + 2);
    const offset = family === 4 ? (word & 0x1fff) * 8 : word & 0xfff8;
    const last = family === 4 ? (word & 0x2000) === 0 : (word & 1) === 0;
    const at = family === 4 ? header.l4 : header.fragment + 8;
    const length = header.end - at;
    const counters = this.counters[family];
    if (!last && header.end - l3 < this.minimum[family]) {
      counters.tooSmall++;
      return "refused";
    }
    if (this.held >= this.maximum || offset + length > MAX_LENGTH) return "refused";
    const key = this.#keyOf(packet, family, zone);
    let list = this.#lists.get(key);
    if (list !== undefined && list.expires < now) {
      this.#drop(key, list, family);
      list = undefined;
    }
    if (list === undefined) {
      list = { text: key, fragments: [], expires: now + PATIENCE_MS };
      this.#lists.set(key, list);
    }
    const { fragments } = list;
    let place = fragments.length;
    while (place > 0 && (fragments[place - 1] as Fragment).offset > offset) place--;
    const before = fragments[place - 1];
    const after = fragments[place];
    if (
      (before !== undefined && (before.offset === offset || before.offset + before.length > offset)) ||
      (after !== undefined && offset + length > after.offset)
    ) {
      counters.overlapped++;
      return "refused";
    }
    fragments.splice(place, 0, { packet: packet.clone(), offset, length, at, last });
    this.held++;
    counters.accepted++;
    if (!isWhole(fragments)) return undefined;
    this.#lists.delete(key);
    this.held -= fragments.length;
    counters.completed += fragments.length;
    return fragments;
  }

  #keyOf({ bytes: b, l3, key }: Packet, family: 4 | 6, zone: number): string {
    const addresses: number[] = [];
    for (let at = family === 4 ? 12 : 8; at < (family === 4 ? 20 : 40); at += 4) addresses.push(be32(b, l3 + at) >>> 0);
    const id = family === 4 ? be16(b, l3 + 4) : be32(b, header.fragment + 4) >>> 0;
    return [family, ...addresses, key[WORD.recirc_id], id, zone, family === 4 ? header.protocol : 0].join(" ");
  }

  #drop(key: string, { fragments }: List, family: 4 | 6): void {
    this.#lists.delete(key);
    this.held -= fragments.length;
    this.counters[family].expired += fragments.length;
  }

  /** Gives up on packets whose fragments have been waited for long enough. */
  expire(now: number): void {
    for (const [key, list] of this.#lists) if (list.expires < now) this.#drop(key, list, key.startsWith("4") ? 4 : 6);
  }

  /** What is waited for, for dpctl/ipf-get-status -m. */
  *lists(): Generator<{ family: 4 | 6; words: readonly number[]; fragments: number; first: boolean; last: boolean }> {
    for (const { text, fragments } of this.#lists.values()) {
      if (fragments.length === 0) continue;
      const [family, ...words] = text.split(" ").map(Number) as [4 | 6, ...number[]];
      const first = (fragments[0] as Fragment).offset === 0;
      yield { family, words, fragments: fragments.length, first, last: fragments.at(-1)?.last === true };
    }
  }
}

function isWhole(fragments: readonly Fragment[]): boolean {
  let end = 0;
  for (const { offset, length } of fragments) {
    if (offset !== end) return false;
    end += length;
  }
  return fragments.at(-1)?.last === true;
}

/** The packet that these are the fragments of, with the key and the headers of the first. */
export function reassemble(fragments: readonly Fragment[]): Packet {
  const { packet: first, at } = fragments[0] as Fragment;
  const total = fragments.reduce((sum, { length }) => sum + length, 0);
  const bytes = new Uint8Array(at + total);
  bytes.set(first.bytes.subarray(0, at));
  for (const { packet, offset, length, at: from } of fragments)
    bytes.set(packet.bytes.subarray(from, from + length), at + offset);
  const whole = first.clone();
  whole.bytes = bytes;
  whole.shared = false;
  whole.padding = 0;
  whole.key[WORD.nw_frag] = 0;
  const { l3 } = whole;
  if (whole.key[WORD.eth_type] === ETH_IP) {
    put16(bytes, l3 + 2, bytes.length - l3);
    put16(bytes, l3 + 6, 0);
    put16(bytes, l3 + 10, 0);
    put16(bytes, l3 + 10, internetChecksum(bytes, l3, at));
  } else {
    // The fragment header stays and says that there is nothing else.
    put16(bytes, l3 + 4, bytes.length - l3 - 40);
    put16(bytes, at - 6, 0);
  }
  return whole;
}

/** Brings what tracking did to the whole packet to its fragments: addresses, data, and the words of the key. */
export function distribute(whole: Packet, fragments: readonly Fragment[]): Packet[] {
  const { bytes, l3, key } = whole;
  const { at: start } = fragments[0] as Fragment;
  const v4 = key[WORD.eth_type] === ETH_IP;
  return fragments.map(({ packet, offset, length, at }) => {
    packet.own();
    const { bytes: b } = packet;
    b.set(bytes.subarray(start + offset, start + offset + length), at);
    for (let i = v4 ? 12 : 8; i < (v4 ? 20 : 40); i += 4) put32(b, packet.l3 + i, be32(bytes, l3 + i));
    if (v4) {
      const end = packet.l3 + ((b[packet.l3] as number) & 15) * 4;
      put16(b, packet.l3 + 10, 0);
      put16(b, packet.l3 + 10, internetChecksum(b, packet.l3, end));
    }
    packet.key.set(key.subarray(WORD.ct_state, WORD.ct_tp_dst + 1), WORD.ct_state);
    packet.key.set(key.subarray(WORD.nw_src, WORD.nw_dst + 1), WORD.nw_src);
    packet.key.set(key.subarray(WORD.ipv6_src, WORD.ipv6_dst + 4), WORD.ipv6_src);
    if (((packet.key[WORD.nw_frag] as number) & FRAG_LATER) === 0) {
      packet.key[WORD.tp_src] = key[WORD.tp_src] as number;
      packet.key[WORD.tp_dst] = key[WORD.tp_dst] as number;
    }
    packet.connection = whole.connection;
    packet.connectionSerial = whole.connectionSerial;
    return packet;
  });
}
