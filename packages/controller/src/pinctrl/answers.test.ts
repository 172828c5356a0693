/** The answers are those that ovn-controller 26.03 sent for the same packets, before the pipeline changed them. */

import { decode, emit, find, type Header, parseIpv4, parseIpv6, parseMac } from "@weft/packet";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  arpRequest,
  icmpError,
  ipPacketOf,
  neighbourAdvertisement,
  neighbourSolicitation,
  refusal,
  sctpAbort,
  tcpReset,
} from "./answers.ts";

const R = parseMac("50:54:00:00:00:fe")!;
const P = parseMac("50:54:00:00:00:01")!;
const v4 = { kind: "ipv4", src: parseIpv4("10.0.0.1")!, dst: parseIpv4("10.0.0.254")! } as const;
const v6 = { kind: "ipv6", src: parseIpv6("fd01::1")!, dst: parseIpv6("fd01::fe")! } as const;

function packet(...rest: Header[]) {
  return ipPacketOf(emit([{ kind: "ethernet", dst: R, src: P }, ...rest]))!;
}

function layers(bytes: Uint8Array | undefined): Header[] {
  return bytes === undefined ? [] : decode(bytes).map((layer) => layer.header);
}

test("tcp_reset: sequence 0, acknowledging one more than the segment's sequence", () => {
  const reset = tcpReset(packet(v4, { kind: "tcp", srcPort: 1000, dstPort: 80, sequence: 100, flags: 2 }));
  expect(layers(reset).slice(1)).toMatchObject([
    { kind: "ipv4", ttl: 63, dontFragment: true, id: 0 },
    { kind: "tcp", srcPort: 80, dstPort: 1000, sequence: 0, acknowledgment: 101, flags: 0x14, window: 0 },
  ]);
});

test("no reset answers a reset, no abort an abort", () => {
  expect(tcpReset(packet(v4, { kind: "tcp", srcPort: 1, dstPort: 2, sequence: 1, flags: 4 }))).toBeUndefined();
  const abort = { type: 6, flags: 0, data: new Uint8Array(0) };
  expect(sctpAbort(packet(v4, { kind: "sctp", srcPort: 1, dstPort: 2, tag: 9, chunks: [abort] }))).toBeUndefined();
});

test("an ICMP error quotes no more than a frame of 576 bytes holds, an ICMPv6 error 1280", () => {
  const long: Header = { kind: "payload", bytes: new Uint8Array(1400) };
  expect(icmpError(packet(v4, { kind: "udp", srcPort: 1, dstPort: 2 }, long)).length).toBe(576);
  expect(icmpError(packet(v6, { kind: "udp", srcPort: 1, dstPort: 2 }, long)).length).toBe(1280);
});

test("UDP is answered with port unreachable, the rest with host unreachable or prohibited", () => {
  const udp: Header = { kind: "udp", srcPort: 1, dstPort: 2 };
  const other: Header = { kind: "payload", bytes: new Uint8Array(4) };
  expect(find(decode(icmpError(packet(v4, udp))), "icmp")).toMatchObject({ type: 3, code: 3 });
  expect(find(decode(icmpError(packet({ ...v4, protocol: 47 }, other))), "icmp")).toMatchObject({ type: 3, code: 1 });
  expect(find(decode(icmpError(packet(v6, udp))), "icmpv6")).toMatchObject({ type: 1, code: 4 });
});

test("a refusal goes back to where the packet came from", () => {
  const refused = layers(refusal(packet(v4, { kind: "udp", srcPort: 1, dstPort: 2 })));
  expect(refused[0]).toMatchObject({ dst: P, src: R });
  expect(refused[1]).toMatchObject({ src: v4.dst, dst: v4.src, ttl: 255 });
});

test("arp and nd_ns ask for the packet's destination", () => {
  expect(layers(arpRequest(packet(v4)))[1]).toMatchObject({
    operation: 1,
    senderMac: P,
    senderIp: v4.src,
    targetIp: v4.dst,
    targetMac: 0,
  });
  const asked = layers(neighbourSolicitation(packet(v6)));
  expect(asked[0]).toMatchObject({ dst: parseMac("33:33:ff:00:00:fe") });
  expect(asked[1]).toMatchObject({ src: parseIpv6("fe80::5254:ff:fe00:1"), dst: parseIpv6("ff02::1:ff00:fe"), hopLimit: 255 });
  expect(asked[2]).toMatchObject({ type: 135, target: v6.dst, options: [{ option: "source-mac", mac: P }] });
});

test("nd_na answers the asker, even one without an address", () => {
  const ask = (src: string) =>
    packet(
      { ...v6, src: parseIpv6(src)!, dst: parseIpv6("ff02::1:ff00:fe")!, hopLimit: 255 },
      { kind: "nd", type: 135, target: v6.dst },
    );
  expect(layers(neighbourAdvertisement(ask("fd01::1"), true)).slice(0, 3)).toMatchObject([
    { dst: P, src: R },
    { src: v6.dst, dst: v6.src },
    { type: 136, target: v6.dst, router: true, solicited: true, override: true },
  ]);
  expect(layers(neighbourAdvertisement(ask("::"), false))[1]).toMatchObject({ dst: 0n });
});

test("any frame gives an answer or none, without an exception", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(0x0800, 0x86dd), (bytes, type) => {
      const frame = emit([
        { kind: "ethernet", dst: R, src: P, etherType: type },
        { kind: "payload", bytes },
      ]);
      const ip = ipPacketOf(frame);
      if (ip === undefined) return;
      for (const make of [arpRequest, neighbourSolicitation, icmpError, tcpReset, sctpAbort, refusal]) make(ip);
      neighbourAdvertisement(ip, true);
    }),
  );
});
