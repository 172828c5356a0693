/**
 * A gateway that dies under a stream of packets, a hundred a second: how many are lost until the next gateway has taken over, by
 * BFD with the intervals that OVN asks for: between two and three seconds, as the packets and the failure happen to lie. As in test/failover.interop.ts.
 */

import { nodeRuntime } from "@weft/runtime";
import { FailoverCloud, STREAM_MS } from "../test/reference/failover.ts";
import { linkFolder } from "../test/reference/processes.ts";
import { median, type Side } from "./daemons.ts";
import type { Result } from "./table.ts";

const ROUNDS = 5;
const STREAM = 8000;

/** Packets that a failure of the first gateway costs. */
async function lost(side: Side): Promise<number> {
  const { clock } = nodeRuntime();
  const cloud = new FailoverCloud({ g1: side, g2: side, w1: side }, side);
  try {
    while (!(["g1", "g2", "w1"] as const).every((node) => cloud.watched(node) === 2)) await clock.sleep(200);
    while (cloud.chassis("cr-rext")[0] !== "g1 true") await clock.sleep(200);
    await cloud.stream(2000);
    await clock.sleep(1000);
    const before = cloud.sent - cloud.arrived();
    cloud.kill("g1");
    await cloud.stream(STREAM);
    await clock.sleep(1000);
    return cloud.sent - cloud.arrived() - before;
  } finally {
    cloud.stop();
  }
}

export async function failover(): Promise<Result[]> {
  const unlink = linkFolder();
  try {
    const counts: Record<Side, number[]> = { weft: [], reference: [] };
    for (let i = 0; i < ROUNDS; i++) for (const side of ["reference", "weft"] as const) counts[side].push(await lost(side));
    const [weft, reference] = [median(counts.weft), median(counts.reference)];
    const what = "a gateway that is killed";
    return [
      { what: `${what}: packets lost of ${1000 / STREAM_MS} a second`, unit: "packets", weft, reference },
      {
        what: `${what}: time without`,
        unit: "s",
        weft: (weft * STREAM_MS) / 1000,
        reference: (reference * STREAM_MS) / 1000,
      },
    ];
  } finally {
    unlink();
  }
}
