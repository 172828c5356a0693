import { parseMatch } from "@weft/openflow";
import { fromHex } from "@weft/packet";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { composeFrame } from "./compose.ts";
import { extract } from "./extract.ts";
import { newFlowKey, WORD } from "./key.ts";
import { Packet } from "./packet.ts";
import { writeEth, writeIpv4, writeIpv6, writePorts } from "./write.ts";

function keyOf(text: string): Int32Array {
  const key = newFlowKey();
  const match = parseMatch(text);
  for (let i = 0; i < match.size; i++) key[match.offset(i)] = match.value(i);
  return key;
}

describe("extract", () => {
  it("reads a UDP packet in a VLAN", () => {
    const packet = new Packet(
      fromHex("505400000002505400000001 8100600a 0800 4500001c00004000401126cf0a0000010a000002 0007000800080000")!,
    );
    extract(packet);
    expect(packet.key[WORD.vlan_tci]).toBe(0x700a);
    expect(packet.key[WORD.eth_type]).toBe(0x0800);
    expect(packet.key[WORD.nw_dst]).toBe(0x0a000002);
    expect([packet.key[WORD.tp_src], packet.key[WORD.tp_dst]]).toEqual([7, 8]);
    expect(packet.l4).toBe(38);
  });

  it("leaves fields zero that a truncated packet does not have", () => {
    const packet = new Packet(fromHex("505400000002505400000001080045000054")!);
    extract(packet);
    expect(packet.key[WORD.eth_type]).toBe(0x0800);
    expect(packet.key[WORD.nw_src]).toBe(0);
    expect(packet.l4).toBe(-1);
  });

  it.each([
    "tcp,dl_src=00:00:00:00:00:01,dl_dst=00:00:00:00:00:02,nw_src=1.2.3.4,nw_dst=5.6.7.8,nw_ttl=64,tcp_src=1,tcp_dst=2,tcp_flags=syn",
    "udp6,dl_src=00:00:00:00:00:01,dl_vlan=5,dl_vlan_pcp=3,ipv6_src=fd00::1,ipv6_dst=fd00::2,nw_ttl=255,nw_tos=32,udp_src=53,udp_dst=9",
    "arp,dl_dst=ff:ff:ff:ff:ff:ff,arp_op=1,arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_sha=00:00:00:00:00:09",
    "icmp6,ipv6_src=fe80::1,ipv6_dst=ff02::1,nw_ttl=255,icmp_type=135,icmp_code=0,nd_target=fd00::1,nd_sll=00:00:00:00:00:08",
    "icmp,nw_src=1.2.3.4,nw_dst=4.3.2.1,nw_ttl=3,icmp_type=8,icmp_code=0",
    "sctp,nw_src=1.2.3.4,nw_dst=4.3.2.1,nw_ttl=3,sctp_src=8,sctp_dst=1",
  ])("reads back what was composed: %s", (text) => {
    const key = keyOf(text);
    const packet = new Packet(composeFrame(key));
    extract(packet);
    for (const word of [
      WORD.eth_type,
      WORD.vlan_tci,
      WORD.nw_src,
      WORD.nw_dst,
      WORD.ipv6_dst + 3,
      WORD.nw_proto,
      WORD.tp_src,
      WORD.tp_dst,
    ])
      expect(packet.key[word]).toBe(key[word]);
    expect([...packet.key.subarray(WORD.arp_sha, WORD.arp_tha + 2)]).toEqual([...key.subarray(WORD.arp_sha, WORD.arp_tha + 2)]);
  });

  it("takes any bytes", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 120 }),
        fc.constantFrom(0x0800, 0x86dd, 0x0806, 0x8100, 0x8847, 3),
        (bytes, type) => {
          const frame = Uint8Array.from(bytes);
          if (frame.length >= 14) {
            frame[12] = type >> 8;
            frame[13] = type;
          }
          const packet = new Packet(frame);
          extract(packet);
          expect(packet.l4).toBeLessThanOrEqual(frame.length);
        },
      ),
    );
  });
});

describe("writing fields back", () => {
  it("keeps checksums right", () => {
    const before = keyOf("tcp,nw_src=1.2.3.4,nw_dst=5.6.7.8,nw_ttl=64,tcp_src=1,tcp_dst=2");
    const after = keyOf("tcp,dl_dst=00:00:00:00:00:07,nw_src=10.0.0.1,nw_dst=5.6.7.9,nw_ttl=63,nw_tos=64,tcp_src=1000,tcp_dst=2");
    const packet = new Packet(composeFrame(before));
    extract(packet);
    packet.key.set(after);
    writeEth(packet);
    writeIpv4(packet);
    writePorts(packet);
    expect([...packet.bytes]).toEqual([...composeFrame(after)]);
  });

  it("keeps IPv6 checksums right", () => {
    const before = keyOf("udp6,ipv6_src=fd00::1,ipv6_dst=fd00::2,nw_ttl=64,udp_src=1,udp_dst=2");
    const after = keyOf("udp6,ipv6_src=fd00::9,ipv6_dst=fe80::2,nw_ttl=1,nw_tos=32,ipv6_label=0x5,udp_src=1,udp_dst=99");
    const packet = new Packet(composeFrame(before));
    extract(packet);
    packet.key.set(after);
    writeIpv6(packet);
    writePorts(packet);
    expect([...packet.bytes]).toEqual([...composeFrame(after)]);
  });

  it("does not touch bytes that others may see", () => {
    const frame = composeFrame(keyOf("udp,nw_src=1.2.3.4,nw_dst=5.6.7.8"));
    const kept = frame.slice();
    const packet = new Packet(frame);
    extract(packet);
    const copy = packet.clone();
    copy.key[WORD.nw_ttl] = 9;
    writeIpv4(copy);
    expect([...packet.bytes]).toEqual([...kept]);
    expect(copy.bytes[22]).toBe(9);
  });
});
