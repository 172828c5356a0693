import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseOptions, UsageError } from "./options.ts";

const rows = [
  { name: "timeout", short: "t", argument: "required" },
  { name: "timestamp" },
  { name: "verbose", short: "v", argument: "optional" },
  { name: "quiet", short: "q" },
] as const;

const parse = (line: string, stopAtFirst = false) => parseOptions(line === "" ? [] : line.split(" "), rows, { stopAtFirst });
const problem = (line: string) => {
  try {
    parse(line);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
};

describe("options", () => {
  test("values attached and separate, abbreviations, clusters", () => {
    expect(parse("--timeout=3 --timeo 4 -t5 -t 6 -qv -vdbg").options).toEqual([
      { name: "timeout", value: "3" },
      { name: "timeout", value: "4" },
      { name: "timeout", value: "5" },
      { name: "timeout", value: "6" },
      { name: "quiet" },
      { name: "verbose" },
      { name: "verbose", value: "dbg" },
    ]);
  });

  test("options among arguments, or only before them", () => {
    expect(parse("a -q b -- -q").rest).toEqual(["a", "b", "-q"]);
    expect(parse("-q a -q", true)).toEqual({ options: [{ name: "quiet" }], rest: ["a", "-q"] });
  });

  test("errors in getopt's words", () => {
    expect(problem("--foo")).toBe("unrecognized option '--foo'");
    expect(problem("--time")).toBe("option '--time' is ambiguous; possibilities: '--timeout' '--timestamp'");
    expect(problem("--quiet=1")).toBe("option '--quiet' doesn't allow an argument");
    expect(problem("--timeout")).toBe("option '--timeout' requires an argument");
    expect(problem("-Q")).toBe("invalid option -- 'Q'");
    expect(problem("-t")).toBe("option requires an argument -- 't'");
  });

  test("any words give options or a usage error", () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (args) => {
        try {
          parseOptions(args, rows);
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
    );
  });
});
