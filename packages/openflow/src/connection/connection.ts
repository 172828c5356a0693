/**
 * An OpenFlow connection over a stream, for either side: hello and the choice of a version, transaction ids, requests with
 * their replies (multipart replies gathered), barriers, echo, and everything else as events.
 */
import { type Clock, messageOf, type Stream, type Timer, WeftError } from "@weft/runtime";
import {
  BUNDLE_FLAG,
  type BundleControlType,
  type Envelope,
  type ErrorMessage,
  type Message,
  type OfVersion,
} from "../message/types.ts";
import { ByteWriter } from "../wire/bytes.ts";
import { decode, encode, encodeInto, peekHeader } from "../wire/codec.ts";
import type { DecodeOptions, EncodeOptions } from "../wire/codecRow.ts";
import { DecodeError, errorCode } from "../wire/error.ts";
import { Framer } from "../wire/framer.ts";

export interface ConnectionOptions {
  /** Wire versions that may be chosen, as a bitmap (bit v for version v). */
  readonly versions: number;
  /** For probes of idleness; without it none are sent. */
  readonly clock?: Clock;
  /** Milliseconds of silence after which an echo request is sent, and again after which the connection is given up. */
  readonly probeInterval?: number;
  /** Where transaction ids come from; several connections may share one source. Default: 1, 2, 3, ... */
  nextXid?(): number;
  /** Called once, when both hellos agree on a version. */
  onReady?(version: OfVersion): void;
  /** Every message that is no reply to one of our requests, except hello and echo. */
  onMessage?(envelope: Envelope): void;
  /** A message that does not decode; the peer has been sent the error. `bytes` is the whole message. */
  onBadMessage?(error: DecodeError, bytes: Uint8Array): void;
  /** The stream is gone: once, last. */
  onClose?(error?: Error): void;
  /** Every message as it goes in and out, for logs; bytes are whole messages. */
  onTraffic?(direction: "sent" | "received", bytes: Uint8Array): void;
}

/** A part of an answer, decoded and as it came. */
export interface Reply {
  readonly message: Message;
  readonly bytes: Uint8Array;
}

interface Pending {
  readonly expects: "reply" | "multipart" | "barrier";
  readonly parts: Reply[];
  resolve(replies: readonly Reply[]): void;
  reject(error: Error): void;
}

/** The peer answered a request with an error. */
export class OpenFlowError extends WeftError {
  readonly error: ErrorMessage;
  /** The beginning of the request's message. */
  readonly request: Uint8Array;
  /** The error's message as it came. */
  readonly reply: Uint8Array;

  constructor(error: ErrorMessage, request: Uint8Array, reply: Uint8Array) {
    super(`openflow.refused`, `${error.error ?? `type ${error.errorType}, code ${error.code}`}`);
    this.error = error;
    this.request = request;
    this.reply = reply;
  }
}

/** Gathers writes into pieces of at least this size before they go to the stream. */
const FLUSH_SIZE = 32768;

/** Bytes of a request that an error quotes at most: a message has 65535, of which an experimenter's error needs 16 for itself. */
const ERROR_DATA = 0xffff - 16;

export class OpenFlowConnection {
  readonly #stream: Stream;
  readonly #options: ConnectionOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #requests = new Map<number, Uint8Array>();
  #version: OfVersion | undefined;
  #xid = 0;
  #closed = false;
  #encodeOptions: EncodeOptions = {};
  #decodeOptions: DecodeOptions = {};
  #buffer: ByteWriter | undefined;
  #probe: Timer | undefined;
  #silent = 0;

