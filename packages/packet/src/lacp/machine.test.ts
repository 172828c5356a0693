import { expect, test } from "vitest";
import { macOf } from "../address.ts";
import { emitLacp, type LacpPdu, parseLacp } from "../wire/lacp.ts";
import { type LacpEvent, type LacpGroup, type LacpSettings, lacpDue, lacpNegotiated, lacpStep, newLacpGroup } from "./machine.ts";

const settings = (system: number, changes: Partial<LacpSettings> = {}): LacpSettings => ({
  active: true,
  fast: true,
  system: macOf(system),
  systemPriority: 0xfffe,
  key: 1,
  fallback: false,
  ...changes,
});
const members = new Map([1, 2].map((port) => [`m${port}`, { port, portPriority: 0xffff }]));

/** Two groups whose members are joined, with the time of both; wires can be cut. */
class Link {
  now = 0;
  readonly cut = new Set<string>();
  readonly ends: [LacpGroup, LacpGroup];
  sent = 0;

  constructor(...both: [LacpSettings, LacpSettings]) {
    this.ends = [newLacpGroup(both[0]), newLacpGroup(both[1])];
    both.forEach((one, end) => {
      this.step(end as 0 | 1, { type: "configure", settings: one, members });
    });
  }

  step(end: 0 | 1, event: LacpEvent): void {
    const [group, actions] = lacpStep(this.ends[end], event, this.now);
    this.ends[end] = group;
    for (const action of actions) {
      if (action.type !== "send") continue;
      this.sent++;
      const pdu: LacpPdu = parseLacp(emitLacp(action.pdu), 0);
      if (!this.cut.has(action.member)) this.step(end === 0 ? 1 : 0, { type: "receive", member: action.member, pdu });
    }
  }

  pass(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const due = Math.min(...this.ends.map(lacpDue));
      if (due > end) break;
      this.now = Math.max(this.now, due);
      this.step(0, { type: "time" });
      this.step(1, { type: "time" });
    }
    this.now = end;
  }

  states(end: 0 | 1): string[] {
    return [...this.ends[end].members.values()].map(({ status, attached }) => `${status} ${attached ? "attached" : "detached"}`);
  }
}

test("two ends agree, and soon say only what is due", () => {
  const link = new Link(settings(1), settings(2, { active: false }));
  link.pass(5000);
  for (const end of [0, 1] as const) expect(link.states(end)).toEqual(["current attached", "current attached"]);
  const before = link.sent;
  link.pass(10_000);
  expect(link.sent - before).toBe(40);
});

test("a link that is cut is waited for, and given up", () => {
  const link = new Link(settings(1), settings(2));
  link.pass(5000);
  link.cut.add("m1");
  link.pass(3500);
  expect(link.states(0)).toEqual(["expired attached", "current attached"]);
  link.pass(3000);
  expect(link.states(0)).toEqual(["defaulted detached", "current attached"]);
  link.cut.clear();
  link.pass(31_000);
  expect(link.states(0)).toEqual(["current attached", "current attached"]);
});

test("two passive ends say nothing", () => {
  const link = new Link(settings(1, { active: false }), settings(2, { active: false }));
  link.pass(100_000);
  expect(link.sent).toBe(0);
  expect(lacpNegotiated(link.ends[0])).toBe(false);
});

test("an end that is its own partner carries nothing", () => {
  const link = new Link(settings(1), settings(1));
  link.pass(5000);
  expect(link.states(0)).toEqual(["current detached", "current detached"]);
});

test("what is no LACPDU says where it is none", () => {
  const bytes = emitLacp({
    actor: { systemPriority: 1, system: macOf(2), key: 3, portPriority: 4, port: 5, state: 6 },
    partner: { systemPriority: 7, system: macOf(8), key: 9, portPriority: 10, port: 11, state: 12 },
  });
  expect(() => parseLacp(bytes.subarray(0, 109), 0)).toThrow(/LACPDU/);
  bytes[22] = 9;
  expect(() => parseLacp(bytes, 0)).toThrow(/TLV of type 9/);
});
