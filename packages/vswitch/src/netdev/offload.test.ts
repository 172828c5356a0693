import { internetChecksum, pseudoSum4, pseudoSum6At } from "@weft/packet";
import type { FrameOffload } from "@weft/runtime";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DpAction } from "../datapath/actions.ts";
import { WORD } from "../flow/key.ts";
import { finishFrame, onlyForwards } from "./offload.ts";

/** A TCP frame as a sender leaves it to its device: a long payload, and only the pseudo-header's sum where the checksum goes. */
function largeTcp(payload: Uint8Array, options: { readonly v6: boolean; readonly vlan: boolean; readonly flags: number }) {
  const l3 = options.vlan ? 18 : 14;
  const l4 = l3 + (options.v6 ? 40 : 20);
  const frame = new Uint8Array(l4 + 20 + payload.length);
  const view = new DataView(frame.buffer);
  frame.set([0x50, 0x54, 0, 0, 0, 2, 0x50, 0x54, 0, 0, 0, 1]);
  if (options.vlan) view.setUint32(12, 0x81000064);
  view.setUint16(l3 - 2, options.v6 ? 0x86dd : 0x0800);
  if (options.v6) {
    frame[l3] = 0x60;
    frame[l3 + 6] = 6;
    frame[l3 + 7] = 64;
    frame.fill(0xfd, l3 + 8, l3 + 40);
  } else {
    frame[l3] = 0x45;
    view.setUint16(l3 + 4, 0xfffe);
    frame[l3 + 8] = 64;
    frame[l3 + 9] = 6;
    frame.set([10, 0, 0, 1, 10, 0, 0, 2], l3 + 12);
  }
  view.setUint32(l4 + 4, 0xffff_ff00);
  frame[l4 + 12] = 0x50;
  frame[l4 + 13] = options.flags;
  frame.set(payload, l4 + 20);
  return { frame, l3, l4 };
}

const offloadOf = (l4: number, segments: FrameOffload["segments"], segmentSize: number): FrameOffload => ({
  needsChecksum: true,
  segments,
  checksumStart: l4,
  checksumOffset: 16,
  segmentSize,
  congestion: false,
});

describe("frames with work left to do", () => {
  it("are cut into segments that are whole TCP packets, and together are what was sent", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 5000 }),
        fc.integer({ min: 1, max: 1460 }),
        fc.boolean(),
        fc.boolean(),
        (payload, size, v6, vlan) => {
          const { frame, l3, l4 } = largeTcp(payload, { v6, vlan, flags: 0x80 | 0x18 | 0x01 });
          const segments: Uint8Array[] = [];
          expect(finishFrame(frame, offloadOf(l4, v6 ? "tcp6" : "tcp4", size), (one) => segments.push(one))).toBe(true);
          expect(segments.length).toBe(Math.ceil(payload.length / size));
          segments.forEach((segment, i) => {
            const view = new DataView(segment.buffer);
            const length = segment.length - l4;
            expect(length).toBeLessThanOrEqual(20 + size);
            expect(view.getUint16(v6 ? l3 + 4 : l3 + 2)).toBe(v6 ? length : segment.length - l3);
            if (!v6) {
              expect(internetChecksum(segment, l3, l4)).toBe(0);
              expect(view.getUint16(l3 + 4)).toBe((0xfffe + i) & 0xffff);
            }
            const pseudo = v6
              ? pseudoSum6At(segment, l3, 6, length)
              : pseudoSum4(view.getUint32(l3 + 12), view.getUint32(l3 + 16), 6, length);
            expect(internetChecksum(segment, l4, segment.length, pseudo)).toBe(0);
            expect(view.getUint32(l4 + 4)).toBe((0xffff_ff00 + i * size) >>> 0);
            // FIN and PSH go with the last byte, CWR with the first.
            const [first, last] = [i === 0, i === segments.length - 1];
            expect(segment[l4 + 13]).toBe(0x10 | (first ? 0x80 : 0) | (last ? 0x09 : 0));
          });
          expect(Buffer.concat(segments.map((segment) => segment.subarray(l4 + 20))).equals(payload)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("get the checksum that is missing", () => {
    const { frame, l3, l4 } = largeTcp(Uint8Array.of(1, 2, 3), { v6: false, vlan: false, flags: 0x10 });
    const view = new DataView(frame.buffer);
    const pseudo = pseudoSum4(view.getUint32(l3 + 12), view.getUint32(l3 + 16), 6, frame.length - l4);
    view.setUint16(l4 + 16, pseudo % 65535);
    const out: Uint8Array[] = [];
    expect(finishFrame(frame, offloadOf(l4, "none", 0), (one) => out.push(one))).toBe(true);
    expect(internetChecksum(out[0] as Uint8Array, l4, frame.length, pseudo)).toBe(0);
  });

  it("are dropped when what is said of them cannot be", () => {
    const offload = fc.record({
      needsChecksum: fc.boolean(),
      segments: fc.constantFrom("none", "tcp4", "tcp6", "udp", "other") as fc.Arbitrary<FrameOffload["segments"]>,
      checksumStart: fc.nat(0xffff),
      checksumOffset: fc.nat(0xffff),
      segmentSize: fc.integer({ min: 16, max: 0xffff }),
      congestion: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 14, maxLength: 200 }), offload, (frame, left) => {
        let bytes = 0;
        const done = finishFrame(frame, left, (one) => {
          bytes += one.length;
        });
        expect(bytes > 0).toBe(done);
        if (left.segments === "other") expect(done).toBe(false);
      }),
      { numRuns: 500 },
    );
  });
});

describe("flows that a frame with work left to do may take as it is", () => {
  const output: DpAction = { type: "output", port: 1 };
  const set = (group: "eth" | "ipv4", word: number): DpAction => ({
    type: "set",
    group,
    words: [word],
    values: [1],
    masks: [-1],
  });
  it("send it, and change nothing that its checksum covers", () => {
    const all = () => true;
    expect(onlyForwards([output, set("eth", WORD.eth_dst), set("ipv4", WORD.nw_ttl), output], all)).toBe(true);
    expect(onlyForwards([set("ipv4", WORD.nw_src), output], all)).toBe(false);
    expect(onlyForwards([{ type: "push_vlan", tpid: 0x8100, tci: 0x1001 }, output], all)).toBe(false);
    expect(onlyForwards([output, { type: "output", port: 2 }], (port) => port === 1)).toBe(false);
    expect(onlyForwards([], all)).toBe(false);
  });
});
