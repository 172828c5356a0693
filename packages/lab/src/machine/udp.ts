/** UDP sockets of a namespace. */
import { find, type Udp } from "@weft/packet";
import { WeftError } from "@weft/runtime";
import { equalIp, type Ip, isAny } from "./ip.ts";
import type { Received, SendOptions, SendResult, Stack } from "./stack.ts";

export interface UdpSocket {
  readonly port: number;
  send(bytes: Uint8Array, dst: Ip, port: number, options?: SendOptions): SendResult;
  close(): void;
}

interface Bound {
  readonly address: Ip | undefined;
  readonly port: number;
  /** SO_REUSEADDR: others with it may have the same address. */
  readonly shared: boolean;
  readonly receive: (bytes: Uint8Array, from: { readonly ip: Ip; readonly port: number }, received: Received) => void;
}

/** Linux's default range of local ports. */
const EPHEMERAL = { first: 32768, last: 60999 } as const;

export class UdpSockets {
  readonly #stack: Stack;
  readonly #bound: Bound[] = [];
  #next: number = EPHEMERAL.first;

  constructor(stack: Stack) {
    this.#stack = stack;
  }

  /** Port 0 chooses one; no address means any. Throws "Address already in use". */
  bind(address: Ip | undefined, port: number, receive: Bound["receive"], shared = false): UdpSocket {
    const chosen = port === 0 ? this.#freePort() : port;
    const taken = this.#bound.some(
      (other) =>
        other.port === chosen &&
        !(shared && other.shared) &&
        (address === undefined || other.address === undefined || equalIp(other.address, address)),
    );
    if (taken) throw new WeftError("lab.address-in-use", "Address already in use", { blame: "caller" });
    const entry: Bound = { address: address && !isAny(address) ? address : undefined, port: chosen, shared, receive };
    this.#bound.push(entry);
    return {
      port: chosen,
      send: (bytes, dst, to, options = {}) =>
        this.#stack.send(
          dst,
          [
            { kind: "udp", srcPort: chosen, dstPort: to },
            { kind: "payload", bytes },
          ],
          { src: entry.address, ...options },
        ),
      close: () => {
        const at = this.#bound.indexOf(entry);
        if (at >= 0) this.#bound.splice(at, 1);
      },
    };
  }

  #freePort(): number {
    for (let tries = 0; tries <= EPHEMERAL.last - EPHEMERAL.first; tries++) {
      const port = this.#next;
      this.#next = port === EPHEMERAL.last ? EPHEMERAL.first : port + 1;
      if (!this.#bound.some((other) => other.port === port)) return port;
    }
    throw new WeftError("lab.no-ports", "Cannot assign requested address", { blame: "caller" });
  }

  /** False when nobody listens. */
  deliver(received: Received, udp: Udp): boolean {
    const listeners = this.#bound.filter(
      ({ port, address }) => port === udp.dstPort && (address === undefined || equalIp(address, received.dst)),
    );
    const header = received.layers.findIndex(({ header: { kind } }) => kind === "udp");
    const layer = received.layers[header];
    if (!layer || find(received.layers, "udp") !== udp) return false;
    const bytes = received.frame.subarray(layer.payload, layer.end);
    for (const { receive } of listeners) receive(bytes, { ip: received.src, port: udp.srcPort }, received);
    return listeners.length > 0;
  }
}
