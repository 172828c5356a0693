import { describe, expect, test } from "vitest";
import { BFD_DIAGNOSTIC, BFD_FLAG, BFD_STATE, type Bfd, type BfdState } from "../wire/bfd.ts";
import { type BfdAction, type BfdEvent, type BfdSettings, bfdDue, bfdStep, newBfdMachine } from "./machine.ts";

const { adminDown, down, init, up } = BFD_STATE;
const OWN = 0x11;
const PEER = 0x22;
const settings: BfdSettings = { minTx: 200, minRx: 300, mult: 3, slowTx: 1000, pathDown: false };

/** A machine, its time, and what it has asked for. */
class Table {
  now = 0;
  received = 0;
  readonly actions: BfdAction[] = [];
  machine;

  constructor(changes: Partial<BfdSettings> = {}) {
    this.machine = newBfdMachine(OWN, { ...settings, ...changes }, 0);
  }

  /** The machine after an event; `actions` are what it asks for now. */
  happen(event: BfdEvent): BfdAction[] {
    const [machine, actions] = bfdStep(this.machine, event, this.now);
    this.machine = machine;
    this.actions.push(...actions);
    return actions;
  }

  /** The other side says something: up, 400 and 500 ms, and a multiplier of 2 unless told otherwise. */
  hear(changes: Partial<Bfd>): BfdAction[] {
    const packet: Bfd = {
      kind: "bfd",
      diagnostic: 0,
      state: up,
      flags: 0,
      detectMultiplier: 2,
      myDiscriminator: PEER,
      yourDiscriminator: OWN,
      desiredMinTx: 400_000,
      requiredMinRx: 500_000,
      requiredMinEchoRx: 0,
      ...changes,
    };
    return this.happen({ type: "receive", packet });
  }

  /** Time goes on to when the machine wants to be asked. */
  wait(jitter = 0): BfdAction[] {
    this.now = bfdDue(this.machine);
    return this.happen({ type: "time", jitter, received: this.received });
  }

  /** So many ms in which the other side stays up, as it says once behind every packet of this one, and `each` other packets come. */
  stay(ms: number, each = 0): void {
    for (const end = this.now + ms; this.now < end; ) {
      const polled = sent(this.wait()).some(({ flags }) => flags === BFD_FLAG.poll);
      this.hear({ flags: polled ? BFD_FLAG.final : 0 });
      this.received += 1 + each;
    }
  }

  bring(state: BfdState): this {
    if (state !== down) this.hear({ state: down });
    if (state === up) this.hear({ state: init });
    expect(this.machine.state).toBe(state);
    return this;
  }

  configure(changes: Partial<BfdSettings>): BfdAction[] {
    return this.happen({ type: "configure", settings: { ...this.machine.settings, ...changes } });
  }
}

/** The packets among actions. */
function sent(actions: readonly BfdAction[]): Bfd[] {
  return actions.flatMap((action) => (action.type === "send" ? [action.packet] : []));
}

describe("the state machine of RFC 5880 section 6.2", () => {
  const rows: readonly (readonly [own: BfdState, said: BfdState, then: BfdState])[] = [
    [down, adminDown, down],
    [down, down, init],
    [down, init, up],
    [down, up, down],
    [init, adminDown, down],
    [init, down, init],
    [init, init, up],
    [init, up, up],
    [up, adminDown, down],
    [up, down, down],
    [up, init, up],
    [up, up, up],
  ];
  for (const [own, said, then] of rows) {
    test(`${own} hears ${said}: ${then}`, () => {
      const table = new Table().bring(own);
      table.hear({ state: said });
      expect(table.machine.state).toBe(then);
      expect(table.machine.remote).toEqual({
        state: said,
        diagnostic: 0,
        discriminator: PEER,
        minTx: 400,
        minRx: 500,
        mult: 2,
        flags: 0,
      });
      const fell = own !== down && then === down;
      expect(table.machine.diagnostic).toBe(fell ? BFD_DIAGNOSTIC.neighbourDown : BFD_DIAGNOSTIC.none);
    });
  }
});

test("a step leaves the machine that it was given as it was", () => {
  const before = newBfdMachine(OWN, settings, 0);
  const copy = structuredClone(before);
  bfdStep(before, { type: "time", jitter: 0 }, 0);
  expect(before).toEqual(copy);
});

describe("packets that are not taken in (RFC 5880 section 6.8.6)", () => {
  const packets: readonly (readonly [problem: string, Partial<Bfd>])[] = [
    ["version 0", { version: 0 }],
    ["detect multiplier 0", { detectMultiplier: 0 }],
    ["multipoint bit set", { flags: BFD_FLAG.multipoint }],
    ["authentication is not supported", { flags: BFD_FLAG.authentication }],
    ["my discriminator 0", { myDiscriminator: 0 }],
    ["your discriminator 0x0", { yourDiscriminator: 0 }],
    ["your discriminator 0x12", { yourDiscriminator: 0x12 }],
  ];
  for (const [problem, packet] of packets) {
    test(problem, () => {
      const table = new Table().bring(up);
      const before = table.machine;
      expect(table.hear(packet)).toEqual([{ type: "refused", problem }]);
      expect(table.machine).toEqual(before);
    });
  }

  test("without a discriminator only by whom nobody has answered yet", () => {
    const table = new Table();
    expect(table.hear({ yourDiscriminator: 0, state: init })).toEqual([{ type: "refused", problem: "your discriminator 0x0" }]);
    table.hear({ yourDiscriminator: 0, state: down });
    expect(table.machine.state).toBe(init);
  });
});

