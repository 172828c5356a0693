import { WeftError } from "../errors.ts";
import { parseRemote } from "../remote.ts";
import type { Clock, DatagramSocket, Listener, Network, Stream, StreamHandlers } from "../world.ts";

/** Bytes in flight above which {@link Stream.write} answers false. */
const highWater = 64 * 1024;

class MemoryStream implements Stream {
  readonly name: string;
  readonly local?: { readonly address: string; readonly port: number };
  readonly remote?: { readonly address: string; readonly port: number };
  readonly #clock: Clock;
  #peer: MemoryStream | undefined;
  #handlers: StreamHandlers | undefined;
  /** What the peer wrote and we have not yet been given. */
  #inbox: Uint8Array[] = [];
  #inboxBytes = 0;
  #paused = false;
  #scheduled = false;
  #ended = false;
  #closed = false;
  #error: Error | undefined;
  #wantsDrain = false;

  constructor(clock: Clock, name: string, local?: { address: string; port: number }, remote?: { address: string; port: number }) {
    this.#clock = clock;
    this.name = name;
    if (local) this.local = local;
    if (remote) this.remote = remote;
  }

  static pair(a: MemoryStream, b: MemoryStream): void {
    a.#peer = b;
    b.#peer = a;
  }

  start(handlers: StreamHandlers): void {
    this.#handlers = handlers;
    this.#schedule();
  }

  write(bytes: Uint8Array): boolean {
    const peer = this.#peer;
    if (!peer || this.#closed || this.#ended || bytes.length === 0) return true;
    peer.#inbox.push(bytes);
    peer.#inboxBytes += bytes.length;
    peer.#schedule();
    if (peer.#inboxBytes < highWater) return true;
    this.#wantsDrain = true;
    return false;
  }

  get pending(): number {
    return this.#peer ? this.#peer.#inboxBytes : 0;
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
    if (this.#peer) this.#peer.#schedule();
    // The peer answers our end with its own, as a program that reads end-of-file closes.
    if (!this.#peer) this.#close();
  }

  destroy(error?: Error): void {
    if (this.#closed) return;
    this.#error ??= error;
    const peer = this.#peer;
    this.#peer = undefined;
    if (peer) {
      peer.#peer = undefined;
      peer.#schedule();
    }
    this.#inbox = [];
    this.#inboxBytes = 0;
    this.#close();
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    this.#clock.soon(() => {
      this.#scheduled = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    const handlers = this.#handlers;
    if (!handlers || this.#closed) return;
    while (this.#inbox.length > 0) {
      if (this.#paused || this.#closed) return;
      const bytes = this.#inbox.shift()!;
      this.#inboxBytes -= bytes.length;
      handlers.onData(bytes);
    }
    const peer = this.#peer;
    if (peer !== undefined && peer.#wantsDrain) {
      peer.#wantsDrain = false;
      peer.#handlers?.onDrain?.();
    }
    if (!peer) this.#close();
    else if (peer.#ended) {
      // End of file: we end our side as well; what we wrote before still reaches the peer.
      this.#ended = true;
      peer.#schedule();
      this.#close();
    }
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#clock.soon(() => this.#handlers?.onClose(this.#error));
  }
}

/** Streams and datagrams within one process, by name. `unix:` paths, `memory:` names and addresses share nothing. */
export class MemoryNetwork implements Network {
  readonly #clock: Clock;
  readonly #listeners = new Map<string, (stream: Stream) => void>();
  readonly #datagrams = new Map<string, (bytes: Uint8Array, from: { address: string; port: number }) => void>();
  #accepted = 0;
  #nextPort = 32768;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async connect(text: string, options: { defaultPort?: number } = {}): Promise<Stream> {
    return this.connectFrom("127.0.0.1", text, options);
  }

  /** As {@link connect}, with the address that the other end sees. */
  async connectFrom(from: string, text: string, options: { defaultPort?: number } = {}): Promise<Stream> {
    const remote = parseRemote(text);
    const port = "port" in remote ? (remote.port ?? options.defaultPort ?? 0) : 0;
    const keys =
      "path" in remote
        ? [`${remote.kind}:${remote.path}`]
        : [`${remote.kind}:${remote.address}:${port}`, `${remote.kind}::${port}`];
    const accept = keys.map((key) => this.#listeners.get(key)).find((found) => found !== undefined);
    if (!accept) {
      const reason = remote.kind === "unix" ? "No such file or directory" : "Connection refused";
      throw new WeftError("net.connect", `${text}: ${reason}`, { place: { source: text } });
    }
    const count = this.#accepted++;
    const here = "path" in remote ? undefined : { address: from, port: this.#nextPort++ };
    const there = "path" in remote ? undefined : { address: remote.address, port };
    const client = new MemoryStream(this.#clock, text, here, there);
    const name = here ? `${remote.kind}:${here.address}:${here.port}` : `${remote.kind}#${count}`;
    const server = new MemoryStream(this.#clock, name, there, here);
    MemoryStream.pair(client, server);
    accept(server);
    return client;
  }

  async listen(text: string, accept: (stream: Stream) => void, options: { defaultPort?: number } = {}): Promise<Listener> {
    const remote = parseRemote(text);
    let port: number | undefined;
    let key: string;
    if ("path" in remote) key = `${remote.kind}:${remote.path}`;
    else {
      port = remote.port ?? options.defaultPort ?? 0;
      if (port === 0) port = this.#nextPort++;
      key = `${remote.kind}:${remote.address}:${port}`;
    }
    if (this.#listeners.has(key) && remote.kind !== "unix") {
      throw new WeftError("net.connect", `${text}: Address already in use`, { blame: "caller", place: { source: text } });
    }
    this.#listeners.set(key, accept);
    return {
      name: text,
      ...(port === undefined ? {} : { port }),
      close: async () => {
        if (this.#listeners.get(key) === accept) this.#listeners.delete(key);
      },
    };
  }

  async datagram(options: { address?: string; port?: number }): Promise<DatagramSocket> {
    const address = options.address ?? "127.0.0.1";
    const port = options.port || this.#nextPort++;
    const key = `${address}:${port}`;
    if (this.#datagrams.has(key)) throw new WeftError("net.connect", `udp:${key}: Address already in use`, { blame: "caller" });
    let handler: (bytes: Uint8Array, from: { address: string; port: number }) => void = () => undefined;
    this.#datagrams.set(key, (bytes, from) => handler(bytes, from));
    return {
      address,
      port,
      send: (bytes, toAddress, toPort) => {
        const copy = bytes.slice();
        this.#clock.soon(() => this.#datagrams.get(`${toAddress}:${toPort}`)?.(copy, { address, port }));
      },
      onMessage(next) {
        handler = next;
      },
      close: () => void this.#datagrams.delete(key),
    };
  }
}
