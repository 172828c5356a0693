import { describe, expect, it } from "vitest";
import { seededRandom } from "../random.ts";
import type { Stream } from "../world.ts";
import { virtualRuntime } from "./runtime.ts";

describe("virtual clock", () => {
  it("fires timers in the order of their time, then of their setting, with promises settled in between", async () => {
    const { clock } = virtualRuntime();
    const seen: string[] = [];
    clock.after(10, () => seen.push("b"));
    clock.after(5, () => {
      seen.push("a");
      void Promise.resolve().then(() => seen.push("a's promise"));
    });
    clock.after(10, () => seen.push("c"));
    clock.soon(() => seen.push("soon"));
    await clock.advance(20);
    expect(seen).toEqual(["soon", "a", "a's promise", "b", "c"]);
    expect(clock.now()).toBe(20);
  });

  it("stops a repeated timer when it is cancelled, and goes to the moment that is waited for", async () => {
    const { clock } = virtualRuntime();
    let count = 0;
    const timer = clock.every(100, () => {
      count++;
    });
    expect(await clock.until(() => count === 3)).toBe(true);
    expect(clock.now()).toBe(300);
    timer.cancel();
    await clock.advance(1000);
    expect(count).toBe(3);
    expect(await clock.until(() => count === 4)).toBe(false);
  });
});

describe("virtual network", () => {
  async function pair(): Promise<{ runtime: ReturnType<typeof virtualRuntime>; client: Stream; server: Stream }> {
    const runtime = virtualRuntime();
    let server: Stream | undefined;
    await runtime.net.listen("punix:/s", (stream) => {
      server = stream;
    });
    const client = await runtime.net.connect("unix:/s");
    return { runtime, client, server: server! };
  }

  it("carries bytes both ways and ends on both sides", async () => {
    const { runtime, client, server } = await pair();
    const seen: string[] = [];
    const note = (who: string) => ({
      onData: (bytes: Uint8Array) => void seen.push(`${who} ${new TextDecoder().decode(bytes)}`),
      onClose: () => void seen.push(`${who} closed`),
    });
    server.start(note("server"));
    client.start(note("client"));
    client.write(new TextEncoder().encode("hello"));
    server.write(new TextEncoder().encode("welcome"));
    client.end();
    await runtime.clock.settle();
    expect(seen.sort()).toEqual(["client closed", "client welcome", "server closed", "server hello"]);
  });

  it("holds back a writer whose reader does not read, and says when it may go on", async () => {
    const { runtime, client, server } = await pair();
    let drained = false;
    client.start({
      onData() {},
      onClose() {},
      onDrain() {
        drained = true;
      },
    });
    let got = 0;
    server.start({
      onData(bytes) {
        got += bytes.length;
      },
      onClose() {},
    });
    server.pause();
    expect(client.write(new Uint8Array(100_000))).toBe(false);
    await runtime.clock.settle();
    expect([got, drained]).toEqual([0, false]);
    server.resume();
    await runtime.clock.settle();
    expect([got, drained]).toEqual([100_000, true]);
  });

  it("refuses a connection that nobody listens to, naming it", async () => {
    await expect(virtualRuntime().net.connect("tcp:10.0.0.1:6641")).rejects.toThrow("tcp:10.0.0.1:6641: Connection refused");
  });
});

it("seeded random numbers are the same for the same seed, and evenly spread", () => {
  const draw = (seed: number) => Array.from({ length: 4 }, seededRandom(seed).uint32);
  expect(draw(1)).toEqual(draw(1));
  expect(draw(1)).not.toEqual(draw(2));
  const random = seededRandom(7);
  const counts = new Array<number>(10).fill(0);
  for (let i = 0; i < 10_000; i++) counts[random.below(10)]!++;
  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
  expect(random.uuid()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
