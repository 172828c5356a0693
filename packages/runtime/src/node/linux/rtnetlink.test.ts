import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressOf, linkOf, messagesOf, RTM, routeOf, setLinkRequest } from "./rtnetlink.ts";

/** Recorded from the kernel (little-endian), but for attributes that are not read. */
const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(/\s/g, ""), "hex");
const LINK = bytes(`
  00 00 0100 07000000 43100100 00000000
  0a00 0300 766574683000 0000
  0800 0400 dc050000
  0a00 0100 525400aabbcc 0000
  0800 0500 09000000`);
const ADDRESS = bytes("02 18 80 00 07000000  0800 0100 0a000001  0800 0200 0a000002");
const ROUTE = bytes(`
  02 10 00 00 fe 03 00 01 00000000
  0800 0f00 fe000000  0800 0100 0a090000  0800 0500 0a050007  0800 0400 07000000  0800 0600 64000000`);

describe("rtnetlink", () => {
  it("reads links", () => {
    const link = linkOf(LINK);
    expect(link).toMatchObject({
      index: 7,
      name: "veth0",
      mtu: 1500,
      mac: "52:54:00:aa:bb:cc",
      up: true,
      carrier: true,
      peer: 9,
    });
    expect(link?.statistics.rx_packets).toBe(0);
  });

  it("reads addresses: the host's own end of a point-to-point link", () => {
    expect(addressOf(ADDRESS)).toEqual({ link: 7, address: "10.0.0.2", prefixLength: 24 });
    const tentative = Buffer.from(ADDRESS);
    tentative[2] = 0x40;
    expect(addressOf(tentative)).toBeUndefined();
  });

  it("reads routes", () => {
    expect(routeOf(ROUTE)).toEqual({
      link: 7,
      family: 4,
      destination: "10.9.0.0",
      prefixLength: 16,
      gateway: "10.5.0.7",
      source: undefined,
      metric: 100,
      local: false,
    });
    const multicast = Buffer.from(ROUTE);
    multicast[7] = 5;
    expect(routeOf(multicast)).toBeUndefined();
  });

  it("writes requests that it could read", () => {
    const [message] = messagesOf(setLinkRequest(7, { up: true, mac: "52:54:00:aa:bb:cc", mtu: 1400 }));
    expect(message?.type).toBe(RTM.NEWLINK);
    // A name is all that is missing.
    const named = Buffer.concat([message?.body ?? Buffer.alloc(0), bytes("0700 0300 61626300")]);
    expect(linkOf(named)).toMatchObject({ index: 7, name: "abc", mtu: 1400, up: true });
  });

  it("survives whatever comes", () => {
    const mutated = fc
      .tuple(fc.constantFrom(LINK, ADDRESS, ROUTE), fc.array(fc.tuple(fc.nat(80), fc.nat(255)), { maxLength: 8 }), fc.nat(80))
      .map(([from, changes, length]) => {
        const copy = Buffer.from(from);
        for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
        return copy.subarray(0, length);
      });
    fc.assert(
      fc.property(
        fc.oneof(
          mutated,
          fc.uint8Array({ maxLength: 120 }).map((some) => Buffer.from(some)),
        ),
        (some) => {
          for (const { body } of [...messagesOf(some), { body: some }]) {
            linkOf(body);
            addressOf(body);
            routeOf(body);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
