/**
 * One client's lasting conversation with one of several servers: connects, and connects again when the connection is
 * lost, to the next remote and after a pause that doubles up to a limit, as the OVS libraries do.
 */
import {
  type Logger,
  messageOf,
  type Runtime,
  type Stream,
  type Timer,
  type TlsOptions,
  type TlsProvider,
  WeftError,
} from "@weft/runtime";
import { type Channel, streamChannel } from "../jsonrpc/channel.ts";
import { Connection, DEFAULT_PROBE } from "../jsonrpc/connection.ts";
import type { Notification } from "../jsonrpc/message.ts";

export interface SessionOptions {
  readonly runtime: Runtime;
  /** Connection methods of ovsdb(7), in order of preference. */
  readonly remotes: readonly string[];
  /** Try the remotes in a random order. */
  readonly shuffle?: boolean;
  readonly tls?: TlsOptions | TlsProvider;
  /** The port of a remote that names none; 6640 by default. */
  readonly defaultPort?: number;
  /** Ms of silence before a probe; 0 never. By default 5000, and never for unix sockets and in-process connections. */
  readonly probe?: number;
  /** Shortest and longest pause before connecting again, in ms. */
  readonly backoff?: { readonly min: number; readonly max: number };
  /** Opens a channel to a remote, in place of the runtime's network. */
  readonly connect?: (remote: string) => Promise<Channel>;
}

export interface SessionHandlers {
  onConnected(connection: Connection): void;
  onNotification(connection: Connection, notification: Notification): void;
  /** A connection is lost, or an attempt failed. `round` is true when every remote has been tried. */
  onDisconnected(error: Error, round: boolean): void;
}

const DEFAULT_BACKOFF = { min: 1000, max: 8000 };
const DEFAULT_PORT = 6640;
/** Of a configured pause before probes, in ms, as ovn-controller(8) and ovn-nb(5) say. */
const SHORTEST_PROBE = 1000;

export class Session {
  readonly #options: SessionOptions;
  readonly #handlers: SessionHandlers;
  readonly #log: Logger;
  readonly #remotes: string[];
  readonly #backoff: { readonly min: number; readonly max: number };
  #next = 0;
  /** Remotes that may still be tried without a pause. */
  #free: number;
  #pause = 0;
  #timer: Timer | undefined;
  #connection: Connection | undefined;
  #connectedAt: number | undefined;
  #closed = false;
  #probe: number | undefined;
  /** Whether the remote of the connection is one that fails in sight, so that silence is no sign. */
  #quiet = false;
  /** Counts attempts, so that one that was given up cannot come back. */
  #attempt = 0;

