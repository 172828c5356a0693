/**
 * TCP connections as a device in the middle sees them: the state of both peers, and the sequence numbers that each may send, after
 * Guido van Rooij's "Real Stateful TCP Packet Filtering in IP Filter" (2000) with window scaling (RFC 7323 section 2). A segment is
 * within the window when what it sends ends below what the other side has room for, begins not before what the other side might still
 * ask for again, and acknowledges what has been sent.
 */
import { be16, be32 } from "./headers.ts";
import { REC } from "./table.ts";
import type { TimeoutName } from "./timeouts.ts";

/** A peer's states, in the order in which a connection goes through them; the names as dumps print them. */
export const TCP_STATES = [
  "CLOSED",
  "LISTEN",
  "SYN_SENT",
  "SYN_RECV",
  "ESTABLISHED",
  "CLOSE_WAIT",
  "FIN_WAIT_1",
  "CLOSING",
  "LAST_ACK",
  "FIN_WAIT_2",
  "TIME_WAIT",
] as const;
const SYN_SENT = 2;
const ESTABLISHED = 4;
const CLOSING = 7;
const FIN_WAIT_2 = 9;
const TIME_WAIT = 10;

const FIN = 1;
const SYN = 2;
const RST = 4;
const PSH = 8;
const ACK = 16;
const URG = 32;

/** Scale of a peer: the low bits, with what is known of it above. */
export const SCALE_MASK = 0x0f;
export const SCALE_FLAG = 0x80;
export const SCALE_UNKNOWN = 0x40;
const MAX_SCALE = 14;

/** How far an acknowledgement may be from the numbers that were seen: a window without scaling, and a segment. */
const MAX_ACK_WINDOW = 0xffff + 1500;

/**
 * "new": valid, and the connection is still being opened. "stale": valid, but nothing that would let the connection live longer.
 * "reopened": a new connection with the same tuple begins.
 */
export type Verdict = "invalid" | "valid" | "new" | "stale" | "reopened";

/** a - b in sequence space. */
const since = (a: number, b: number): number => (a - b) | 0;

/** No segment of a well-behaved peer has another combination of flags. */
function badFlags(flags: number): boolean {
  if ((flags & SYN) !== 0) {
    if ((flags & RST) !== 0) return true;
    if ((flags & FIN) !== 0) return true;
  } else if ((flags & (ACK | RST)) === 0) return true;
  return (flags & ACK) === 0 && (flags & (FIN | PSH | URG)) !== 0;
}

/** The window scale option of a SYN: its value with {@link SCALE_FLAG}; 0 without. */
function scaleOf(b: Uint8Array, l4: number): number {
  const end = l4 + ((b[l4 + 12] as number) >>> 4) * 4;
  for (let at = l4 + 20; at < end; ) {
    const kind = b[at] as number;
    if (kind === 0) return 0;
    if (kind === 1) {
      at++;
      continue;
    }
    const length = at + 1 < end ? (b[at + 1] as number) : 0;
    if (length < 2) return 0;
    if (kind === 3 && length === 3 && at + 3 <= end) return SCALE_FLAG | Math.min(b[at + 2] as number, MAX_SCALE);
    at += length;
  }
  return 0;
}

/** Bytes of data of the segment at `l4`, whose network layer ends at `end`. */
const dataLength = (b: Uint8Array, l4: number, end: number): number => end - l4 - ((b[l4 + 12] as number) >>> 4) * 4;

/** May this segment be the first of a connection? A SYN, or the middle of one that is not known yet. */
export function tcpBegins(b: Uint8Array, l4: number): boolean {
  const flags = b[l4 + 13] as number;
  return !badFlags(flags) && (flags & (SYN | ACK)) !== (SYN | ACK);
}

