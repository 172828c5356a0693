/** Datagrams of a UDP port with what their IP header says (ip(7), ipv6(7)), and IP packets sent as they are (raw(7)). */
import type { DatagramHeader, DatagramReceiver, FramesLost, IpSender } from "../../hostNetwork.ts";
import { type Libc, lastError } from "./libc.ts";
import type { ReceiveMessages, SendPool } from "./messages.ts";
import { Outbox } from "./outbox.ts";
import { int32 } from "./packetSocket.ts";
import type { Poller } from "./poller.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOCK_FLAGS = 0o2004000;
const IPPROTO_RAW = 255;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const SO_SNDBUFFORCE = 32;
const BUFFER_BYTES = 4 << 20;
const IPPROTO_IP = 0;
const IP = { TOS: 1, TTL: 2, PKTINFO: 8, RECVTTL: 12, RECVTOS: 13 } as const;
const IPPROTO_IPV6 = 41;
const IPV6 = { V6ONLY: 26, RECVPKTINFO: 49, PKTINFO: 50, RECVHOPLIMIT: 51, HOPLIMIT: 52, RECVTCLASS: 66, TCLASS: 67 } as const;
const IPPROTO_UDP = 17;
/** Tunnels over IPv6 may do without checksums (RFC 6935). */
const UDP_NO_CHECK6_RX = 102;

type Receive = (payload: Uint8Array, header: DatagramHeader) => void;

interface Family {
  readonly family: number;
  readonly options: readonly (readonly [level: number, name: number])[];
  address(port: number): Buffer;
  header(messages: ReceiveMessages, i: number): DatagramHeader | undefined;
}

const copy = (bytes: Buffer, from: number, to: number): Uint8Array => Uint8Array.from(bytes.subarray(from, to));

const families: readonly [Family, Family] = [
  {
    family: AF_INET,
    options: [
      [IPPROTO_IP, IP.PKTINFO],
      [IPPROTO_IP, IP.RECVTOS],
      [IPPROTO_IP, IP.RECVTTL],
    ],
    address(port) {
      const bytes = Buffer.alloc(16);
      bytes.writeUInt16LE(AF_INET, 0);
      bytes.writeUInt16BE(port, 2);
      return bytes;
    },
    header(messages, i) {
      const info = messages.controlData(i, IPPROTO_IP, IP.PKTINFO);
      const tos = messages.controlData(i, IPPROTO_IP, IP.TOS);
      const ttl = messages.controlData(i, IPPROTO_IP, IP.TTL);
      if (info < 0) return undefined;
      const name = messages.name(i);
      return {
        src: copy(name, 4, 8),
        dst: copy(messages.control, info + 8, info + 12),
        srcPort: name.readUInt16BE(2),
        tos: tos < 0 ? 0 : (messages.control[tos] as number),
        ttl: ttl < 0 ? 0 : messages.control.readInt32LE(ttl),
      };
    },
  },
  {
    family: AF_INET6,
    options: [
      [IPPROTO_IPV6, IPV6.V6ONLY],
      [IPPROTO_IPV6, IPV6.RECVPKTINFO],
      [IPPROTO_IPV6, IPV6.RECVTCLASS],
      [IPPROTO_IPV6, IPV6.RECVHOPLIMIT],
      [IPPROTO_UDP, UDP_NO_CHECK6_RX],
    ],
    address(port) {
      const bytes = Buffer.alloc(28);
      bytes.writeUInt16LE(AF_INET6, 0);
      bytes.writeUInt16BE(port, 2);
      return bytes;
    },
    header(messages, i) {
      const info = messages.controlData(i, IPPROTO_IPV6, IPV6.PKTINFO);
      const tclass = messages.controlData(i, IPPROTO_IPV6, IPV6.TCLASS);
      const hops = messages.controlData(i, IPPROTO_IPV6, IPV6.HOPLIMIT);
      if (info < 0) return undefined;
      const name = messages.name(i);
      return {
        src: copy(name, 8, 24),
        dst: copy(messages.control, info, info + 16),
        srcPort: name.readUInt16BE(2),
        tos: tclass < 0 ? 0 : messages.control.readInt32LE(tclass),
        ttl: hops < 0 ? 0 : messages.control.readInt32LE(hops),
      };
    },
  },
];

