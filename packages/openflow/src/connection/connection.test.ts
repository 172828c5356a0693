import { MemoryNetwork, type Stream, VirtualClock } from "@weft/runtime";
import { expect, test } from "vitest";
import type { Envelope } from "../message/types.ts";
import { parseFlowMod } from "../text/flow.ts";
import { OpenFlowConnection, OpenFlowError } from "./connection.ts";

/** Two ends of a connection, and what the second receives. */
async function pair(a: number, b: number) {
  const clock = new VirtualClock();
  const net = new MemoryNetwork(clock);
  const received: Envelope[] = [];
  const closed: (Error | undefined)[] = [];
  let accepted: Stream | undefined;
  await net.listen("memory:switch", (stream) => {
    accepted = stream;
  });
  const stream = await net.connect("memory:switch");
  await clock.settle();
  const server = new OpenFlowConnection(accepted!, {
    versions: b,
    onMessage: (envelope) => received.push(envelope),
    onClose: (error) => closed.push(error),
  });
  const client = new OpenFlowConnection(stream, {
    versions: a,
    clock,
    probeInterval: 5000,
    onClose: (error) => closed.push(error),
  });
  await clock.settle();
  return { clock, client, server, received, closed };
}

test("the highest version that both have is agreed", async () => {
  const { client, server } = await pair((1 << 1) | (1 << 4) | (1 << 6), (1 << 1) | (1 << 4) | (1 << 5));
  expect(client.version).toBe(4);
  expect(server.version).toBe(4);
});

test("without a common version both ends close", async () => {
  const { client, server, closed } = await pair(1 << 1, 1 << 4);
  expect(client.closed).toBe(true);
  expect(server.closed).toBe(true);
  expect(closed).toHaveLength(2);
});

test("a request resolves with the reply of its transaction", async () => {
  const { clock, client, server, received } = await pair(1 << 4, 1 << 4);
  const answer = client.request({ type: "get_config_request" });
  await clock.settle();
  expect(received[0]!.message).toEqual({ type: "get_config_request" });
  server.send(
    { type: "get_config_reply", fragments: "normal", invalidTtlToController: false, missSendLength: 128 },
    received[0]!.xid,
  );
  await clock.settle();
  expect(await answer).toMatchObject({ fragments: "normal", missSendLength: 128 });
});

test("the parts of a multipart reply are gathered", async () => {
  const { clock, client, server, received } = await pair(1 << 4, 1 << 4);
  const answer = client.requestAll({ type: "group_desc_request", group: 0xfffffffc });
  await clock.settle();
  for (const more of [true, true, false]) server.send({ type: "group_desc_reply", groups: [], more }, received[0]!.xid);
  await clock.settle();
  expect(await answer).toHaveLength(3);
});

test("an error rejects the request with the error's name", async () => {
  const { clock, client, server, received } = await pair(1 << 4, 1 << 4);
  const answer = client.request({ type: "get_config_request" }).catch((error: unknown) => error);
  await clock.settle();
  server.send(
    { type: "error", error: "OFPBRC_EPERM", errorType: 0, code: 0, vendor: 0, data: new Uint8Array(0) },
    received[0]!.xid,
  );
  await clock.settle();
  const error = await answer;
  expect(error).toBeInstanceOf(OpenFlowError);
  expect(String(error)).toContain("OFPBRC_EPERM");
});

test("a transaction tells which of its messages were refused", async () => {
  const { clock, client, server, received } = await pair(1 << 4, 1 << 4);
  const mods = ["actions=output:1", "actions=group:9", "actions=drop"].map((text) => parseFlowMod(text, "add"));
  const answer = client.transact(mods);
  await clock.settle();
  expect(received.map(({ message }) => message.type)).toEqual(["flow_mod", "flow_mod", "flow_mod", "barrier_request"]);
  server.send(
    { type: "error", error: "OFPBAC_BAD_OUT_GROUP", errorType: 0, code: 0, vendor: 0, data: new Uint8Array(0) },
    received[1]!.xid,
  );
  server.send({ type: "barrier_reply" }, received[3]!.xid);
  await clock.settle();
  expect((await answer).map(({ index, error }) => [index, error.message])).toEqual([[1, "OFPBAC_BAD_OUT_GROUP"]]);
});

test("a bundle is opened, filled and committed", async () => {
  const { clock, client, server, received } = await pair(1 << 5, 1 << 5);
  const answer = client.bundle([parseFlowMod("actions=drop", "add")]);
  const reply = async (message: Parameters<typeof server.send>[0]) => {
    await clock.settle();
    server.send(message, received.at(-1)!.xid);
  };
  await reply({ type: "bundle_control", bundle: 0, control: "open_reply", flags: 3 });
  await reply({ type: "barrier_reply" });
  await reply({ type: "bundle_control", bundle: 0, control: "commit_reply", flags: 3 });
  await clock.settle();
  expect(await answer).toEqual([]);
  expect(received.map(({ message }) => message.type)).toEqual([
    "bundle_control",
    "bundle_add",
    "barrier_request",
    "bundle_control",
  ]);
});

test("a bad message is answered with its error, and the connection goes on", async () => {
  const { clock, client, server, received } = await pair(1 << 4, 1 << 4);
  client.sendBytes(new Uint8Array([4, 99, 0, 8, 0, 0, 0, 9]));
  await clock.settle();
  expect(server.closed).toBe(false);
  client.send({ type: "barrier_request" });
  await clock.settle();
  expect(received.at(-1)!.message.type).toBe("barrier_request");
});

test("requests that are open when the connection ends are rejected", async () => {
  const { clock, client, server } = await pair(1 << 4, 1 << 4);
  const answer = client.barrier().catch((error: unknown) => error);
  server.close();
  await clock.settle();
  expect(await answer).toMatchObject({ code: "openflow.closed" });
});
