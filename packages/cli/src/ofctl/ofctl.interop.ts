/**
 * The same command lines by the reference's ovs-ofctl on a switch of the reference's, by our ovs-ofctl there, and by the
 * reference's on our switch: what is answered, and what is left.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, runOurs } from "../ctl/differential.ts";
import { changes, questions, versioned } from "./corpus.ts";
import { ofctl } from "./main.ts";
import { TestBridge } from "./switches.ts";

const theirs = new TestBridge();
const ours = new TestBridge();

beforeAll(async () => {
  await Promise.all([theirs.start("reference"), ours.start("weft")]);
});

afterAll(async () => {
  await Promise.all([theirs.stop(), ours.stop()]);
});

/** Runs a line with one client on one switch. */
type Side = (line: string) => Promise<Answer>;

const stock =
  (bridge: TestBridge): Side =>
  (line) =>
    bridge.run("ovs-ofctl", ...bridge.words(line));

/** What differs from run to run, and the logs, taken out. */
function told({ stdout, stderr, code }: Answer, dir: string): string {
  const text = `${stdout}${stderr}`
    .replace(/^\d{4}-\d\d-\d\dT.*\n/gm, "")
    .replace(/^\S*ovs-ofctl: /gm, "ovs-ofctl: ")
    .replaceAll(dir, "DIR")
    .replace(/xid=0x[0-9a-f]+/g, "xid")
    .replace(/duration([=:])[\d.]+s/g, "duration$1D")
    .replace(/, (hard|idle)_age=\d+/g, "")
    .replace(/(n_packets|n_bytes|packet_count|byte_count|lookup|matched)=\d+/g, "$1=N")
    .replace(/(rx|tx) pkts=\d+, bytes=\d+, drop=[\d?]+/g, "$1 N")
    .replace(/((?:rx|tx)_\w+)=\d+/g, "$1=N")
    .replace(/addr:(?!02:00:00:00:00:aa)[0-9a-f:]+/g, "addr:MAC");
  return `${text.replace(/\n?$/, "\n")} exit ${code}`;
}

/** What comes in the order of a hash table. */
const UNORDERED =
  /\b(diff-flows|dump-flows|dump-groups|dump-meters|dump-group-stats|dump-ports|dump-ports-desc|show|queue-stats)\b/;

const inOrder = (line: string, text: string): string =>
  UNORDERED.test(line)
    ? text
        .split(/\n(?=[ +-])/)
        .sort()
        .join("\n")
    : text;

const STATE = [
  "-OOpenFlow15 dump-flows @",
  "-OOpenFlow15 dump-groups @",
  "-OOpenFlow15 dump-meters @",
  "dump-tlv-map @",
  "-OOpenFlow14 dump-ports-desc @",
  "get-frags @",
];

async function state(bridge: TestBridge): Promise<string> {
  const texts = STATE.map(async (line) =>
    told(await stock(bridge)(line), bridge.dir)
      .split("\n")
      .sort()
      .join("\n"),
  );
  return (await Promise.all(texts)).join("\n");
}

const RESET = [
  "del-flows @",
  "-OOpenFlow15 del-groups @",
  "-OOpenFlow15 del-meters @",
  "del-tlv-map @",
  "set-frags @ normal",
  ...["up", "flood", "forward", "packet-in"].map((word) => `mod-port @ x1 ${word}`),
  "-OOpenFlow14 mod-table @ 0 noevict",
  "-OOpenFlow14 mod-table @ 0 novacancy",
];

async function run(bridge: TestBridge, lines: readonly string[]): Promise<void> {
  for (const line of lines) await stock(bridge)(line);
}

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

/** What each line is answered. */
async function answers(side: Side, bridge: TestBridge, text: string): Promise<string[]> {
  const all: string[] = [];
  for (const line of lines(text)) all.push(`${line}\n${inOrder(line, told(await side(line), bridge.dir))}`);
  return all;
}

/** What each line is answered, and what it leaves: each finds an empty switch, or what the line names before ";;". */
async function effects(side: Side, bridge: TestBridge, text: string): Promise<string[]> {
  await run(bridge, RESET);
  const empty = await state(bridge);
  const all: string[] = [];
  for (const line of lines(text)) {
    const [setup, command] = (line.includes(" ;; ") ? line.split(" ;; ") : ["", line]) as [string, string];
    if (setup !== "") await run(bridge, [setup]);
    const answer = inOrder(command, told(await side(command), bridge.dir));
    const left = await state(bridge);
    if (left !== empty || /mod-table/.test(command)) await run(bridge, RESET);
    all.push(`${line}\n${answer}\n${left}`);
  }
  return all;
}

/** Where two lists of answers differ. */
const differences = (got: readonly string[], wanted: readonly string[]) =>
  wanted.flatMap((want, i) => (got[i] === want ? [] : [`--- wanted\n${want}\n--- got\n${got[i]}`]));

const ourClient: Side = (line) => runOurs(ofctl, theirs.words(line), theirs.env);

test("questions are answered in the same words", async () => {
  for (const one of [theirs, ours]) await run(one, [...RESET, "add-flows @ f1"]);
  const wanted = await answers(stock(theirs), theirs, questions);
  expect(differences(await answers(ourClient, theirs, questions), wanted), "our client").toEqual([]);
  expect(differences(await answers(stock(ours), ours, questions), wanted), "our switch").toEqual([]);
});

test("changes are reported in the same words, and leave the same switch", { timeout: 900_000 }, async () => {
  const wanted = await effects(stock(theirs), theirs, changes);
  expect(differences(await effects(ourClient, theirs, changes), wanted), "our client").toEqual([]);
  expect(differences(await effects(stock(ours), ours, changes), wanted), "our switch").toEqual([]);
});

test.each(["10", "13", "14", "15"])("the same session in OpenFlow%s", async (version) => {
  const text = versioned.replaceAll("%", `-OOpenFlow${version}`);
  for (const one of [theirs, ours]) await run(one, [...RESET, "-OOpenFlow15 mod-table @ 1 name:foo"]);
  const wanted = await answers(stock(theirs), theirs, text);
  await run(theirs, RESET);
  expect(differences(await answers(ourClient, theirs, text), wanted), "our client").toEqual([]);
  expect(differences(await answers(stock(ours), ours, text), wanted), "our switch").toEqual([]);
});
