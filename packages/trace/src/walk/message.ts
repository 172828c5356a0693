/** What a guest has to say where the cloud itself listens: DHCP, DHCPv6, DNS, router solicitations. Nobody could answer zeros. */
import {
  DHCP_MESSAGE,
  DHCP_OPTION,
  DHCPV6_MESSAGE,
  DHCPV6_OPTION,
  DNS_FLAG,
  DNS_TYPE,
  decode,
  emit,
  find,
  type Header,
  type Mac,
  put16,
  put32,
  writeMac,
} from "@weft/packet";

export interface Saying {
  readonly mac: Mac;
  /** The name that a DNS query asks for. */
  readonly name: string | undefined;
}

/** Destination ports of UDP, and the port that a client sends from; absent: any. */
export const LISTENERS: Readonly<Record<number, { readonly client?: number; message(saying: Saying): Header | undefined }>> = {
  67: { client: 68, message: discover },
  547: { client: 546, message: solicit },
  53: { message: query },
};

/** Any: the cloud answers with the same. */
const TRANSACTION = 0x77656674;
/** Hardware types of RFC 826, and the kind of DUID of RFC 8415 11.4. */
const ETHERNET = 1;
const DUID_LL = 3;
const IN = 1;
const ICMPV6 = 58;
const ROUTER_SOLICITATION = 133;

/** The frame with such a message behind its UDP header, where it is for a port that has one; otherwise as it is. */
export function saying(frame: Uint8Array, what: Saying): Uint8Array {
  const layers = decode(frame);
  const headers = layers.map(({ header }) => header);
  const v6 = headers.findIndex(({ kind }) => kind === "ipv6");
  const behind = layers[v6 + 1];
  // What follows is no solicitation yet that could be decoded.
  if (
    v6 >= 0 &&
    behind !== undefined &&
    find(layers, "ipv6")?.nextHeader === ICMPV6 &&
    frame[behind.start] === ROUTER_SOLICITATION
  )
    return emit([
      ...headers.slice(0, v6 + 1),
      { kind: "nd", type: ROUTER_SOLICITATION, options: [{ option: "source-mac", mac: what.mac }] },
    ]);
  const udp = find(layers, "udp");
  const message = udp === undefined ? undefined : LISTENERS[udp.dstPort]?.message(what);
  if (udp === undefined || message === undefined) return frame;
  const { srcPort, dstPort } = udp;
  return emit([...headers.slice(0, headers.indexOf(udp)), { kind: "udp", srcPort, dstPort }, message]);
}

function discover({ mac }: Saying): Header {
  const asked = [DHCP_OPTION.subnetMask, DHCP_OPTION.router, DHCP_OPTION.dnsServer, DHCP_OPTION.mtu];
  return {
    kind: "dhcp",
    op: 1,
    xid: TRANSACTION,
    clientMac: mac,
    options: [
      { code: DHCP_OPTION.messageType, data: Uint8Array.of(DHCP_MESSAGE.discover) },
      { code: DHCP_OPTION.parameterList, data: Uint8Array.from(asked) },
    ],
  };
}

function solicit({ mac }: Saying): Header {
  const duid = new Uint8Array(10);
  put16(duid, 0, DUID_LL);
  put16(duid, 2, ETHERNET);
  writeMac(duid, 4, mac);
  // IAID, T1 and T2.
  const association = new Uint8Array(12);
  put32(association, 0, 1);
  return {
    kind: "dhcpv6",
    type: DHCPV6_MESSAGE.solicit,
    transaction: TRANSACTION & 0xffffff,
    options: [
      { code: DHCPV6_OPTION.clientId, data: duid },
      { code: DHCPV6_OPTION.iaNa, data: association },
    ],
  };
}

function query({ name }: Saying): Header | undefined {
  if (name === undefined) return undefined;
  const question = { name, type: DNS_TYPE.A, class: IN };
  return { kind: "dns", id: TRANSACTION & 0xffff, flags: DNS_FLAG.recursionDesired, questions: [question] };
}
