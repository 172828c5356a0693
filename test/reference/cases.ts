/**
 * Cases of configuration in text files: "## name" begins a part that others use, "# name" a case. A line is an edit, as
 * ovn-nbctl(8) takes it; "use NAME" stands for a part's lines, "commit" ends a transaction, "sbctl ..." is an edit of both
 * southbound databases between two transactions, and "sbset TABLE PORT COLUMN=VALUE..." one of the rows of a logical port.
 * "learn PORT PREFIX NEXTHOP" is a route that a chassis learned; the case ends with such lines, as the reference deletes all
 * of these routes when it computes from scratch.
 */
import { readFileSync } from "node:fs";
import type { NorthdPair } from "../northdPair.ts";

export interface Case {
  readonly name: string;
  readonly lines: readonly string[];
}

export function casesOf(file: string): readonly Case[] {
  const parts = new Map<string, readonly string[]>();
  const cases: Case[] = [];
  for (const block of readFileSync(file, "utf8").split(/^#/m).slice(1)) {
    const [head = "", ...rest] = block.split("\n");
    const lines = rest.map((line) => line.trim()).filter((line) => line !== "");
    const full = lines.flatMap((line) => (line.startsWith("use ") ? parts.get(line.slice(4))! : [line]));
    if (head.startsWith("#")) parts.set(head.slice(1).trim(), full);
    else cases.push({ name: head.trim(), lines: full });
  }
  return cases;
}

/** Brings both sides to a case's configuration. */
export async function play(pair: NorthdPair, { lines }: Case): Promise<void> {
  let edits: string[] = [];
  const commit = async () => {
    await (edits.length === 0 ? pair.settle() : pair.edit(edits.join("\n")));
    edits = [];
  };
  const learned: string[] = [];
  for (const line of lines) {
    if (line === "commit") await commit();
    else if (line.startsWith("learn ")) {
      const [, port, prefix, nexthop] = line.split(" ");
      const where = `datapath=<${port}:datapath> logical_port=<${port}>`;
      learned.push(`create Learned_Route ${where} ip_prefix="${prefix}" nexthop="${nexthop}"`);
    } else if (line.startsWith("sbset ")) {
      await commit();
      const [, table, port, ...columns] = line.split(" ");
      pair.sbset(table as "BFD", port!, ...columns);
    } else if (line.startsWith("sbctl ")) {
      await commit();
      pair.sbctl(line.slice(6));
    } else edits.push(line);
  }
  await commit();
  if (learned.length > 0) await learn(pair, learned.join("\n"));
}

const ATTEMPTS = 5;

/**
 * Chassis learn routes. What comes while the reference's northd waits for a database's answer, it answers by computing from
 * scratch, which deletes these routes: where one side has them and the other has not, they are learned again.
 */
async function learn(pair: NorthdPair, commands: string): Promise<void> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    pair.sbctl(commands);
    await pair.sync();
    const [theirs, ours] = pair.learnedRoutes;
    if (theirs === ours || attempt === ATTEMPTS) return;
    pair.sbctl("--all destroy Learned_Route");
    await pair.sync();
  }
}
