import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatIpv4, ipv4Of, ipv6Of, parseIpv4, parseIpv6 } from "./address.ts";
import {
  formatIpv4Masked,
  formatIpv4Prefix,
  formatIpv6Masked,
  formatIpv6Prefix,
  ipv4Broadcast,
  ipv4Contains,
  ipv4Mask,
  ipv4MaskLength,
  ipv4Network,
  ipv6Contains,
  ipv6Mask,
  ipv6MaskLength,
  parseIpv4Masked,
  parseIpv4Prefix,
  parseIpv6Masked,
  parseIpv6Prefix,
} from "./prefix.ts";

describe("IPv4 prefixes", () => {
  const prefix = parseIpv4Prefix("10.0.0.1/24")!;
  test("keeps host bits", () => expect(formatIpv4Prefix(prefix)).toBe("10.0.0.1/24"));
  test("network and broadcast", () => {
    expect(formatIpv4(ipv4Network(prefix))).toBe("10.0.0.0");
    expect(formatIpv4(ipv4Broadcast(prefix))).toBe("10.0.0.255");
  });
  test("contains", () => {
    expect(ipv4Contains(prefix, parseIpv4("10.0.0.77")!)).toBe(true);
    expect(ipv4Contains(prefix, parseIpv4("10.0.1.77")!)).toBe(false);
  });
  test("dotted masks", () => {
    expect(parseIpv4Prefix("10.0.0.0/255.255.255.0")).toEqual({ address: 0x0a000000, length: 24 });
    expect(parseIpv4Prefix("10.0.0.0/255.0.255.0")).toBeUndefined();
    expect(formatIpv4Masked(parseIpv4Masked("10.0.0.0/255.0.255.0")!)).toBe("10.0.0.0/255.0.255.0");
  });
  test("a lone address has full length", () => expect(formatIpv4Prefix(parseIpv4Prefix("10.1.1.1")!)).toBe("10.1.1.1"));
  test.each(["10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "/8", "10.0.0.0/-1", "10.0.0.0/8/8"])("%j is malformed", (text) =>
    expect(parseIpv4Prefix(text)).toBeUndefined(),
  );
  test("length and mask", () => {
    for (let length = 0; length <= 32; length++) expect(ipv4MaskLength(ipv4Mask(length))).toBe(length);
    expect(ipv4MaskLength(ipv4Of(0xff00ff00))).toBeUndefined();
  });
});

describe("IPv6 prefixes", () => {
  test("text", () => expect(formatIpv6Prefix(parseIpv6Prefix("FD00::1/64")!)).toBe("fd00::1/64"));
  test("masks", () => {
    expect(parseIpv6Prefix("fd00::/ffff:ffff::")?.length).toBe(32);
    expect(formatIpv6Masked(parseIpv6Masked("ff02::1:2/ffff::ffff")!)).toBe("ff02::1:2/ffff::ffff");
    for (let length = 0; length <= 128; length++) expect(ipv6MaskLength(ipv6Mask(length))).toBe(length);
    expect(ipv6MaskLength(ipv6Of(1n))).toBeUndefined();
  });
  test("contains", () => expect(ipv6Contains(parseIpv6Prefix("fe80::/10")!, parseIpv6("febf::1")!)).toBe(true));
});

test("parsers take any text", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      parseIpv4Prefix(text);
      parseIpv6Prefix(text);
    }),
  );
});
