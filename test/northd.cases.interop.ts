/** Gateways, NAT and routing: our northd makes of every case of test/cases/ what the reference makes of it. */
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { NorthdPair } from "./northdPair.ts";
import { gatewayEdits } from "./random/gateways.ts";
import { RandomNetwork } from "./random/network.ts";
import { casesOf, play } from "./reference/cases.ts";

let pair: NorthdPair;

beforeAll(async () => {
  pair = await NorthdPair.start(["ch1", "ch2", "ch3"]);
});
afterEach(() => pair.clear());
afterAll(() => pair.stop());

const first = Number(process.env["SEED"] ?? 1);
const networks = Number(process.env["NETWORKS"] ?? 8);

/** As a line for {@link NorthdPair.edit}. */
function line(edit: readonly string[]): string {
  return edit.map((word) => (/\s/.test(word) ? `'${word}'` : word)).join(" ");
}

for (const file of [
  "nat.txt",
  "mtu.txt",
  "routes.txt",
  "services.txt",
  "ports.txt",
  "networkFunctions.txt",
  "dynamicRouting.txt",
  "options.txt",
  "healthChecks.txt",
  "templates.txt",
  "interconnect.txt",
  "combinations.txt",
]) {
  describe(file, () => {
    it.each(casesOf(join(import.meta.dirname, "cases", file)))("$name", async (what) => {
      await play(pair, what);
      expect(pair.differences()).toEqual([]);
    });
  });
}

it(`gives ${networks} random networks with gateways the reference's flows`, { timeout: 30_000 * networks }, async () => {
  for (let seed = first; seed < first + networks; seed++) {
    const network = new RandomNetwork(seed, { static: true });
    await pair.edit([...network.build(50), ...gatewayEdits(network, seed, 25)].map(line).join("\n"));
    expect(pair.differences(), `network ${seed}`).toEqual([]);
    const edits = [...Array.from({ length: 10 }, () => network.next()), ...gatewayEdits(network, seed + 1000, 8)];
    await pair.edit(edits.map(line).join("\n"));
    expect(pair.differences(), `network ${seed}, changed:\n${edits.map(line).join("\n")}`).toEqual([]);
    await pair.clear();
  }
});