/** Fills the record at `at` in `slab` for a connection that begins with this segment. */
export function tcpBegin(slab: Int32Array, at: number, b: Uint8Array, l4: number, end: number): void {
  const flags = b[l4 + 13] as number;
  const sequence = be32(b, l4 + 4);
  let window = Math.max(be16(b, l4 + 14), 1);
  let last = sequence + dataLength(b, l4, end) + 1;
  let scale: number;
  let otherScale = 0;
  if ((flags & SYN) !== 0) {
    last++;
    scale = scaleOf(b, l4);
    if ((scale & SCALE_FLAG) !== 0) {
      // The window of a SYN is not scaled: brought to the scale of the others.
      const shift = scale & SCALE_MASK;
      window = (window + (1 << shift) - 1) >>> shift;
    }
  } else {
    // Scaling was agreed upon before anyone looked: as wide as can be.
    scale = SCALE_UNKNOWN | MAX_SCALE;
    otherScale = scale;
  }
  if ((flags & FIN) !== 0) last++;
  slab[at + REC.sequenceLow] = sequence;
  slab[at + REC.sequenceHigh] = last;
  slab[at + REC.peer] = window | (scale << 16) | (SYN_SENT << 24);
  slab[at + REC.replySequenceLow] = 0;
  slab[at + REC.replySequenceHigh] = 1;
  slab[at + REC.replyPeer] = 1 | (otherScale << 16);
}

const stateOf = (peer: number): number => peer >>> 24;
const scalesOf = (peer: number): number => (peer >>> 16) & 0xff;
const withState = (peer: number, state: number): number => (peer & 0xffffff) | (state << 24);
const withScale = (peer: number, scale: number): number => (peer & ~0xff0000) | (scale << 16);

/** The states of the two peers of a record. */
export const tcpState = (slab: Int32Array, at: number, reply: boolean): number =>
  stateOf(slab[at + (reply ? REC.replyPeer : REC.peer)] as number);
export const tcpScale = (slab: Int32Array, at: number, reply: boolean): number =>
  scalesOf(slab[at + (reply ? REC.replyPeer : REC.peer)] as number);

/** The timeout that the states of both peers ask for. */
export function tcpTimeout(slab: Int32Array, at: number): TimeoutName {
  const a = tcpState(slab, at, false);
  const b = tcpState(slab, at, true);
  const least = Math.min(a, b);
  if (least >= FIN_WAIT_2) return "tcp_close";
  if (least >= CLOSING) return "tcp_time_wait";
  if (least < ESTABLISHED) return "tcp_syn_recv";
  return Math.max(a, b) >= CLOSING ? "tcp_fin_wait" : "tcp_established";
}

