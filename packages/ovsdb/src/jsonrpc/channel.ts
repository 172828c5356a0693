/** A two-way pipe of messages: over a byte stream, or within the process without serialising. */
import { type Clock, type Stream, WeftError } from "@weft/runtime";
import { Framer } from "./framer.ts";
import { parseJson } from "./json.ts";
import { type Message, messageFrom, messageText, SharedMessage } from "./message.ts";

export interface ChannelHandlers {
  onMessage(message: Message): void;
  /** The other side has taken everything that was sent, after `pending` had been above the high-water mark. */
  onDrain?(): void;
  /** Once, last of all. `error` is absent for an orderly end. */
  onClose(error?: Error): void;
}

export interface Channel {
  /** The peer's name as OVS logs it. */
  readonly name: string;
  readonly local?: Stream["local"];
  readonly remote?: Stream["remote"];
  /** For ssl: the common name of the verified peer certificate. */
  readonly peerCommonName?: string | undefined;
  start(handlers: ChannelHandlers): void;
  /** Queues a message. Messages sent in one turn leave together. After the end they are dropped. */
  send(message: Message | SharedMessage): void;
  /** Sends a part of a message's text. Until the last part other messages wait; a turn between two lets the first leave. */
  sendPart(bytes: Uint8Array, last: boolean): void;
  /** What is queued and not yet taken by the other side: bytes; for an in-process channel messages times 100. */
  readonly pending: number;
  /** Bytes received so far (messages, for an in-process channel): any change is a sign of life. */
  readonly received: number;
  pause(): void;
  resume(): void;
  /** Sends what is queued, then ends. */
  end(): void;
  /** Closes at once; `onClose` follows with `error`. */
  destroy(error?: Error): void;
}

/** What waits for it runs at the end of the turn, without the context that queueMicrotask makes for each. */
const thisTurn = Promise.resolve();

/** Bytes that are worth a write of their own. */
const LARGE = 1 << 20;

/** A channel over a byte stream. What is not JSON-RPC closes it with a FramingError or MessageError. */
export function streamChannel(stream: Stream, limit?: number): Channel {
  return new StreamChannel(stream, limit);
}

class StreamChannel implements Channel {
  readonly name: string;
  readonly local: Stream["local"];
  readonly remote: Stream["remote"];
  readonly peerCommonName: string | undefined;
  readonly #stream: Stream;
  readonly #framer: Framer;
  #handlers: ChannelHandlers | undefined;
  /** What this turn has sent: texts are joined, so that many small messages are encoded and written at once. */
  #text = "";
  #chunks: Uint8Array[] = [];
  #queued = 0;
  #flushing = false;
  /** A part of a message has left, and not the last. */
  #withinMessage = false;
  #ending = false;
  #closed = false;
  #received = 0;
  #failed = false;

  constructor(stream: Stream, limit: number | undefined) {
    this.name = stream.name;
    this.local = stream.local;
    this.remote = stream.remote;
    this.peerCommonName = stream.peerCommonName;
    this.#stream = stream;
    this.#framer = new Framer(limit);
  }

  get pending(): number {
    return this.#queued + this.#stream.pending;
  }

  get received(): number {
    return this.#received;
  }

