import { each } from "@weft/incremental";
import { virtualRuntime } from "@weft/runtime";
import { expect, test } from "vitest";
import { type Settings, settings } from "../model/inputs.ts";
import { flow, resubmit } from "../physical/flow.ts";
import { tables } from "../tables.ts";
import { FakeSwitch } from "../testing/fakeSwitch.ts";
import { DesiredFlows } from "./desired.ts";
import { Exchange } from "./exchange.ts";
import { Programmer } from "./programmer.ts";

const of = (table: number, priority: number) => flow({ table, priority, match: {}, actions: [resubmit(9)] });
const from = { each: each<unknown, 0, Settings>("test", settings, () => []), key: 0 };
const around = { before: [], after: [] };

test("an empty switch gets flows ahead but those of table 0, and loses those that nobody asks for in the end", async () => {
  const bridge = new FakeSwitch();
  let exchange: Exchange | undefined;
  const link = await bridge.dial("br-int", { onMessage: (envelope) => void exchange?.hear(envelope), onClose: () => {} });
  exchange = new Exchange(link);
  const desired = new DesiredFlows();
  const programmer = new Programmer({ exchange, desired, log: virtualRuntime().log.logger("ofctrl") });
  await programmer.start();
  const [kept, withdrawn, entry] = [of(8, 1), of(8, 2), of(tables.physToLog, 1)];
  for (const one of [kept, withdrawn, entry]) desired.sink.add(one, from);
  programmer.fill(desired.take());
  // Before the switch has answered.
  desired.sink.remove(withdrawn, from);
  programmer.fill(desired.take());
  await programmer.filled();
  expect([...bridge.flows.values()].map(({ table, priority }) => [table, priority])).toEqual([
    [8, 1],
    [8, 2],
  ]);
  programmer.compare();
  await programmer.flush(around);
  expect([...bridge.flows.values()].map(({ table, priority }) => [table, priority])).toEqual([
    [8, 1],
    [tables.physToLog, 1],
  ]);
  expect(bridge.mods).toHaveLength(4);
});
