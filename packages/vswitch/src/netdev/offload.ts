/**
 * Finishing frames whose sender left work to the device: checksums are filled in, and a TCP or UDP frame longer than the link takes
 * is cut into its segments, so that everything behind the device sees frames as they are on a wire.
 */
import { finishSum, internetChecksum, pseudoSum6At, sumBytes } from "@weft/packet";
import type { FrameOffload } from "@weft/runtime";
import type { DpAction } from "../datapath/actions.ts";
import { WORD } from "../flow/key.ts";

const ETH_IPV4 = 0x0800;
const ETH_IPV6 = 0x86dd;
const TCP = 6;
const UDP = 17;
const UDP_HEADER = 8;
const UDP_CHECKSUM = 6;
const TCP_MIN_HEADER = 20;
/** Offsets and bits within the TCP header (RFC 9293 section 3.1). */
const TCP_SEQUENCE = 4;
const TCP_OFFSET = 12;
const TCP_FLAGS = 13;
const TCP_CHECKSUM = 16;
const FIN_PSH = 0x01 | 0x08;
const CWR = 0x80;

const get16 = (b: Uint8Array, at: number): number => ((b[at] as number) << 8) | (b[at + 1] as number);
function put16(b: Uint8Array, at: number, value: number): void {
  b[at] = value >>> 8;
  b[at + 1] = value;
}

/** Where the network header begins, and its Ethernet type, behind VLAN tags. */
function networkHeader(frame: Uint8Array): { readonly at: number; readonly type: number } {
  let at = 12;
  while ((get16(frame, at) === 0x8100 || get16(frame, at) === 0x88a8) && at + 6 <= frame.length) at += 4;
  return { at: at + 2, type: get16(frame, at) };
}

/** The sum of the pseudo-header of `length` bytes of the transport protocol. */
function pseudoSum(frame: Uint8Array, l3: number, type: number, protocol: number, length: number): number {
  return type === ETH_IPV4 ? sumBytes(frame, l3 + 12, l3 + 20, protocol + length) : pseudoSum6At(frame, l3, protocol, length);
}

/** Fills in the checksum whose field holds the pseudo-header's sum; false when it would not be within the frame. */
function fillChecksum(frame: Uint8Array, { checksumStart, checksumOffset }: FrameOffload): boolean {
  const field = checksumStart + checksumOffset;
  if (field + 2 > frame.length) return false;
  const sum = finishSum(sumBytes(frame, checksumStart, frame.length));
  // In UDP no checksum at all would be zero; elsewhere both are the same number.
  put16(frame, field, sum === 0 && checksumOffset === UDP_CHECKSUM ? 0xffff : sum);
  return true;
}

/**
 * Calls `each` with what the frame is on a wire: the frame itself, or its segments in order. The frame's bytes are used. Returns
 * false for a frame that cannot be finished, which is dropped.
 */
export function finishFrame(frame: Uint8Array, offload: FrameOffload, each: (frame: Uint8Array) => void): boolean {
  if (offload.segments === "none") {
    if (!fillChecksum(frame, offload)) return false;
    each(frame);
    return true;
  }
  return offload.segments !== "other" && offload.needsChecksum && cut(frame, offload, each);
}

/** The length of the longest segment, for TCP without VLAN tags; Infinity for frames of other kinds. */
export function segmentLength(frame: Uint8Array, { segments, checksumStart, segmentSize, needsChecksum }: FrameOffload): number {
  const type = get16(frame, 12);
  const plain = (segments === "tcp4" && type === ETH_IPV4) || (segments === "tcp6" && type === ETH_IPV6);
  if (!plain || !needsChecksum || segmentSize === 0 || frame.length < checksumStart + TCP_MIN_HEADER)
    return Number.POSITIVE_INFINITY;
  return checksumStart + ((frame[checksumStart + TCP_OFFSET] as number) >>> 4) * 4 + segmentSize;
}

/** How many frames it is on a wire. */
export function segmentCount(frame: Uint8Array, offload: FrameOffload): number {
  if (offload.segments === "none") return 1;
  const header = segmentLength(frame, offload) - offload.segmentSize;
  return Math.max(1, Math.ceil((frame.length - header) / offload.segmentSize));
}

/** Words of the flow key that may change without anything above IP noticing. */
const BELOW_TRANSPORT: ReadonlySet<number> = new Set([
  ...[0, 1].flatMap((i) => [WORD.eth_src + i, WORD.eth_dst + i]),
  WORD.nw_ttl,
  WORD.nw_tos,
]);

/** Whether actions only send a packet to ports that `takes` it, and change nothing that a transport checksum covers. */
export function onlyForwards(actions: readonly DpAction[], takes: (port: number) => boolean): boolean {
  return (
    actions.length > 0 &&
    actions.every((action) =>
      action.type === "output"
        ? takes(action.port)
        : action.type === "set" && action.words.every((word, i) => action.masks[i] === 0 || BELOW_TRANSPORT.has(word)),
    )
  );
}

function cut(frame: Uint8Array, offload: FrameOffload, each: (frame: Uint8Array) => void): boolean {
  const { checksumStart: l4, segmentSize } = offload;
  const protocol = offload.segments === "udp" ? UDP : TCP;
  if (segmentSize === 0 || frame.length < l4 + (protocol === TCP ? TCP_MIN_HEADER : UDP_HEADER)) return false;
  const { at: l3, type } = networkHeader(frame);
  if ((type !== ETH_IPV4 && type !== ETH_IPV6) || l4 < l3 + (type === ETH_IPV4 ? 20 : 40)) return false;
  const header = l4 + (protocol === TCP ? ((frame[l4 + TCP_OFFSET] as number) >>> 4) * 4 : UDP_HEADER);
  if (header > frame.length) return false;
  const sequence = (get16(frame, l4 + TCP_SEQUENCE) * 65536 + get16(frame, l4 + TCP_SEQUENCE + 2)) >>> 0;
  const flags = frame[l4 + TCP_FLAGS] as number;
  const id = get16(frame, l3 + 4);
  for (let at = header, n = 0; n === 0 || at < frame.length; at += segmentSize, n++) {
    const end = Math.min(at + segmentSize, frame.length);
    const segment = new Uint8Array(header + end - at);
    segment.set(frame.subarray(0, header));
    segment.set(frame.subarray(at, end), header);
    if (type === ETH_IPV4) {
      put16(segment, l3 + 2, segment.length - l3);
      put16(segment, l3 + 4, id + n);
      put16(segment, l3 + 10, 0);
      put16(segment, l3 + 10, internetChecksum(segment, l3, l3 + ((segment[l3] as number) & 0x0f) * 4));
    } else put16(segment, l3 + 4, segment.length - l3 - 40);
    if (protocol === TCP) {
      const next = (sequence + n * segmentSize) >>> 0;
      put16(segment, l4 + TCP_SEQUENCE, next >>> 16);
      put16(segment, l4 + TCP_SEQUENCE + 2, next & 0xffff);
      segment[l4 + TCP_FLAGS] = flags & ~((end < frame.length ? FIN_PSH : 0) | (n > 0 ? CWR : 0));
    } else put16(segment, l4 + 4, segment.length - l4);
    const field = l4 + (protocol === TCP ? TCP_CHECKSUM : UDP_CHECKSUM);
    put16(segment, field, 0);
    const length = segment.length - l4;
    const sum = finishSum(sumBytes(segment, l4, segment.length, pseudoSum(segment, l3, type, protocol, length)));
    put16(segment, field, sum === 0 && protocol === UDP ? 0xffff : sum);
    each(segment);
  }
  return true;
}