/** Takes a segment of a known connection into account. `checked`: numbers are looked at (dpctl/ct-disable-tcp-seq-chk). */
export function tcpUpdate(
  slab: Int32Array,
  at: number,
  reply: boolean,
  b: Uint8Array,
  l4: number,
  endOfPacket: number,
  checked: boolean,
): Verdict {
  const flags = b[l4 + 13] as number;
  if (badFlags(flags)) return "invalid";
  const SRC = at + (reply ? REC.replySequenceLow : REC.sequenceLow);
  const DST = at + (reply ? REC.sequenceLow : REC.replySequenceLow);
  let source = slab[SRC + 2] as number;
  let destination = slab[DST + 2] as number;
  let sourceLow = slab[SRC] as number;
  let sourceHigh = slab[SRC + 1] as number;
  let destinationHigh = slab[DST + 1] as number;
  const destinationLow = slab[DST] as number;

  if ((flags & (SYN | ACK)) === SYN) {
    if (stateOf(destination) >= FIN_WAIT_2 && stateOf(source) >= FIN_WAIT_2) return "reopened";
    if (stateOf(source) <= SYN_SENT) {
      // A SYN sent again, or both sides opening at once: whatever its number is, for nothing has been agreed upon.
      slab[SRC + 2] = withState(source, SYN_SENT);
      return "new";
    }
  }
  const original = be32(b, l4 + 4);
  let window = be16(b, l4 + 14);
  let sequence = original;
  let acknowledged = be32(b, l4 + 8);
  let end = sequence + dataLength(b, l4, endOfPacket);
  if ((flags & SYN) !== 0) end++;
  if ((flags & FIN) !== 0) end++;
  end |= 0;

  // Both scales count only once both are known to be agreed.
  const bothScale = (scalesOf(source) & SCALE_MASK) !== 0 && (scalesOf(destination) & SCALE_MASK) !== 0;
  let sourceScale = (flags & SYN) === 0 && bothScale ? scalesOf(source) & SCALE_MASK : 0;
  let destinationScale = (flags & SYN) === 0 && bothScale ? scalesOf(destination) & SCALE_MASK : 0;

  let skewMatters = true;
  if (stateOf(source) < SYN_SENT) {
    // The first segment of this side.
    if ((flags & SYN) !== 0) {
      if ((scalesOf(destination) & SCALE_FLAG) !== 0) {
        const scale = scaleOf(b, l4);
        source = withScale(source, scale);
        if (scale === 0) {
          // No scaling after all: the other's window counts as it was sent, in 16 bits.
          const unscaled = ((destination & 0xffff) << (scalesOf(destination) & SCALE_MASK)) & 0xffff;
          destination = withScale((destination & ~0xffff) | unscaled, 0);
        } else {
          // The window of a SYN is not scaled: brought to the scale of those that follow.
          sourceScale = scale & SCALE_MASK;
          window = (window + (1 << sourceScale) - 1) >>> sourceScale;
          destinationScale = scalesOf(destination) & SCALE_MASK;
        }
      }
    }
    sourceLow = sequence;
    source = withState(source, SYN_SENT);
    const room = Math.max(1, (destination & 0xffff) << destinationScale);
    if (sourceHigh === 1 || since((end + room) | 0, sourceHigh) >= 0) {
      sourceHigh = (end + room) | 0;
      // What the other side has sent may not have been seen from its beginning.
      skewMatters = false;
    }
    if (window > (source & 0xffff)) source = (source & ~0xffff) | window;
  }
  if ((flags & ACK) === 0) acknowledged = destinationLow;
  else if (acknowledged === 0 && (flags & (ACK | RST)) === (ACK | RST)) acknowledged = destinationLow;
  if (sequence === end) {
    // A segment that sends nothing is judged by its acknowledgement.
    sequence = sourceLow;
    end = sequence;
  }
  let verdict: Verdict = "valid";
  const skew = since(destinationLow, acknowledged);
  const atEdge = (): boolean =>
    (flags & RST) === 0 || original === sourceLow || original === ((sourceLow + 1) | 0) || ((original + 1) | 0) === sourceLow;
  if (
    !checked ||
    (since(sourceHigh, end) >= 0 &&
      since(sequence, (sourceLow - ((destination & 0xffff) << destinationScale)) | 0) >= 0 &&
      (!skewMatters || (skew >= -MAX_ACK_WINDOW && skew <= MAX_ACK_WINDOW << sourceScale)) &&
      atEdge())
  ) {
    if (window > (source & 0xffff)) source = (source & ~0xffff) | window;
    if (since(end, sourceLow) > 0) sourceLow = end;
    const offered = (acknowledged + (window << sourceScale)) | 0;
    if (since(offered, destinationHigh) >= 0) destinationHigh = (acknowledged + Math.max(window << sourceScale, 1)) | 0;
    if ((flags & SYN) !== 0 && stateOf(source) < SYN_SENT) source = withState(source, SYN_SENT);
    if ((flags & FIN) !== 0 && stateOf(source) < CLOSING) source = withState(source, CLOSING);
    if ((flags & ACK) !== 0) {
      if (stateOf(destination) === SYN_SENT) destination = withState(destination, ESTABLISHED);
      else if (stateOf(destination) === CLOSING) destination = withState(destination, FIN_WAIT_2);
    }
    if ((flags & RST) !== 0) {
      source = withState(source, TIME_WAIT);
      destination = withState(destination, TIME_WAIT);
    }
  } else if (
    (stateOf(destination) < SYN_SENT || stateOf(destination) >= FIN_WAIT_2 || stateOf(source) >= FIN_WAIT_2) &&
    since((sourceHigh + MAX_ACK_WINDOW) | 0, end) >= 0 &&
    since(sequence, (sourceLow - MAX_ACK_WINDOW) | 0) >= 0
  ) {
    // Both ends are about to open or have closed: what they send may be far off.
    if (window > (source & 0xffff)) source = (source & ~0xffff) | window;
    if (since(end, sourceLow) > 0) sourceLow = end;
    if (since((acknowledged + (window << sourceScale)) | 0, destinationHigh) >= 0)
      destinationHigh = (acknowledged + Math.max(window << sourceScale, 1)) | 0;
    if ((flags & FIN) !== 0 && stateOf(source) < CLOSING) source = withState(source, CLOSING);
    if ((flags & RST) !== 0) {
      source = withState(source, TIME_WAIT);
      destination = withState(destination, TIME_WAIT);
    }
    verdict = "stale";
  } else verdict = "invalid";
  slab[SRC] = sourceLow;
  slab[SRC + 1] = sourceHigh;
  slab[SRC + 2] = source;
  slab[DST + 1] = destinationHigh;
  slab[DST + 2] = destination;
  return verdict;
}
