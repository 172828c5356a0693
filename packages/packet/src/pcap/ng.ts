/** pcapng (draft-ietf-opsawg-pcapng): section headers, interface descriptions, enhanced and simple packets; other blocks are skipped. */
import { type CapturedPacket, LINK_TYPE, MAX_RECORD, malformedCapture, type Timestamp } from "./packet.ts";

export const PCAPNG_MAGIC = 0x0a0d0d0a;
const BYTE_ORDER = 0x1a2b3c4d;
const BLOCK = { section: PCAPNG_MAGIC, interface: 1, simple: 3, enhanced: 6 } as const;
const OPTION = { end: 0, name: 2, resolution: 9 } as const;

export interface PcapngInterface {
  readonly name?: string;
  /** Default LINK_TYPE.ethernet. */
  readonly linkType?: number;
  /** 0 (default): unlimited. */
  readonly snapLength?: number;
}

const pad4 = (length: number): number => (length + 3) & ~3;

/** A little-endian block of `type` with `length` bytes of body (padded to 4), filled in by `fill`. */
function block(type: number, length: number, fill: (view: DataView, body: Uint8Array) => void): Uint8Array {
  const total = 12 + pad4(length);
  const out = new Uint8Array(total);
  const view = new DataView(out.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, total, true);
  fill(new DataView(out.buffer, 8, pad4(length)), out.subarray(8, 8 + pad4(length)));
  view.setUint32(total - 4, total, true);
  return out;
}

/** Makes the bytes of a pcapng file piece by piece: header, interfaces, then records. Times are in nanoseconds. */
export class PcapngWriter {
  private readonly snapLengths: number[] = [];

  header(): Uint8Array {
    return block(BLOCK.section, 16, (view) => {
      view.setUint32(0, BYTE_ORDER, true);
      view.setUint16(4, 1, true);
      view.setUint16(6, 0, true);
      view.setBigInt64(8, -1n, true);
    });
  }

  /** Describes the next interface; interfaces are numbered from 0 in the order of these calls. */
  interface(options: PcapngInterface = {}): Uint8Array {
    const name = new TextEncoder().encode(options.name ?? "");
    const snapLength = options.snapLength ?? 0;
    this.snapLengths.push(snapLength === 0 ? Number.POSITIVE_INFINITY : snapLength);
    const nameSize = name.length > 0 ? 4 + pad4(name.length) : 0;
    return block(BLOCK.interface, 8 + nameSize + 8 + 4, (view, body) => {
      view.setUint16(0, options.linkType ?? LINK_TYPE.ethernet, true);
      view.setUint32(4, snapLength, true);
      if (name.length > 0) {
        view.setUint16(8, OPTION.name, true);
        view.setUint16(10, name.length, true);
        body.set(name, 12);
      }
      view.setUint16(8 + nameSize, OPTION.resolution, true);
      view.setUint16(10 + nameSize, 1, true);
      body[12 + nameSize] = 9;
    });
  }

  /** One packet seen on interface number `on`. */
  record(time: Timestamp, bytes: Uint8Array, on = 0, length = bytes.length): Uint8Array {
    const limit = this.snapLengths[on];
    if (limit === undefined) throw malformedCapture(`interface ${on} is not described`, 0);
    const kept = bytes.subarray(0, limit);
    const stamp = BigInt(time.seconds) * 1_000_000_000n + BigInt(time.nanoseconds);
    return block(BLOCK.enhanced, 20 + kept.length, (view, body) => {
      view.setUint32(0, on, true);
      view.setUint32(4, Number(stamp >> 32n), true);
      view.setUint32(8, Number(stamp & 0xffff_ffffn), true);
      view.setUint32(12, kept.length, true);
      view.setUint32(16, length, true);
      body.set(kept, 20);
    });
  }
}

interface Interface {
  readonly linkType: number;
  readonly snapLength: number;
  /** Units of a timestamp in one second. */
  readonly unitsPerSecond: bigint;
}

/** State of reading one pcapng file, over all its sections. */
export class PcapngParser {
  private littleEndian = true;
  private interfaces: Interface[] = [];

  /** As PcapParser.take. */
  take(bytes: Uint8Array, offset: number, emit: (packet: CapturedPacket) => void): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    while (bytes.length - at >= 12) {
      if (view.getUint32(at) === PCAPNG_MAGIC) {
        const order = view.getUint32(at + 8, true);
        if (order !== BYTE_ORDER && order !== 0x4d3c2b1a) throw malformedCapture("bad byte-order magic", offset + at + 8);
        this.littleEndian = order === BYTE_ORDER;
        this.interfaces = [];
      }
      const type = view.getUint32(at, this.littleEndian);
      const total = view.getUint32(at + 4, this.littleEndian);
      if (total < 12 || total % 4 !== 0 || total > MAX_RECORD) throw malformedCapture(`block of ${total} bytes`, offset + at + 4);
      if (bytes.length - at < total) break;
      this.block(type, bytes.subarray(at + 8, at + total - 4), offset + at + 8, emit);
      at += total;
    }
    return at;
  }

  private block(type: number, body: Uint8Array, offset: number, emit: (packet: CapturedPacket) => void): void {
    const view = new DataView(body.buffer, body.byteOffset, body.length);
    const need = (length: number): void => {
      if (body.length < length) throw malformedCapture("block too short", offset);
    };
    const le = this.littleEndian;
    if (type === BLOCK.interface) {
      need(8);
      this.interfaces.push({
        linkType: view.getUint16(0, le),
        snapLength: view.getUint32(4, le) || MAX_RECORD,
        unitsPerSecond: this.resolution(view),
      });
    } else if (type === BLOCK.enhanced) {
      need(20);
      const index = view.getUint32(0, le);
      const from = this.interfaces[index];
      if (!from) throw malformedCapture(`interface ${index} is not described`, offset);
      const kept = view.getUint32(12, le);
      need(20 + kept);
      const stamp = (BigInt(view.getUint32(4, le)) << 32n) | BigInt(view.getUint32(8, le));
      const rest = stamp % from.unitsPerSecond;
      const time = {
        seconds: Number(stamp / from.unitsPerSecond),
        nanoseconds: Number((rest * 1_000_000_000n) / from.unitsPerSecond),
      };
      const packet = body.slice(20, 20 + kept);
      emit({ time, bytes: packet, length: view.getUint32(16, le), linkType: from.linkType, interface: index });
    } else if (type === BLOCK.simple) {
      need(4);
      const from = this.interfaces[0];
      if (!from) throw malformedCapture("interface 0 is not described", offset);
      const length = view.getUint32(0, le);
      const kept = Math.min(length, from.snapLength);
      need(4 + kept);
      const time = { seconds: 0, nanoseconds: 0 };
      emit({ time, bytes: body.slice(4, 4 + kept), length, linkType: from.linkType, interface: 0 });
    }
  }

  private resolution(view: DataView): bigint {
    const le = this.littleEndian;
    for (let at = 8; at + 4 <= view.byteLength; ) {
      const code = view.getUint16(at, le);
      const length = view.getUint16(at + 2, le);
      if (code === OPTION.end) break;
      if (code === OPTION.resolution && length >= 1 && at + 4 < view.byteLength) {
        const value = view.getUint8(at + 4);
        return value & 0x80 ? 1n << BigInt(value & 0x3f) : 10n ** BigInt(Math.min(value, 18));
      }
      at += 4 + pad4(length);
    }
    return 1_000_000n;
  }
}
