import { WeftError } from "@weft/runtime";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat } from "../bytes.ts";
import { emit } from "../emit.ts";
import { EXAMPLES } from "../testing/examples.ts";
import { PcapWriter } from "./classic.ts";
import { PcapngWriter } from "./ng.ts";
import { LINK_TYPE, timestampOf } from "./packet.ts";
import { CaptureReader, readCapture } from "./reader.ts";

const frame = emit(EXAMPLES.ping!);
const time = { seconds: 1700000000, nanoseconds: 123456789 };

function capture(options: ConstructorParameters<typeof PcapWriter>[0]): Uint8Array {
  const writer = new PcapWriter(options);
  return concat(writer.header(), writer.record(time, frame), writer.record(time, frame.subarray(0, 20), 98));
}

function captureNg(): Uint8Array {
  const writer = new PcapngWriter();
  return concat(
    writer.header(),
    writer.interface({ name: "eth1" }),
    writer.interface({ snapLength: 30, linkType: LINK_TYPE.raw }),
    writer.record(time, frame, 0),
    writer.record(time, frame, 1),
  );
}

describe("classic", () => {
  test.each([true, false])("little endian: %s", (littleEndian) => {
    for (const nanoseconds of [true, false]) {
      const [first, second] = readCapture(capture({ littleEndian, nanoseconds }));
      expect(first).toEqual({
        time: { seconds: time.seconds, nanoseconds: nanoseconds ? 123456789 : 123456000 },
        bytes: frame,
        length: 98,
        linkType: LINK_TYPE.ethernet,
        interface: 0,
      });
      expect(second).toMatchObject({ length: 98, bytes: { length: 20 } });
    }
  });
  test("packets are cut to the snapshot length", () => {
    const [packet] = readCapture(capture({ snapLength: 60 }));
    expect(packet).toMatchObject({ length: 98, bytes: frame.slice(0, 60) });
  });
});

test("pcapng: two interfaces", () => {
  const [first, second] = readCapture(captureNg());
  expect(first).toEqual({ time, bytes: frame, length: 98, linkType: LINK_TYPE.ethernet, interface: 0 });
  expect(second).toEqual({ time, bytes: frame.slice(0, 30), length: 98, linkType: LINK_TYPE.raw, interface: 1 });
});

test.each([
  ["classic", capture({})],
  ["pcapng", captureNg()],
])("%s: a growing file can be followed byte by byte", (_name, bytes) => {
  const reader = new CaptureReader();
  const packets = [...bytes].flatMap((byte) => reader.push(Uint8Array.of(byte)));
  expect(packets).toEqual(readCapture(bytes));
  expect(reader.pending).toBe(0);
});

test("errors name the offset", () => {
  expect(() => readCapture(new Uint8Array(40))).toThrow("unknown file format (magic 0x00000000) at offset 0");
  const bytes = capture({});
  bytes[24 + 11] = 0xff;
  expect(() => readCapture(bytes)).toThrow(expect.objectContaining({ code: "pcap.malformed", place: { offset: 32 } }));
  expect(() => readCapture(capture({}).subarray(0, 50))).toThrow("truncated at offset 50");
});

test("milliseconds to timestamps", () => expect(timestampOf(1500.25)).toEqual({ seconds: 1, nanoseconds: 500250000 }));

test("random and mutated files give packets or a WeftError", () => {
  const mutation = fc.record({ at: fc.nat(), value: fc.integer({ min: 0, max: 255 }) });
  const file = fc
    .tuple(fc.constantFrom(capture({}), captureNg()), fc.array(mutation, { maxLength: 5 }))
    .map(([bytes, changes]) => {
      const changed = bytes.slice();
      for (const { at, value } of changes) changed[at % changed.length] = value;
      return changed;
    });
  fc.assert(
    fc.property(fc.oneof(file, fc.uint8Array({ maxLength: 100 })), (bytes) => {
      try {
        readCapture(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(WeftError);
      }
    }),
    { numRuns: 2000 },
  );
});
