import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { emit } from "../emit.ts";
import { EXAMPLES } from "../testing/examples.ts";
import { PacketPrinter, printPacket } from "./printer.ts";

const text = (name: string, options: Parameters<typeof printPacket>[1] = {}): string =>
  printPacket(emit(EXAMPLES[name]!), { numeric: true, time: "none", ...options });

describe("one packet", () => {
  test("ARP", () => expect(text("arpRequest")).toBe("ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28"));
  test("a ping behind a VLAN tag, with -e", () =>
    expect(text("vlanPing", { link: true })).toBe(
      "0a:00:00:00:00:01 > 0a:00:00:00:00:02, ethertype 802.1Q (0x8100), length 102: vlan 100, p 3, " +
        "ethertype IPv4 (0x0800), 10.0.0.1 > 10.0.0.2: ICMP echo request, id 7, seq 1, length 64",
    ));
  test("Geneve with OVN's option, with -vv", () =>
    expect(text("geneveOvn", { verbose: 2 }).split("\n")).toEqual([
      "IP (tos 0x0, ttl 64, id 4660, offset 0, flags [DF], proto UDP (17), length 142)",
      "    192.168.50.100.35123 > 192.168.50.101.6081: [udp sum ok] Geneve, Flags [C], vni 0x3, " +
        "options [class Open Virtual Networking (OVN) (0x102) type 0x80(C) len 8 data 00010002]",
      "\tIP (tos 0x0, ttl 63, id 4660, offset 0, flags [DF], proto ICMP (1), length 84)",
      "    10.0.0.5 > 10.0.0.2: ICMP echo request, id 7, seq 1, length 64",
    ]));
  test("a cut packet", () =>
    expect(printPacket(emit(EXAMPLES.tcpSyn!).subarray(0, 50), { numeric: true, time: "none" })).toBe(
      "IP truncated-ip - 24 bytes missing! 10.0.0.1.43210 > 10.0.0.2.80:  [|tcp]",
    ));
  test("a route information option longer than a prefix can be, as tcpdump has it", () => {
    const routeInfo = { option: "other", type: 24, data: new Uint8Array(30) } as const;
    const layers = EXAMPLES.ndRouterAdvertisement!.map((layer) =>
      layer.kind === "nd" ? ({ ...layer, options: [routeInfo] } as typeof layer) : layer,
    );
    expect(printPacket(emit(layers), { numeric: true, time: "none", verbose: 1 })).toMatch(
      /\n\t {2}route info option \(24\), length 32 \(4\): {2}\[\|icmp6\]$/,
    );
  });
  test("bytes", () =>
    expect(text("arpReply", { hex: "XX" }).split("\n").slice(1)).toEqual([
      "\t0x0000:  0a00 0000 0002 0a00 0000 0001 0806 0001  ................",
      "\t0x0010:  0800 0604 0002 0a00 0000 0001 0a00 0001  ................",
      "\t0x0020:  0a00 0000 0002 0a00 0002                 ..........",
    ]));
});

test("sequence numbers are relative within a conversation", () => {
  const printer = new PacketPrinter({ numeric: true, time: "none" });
  const lines = ["tcpSyn", "tcpSynAck", "tcpData"].map((name) => printer.print({ bytes: emit(EXAMPLES[name]!) }));
  expect(lines[1]).toContain("seq 5000, ack 1001");
  expect(lines[2]).toContain("seq 1:31, ack 1,");
});

describe("any bytes", () => {
  const options = fc.record({
    link: fc.boolean(),
    numeric: fc.boolean(),
    verbose: fc.nat({ max: 3 }),
    quiet: fc.boolean(),
    hex: fc.constantFrom(undefined, "x", "XX"),
  } as const);
  test("random", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), options, (bytes, how) => void printPacket(bytes, how)),
      { numRuns: 1000 },
    );
  });
  test("mutated examples, cut", () => {
    const mutation = fc.record({ at: fc.nat(), value: fc.integer({ min: 0, max: 255 }) });
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.values(EXAMPLES)),
        fc.array(mutation, { maxLength: 6 }),
        fc.nat(),
        options,
        (packet, changes, cut, how) => {
          const bytes = emit(packet);
          for (const { at, value } of changes) bytes[at % bytes.length] = value;
          printPacket(bytes.subarray(0, bytes.length - (cut % 20)), how);
        },
      ),
      { numRuns: 3000 },
    );
  });
});