test("until it is up, a session sends once a second", () => {
  const table = new Table();
  expect(sent(table.wait())).toMatchObject([
    { state: down, yourDiscriminator: 0, desiredMinTx: 1_000_000, requiredMinRx: 300_000 },
  ]);
  table.wait();
  expect(table.now).toBe(1000);
  table.bring(up).hear({ detectMultiplier: 200 });
  table.wait();
  expect(sent(table.wait())).toMatchObject([{ state: up, yourDiscriminator: PEER, desiredMinTx: 200_000 }]);
});

test("packets are as far apart as the slower of the two wants them", () => {
  const apart = (requiredMinRx: number): number => {
    const table = new Table().bring(up);
    table.hear({ requiredMinRx, detectMultiplier: 200 });
    table.wait();
    const before = table.now;
    table.wait();
    return table.now - before;
  };
  expect(apart(500_000)).toBe(500);
  expect(apart(1000)).toBe(200);
});

test("jitter: up to a quarter sooner, and a tenth at least where a single loss counts", () => {
  const apart = (mult: number, jitter: number): number => {
    const table = new Table({ mult });
    table.wait(jitter);
    return bfdDue(table.machine);
  };
  expect([apart(3, 0), apart(3, 1), apart(1, 0), apart(1, 1)]).toEqual([1000, 750, 900, 750]);
});

describe("detection time (RFC 5880 section 6.8.4)", () => {
  /** How long after the last packet the session falls. */
  function patience(changes: Partial<Bfd>): number {
    const table = new Table().bring(up);
    table.now = 5000;
    table.hear(changes);
    while (table.machine.state === up) table.wait();
    return table.now - 5000;
  }

  test("the peer's multiplier of the slower interval of the two", () => {
    expect(patience({})).toBe(2 * 400);
    expect(patience({ detectMultiplier: 5 })).toBe(5 * 400);
    expect(patience({ desiredMinTx: 100_000 })).toBe(2 * 300);
  });

  test("who is not heard any more is forgotten", () => {
    const table = new Table().bring(up);
    while (table.machine.state === up) table.wait();
    expect(table.machine).toMatchObject({
      diagnostic: BFD_DIAGNOSTIC.expired,
      remote: { discriminator: 0, state: down, minRx: 1 },
    });
    expect(table.actions.at(-1)).toEqual({
      type: "standing",
      before: { state: up, diagnostic: BFD_DIAGNOSTIC.none },
      after: { state: down, diagnostic: BFD_DIAGNOSTIC.expired },
    });
    // And who comes back does not take the reason of the fall away.
    table.bring(up);
    expect(table.machine.diagnostic).toBe(BFD_DIAGNOSTIC.expired);
  });

  test("init ends as up does", () => {
    const table = new Table().bring(init);
    table.now = bfdDue(table.machine);
    for (let i = 0; i < 3 && table.machine.state === init; i++) table.wait();
    expect(table.machine).toMatchObject({ state: down, diagnostic: BFD_DIAGNOSTIC.expired });
  });

  test("silence does not end what is down", () => {
    const table = new Table();
    table.hear({ state: up });
    for (let i = 0; i < 10; i++) table.wait();
    expect(table.machine).toMatchObject({ state: down, diagnostic: BFD_DIAGNOSTIC.none });
  });
});

test("a peer that wants no packets gets none, but for the answer to a poll", () => {
  const table = new Table().bring(up);
  table.hear({ requiredMinRx: 0, detectMultiplier: 200 });
  expect(sent([...table.wait(), ...table.wait()])).toEqual([]);
  expect(sent(table.hear({ requiredMinRx: 0, flags: BFD_FLAG.poll }))).toMatchObject([{ flags: BFD_FLAG.final }]);
});

test("demand is not supported: periodic packets go on", () => {
  const table = new Table().bring(up);
  table.hear({ flags: BFD_FLAG.demand, detectMultiplier: 200 });
  expect(sent([...table.wait(), ...table.wait()])).toMatchObject([{ flags: 0 }, { flags: 0 }]);
});

