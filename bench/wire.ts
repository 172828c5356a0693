/** A wire to a dummy device of a switch: its stream socket, on which a length of two bytes, most significant first, precedes every frame. */
import { connect, type Socket } from "node:net";

export class Wire {
  readonly #socket: Socket;
  readonly #held = { header: 0, have: 0, left: 0 };
  #waiting: { count: number; resolve: () => void } | undefined;
  /** Frames that have come out of the switch. */
  received = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes) => this.#count(bytes));
  }

  static open(path: string): Promise<Wire> {
    return new Promise((resolve, reject) => {
      const socket = connect(path, () => resolve(new Wire(socket)));
      socket.on("error", reject);
    });
  }

  #count(bytes: Uint8Array): void {
    const held = this.#held;
    for (let at = 0; at < bytes.length; ) {
      if (held.left > 0) {
        const taken = Math.min(held.left, bytes.length - at);
        held.left -= taken;
        at += taken;
        if (held.left === 0) this.received++;
        continue;
      }
      held.header = ((held.header << 8) | bytes[at++]!) & 0xffff;
      if (++held.have === 2) {
        held.have = 0;
        held.left = held.header;
      }
    }
    if (this.#waiting && this.received >= this.#waiting.count) this.#waiting.resolve();
  }

  send(frames: readonly Uint8Array[]): void {
    const bytes = new Uint8Array(frames.reduce((sum, frame) => sum + 2 + frame.length, 0));
    let at = 0;
    for (const frame of frames) {
      bytes[at] = frame.length >>> 8;
      bytes[at + 1] = frame.length;
      bytes.set(frame, at + 2);
      at += 2 + frame.length;
    }
    this.#socket.write(bytes);
  }

  /** Resolves when `count` frames have come out in all; rejects when they do not come for 20 s. */
  async until(count: number): Promise<void> {
    if (this.received >= count) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.received} of ${count} frames came out of the switch`)), 20_000);
      this.#waiting = {
        count,
        resolve: () => {
          clearTimeout(timer);
          resolve();
        },
      };
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}
