/**
 * The outside world as parameters. No code outside this package reads the clock, random numbers, the network, files or
 * the environment: it is given a {@link Runtime}. There are two implementations, {@link nodeRuntime} and
 * {@link virtualRuntime}; under the virtual one a whole cloud is deterministic (same seed, same bytes).
 */

/** A pending timer; `cancel` is idempotent and harmless after the timer has fired. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Monotonic time in milliseconds, with fractions. Never steps back. */
  now(): number;
  /** Wall-clock time in milliseconds since 1970-01-01T00:00:00Z. */
  wall(): number;
  /** Calls `run` once, `ms` milliseconds from now. Does not keep a process alive where `background` is true. */
  after(ms: number, run: () => void, background?: boolean): Timer;
  /** Calls `run` every `ms` milliseconds until cancelled. */
  every(ms: number, run: () => void, background?: boolean): Timer;
  /** Calls `run` soon, after the current turn of code and before any timer. Order of calls is kept. */
  soon(run: () => void): void;
  /** Resolves after `ms` milliseconds. */
  sleep(ms: number): Promise<void>;
}

export interface Random {
  /** An unsigned 32-bit integer. */
  uint32(): number;
  /** An integer in [0, bound). `bound` is at most 2^32. */
  below(bound: number): number;
  bytes(length: number): Uint8Array;
  /** A version-4 uuid in lower case, e.g. "3fa85f64-5717-4562-b3fc-2c963f66afa6". */
  uuid(): string;
}

/** A connected byte stream. Events come through the handlers given to {@link Stream.start}; none before that. */
export interface Stream {
  /** Our own name for the peer, as OVS logs it: "unix:/run/x.sock", "tcp:10.0.0.1:6641". */
  readonly name: string;
  /** The addresses, where the transport has them: IP or IPv6 without brackets. */
  readonly local?: { readonly address: string; readonly port: number };
  readonly remote?: { readonly address: string; readonly port: number };
  /** For ssl: the common name of the verified peer certificate. */
  readonly peerCommonName?: string;
  start(handlers: StreamHandlers): void;
  /**
   * Queues bytes (the array must not be changed afterwards). Returns false when the queue is above the high-water
   * mark; `onDrain` is called when it is empty again.
   */
  write(bytes: Uint8Array): boolean;
  /** Bytes queued and not yet taken by the transport. */
  readonly pending: number;
  /** Stop and go on reading: back-pressure towards the peer. */
  pause(): void;
  resume(): void;
  /** Sends what is queued, then ends. */
  end(): void;
  /** Closes at once; `onClose` follows, with `error` if given. */
  destroy(error?: Error): void;
}

export interface StreamHandlers {
  onData(bytes: Uint8Array): void;
  onDrain?(): void;
  /** The stream is gone: once, last of all events. `error` is absent for an orderly end. */
  onClose(error?: Error): void;
}

/** A listening endpoint. */
export interface Listener {
  readonly name: string;
  /** The bound port, where the transport has ports (useful with port 0). */
  readonly port?: number;
  /** Other certificates for connections from now on, for ssl. Throws WeftError "net.tls" where they do not fit together. */
  setTls?(tls: TlsOptions): void;
  close(): Promise<void>;
}

export interface TlsOptions {
  /** PEM text. */
  readonly privateKey?: string;
  readonly certificate?: string;
  readonly caCertificate?: string;
  /** Accept whatever certificate the peer shows (`-C none`). */
  readonly acceptAny?: boolean;
  /** PEM text of certificates that are shown behind our own (`--peer-ca-cert`). */
  readonly peerCaCertificate?: string;
  /**
   * Nobody knows the peer's CA yet (`--bootstrap-ca-cert`): the first connection takes it from the chain that the peer
   * shows and gives it, as PEM text, to be kept; the peer must then pass with it.
   */
  readonly bootstrap?: (caCertificate: string) => Promise<void>;
  readonly minVersion?: "TLSv1.2" | "TLSv1.3";
  readonly maxVersion?: "TLSv1.2" | "TLSv1.3";
  /** For TLSv1.2, in OpenSSL's syntax. */
  readonly ciphers?: string;
  /** For TLSv1.3, names joined by colons. */
  readonly ciphersuites?: string;
  /** The name for Server Name Indication, in place of the host's. */
  readonly serverName?: string;
}

/** Certificates as they are now: asked before every connection, so that renewed files count. */
export type TlsProvider = () => Promise<TlsOptions | undefined>;

export interface DatagramSocket {
  readonly address: string;
  readonly port: number;
  send(bytes: Uint8Array, address: string, port: number, options?: { readonly tos?: number; readonly ttl?: number }): void;
  onMessage(handler: (bytes: Uint8Array, from: { readonly address: string; readonly port: number }) => void): void;
  close(): void;
}

export interface Network {
  /**
   * Connects to an active remote in OVS syntax (ovsdb(7) "Connection Methods"): `tcp:IP[:PORT]`, `ssl:IP[:PORT]`,
   * `unix:FILE`, and `memory:NAME` within one process. Rejects with a WeftError (code "net.connect", "net.bad-remote").
   */
  connect(
    remote: string,
    options?: { readonly tls?: TlsOptions; readonly defaultPort?: number; readonly timeout?: number },
  ): Promise<Stream>;
  /**
   * Listens on a passive remote: `ptcp:[PORT][:IP]`, `pssl:[PORT][:IP]`, `punix:FILE`, `pmemory:NAME`.
   * `accept` is called for every connection, `refused` with the reason for one whose TLS fails.
   */
  listen(
    remote: string,
    accept: (stream: Stream) => void,
    options?: { readonly tls?: TlsOptions; readonly defaultPort?: number; readonly refused?: (why: string) => void },
  ): Promise<Listener>;
  /** Binds a UDP socket; port 0 chooses one. */
  datagram(options: { readonly address?: string; readonly port?: number; readonly family?: 4 | 6 }): Promise<DatagramSocket>;
}

