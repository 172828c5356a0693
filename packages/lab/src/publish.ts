/** TCP ports of a lab's machines on the real network: what connects there, reaches the daemon on the machine. */
import { type Listener, type Network, type Stream, WeftError } from "@weft/runtime";
import { formatIp, parseIp } from "./machine/ip.ts";

/** Where to listen for the databases of a machine with ovn-central. */
export interface ListenAddress {
  /** An IP address of the host. */
  readonly address: string;
  /** That of the northbound database; the southbound's is one more. 0 lets the host choose both. */
  readonly port: number;
}

/** What is open: `endpoint` as an active remote, e.g. "tcp:127.0.0.1:6641". */
export interface Published {
  readonly node: string;
  readonly port: number;
  readonly endpoint: string;
}

export const NORTHBOUND_PORT = 6641;
export const SOUTHBOUND_PORT = 6642;

/** "ADDRESS", "ADDRESS:PORT", "[IPV6]:PORT"; undefined when malformed. */
export function parseListen(text: string): ListenAddress | undefined {
  const whole = parseIp(text);
  if (whole) return { address: formatIp(whole), port: NORTHBOUND_PORT };
  const [, six, four, digits = `${NORTHBOUND_PORT}`] = /^(?:\[([^\]]+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const ip = parseIp(six ?? four ?? "");
  const port = Number(digits);
  if (!ip || ip.family !== (six === undefined ? 4 : 6) || port >= 65535) return undefined;
  return { address: formatIp(ip), port };
}

/** Ports of machines, open until {@link close}. */
export class PublishedPorts {
  readonly list: Published[] = [];
  readonly #outside: Network;
  readonly #listeners: Listener[] = [];
  readonly #streams = new Set<Stream>();

  constructor(outside: Network) {
    this.#outside = outside;
  }

  /** Opens a real port for one of a machine; `connect` reaches the machine's. */
  async open(node: string, port: number, at: ListenAddress, connect: (from: string) => Promise<Stream>): Promise<void> {
    const host = at.address.includes(":") ? `[${at.address}]` : at.address;
    const listener = await this.#outside.listen(`ptcp:${at.port}:${host}`, (stream) => {
      this.#streams.add(stream);
      connect(stream.remote?.address ?? "").then(
        (inner) => this.#join(stream, inner),
        (error: unknown) => {
          this.#streams.delete(stream);
          stream.destroy();
          if (!(error instanceof WeftError)) throw error;
        },
      );
    });
    this.#listeners.push(listener);
    this.list.push({ node, port, endpoint: `tcp:${host}:${listener.port ?? at.port}` });
  }

  #join(outer: Stream, inner: Stream): void {
    for (const [from, to] of [
      [outer, inner],
      [inner, outer],
    ] as const) {
      from.start({
        onData(bytes) {
          if (!to.write(bytes)) from.pause();
        },
        onDrain: () => to.resume(),
        onClose: (error) => {
          if (from === outer) this.#streams.delete(outer);
          if (error) to.destroy(error);
          else to.end();
        },
      });
    }
  }

  async close(): Promise<void> {
    // A listener ends when its connections have.
    const closing = this.#listeners.splice(0).map((listener) => listener.close());
    for (const stream of this.#streams) stream.destroy();
    await Promise.all(closing);
    this.list.length = 0;
  }
}
