/** Reading captures of either format, whole or as they grow. */
import { concat } from "../bytes.ts";
import { isPcap, PcapParser } from "./classic.ts";
import { PCAPNG_MAGIC, PcapngParser } from "./ng.ts";
import { type CapturedPacket, malformedCapture } from "./packet.ts";

/** Takes the bytes of a capture file in pieces of any size and gives the packets that are complete. */
export class CaptureReader {
  private parser: PcapParser | PcapngParser | undefined;
  private rest = new Uint8Array(0);
  private offset = 0;

  /** Bytes that wait for the rest of their record. */
  get pending(): number {
    return this.rest.length;
  }

  /** Throws a WeftError "pcap.malformed" with the offset in the file; packets before the bad place were given by earlier calls. */
  push(bytes: Uint8Array): CapturedPacket[] {
    const data = this.rest.length === 0 ? bytes : concat(this.rest, bytes);
    if (this.parser === undefined) {
      if (data.length < 4) {
        this.rest = data.slice();
        return [];
      }
      const magic = new DataView(data.buffer, data.byteOffset, 4).getUint32(0);
      if (magic === PCAPNG_MAGIC) this.parser = new PcapngParser();
      else if (isPcap(magic)) this.parser = new PcapParser();
      else throw malformedCapture(`unknown file format (magic 0x${magic.toString(16).padStart(8, "0")})`, 0);
    }
    const packets: CapturedPacket[] = [];
    const used = this.parser.take(data, this.offset, (packet) => packets.push(packet));
    this.offset += used;
    this.rest = data.slice(used);
    return packets;
  }
}

/** All packets of a capture file. Throws "pcap.malformed", also when the last record is cut. */
export function readCapture(bytes: Uint8Array): CapturedPacket[] {
  const reader = new CaptureReader();
  const packets = reader.push(bytes);
  if (reader.pending > 0 || bytes.length < 4) throw malformedCapture("truncated", bytes.length);
  return packets;
}