describe("poll sequences (RFC 5880 section 6.5)", () => {
  test("a poll is answered at once, without moving the next packet", () => {
    const table = new Table().bring(up);
    table.wait();
    const { nextTx } = table.machine;
    table.now += 10;
    expect(sent(table.hear({ flags: BFD_FLAG.poll }))).toMatchObject([{ flags: BFD_FLAG.final, state: up }]);
    expect(table.machine).toMatchObject({ nextTx, lastTx: table.now });
  });

  test("new intervals are told at once and kept when the peer has acknowledged them", () => {
    const table = new Table().bring(up);
    expect(table.configure({ minTx: 600, minRx: 700 })).toEqual([{ type: "pollBegins" }]);
    expect(bfdDue(table.machine)).toBe(table.now);
    const asks = { flags: BFD_FLAG.poll, desiredMinTx: 600_000, requiredMinRx: 700_000 };
    expect(sent(table.wait())).toMatchObject([asks]);
    // It goes on asking at the old pace.
    table.hear({ detectMultiplier: 200 });
    const before = table.now;
    expect(sent(table.wait())).toMatchObject([asks]);
    expect(table.now - before).toBe(500);
    expect(table.machine).toMatchObject({ minTx: 200, minRx: 300 });
    expect(table.hear({ flags: BFD_FLAG.final })).toContainEqual({ type: "pollEnds" });
    expect(table.machine).toMatchObject({ minTx: 600, minRx: 700, polling: false, detect: table.now + 2 * 700 });
  });

  test("what changes while a poll goes on is asked for after it", () => {
    const table = new Table().bring(up);
    table.configure({ minTx: 600 });
    table.wait();
    expect(table.configure({ minTx: 800 })).toEqual([]);
    const answer = table.hear({ flags: BFD_FLAG.final });
    expect(answer.map(({ type }) => type)).toEqual(["pollEnds", "pollBegins"]);
    table.hear({ flags: BFD_FLAG.final });
    expect(table.machine).toMatchObject({ minTx: 800, polling: false });
  });

  test("before a session is up, intervals are taken without one", () => {
    const table = new Table();
    expect(table.configure({ minTx: 2000, minRx: 50, mult: 7 })).toEqual([]);
    expect(table.machine).toMatchObject({ minTx: 2000, minRx: 50, polling: false });
  });

  test("a fall ends one", () => {
    const table = new Table().bring(up);
    table.happen({ type: "poll" });
    table.hear({ state: down });
    expect(table.machine.polling).toBe(false);
    table.hear({ state: down, flags: BFD_FLAG.final });
    expect(table.actions.filter(({ type }) => type === "pollEnds")).toEqual([]);
  });
});

test("a path that ends beyond this side is told with a poll, and what it is after a fall is not", () => {
  const table = new Table().bring(up);
  expect(table.configure({ pathDown: true }).map(({ type }) => type)).toEqual(["standing", "pollBegins"]);
  expect(sent(table.wait())).toMatchObject([{ diagnostic: BFD_DIAGNOSTIC.pathDown, flags: BFD_FLAG.poll, state: up }]);
  table.hear({ state: down });
  expect(table.machine.diagnostic).toBe(BFD_DIAGNOSTIC.neighbourDown);
  table.configure({ pathDown: false });
  expect(table.machine.diagnostic).toBe(BFD_DIAGNOSTIC.none);
  expect(newBfdMachine(OWN, { ...settings, pathDown: true }, 0).diagnostic).toBe(BFD_DIAGNOSTIC.pathDown);
});

describe("an interface that receives hardly anything but control packets", () => {
  const bring = () => new Table({ decayMinRx: 1000 }).bring(up);

  test("is content with decayMinRx, after a poll sequence", () => {
    const table = bring();
    table.stay(1400);
    expect(table.machine).toMatchObject({ decayed: false, minRx: 300 });
    table.stay(1500);
    expect(table.machine).toMatchObject({ decayed: true, minRx: 1000, polling: false });
    expect(table.actions).toContainEqual({ type: "pollBegins" });
    expect(sent(table.actions).find(({ flags }) => flags === BFD_FLAG.poll)).toMatchObject({ requiredMinRx: 1_000_000 });
  });

  test("is busy with twice the control packets that may come, and once idle becomes so again", () => {
    const table = bring();
    table.stay(6000, 2);
    expect(table.machine).toMatchObject({ decayed: false, minRx: 300 });
    table.stay(6000);
    expect(table.machine).toMatchObject({ decayed: true, minRx: 1000 });
    table.stay(6000, 10);
    expect(table.machine).toMatchObject({ decayed: false, minRx: 300 });
  });

  test("begins anew when the session falls, and with other settings", () => {
    const fallen = bring();
    fallen.stay(6000);
    fallen.hear({ state: down });
    expect(fallen.machine).toMatchObject({ state: down, decayed: false, minRx: 300 });
    const configured = bring();
    configured.stay(6000);
    configured.configure({ decayMinRx: 2000 });
    configured.stay(400);
    expect(configured.machine).toMatchObject({ state: up, decayed: false, minRx: 300 });
  });
});

test.each([
  [1999, 1],
  [500, 1],
  [2000, 2],
])("%i µs are %i ms", (us, ms) => {
  const table = new Table();
  table.hear({ state: down, desiredMinTx: us, requiredMinRx: us });
  expect(table.machine.remote).toMatchObject({ minTx: ms, minRx: ms });
});
