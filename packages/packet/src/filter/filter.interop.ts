import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { emit } from "../emit.ts";
import { EXAMPLES } from "../testing/examples.ts";
import { Tcpdump, type TestPacket } from "../testing/reference.ts";
import { FilterError } from "./error.ts";
import { compileFilter } from "./filter.ts";

let reference: Tcpdump;
beforeAll(() => {
  reference = new Tcpdump();
});
afterAll(() => reference.close());

const examples = Object.values(EXAMPLES).map((headers) => emit(headers));

/** Generated frames: examples, some changed behind the addresses, some cut. */
function frames(): TestPacket[] {
  const change = fc.record({ at: fc.nat({ max: 49 }), value: fc.oneof(fc.nat({ max: 255 }), fc.nat({ max: 7 })) });
  const frame = fc
    .tuple(fc.constantFrom(...examples), fc.array(change, { maxLength: 3 }), fc.nat({ max: 400 }))
    .map(([bytes, changes, cut]) => {
      const changed = bytes.slice();
      for (const { at, value } of changes) changed[12 + (at % (changed.length - 12))] = value;
      return { bytes: cut > 0 && cut < changed.length ? changed.slice(0, cut) : changed, length: changed.length };
    });
  return [...examples.map((bytes) => ({ bytes, length: bytes.length })), ...fc.sample(frame, { numRuns: 300, seed: 7 })];
}

const of = (...texts: readonly string[]): fc.Arbitrary<string> => fc.constantFrom(...texts);
const words = (...parts: readonly fc.Arbitrary<string>[]): fc.Arbitrary<string> =>
  fc.tuple(...parts).map((all) => all.filter((part) => part !== "").join(" "));

const direction = of("", "", "src", "dst", "src or dst", "src and dst");
const ipv4 = of("10.0.0.1", "10.0.0.2", "10.0.0.5", "192.168.50.100", "0.0.0.0", "239.1.1.1");
const ipv6 = of("fd00::1", "fd00::2", "fe80::1", "ff02::1", "ff02::1:ff00:2");
const port = of("80", "53", "67", "546", "4000", "6081", "4789", "43210", "1000", "5", "domain", "http");
const header = of("ether", "ip", "ip6", "tcp", "udp", "icmp", "icmp6", "arp", "sctp", "igmp");
const index = fc.oneof(
  { weight: 6, arbitrary: fc.nat({ max: 30 }).map(String) },
  of("ip[0] & 0xf", "tcpflags", "icmptype", "udp[4:2] & 7"),
);
const load = fc.tuple(header, index, of("", ":1", ":2", ":4")).map(([name, at, size]) => `${name}[${at}${size}]`);
const number = of("0", "1", "2", "4", "0xf", "64", "100", "0x0800", "0xffff", "4000", "len", "tcp-syn", "icmp-echo");
const { arithmetic } = fc.letrec<{ arithmetic: string }>((tie) => ({
  arithmetic: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    load,
    number,
    fc
      .tuple(tie("arithmetic"), of("+", "-", "*", "/", "&", "|", "<<", ">>", "%", "^"), tie("arithmetic"))
      .map((all) => all.join(" ")),
    tie("arithmetic").map((inside) => `(${inside})`),
  ),
}));
const relation = fc.tuple(arithmetic, of("=", "==", "!=", "<", ">", "<=", ">="), arithmetic).map((all) => all.join(" "));
const primitive = fc.oneof(
  of("ip", "ip6", "arp", "rarp", "tcp", "udp", "icmp", "icmp6", "sctp", "igmp", "stp", "ah", "broadcast", "multicast"),
  of("ip multicast", "ip6 multicast", "ip broadcast", "ether multicast", "vlan", "vlan 100", "vlan 30", "less 60", "greater 98"),
  words(of("", "ip", "arp", "rarp", "tcp"), direction, of("host"), ipv4),
  words(of("", "ip6", "ip"), direction, of("host"), ipv6),
  words(
    direction,
    of("net"),
    of("10.0.0.0/8", "192.168.0.0/16", "10", "10.0", "192.168.50", "10.0.0.0 mask 255.0.0.0", "10.0.0.1/24"),
  ),
  words(of("", "ip6"), direction, of("net"), of("fd00::/64", "fe80::/10", "fd00::1/64")),
  words(of("", "tcp", "udp", "sctp", "ip"), direction, of("port"), port),
  words(of("", "tcp", "udp"), direction, of("portrange"), of("1-100", "4000-5000", "100-50")),
  words(of("ether"), direction, of("host"), of("0a:00:00:00:00:01", "ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01")),
  words(of("ether", "ip", "ip6", ""), of("proto"), of("6", "17", "58", "0x800", "0x42", "44", "\\tcp", "\\udp", "\\ip")),
  words(of("ip6 protochain"), of("58", "6", "17")),
  words(of("src", "dst"), ipv4),
  relation,
);
const { expression } = fc.letrec<{ expression: string }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    primitive,
    words(tie("expression"), of("and", "or", "&&", "||"), fc.oneof(tie("expression"), ipv4, port)),
    words(of("not", "!"), tie("expression")),
    tie("expression").map((inside) => `(${inside})`),
  ),
}));
// what follows a tunnel that is not there is undefined in libpcap: a tunnel is asked for first
const filter = fc.oneof(
  { weight: 5, arbitrary: expression },
  words(of("geneve and", "geneve 3 and", "geneve 0xabcdef and"), primitive),
);

