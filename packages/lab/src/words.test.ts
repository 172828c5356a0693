import { expect, it } from "vitest";
import { commandsOf, splitWords } from "./words.ts";

it("splits as a shell does", () => {
  expect(splitWords(`lsp-set-addresses vm1 "40:44:00:00:00:01 192.168.0.11"`)).toEqual([
    "lsp-set-addresses",
    "vm1",
    "40:44:00:00:00:01 192.168.0.11",
  ]);
  expect(splitWords(`a 'b "c"' d\\ e "f\\"g" '' # and a comment`)).toEqual(["a", 'b "c"', "d e", 'f"g', ""]);
  expect(commandsOf("# first\none \\\n  two\n\nthree &")).toEqual([
    { words: ["one", "two"], background: false },
    { words: ["three"], background: true },
  ]);
});

it("says what needs a shell", () => {
  expect(() => splitWords("a | b")).toThrow('"|" in "a | b" needs a shell');
  expect(() => splitWords("echo $HOME")).toThrow('"$"');
  expect(() => splitWords('a "b')).toThrow("unterminated");
});
