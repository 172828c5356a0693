import { expect, test } from "vitest";
import { parseActions } from "../text/actions.ts";
import { ActionLists } from "./actionLists.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { encodeInstructions } from "./instructions.ts";

function instructions(text: string, version: number): Uint8Array {
  const out = new ByteWriter();
  encodeInstructions(parseActions(text), out, version);
  return out.slice();
}

test("equal bytes are read once, others anew", () => {
  const lists = new ActionLists();
  const read = (text: string) => lists.read(new ByteReader(instructions(text, 6)), 6);
  const first = read("set_field:1->reg0,resubmit(,9)");
  expect(first).toEqual(parseActions("set_field:1->reg0,resubmit(,9)"));
  expect(read("set_field:1->reg0,resubmit(,9)")).toBe(first);
  expect(read("set_field:2->reg0,resubmit(,9)")).not.toEqual(first);
  expect(lists.read(new ByteReader(new Uint8Array(0)), 6)).toEqual([]);
});

test("what is read is read to its end", () => {
  const lists = new ActionLists();
  for (let i = 0; i < 2; i++) {
    const input = new ByteReader(instructions("output:1", 6));
    lists.read(input, 6);
    expect(input.left).toBe(0);
  }
});

test("no more lists are kept than asked for", () => {
  const lists = new ActionLists(1);
  const read = (text: string) => lists.read(new ByteReader(instructions(text, 6)), 6);
  const kept = read("output:1");
  const other = read("output:2");
  expect(read("output:1")).toBe(kept);
  expect(read("output:2")).not.toBe(other);
  expect(read("output:2")).toEqual(other);
});
