/** A link of the host by a packet socket (packet(7)): everything that arrives at it, and what is sent by it. */
import type { FrameDevice, FrameOffload, FramesLost } from "../../hostNetwork.ts";
import { type Libc, lastError } from "./libc.ts";
import type { ReceiveMessages, SendPool } from "./messages.ts";
import { Outbox } from "./outbox.ts";
import type { Poller } from "./poller.ts";
import { headerOf, offloadOf, VIRTIO_HEADER } from "./virtioHeader.ts";

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_FLAGS = 0o2004000;
const ETH_P_ALL = 3;
const SOL_PACKET = 263;
const PACKET = { ADD_MEMBERSHIP: 1, AUXDATA: 8, VNET_HDR: 15, IGNORE_OUTGOING: 23 } as const;
const PACKET_MR_PROMISC = 1;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
/** Bursts of large TCP frames must find room while the switch is busy with the last one. */
const BUFFER_BYTES = 4 << 20;
/** Offsets and bits of struct tpacket_auxdata. */
const AUXDATA = { STATUS: 0, VLAN_TCI: 16, VLAN_TPID: 18 } as const;
const TP_STATUS_VLAN_VALID = 0x10;
const TP_STATUS_VLAN_TPID_VALID = 0x40;
const ETH_P_8021Q = 0x8100;
const ETHERNET = 14;

export function int32(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Int32Array.from(values).buffer);
}

export class PacketSocket implements FrameDevice {
  onFrame: ((frame: Uint8Array, offload: FrameOffload | undefined) => void) | undefined;
  /** A packet socket lives on without its link; whether that is there, the links say. */
  readonly gone = false;
  readonly #libc: Libc;
  readonly #poller: Poller;
  readonly #messages: ReceiveMessages;
  readonly #fd: number;
  readonly #out: Outbox;

  constructor(libc: Libc, poller: Poller, messages: ReceiveMessages, pool: SendPool, link: number) {
    this.#libc = libc;
    this.#poller = poller;
    this.#messages = messages;
    // Without a protocol nothing is received until it is bound.
    this.#fd = libc.socket(AF_PACKET, SOCK_RAW | SOCK_FLAGS, 0);
    if (this.#fd < 0) throw lastError(libc);
    try {
      this.#set(SOL_PACKET, PACKET.VNET_HDR, int32(1));
      this.#set(SOL_PACKET, PACKET.AUXDATA, int32(1));
      this.#set(SOL_PACKET, PACKET.IGNORE_OUTGOING, int32(1));
      this.#set(SOL_SOCKET, SO_RCVBUFFORCE, int32(BUFFER_BYTES));
      this.#set(SOL_SOCKET, SO_SNDBUFFORCE, int32(BUFFER_BYTES));
      this.#set(SOL_PACKET, PACKET.ADD_MEMBERSHIP, int32(link, PACKET_MR_PROMISC, 0, 0));
      const address = Buffer.alloc(20);
      address.writeUInt16LE(AF_PACKET, 0);
      address.writeUInt16BE(ETH_P_ALL, 2);
      address.writeInt32LE(link, 4);
      if (libc.bind(this.#fd, address, address.length) < 0) throw lastError(libc);
    } catch (error) {
      libc.close(this.#fd);
      throw error;
    }
    this.#out = new Outbox(libc, poller, pool, this.#fd, false);
    poller.add(this.#fd, () => this.#read());
  }

  get lost(): Readonly<FramesLost> {
    return this.#out.lost;
  }

  #set(level: number, name: number, value: Uint8Array): void {
    if (this.#libc.setsockopt(this.#fd, level, name, value, value.length) < 0) throw lastError(this.#libc);
  }

  #read(): void {
    const messages = this.#messages;
    // An error (the link went down) is the links' news too; reading it here has cleared it.
    const count = messages.receive(this.#fd);
    for (let i = 0; i < count; i++) this.#take(messages, i);
  }

  #take(messages: ReceiveMessages, i: number): void {
    const at = messages.start(i);
    const end = at + messages.length(i);
    const start = at + VIRTIO_HEADER;
    if (messages.truncated(i) || end - start < ETHERNET) {
      this.#out.lost.errors++;
      return;
    }
    // The kernel has taken the outermost VLAN tag out of the frame.
    const aux = messages.controlData(i, SOL_PACKET, PACKET.AUXDATA);
    const { control, data, bytes } = messages;
    const status = aux < 0 ? 0 : control.readUInt32LE(aux + AUXDATA.STATUS);
    if ((status & TP_STATUS_VLAN_VALID) === 0) {
      this.onFrame?.(bytes.slice(start, end), offloadOf(data, at));
      return;
    }
    const frame = new Uint8Array(end - start + 4);
    frame.set(bytes.subarray(start, start + 12));
    frame.set(bytes.subarray(start + 12, end), 16);
    const tpid = (status & TP_STATUS_VLAN_TPID_VALID) === 0 ? ETH_P_8021Q : control.readUInt16LE(aux + AUXDATA.VLAN_TPID);
    const tci = control.readUInt16LE(aux + AUXDATA.VLAN_TCI);
    frame.set([tpid >>> 8, tpid & 0xff, tci >>> 8, tci & 0xff], 12);
    this.onFrame?.(frame, offloadOf(data, at, 4));
  }

  send(frame: Uint8Array, offload?: FrameOffload): void {
    this.#out.push(headerOf(offload), frame);
  }

  close(): void {
    this.#out.close();
    this.#poller.remove(this.#fd);
    this.#libc.close(this.#fd);
  }
}
