/** One packet of every protocol, for the tests of this package: decoding, tcpdump's text and filters all run over them. */
import {
  IPV6_ALL_NODES,
  IPV6_ALL_ROUTERS,
  type Ipv4,
  type Ipv6,
  MAC_BROADCAST,
  type Mac,
  parseIpv4,
  parseIpv6,
  parseMac,
} from "../address.ts";
import { concat, fromHex } from "../bytes.ts";
import { DHCP_MESSAGE, DHCP_OPTION, emitClasslessRoutes } from "../wire/dhcp.ts";
import { emitDhcpv6Options } from "../wire/dhcpv6.ts";
import { DNS_TYPE, dnsText } from "../wire/dns.ts";
import type { Ethernet } from "../wire/ethernet.ts";
import { ovnGeneveOption } from "../wire/geneve.ts";
import type { Header } from "../wire/header.ts";
import { icmpEcho, icmpFragmentationNeeded, icmpRedirect } from "../wire/icmp.ts";
import { icmpv6Echo } from "../wire/icmpv6.ts";
import type { Ipv4Header } from "../wire/ipv4.ts";
import type { Ipv6Header } from "../wire/ipv6.ts";
import { ROUTER_ALERT } from "../wire/ipv6Extensions.ts";
import { emitTcpOptions, TCP_FLAG } from "../wire/tcp.ts";

const m = (text: string): Mac => parseMac(text)!;
const v4 = (text: string): Ipv4 => parseIpv4(text)!;
const v6 = (text: string): Ipv6 => parseIpv6(text)!;
const hex = (text: string): Uint8Array => fromHex(text)!;
const ascii = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
const counted = (length: number, start = 0): Uint8Array => Uint8Array.from({ length }, (_, i) => (start + i) & 255);
const data = (bytes: Uint8Array): Header => ({ kind: "payload", bytes });

const eth: Ethernet = { kind: "ethernet", dst: m("0a:00:00:00:00:02"), src: m("0a:00:00:00:00:01") };
const broadcast: Ethernet = { ...eth, dst: MAC_BROADCAST };
const ip: Ipv4Header = { kind: "ipv4", src: v4("10.0.0.1"), dst: v4("10.0.0.2"), id: 4660, dontFragment: true };
const ip6: Ipv6Header = { kind: "ipv6", src: v6("fd00::1"), dst: v6("fd00::2") };
const link6: Ipv6Header = { kind: "ipv6", src: v6("fe80::1"), dst: v6("ff02::1:ff00:2"), hopLimit: 255 };
const ping: Header[] = [icmpEcho("request", 7, 1), data(counted(56, 16))];
const udp = (srcPort: number, dstPort: number): Header => ({ kind: "udp", srcPort, dstPort });

const tcp = { kind: "tcp", srcPort: 43210, dstPort: 80, sequence: 1000, window: 64240 } as const;
const synOptions = emitTcpOptions([
  { type: 2, data: hex("05b4") },
  { type: 4, data: hex("") },
  { type: 8, data: hex("00000001 00000000") },
  { type: 1, data: hex("") },
  { type: 3, data: hex("07") },
]);
const dhcpBase = { kind: "dhcp", xid: 0x12345678, clientMac: m("0a:00:00:00:00:01") } as const;
const option = (code: number, text: string): { code: number; data: Uint8Array } => ({ code, data: hex(text) });
const inner: Header[] = [
  { ...eth, src: m("0a:00:00:00:01:01"), dst: m("0a:00:00:00:01:02") },
  { ...ip, ttl: 63, src: v4("10.0.0.5") },
  ...ping,
];
const outer: Header[] = [eth, { ...ip, src: v4("192.168.50.100"), dst: v4("192.168.50.101") }];

