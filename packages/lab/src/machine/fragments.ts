/**
 * Fragments of IP packets, made and put together again (RFC 791 3.2, RFC 8200 4.5). Packets are bytes that begin with the IP
 * header.
 */
import { internetChecksum } from "@weft/packet";
import type { Clock, Timer } from "@weft/runtime";

/** Milliseconds that Linux waits for the rest of a packet. */
const PATIENCE = { 4: 30_000, 6: 60_000 } as const;
/** Bytes held back at most, of all packets together; the oldest goes first (net.ipv4.ipfrag_high_thresh). */
const MOST_BYTES = 4 * 1024 * 1024;
const LONGEST = 65535;

const IPV6_HEADER = 40;
const FRAGMENT_HEADER = 8;
const FRAGMENT = 44;
const MORE = { 4: 0x2000, 6: 1 } as const;

function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

function setWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value & 0xff;
}

function ihl(packet: Uint8Array): number {
  return ((packet[0] ?? 0) & 0xf) * 4;
}

/** Writes the checksum of an IPv4 header. */
export function sealIpv4(packet: Uint8Array): void {
  setWord(packet, 10, 0);
  setWord(packet, 10, internetChecksum(packet, 0, ihl(packet)));
}

/**
 * Cuts a packet so that no piece is longer than `mtu`. IPv4 options are repeated in every piece; an IPv6 packet is cut behind
 * its fixed header, and `id` is its identification. Undefined when the MTU has no room for data.
 */
export function fragmentsOf(packet: Uint8Array, mtu: number, id: number): Uint8Array[] | undefined {
  const six = (packet[0] ?? 0) >> 4 === 6;
  const header = six ? IPV6_HEADER : ihl(packet);
  const room = (mtu - header - (six ? FRAGMENT_HEADER : 0)) & ~7;
  if (room <= 0) return undefined;
  // A fragment may be cut again on its way (IPv4): it keeps its place in the whole.
  const first = six ? 0 : word(packet, 6) & 0x1fff;
  const moreBehind = !six && (word(packet, 6) & MORE[4]) !== 0;
  const pieces: Uint8Array[] = [];
  for (let at = header; at < packet.length; at += room) {
    const data = packet.subarray(at, Math.min(at + room, packet.length));
    const last = at + room >= packet.length && !moreBehind;
    const piece = new Uint8Array(header + (six ? FRAGMENT_HEADER : 0) + data.length);
    piece.set(packet.subarray(0, header));
    piece.set(data, piece.length - data.length);
    const offset = at - header;
    if (six) {
      setWord(piece, 4, FRAGMENT_HEADER + data.length);
      piece[6] = FRAGMENT;
      piece[header] = packet[6] ?? 0;
      setWord(piece, header + 2, offset | (last ? 0 : MORE[6]));
      setWord(piece, header + 4, id >>> 16);
      setWord(piece, header + 6, id & 0xffff);
    } else {
      setWord(piece, 2, piece.length);
      setWord(piece, 6, (first + offset / 8) | (last ? 0 : MORE[4]));
      sealIpv4(piece);
    }
    pieces.push(piece);
  }
  return pieces;
}

interface Fragment {
  readonly key: string;
  /** Bytes before it in the whole's payload. */
  readonly offset: number;
  readonly more: boolean;
  readonly data: Uint8Array;
  /** What comes before the data, without a fragment header. */
  readonly header: Uint8Array;
  readonly family: 4 | 6;
}

