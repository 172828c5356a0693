/** Random networks with features of all kinds: the reference's northd and ours have the same southbound database. */
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { NorthdPair } from "./northdPair.ts";
import { randomFeatures } from "./random/features.ts";
import { gatewayEdits } from "./random/gateways.ts";
import { randomLoadBalancers } from "./random/loadBalancers.ts";
import { RandomNetwork } from "./random/network.ts";
import { Chance } from "./random/xorshift.ts";

const first = Number(process.env["SEED"] ?? 1);
const networks = Number(process.env["NETWORKS"] ?? 15);
const site = { chassis: ["ch1", "ch2"], networkName: (number: number) => `n${number}`, meters: true };

let pair: NorthdPair;

beforeAll(async () => {
  pair = await NorthdPair.start(site.chassis);
});
afterEach(() => pair.clear());
afterAll(() => pair.stop());

/** In a router without chains of policies the reference asks for the first one or does not, whatever it computed before. */
const ANY_CHAIN = /(lr_in_policy \d+ )reg9\[16\.\.31\] == 0 && \((.*)\)(?= \{)/;

/** Words as a line that {@link NorthdPair.nbctl} takes. */
const line = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(" ");
const names = (list: readonly { readonly name: string }[]): string[] => list.map(({ name }) => name);

const seeds = Array.from({ length: networks }, (_, i) => first + i);
it.each(seeds)("network %i", { timeout: 60_000 }, async (seed) => {
  const network = new RandomNetwork(seed, { static: true });
  const chance = new Chance(seed);
  pair.nbctl(network.build(50).map(line).join("\n"));
  const holders = { switches: names(network.switches), routers: names(network.routers) };
  const edits = [
    ...(chance.percent(50) ? gatewayEdits(network, seed, 8, site).map(line) : []),
    ...(chance.percent(50) ? randomLoadBalancers(chance, holders, 3) : []),
    ...randomFeatures(network, chance, 15, site),
  ];
  for (const edit of edits) pair.nbctl(edit);
  await pair.settle();
  expect(pair.differences((line) => line.replace(ANY_CHAIN, "$1$2")).slice(0, 20), edits.join("\n")).toEqual([]);
});
