/** The messages of a DHCPv4 client (RFC 2131 4.4), sent and received on a device as long as it has no address. */
import {
  DHCP_MESSAGE,
  DHCP_OPTION,
  type Dhcp,
  type DhcpOption,
  decode,
  dhcpAddress,
  dhcpMessageType,
  emit,
  find,
  type Header,
  IPV4_ZERO,
  type Ipv4,
  ipv4Of,
  MAC_BROADCAST,
  writeIpv4,
} from "@weft/packet";
import type { Timer } from "@weft/runtime";
import { ip4 } from "../../machine/ip.ts";
import type { UdpSocket } from "../../machine/udp.ts";
import { type Lease, leaseOf, type Place } from "./lease.ts";

const SERVER_PORT = 67;
const CLIENT_PORT = 68;
const BROADCAST = ipv4Of(0xffffffff);

export const addressOption = (code: number, address: Ipv4): DhcpOption => {
  const data = new Uint8Array(4);
  writeIpv4(data, 0, address);
  return { code, data };
};

export type Answer = { readonly type: "offer" | "ack"; readonly lease: Lease } | { readonly type: "nak"; readonly server: Ipv4 };

/** One conversation: all its messages have the same transaction id. */
export class DhcpExchange {
  readonly #place: Place;
  readonly #xid: number;
  /** What every message says of the client: parameter list, host name, vendor class. */
  readonly #common: readonly DhcpOption[];
  readonly #socket: UdpSocket;
  #take: (message: Dhcp) => void = () => undefined;
  readonly #tap = (frame: Uint8Array, direction: "in" | "out") => {
    if (direction === "out") return;
    const layers = decode(frame);
    const message = find(layers, "dhcp");
    if (message?.op === 2 && find(layers, "udp")?.dstPort === CLIENT_PORT) this.#take(message);
  };

  constructor(place: Place, common: readonly DhcpOption[]) {
    this.#place = place;
    this.#common = common;
    this.#xid = place.machine.runtime.random.uint32();
    // Answers are read off the device; the socket is there so that the stack does not refuse them.
    this.#socket = place.namespace.stack.udp.bind(undefined, CLIENT_PORT, () => undefined, true);
    place.device.taps.add(this.#tap);
  }

  close(): void {
    this.#place.device.taps.delete(this.#tap);
    this.#socket.close();
  }

  #message(type: number, options: readonly DhcpOption[], clientIp = IPV4_ZERO): Dhcp {
    const { device } = this.#place;
    return {
      kind: "dhcp",
      op: 1,
      xid: this.#xid,
      clientMac: device.mac,
      clientIp,
      options: [{ code: DHCP_OPTION.messageType, data: Uint8Array.of(type) }, ...options, ...this.#common],
    };
  }

  #send(message: Dhcp, src: Ipv4): void {
    const { device } = this.#place;
    const headers: Header[] = [
      { kind: "ethernet", dst: MAC_BROADCAST, src: device.mac },
      { kind: "ipv4", src, dst: BROADCAST, tos: 0x10 },
      { kind: "udp", srcPort: CLIENT_PORT, dstPort: SERVER_PORT },
      message,
    ];
    device.transmit(emit(headers));
  }

  discover(requested: Ipv4 | undefined): void {
    const wish = requested === undefined ? [] : [addressOption(DHCP_OPTION.requestedIp, requested)];
    this.#send(this.#message(DHCP_MESSAGE.discover, wish), IPV4_ZERO);
  }

  /** Asks for an address, of the server that offered it or (INIT-REBOOT) of any. */
  request(address: Ipv4, server: Ipv4 | undefined): void {
    const options = [
      ...(server === undefined ? [] : [addressOption(DHCP_OPTION.serverId, server)]),
      addressOption(DHCP_OPTION.requestedIp, address),
    ];
    this.#send(this.#message(DHCP_MESSAGE.request, options), IPV4_ZERO);
  }

  /** Asks for more time: the server itself (RENEWING), or after a while anyone (REBINDING). */
  renew({ address, server }: Lease, anyone: boolean): void {
    const message = this.#message(DHCP_MESSAGE.request, [], address);
    if (anyone) this.#send(message, address);
    else this.#unicast(message, address, server);
  }

  release({ address, server }: Lease): void {
    const message = this.#message(DHCP_MESSAGE.release, [addressOption(DHCP_OPTION.serverId, server)], address);
    this.#unicast(message, address, server);
  }

  #unicast(message: Dhcp, src: Ipv4, server: Ipv4): void {
    this.#place.namespace.stack.send(ip4(server), [{ kind: "udp", srcPort: CLIENT_PORT, dstPort: SERVER_PORT }, message], {
      src: ip4(src),
      device: this.#place.device,
    });
  }

  /** The next answer of a kind, or undefined after `ms` milliseconds or when `signal` says so. */
  answer(types: readonly Answer["type"][], ms: number, signal: AbortSignal): Promise<Answer | undefined> {
    const { clock } = this.#place.machine.runtime;
    return new Promise((resolve) => {
      let timer: Timer | undefined;
      const finish = (answer: Answer | undefined) => {
        timer?.cancel();
        this.#take = () => undefined;
        signal.removeEventListener("abort", stop);
        resolve(answer);
      };
      const stop = () => finish(undefined);
      if (signal.aborted) return stop();
      timer = clock.after(ms, stop);
      signal.addEventListener("abort", stop, { once: true });
      this.#take = (message) => {
        const answer = message.xid === this.#xid ? answerOf(message) : undefined;
        if (answer && types.includes(answer.type)) finish(answer);
      };
    });
  }
}

function answerOf(message: Dhcp): Answer | undefined {
  const server = dhcpAddress(message, DHCP_OPTION.serverId);
  switch (dhcpMessageType(message)) {
    case DHCP_MESSAGE.nak:
      return server === undefined ? undefined : { type: "nak", server };
    case DHCP_MESSAGE.offer:
    case DHCP_MESSAGE.ack: {
      const lease = leaseOf(message);
      return lease && { type: dhcpMessageType(message) === DHCP_MESSAGE.offer ? "offer" : "ack", lease };
    }
    default:
      return undefined;
  }
}