  constructor(stream: Stream, options: ConnectionOptions) {
    this.#stream = stream;
    this.#options = options;
    const framer = new Framer((bytes) => this.#receive(bytes));
    stream.start({
      onData: (bytes) => {
        if (this.#closed) return;
        this.#silent = 0;
        try {
          framer.push(bytes);
        } catch (error) {
          this.close(error instanceof Error ? error : new WeftError("openflow.receive", messageOf(error)));
        }
      },
      onClose: (error) => this.#gone(error),
    });
    let highest: OfVersion = 1;
    for (const v of [1, 2, 3, 4, 5, 6] as const) if ((options.versions & (1 << v)) !== 0) highest = v;
    this.#write(encode({ type: "hello", versions: options.versions }, highest, this.nextXid()));
    this.probeEvery(options.probeInterval ?? 0);
  }

  /** The agreed version; undefined before. */
  get version(): OfVersion | undefined {
    return this.#version;
  }

  get name(): string {
    return this.#stream.name;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Bytes that the transport has not taken yet. */
  get backlog(): number {
    return this.#stream.pending;
  }

  /** A fresh transaction id. */
  nextXid(): number {
    if (this.#options.nextXid !== undefined) return this.#options.nextXid();
    this.#xid = this.#xid === 0xffffffff ? 1 : this.#xid + 1;
    return this.#xid;
  }

  /** How later messages are encoded and decoded: flow format and table ids of OpenFlow 1.0. */
  configure(encodeOptions: EncodeOptions, decodeOptions: DecodeOptions = {}): void {
    this.#encodeOptions = encodeOptions;
    this.#decodeOptions = decodeOptions;
  }

  /** Sends a message; returns its transaction id. Throws an EncodeError, or a WeftError "openflow.not-ready" before hello. */
  send(message: Message, xid = this.nextXid()): number {
    const version = this.#ready();
    if (this.#buffer !== undefined) {
      encodeInto(this.#buffer, message, version, xid, this.#encodeOptions);
      if (this.#buffer.at >= FLUSH_SIZE) this.#flush();
    } else this.#write(encode(message, version, xid, this.#encodeOptions));
    return xid;
  }

  /** Sends what is already encoded. */
  sendBytes(bytes: Uint8Array): void {
    if (this.#buffer !== undefined) {
      this.#buffer.raw(bytes);
      if (this.#buffer.at >= FLUSH_SIZE) this.#flush();
    } else this.#write(bytes);
  }

  /** Sends everything that `run` sends in few pieces; for thousands of flow mods. */
  batch(run: () => void): void {
    if (this.#buffer !== undefined) {
      run();
      return;
    }
    this.#buffer = new ByteWriter(2 * FLUSH_SIZE);
    try {
      run();
    } finally {
      this.#flush();
      this.#buffer = undefined;
    }
  }

  #flush(): void {
    const buffer = this.#buffer!;
    if (buffer.at === 0) return;
    this.#write(buffer.slice());
    buffer.cut(0);
  }

  /** Sends a request and resolves with its one reply. Rejects with an OpenFlowError, or a WeftError "openflow.closed". */
  async request(message: Message): Promise<Message> {
    const replies = await this.#ask(message, "reply");
    return replies[0]!.message;
  }

  /** Sends a multipart request and resolves with all parts of its reply. */
  async requestAll(message: Message): Promise<readonly Message[]> {
    return (await this.requestReplies(message)).map((reply) => reply.message);
  }

  /** Like {@link requestAll}, with the bytes of each part, for those who print them. `xid`: that of earlier parts of the request. */
  requestReplies(message: Message, xid?: number): Promise<readonly Reply[]> {
    return this.#ask(message, "multipart", xid);
  }

  /** Resolves when the peer has done everything that was sent before. */
  async barrier(): Promise<void> {
    await this.#ask({ type: "barrier_request" }, "barrier");
  }

  /**
   * Sends messages and a barrier; resolves with the errors that the peer answered, each with its message's index, when
   * everything is done.
   */
  async transact(messages: readonly Message[]): Promise<readonly { readonly index: number; readonly error: OpenFlowError }[]> {
    const watch = this.#watch(messages.map(() => this.nextXid()));
    this.batch(() => {
      for (const [index, message] of messages.entries()) this.send(message, watch.xids[index]);
    });
    try {
      await this.barrier();
    } finally {
      watch.end();
    }
    return watch.errors;
  }

  /**
   * Makes all of `messages` take effect, or none: as a bundle (OpenFlow 1.4, and the ONF extension to 1.3). Resolves with
   * what the peer refused: messages by index, and the bundle itself without one. Empty: it is committed.
   */
  async bundle(
    messages: readonly Message[],
    flags: number = BUNDLE_FLAG.ATOMIC | BUNDLE_FLAG.ORDERED,
    bundle = 0,
  ): Promise<readonly { readonly index: number | undefined; readonly error: OpenFlowError }[]> {
    const version = this.#ready();
    const watch = this.#watch(messages.map(() => this.nextXid()));
    const refused = async (run: Promise<unknown>) => {
      try {
        await run;
        return undefined;
      } catch (error) {
        if (error instanceof OpenFlowError) return { index: undefined, error };
        throw error;
      }
    };
    const control = (name: BundleControlType) => refused(this.request({ type: "bundle_control", bundle, control: name, flags }));
    try {
      const open = await control("open_request");
      if (open !== undefined) return [open];
      this.batch(() =>
        messages.forEach((message, index) => {
          const xid = watch.xids[index]!;
          this.send({ type: "bundle_add", bundle, flags, message: { version, xid, message } }, xid);
        }),
      );
      await this.barrier();
      if (watch.errors.length > 0) {
        const discard = await control("discard_request");
        return discard === undefined ? watch.errors : [...watch.errors, discard];
      }
      const commit = await control("commit_request");
      return commit === undefined ? watch.errors : [...watch.errors, commit];
    } finally {
      watch.end();
    }
  }

  /** Gathers the errors that answer messages of these transaction ids. */
  #watch(xids: readonly number[]): {
    readonly xids: readonly number[];
    readonly errors: readonly { readonly index: number; readonly error: OpenFlowError }[];
    end(): void;
  } {
    const errors: { index: number; error: OpenFlowError }[] = [];
    xids.forEach((xid, index) => {
      this.#pending.set(xid, {
        expects: "reply",
        parts: [],
        resolve: () => undefined,
        reject: (error) => {
          if (error instanceof OpenFlowError) errors.push({ index, error });
        },
      });
    });
    return {
      xids,
      errors,
      end: () => {
        for (const xid of xids) this.#pending.delete(xid);
      },
    };
  }

  /** Answers a message with an error that carries it, as far as there is room. */
  sendError(error: string, request: Uint8Array): void {
    const { version, xid } = peekHeader(request);
    const known = version >= 1 && version <= 6 ? (version as OfVersion) : (this.#version ?? 1); // Checked on the line.
    const name = errorCode(error, known) === undefined ? "OFPBRC_BAD_TYPE" : error;
    this.sendBytes(
      encode({ type: "error", error: name, errorType: 0, code: 0, vendor: 0, data: request.subarray(0, ERROR_DATA) }, known, xid),
    );
  }

  /** Sends what is queued, then closes; with an error, closes at once. */
  close(error?: Error): void {
    if (this.#closed) return;
    if (error === undefined) this.#stream.end();
    else this.#stream.destroy(error);
    this.#gone(error);
  }

  #ready(): OfVersion {
    if (this.#closed) throw new WeftError("openflow.closed", `${this.name}: connection is closed`, { blame: "caller" });
    if (this.#version === undefined)
      throw new WeftError("openflow.not-ready", `${this.name}: no version agreed yet`, { blame: "caller" });
    return this.#version;
  }

  #ask(message: Message, expects: Pending["expects"], xid = this.nextXid()): Promise<readonly Reply[]> {
    return new Promise((resolve, reject) => {
      const version = this.#ready();
      const bytes = encode(message, version, xid, this.#encodeOptions);
      this.#pending.set(xid, { expects, parts: [], resolve, reject });
      this.#requests.set(xid, bytes.subarray(0, 64));
      this.sendBytes(bytes);
    });
  }

  #write(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#options.onTraffic?.("sent", bytes);
    this.#stream.write(bytes);
  }

  #receive(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#options.onTraffic?.("received", bytes);
    let envelope: Envelope;
    try {
      envelope = decode(bytes, this.#decodeOptions);
      if (this.#version !== undefined && bytes[0] !== this.#version && envelope.message.type !== "hello")
        throw new DecodeError("OFPBRC_BAD_VERSION", 0, `version ${bytes[0]} on a connection of version ${this.#version}`);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#bad(error, bytes);
      return;
    }
    this.#handle(envelope, bytes);
  }

  #bad(error: DecodeError, bytes: Uint8Array): void {
    const { xid, type } = peekHeader(bytes);
    const pending = this.#pending.get(xid);
    if (pending !== undefined) {
      this.#settle(xid);
      pending.reject(error);
    } else if (this.#version !== undefined && type !== 1) this.sendError(error.error, bytes);
    this.#options.onBadMessage?.(error, bytes);
  }

  #handle(envelope: Envelope, bytes: Uint8Array): void {
    const { message, xid } = envelope;
    if (message.type === "hello") {
      this.#onHello(message.versions, xid);
      return;
    }
    if (this.#version === undefined) {
      const text = message.type === "error" ? new TextDecoder().decode(message.data) : `${message.type} before hello`;
      this.close(new WeftError("openflow.negotiation", `${this.name}: version negotiation failed (${text})`));
      return;
    }
    if (message.type === "echo_request") {
      this.send({ type: "echo_reply", data: message.data }, xid);
      return;
    }
    const pending = this.#pending.get(xid);
    if (pending !== undefined && this.#answers(message, pending)) {
      if (message.type === "error") {
        const request = this.#requests.get(xid) ?? message.data;
        this.#settle(xid);
        pending.reject(new OpenFlowError(message, request, bytes.slice()));
        return;
      }
      pending.parts.push({ message, bytes: bytes.slice() });
      if (pending.expects === "multipart" && "more" in message && message.more) return;
      this.#settle(xid);
      pending.resolve(pending.parts);
      return;
    }
    if (message.type === "echo_reply" && xid === 0) return;
    this.#options.onMessage?.(envelope);
  }

  #answers(message: Message, pending: Pending): boolean {
    if (message.type === "error") return true;
    if (pending.expects === "barrier") return message.type === "barrier_reply";
    return /_reply$/.test(message.type) || (message.type === "bundle_control" && /_reply$/.test(message.control));
  }

  #settle(xid: number): void {
    this.#pending.delete(xid);
    this.#requests.delete(xid);
  }

  #onHello(versions: number, xid: number): void {
    if (this.#version !== undefined) return;
    const common = versions & this.#options.versions & 0x7e;
    if (common === 0) {
      const text = `no common version: we speak ${hexBitmap(this.#options.versions)}, the peer ${hexBitmap(versions)}`;
      const highest = Math.max(1, 31 - Math.clz32(this.#options.versions & 0x7e)) as OfVersion; // A bit of 1 to 6.
      this.#write(
        encode(
          { type: "error", error: "OFPHFC_INCOMPATIBLE", errorType: 0, code: 0, vendor: 0, data: new TextEncoder().encode(text) },
          highest,
          xid,
        ),
      );
      this.close();
      return;
    }
    this.#version = (31 - Math.clz32(common)) as OfVersion; // The highest bit set in 0x7e is 1 to 6.
    this.#options.onReady?.(this.#version);
  }

  /** Changes ConnectionOptions.probeInterval; 0 for no probes. */
  probeEvery(interval: number): void {
    this.#probe?.cancel();
    this.#silent = 0;
    this.#probe = interval > 0 ? this.#options.clock?.every(interval, () => this.#onProbe(), true) : undefined;
  }

  #onProbe(): void {
    if (this.#version === undefined) return;
    if (++this.#silent === 1) return;
    if (this.#silent > 2) this.close(new WeftError("openflow.silent", `${this.name}: no answer to echo, closing`));
    else this.send({ type: "echo_request", data: new Uint8Array(0) }, 0);
  }

  #gone(error?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#probe?.cancel();
    const reason = error ?? new WeftError("openflow.closed", `${this.name}: connection closed`);
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    this.#requests.clear();
    for (const pending of waiting) pending.reject(reason);
    this.#options.onClose?.(error);
  }
}

function hexBitmap(versions: number): string {
  const list: string[] = [];
  for (let v = 1; v <= 6; v++) if ((versions & (1 << v)) !== 0) list.push(`0x0${v}`);
  return list.join(", ");
}
