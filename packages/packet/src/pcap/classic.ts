/** The classic capture format (pcap-savefile(5)): one file header, then records; µs or ns, either byte order. */
import { type CapturedPacket, LINK_TYPE, MAX_RECORD, malformedCapture, type Timestamp } from "./packet.ts";

export const PCAP_MAGIC = 0xa1b2c3d4;
export const PCAP_MAGIC_NS = 0xa1b23c4d;
const FILE_HEADER = 24;
const RECORD_HEADER = 16;

export interface PcapOptions {
  /** Default LINK_TYPE.ethernet. */
  readonly linkType?: number;
  /** Bytes kept of a packet. Default 262144. */
  readonly snapLength?: number;
  /** Nanosecond timestamps. Default false. */
  readonly nanoseconds?: boolean;
  /** Default true. */
  readonly littleEndian?: boolean;
}

/** Makes the bytes of a capture file piece by piece, to be appended to an open file or stream. */
export class PcapWriter {
  private readonly options: Required<PcapOptions>;

  constructor(options: PcapOptions = {}) {
    this.options = { linkType: LINK_TYPE.ethernet, snapLength: 262144, nanoseconds: false, littleEndian: true, ...options };
  }

  /** The file header: first of all. */
  header(): Uint8Array {
    const { linkType, snapLength, nanoseconds, littleEndian } = this.options;
    const view = new DataView(new ArrayBuffer(FILE_HEADER));
    view.setUint32(0, nanoseconds ? PCAP_MAGIC_NS : PCAP_MAGIC, littleEndian);
    view.setUint16(4, 2, littleEndian);
    view.setUint16(6, 4, littleEndian);
    view.setUint32(16, snapLength, littleEndian);
    view.setUint32(20, linkType, littleEndian);
    return new Uint8Array(view.buffer);
  }

  /** One packet's record; cut to the snapshot length. `length` is the length on the wire where `bytes` are cut already. */
  record(time: Timestamp, bytes: Uint8Array, length = bytes.length): Uint8Array {
    const { snapLength, nanoseconds, littleEndian } = this.options;
    const kept = bytes.subarray(0, snapLength);
    const out = new Uint8Array(RECORD_HEADER + kept.length);
    const view = new DataView(out.buffer);
    view.setUint32(0, time.seconds, littleEndian);
    view.setUint32(4, nanoseconds ? time.nanoseconds : Math.floor(time.nanoseconds / 1000), littleEndian);
    view.setUint32(8, kept.length, littleEndian);
    view.setUint32(12, length, littleEndian);
    out.set(kept, RECORD_HEADER);
    return out;
  }
}

interface Format {
  readonly littleEndian: boolean;
  readonly nanoseconds: boolean;
  readonly linkType: number;
}

/** True for the four bytes that begin a classic capture. */
export function isPcap(magic: number): boolean {
  return [PCAP_MAGIC, PCAP_MAGIC_NS, 0xd4c3b2a1, 0x4d3cb2a1].includes(magic);
}

/** State of reading one classic capture. `take` is given unread bytes and returns how many it used. */
export class PcapParser {
  private format: Format | undefined;

  /** `offset` is where `bytes` begin in the file, for errors. Throws "pcap.malformed". */
  take(bytes: Uint8Array, offset: number, emit: (packet: CapturedPacket) => void): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    if (this.format === undefined) {
      if (bytes.length < FILE_HEADER) return 0;
      const big = view.getUint32(0);
      const littleEndian = big !== PCAP_MAGIC && big !== PCAP_MAGIC_NS;
      const magic = view.getUint32(0, littleEndian);
      if (magic !== PCAP_MAGIC && magic !== PCAP_MAGIC_NS) throw malformedCapture("bad magic number", offset);
      const major = view.getUint16(4, littleEndian);
      if (major !== 2) throw malformedCapture(`version ${major}`, offset + 4);
      // the upper bits of the link type hold the length of a frame check sequence
      const linkType = view.getUint32(20, littleEndian) & 0x03ff_ffff;
      this.format = { littleEndian, nanoseconds: magic === PCAP_MAGIC_NS, linkType };
      at = FILE_HEADER;
    }
    const { littleEndian, nanoseconds, linkType } = this.format;
    while (bytes.length - at >= RECORD_HEADER) {
      const kept = view.getUint32(at + 8, littleEndian);
      const length = view.getUint32(at + 12, littleEndian);
      if (kept > MAX_RECORD) throw malformedCapture(`record of ${kept} bytes`, offset + at + 8);
      if (bytes.length - at - RECORD_HEADER < kept) break;
      const fraction = view.getUint32(at + 4, littleEndian);
      const time = { seconds: view.getUint32(at, littleEndian), nanoseconds: nanoseconds ? fraction : fraction * 1000 };
      const packet = bytes.slice(at + RECORD_HEADER, at + RECORD_HEADER + kept);
      emit({ time, bytes: packet, length, linkType, interface: 0 });
      at += RECORD_HEADER + kept;
    }
    return at;
  }
}