  constructor(options: SessionOptions, handlers: SessionHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#log = options.runtime.log.logger("reconnect");
    this.#remotes = [...options.remotes];
    this.#backoff = options.backoff ?? DEFAULT_BACKOFF;
    this.#free = this.#remotes.length;
    this.#probe = options.probe;
    if (this.#remotes.length === 0) {
      throw new WeftError("ovsdb.no-remote", "no server to connect to was given", { blame: "caller" });
    }
    if (options.shuffle === true) shuffle(this.#remotes, (bound) => options.runtime.random.below(bound));
  }

  get connection(): Connection | undefined {
    return this.#connection;
  }

  start(): void {
    this.#options.runtime.clock.soon(() => this.#try());
  }

  /** Leaves this server for the next remote. `reason` is what the log says. */
  reconnect(reason: string): void {
    if (this.#connection === undefined) return;
    this.#connection.destroy(new WeftError("ovsdb.reconnect", reason, { blame: "us" }));
  }

  /** See `Replica.setProbe`. */
  setProbe(ms: number | undefined): void {
    const probe = ms === undefined || ms <= 0 ? ms : Math.max(SHORTEST_PROBE, ms);
    if (probe === this.#probe) return;
    this.#probe = probe;
    if (this.#connection !== undefined && !this.#quiet) this.#connection.probeInterval = probe ?? DEFAULT_PROBE;
  }

  close(): void {
    this.#closed = true;
    this.#attempt++;
    this.#timer?.cancel();
    this.#connection?.end();
  }

  #try(): void {
    if (this.#closed) return;
    const remote = this.#remotes[this.#next % this.#remotes.length]!;
    const attempt = ++this.#attempt;
    const { clock } = this.#options.runtime;
    this.#say(`${remote}: connecting...`);
    void this.#open(remote).then(
      (channel) => {
        if (attempt !== this.#attempt) {
          channel.start({ onMessage: () => {}, onClose: () => {} });
          channel.destroy();
          return;
        }
        this.#log.info(`${remote}: connected`);
        this.#connectedAt = clock.now();
        this.#quiet = remote.startsWith("unix:") || remote.startsWith("memory:");
        const connection: Connection = new Connection(
          channel,
          clock,
          {
            onNotification: (notification) => this.#handlers.onNotification(connection, notification),
            onClose: (error) => this.#lost(remote, error),
          },
          this.#quiet ? (this.#options.probe ?? 0) : (this.#probe ?? DEFAULT_PROBE),
        );
        this.#connection = connection;
        this.#handlers.onConnected(connection);
      },
      (error: unknown) => {
        if (attempt !== this.#attempt) return;
        const text = messageOf(error).replace(`${remote}: `, "");
        this.#say(`${remote}: connection attempt failed (${text})`);
        this.#again(
          remote,
          new WeftError("ovsdb.connection-failed", `${remote}: ${text}`, { cause: error, place: { source: remote } }),
        );
      },
    );
  }

  async #open(remote: string): Promise<Channel> {
    const { runtime, connect, defaultPort = DEFAULT_PORT } = this.#options;
    if (connect !== undefined) return connect(remote);
    const tls = typeof this.#options.tls === "function" ? await this.#options.tls() : this.#options.tls;
    const timeout = Math.max(1000, this.#pause);
    const options = { defaultPort, timeout, ...(tls === undefined ? {} : { tls }) };
    const stream: Stream = await runtime.net.connect(remote, options);
    return streamChannel(stream);
  }

  #lost(remote: string, error: Error | undefined): void {
    this.#connection = undefined;
    if (this.#closed) return;
    if (error === undefined) this.#log.info(`${remote}: connection closed by peer`);
    else this.#log.info(`${remote}: connection dropped (${messageOf(error).replace(`${remote}: `, "")})`);
    this.#again(
      remote,
      error ?? new WeftError("ovsdb.connection-closed", "connection closed by peer", { place: { source: remote } }),
    );
  }

  #again(remote: string, error: Error): void {
    const { clock } = this.#options.runtime;
    // A connection that lasted earns a fresh start.
    if (this.#connectedAt !== undefined && clock.now() - this.#connectedAt >= this.#pause) {
      this.#pause = 0;
      this.#free = this.#remotes.length;
    }
    this.#connectedAt = undefined;
    this.#next++;
    this.#free--;
    if (this.#free > 0) {
      this.#handlers.onDisconnected(error, false);
      this.#timer = clock.after(0, () => this.#try());
      return;
    }
    this.#pause = Math.min(this.#backoff.max, this.#pause === 0 ? this.#backoff.min : this.#pause * 2);
    this.#handlers.onDisconnected(error, true);
    if (this.#closed) return;
    const more =
      this.#pause >= this.#backoff.max ? "continuing to reconnect in the background but suppressing further logging" : "";
    this.#say(`${remote}: ${more === "" ? `waiting ${this.#pause / 1000} seconds before reconnect` : more}`);
    this.#timer = clock.after(this.#pause, () => this.#try());
  }

  /** Attempts are told at "info" until the pause is at its longest. */
  #say(text: string): void {
    if (this.#pause >= this.#backoff.max) this.#log.dbg(text);
    else this.#log.info(text);
  }
}

function shuffle<T>(items: T[], below: (bound: number) => number): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = below(i + 1);
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
}
