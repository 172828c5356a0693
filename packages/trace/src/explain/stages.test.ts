import { stageNames } from "@weft/northd";
import { expect, it } from "vitest";
import { STAGE_PURPOSES } from "./stages.ts";

it("says of every stage what it is for, and of no other", () => {
  expect(Object.keys(STAGE_PURPOSES).sort()).toEqual([...stageNames()].sort());
});
