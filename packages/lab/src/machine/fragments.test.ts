import { emit, payload } from "@weft/packet";
import { virtualRuntime } from "@weft/runtime";
import fc from "fast-check";
import { expect, it } from "vitest";
import { fragmentsOf, Reassembly, readFragment } from "./fragments.ts";
import { ipHeader, parseIp } from "./ip.ts";

const packetOf = (family: 4 | 6, bytes: number) => {
  const [src, dst] = family === 4 ? ["10.0.0.1", "10.0.0.2"] : ["fd00::1", "fd00::2"];
  const header = ipHeader(parseIp(src!)!, parseIp(dst!)!, { id: 77 })!;
  return emit([header, { kind: "udp", srcPort: 1, dstPort: 2 }, payload(Uint8Array.from({ length: bytes }, (_, i) => i * 7))]);
};
const reassembly = () => new Reassembly(virtualRuntime().clock);
const give = (to: Reassembly, piece: Uint8Array) => to.add(readFragment(piece)!, piece);

it.each([4, 6] as const)("IPv%s: what was cut comes together again, in any order, cut twice where that is allowed", (family) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1400, max: 9000 }),
      fc.integer({ min: 100, max: 1400 }),
      fc.infiniteStream(fc.nat()),
      (size, mtu, dice) => {
        const packet = packetOf(family, size);
        let pieces = fragmentsOf(packet, mtu, 5)!;
        expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThanOrEqual(mtu);
        if (family === 4) pieces = pieces.flatMap((piece) => (piece.length > 90 ? fragmentsOf(piece, 90, 5)! : [piece]));
        const shuffled = pieces.map((piece) => [dice.next().value, piece] as const).sort(([a], [b]) => a - b);
        const to = reassembly();
        const whole = shuffled.map(([, piece]) => give(to, piece));
        expect(whole.slice(0, -1).every((result) => result === undefined)).toBe(true);
        expect(whole.at(-1)).toEqual(packet);
      },
    ),
    { numRuns: 50 },
  );
});

it("overlapping pieces lose the packet", () => {
  const [first, second] = fragmentsOf(packetOf(4, 2000), 1500, 1) as [Uint8Array, Uint8Array];
  const [shorter] = fragmentsOf(packetOf(4, 2000), 1000, 1) as [Uint8Array];
  const to = reassembly();
  expect(give(to, first)).toBeUndefined();
  expect(give(to, shorter)).toBeUndefined();
  expect(give(to, second)).toBeUndefined();
});

it("any bytes are a fragment, a whole packet or neither", () => {
  const to = reassembly();
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 120 }),
      fc.constantFrom(0x45, 0x60),
      fc.constantFrom(0, 17, 44),
      (bytes, version, next) => {
        if (bytes.length > 10) bytes.set([version, 0, 0, bytes.length, 0, 9, next], 0);
        const fragment = readFragment(bytes);
        if (fragment) expect(to.add(fragment, bytes)?.length ?? 0).toBeLessThanOrEqual(65535);
      },
    ),
  );
});