function seconds(output: string): Set<number> {
  return new Set([...output.matchAll(/^(17000\d{5})\.250000 /gm)].map((found) => Number(found[1]) - 1_700_000_000));
}

/** tcpdump's verdict: an error's text, or which packets it lets through, with its optimizer and without. */
function judge(file: string, text: string): string | readonly [Set<number>, Set<number>] {
  const plain = reference.run(file, ["-n", "-tt", "-O", "--", text]);
  if (plain.status !== 0) return plain.stderr;
  return [seconds(plain.stdout), seconds(reference.run(file, ["-n", "-tt", "--", text]).stdout)];
}

describe("against tcpdump", () => {
  test("generated filters let the same packets through, or are both errors", { timeout: 600_000 }, () => {
    const packets = frames();
    const file = reference.write("filters.pcap", packets);
    let evaluated = 0;
    fc.assert(
      fc.property(filter, (text) => {
        const verdict = judge(file, text);
        if (typeof verdict === "string") {
          expect(() => compileFilter(text), `tcpdump refuses it: ${verdict}`).toThrow(FilterError);
          return;
        }
        evaluated++;
        const accept = compileFilter(text);
        const wrong = packets
          .map((packet, i) => ({ i, ours: accept(packet.bytes, packet.length) }))
          // a load from behind the packet may or may not be optimized away
          .filter(({ i, ours }) => verdict.every((set) => set.has(i) !== ours));
        expect(wrong, text).toEqual([]);
      }),
      { numRuns: 400, seed: 11 },
    );
    expect(evaluated).toBeGreaterThan(150);
  });

  test.each([
    "tcp and and",
    "tcp host 10.0.0.1",
    "net 10.0.0.1/24",
    "ether host 10.0.0.1",
    "ip[0:3] = 1",
    "len / 0 = 1",
    "vlan 5000",
    "src fe80::/64",
    "icmp port 5",
    "(net fe80::/10) or fe80::1",
    "(ip host 10.0.0.1) and 10.0.0.2",
    "port 67 or 10.0.0.5",
    "arp proto 5",
    "tcp proto 5",
    "net 10.0.0.0/33",
  ])("%s: the same error", (text) => {
    const { stderr } = reference.run(reference.write("none.pcap", []), ["-n", "--", text]);
    let message = "";
    try {
      compileFilter(text);
    } catch (error) {
      message = error instanceof FilterError ? error.message : "";
    }
    expect(message).not.toBe("");
    expect(stderr).toContain(message);
  });
});