/** Files, as far as daemons and tools need them. Paths are absolute or relative to the process' directory. */
export interface Files {
  read(path: string): Promise<Uint8Array>;
  /** Replaces the file as a whole: written beside it, fsynced where `sync`, renamed over it. */
  write(path: string, bytes: Uint8Array, options?: { readonly sync?: boolean; readonly mode?: number }): Promise<void>;
  open(path: string, mode: "read" | "append" | "create" | "read-write"): Promise<OpenFile>;
  exists(path: string): Promise<boolean>;
  remove(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  mkdir(path: string): Promise<void>;
  list(path: string): Promise<string[]>;
}

/** What came of an attempt to lock a file. */
export interface LockOutcome {
  readonly locked: boolean;
  /** The process that holds the lock where it is not locked, if known. */
  readonly holder?: number;
  /** Whom the lock does not keep out on this machine, and why. */
  readonly caveat?: string;
}

export interface OpenFile {
  size(): Promise<number>;
  /** Reads up to `length` bytes at `offset`; fewer only at the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array>;
  append(bytes: Uint8Array): Promise<void>;
  truncate(size: number): Promise<void>;
  /** Returns when the data is on the disk (fdatasync). */
  sync(): Promise<void>;
  /** Advisory exclusive lock, kept until the file is closed. */
  lock(): Promise<LockOutcome>;
  close(): Promise<void>;
}

/** Locks on whole files that end with the process (fcntl(2)). */
export interface FileLocks {
  /** The process that holds the lock of a file; undefined: none, or there is no such file. */
  holder(path: string): Promise<number | undefined>;
  /** Puts a new file in the place of what is there, with this process holding its lock. */
  create(path: string, bytes: Uint8Array): Promise<void>;
}

export interface Runtime {
  readonly clock: Clock;
  readonly random: Random;
  readonly net: Network;
  readonly files: Files;
  readonly log: LogBook;
}

/** Levels of ovs-appctl(8) vlog, most severe first. "off" is a threshold only. */
export type LogLevel = "emer" | "err" | "warn" | "info" | "dbg";

/** One record, before any destination formats it. */
export interface LogRecord {
  /** Wall time, ms since the epoch. */
  readonly time: number;
  /** Counts from 1 within the log book. */
  readonly sequence: number;
  readonly module: string;
  /** Of the original, where it is another than its main one: scripts look for "acl_log(ovn_pinctrl0)". */
  readonly thread?: string | undefined;
  readonly level: LogLevel;
  readonly text: string;
}

/** What code logs with: one per module, named as OVS names them ("jsonrpc", "ovsdb_server", "binding"). */
export interface Logger {
  readonly module: string;
  emer(text: string): void;
  err(text: string): void;
  warn(text: string): void;
  info(text: string): void;
  /** The text may be a function, called only when the level is on. */
  dbg(text: string | (() => string)): void;
  enabled(level: LogLevel): boolean;
}

/**
 * All loggers of one daemon: thresholds per destination and module (vlog/set), the pattern of the line, destinations.
 * The line is OVS's: `2026-01-31T12:00:00.000Z|00001|module|INFO|text`.
 */
export interface LogBook {
  logger(module: string, thread?: string): Logger;
  /** Every record that passes some destination's threshold, already rate-limited. */
  onRecord(listener: (record: LogRecord) => void): () => void;
}

/** A command of a daemon's control socket (ovs-appctl). */
export interface ControlCommand {
  readonly name: string;
  /** What list-commands shows behind the name, e.g. "[table]". */
  readonly usage: string;
  readonly minArgs: number;
  readonly maxArgs: number;
  /** list-commands leaves it out: names of old, and what is for tests. */
  readonly hidden?: boolean;
  /** Returns the reply's text. Throwing answers with an error of that message. */
  run(args: readonly string[]): string | Promise<string>;
  /** The reply as JSON, for those who ask for it (ovs-appctl --format=json). Without it they get the text. */
  json?(args: readonly string[]): JsonReply;
}

export type JsonReply = string | number | boolean | null | readonly JsonReply[] | { readonly [key: string]: JsonReply };

/**
 * What a program is started with, in place of `process`: the same program runs as a process of its own, in the lab's
 * process for an emulated node, and in a test.
 */
export interface Host {
  readonly runtime: Runtime;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** The host's name as gethostname() gives it. */
  readonly hostname: string;
  readonly pid: number;
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Aborted when the program should end (SIGTERM, SIGINT, a closed shell). */
  readonly signal: AbortSignal;
  /** Throws a WeftError ("host.no-ffi") where files cannot be locked. Absent where nobody would see the locks. */
  readonly fileLocks?: () => Promise<FileLocks>;
  /** The most memory that was resident since the process began, kB. Absent where a program has no process of its own. */
  readonly peakMemory?: () => number;
  /**
   * A daemon says that it is ready: whoever started it with --detach returns now, after printing `output` to its
   * standard output. Nobody listens where it is absent.
   */
  readonly ready?: (output?: string) => void;
}

export interface Output {
  /** Resolves when the text was taken; awaiting it gives back-pressure. */
  write(text: string | Uint8Array): void | Promise<void>;
  readonly isTerminal: boolean;
  readonly columns?: number;
}

/** A program: `args` without the program's name; resolves to the exit code. */
export type Program = (args: readonly string[], host: Host) => Promise<number>;