function option(libc: Libc, fd: number, level: number, name: number, value: number): void {
  if (libc.setsockopt(fd, level, name, int32(value), 4) < 0) throw lastError(libc);
}

/** One family's socket of a port. */
class DatagramSocket implements DatagramReceiver {
  readonly #libc: Libc;
  readonly #poller: Poller;
  readonly #fd: number;

  constructor(libc: Libc, poller: Poller, messages: ReceiveMessages, of: Family, port: number, receive: Receive) {
    this.#libc = libc;
    this.#poller = poller;
    this.#fd = libc.socket(of.family, SOCK_DGRAM | SOCK_FLAGS, 0);
    if (this.#fd < 0) throw lastError(libc);
    try {
      for (const [level, name] of of.options) option(libc, this.#fd, level, name, 1);
      option(libc, this.#fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES);
      const address = of.address(port);
      if (libc.bind(this.#fd, address, address.length) < 0) throw lastError(libc);
    } catch (error) {
      libc.close(this.#fd);
      throw error;
    }
    poller.add(this.#fd, () => {
      const count = messages.receive(this.#fd);
      for (let i = 0; i < count; i++) {
        const header = of.header(messages, i);
        const start = messages.start(i);
        if (header !== undefined && !messages.truncated(i))
          receive(messages.bytes.slice(start, start + messages.length(i)), header);
      }
    });
  }

  close(): void {
    this.#poller.remove(this.#fd);
    this.#libc.close(this.#fd);
  }
}

/** A UDP port on all addresses of both families; a host without IPv6 has the one. */
export function openUdp(libc: Libc, poller: Poller, messages: ReceiveMessages, port: number, receive: Receive): DatagramReceiver {
  const [v4, v6] = families;
  const sockets = [new DatagramSocket(libc, poller, messages, v4, port, receive)];
  try {
    sockets.push(new DatagramSocket(libc, poller, messages, v6, port, receive));
  } catch (error) {
    if (!hasNoIpv6(libc)) {
      sockets[0]?.close();
      throw error;
    }
  }
  return {
    close: () => {
      for (const socket of sockets) socket.close();
    },
  };
}

/** EAFNOSUPPORT, EADDRNOTAVAIL. */
const hasNoIpv6 = (libc: Libc): boolean => libc.errno() === 97 || libc.errno() === 99;

export class RawIp implements IpSender {
  readonly lost: FramesLost = { dropped: 0, errors: 0, reason: undefined };
  readonly #libc: Libc;
  readonly #sockets: { readonly fd: number; readonly out: Outbox }[] = [];
  readonly #v4 = Buffer.alloc(16);
  readonly #v6 = Buffer.alloc(28);

  constructor(libc: Libc, poller: Poller, pool: SendPool) {
    this.#libc = libc;
    this.#v4.writeUInt16LE(AF_INET, 0);
    this.#v6.writeUInt16LE(AF_INET6, 0);
    for (const family of [AF_INET, AF_INET6]) {
      const fd = libc.socket(family, SOCK_RAW | SOCK_FLAGS, IPPROTO_RAW);
      if (fd < 0) {
        if (family === AF_INET6 && hasNoIpv6(libc)) continue;
        const error = lastError(libc);
        this.close();
        throw error;
      }
      option(libc, fd, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES);
      this.#sockets.push({ fd, out: new Outbox(libc, poller, pool, fd, false, this.lost) });
    }
  }

  send(packet: Uint8Array): void {
    const version = (packet[0] ?? 0) >>> 4;
    const socket = this.#sockets[version === 4 ? 0 : 1];
    if (socket === undefined || packet.length < (version === 4 ? 20 : 40)) {
      this.lost.errors++;
      return;
    }
    const address = version === 4 ? this.#v4 : this.#v6;
    if (version === 4) address.set(packet.subarray(16, 20), 4);
    else address.set(packet.subarray(24, 40), 8);
    socket.out.push(NOTHING, packet, address);
  }

  close(): void {
    for (const { fd, out } of this.#sockets) {
      out.close();
      this.#libc.close(fd);
    }
  }
}

const NOTHING = new Uint8Array(0);
