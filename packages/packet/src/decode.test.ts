import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesEqual, fromHex, toHex } from "./bytes.ts";
import { decode, find, findLayer, headers, innerLayers } from "./decode.ts";
import { emit, emitInto, emittedLength } from "./emit.ts";
import { EXAMPLES } from "./testing/examples.ts";
import type { Header } from "./wire/header.ts";

/** Emits into a filled buffer, so that a byte that nobody wrote shows. */
function emitFilled(packet: readonly Header[]): Uint8Array {
  const room = new Uint8Array(emittedLength(packet) + 16).fill(0xa5);
  const end = emitInto(room, 8, packet);
  expect([...room.subarray(0, 8), ...room.subarray(end)].every((byte) => byte === 0xa5)).toBe(true);
  return room.slice(8, end);
}

describe("every example packet", () => {
  test.each(Object.entries(EXAMPLES))("%s is emitted, read and emitted again alike", (_name, packet) => {
    const bytes = emitFilled(packet);
    expect(toHex(bytes)).toBe(toHex(emit(packet)));
    const layers = decode(bytes);
    expect(layers.map((layer) => layer.header.kind)).toEqual(packet.map((header) => header.kind));
    expect(layers.filter((layer) => layer.problem)).toEqual([]);
    expect(toHex(emitFilled(headers(layers)))).toBe(toHex(bytes));
    // right checksums are not part of the value, others are
    const checksums = (list: readonly Header[]): (number | undefined)[] =>
      list.map((h) => ("checksum" in h ? h.checksum : undefined));
    expect(checksums(headers(layers))).toEqual(checksums(packet));
  });

  test.each(Object.entries(EXAMPLES))("%s cut anywhere is emitted again as it was, and says what is missing", (_name, packet) => {
    const bytes = emit(packet);
    for (let length = 0; length < bytes.length; length++) {
      const cut = bytes.subarray(0, length);
      const layers = decode(cut);
      const again = emit(headers(layers));
      if (!layers.some(({ header }) => header.kind === "dns")) expect(toHex(again)).toBe(toHex(cut));
      expect(layers.at(-1)!.end).toBeLessThanOrEqual(length);
    }
  });
});

test("an ICMP error quotes a packet of which only the beginning is there", () => {
  const layers = decode(emit(EXAMPLES.icmpUnreachable!));
  const quoted = findLayer(layers, "ipv4", 1)!;
  expect(quoted.header.totalLength).toBe(1028);
  expect(quoted.missing).toBe(1000);
  expect(find(layers, "udp")?.dstPort).toBe(33434);
});

test("layers inside a tunnel", () => {
  const layers = decode(emit(EXAMPLES.geneveOvn!));
  expect(innerLayers(layers).map((layer) => layer.header.kind)).toEqual(["ethernet", "ipv4", "icmp", "payload"]);
  expect(find(layers, "ipv4", -1)?.ttl).toBe(63);
});

test("a truncated header becomes payload with its problem", () => {
  const layers = decode(fromHex("ffffffffffff 0a0000000001 0800 4500 0054 0000")!);
  const last = layers.at(-1)!;
  expect(last.header.kind).toBe("payload");
  expect(last.problem?.expected).toBe("ipv4");
  expect(last.problem?.error.place.offset).toBe(14);
  expect(last.missing).toBe(14);
});

test("Ethernet padding is kept as a trailer and not counted by IP", () => {
  const packet = emit([...EXAMPLES.arpRequest!]);
  const padded = new Uint8Array(60);
  padded.set(packet);
  const layers = decode(padded);
  expect(find(layers, "ethernet")?.trailer?.length).toBe(18);
  expect(bytesEqual(emit(headers(layers)), padded)).toBe(true);
});

describe("any bytes", () => {
  test("random", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void decode(bytes)),
      { numRuns: 1000 },
    );
  });

  const mutation = fc.record({ at: fc.nat(), value: fc.integer({ min: 0, max: 255 }) });
  const mutated = fc
    .tuple(fc.constantFrom(...Object.values(EXAMPLES)), fc.array(mutation, { minLength: 1, maxLength: 6 }))
    .map(([packet, changes]) => {
      const bytes = emit(packet);
      for (const { at, value } of changes) bytes[at % bytes.length] = value;
      return bytes;
    });
  test("mutated examples decode, and what was decoded can be emitted", () => {
    fc.assert(
      fc.property(mutated, (bytes) => {
        const layers = decode(bytes);
        emit(headers(layers));
        for (const layer of layers) expect(layer.problem?.error.place.offset ?? 0).toBeLessThanOrEqual(bytes.length);
      }),
      { numRuns: 3000 },
    );
  });
});
