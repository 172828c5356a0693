/** DHCP relay by our controller and by the reference's. */
import { type Dhcp, emit, type Header, type Ipv4, ipv4Of, MAC_BROADCAST, parseIpv4, parseMac } from "@weft/packet";
import { expect, test } from "vitest";
import { controllerPair } from "./reference/controllerPair.ts";

const pair = controllerPair(
  `
  ovn-nbctl ls-add in -- lsp-add in p1 -- lsp-set-addresses p1 "50:54:00:00:00:01 10.0.0.1" \
    -- ls-add ext -- lsp-add ext e1 -- lsp-set-addresses e1 "50:54:00:00:01:01 172.16.0.1" \
    -- lr-add r -- lrp-add r rin 50:54:00:00:00:fe 10.0.0.254/24 -- lsp-add-router-port in in-r rin \
    -- lrp-add r rext 50:54:00:00:01:fe 172.16.0.254/24 -- lsp-add-router-port ext ext-r rext \
    -- set logical_switch in other_config:dhcp_relay_port=in-r \
    -- --id=@relay create dhcp_relay name=relay servers=172.16.0.1 -- set logical_router_port rin dhcp_relay=@relay`,
  ["p1", "e1"],
);

const option = (code: number, ...data: number[]) => ({ code, data: Uint8Array.of(...data) });
const CLIENT = parseMac("50:54:00:00:00:01")!;
const [ADDRESS, RELAY, SERVER, OTHER] = ["10.0.0.1", "10.0.0.254", "172.16.0.1", "10.0.0.9"].map((text) => parseIpv4(text)!) as [
  Ipv4,
  Ipv4,
  Ipv4,
  Ipv4,
];

function message(more: Partial<Dhcp>): Header {
  return { kind: "dhcp", op: 1, xid: 0x12345678, clientMac: CLIENT, options: [option(53, 1)], ...more };
}

function request(more: Partial<Dhcp>, checksum?: number): Header[] {
  return [
    { kind: "ethernet", dst: MAC_BROADCAST, src: CLIENT },
    { kind: "ipv4", src: ipv4Of(0), dst: ipv4Of(0xffffffff), id: 5, tos: 16 },
    { kind: "udp", srcPort: 68, dstPort: 67, checksum },
    message(more),
  ];
}

function response(more: Partial<Dhcp>, checksum?: number): Header[] {
  const options = [option(53, 2), option(54, 172, 16, 0, 1), option(3, 10, 0, 0, 254)];
  return [
    { kind: "ethernet", dst: parseMac("50:54:00:00:01:fe")!, src: parseMac("50:54:00:00:01:01")! },
    { kind: "ipv4", src: SERVER, dst: RELAY },
    { kind: "udp", srcPort: 67, dstPort: 67, checksum },
    message({ op: 2, yourIp: ADDRESS, gatewayIp: RELAY, options, ...more }),
  ];
}

test("requests", async () => {
  const types = Array.from({ length: 15 }, (_, type) => ({ options: [option(53, type)] }));
  let relayed = 0;
  for (const more of [
    ...types,
    { hops: 3, seconds: 5, flags: 0x8000 },
    { hops: 255 },
    { gatewayIp: OTHER },
    { op: 2 },
    { op: 3 },
    { clientIp: OTHER },
    { options: [] },
    { options: [option(53)] },
    { options: [option(53, 3), option(50, 1, 2, 3, 4), option(82, 1, 2, 3)] },
    { options: [option(82, 1, 2, 3), option(53, 3)], end: false },
  ])
    relayed += (await pair.same("p1", request(more))).length;
  expect(relayed).toBe(19);
  await pair.same("p1", request({}, 0));
  await pair.same("p1", request({}, 0x1234));
});

test("responses", async () => {
  const types = Array.from({ length: 10 }, (_, type) => ({ options: [option(53, type), option(54, 172, 16, 0, 1)] }));
  let relayed = 0;
  for (const more of [
    ...types,
    { flags: 0x8000 },
    { gatewayIp: OTHER },
    { gatewayIp: ipv4Of(0) },
    { yourIp: ipv4Of(0) },
    { op: 1 },
    { options: [option(53, 2), option(54, 172, 16, 0, 9)] },
    { options: [option(53, 2), option(54, 172, 16)] },
    { options: [option(53, 2)] },
    { options: [option(54, 172, 16, 0, 1)] },
    { options: [] },
  ])
    relayed += (await pair.same("e1", response(more))).length;
  expect(relayed).toBe(11);
  await pair.same("e1", response({}, 0));
  await pair.same("e1", response({}, 0x1234));
});

test("requests and responses that are cut off", async () => {
  for (const [port, packet] of [
    ["p1", request({})],
    ["e1", response({})],
  ] as const) {
    const frame = emit(packet);
    for (let length = 270; length < frame.length; length++) await pair.same(port, frame.subarray(0, length));
    for (let length = 200; length < 260; length += 7) {
      const payload = { kind: "payload", bytes: frame.slice(42, 42 + length) } as const;
      await pair.same(port, [...packet.slice(0, 3), payload]);
    }
    expect(await pair.same(port, frame)).toHaveLength(1);
  }
});
