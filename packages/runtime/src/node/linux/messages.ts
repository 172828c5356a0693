/**
 * Memory for recvmmsg(2) and sendmmsg(2): an array of struct mmsghdr with one iovec each, laid out as on 64-bit little-endian Linux.
 * Received messages are read out of it at once, so one array serves all descriptors.
 */
import type { Libc } from "./libc.ts";

export const BATCH = 64;

const MMSGHDR = 64;
const IOVEC = 16;
/** Offsets within struct mmsghdr. */
const NAME = 0;
const NAME_LENGTH = 8;
const IOV = 16;
const IOV_COUNT = 24;
const CONTROL = 32;
const CONTROL_LENGTH = 40;
const FLAGS = 48;
const LENGTH = 56;

export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;

/** Writes a 64-bit word, a pointer or a size, below 2^53. */
function putWord(memory: Uint32Array, byteOffset: number, value: number): void {
  memory[byteOffset >> 2] = value % 2 ** 32;
  memory[(byteOffset >> 2) + 1] = Math.floor(value / 2 ** 32);
}

/** Longest frame of any device, with what a virtio header and a VLAN tag add. */
const SLOT = 65536 + 128;
const NAME_SLOT = 32;
const CONTROL_SLOT = 128;

/** Places for {@link BATCH} received messages, with their sender's names and control data. */
export class ReceiveMessages {
  readonly data = Buffer.allocUnsafeSlow(BATCH * SLOT);
  /** The same memory as a plain array, for a Buffer's slices are no copies, and slow. */
  readonly bytes = new Uint8Array(this.data.buffer);
  readonly names = Buffer.alloc(BATCH * NAME_SLOT);
  readonly control = Buffer.alloc(BATCH * CONTROL_SLOT);
  readonly #headers = new Uint32Array((BATCH * MMSGHDR) / 4);
  readonly #iovecs = new Uint32Array((BATCH * IOVEC) / 4);
  readonly #at: number;
  readonly #libc: Libc;

