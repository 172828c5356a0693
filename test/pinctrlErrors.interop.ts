/** Errors that our controller and the reference's send for the same packets, byte for byte. */
import { type Header, type Ipv4Header, type Ipv6Header, parseIpv4, parseIpv6, parseMac } from "@weft/packet";
import { expect, test } from "vitest";
import { controllerPair } from "./reference/controllerPair.ts";

const pair = controllerPair(
  `
  ovn-nbctl ls-add in -- lsp-add in p1 -- lsp-set-addresses p1 "50:54:00:00:00:01 10.0.0.1 fd00::1" \
    -- ls-add ext -- lsp-add ext e1 -- lsp-set-addresses e1 "50:54:00:00:01:01 172.16.0.1 fd16::1" \
    -- lr-add r -- lrp-add r rin 50:54:00:00:00:fe 10.0.0.254/24 fd00::fe/64 -- lsp-add-router-port in in-r rin \
    -- lrp-add r rext 50:54:00:00:01:fe 172.16.0.254/24 fd16::fe/64 -- lsp-add-router-port ext ext-r rext \
    -- lrp-set-gateway-chassis rext w1 20 -- set logical_router_port rext options:gateway_mtu=1000 \
    -- set logical_router_port rin options:gateway_mtu=1100
  ovn-nbctl ls-add a $(for n in 1 2; do echo -- lsp-add a a$n -- lsp-set-addresses a$n "50:54:00:00:02:0$n" unknown; done) \
    -- lsp-add a c1 a1 7 -- lsp-set-addresses c1 "50:54:00:00:02:03" \
    -- acl-add a to-lport 100 'outport == "a2" && (tcp || udp || sctp || icmp4 || icmp6)' reject \
    -- acl-add a from-lport 90 'inport == "a2" && ip' reject`,
  ["p1", "e1", "a1", "a2"],
);

const PAYLOAD = 0x55;

function ethernet(port: string): Header {
  const [dst, src] = port === "p1" ? ["00:fe", "00:01"] : ["01:fe", "01:01"];
  return { kind: "ethernet", dst: parseMac(`50:54:00:00:${dst}`)!, src: parseMac(`50:54:00:00:${src}`)! };
}
const ADDRESSES = {
  p1: ["10.0.0.1", "172.16.0.1", "fd00::1", "fd16::1"],
  e1: ["172.16.0.1", "10.0.0.1", "fd16::1", "fd00::1"],
} as const;
function ipv4(port: "p1" | "e1", more: Partial<Ipv4Header> = {}): Header {
  const [src, dst] = ADDRESSES[port];
  return { kind: "ipv4", src: parseIpv4(src)!, dst: parseIpv4(dst)!, ttl: 64, ...more };
}
function ipv6(port: "p1" | "e1", more: Partial<Ipv6Header> = {}): Header {
  const [, , src, dst] = ADDRESSES[port];
  return { kind: "ipv6", src: parseIpv6(src)!, dst: parseIpv6(dst)!, hopLimit: 64, ...more };
}
const filled = (length: number): Header => ({ kind: "payload", bytes: new Uint8Array(length).fill(PAYLOAD) });
const UDP: Header = { kind: "udp", srcPort: 1000, dstPort: 2000 };
const TCP: Header = { kind: "tcp", srcPort: 1000, dstPort: 2000, sequence: 1, flags: 2 };

test.each(["p1", "e1"] as const)("packets from %s that are too big for the other side", async (port) => {
  const lengths = [100, 950, 960, 970, 980, 1050, 1060, 1070, 1080, 1200, 1400];
  let answered = 0;
  for (const length of lengths) {
    const body = filled(length);
    for (const packet of [
      [ipv4(port, { tos: 4, id: 7, dontFragment: true }), UDP, body],
      [ipv4(port), TCP, body],
      [ipv4(port, { options: Uint8Array.of(1, 1, 1, 0) }), UDP, body],
      [ipv4(port), { kind: "icmp", type: 3, code: 1 } as const, body],
      [ipv4(port), { kind: "icmp", type: 8, code: 0 } as const, body],
      [ipv6(port, { trafficClass: 4, flowLabel: 77 }), UDP, body],
      [ipv6(port), TCP, body],
      [ipv6(port), { kind: "icmpv6", type: 128, code: 0 } as const, body],
      [ipv6(port), { kind: "icmpv6", type: 1, code: 0 } as const, body],
    ]) {
      const got = await pair.same(port, [ethernet(port), ...packet]);
      answered += got.filter((text) => text.startsWith(port)).length;
    }
  }
  expect(answered).toBeGreaterThan(30);
});

