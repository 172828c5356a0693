import { virtualRuntime } from "@weft/runtime";
import { expect, it } from "vitest";
import { type Channel, channelPair, streamChannel } from "./channel.ts";
import { Connection, RpcError } from "./connection.ts";
import type { Json } from "./json.ts";
import { type Message, SharedMessage } from "./message.ts";

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

it("sends every channel its messages in order, shared ones and its own, small and large", async () => {
  const { clock, net } = virtualRuntime();
  const accepted: Channel[] = [];
  await net.listen("pmemory:x", (stream) => {
    accepted.push(streamChannel(stream));
  });
  const nameOf = (message: Message): unknown => ("method" in message ? message.method : message.id);
  const heard: unknown[][] = [[], [], []];
  for (const methods of heard) {
    const connecting = net.connect("memory:x");
    await clock.advance(1);
    streamChannel(await connecting).start({ onMessage: (message) => methods.push(nameOf(message)), onClose: () => {} });
  }
  const note = (method: string): Message => ({ method, params: [], id: null });
  const shared = ["a", "b", "c".repeat(1 << 20), "d"].map((method) => new SharedMessage(() => note(method)));
  const sent: Message[][] = [];
  for (const [i, channel] of accepted.entries()) {
    channel.start({ onMessage: () => {}, onClose: () => {} });
    const own = note(`own ${i}`);
    const messages = i === 1 ? [shared[0]!, own, ...shared.slice(1)] : i === 2 ? [shared[3]!, shared[0]!] : shared;
    for (const message of messages) channel.send(message);
    sent.push(messages.map((message) => (message instanceof SharedMessage ? message.message : message)));
  }
  await clock.advance(10);
  expect(heard).toEqual(sent.map((messages) => messages.map(nameOf)));
});

/** A connection over a byte stream, and what its other end hears. */
async function listened() {
  const { clock, net } = virtualRuntime();
  const heard: Message[] = [];
  await net.listen("pmemory:x", (stream) => {
    streamChannel(stream).start({ onMessage: (message) => heard.push(message), onClose: () => {} });
  });
  const connecting = net.connect("memory:x");
  await clock.advance(1);
  const connection = new Connection(streamChannel(await connecting), clock, {}, 0);
  return { clock, connection, heard };
}

it("sends requests in parts one after the other", async () => {
  const { clock, connection, heard } = await listened();
  for (const name of ["first", "second", "third"]) {
    connection.callInParts(
      function* (id) {
        yield Buffer.from(`{"id":${id},"method":"${name}",`);
        yield Buffer.from(`"params":["a"`);
        return Buffer.from("]}");
      },
      () => {},
    );
  }
  for (let i = 0; i < 20; i++) await clock.advance(1);
  expect(heard.map((message) => ("method" in message ? message.method : ""))).toEqual(["first", "second", "third"]);
});

it("sends a request in parts, for whose last other messages wait", async () => {
  const { clock, connection, heard } = await listened();
  connection.notify("before", []);
  connection.callInParts(
    function* (id) {
      for (let i = 0; i < 3; i++) {
        yield Buffer.from(i === 0 ? `{"id":${id},"method":"long","params":["a"` : `,"${i}"`);
        if (i === 1) connection.notify("between", []);
      }
      return Buffer.from("]}");
    },
    () => {},
  );
  connection.notify("after", []);
  for (let i = 0; i < 10; i++) await clock.advance(1);
  expect(heard.map((message) => ("method" in message ? [message.method, ...message.params] : []))).toEqual([
    ["before"],
    ["long", "a", "1", "2"],
    ["after"],
    ["between"],
  ]);
  connection.callInParts(
    // biome-ignore lint/correctness/useYield: one part is the whole
    function* (id) {
      return Buffer.from(`{"id":${id},"method":"short","params":[]}`);
    },
    () => {},
  );
  await clock.advance(5);
  expect(heard.at(-1)).toMatchObject({ method: "short", id: 1 });
});
