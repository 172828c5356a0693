/**
 * One JSON-RPC conversation over a channel: requests matched with their replies, echo answered, and the peer probed when
 * it has been silent for too long (ovsdb-server(7) "inactivity probe").
 */
import { type Clock, type Timer, WeftError } from "@weft/runtime";
import type { Channel } from "./channel.ts";
import { isObject, type Json, stringifyJson } from "./json.ts";
import { isReply, isRequest, type Message, type Notification, type Reply, type Request, type SharedMessage } from "./message.ts";

export interface ConnectionHandlers {
  /** A request other than echo. Answer with {@link Connection.reply} or {@link Connection.fail}. */
  onRequest?(request: Request): void;
  onNotification?(notification: Notification): void;
  onDrain?(): void;
  /** Once, last of all; every unanswered request has been rejected before. */
  onClose?(error?: Error): void;
}

/** Gets a reply, or the error that ended the connection. */
type ReplyHandler = (reply: Reply | undefined, error: Error | undefined) => void;

/** The peer answered a request with an error. `reply` is the JSON of the "error" member. */
export class RpcError extends WeftError {
  readonly reply: Json;

  constructor(reply: Json) {
    const text =
      isObject(reply) && typeof reply["error"] === "string" ? describe(reply["error"], reply["details"]) : stringifyJson(reply);
    super("jsonrpc.error-reply", text);
    this.reply = reply;
  }
}

function describe(error: string, details: Json | undefined): string {
  return typeof details === "string" ? `${error}: ${details}` : error;
}

/** Default idle time before a probe, in ms, as in the reference. */
export const DEFAULT_PROBE = 5000;

export class Connection {
  readonly channel: Channel;
  readonly #clock: Clock;
  readonly #handlers: ConnectionHandlers;
  readonly #waiting = new Map<Json, ReplyHandler>();
  /** Requests of which parts are still to be made and sent. */
  readonly #inParts: Generator<Uint8Array, Uint8Array>[] = [];
  #nextId = 0;
  #closed = false;
  #probe: number;
  #timer: Timer | undefined;
  #receivedAtProbe = 0;
  #probing = false;

  /** Starts the channel. `probe`: ms of silence after which an echo is sent, and again after which it closes; 0 for never. */
  constructor(channel: Channel, clock: Clock, handlers: ConnectionHandlers, probe: number = DEFAULT_PROBE) {
    this.channel = channel;
    this.#clock = clock;
    this.#handlers = handlers;
    this.#probe = probe;
    channel.start({
      onMessage: (message) => this.#receive(message),
      onDrain: () => handlers.onDrain?.(),
      onClose: (error) => this.#onClose(error),
    });
    this.#arm();
  }

  get name(): string {
    return this.channel.name;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Ms; 0 turns probing off. */
  set probeInterval(ms: number) {
    this.#probe = ms;
    this.#arm();
  }

  get probeInterval(): number {
    return this.#probe;
  }

  send(message: Message | SharedMessage): void {
    this.channel.send(message);
  }

  /** Sends a request; resolves to the result. Rejects with {@link RpcError}, or with the reason of the end. */
  request(method: string, params: readonly Json[]): Promise<Json> {
    return new Promise((resolve, reject) => {
      this.call(method, params, (reply, error) => {
        if (reply === undefined) reject(error);
        else if (reply.error !== null) reject(new RpcError(reply.error));
        else resolve(reply.result);
      });
    });
  }

  /**
   * Sends a request; `done` gets the reply, or the error that ended the connection. Returns the request's id (for the
   * "cancel" method).
   */
  call(method: string, params: readonly Json[], done: ReplyHandler): number {
    const id = this.#expect(done);
    if (!this.#closed) this.channel.send({ method, params, id });
    return id;
  }

  /**
   * As {@link call}, of a request that is made in parts, by its id: the bytes of a whole message, the last of them returned.
   * While it is made, what there is of it leaves.
   */
  callInParts(parts: (id: number) => Generator<Uint8Array, Uint8Array>, done: ReplyHandler): number {
    const id = this.#expect(done);
    this.#inParts.push(parts(id));
    if (this.#inParts.length === 1) this.#sendParts();
    return id;
  }

  /** A request after the other, up to the first that is not whole. */
  #sendParts(): void {
    for (let rest = this.#inParts[0]; rest !== undefined && !this.#closed; rest = this.#inParts[0]) {
      const { value, done: last } = rest.next();
      this.channel.sendPart(value, last === true);
      if (last !== true) {
        this.#clock.soon(() => this.#sendParts());
        return;
      }
      this.#inParts.shift();
    }
  }

  /** The id of a request to be sent, whose reply goes to `done`; after the end that is told soon. */
  #expect(done: ReplyHandler): number {
    const id = this.#nextId++;
    if (!this.#closed) this.#waiting.set(id, done);
    else this.#clock.soon(() => done(undefined, new WeftError("jsonrpc.closed", `${this.name}: connection is closed`)));
    return id;
  }

  notify(method: string, params: readonly Json[]): void {
    this.channel.send({ method, params, id: null });
  }

  reply(to: Request, result: Json): void {
    this.channel.send({ result, error: null, id: to.id });
  }

  fail(to: Request, error: Json): void {
    this.channel.send({ result: null, error, id: to.id });
  }

  /** Sends what is queued, then closes. */
  end(): void {
    this.channel.end();
  }

  /** Closes at once. */
  destroy(error?: Error): void {
    this.channel.destroy(error);
  }

  #receive(message: Message): void {
    if (isReply(message)) {
      const done = this.#waiting.get(message.id);
      // Echo replies are signs of life only; a reply that nobody waits for is the peer's mistake and does no harm.
      if (done === undefined) return;
      this.#waiting.delete(message.id);
      done(message, undefined);
    } else if (!isRequest(message)) this.#handlers.onNotification?.(message);
    else if (message.method === "echo") this.reply(message, message.params);
    else if (this.#handlers.onRequest !== undefined) this.#handlers.onRequest(message);
    else this.fail(message, { error: "unknown method" });
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#probing = false;
    if (this.#probe <= 0 || this.#closed) return;
    this.#receivedAtProbe = this.channel.received;
    this.#timer = this.#clock.every(this.#probe, () => this.#check(), true);
  }

  #check(): void {
    if (this.channel.received !== this.#receivedAtProbe) {
      this.#receivedAtProbe = this.channel.received;
      this.#probing = false;
      return;
    }
    if (this.#probing) {
      const seconds = this.#probe / 1000;
      this.destroy(
        new WeftError("jsonrpc.silent-peer", `no response to inactivity probe after ${seconds} seconds, disconnecting`),
      );
      return;
    }
    this.#probing = true;
    this.channel.send({ method: "echo", params: [], id: "echo" });
  }

  #onClose(error: Error | undefined): void {
    this.#closed = true;
    this.#timer?.cancel();
    const reason = error ?? new WeftError("jsonrpc.closed", `${this.name}: connection closed by peer`);
    for (const done of this.#waiting.values()) done(undefined, reason);
    this.#waiting.clear();
    this.#inParts.length = 0;
    this.#handlers.onClose?.(error);
  }
}