test("packets whose time is over", async () => {
  for (const packet of [
    [ipv4("p1", { ttl: 1, id: 9 }), UDP, filled(30)],
    [ipv4("p1", { ttl: 1 }), TCP, filled(700)],
    [ipv4("p1", { ttl: 1 }), { kind: "icmp", type: 8, code: 0 } as const, filled(10)],
    [ipv4("p1", { ttl: 1 }), { kind: "icmp", type: 3, code: 0 } as const, filled(10)],
    [ipv6("p1", { hopLimit: 1 }), UDP, filled(30)],
    [ipv6("p1", { hopLimit: 1 }), TCP, filled(1300)],
    [ipv6("p1", { hopLimit: 1 }), { kind: "icmpv6", type: 128, code: 0 } as const, filled(30)],
  ])
    expect(await pair.same("p1", [ethernet("p1"), ...packet])).toHaveLength(1);
});

const refused = (n: number, more: Partial<Ipv4Header> = {}): Header => ({
  kind: "ipv4",
  src: parseIpv4(`10.2.0.${n}`)!,
  dst: parseIpv4(`10.2.0.${3 - n}`)!,
  ttl: 64,
  ...more,
});
const refused6 = (n: number): Header => ({
  kind: "ipv6",
  src: parseIpv6(`fd02::${n}`)!,
  dst: parseIpv6(`fd02::${3 - n}`)!,
  hopLimit: 64,
});

test.each(["a1", "a2"])("packets of %s that ACLs reject", async (port) => {
  const n = Number(port[1]);
  const [src, dst] = [n, 3 - n].map((host) => parseMac(`50:54:00:00:02:0${host}`)!);
  const transports: Header[][] = [
    [UDP, filled(20)],
    [UDP, filled(1300)],
    ...[0, 1, 2, 4, 0x10, 0x11, 0x12, 0x14, 0x18].map((flags): Header[] => [
      { kind: "tcp", srcPort: 1000, dstPort: 2000, sequence: 0xffffffff, acknowledgment: 77, flags, window: 9 },
      filled(flags),
    ]),
    [{ kind: "sctp", srcPort: 1000, dstPort: 2000, tag: 7, chunks: [{ type: 1, flags: 0, data: new Uint8Array(16) }] }],
    [{ kind: "sctp", srcPort: 1000, dstPort: 2000, tag: 7, chunks: [{ type: 6, flags: 0, data: new Uint8Array(0) }] }],
    [{ kind: "sctp", srcPort: 1000, dstPort: 2000, tag: 0, chunks: [] }],
  ];
  const packets: Header[][] = [
    ...transports.flatMap((transport) => [
      [refused(n, { id: 3, tos: 8 }), ...transport],
      [refused6(n), ...transport],
    ]),
    ...Array.from({ length: 19 }, (_, type): Header[] => [refused(n), { kind: "icmp", type, code: 0 }, filled(9)]),
    ...[0, 1, 2, 3, 4, 5, 127, 128, 129, 137, 160].map((type): Header[] => [
      refused6(n),
      { kind: "icmpv6", type, code: 0 },
      filled(9),
    ]),
    [refused(n, { protocol: 47 }), filled(30)],
    [refused(n, { moreFragments: true }), UDP, filled(32)],
    [refused(n, { fragmentOffset: 80, protocol: 17 }), filled(32)],
  ];
  let answered = 0;
  for (const packet of packets)
    answered += (await pair.same(port, [{ kind: "ethernet", dst: dst!, src: src! }, ...packet])).length;
  expect(answered).toBeGreaterThan(20);
  if (port === "a1") {
    const vlan: Header[] = [
      { kind: "ethernet", dst: dst!, src: parseMac("50:54:00:00:02:03")! },
      { kind: "vlan", id: 7 },
    ];
    for (const transport of transports.slice(0, 4))
      expect(await pair.same(port, [...vlan, refused(1), ...transport])).toHaveLength(1);
  }
});