export const EXAMPLES: Readonly<Record<string, readonly Header[]>> = {
  arpRequest: [
    broadcast,
    { kind: "arp", operation: 1, senderMac: eth.src, senderIp: ip.src, targetMac: m("0:0:0:0:0:0"), targetIp: ip.dst },
  ],
  arpReply: [eth, { kind: "arp", operation: 2, senderMac: eth.src, senderIp: ip.src, targetMac: eth.dst, targetIp: ip.dst }],
  arpGratuitous: [
    broadcast,
    { kind: "arp", operation: 1, senderMac: eth.src, senderIp: ip.src, targetMac: m("0:0:0:0:0:0"), targetIp: ip.src },
  ],
  rarp: [
    { ...broadcast, etherType: 0x8035 },
    { kind: "arp", operation: 3, senderMac: eth.src, senderIp: v4("0.0.0.0"), targetMac: eth.src, targetIp: v4("0.0.0.0") },
  ],
  ping: [eth, ip, ...ping],
  pong: [eth, { ...ip, src: ip.dst, dst: ip.src }, icmpEcho("reply", 7, 1), data(counted(56, 16))],
  pingOptions: [eth, { ...ip, options: hex("94040000 070b04 00000000 00000000 00") }, ...ping],
  pingEcn: [eth, { ...ip, tos: 0xbb, ttl: 1 }, ...ping],
  vlanPing: [eth, { kind: "vlan", id: 100, priority: 3 }, ip, ...ping],
  qinqPing: [eth, { kind: "vlan", id: 200, tpid: 0x88a8, dropEligible: true }, { kind: "vlan", id: 100 }, ip, ...ping],
  vlanArp: [
    broadcast,
    { kind: "vlan", id: 30 },
    { kind: "arp", operation: 1, senderMac: eth.src, senderIp: ip.src, targetMac: m("0:0:0:0:0:0"), targetIp: ip.dst },
  ],
  firstFragment: [
    eth,
    { ...ip, dontFragment: false, moreFragments: true },
    { ...tcp, flags: TCP_FLAG.syn, checksum: 0x1234 },
    data(counted(12)),
  ],
  laterFragment: [eth, { ...ip, dontFragment: false, fragmentOffset: 1480, protocol: 17 }, data(counted(64))],
  icmpUnreachable: [
    eth,
    ip,
    { kind: "icmp", type: 3, code: 3 },
    { ...ip, src: ip.dst, dst: ip.src, totalLength: 1028 },
    { kind: "udp", srcPort: 40000, dstPort: 33434, length: 1008, checksum: 0xbeef },
  ],
  icmpHostUnreachable: [
    eth,
    ip,
    { kind: "icmp", type: 3, code: 1 },
    { ...ip, src: ip.dst, dst: v4("10.0.0.9"), totalLength: 84 },
    { ...icmpEcho("request", 9, 2), checksum: 0x4444 },
  ],
  icmpTooBig: [
    eth,
    ip,
    icmpFragmentationNeeded(1400),
    { ...ip, totalLength: 1500 },
    { ...udp(5000, 5001), length: 1480, checksum: 1 } as Header,
  ],
  icmpTimeExceeded: [
    eth,
    ip,
    { kind: "icmp", type: 11, code: 0 },
    { ...ip, ttl: 1, totalLength: 60 },
    { ...udp(40000, 33434), length: 40, checksum: 7 } as Header,
  ],
  icmpRedirect: [
    eth,
    ip,
    icmpRedirect(1, v4("10.0.0.254")),
    { ...ip, totalLength: 84 },
    { ...icmpEcho("request", 9, 2), checksum: 0x4444 },
  ],
  tcpSyn: [eth, ip, { ...tcp, flags: TCP_FLAG.syn, options: synOptions }],
  tcpSynAck: [
    eth,
    { ...ip, src: ip.dst, dst: ip.src },
    {
      ...tcp,
      srcPort: 80,
      dstPort: 43210,
      sequence: 5000,
      acknowledgment: 1001,
      flags: TCP_FLAG.syn | TCP_FLAG.ack,
      options: synOptions,
    },
  ],
  tcpData: [
    eth,
    ip,
    {
      ...tcp,
      sequence: 1001,
      acknowledgment: 5001,
      flags: TCP_FLAG.psh | TCP_FLAG.ack,
      options: hex("0101080a0000000200000001"),
    },
    data(ascii("GET / HTTP/1.1\r\nHost: weft\r\n\r\n")),
  ],
  tcpSack: [
    eth,
    ip,
    { ...tcp, srcPort: 2000, dstPort: 3000, acknowledgment: 77, flags: TCP_FLAG.ack, options: hex("0101050a0000100000002000") },
  ],
  tcpReset: [eth, ip, { ...tcp, dstPort: 9999, flags: TCP_FLAG.rst | TCP_FLAG.ack, acknowledgment: 1, window: 0 }],
  tcpEverything: [eth, ip, { ...tcp, dstPort: 9999, flags: 0x1ff, acknowledgment: 99, urgent: 5 }, data(counted(10))],
  tcp6: [eth, ip6, { ...tcp, flags: TCP_FLAG.fin | TCP_FLAG.ack, acknowledgment: 5 }],
  udp: [eth, ip, udp(4000, 4001), data(ascii("hello"))],
  udpEmpty: [eth, ip, udp(4000, 4001)],
  udpNoChecksum: [eth, ip, { kind: "udp", srcPort: 4000, dstPort: 4001, checksum: 0 }, data(ascii("hello"))],
  udp6: [eth, { ...ip6, trafficClass: 0x12, flowLabel: 0x12345 }, udp(4000, 4001), data(ascii("hello!"))],
  ping6: [eth, ip6, icmpv6Echo("request", 7, 1), data(counted(56))],
  pong6: [eth, ip6, icmpv6Echo("reply", 7, 1), data(counted(56))],
  icmp6Unreachable: [
    eth,
    ip6,
    { kind: "icmpv6", type: 1, code: 4 },
    { ...ip6, src: ip6.dst, dst: ip6.src, payloadLength: 1008 },
    { ...udp(40000, 33434), length: 1008, checksum: 0xbeef } as Header,
  ],
  icmp6TooBig: [
    eth,
    ip6,
    { kind: "icmpv6", type: 2, code: 0, rest: 1280 },
    { ...ip6, payloadLength: 1452 },
    { ...udp(40000, 33434), length: 1452, checksum: 0xbeef } as Header,
  ],
  icmp6TimeExceeded: [
    eth,
    ip6,
    { kind: "icmpv6", type: 3, code: 0 },
    { ...ip6, payloadLength: 64 },
    { ...icmpv6Echo("request", 1, 1), checksum: 0x1111 },
  ],
  ndRouterSolicitation: [
    { ...eth, dst: m("33:33:00:00:00:02") },
    { ...link6, dst: IPV6_ALL_ROUTERS },
    { kind: "nd", type: 133, options: [{ option: "source-mac", mac: eth.src }] },
  ],
  ndRouterAdvertisement: [
    { ...eth, dst: m("33:33:00:00:00:01") },
    { ...link6, dst: IPV6_ALL_NODES },
    {
      kind: "nd",
      type: 134,
      hopLimit: 64,
      flags: 0xc8,
      lifetime: 1800,
      reachableTime: 30000,
      retransTimer: 1000,
      options: [
        { option: "source-mac", mac: eth.src },
        { option: "mtu", mtu: 1442 },
        { option: "prefix", prefix: v6("fd00::"), length: 64, onLink: true, autonomous: true, valid: 0xffffffff, preferred: 600 },
        { option: "rdnss", lifetime: 300, servers: [v6("fd00::53"), v6("fd00::54")] },
        { option: "other", type: 31, data: hex("0000 0000012c 04 77656674 04 74657374 00 0000000000") },
        { option: "other", type: 24, data: hex("40 08 00000258 fd00000100000000") },
      ],
    },
  ],
  ndSolicitation: [
    { ...eth, dst: m("33:33:ff:00:00:02") },
    link6,
    { kind: "nd", type: 135, target: v6("fd00::2"), options: [{ option: "source-mac", mac: eth.src }] },
  ],
  ndAdvertisement: [
    eth,
    { ...link6, dst: v6("fe80::2") },
    {
      kind: "nd",
      type: 136,
      target: v6("fd00::2"),
      router: true,
      solicited: true,
      override: true,
      options: [{ option: "target-mac", mac: eth.dst }],
    },
  ],
  ndRedirect: [
    eth,
    { ...link6, dst: v6("fe80::2") },
    {
      kind: "nd",
      type: 137,
      target: v6("fe80::9"),
      destination: v6("fd00::9"),
      options: [
        { option: "target-mac", mac: eth.dst },
        {
          option: "other",
          type: 4,
          data: concat(new Uint8Array(6), hex("6000000000083a40"), counted(32), hex("8000000000010001")),
        },
      ],
    },
  ],
  mldQuery: [
    { ...eth, dst: m("33:33:00:00:00:01") },
    { ...link6, dst: IPV6_ALL_NODES, hopLimit: 1 },
    { kind: "ipv6-options", where: "hop-by-hop", options: ROUTER_ALERT },
    {
      kind: "mld",
      type: 130,
      maxResponse: 10000,
      group: v6("::"),
      version2: { suppress: false, robustness: 2, intervalCode: 125, sources: [] },
    },
  ],
  mldReport: [
    eth,
    { ...link6, dst: v6("ff15::1234"), hopLimit: 1 },
    { kind: "ipv6-options", where: "hop-by-hop", options: ROUTER_ALERT },
    { kind: "mld", type: 131, group: v6("ff15::1234") },
  ],
  mldDone: [
    eth,
    { ...link6, dst: IPV6_ALL_ROUTERS, hopLimit: 1 },
    { kind: "ipv6-options", where: "hop-by-hop", options: ROUTER_ALERT },
    { kind: "mld", type: 132, group: v6("ff15::1234") },
  ],
  mldReport2: [
    { ...eth, dst: m("33:33:00:00:00:16") },
    { ...link6, dst: v6("ff02::16"), hopLimit: 1 },
    { kind: "ipv6-options", where: "hop-by-hop", options: ROUTER_ALERT },
    {
      kind: "mld",
      type: 143,
      records: [
        { type: 4, group: v6("ff15::1"), sources: [] },
        { type: 1, group: v6("ff15::2"), sources: [v6("fd00::7"), v6("fd00::8")] },
      ],
    },
  ],
  routing6: [
    eth,
    ip6,
    { kind: "ipv6-routing", routingType: 2, segmentsLeft: 1, data: concat(new Uint8Array(4), counted(16)) },
    { ...icmpv6Echo("request", 3, 3), checksum: 0x9999 },
  ],
  destination6: [
    eth,
    ip6,
    { kind: "ipv6-options", where: "destination", options: hex("1e0411223344 0100 00000000 0000") },
    icmpv6Echo("request", 3, 3),
  ],
  udpBehindOptions6: [
    eth,
    ip6,
    { kind: "ipv6-options", where: "destination", options: hex("") },
    udp(4000, 4001),
    data(ascii("hello")),
  ],
  tcpBehindOptions6: [eth, ip6, { kind: "ipv6-options", where: "hop-by-hop", options: hex("") }, { ...tcp, flags: TCP_FLAG.ack }],
  udpNoChecksum6: [eth, ip6, { kind: "udp", srcPort: 4000, dstPort: 4001, checksum: 0 }, data(ascii("hello"))],
  fragment6: [
    eth,
    ip6,
    { kind: "ipv6-fragment", offset: 0, moreFragments: true, id: 0xdeadbeef },
    { ...udp(5, 6), checksum: 9, length: 3000 } as Header,
    data(counted(16)),
  ],
  laterFragment6: [
    eth,
    ip6,
    { kind: "ipv6-fragment", offset: 1448, moreFragments: false, id: 0xdeadbeef, nextHeader: 17 },
    data(counted(16)),
  ],
  igmpQuery: [
    { ...eth, dst: m("01:00:5e:00:00:01") },
    { ...ip, dst: v4("224.0.0.1"), ttl: 1, tos: 0xc0, options: hex("94040000") },
    { kind: "igmp", type: 0x11, maxResponse: 100, group: v4("0.0.0.0") },
  ],
  igmpQuery3: [
    { ...eth, dst: m("01:00:5e:00:00:01") },
    { ...ip, dst: v4("224.0.0.1"), ttl: 1, options: hex("94040000") },
    {
      kind: "igmp",
      type: 0x11,
      maxResponse: 100,
      group: v4("239.1.1.1"),
      version3: { suppress: true, robustness: 2, intervalCode: 125, sources: [v4("10.0.0.7")] },
    },
  ],
  igmpReport1: [eth, { ...ip, dst: v4("239.1.1.1"), ttl: 1 }, { kind: "igmp", type: 0x12, group: v4("239.1.1.1") }],
  igmpReport2: [eth, { ...ip, dst: v4("239.1.1.1"), ttl: 1 }, { kind: "igmp", type: 0x16, group: v4("239.1.1.1") }],
  igmpLeave: [eth, { ...ip, dst: v4("224.0.0.2"), ttl: 1 }, { kind: "igmp", type: 0x17, group: v4("239.1.1.1") }],
  igmpReport3: [
    eth,
    { ...ip, dst: v4("224.0.0.22"), ttl: 1, options: hex("94040000") },
    {
      kind: "igmp",
      type: 0x22,
      records: [
        { type: 4, group: v4("239.1.1.1"), sources: [] },
        { type: 3, group: v4("239.1.1.2"), sources: [v4("10.0.0.7"), v4("10.0.0.8")] },
      ],
    },
  ],
  sctpInit: [
    eth,
    ip,
    {
      kind: "sctp",
      srcPort: 1000,
      dstPort: 2000,
      tag: 0,
      chunks: [{ type: 1, flags: 0, data: hex("11223344 0001a000 000a ffff 00000001 000c0006 0005 0000") }],
    },
  ],
  sctpData: [
    eth,
    ip,
    {
      kind: "sctp",
      srcPort: 1000,
      dstPort: 2000,
      tag: 0x01020304,
      chunks: [
        { type: 3, flags: 0, data: hex("00000009 0000fde8 0000 0000") },
        { type: 0, flags: 3, data: concat(hex("0000000a 0001 0002 00000000"), ascii("weft!")) },
      ],
    },
  ],
  sctpCookie: [
    eth,
    ip6,
    {
      kind: "sctp",
      srcPort: 1000,
      dstPort: 2000,
      tag: 5,
      chunks: [
        { type: 10, flags: 0, data: counted(8) },
        { type: 11, flags: 0, data: hex("") },
      ],
    },
  ],
  dhcpDiscover: [
    broadcast,
    { ...ip, src: v4("0.0.0.0"), dst: v4("255.255.255.255"), dontFragment: false, tos: 0x10, ttl: 128 },
    udp(68, 67),
    {
      ...dhcpBase,
      op: 1,
      seconds: 3,
      flags: 0x8000,
      options: [
        { code: DHCP_OPTION.messageType, data: Uint8Array.of(DHCP_MESSAGE.discover) },
        option(61, "01 0a0000000001"),
        { code: 12, data: ascii("vm1") },
        option(55, "01 1c 02 03 0f 06 77 0c 2c 2f 1a 79 2a"),
        option(57, "05dc"),
      ],
    },
  ],
  dhcpOffer: [
    eth,
    { ...ip, src: v4("10.0.0.254") },
    udp(67, 68),
    {
      ...dhcpBase,
      op: 2,
      yourIp: v4("10.0.0.5"),
      serverIp: v4("10.0.0.254"),
      bootFile: "pxelinux.0",
      options: [
        { code: DHCP_OPTION.messageType, data: Uint8Array.of(DHCP_MESSAGE.offer) },
        option(54, "0a0000fe"),
        option(51, "00000e10"),
        option(1, "ffffff00"),
        option(3, "0a0000fe"),
        option(6, "08080808 08080404"),
        { code: 15, data: ascii("weft.test") },
        option(26, "05a2"),
        {
          code: 121,
          data: emitClasslessRoutes([
            { destination: v4("0.0.0.0"), length: 0, router: v4("10.0.0.254") },
            { destination: v4("10.1.0.0"), length: 16, router: v4("10.0.0.253") },
          ]),
        },
      ],
    },
  ],
  dhcpv6Solicit: [
    { ...eth, dst: m("33:33:00:01:00:02") },
    { ...link6, dst: v6("ff02::1:2"), hopLimit: 1 },
    udp(546, 547),
    {
      kind: "dhcpv6",
      type: 1,
      transaction: 0xabcdef,
      options: [
        option(1, "0003 0001 0a0000000001"),
        option(3, "00000001 00000000 00000000"),
        option(6, "0017 0018"),
        option(8, "0000"),
      ],
    },
  ],
  dhcpv6Reply: [
    eth,
    { ...link6, dst: v6("fe80::2") },
    udp(547, 546),
    {
      kind: "dhcpv6",
      type: 7,
      transaction: 0xabcdef,
      options: [
        option(1, "0003 0001 0a0000000001"),
        option(2, "0003 0001 0a00000000fe"),
        {
          code: 3,
          data: concat(
            hex("00000001 00000e10 00001518"),
            emitDhcpv6Options([{ code: 5, data: hex("fd000000000000000000000000000005 00001c20 00002a30") }]),
          ),
        },
        option(23, "fd000000000000000000000000000053"),
        option(24, "04 77656674 04 74657374 00"),
      ],
    },
  ],
  dnsQuery: [
    eth,
    ip,
    udp(5000, 53),
    { kind: "dns", id: 0x1234, flags: 0x100, questions: [{ name: "www.weft.test", type: DNS_TYPE.A }] },
  ],
  dnsResponse: [
    eth,
    { ...ip, src: ip.dst, dst: ip.src },
    udp(53, 5000),
    {
      kind: "dns",
      id: 0x1234,
      flags: 0x8580,
      questions: [{ name: "www.weft.test", type: DNS_TYPE.A }],
      answers: [
        { name: "www.weft.test", type: DNS_TYPE.CNAME, ttl: 3600, data: { type: "name", name: "web.weft.test" } },
        { name: "web.weft.test", type: DNS_TYPE.A, ttl: 60, data: { type: "A", address: v4("10.0.0.80") } },
        { name: "web.weft.test", type: DNS_TYPE.AAAA, ttl: 60, data: { type: "AAAA", address: v6("fd00::80") } },
        { name: "web.weft.test", type: DNS_TYPE.TXT, ttl: 60, data: { type: "other", bytes: dnsText(["woven"]) } },
      ],
      authorities: [{ name: "weft.test", type: DNS_TYPE.NS, ttl: 86400, data: { type: "name", name: "ns.weft.test" } }],
      additionals: [{ name: "ns.weft.test", type: DNS_TYPE.A, ttl: 86400, data: { type: "A", address: v4("10.0.0.53") } }],
    },
  ],
  dnsNoSuchName: [
    eth,
    { ...ip, src: ip.dst, dst: ip.src },
    udp(53, 5000),
    { kind: "dns", id: 0x1234, flags: 0x8183, questions: [{ name: "no.weft.test", type: DNS_TYPE.AAAA }] },
  ],
  bfd: [
    eth,
    { ...ip, ttl: 255 },
    udp(49153, 3784),
    {
      kind: "bfd",
      diagnostic: 0,
      state: 3,
      flags: 0,
      detectMultiplier: 5,
      myDiscriminator: 0x11111111,
      yourDiscriminator: 0x22222222,
      desiredMinTx: 100000,
      requiredMinRx: 1000000,
      requiredMinEchoRx: 0,
    },
  ],
  geneveOvn: [...outer, udp(35123, 6081), { kind: "geneve", vni: 3, options: [ovnGeneveOption(1, 2)] }, ...inner],
  geneveNoOptions: [
    ...outer,
    { kind: "udp", srcPort: 35123, dstPort: 6081, checksum: 0 },
    { kind: "geneve", vni: 0xabcdef, options: [] },
    ...inner,
  ],
  geneve6: [
    eth,
    ip6,
    udp(35123, 6081),
    { kind: "geneve", vni: 3, control: true, options: [{ class: 0x103, type: 1, data: counted(8) }, ovnGeneveOption(3, 0x8001)] },
    ...inner,
  ],
  vxlan: [...outer, udp(35123, 4789), { kind: "vxlan", vni: 42 }, ...inner],
  stp: [
    { ...eth, dst: m("01:80:c2:00:00:00") },
    { kind: "llc", dsap: 0x42, ssap: 0x42, control: 3 },
    {
      kind: "stp",
      version: 0,
      type: 0,
      config: {
        flags: 0,
        root: 0x80000a0000000001n,
        rootPathCost: 4,
        bridge: 0x80000a0000000002n,
        port: 0x8001,
        messageAge: 256,
        maxAge: 5120,
        helloTime: 512,
        forwardDelay: 3840,
      },
    },
  ],
  snap: [eth, { kind: "llc", dsap: 0xaa, ssap: 0xaa, control: 3, snap: { oui: 0x00000c, protocol: 0x1234 } }, data(counted(20))],
  lldp: [
    { ...eth, dst: m("01:80:c2:00:00:0e") },
    {
      kind: "lldp",
      tlvs: [
        { type: 1, data: hex("04 0a0000000001") },
        { type: 2, data: concat(hex("05"), ascii("eth0")) },
        { type: 3, data: hex("0078") },
        { type: 5, data: ascii("node1") },
        { type: 0, data: hex("") },
      ],
    },
  ],
  unknownType: [{ ...eth, etherType: 0x88b5 }, data(counted(30))],
  unknownProtocol: [eth, { ...ip, protocol: 253 }, data(counted(20))],
};
