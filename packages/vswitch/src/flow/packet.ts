/**
 * A packet on its way through the datapath: the frame's bytes, where its headers begin, and its flow key. Bytes may be shared
 * with others (a capture, another output) until somebody writes; {@link Packet.own} is called before every write.
 */
import { FLOW_WORDS } from "./key.ts";

export class Packet {
  /** From the Ethernet header on, without FCS. */
  bytes: Uint8Array;
  /** True when `bytes` may be seen by others and must not be changed. */
  shared = false;
  /** Offsets of the network and transport headers; -1 where there is none that could be parsed. */
  l3 = -1;
  l4 = -1;
  /** Where MPLS headers begin, -1 without. */
  l25 = -1;
  /** The bytes behind the network layer's end (Ethernet padding). */
  padding = 0;
  readonly key: Int32Array;
  /** Raw Geneve options of the tunnel header that the packet came with. */
  tunnelOptions: Uint8Array | undefined;
  /** The connection that ct() found last: its entry in the table of its family (-1: none), and which of those that had the entry. */
  connection = -1;
  connectionSerial = 0;
  /** Set by check_pkt_len's caller: what the packet counts for in statistics. */
  constructor(bytes: Uint8Array, key: Int32Array = new Int32Array(FLOW_WORDS)) {
    this.bytes = bytes;
    this.key = key;
  }

  /** Makes the bytes the packet's own, so that they may be changed. */
  own(): void {
    if (!this.shared) return;
    this.bytes = this.bytes.slice();
    this.shared = false;
  }

  /** A second packet with the same content; both share the bytes until one writes. */
  clone(into?: Packet): Packet {
    this.shared = true;
    const copy = into ?? new Packet(this.bytes);
    copy.bytes = this.bytes;
    copy.shared = true;
    copy.l3 = this.l3;
    copy.l4 = this.l4;
    copy.l25 = this.l25;
    copy.padding = this.padding;
    copy.tunnelOptions = this.tunnelOptions;
    copy.connection = this.connection;
    copy.connectionSerial = this.connectionSerial;
    copy.key.set(this.key);
    return copy;
  }

  /** Inserts `count` zero bytes at `at`; offsets at or after it move. */
  insert(at: number, count: number): void {
    const bytes = new Uint8Array(this.bytes.length + count);
    bytes.set(this.bytes.subarray(0, at));
    bytes.set(this.bytes.subarray(at), at + count);
    this.bytes = bytes;
    this.shared = false;
    if (this.l3 >= at) this.l3 += count;
    if (this.l4 >= at) this.l4 += count;
    if (this.l25 >= at) this.l25 += count;
  }

  /** Removes `count` bytes at `at`. */
  remove(at: number, count: number): void {
    const bytes = new Uint8Array(this.bytes.length - count);
    bytes.set(this.bytes.subarray(0, at));
    bytes.set(this.bytes.subarray(at + count), at);
    this.bytes = bytes;
    this.shared = false;
    if (this.l3 > at) this.l3 -= count;
    if (this.l4 > at) this.l4 -= count;
    if (this.l25 > at) this.l25 -= count;
  }
}
