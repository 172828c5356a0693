import { expect, test } from "vitest";
import { runOurs, runReference } from "./differential.ts";
import { ovnNbctl } from "./nbctl.ts";
import { ovnSbctl } from "./sbctl.ts";
import { ovsVsctl } from "./vsctl.ts";

const programs = [
  ["ovn-nbctl", ovnNbctl],
  ["ovn-sbctl", ovnSbctl],
  ["ovs-vsctl", ovsVsctl],
] as const;

/** From "[--may-exist] [--bfd?] ,NAME,ARGS": the name, and its options in order of their names. */
function commandsOf(text: string): Map<string, string> {
  const lines = text.split("\n").filter((line) => line !== "");
  return new Map(
    lines.map((line) => line.split(",")).map(([options = "", name = ""]) => [name, options.split(" ").sort().join(" ").trim()]),
  );
}

test.each(programs)("%s has every command and option of the reference", async (name, program) => {
  const theirs = commandsOf(runReference(name, ["--commands"]).stdout);
  const ours = commandsOf((await runOurs(program, ["--commands"])).stdout);
  expect(Object.fromEntries([...ours].sort())).toEqual(Object.fromEntries([...theirs].sort()));
});

test.each(programs)("%s has every option of the reference", async (name, program) => {
  const lines = (text: string) => text.split("\n").filter((line) => line !== "");
  const ours = new Set(lines((await runOurs(program, ["--options"])).stdout));
  const missing = lines(runReference(name, ["--options"]).stdout).filter((line) => !ours.has(line));
  expect(missing).toEqual([]);
});