  start(handlers: ChannelHandlers): void {
    this.#handlers = handlers;
    this.#stream.start({
      onData: (bytes) => {
        if (this.#failed || this.#closed) return;
        this.#received += bytes.length;
        try {
          this.#framer.push(bytes, (json) => {
            const message = messageFrom(json);
            if (!this.#closed) handlers.onMessage(message);
          });
        } catch (error) {
          if (!(error instanceof WeftError) || error.blame !== "peer") throw error;
          // Replies to the good messages before the bad one still leave.
          this.#failed = true;
          this.#flush();
          this.#stream.destroy(error);
        }
      },
      onDrain: () => handlers.onDrain?.(),
      onClose: (error) => {
        this.#closed = true;
        handlers.onClose(error);
      },
    });
  }

  send(message: Message | SharedMessage): void {
    if (this.#closed || this.#ending) return;
    if (message instanceof SharedMessage) {
      this.#seal();
      for (const part of message.bytes) {
        this.#chunks.push(part);
        this.#queued += part.length;
      }
    } else {
      const text = messageText(message);
      this.#text += text;
      this.#queued += text.length;
      if (this.#text.length > LARGE) this.#seal();
    }
    this.#flushSoon();
  }

  sendPart(bytes: Uint8Array, last: boolean): void {
    if (this.#closed || this.#ending) return;
    if (!this.#withinMessage) {
      this.#seal();
      this.#chunks.push(bytes);
      this.#queued += bytes.length;
      if (last) this.#flushSoon();
      else this.#flush();
      this.#withinMessage = !last;
      return;
    }
    this.#stream.write(bytes);
    if (!last) return;
    this.#withinMessage = false;
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#flushing || this.#withinMessage) return;
    this.#flushing = true;
    // At the end of the turn, and not in one of their own: who waits for an update waits for this.
    void thisTurn.then(() => this.#flush());
  }

  #seal(): void {
    if (this.#text === "") return;
    this.#chunks.push(Buffer.from(this.#text));
    this.#text = "";
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#closed) return;
    this.#seal();
    const chunks = this.#chunks;
    if (chunks.length > 0 && !this.#withinMessage) {
      this.#chunks = [];
      this.#queued = 0;
      for (const bytes of joined(chunks)) this.#stream.write(bytes);
    }
    if (this.#ending) this.#stream.end();
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  end(): void {
    if (this.#ending || this.#closed) return;
    this.#ending = true;
    this.#flush();
  }

  destroy(error?: Error): void {
    if (this.#handlers === undefined) this.start({ onMessage: () => {}, onClose: () => {} });
    this.#stream.destroy(error);
  }
}

/** Small chunks that were put together last. Clients that watch the same are sent the same chunks in a turn. */
let last: { readonly chunks: readonly Uint8Array[]; readonly bytes: Uint8Array } = { chunks: [], bytes: Buffer.alloc(0) };

/** The chunks in fewer ones: those that are not large are put together. */
function joined(chunks: readonly Uint8Array[]): readonly Uint8Array[] {
  if (chunks.length <= 1) return chunks;
  const large = chunks.findIndex((chunk) => chunk.length >= LARGE);
  if (large >= 0) return [...joined(chunks.slice(0, large)), chunks[large]!, ...joined(chunks.slice(large + 1))];
  if (last.chunks.length === chunks.length && chunks.every((chunk, i) => chunk === last.chunks[i])) return [last.bytes];
  const bytes = Buffer.concat(chunks);
  if (bytes.length < LARGE) last = { chunks, bytes };
  return [bytes];
}

/** Two ends of a pipe within the process. Messages arrive in order, in a later turn, as the objects that were sent. */
export function channelPair(clock: Clock, nameOfFirst = "memory#0", nameOfSecond = "memory#1"): [Channel, Channel] {
  const first = new MemoryChannel(clock, nameOfSecond);
  const second = new MemoryChannel(clock, nameOfFirst);
  first.connect(second);
  second.connect(first);
  return [first, second];
}

const MESSAGE_WEIGHT = 100;

class MemoryChannel implements Channel {
  /** The peer's name. */
  readonly name: string;
  readonly #clock: Clock;
  #peer: MemoryChannel | undefined;
  #handlers: ChannelHandlers | undefined;
  readonly #inbox: Message[] = [];
  /** Of a message that is being sent. */
  readonly #parts: Uint8Array[] = [];
  #next = 0;
  #paused = false;
  #scheduled = false;
  /** The peer has ended; `onClose` comes after the inbox. */
  #peerEnded = false;
  #ended = false;
  #closed = false;
  #error: Error | undefined;
  #received = 0;

  constructor(clock: Clock, name: string) {
    this.#clock = clock;
    this.name = name;
  }

  connect(peer: MemoryChannel): void {
    this.#peer = peer;
  }

  get pending(): number {
    return this.#peer === undefined ? 0 : this.#peer.waiting * MESSAGE_WEIGHT;
  }

  get waiting(): number {
    return this.#inbox.length - this.#next;
  }

  get received(): number {
    return this.#received;
  }

  start(handlers: ChannelHandlers): void {
    this.#handlers = handlers;
    this.#schedule();
  }

  send(message: Message | SharedMessage): void {
    if (this.#ended || this.#closed) return;
    this.#peer?.deliver(message instanceof SharedMessage ? message.message : message);
  }

  sendPart(bytes: Uint8Array, last: boolean): void {
    this.#parts.push(bytes);
    if (last) this.send(messageFrom(parseJson(Buffer.concat(this.#parts.splice(0)).toString())));
  }

  deliver(message: Message): void {
    if (this.#closed) return;
    this.#inbox.push(message);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    this.#clock.soon(() => {
      this.#scheduled = false;
      this.#run();
    });
  }

  #run(): void {
    const handlers = this.#handlers;
    if (handlers === undefined) return;
    const had = this.#next < this.#inbox.length;
    // What arrives while this runs waits for the next turn: two ends answering each other do not starve the rest.
    const until = this.#inbox.length;
    while (this.#next < until && !this.#paused && !this.#closed) {
      const message = this.#inbox[this.#next++]!;
      this.#received++;
      handlers.onMessage(message);
    }
    if (this.#next === this.#inbox.length) {
      this.#inbox.length = 0;
      this.#next = 0;
      if (had) this.#peer?.drained();
    } else if (!this.#paused) this.#schedule();
    if ((this.#peerEnded && this.#next === this.#inbox.length) || this.#error !== undefined) this.#close();
  }

  drained(): void {
    if (!this.#closed) this.#handlers?.onDrain?.();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#inbox.length = 0;
    this.#next = 0;
    this.#handlers?.onClose(this.#error);
    this.#peer?.hangUp();
  }

  hangUp(): void {
    this.#peerEnded = true;
    this.#schedule();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#schedule();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#peer?.hangUp();
  }

  destroy(error?: Error): void {
    if (this.#closed) return;
    this.#ended = true;
    this.#inbox.length = 0;
    this.#next = 0;
    this.#peerEnded = true;
    this.#error = error;
    this.#handlers ??= { onMessage: () => {}, onClose: () => {} };
    this.#schedule();
    this.#peer?.hangUp();
  }
}
