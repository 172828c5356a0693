/** Gateways, NAT and routing: our northd makes of every case of test/cases/ what the reference makes of it. */
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { NorthdPair } from "./northdPair.ts";
import { casesOf, play } from "./reference/cases.ts";

let pair: NorthdPair;

beforeAll(async () => {
  pair = await NorthdPair.start(["ch1", "ch2", "ch3"]);
});
afterEach(() => pair.clear());
afterAll(() => pair.stop());

for (const file of ["nat.txt", "mtu.txt", "routes.txt", "services.txt"]) {
  describe(file, () => {
    it.each(casesOf(join(import.meta.dirname, "cases", file)))("$name", async (what) => {
      await play(pair, what);
      expect(pair.differences()).toEqual([]);
    });
  });
}
