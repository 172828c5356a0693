import fc from "fast-check";
import { expect, test } from "vitest";
import { parseIpv4, parseIpv6, writeIpv6 } from "./address.ts";
import { fromHex, get16, put16 } from "./bytes.ts";
import {
  crc32c,
  finishSum,
  foldSum,
  internetChecksum,
  pseudoSum4,
  pseudoSum6,
  pseudoSum6At,
  sumBytes,
  updateChecksum16,
  updateChecksum32,
  updateChecksumBytes,
} from "./checksum.ts";

test("RFC 1071 example", () => {
  const bytes = fromHex("0001 f203 f4f5 f6f7")!;
  expect(foldSum(sumBytes(bytes, 0, 8))).toBe(0xddf2);
  expect(internetChecksum(bytes)).toBe(0x220d);
});

test("a known IPv4 header", () => {
  const header = fromHex("4500 0073 0000 4000 4011 0000 c0a8 0001 c0a8 00c7")!;
  expect(internetChecksum(header)).toBe(0xb861);
  put16(header, 10, 0xb861);
  expect(internetChecksum(header)).toBe(0);
});

test("pseudo-headers", () => {
  const src = parseIpv4("192.168.0.1")!;
  const dst = parseIpv4("192.168.0.199")!;
  expect(pseudoSum4(src, dst, 17, 10)).toBe(0xc0a8 + 1 + 0xc0a8 + 0xc7 + 17 + 10);
  const header = new Uint8Array(40);
  const a = parseIpv6("fe80::1:2:3")!;
  const b = parseIpv6("ff02::1")!;
  writeIpv6(header, 8, a);
  writeIpv6(header, 24, b);
  expect(pseudoSum6(a, b, 58, 70000)).toBe(pseudoSum6At(header, 0, 58, 70000));
});

test("crc32c check value", () => {
  expect(crc32c(new TextEncoder().encode("123456789"))).toBe(0xe3069283);
  expect(crc32c(fromHex("00000000 ffffffff")!, 0, 8, 4)).toBe(crc32c(new Uint8Array(8)));
});

test("an updated checksum is as good as a new one", () => {
  const even = fc.uint8Array({ minLength: 8, maxLength: 64 }).map((b) => (b.length % 2 ? b.slice(1) : b));
  fc.assert(
    fc.property(even, fc.nat(), fc.integer({ min: 0, max: 0xffffffff }), (data, place, value) => {
      // one word that never changes keeps the sum from zero, where 0 and 0xffff are alike
      const bytes = new Uint8Array([...data, 0x12, 0x34]);
      const at = (place % (data.length / 4)) & ~1;
      const old = internetChecksum(bytes);
      const before = bytes.slice(at, at + 4);
      const changed = bytes.slice();
      put16(changed, at, value >>> 16);
      put16(changed, at + 2, value & 0xffff);
      const full = internetChecksum(changed);
      const was = ((get16(bytes, at) << 16) | get16(bytes, at + 2)) >>> 0;
      expect(updateChecksum32(old, was, value)).toBe(full);
      expect(updateChecksumBytes(old, before, changed.slice(at, at + 4))).toBe(full);
      const half = updateChecksum16(old, was >>> 16, value >>> 16);
      expect(updateChecksum16(half, was & 0xffff, value & 0xffff)).toBe(full);
      expect(finishSum(sumBytes(changed, 0, changed.length, full))).toBe(0);
    }),
  );
});
