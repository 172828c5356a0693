import { isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  formatIpv4,
  formatIpv6,
  formatMac,
  type Ipv6,
  ipv4Of,
  ipv6Of,
  isIpv6LinkLocal,
  isMacMulticast,
  linkLocalOfMac,
  macOf,
  multicastMacOfIpv4,
  multicastMacOfIpv6,
  parseIpv4,
  parseIpv6,
  parseMac,
  readIpv6,
  readMac,
  solicitedNodeOf,
  writeIpv6,
  writeMac,
} from "./address.ts";

const v6 = (text: string): Ipv6 => parseIpv6(text)!;

describe("MAC", () => {
  test("text and back", () => {
    expect(parseMac("0a:00:27:00:00:01")).toBe(0x0a0027000001);
    expect(formatMac(macOf(0x0a0027000001))).toBe("0a:00:27:00:00:01");
    expect(parseMac("a:0:27:0:0:1")).toBe(0x0a0027000001);
  });
  test.each(["", "0a:00:27:00:00", "0a:00:27:00:00:01:02", "0a:00:27:00:00:1g", "0a-00-27-00-00-01", " 0a:00:27:00:00:01"])(
    "%j is malformed",
    (text) => expect(parseMac(text)).toBeUndefined(),
  );
  test("group bit", () => {
    expect(isMacMulticast(parseMac("01:00:5e:00:00:01")!)).toBe(true);
    expect(isMacMulticast(parseMac("fe:00:5e:00:00:01")!)).toBe(false);
  });
});

describe("IPv4", () => {
  test.each(["0.0.0.0", "10.0.0.1", "255.255.255.255", "224.0.0.251"])("%s", (text) =>
    expect(formatIpv4(parseIpv4(text)!)).toBe(text),
  );
  test.each(["", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1..2.3", "1.2.3.", "1.2.3.4 ", "-1.2.3.4"])(
    "%j is malformed",
    (text) => expect(parseIpv4(text)).toBeUndefined(),
  );
  test("random text agrees with node:net", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9.]{0,16}$/), (text) => {
        expect(parseIpv4(text) !== undefined).toBe(isIPv4(text));
      }),
    );
  });
});

describe("IPv6", () => {
  test.each([
    ["::", "::"],
    ["::1", "::1"],
    ["FE80:0:0:0:0:0:0:1", "fe80::1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["::ffff:10.0.0.1", "::ffff:10.0.0.1"],
    ["::ffff:a00:1", "::ffff:10.0.0.1"],
    ["::a00:1", "::10.0.0.1"],
    ["64:ff9b::10.0.0.1", "64:ff9b::a00:1"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["1::", "1::"],
  ])("%s prints as %s", (text, printed) => expect(formatIpv6(v6(text))).toBe(printed));
  test.each([
    ":",
    ":::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1::2::3",
    "12345::",
    "1:2:3:4:5:6:7:8::",
    "::1.2.3",
    "1.2.3.4",
    ":1::2",
    "::1:",
  ])("%j is malformed", (text) => expect(parseIpv6(text)).toBeUndefined());
  test("random text agrees with node:net", () => {
    const piece = fc.constantFrom(":", "::", "0", "f", "ffff", "1.2.3.4", "12345", ".", "g");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 16 }), (pieces) => {
        const text = pieces.join("");
        expect(parseIpv6(text) !== undefined).toBe(isIPv6(text));
      }),
      { numRuns: 2000 },
    );
  });
  test("format and parse are inverse, and 16 bytes hold the address", () => {
    const word = fc.oneof(fc.constant(0n), fc.bigInt(0n, 0xffffn));
    fc.assert(
      fc.property(fc.array(word, { minLength: 8, maxLength: 8 }), (words) => {
        const ip = ipv6Of(words.reduce((sum, w) => (sum << 16n) | w, 0n));
        expect(parseIpv6(formatIpv6(ip))).toBe(ip);
        const bytes = new Uint8Array(18).fill(0xa5);
        writeIpv6(bytes, 1, ip);
        expect(readIpv6(bytes, 1)).toBe(ip);
        expect([bytes[0], bytes[17]]).toEqual([0xa5, 0xa5]);
      }),
    );
  });
});

describe("mappings", () => {
  test("EUI-64 link-local", () => {
    const ip = linkLocalOfMac(parseMac("0a:00:27:00:00:01")!);
    expect(formatIpv6(ip)).toBe("fe80::800:27ff:fe00:1");
    expect(isIpv6LinkLocal(ip)).toBe(true);
  });
  test("solicited node", () => expect(formatIpv6(solicitedNodeOf(v6("fd00::1234:5678")))).toBe("ff02::1:ff34:5678"));
  test("multicast MACs", () => {
    expect(formatMac(multicastMacOfIpv4(parseIpv4("239.255.1.2")!))).toBe("01:00:5e:7f:01:02");
    expect(formatMac(multicastMacOfIpv6(v6("ff02::fb")))).toBe("33:33:00:00:00:fb");
  });
  test("bytes of a MAC", () => {
    const bytes = new Uint8Array(8).fill(0xa5);
    writeMac(bytes, 1, macOf(0xfedcba987654));
    expect([...bytes]).toEqual([0xa5, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0xa5]);
    expect(readMac(bytes, 1)).toBe(0xfedcba987654);
  });
  test("results of bit operators are unsigned", () => expect(ipv4Of(~0)).toBe(0xffffffff));
});
