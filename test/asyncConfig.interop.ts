/** What a controller says it wants to hear (OFPT_SET_ASYNC), right and wrong, byte by byte, by our switch and by the reference's. */
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { allReference, Cloud, linkPrograms } from "./reference/cloud.ts";

linkPrograms();

let clouds: readonly [reference: Cloud, weft: Cloud];

beforeAll(() => {
  clouds = [new Cloud(allReference), new Cloud({ ...allReference, VSWITCHD: "weft" })];
  for (const cloud of clouds) cloud.run("switch_start $DIR/w1; hv_do w1 ovs-vsctl add-br brx");
});
afterAll(() => {
  for (const cloud of clouds) cloud.stop(true);
});

const words = (...values: readonly number[]): string => values.map((value) => value.toString(16).padStart(8, "0")).join("");
const property = (type: number, mask: number): string => words(type * 0x10000 + 8, mask);
const GET = 26;
const SET = 28;
const HELLO = 0;
const BARRIER = 20;

type Version = 4 | 5 | 6;
type Message = readonly [type: number, body: string];

function frame(version: Version, [type, body]: Message, xid: number): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt8(version, 0);
  head.writeUInt8(type, 1);
  head.writeUInt16BE(8 + body.length / 2, 2);
  head.writeUInt32BE(xid, 4);
  return Buffer.concat([head, Buffer.from(body, "hex")]);
}

/** Says all of it, and a barrier; resolves to what is answered up to the barrier's reply, in hexadecimal. */
function answers(cloud: Cloud, version: Version, messages: readonly Message[]): Promise<string[]> {
  const socket = connect(join(cloud.dir, "w1/brx.mgmt"));
  const last = 1000;
  return new Promise((resolve, reject) => {
    let rest = Buffer.alloc(0);
    const told: string[] = [];
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`the switch hung up after ${told.join(" ")}`)));
    socket.on("data", (data: Buffer) => {
      rest = Buffer.concat([rest, data]);
      while (rest.length >= 8 && rest.length >= rest.readUInt16BE(2)) {
        const message = rest.subarray(0, rest.readUInt16BE(2));
        rest = rest.subarray(message.length);
        if (message[1] !== HELLO) told.push(message.toString("hex"));
        if (message.readUInt32BE(4) === last) {
          socket.removeAllListeners("close");
          socket.destroy();
          resolve(told);
        }
      }
    });
    const all: Message[] = [[HELLO, ""], ...messages];
    for (const [i, message] of all.entries()) socket.write(frame(version, message, i + 1));
    socket.write(frame(version, [BARRIER, ""], last));
  });
}

const said = (...bodies: readonly string[]): Message[] => [
  [GET, ""],
  ...bodies.flatMap((body): Message[] => [
    [SET, body],
    [GET, ""],
  ]),
];
const PROPERTIES = said(
  property(0, 7) + property(1, 1),
  property(0, 0xffffffff),
  property(1, 0x40),
  property(1, 0x3f),
  property(20, 1),
  property(2, 0xff),
  property(3, 7) + property(5, 0xfff),
  property(6, 3) + property(7, 1),
  property(6, 8),
  property(8, 0x18),
  property(9, 1),
  property(10, 3),
  property(11, 4),
  property(0, 1) + property(0, 2),
  words(6, 1),
  words(0xfffe0010, 0x2320, 1, 0),
  words(0xffff0010, 0x123456, 1, 0),
  "",
  property(1, 0) + words(0),
);
const MASKS = said(
  words(7, 0, 7, 0, 7, 0),
  words(0xffffffff, 1, 0xffffffff, 2, 0xffffffff, 3),
  words(7, 0, 0, 0, 8, 0),
  words(0),
);

test.each([
  [4, MASKS],
  [5, PROPERTIES],
  [6, PROPERTIES],
] as const)("version %i of the protocol", async (version, messages) => {
  const [expected, got] = await Promise.all(clouds.map((cloud) => answers(cloud, version, messages)));
  expect(got).toEqual(expected);
  expect(expected!.length).toBeGreaterThan(messages.length / 2);
});