  constructor(libc: Libc) {
    this.#libc = libc;
    const bytes = (words: Uint32Array) => libc.address(new Uint8Array(words.buffer));
    this.#at = bytes(this.#headers);
    const [data, names, control, iovecs] = [
      libc.address(this.data),
      libc.address(this.names),
      libc.address(this.control),
      bytes(this.#iovecs),
    ];
    for (let i = 0; i < BATCH; i++) {
      putWord(this.#headers, i * MMSGHDR + NAME, names + i * NAME_SLOT);
      putWord(this.#headers, i * MMSGHDR + IOV, iovecs + i * IOVEC);
      putWord(this.#headers, i * MMSGHDR + IOV_COUNT, 1);
      putWord(this.#headers, i * MMSGHDR + CONTROL, control + i * CONTROL_SLOT);
      putWord(this.#iovecs, i * IOVEC, data + i * SLOT);
      putWord(this.#iovecs, i * IOVEC + 8, SLOT);
    }
  }

  /** Receives up to {@link BATCH} messages; returns their number, negative for an error. */
  receive(fd: number): number {
    for (let i = 0; i < BATCH; i++) {
      this.#headers[(i * MMSGHDR + NAME_LENGTH) >> 2] = NAME_SLOT;
      putWord(this.#headers, i * MMSGHDR + CONTROL_LENGTH, CONTROL_SLOT);
    }
    return this.#libc.recvmmsg(fd, this.#at, BATCH, MSG_DONTWAIT);
  }

  start(i: number): number {
    return i * SLOT;
  }

  length(i: number): number {
    return this.#headers[(i * MMSGHDR + LENGTH) >> 2] as number;
  }

  truncated(i: number): boolean {
    return ((this.#headers[(i * MMSGHDR + FLAGS) >> 2] as number) & MSG_TRUNC) !== 0;
  }

  name(i: number): Buffer {
    return this.names.subarray(i * NAME_SLOT, (i + 1) * NAME_SLOT);
  }

  /** Where the data of a control message is within {@link control} (cmsg(3)); -1 when there is none of that kind. */
  controlData(i: number, level: number, type: number): number {
    const end = i * CONTROL_SLOT + (this.#headers[(i * MMSGHDR + CONTROL_LENGTH) >> 2] as number);
    for (let at = i * CONTROL_SLOT; at + 16 <= end; ) {
      const length = this.control.readUInt32LE(at);
      if (length < 16) break;
      if (this.control.readInt32LE(at + 8) === level && this.control.readInt32LE(at + 12) === type) return at + 16;
      at += (length + 7) & ~7;
    }
    return -1;
  }
}

const ARENA = 1 << 18;

/** Messages on their way out: packed one behind the other, each with an optional name. */
export class SendMessages {
  readonly bytes = Buffer.allocUnsafeSlow(ARENA);
  readonly #headers = new Uint32Array((BATCH * MMSGHDR) / 4);
  readonly #iovecs = new Uint32Array((BATCH * IOVEC) / 4);
  readonly #names = Buffer.alloc(BATCH * NAME_SLOT);
  readonly #starts = new Uint32Array(BATCH);
  readonly #lengths = new Uint32Array(BATCH);
  readonly #data: number;
  readonly #at: number;
  readonly #libc: Libc;
  #used = 0;
  count = 0;

  constructor(libc: Libc) {
    this.#libc = libc;
    const bytes = (words: Uint32Array) => libc.address(new Uint8Array(words.buffer));
    this.#data = libc.address(this.bytes);
    this.#at = bytes(this.#headers);
    const [iovecs, names] = [bytes(this.#iovecs), libc.address(this.#names)];
    for (let i = 0; i < BATCH; i++) {
      putWord(this.#headers, i * MMSGHDR + NAME, names + i * NAME_SLOT);
      putWord(this.#headers, i * MMSGHDR + IOV, iovecs + i * IOVEC);
      putWord(this.#headers, i * MMSGHDR + IOV_COUNT, 1);
    }
  }

  /** A place for a message of `length` bytes in {@link bytes}; -1 when there is none, until the others are sent. */
  place(length: number): number {
    if (this.count === BATCH || this.#used + length > ARENA) return -1;
    const start = this.#used;
    const i = this.count++;
    this.#used = (start + length + 15) & ~15;
    this.#starts[i] = start;
    this.#lengths[i] = length;
    putWord(this.#iovecs, i * IOVEC, this.#data + start);
    this.#iovecs[(i * IOVEC + 8) >> 2] = length;
    this.#headers[(i * MMSGHDR + NAME_LENGTH) >> 2] = 0;
    return start;
  }

  /** The socket address of the message that was placed last. */
  address(bytes: Uint8Array): void {
    const i = this.count - 1;
    this.#names.set(bytes, i * NAME_SLOT);
    this.#headers[(i * MMSGHDR + NAME_LENGTH) >> 2] = bytes.length;
  }

  /** Messages [from, count) to a socket; the number sent, negative for an error of the first. */
  sendFrom(fd: number, from: number): number {
    return this.#libc.sendmmsg(fd, this.#at + from * MMSGHDR, this.count - from, MSG_DONTWAIT);
  }

  /** Message `i` to a device that takes one at a time. */
  write(fd: number, i: number): number {
    return this.#libc.write(fd, this.#data + (this.#starts[i] as number), this.#lengths[i] as number);
  }

  clear(): void {
    this.count = 0;
    this.#used = 0;
  }
}

/** Arrays of messages, lent to whoever has something to send until that is sent. */
export class SendPool {
  readonly #libc: Libc;
  readonly #free: SendMessages[] = [];

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  take(): SendMessages {
    return this.#free.pop() ?? new SendMessages(this.#libc);
  }

  give(messages: SendMessages): void {
    messages.clear();
    if (this.#free.length < 16) this.#free.push(messages);
  }
}
