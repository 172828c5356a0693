/** What waits to leave by a descriptor: sent as one batch at the end of a burst, or when it is full. */
import type { FramesLost } from "../../hostNetwork.ts";
import { EINTR, type Libc } from "./libc.ts";
import type { SendMessages, SendPool } from "./messages.ts";
import type { Flushable, Poller } from "./poller.ts";

/** Errors after which the device takes nothing more for now: EAGAIN, ENOBUFS. */
const FULL: ReadonlySet<number> = new Set([11, 105]);

export class Outbox implements Flushable {
  readonly lost: FramesLost;
  readonly #libc: Libc;
  readonly #poller: Poller;
  readonly #pool: SendPool;
  readonly #fd: number;
  readonly #oneByOne: boolean;
  #messages: SendMessages | undefined;

  /** `oneByOne`: by write(2), for what is not a socket. */
  constructor(
    libc: Libc,
    poller: Poller,
    pool: SendPool,
    fd: number,
    oneByOne: boolean,
    lost: FramesLost = { dropped: 0, errors: 0, reason: undefined },
  ) {
    this.lost = lost;
    this.#libc = libc;
    this.#poller = poller;
    this.#pool = pool;
    this.#fd = fd;
    this.#oneByOne = oneByOne;
  }

  /** Queues `head` (may be empty) and `body` as one message. */
  push(head: Uint8Array, body: Uint8Array, address?: Uint8Array): void {
    const length = head.length + body.length;
    let messages = this.#messages ?? this.#open();
    let at = messages.place(length);
    if (at < 0) {
      this.flush();
      messages = this.#open();
      at = messages.place(length);
      if (at < 0) {
        // Longer than any frame may be.
        this.lost.errors++;
        return;
      }
    }
    if (head.length > 0) messages.bytes.set(head, at);
    messages.bytes.set(body, at + head.length);
    if (address !== undefined) messages.address(address);
  }

  #open(): SendMessages {
    const messages = this.#pool.take();
    this.#messages = messages;
    this.#poller.flushLater(this);
    return messages;
  }

  flush(): void {
    const messages = this.#messages;
    if (messages === undefined) return;
    this.#messages = undefined;
    let at = 0;
    while (at < messages.count) {
      const sent = this.#oneByOne ? (messages.write(this.#fd, at) < 0 ? -1 : 1) : messages.sendFrom(this.#fd, at);
      if (sent > 0) {
        at += sent;
        continue;
      }
      const errno = this.#libc.errno();
      if (errno === EINTR) continue;
      if (FULL.has(errno)) {
        this.lost.dropped += messages.count - at;
        break;
      }
      // Too long for the device, or the device is down or gone: this one is lost, the next may have better luck.
      this.lost.errors++;
      this.lost.reason = this.#libc.strerror(errno);
      at++;
    }
    this.#pool.give(messages);
  }

  close(): void {
    this.#poller.forget(this);
    this.flush();
  }
}
