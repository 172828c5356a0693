/** struct virtio_net_hdr (virtio 1.2 section 5.1.6), as packet sockets and TAP devices have it before each frame: 10 bytes. */
import type { FrameOffload } from "../../hostNetwork.ts";

export const VIRTIO_HEADER = 10;

const NEEDS_CSUM = 1;
const SEGMENTS: Readonly<Record<number, FrameOffload["segments"]>> = { 0: "none", 1: "tcp4", 4: "tcp6", 5: "udp" };
/** TCP segments that say that the network is congested. */
const GSO_ECN = 0x80;

/** What `bytes` at `at` leave to be done; undefined for nothing. `moved`: bytes inserted before the network header since. */
export function offloadOf(bytes: Buffer, at: number, moved = 0): FrameOffload | undefined {
  const flags = bytes[at] as number;
  const type = bytes[at + 1] as number;
  const gso = type & ~GSO_ECN;
  if ((flags & NEEDS_CSUM) === 0 && gso === 0) return undefined;
  return {
    needsChecksum: (flags & NEEDS_CSUM) !== 0,
    segments: SEGMENTS[gso] ?? "other",
    segmentSize: bytes.readUInt16LE(at + 4),
    checksumStart: bytes.readUInt16LE(at + 6) + moved,
    checksumOffset: bytes.readUInt16LE(at + 8),
    congestion: (type & GSO_ECN) !== 0,
  };
}

const TYPES: Readonly<Record<FrameOffload["segments"], number>> = { none: 0, tcp4: 1, tcp6: 4, udp: 5, other: 0 };
const header = Buffer.alloc(VIRTIO_HEADER);

/** The header that leaves the same to be done, valid until the next call. */
export function headerOf(offload: FrameOffload | undefined): Uint8Array {
  if (offload === undefined) return NOTHING_LEFT;
  header[0] = offload.needsChecksum ? NEEDS_CSUM : 0;
  header[1] = TYPES[offload.segments] | (offload.congestion ? GSO_ECN : 0);
  // The length of the headers is a hint, and the kernel finds it out for itself.
  header.writeUInt16LE(offload.segmentSize, 4);
  header.writeUInt16LE(offload.checksumStart, 6);
  header.writeUInt16LE(offload.checksumOffset, 8);
  return header;
}

/** The header of a frame that is complete. */
const NOTHING_LEFT = new Uint8Array(VIRTIO_HEADER);
