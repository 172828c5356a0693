import type { Message } from "@weft/openflow";
import { parseIpv4, parseMac, toHex } from "@weft/packet";
import { VirtualClock } from "@weft/runtime";
import { expect, test } from "vitest";
import { Exchange } from "../ofctrl/exchange.ts";
import { type Announcement, Announcer } from "./announce.ts";

const MAC = parseMac("50:54:00:00:00:11")!;
const one: Announcement = { datapath: 1, port: 2, mac: MAC, ip: parseIpv4("172.16.0.11")! };
// The sink does not look at where an output comes from.
const FROM = { each: undefined as never, key: 0 };

/** An announcer, and the times (s) at which it sends what. */
async function sentIn(seconds: number, act: (announcer: Announcer, second: number) => void): Promise<[number, string][]> {
  const clock = new VirtualClock();
  const sent: [number, string][] = [];
  const begin = clock.now();
  const send = (message: Message): number => {
    if (message.type === "packet_out") sent.push([(clock.now() - begin) / 1000, toHex(message.packet)]);
    return 0;
  };
  const exchange = new Exchange({ send, nextXid: () => 0, batch: (run) => run() });
  const announcer = new Announcer(clock);
  for (let second = 0; second <= seconds; second++) {
    act(announcer, second);
    announcer.send(exchange);
    await clock.advance(1000);
  }
  return sent;
}

const times = (sent: readonly (readonly [number, string])[]) => sent.map(([second]) => second);

test("an address is announced five times, though its row changes meanwhile", async () => {
  const sent = await sentIn(40, ({ sink }, second) => {
    if (second === 0) sink.add(one, FROM);
    if (second !== 2) return;
    sink.add({ ...one }, FROM);
    sink.remove(one, FROM);
  });
  expect(times(sent)).toEqual([0, 1, 3, 7, 15]);
});

test("with garp-max-timeout-sec it is announced until it goes", async () => {
  const sent = await sentIn(9, (announcer, second) => {
    announcer.longest = 2000;
    if (second === 0) announcer.sink.add(one, FROM);
    if (second === 8) announcer.sink.remove(one, FROM);
  });
  expect(times(sent)).toEqual([0, 1, 3, 5, 7]);
});

test("a port without an IPv4 address sends the reverse ARP request that ovn-controller 26.03 sends", async () => {
  const [first] = await sentIn(0, ({ sink }) => sink.add({ ...one, ip: undefined }, FROM));
  expect(first![1]).toBe("ffffffffffff505400000011803500010800060400035054000000110000000050540000001100000000");
});
