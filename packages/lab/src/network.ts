/**
 * The control connections of a lab's machines: each has unix sockets of its own; TCP goes by the machines' addresses. The
 * bytes do not cross the emulated wires, but a connection is refused where the addresses cannot reach each other.
 */
import {
  type Clock,
  type DatagramSocket,
  type Files,
  type Listener,
  MemoryNetwork,
  messageOf,
  type Network,
  parseRemote,
  type Stream,
  type TlsOptions,
  WeftError,
} from "@weft/runtime";
import { formatIp, parseIp } from "./machine/ip.ts";
import type { Machine } from "./machine/machine.ts";
import type { Power } from "./power.ts";

/** All machines' sockets, in one table. */
export class ControlNetwork {
  readonly #memory: MemoryNetwork;
  readonly #machines = new Map<string, Machine>();
  /** Where addresses that no machine has are looked for: the real network, if the lab is open to it. */
  readonly outside: Network | undefined;

  constructor(clock: Clock, outside?: Network) {
    this.#memory = new MemoryNetwork(clock);
    this.outside = outside;
  }

  /**
   * The network as processes on the machine `name` see it; call {@link join} when the machine is there. Sockets that are
   * listened on are among the machine's `files`; they, and the connections, end with its `power`.
   */
  viewOf(name: string, files: Files, power: Power): Network {
    const own = (path: string) => `/${name}${path.startsWith("/") ? path : `/${path}`}`;
    return {
      connect: async (remote, options = {}) => power.stream(await this.#connect(name, own, remote, options)),
      listen: async (remote, accept, options = {}) =>
        power.listener(await this.#listen(name, own, files, remote, (stream) => accept(power.stream(stream)), options)),
      datagram: (options) => this.#datagram(name, options),
    };
  }

  join(machine: Machine): void {
    this.#machines.set(machine.name, machine);
  }

  leave(name: string): void {
    this.#machines.delete(name);
  }

  #machineWith(address: string): Machine | undefined {
    const ip = parseIp(address);
    if (!ip) return this.#machines.get(address);
    return [...this.#machines.values()].find((machine) =>
      machine.root.addresses.some(
        ({ network, device }) =>
          device.kind !== "loopback" && network.address.family === ip.family && network.address.value === ip.value,
      ),
    );
  }

  /** A connection from outside to a TCP port of a machine; `from` is the address that the machine sees. */
  connectFromOutside(from: string, node: string, port: number): Promise<Stream> {
    return this.#memory.connectFrom(from, `tcp:${node}:${port}`);
  }

  async #connect(
    from: string,
    own: (path: string) => string,
    text: string,
    options: { readonly tls?: TlsOptions; readonly defaultPort?: number; readonly timeout?: number },
  ): Promise<Stream> {
    const remote = parseRemote(text);
    if ("path" in remote) {
      try {
        return await this.#memory.connect(`${remote.kind}:${own(remote.path)}`);
      } catch (error) {
        // In the machine's own words: the table of sockets has its name in front of the path.
        const reason = messageOf(error).split(": ").at(-1);
        throw new WeftError("net.connect", `${text}: ${reason}`, { place: { source: text }, cause: error });
      }
    }
    const here = this.#machines.get(from);
    const loopback = remote.address === "127.0.0.1" || remote.address === "::1" || remote.address === "localhost";
    const target = loopback ? here : this.#machineWith(remote.address);
    if (!target) {
      if (this.outside) return this.outside.connect(text, options);
      throw new WeftError("net.connect", `${text}: No route to host`, { place: { source: text } });
    }
    if (!loopback && target !== here && !reaches(here, remote.address)) {
      throw new WeftError("net.connect", `${text}: Network is unreachable`, { place: { source: text } });
    }
    const port = remote.port ?? options.defaultPort ?? 0;
    const source = loopback ? remote.address : sourceTowards(here, remote.address);
    return this.#memory.connectFrom(source, `tcp:${endpoint(target.name, remote.kind)}:${port}`);
  }

  async #listen(
    name: string,
    own: (path: string) => string,
    files: Files,
    text: string,
    accept: (stream: Stream) => void,
    options: { readonly tls?: TlsOptions; readonly defaultPort?: number },
  ): Promise<Listener> {
    const remote = parseRemote(text);
    if ("path" in remote) {
      const { path, kind } = remote;
      const listener = await this.#memory.listen(`p${kind}:${own(path)}`, accept);
      if (kind !== "unix") return listener;
      await files.write(path, new Uint8Array());
      return {
        name: text,
        close: async () => {
          await listener.close();
          if (await files.exists(path)) await files.remove(path);
        },
      };
    }
    const listener = await this.#memory.listen(
      `ptcp:${remote.port ?? options.defaultPort ?? 0}:${endpoint(name, remote.kind)}`,
      accept,
    );
    return { ...listener, name: text, close: () => listener.close() };
  }

  async #datagram(name: string, options: { readonly address?: string; readonly port?: number }): Promise<DatagramSocket> {
    const machine = this.#machines.get(name);
    if (!machine) throw new WeftError("net.connect", `${name}: machine is down`);
    let handler: Parameters<DatagramSocket["onMessage"]>[0] = () => undefined;
    const address = options.address === undefined ? undefined : parseIp(options.address);
    const socket = machine.root.stack.udp.bind(address, options.port ?? 0, (bytes, from) => {
      handler(bytes, { address: formatIp(from.ip), port: from.port });
    });
    return {
      address: options.address ?? "0.0.0.0",
      port: socket.port,
      send: (bytes, to, port, more = {}) => {
        const ip = parseIp(to);
        if (ip) socket.send(bytes, ip, port, { tos: more.tos, ttl: more.ttl });
      },
      onMessage: (next) => {
        handler = next;
      },
      close: () => socket.close(),
    };
  }
}

/** Who speaks TLS and who does not never meet, though the bytes of neither are encrypted here. */
function endpoint(machine: string, kind: string): string {
  return kind.endsWith("ssl") ? `${machine}.tls` : machine;
}

function reaches(machine: Machine | undefined, address: string): boolean {
  const ip = parseIp(address);
  return machine !== undefined && (!ip || machine.root.lookup(ip) !== undefined);
}

function sourceTowards(machine: Machine | undefined, address: string): string {
  const ip = parseIp(address);
  const source = ip && machine?.root.lookup(ip)?.source;
  return source ? formatIp(source) : "127.0.0.1";
}
