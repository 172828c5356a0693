import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { emit } from "../emit.ts";
import { EXAMPLES } from "../testing/examples.ts";
import { Tcpdump, type TestPacket } from "../testing/reference.ts";
import { PacketPrinter, type PrinterOptions } from "./printer.ts";

let reference: Tcpdump;
beforeAll(() => {
  reference = new Tcpdump();
  expect(reference.version()).toContain("tcpdump version 4.99");
});
afterAll(() => reference.close());

const examples = Object.entries(EXAMPLES).map(([name, headers]) => ({ name, bytes: emit(headers) }));

/** Options with a time at the beginning of each packet, which tells packets from their further lines. */
const SETS: readonly (readonly [string, PrinterOptions])[] = [
  ["-n -tt", { numeric: true }],
  ["-n -tt -e", { numeric: true, link: true }],
  ["-tt -e", { link: true }],
  ["-n -tt -v", { numeric: true, verbose: 1 }],
  ["-n -tt -vv -e", { numeric: true, verbose: 2, link: true }],
  ["-n -tt -vvv", { numeric: true, verbose: 3 }],
  ["-n -tt -q", { numeric: true, quiet: true }],
  ["-n -tt -q -e -v", { numeric: true, quiet: true, link: true, verbose: 1 }],
  ["-n -tt -S", { numeric: true, absoluteSequence: true }],
  ["-n -tt -X", { numeric: true, hex: "X" }],
  ["-n -tt -xx -e", { numeric: true, hex: "xx", link: true }],
];

/** What both print of each packet, where it differs. */
function differences(
  packets: readonly (TestPacket & { readonly name: string })[],
  args: string,
  options: PrinterOptions,
): unknown[] {
  const file = reference.write("packets.pcap", packets);
  const theirs = reference.run(file, args.split(" ")).stdout.split(/^(?=17000\d{5}\.250000 )/m);
  const printer = new PacketPrinter({ ...options, time: "epoch" });
  const wrong: unknown[] = [];
  packets.forEach(({ name, bytes, length }, i) => {
    const ours = printer.print({ bytes, length, time: { seconds: 1_700_000_000 + i, nanoseconds: 250_000_000 } });
    const expected = (theirs[i] ?? "").replace(/\n$/, "");
    if (ours !== expected) wrong.push({ name, ours, expected });
  });
  return wrong;
}

describe("every example packet", () => {
  test.each(SETS)("%s", (args, options) => {
    expect(
      differences(
        examples.map(({ name, bytes }) => ({ name, bytes, length: bytes.length })),
        args,
        options,
      ),
    ).toEqual([]);
  });
});

describe("cut after every byte, as a short snapshot length leaves them", () => {
  const packets = examples.flatMap(({ name, bytes }) =>
    Array.from({ length: bytes.length - 1 }, (_, i) => ({
      name: `${name} cut ${i + 1}`,
      bytes: bytes.subarray(0, i + 1),
      length: bytes.length,
    })),
  );
  test.each(SETS.filter(([, options]) => options.hex === undefined && options.numeric))("%s", (args, options) => {
    expect(differences(packets, args, options).slice(0, 5)).toEqual([]);
  });
});

describe("times", () => {
  const packets = [0, 0.25, 3725.5, 2].map((at) => ({
    bytes: examples[0]!.bytes,
    length: 42,
    time: { seconds: 1_700_000_000 + Math.floor(at), nanoseconds: (at % 1) * 1e9 + 123_456_789 },
  }));
  test.each<[string, PrinterOptions]>([
    ["-n", { time: "clock" }],
    ["-n -t", { time: "none" }],
    ["-n -tt", { time: "epoch" }],
    ["-n -ttt", { time: "delta" }],
    ["-n -tttt", { time: "date" }],
    ["-n -ttttt", { time: "since-first" }],
    ["-n -#", { number: true }],
    ["-n -XX", { hex: "XX" }],
    ["-n -x", { hex: "x" }],
  ])("%s", (args, options) => {
    const printer = new PacketPrinter({ ...options, numeric: true });
    const ours = packets.map((packet) => `${printer.print(packet)}\n`).join("");
    expect(ours).toBe(reference.run(reference.write("times.pcap", packets), args.split(" ")).stdout);
  });
});

test("bad checksums are noticed", () => {
  const packets = ["ping", "tcpData", "udp", "udp6", "ping6", "igmpReport2", "mldReport2"].map((name) => {
    const bytes = emit(EXAMPLES[name]!);
    bytes[24] = bytes[24]! ^ 0x55;
    bytes[bytes.length - 1] = bytes[bytes.length - 1]! ^ 0x55;
    return { name, bytes, length: bytes.length };
  });
  expect(differences(packets, "-n -tt -vv", { numeric: true, verbose: 2 })).toEqual([]);
});
