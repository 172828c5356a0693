/** A name server and a DHCP server for tests: as much of dnsmasq as the guests' clients are compared with. */
import {
  DHCP_MESSAGE,
  DHCP_OPTION,
  type Dhcp,
  DNS_FLAG,
  DNS_TYPE,
  type DnsRecord,
  decode,
  dhcpMessageType,
  emit,
  find,
  type Ipv4,
  MAC_BROADCAST,
  parseIpv4,
  parseIpv6,
} from "@weft/packet";
import type { Device } from "../machine/device.ts";
import type { Namespace } from "../machine/namespace.ts";

/** Answers questions for `names`, by the name's addresses; what is not there does not exist. */
export function serveNames({ stack }: Namespace, names: Readonly<Record<string, readonly string[]>>): void {
  const socket = stack.udp.bind(undefined, 53, (bytes, from) => {
    const query = find(decode(bytes, "dns"), "dns");
    const [question] = query?.questions ?? [];
    if (!query || !question) return;
    const records = (names[question.name.toLowerCase()] ?? []).flatMap((text): DnsRecord[] => {
      const four = parseIpv4(text);
      const six = parseIpv6(text);
      const common = { name: question.name, type: question.type, ttl: 0 };
      if (four !== undefined && question.type === DNS_TYPE.A) return [{ ...common, data: { type: "A", address: four } }];
      if (six !== undefined && question.type === DNS_TYPE.AAAA) return [{ ...common, data: { type: "AAAA", address: six } }];
      return [];
    });
    const authoritative = records.length > 0 ? DNS_FLAG.authoritative : 0;
    const answer = emit([
      {
        kind: "dns",
        id: query.id,
        flags:
          DNS_FLAG.response |
          DNS_FLAG.recursionDesired |
          DNS_FLAG.recursionAvailable |
          authoritative |
          (records.length > 0 ? 0 : 3),
        questions: [question],
        answers: records,
        additionals: query.additionals ?? [],
      },
    ]);
    socket.send(answer, from.ip, from.port);
  });
}

export interface Pool {
  readonly server: Ipv4;
  readonly address: Ipv4;
  /** Options of offers and acknowledgements besides type and server. */
  readonly options: Dhcp["options"];
}

/** Offers one address to whoever asks; refuses any other. */
export function serveDhcp(device: Device, { server, address, options }: Pool): void {
  device.taps.add((frame, direction) => {
    const message = direction === "in" ? find(decode(frame), "dhcp") : undefined;
    const type = message && dhcpMessageType(message);
    const { discover, request, offer, ack } = DHCP_MESSAGE;
    if (!message || (type !== discover && type !== request)) return;
    const serverId = new Uint8Array([server >>> 24, (server >>> 16) & 255, (server >>> 8) & 255, server & 255]);
    device.transmit(
      emit([
        { kind: "ethernet", dst: MAC_BROADCAST, src: device.mac },
        { kind: "ipv4", src: server, dst: address },
        { kind: "udp", srcPort: 67, dstPort: 68 },
        {
          kind: "dhcp",
          op: 2,
          xid: message.xid,
          clientMac: message.clientMac,
          yourIp: address,
          options: [
            { code: DHCP_OPTION.messageType, data: Uint8Array.of(type === discover ? offer : ack) },
            { code: DHCP_OPTION.serverId, data: serverId },
            ...options,
          ],
        },
      ]),
    );
  });
}
