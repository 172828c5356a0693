/** Probes of services, and what comes back (ovn-sb(5), Service_Monitor, "Status Reporting"). */
import {
  emit,
  findLayer,
  type Header,
  ICMP_TYPE,
  ICMPV6_TYPE,
  type Ipv4,
  type Ipv6,
  icmpEcho,
  icmpv6Echo,
  type Layer,
  TCP_FLAG,
} from "@weft/packet";
import type { Random } from "@weft/runtime";
import type { Service } from "../model/services.ts";

/** What tells one probe of a service from another. */
export interface Probe {
  /** Source port; the identifier of an echo request. */
  readonly id: number;
  /** Sequence number; 16 bits of an echo request. */
  readonly sequence: number;
}

const FIRST_PORT = 1024;
const PORTS = 64512;
const WINDOW = 65160;
const TTL = 63;
const ECHO_TTL = 255;
const UDP_PAYLOAD = 8;
const SYN_ACK = TCP_FLAG.syn | TCP_FLAG.ack;

/** Draws the numbers of the next probe; one of UDP keeps its port. */
export function nextProbe({ protocol }: Service, before: Probe | undefined, random: Random): Probe {
  if (protocol === "icmp") return { id: random.below(65536), sequence: random.below(65536) };
  if (protocol === "udp" && before !== undefined) return before;
  return { id: FIRST_PORT + random.below(PORTS), sequence: random.uint32() };
}

function headersTo({ srcMac, dstMac, src, dst, protocol }: Service): Header[] {
  const ttl = protocol === "icmp" ? ECHO_TTL : TTL;
  const ethernet: Header = { kind: "ethernet", dst: dstMac, src: srcMac };
  // Both addresses are of one family, which their types do not say.
  return typeof src === "number"
    ? [ethernet, { kind: "ipv4", src, dst: dst as Ipv4, ttl, dontFragment: true }]
    : [ethernet, { kind: "ipv6", src, dst: dst as Ipv6, hopLimit: ttl }];
}

/** The frame that asks the service. */
export function probePacket(service: Service, { id, sequence }: Probe): Uint8Array {
  const headers = headersTo(service);
  const ipv4 = typeof service.dst === "number";
  switch (service.protocol) {
    case "tcp": {
      const flags = TCP_FLAG.syn;
      return emit([...headers, { kind: "tcp", srcPort: id, dstPort: service.port, sequence, flags, window: WINDOW }]);
    }
    case "udp": {
      // As the reference sends it: without a checksum over IPv4.
      const udp: Header = { kind: "udp", srcPort: id, dstPort: service.port, ...(ipv4 ? { checksum: 0 } : {}) };
      return emit([...headers, udp, { kind: "payload", bytes: new Uint8Array(UDP_PAYLOAD) }]);
    }
    case "icmp":
      return emit([...headers, ipv4 ? icmpEcho("request", id, sequence) : icmpv6Echo("request", id, sequence)]);
  }
}

/** What ends the connection that a service has accepted. */
export function probeReset(service: Service, { id, sequence }: Probe): Uint8Array {
  const flags = TCP_FLAG.rst;
  const next = (sequence + 1) >>> 0;
  return emit([
    ...headersTo(service),
    { kind: "tcp", srcPort: id, dstPort: service.port, sequence: next, flags, window: WINDOW },
  ]);
}

/** Whether a packet from the service's port says that the service is there ("accepted") or not; undefined: neither. */
export function verdictOf(service: Service, probe: Probe, layers: readonly Layer[]): "accepted" | "refused" | undefined {
  const ip = findLayer(layers, "ipv4")?.header ?? findLayer(layers, "ipv6")?.header;
  if (ip === undefined) return undefined;
  const [src, dst] = service.passesThrough ? [service.src, service.dst] : [service.dst, service.src];
  const direct = ip.src === src && ip.dst === dst;
  switch (service.protocol) {
    case "tcp": {
      const tcp = findLayer(layers, "tcp")?.header;
      if (!direct || tcp?.srcPort !== service.port || tcp.dstPort !== probe.id) return undefined;
      if (tcp.acknowledgment !== (probe.sequence + 1) >>> 0) return undefined;
      if ((tcp.flags & TCP_FLAG.rst) !== 0) return "refused";
      return (tcp.flags & SYN_ACK) === SYN_ACK ? "accepted" : undefined;
    }
    case "udp": {
      const inner = findLayer(layers, "udp")?.header;
      return isUnreachable(layers) && inner?.dstPort === service.port && inner.srcPort === probe.id ? "refused" : undefined;
    }
    case "icmp": {
      if (isUnreachable(layers)) return "refused";
      const message = findLayer(layers, "icmp")?.header ?? findLayer(layers, "icmpv6")?.header;
      const types = message?.kind === "icmp" ? ICMP_TYPE : ICMPV6_TYPE;
      const expected = service.passesThrough ? types.echoRequest : types.echoReply;
      const same = message?.rest === ((probe.id << 16) | probe.sequence) >>> 0;
      return direct && message?.type === expected && same ? "accepted" : undefined;
    }
  }
}

function isUnreachable(layers: readonly Layer[]): boolean {
  return (
    findLayer(layers, "icmp")?.header.type === ICMP_TYPE.unreachable ||
    findLayer(layers, "icmpv6")?.header.type === ICMPV6_TYPE.unreachable
  );
}
