import { seededRandom } from "@weft/runtime";
import fc from "fast-check";
import { expect, it } from "vitest";
import { parseSchema } from "../model.ts";
import type { Uuid } from "../value.ts";
import { Database } from "./database.ts";
import { Row } from "./row.ts";
import { Slot, Slots } from "./slots.ts";

const random = seededRandom(3);
const table = new Database(parseSchema({ name: "D", tables: { T: { columns: { n: { type: "integer" } } } } }), random).table(
  "T",
)!;
const uuids = Array.from({ length: 300 }, () => random.uuid() as Uuid); // gives the form of one
const packed = uuids.map((uuid, n) => Row.of(table, uuid, [[n]]).packed);

it("slots come and go in any order, found by uuid and by another index, and stand in order of insertion", () => {
  const step = fc.record({ n: fc.nat(uuids.length - 1), count: fc.integer({ min: 1, max: 100 }), add: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const slots = new Slots();
      const model = new Map<number, Slot>();
      // All under a few hashes, so that entries must be told apart by what they stand for.
      const index = slots.index();
      for (const { n, count, add } of steps) {
        for (let i = n; i < Math.min(n + count, uuids.length); i++) {
          const known = model.get(i);
          if (add && known === undefined) {
            const slot = new Slot(table, packed[i]!);
            slots.add(slot);
            index.add(i % 7, slot.place);
            model.set(i, slot);
          } else if (!add && known !== undefined) {
            expect(index.delete(i % 7, known.place)).toBe(true);
            slots.delete(known);
            model.delete(i);
          }
        }
      }
      expect([...slots]).toEqual([...model.values()]);
      expect([slots.size, index.size]).toEqual([model.size, model.size]);
      for (const [i, uuid] of uuids.entries()) {
        const slot = model.get(i);
        expect(slots.get(uuid)).toBe(slot);
        expect(slots.at(index.find(i % 7, (place) => slots.at(place)!.is(uuid)))).toBe(slot);
      }
    }),
    { numRuns: 100 },
  );
});
