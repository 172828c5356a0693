import type { Message } from "@weft/openflow";
import type { Transaction, Uuid } from "@weft/ovsdb";
import { decode, emit, findLayer, type Header, parseIpv4, parseMac } from "@weft/packet";
import { seededRandom, VirtualClock } from "@weft/runtime";
import type { SbSchema } from "@weft/schemas";
import { expect, test } from "vitest";
import type { Service } from "../model/services.ts";
import { Exchange } from "../ofctrl/exchange.ts";
import { ServiceMonitors } from "./serviceMonitors.ts";

const place = { datapath: 1, port: 2 };
const tcp: Service = {
  monitor: "6f8a2d1e-0000-4000-8000-000000000001" as Uuid,
  protocol: "tcp",
  passesThrough: false,
  probes: place,
  answers: place,
  srcMac: parseMac("0e:00:00:00:00:01")!,
  dstMac: parseMac("50:54:00:00:00:01")!,
  src: parseIpv4("10.0.0.250")!,
  dst: parseIpv4("10.0.0.1")!,
  port: 80,
  interval: 5000,
  timeout: 3000,
  successCount: 2,
  failureCount: 2,
  status: undefined,
};
// The sink does not look at where an output comes from.
const FROM = { each: undefined as never, key: 0 };

/** What happened in `seconds`: "probe", "reset", and the statuses that were written, each with its second. */
async function course(service: Service, seconds: number, answer?: (count: number) => number | undefined): Promise<string[]> {
  const clock = new VirtualClock();
  const begin = clock.now();
  const events: string[] = [];
  const note = (event: string) => events.push(`${(clock.now() - begin) / 1000} ${event}`);
  const sent: Uint8Array[] = [];
  const send = (message: Message): number => {
    if (message.type === "packet_out") sent.push(message.packet);
    return 0;
  };
  const exchange = new Exchange({ send, nextXid: () => 0, batch: (run) => run() });
  const monitors = new ServiceMonitors(clock, seededRandom(1));
  // Of a transaction the monitors only need update().
  const transaction = { update: (_table: string, _uuid: Uuid, { status }: { status: string }) => note(status) };
  monitors.sink.add(service, FROM);
  let probes = 0;
  for (let second = 0; second <= seconds; second++) {
    monitors.send(exchange);
    for (const packet of sent.splice(0)) {
      const header = findLayer(decode(packet), "tcp")?.header;
      note(header?.flags === 4 ? "reset" : "probe");
      const flags = header?.flags === 2 ? answer?.(probes++) : undefined;
      if (header === undefined || flags === undefined) continue;
      const back: Header[] = [
        { kind: "ethernet", dst: service.srcMac, src: service.dstMac },
        { kind: "ipv4", src: parseIpv4("10.0.0.1")!, dst: parseIpv4("10.0.0.250")!, ttl: 64 },
        { kind: "tcp", srcPort: 80, dstPort: header.srcPort, sequence: 9, acknowledgment: (header.sequence + 1) >>> 0, flags },
      ];
      expect(monitors.hear(emit(back), { datapath: 1, port: 3 }, exchange)).toBe(false);
      expect(monitors.hear(emit(back), place, exchange)).toBe(true);
      for (const _ of sent.splice(0)) note("reset");
    }
    monitors.write(transaction as unknown as Transaction<SbSchema>);
    await clock.advance(1000);
  }
  return events;
}

test("a silent TCP service is offline, a silent UDP service online, after as many probes as it takes", async () => {
  expect(await course(tcp, 11)).toEqual(["0 probe", "8 probe", "11 offline"]);
  expect(await course({ ...tcp, protocol: "udp" }, 11)).toEqual(["0 probe", "8 probe", "11 online"]);
});

test("a connection that is accepted is reset, and the next probe is an interval away", async () => {
  expect(await course(tcp, 10, () => 0x12)).toEqual([
    "0 probe",
    "0 reset",
    "5 probe",
    "5 reset",
    "5 online",
    "10 probe",
    "10 reset",
  ]);
});

test("what the row says already is not written", async () => {
  expect(await course({ ...tcp, status: "offline" }, 10, () => 0x14)).toEqual(["0 probe", "5 probe", "10 probe"]);
});

test("successes and failures both count until one of them is enough", async () => {
  const events = await course({ ...tcp, status: "offline" }, 25, (count) => (count % 2 === 0 ? 0x12 : 0x14));
  expect(events.filter((event) => !/probe|reset/.test(event))).toEqual(["10 online"]);
});
