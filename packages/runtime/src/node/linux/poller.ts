/**
 * All descriptors through one epoll instance: a thread waits, this one reads. While there is traffic nothing goes by the thread;
 * between two bursts everything else that the program does gets its turn.
 */
import type { Libc } from "./libc.ts";

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;
/** Bytes of struct epoll_event: packed on x86-64 only. */
const EVENT_SIZE = process.arch === "x64" ? 12 : 16;
const EVENT_DATA = EVENT_SIZE - 8;
const MAX_EVENTS = 64;
/** The thread comes back this often, so that a program which ends without closing the poller is held up no longer. */
const WAIT_MS = 500;
/** Empty looks before the thread waits again; a packet that answers another mostly arrives within these. */
const PATIENCE = 3;
const EFD_FLAGS = 0o2000000 | 0o4000;

/** Something that frames are queued for. */
export interface Flushable {
  flush(): void;
}

export class Poller {
  readonly #libc: Libc;
  readonly #epoll: number;
  readonly #wake: number;
  readonly #events = Buffer.alloc(MAX_EVENTS * EVENT_SIZE);
  readonly #readers = new Map<number, () => void>();
  readonly #toFlush = new Set<Flushable>();
  #inBurst = false;
  #flushDue = false;
  #empty = 0;
  #closed = false;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#epoll = libc.epollCreate();
    this.#wake = libc.eventfd(0, EFD_FLAGS);
    this.#control(EPOLL_CTL_ADD, this.#wake);
    this.#wait();
  }

  #control(operation: number, fd: number): void {
    const event = Buffer.alloc(EVENT_SIZE);
    event.writeUInt32LE(EPOLLIN, 0);
    event.writeUInt32LE(fd, EVENT_DATA);
    this.#libc.epollControl(this.#epoll, operation, fd, event);
  }

  /** Calls `read` whenever there is something to read from `fd`. It need not read everything. */
  add(fd: number, read: () => void): void {
    this.#readers.set(fd, read);
    this.#control(EPOLL_CTL_ADD, fd);
  }

  /** Before the descriptor is closed. */
  remove(fd: number): void {
    this.#readers.delete(fd);
    this.#control(EPOLL_CTL_DEL, fd);
  }

  /** Has `target` flushed at the end of the present burst, or soon outside of one. */
  flushLater(target: Flushable): void {
    this.#toFlush.add(target);
    if (this.#inBurst || this.#flushDue) return;
    this.#flushDue = true;
    queueMicrotask(() => {
      this.#flushDue = false;
      this.#flush();
    });
  }

  forget(target: Flushable): void {
    this.#toFlush.delete(target);
  }

  #flush(): void {
    for (const target of this.#toFlush) {
      this.#toFlush.delete(target);
      target.flush();
    }
  }

  #wait(): void {
    if (this.#closed) {
      this.#libc.close(this.#epoll);
      this.#libc.close(this.#wake);
      return;
    }
    this.#libc.epollWaitInThread(this.#epoll, this.#events, MAX_EVENTS, WAIT_MS, (ready) => {
      this.#empty = 0;
      this.#burst(ready);
    });
  }

  #burst(ready: number): void {
    if (ready > 0 && !this.#closed) {
      this.#inBurst = true;
      try {
        for (let i = 0; i < ready; i++) this.#readers.get(this.#events.readUInt32LE(i * EVENT_SIZE + EVENT_DATA))?.();
        this.#flush();
      } finally {
        this.#inBurst = false;
        this.#empty = 0;
        setImmediate(this.#look);
      }
    } else if (!this.#closed && ready === 0 && ++this.#empty < PATIENCE) setImmediate(this.#look);
    else this.#wait();
  }

  readonly #look = (): void => {
    this.#burst(this.#closed ? 0 : this.#libc.epollWait(this.#epoll, this.#events, MAX_EVENTS, 0));
  };

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#readers.clear();
    const one = Buffer.alloc(8);
    one.writeUInt32LE(1);
    this.#libc.write(this.#wake, this.#libc.address(one), one.length);
  }
}
