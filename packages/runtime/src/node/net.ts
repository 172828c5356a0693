import { closeSync, constants, openSync, statSync, unlinkSync } from "node:fs";
import net from "node:net";
import { basename, dirname } from "node:path";
import { WeftError } from "../errors.ts";
import { parseRemote, type Remote } from "../remote.ts";
import { MemoryNetwork } from "../virtual/net.ts";
import type { Clock, DatagramSocket, Listener, Network, Stream, StreamHandlers, TlsOptions } from "../world.ts";
import { describeErrno } from "./errno.ts";

/** sun_path holds 108 bytes with its NUL. */
const longestSocketPath = 107;

class NodeStream implements Stream {
  readonly name: string;
  readonly local?: { readonly address: string; readonly port: number };
  readonly remote?: { readonly address: string; readonly port: number };
  readonly peerCommonName?: string;
  readonly #socket: net.Socket;
  #error: Error | undefined;

  constructor(name: string, socket: net.Socket, peerCommonName?: string) {
    this.name = name;
    this.#socket = socket;
    if (socket.localAddress !== undefined && socket.localPort !== undefined) {
      this.local = { address: socket.localAddress, port: socket.localPort };
    }
    if (socket.remoteAddress !== undefined && socket.remotePort !== undefined) {
      this.remote = { address: socket.remoteAddress, port: socket.remotePort };
    }
    if (peerCommonName !== undefined) this.peerCommonName = peerCommonName;
    socket.pause();
    socket.on("error", (error) => {
      this.#error = netError(error, name);
    });
  }

