import { virtualRuntime } from "@weft/runtime";
import { expect, it } from "vitest";
import { type Channel, channelPair, streamChannel } from "./channel.ts";
import { Connection, RpcError } from "./connection.ts";
import type { Json } from "./json.ts";

it("matches replies with requests, whatever their order", async () => {
  const { clock } = virtualRuntime();
  const [left, right] = channelPair(clock);
  const asker = new Connection(left, clock, {}, 0);
  const held: (() => void)[] = [];
  const answerer: Connection = new Connection(
    right,
    clock,
    { onRequest: (request) => held.push(() => answerer.reply(request, [request.method, ...request.params])) },
    0,
  );
  const first = asker.request("a", [1]);
  const second = asker.request("b", [2]);
  await clock.advance(1);
  for (const answer of held.reverse()) answer();
  await clock.advance(1);
  expect(await Promise.all([first, second])).toEqual([
    ["a", 1],
    ["b", 2],
  ]);
});

it("rejects requests with the peer's error, and with the end of the connection", async () => {
  const { clock } = virtualRuntime();
  const [left, right] = channelPair(clock);
  const asker = new Connection(left, clock, {}, 0);
  const answerer: Connection = new Connection(
    right,
    clock,
    { onRequest: (request) => request.method === "fail" && answerer.fail(request, { error: "no", details: "never" }) },
    0,
  );
  const failed = asker.request("fail", []).catch((error: unknown) => error);
  const lost = asker.request("silence", []).catch((error: unknown) => error);
  await clock.advance(1);
  expect(await failed).toBeInstanceOf(RpcError);
  expect(String(await failed)).toContain("no: never");
  answerer.destroy();
  await clock.advance(1);
  expect(String(await lost)).toContain("connection closed by peer");
});

it("probes a silent peer and leaves it when it does not answer", async () => {
  const { clock } = virtualRuntime();
  const [left, right] = channelPair(clock);
  const heard: Json[] = [];
  right.start({ onMessage: (message) => "method" in message && heard.push(message.method), onClose: () => heard.push("closed") });
  let why: Error | undefined;
  new Connection(left, clock, { onClose: (error) => (why = error) }, 1000);
  await clock.advance(1500);
  expect(heard).toEqual(["echo"]);
  await clock.advance(1000);
  expect(heard).toEqual(["echo", "closed"]);
  expect(why?.message).toBe("no response to inactivity probe after 1 seconds, disconnecting");
});

it("answers good messages before it leaves over a bad one", async () => {
  const { clock, net } = virtualRuntime();
  const accepted: Channel[] = [];
  let fault: Error | undefined;
  await net.listen("pmemory:x", (stream) => {
    const channel = streamChannel(stream);
    accepted.push(channel);
    new Connection(channel, clock, { onClose: (error) => (fault = error) }, 0);
  });
  const connecting = net.connect("memory:x");
  await clock.advance(1);
  const stream = await connecting;
  let text = "";
  stream.start({ onData: (bytes) => (text += new TextDecoder().decode(bytes)), onClose: () => (text += "|closed") });
  stream.write(new TextEncoder().encode('{"method":"echo","params":[1],"id":1}{"id":oops}'));
  await clock.advance(10);
  expect(text).toBe('{"error":null,"id":1,"result":[1]}|closed');
  expect(fault?.message).toContain("at byte 43");
});