/** Reads a packet as a fragment; undefined when it is whole, or nothing that can be put together. */
export function readFragment(packet: Uint8Array): Fragment | undefined {
  const version = (packet[0] ?? 0) >> 4;
  if (version === 4 && packet.length >= 20 && ihl(packet) >= 20) {
    const flags = word(packet, 6);
    if ((flags & 0x3fff) === 0) return undefined;
    const end = Math.min(word(packet, 2), packet.length);
    return {
      family: 4,
      key: `4 ${packet.subarray(12, 20).join()} ${packet[9]} ${word(packet, 4)}`,
      offset: (flags & 0x1fff) * 8,
      more: (flags & MORE[4]) !== 0,
      header: packet.subarray(0, ihl(packet)),
      data: packet.subarray(ihl(packet), end),
    };
  }
  if (version !== 6 || packet[6] !== FRAGMENT || packet.length < IPV6_HEADER + FRAGMENT_HEADER) return undefined;
  const header = packet.slice(0, IPV6_HEADER);
  header[6] = packet[IPV6_HEADER] ?? 0;
  return {
    family: 6,
    key: `6 ${packet.subarray(8, IPV6_HEADER).join()} ${packet.subarray(IPV6_HEADER + 4, IPV6_HEADER + 8).join()}`,
    offset: word(packet, IPV6_HEADER + 2) & 0xfff8,
    more: (word(packet, IPV6_HEADER + 2) & MORE[6]) !== 0,
    header,
    data: packet.subarray(IPV6_HEADER + FRAGMENT_HEADER, IPV6_HEADER + word(packet, 4)),
  };
}

interface Pending {
  readonly pieces: Fragment[];
  readonly timer: Timer;
  bytes: number;
}

/** Puts fragments together. */
export class Reassembly {
  readonly #clock: Clock;
  readonly #pending = new Map<string, Pending>();
  #bytes = 0;
  /** Told when the rest of a packet did not come; with the first fragment, where there is one. */
  onTimeout: ((first: Uint8Array) => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The whole packet when this fragment was the last missing one. */
  add(fragment: Fragment, packet: Uint8Array): Uint8Array | undefined {
    const { key, offset, data, more, family } = fragment;
    // A piece in the middle has a multiple of 8 bytes (RFC 8200 4.5); one beyond the longest packet is nobody's.
    if ((more && data.length % 8 !== 0) || offset + data.length > LONGEST) return this.#drop(key);
    let pending = this.#pending.get(key);
    if (!pending) {
      const timer = this.#clock.after(PATIENCE[family], () => this.#expire(key, packet), true);
      pending = { pieces: [], timer, bytes: 0 };
      this.#pending.set(key, pending);
    }
    const same = pending.pieces.find((other) => other.offset === offset && other.data.length === data.length);
    if (same) return undefined;
    // Overlapping pieces are an attack: the packet is lost (RFC 5722, and Linux for IPv4 as well).
    if (pending.pieces.some((other) => offset < other.offset + other.data.length && other.offset < offset + data.length))
      return this.#drop(key);
    pending.pieces.push(fragment);
    pending.bytes += data.length;
    this.#bytes += data.length;
    const whole = this.#whole(pending);
    if (whole) this.#drop(key);
    for (const oldest of this.#pending.keys()) {
      if (this.#bytes <= MOST_BYTES) break;
      this.#drop(oldest);
    }
    return whole;
  }

  #whole({ pieces }: Pending): Uint8Array | undefined {
    const sorted = [...pieces].sort((a, b) => a.offset - b.offset);
    let end = 0;
    for (const { offset, data } of sorted) {
      if (offset !== end) return undefined;
      end += data.length;
    }
    const [first] = sorted;
    if (!first || sorted.at(-1)?.more !== false || first.header.length + end > LONGEST) return undefined;
    const { header, family } = first;
    const packet = new Uint8Array(header.length + end);
    packet.set(header);
    for (const { offset, data } of sorted) packet.set(data, header.length + offset);
    if (family === 4) {
      setWord(packet, 2, packet.length);
      setWord(packet, 6, 0);
      sealIpv4(packet);
    } else setWord(packet, 4, end);
    return packet;
  }

  #expire(key: string, packet: Uint8Array): void {
    const hasFirst = this.#pending.get(key)?.pieces.some(({ offset }) => offset === 0) === true;
    this.#drop(key);
    if (hasFirst) this.onTimeout?.(packet);
  }

  #drop(key: string): undefined {
    const pending = this.#pending.get(key);
    if (!pending) return undefined;
    pending.timer.cancel();
    this.#bytes -= pending.bytes;
    this.#pending.delete(key);
    return undefined;
  }
}
