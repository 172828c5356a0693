import fc from "fast-check";
import { expect, it } from "vitest";
import { JsonBytes } from "./jsonBytes.ts";

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

it("writes any string as JSON.stringify does, after whatever there is, and keeps what was taken", () => {
  const bytes = new JsonBytes();
  let before: { readonly taken: Uint8Array; readonly is: string } | undefined;
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.constant("x".repeat(90_000))), { maxLength: 30 }),
      (values) => {
        bytes.ascii("[1");
        for (const value of values) {
          bytes.ascii(",");
          bytes.string(value);
        }
        const end = bytes.end;
        bytes.string("taken back");
        bytes.end = end;
        const is = `2${values.map((value) => `,${JSON.stringify(value)}`).join("")}`;
        bytes.overwrite(1, "2");
        expect(text(bytes.from(1))).toBe(is);
        const taken = bytes.take(1);
        if (before !== undefined) expect(text(before.taken)).toBe(before.is);
        before = { taken, is };
        expect(bytes.end).toBe(0);
      },
    ),
    { numRuns: 100 },
  );
});
