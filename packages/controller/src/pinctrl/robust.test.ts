/** Packets and operands of any kind are answered or refused; none makes the code that reads them throw. */
import { decode, emit, fromHex, type Header, ipv4Of, MAC_BROADCAST, parseIpv6, parseMac } from "@weft/packet";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ipPacketOf } from "./answers.ts";
import { relayedRequest, relayedResponse } from "./dhcpRelay.ts";
import { dhcpv6Answer } from "./dhcpv6.ts";
import { multicastMessage } from "./multicastMessage.ts";

const client = parseMac("50:54:00:00:00:01")!;
const udp = (srcPort: number, dstPort: number, payload: string): Header[] => [
  { kind: "udp", srcPort, dstPort },
  { kind: "payload", bytes: fromHex(payload)! },
];
const ipv6: Header = { kind: "ipv6", src: parseIpv6("fe80::1")!, dst: parseIpv6("ff02::16")!, hopLimit: 1 };
const ipv4: Header = { kind: "ipv4", src: ipv4Of(0), dst: ipv4Of(0xe0000001) };
const ethernet: Header = { kind: "ethernet", dst: MAC_BROADCAST, src: client };
const CLIENT = "0001000a00030001505400000001";
const IA = "0003000c0000000a0000000000000000";

const SEEDS = (
  [
    [ipv6, ...udp(546, 547, `01123456${CLIENT}${IA}00270003010161000f0006000469505845`)],
    [
      ipv4,
      { kind: "udp", srcPort: 67, dstPort: 67 },
      { kind: "dhcp", op: 2, xid: 1, clientMac: client, options: [{ code: 53, data: Uint8Array.of(2) }] },
    ],
    [ipv4, { kind: "igmp", type: 0x22, records: [{ type: 4, group: ipv4Of(0xef000001), sources: [ipv4Of(1)] }] }],
    [ipv6, { kind: "mld", type: 143, records: [{ type: 4, group: parseIpv6("ff0e::1")!, sources: [] }] }],
  ] as Header[][]
).map((headers) => emit([ethernet, ...headers]));

test("property: none of the packets makes them throw", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...SEEDS),
      fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 6 }),
      fc.nat(400),
      fc.uint8Array({ maxLength: 24 }),
      (seed, changes, length, operands) => {
        const frame = seed.slice(0, length);
        for (const [at, byte] of changes) if (at < frame.length) frame[at] = byte;
        multicastMessage(decode(frame));
        const packet = ipPacketOf(frame);
        if (packet === undefined) return;
        for (const answer of [dhcpv6Answer, relayedRequest, relayedResponse]) answer(packet, operands);
      },
    ),
    { numRuns: 2000 },
  );
});

test("the packets themselves are understood", () => {
  const [solicit, offer, igmp, mld] = SEEDS.map((frame) => ipPacketOf(frame)!);
  expect(dhcpv6Answer(solicit!, new Uint8Array(0))?.packet).toBeDefined();
  expect(relayedResponse(offer!, new Uint8Array(8))?.warning).toContain("missing server identifier");
  expect(multicastMessage(igmp!.layers)).toEqual([{ address: "239.0.0.1", protocol: "IGMPv3", join: true }]);
  expect(multicastMessage(mld!.layers)).toEqual([{ address: "ff0e::1", protocol: "MLDv2", join: true }]);
});
