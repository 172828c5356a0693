/** The answers are those that ovn-controller 26.03 sent for the same questions. */
import { DNS_TYPE, decode, emit, find, parseIpv4, parseIpv6, parseMac } from "@weft/packet";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ipPacketOf } from "./answers.ts";
import { type DnsRow, dnsAnswer } from "./dns.ts";

const ROWS: readonly DnsRow[] = [
  {
    records: new Map([
      ["vm1.ovn.org", "10.0.0.1 fd01::1"],
      ["vm2", "10.0.0.2, 10.0.0.3"],
      ["1.0.0.10.in-addr.arpa", "vm1.ovn.org"],
    ]),
    options: new Map(),
  },
];
const OWNED: readonly DnsRow[] = [{ records: ROWS[0]!.records, options: new Map([["ovn-owned", "true"]]) }];

function question(name: string, type: number): Uint8Array {
  return emit([
    { kind: "ethernet", dst: parseMac("50:54:00:00:00:fe")!, src: parseMac("50:54:00:00:00:01")! },
    { kind: "ipv4", src: parseIpv4("10.0.0.1")!, dst: parseIpv4("8.8.8.8")! },
    { kind: "udp", srcPort: 4000, dstPort: 53 },
    { kind: "dns", id: 7, flags: 0x100, questions: [{ name, type }], answers: [], authorities: [], additionals: [] },
  ]);
}

function answer(name: string, type: number, rows = ROWS) {
  const packet = dnsAnswer(ipPacketOf(question(name, type))!, rows);
  return packet === undefined ? undefined : find(decode(packet), "dns");
}

const a = (text: string) => ({ type: 1, ttl: 3600, data: { type: "A", address: parseIpv4(text) } });
const aaaa = (text: string) => ({ type: 28, ttl: 3600, data: { type: "AAAA", address: parseIpv6(text) } });

test("addresses of the type that is asked for, or all", () => {
  expect(answer("vm1.ovn.org", DNS_TYPE.A)).toMatchObject({ id: 7, flags: 0x8100, answers: [a("10.0.0.1")] });
  expect(answer("vm1.ovn.org", DNS_TYPE.AAAA)?.answers).toMatchObject([aaaa("fd01::1")]);
  expect(answer("vm1.ovn.org", DNS_TYPE.ANY)?.answers).toMatchObject([a("10.0.0.1"), aaaa("fd01::1")]);
  expect(answer("vm2", DNS_TYPE.A)?.answers).toMatchObject([a("10.0.0.2"), a("10.0.0.3")]);
});

test("case is kept in the answer and means nothing", () => {
  expect(answer("VM1.Ovn.ORG", DNS_TYPE.A)?.answers).toMatchObject([{ name: "VM1.Ovn.ORG" }]);
});

test("names of addresses", () => {
  const data = { type: "name", name: "vm1.ovn.org" };
  expect(answer("1.0.0.10.in-addr.arpa", DNS_TYPE.PTR)?.answers).toMatchObject([{ type: 12, data }]);
});

test("what is unknown is left to others, unless OVN owns the name", () => {
  expect(answer("nope.org", DNS_TYPE.A)).toBeUndefined();
  expect(answer("vm2", DNS_TYPE.AAAA)).toBeUndefined();
  expect(answer("nope.org", DNS_TYPE.A, OWNED)).toBeUndefined();
  expect(answer("vm2", DNS_TYPE.MX, OWNED)).toBeUndefined();
  expect(answer("vm2", DNS_TYPE.AAAA, OWNED)).toMatchObject({ flags: 0x8105, answers: [] });
});

test("property: no message makes it throw", () => {
  const frame = question("vm1.ovn.org", DNS_TYPE.ANY);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(frame.length - 1), fc.nat(255)), { maxLength: 6 }),
      fc.nat(frame.length),
      (changes, length) => {
        const changed = frame.slice(0, length);
        for (const [at, byte] of changes) if (at < length) changed[at] = byte;
        const packet = ipPacketOf(changed);
        if (packet !== undefined) dnsAnswer(packet, ROWS);
      },
    ),
  );
});