  start(handlers: StreamHandlers): void {
    const socket = this.#socket;
    if (socket.closed) {
      setImmediate(() => handlers.onClose(this.#error));
      return;
    }
    // not as a Buffer, whose slice() would share its memory
    socket.on("data", (bytes: Buffer) => handlers.onData(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)));
    socket.on("drain", () => handlers.onDrain?.());
    socket.on("end", () => socket.end());
    socket.on("close", () => handlers.onClose(this.#error));
    socket.resume();
  }

  write(bytes: Uint8Array): boolean {
    return this.#socket.write(bytes);
  }
  get pending(): number {
    return this.#socket.writableLength;
  }
  pause(): void {
    this.#socket.pause();
  }
  resume(): void {
    this.#socket.resume();
  }
  end(): void {
    this.#socket.end();
  }
  destroy(error?: Error): void {
    this.#error = error;
    this.#socket.destroy();
  }
}

function netError(error: Error, name: string): WeftError {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  return new WeftError("net.connect", `${name}: ${describeErrno(code) ?? error.message}`, {
    place: { source: name },
    cause: error,
  });
}

/**
 * Runs `use` with a path to the same socket that is short enough for sun_path: a long one is reached through
 * /proc/self/fd of its folder, as OVS does. Throws a WeftError that names the remote by its text where there is no such folder.
 */
function withShortPath<T>(path: string, text: string, use: (path: string, release: () => void) => T): T {
  if (Buffer.byteLength(path) <= longestSocketPath) return use(path, () => undefined);
  let folder: number;
  try {
    folder = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    throw netError(error as Error, text); // Node's functions throw nothing else.
  }
  return use(`/proc/self/fd/${folder}/${basename(path)}`, () => closeSync(folder));
}

function nameOfPeer(remote: Remote, socket: net.Socket, count: number): string {
  if (remote.kind === "unix") return `unix#${count}`;
  const address = socket.remoteAddress ?? "";
  return `${remote.kind}:${address.includes(":") ? `[${address}]` : address}:${socket.remotePort ?? 0}`;
}

export class NodeNetwork implements Network {
  readonly #memory: MemoryNetwork;
  #accepted = 0;

  constructor(clock: Clock) {
    this.#memory = new MemoryNetwork(clock);
  }

  async connect(text: string, options: { tls?: TlsOptions; defaultPort?: number; timeout?: number } = {}): Promise<Stream> {
    const remote = parseRemote(text);
    if (remote.passive)
      throw new WeftError("net.bad-remote", `${text} is passive, nothing can connect to it`, { blame: "caller" });
    if (remote.kind === "memory") return this.#memory.connect(text);
    if (remote.kind === "ssl") return this.#connectTls(remote, text, options);
    const { socket, release } = this.#open(remote, text, options);
    return new Promise((resolve, reject) => {
      const timer = connectTimer(socket, options.timeout);
      const fail = (error: Error) => {
        clearTimeout(timer);
        release();
        reject(netError(error, text));
      };
      socket.once("error", fail);
      socket.once("connect", () => {
        clearTimeout(timer);
        release();
        socket.removeListener("error", fail);
        if (remote.kind !== "unix") socket.setNoDelay(true);
        resolve(new NodeStream(text, socket));
      });
    });
  }

  async #connectTls(
    remote: IpRemote,
    text: string,
    options: { tls?: TlsOptions; defaultPort?: number; timeout?: number },
  ): Promise<Stream> {
    const tls = await import("node:tls");
    const { commonName, peerRefused, secureContextOptions, shownCa } = await import("./tls.ts");
    const given = options.tls ?? {};
    const { serverName } = given;
    const socket = tls.connect({
      host: remote.address,
      port: portOf(remote, text, options.defaultPort),
      ...secureContextOptions(given),
      // Checked below, in words of our own; OVS certificates name switches and databases, not hosts.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ...(serverName === undefined ? {} : { servername: serverName }),
    });
    const timer = connectTimer(socket, options.timeout);
    await new Promise<void>((resolve, reject) => {
      socket.once("error", (error) => reject(netError(error, text)));
      socket.once("secureConnect", resolve);
    }).finally(() => clearTimeout(timer));
    socket.removeAllListeners("error");
    const refuse = (why: string): never => {
      socket.on("error", () => undefined);
      socket.destroy();
      throw new WeftError("net.connect", `${text}: ${why}`, { place: { source: text } });
    };
    const { bootstrap, ...known } = given;
    if (bootstrap !== undefined && given.caCertificate === undefined) {
      const caCertificate = shownCa(socket) ?? refuse("the peer shows no CA certificate to bootstrap from");
      await bootstrap(caCertificate);
      socket.on("error", () => undefined);
      socket.destroy();
      return this.#connectTls(remote, text, { ...options, tls: { ...known, caCertificate } });
    }
    const why = peerRefused(socket, given);
    if (why !== undefined) refuse(why);
    socket.setNoDelay(true);
    return new NodeStream(text, socket, commonName(socket));
  }

  #open(remote: Remote, text: string, options: { defaultPort?: number }): { socket: net.Socket; release: () => void } {
    if ("path" in remote) {
      return withShortPath(remote.path, text, (path, release) => ({
        socket: net.connect({ path, allowHalfOpen: true }),
        release,
      }));
    }
    const port = portOf(remote, text, options.defaultPort);
    return { socket: net.connect({ host: remote.address, port, allowHalfOpen: true }), release: () => undefined };
  }

  async listen(
    text: string,
    accept: (stream: Stream) => void,
    options: { tls?: TlsOptions; defaultPort?: number; refused?: (why: string) => void } = {},
  ): Promise<Listener> {
    const remote = parseRemote(text);
    if (!remote.passive)
      throw new WeftError("net.bad-remote", `${text} is not a passive remote`, { blame: "caller", place: { text } });
    if (remote.kind === "memory") return this.#memory.listen(text, accept);
    const accepted = (socket: net.Socket, peerName?: string) => {
      if (remote.kind !== "unix") socket.setNoDelay(true);
      accept(new NodeStream(nameOfPeer(remote, socket, this.#accepted++), socket, peerName));
    };
    const { server, setTls } =
      remote.kind === "ssl"
        ? await listenTls(options.tls ?? {}, accepted, options.refused)
        : {
            server: net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => accepted(socket)),
            setTls: undefined,
          };
    if ("path" in remote) {
      try {
        // The error of listening in a folder that is missing would be a lack of permission: so libuv has it.
        statSync(dirname(remote.path));
        removeSocket(remote.path);
      } catch (error) {
        throw netError(error as Error, text); // Node's functions throw nothing else.
      }
      await withShortPath(remote.path, text, (path, release) => listening(server, text, { path }).finally(release));
    } else {
      const port = portOf(remote, text, options.defaultPort);
      // OVS binds IPv4 unless an IPv6 address is given.
      await listening(server, text, { port, host: remote.address === "" ? "0.0.0.0" : remote.address });
    }
    const address = server.address();
    return {
      name: text,
      ...(address !== null && typeof address === "object" ? { port: address.port } : {}),
      ...(setTls === undefined ? {} : { setTls }),
      close: () =>
        new Promise((resolve) => {
          server.close(() => resolve());
          if ("path" in remote) removeSocket(remote.path);
        }),
    };
  }

  async datagram(options: { address?: string; port?: number; family?: 4 | 6 }): Promise<DatagramSocket> {
    const dgram = await import("node:dgram");
    const socket = dgram.createSocket({ type: options.family === 6 ? "udp6" : "udp4", reuseAddr: false });
    await new Promise<void>((resolve, reject) => {
      const name = `udp:${options.address ?? ""}:${options.port ?? 0}`;
      const fail = (error: Error) => reject(netError(error, name));
      socket.once("error", fail);
      socket.bind({ port: options.port ?? 0, ...(options.address === undefined ? {} : { address: options.address }) }, () => {
        socket.removeListener("error", fail);
        resolve();
      });
    });
    // A datagram that cannot be sent is lost, like any other; ICMP errors of earlier ones come here too.
    socket.on("error", () => undefined);
    const bound = socket.address();
    return {
      address: bound.address,
      port: bound.port,
      send(bytes, address, port) {
        socket.send(bytes, port, address);
      },
      onMessage(handler) {
        socket.on("message", (bytes, from) => handler(bytes, { address: from.address, port: from.port }));
      },
      close: () => socket.close(),
    };
  }
}

type IpRemote = Extract<Remote, { readonly address: string }>;

function portOf(remote: IpRemote, text: string, defaultPort: number | undefined): number {
  const port = remote.port ?? defaultPort;
  if (port === undefined) throw new WeftError("net.bad-remote", `${text} names no port`, { blame: "caller", place: { text } });
  return port;
}

function connectTimer(socket: net.Socket, timeout: number | undefined): NodeJS.Timeout | undefined {
  if (timeout === undefined) return undefined;
  return setTimeout(() => socket.destroy(Object.assign(new Error("timed out"), { code: "ETIMEDOUT" })), timeout);
}

/** A TLS server whose certificates can be renewed; clients without a certificate that passes are sent away. */
async function listenTls(
  first: TlsOptions,
  accepted: (socket: net.Socket, peerName: string | undefined) => void,
  refused: ((why: string) => void) | undefined,
): Promise<{ readonly server: net.Server; setTls(options: TlsOptions): void }> {
  const tls = await import("node:tls");
  const { commonName, peerRefused, secureContextOptions, shownCa } = await import("./tls.ts");
  let options = first;
  const server = tls.createServer(
    // Checked below, for what is asked of clients may change with the certificates.
    { ...secureContextOptions(first), requestCert: true, rejectUnauthorized: false },
    (socket) => {
      const { bootstrap } = options;
      const away = (why: string): void => {
        refused?.(`${socket.remoteAddress ?? ""}: ${why}`);
        socket.destroy();
      };
      if (bootstrap !== undefined && options.caCertificate === undefined) {
        const caCertificate = shownCa(socket);
        if (caCertificate === undefined) return away("the peer shows no CA certificate to bootstrap from");
        setTls({ ...options, caCertificate });
        void bootstrap(caCertificate);
        return away("disconnected after its CA certificate was taken over");
      }
      const why = peerRefused(socket, options);
      if (why !== undefined) return away(why);
      accepted(socket, commonName(socket));
    },
  );
  server.on("tlsClientError", (error) => refused?.(error.message));
  const setTls = (renewed: TlsOptions): void => {
    server.setSecureContext(secureContextOptions(renewed));
    options = renewed;
  };
  return { server, setTls };
}

/** A socket left by a daemon that died would make bind fail. */
function removeSocket(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

function listening(server: net.Server, name: string, where: net.ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(netError(error, name)));
    server.listen(where, () => {
      server.removeAllListeners("error");
      resolve();
    });
  });
}
