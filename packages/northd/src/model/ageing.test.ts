import { expect, it } from "vitest";
import { lowestThreshold, parseThresholds, thresholdOf } from "./ageing.ts";

it("takes the threshold of the longest network", () => {
  const thresholds = parseThresholds("192.168.0.0/16:300;192.168.10.0/24:0;fe80::/10:600;192.168.10.7:5;1200")!;
  const of = (ip: string) => thresholdOf(thresholds, ip);
  expect(["192.168.1.1", "192.168.10.1", "192.168.10.7", "fe80::1", "fd00::1", "10.0.0.1"].map(of)).toEqual([
    300, 0, 5, 600, 1200, 1200,
  ]);
  expect(lowestThreshold(thresholds)).toBe(5);
});

it("leaves addresses alone that nothing is said of", () => {
  expect(thresholdOf(parseThresholds("10.0.0.0/8:5")!, "11.0.0.1")).toBe(0);
  expect(lowestThreshold(parseThresholds("")!)).toBeUndefined();
});

// What ovn-northd 26.03 takes and writes into Datapath_Binding, as it was seen.
it.each([
  ["5;;6", 6],
  ["5;", 5],
  ["10.0.0.0:7", 7],
  ["fe80::/10:600;7", 7],
  ["10.0.0.0/8:0;9", 9],
  ["3;7", 7],
  ["10.1.2.3/8:5", 5],
])("%s is %d", (text, seconds) => {
  expect(lowestThreshold(parseThresholds(text)!)).toBe(seconds);
});

it.each(["abc", "10.0.0.0/8:5;x", ":5", "-5", "4294967296", "5 ;6", "10.0.0.0/33:6", "0x10", "10.0.0.0/8/8:5"])(
  "%s is no threshold",
  (text) => {
    expect(parseThresholds(text)).toBeUndefined();
  },
);
