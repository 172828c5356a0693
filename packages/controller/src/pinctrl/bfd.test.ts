import type { Message } from "@weft/openflow";
import type { Transaction, Uuid } from "@weft/ovsdb";
import { BFD_FLAG, BFD_STATE, type Bfd, decode, emit, find, type Ipv4, MAC_BROADCAST, parseIpv4, parseMac } from "@weft/packet";
import { seededRandom, VirtualClock } from "@weft/runtime";
import type { SbSchema } from "@weft/schemas";
import { expect, test } from "vitest";
import type { BfdSession } from "../model/bfd.ts";
import { Exchange } from "../ofctrl/exchange.ts";
import { BfdBook } from "./bfd.ts";

const session: BfdSession = {
  row: "6f8a2d1e-0000-4000-8000-000000000001" as Uuid,
  place: { datapath: 1, port: 2 },
  mac: parseMac("50:54:00:00:00:fe")!,
  src: parseIpv4("172.16.0.1")!,
  dst: parseIpv4("172.16.0.50")!,
  srcPort: 49152,
  discriminator: 0x11,
  minTx: 400,
  minRx: 300,
  mult: 3,
  status: "down",
};
// The sink does not look at where an output comes from.
const FROM = { each: undefined as never, key: 0 };

/** A book with the session, a peer that says things, and what came of it. */
class Table {
  readonly clock = new VirtualClock();
  readonly book = new BfdBook(this.clock, seededRandom(1));
  readonly sent: { readonly at: number; readonly packet: Bfd }[] = [];
  readonly written: string[] = [];
  readonly #begin = this.clock.now();
  readonly #exchange = new Exchange({ send: (message) => this.#note(message), nextXid: () => 0, batch: (run) => run() });

  constructor() {
    this.book.sink.add(session, FROM);
  }

  get now(): number {
    return this.clock.now() - this.#begin;
  }

  #note(message: Message): number {
    const packet = message.type === "packet_out" ? find(decode(message.packet), "bfd") : undefined;
    if (packet !== undefined) this.sent.push({ at: this.now, packet });
    return 0;
  }

  say(state: number, flags = 0): void {
    const { src, dst, mac } = session;
    const frame = emit([
      { kind: "ethernet", dst: MAC_BROADCAST, src: mac },
      { kind: "ipv4", src: dst as Ipv4, dst: src as Ipv4, ttl: 255 },
      { kind: "udp", srcPort: 50000, dstPort: 3784 },
      {
        kind: "bfd",
        diagnostic: 0,
        state,
        flags,
        detectMultiplier: 2,
        myDiscriminator: 0x22,
        yourDiscriminator: session.discriminator,
        desiredMinTx: 500_000,
        requiredMinRx: 1_000_000,
        requiredMinEchoRx: 0,
      },
    ]);
    this.book.hear(frame, this.#exchange);
  }

  /** Lets time pass as the controller does: it comes back when it was told to. */
  async pass(ms: number): Promise<void> {
    // Of a transaction the book only needs update(); the row then says what was written.
    const transaction = {
      update: (_table: string, _row: Uuid, { status }: { status: BfdSession["status"] }) => {
        this.written.push(`${this.now} ${status}`);
        this.book.sink.add({ ...session, status }, FROM);
        this.book.sink.remove(session, FROM);
      },
    };
    for (const end = this.now + ms; ; ) {
      const next = this.book.send(this.#exchange);
      this.book.write(transaction as unknown as Transaction<SbSchema>);
      const pause = Math.min((next ?? Number.POSITIVE_INFINITY) - this.clock.now(), end - this.now);
      if (this.now >= end) return;
      await this.clock.advance(Math.max(1, Math.ceil(pause)));
    }
  }
}

test("packets are at most the interval apart that both sides want, and not more than a quarter less", async () => {
  const table = new Table();
  await table.pass(10_000);
  const pauses = table.sent.slice(1).map(({ at }, i) => at - table.sent[i]!.at);
  expect(pauses.every((pause) => pause >= 300 && pause <= 401)).toBe(true);
  table.say(BFD_STATE.down);
  const from = table.sent.length;
  await table.pass(900);
  // The peer wants a packet a second at most; the one that was due comes before that.
  expect(table.sent.slice(from).length).toBeLessThan(3);
  expect(table.sent.at(-1)!.packet).toMatchObject({ state: BFD_STATE.init, yourDiscriminator: 0x22 });
});

test("a peer that falls silent is taken for dead after its multiplier of intervals", async () => {
  const table = new Table();
  await table.pass(1000);
  table.say(BFD_STATE.init);
  await table.pass(400);
  table.say(BFD_STATE.up);
  await table.pass(3000);
  // Two times the 500 ms that the peer sends at, from its last packet on.
  expect(table.written).toEqual(["1000 up", "2400 down"]);
  expect(table.sent.at(-1)!.packet).toMatchObject({ state: BFD_STATE.down, yourDiscriminator: 0 });
});

test("a poll is answered at once", async () => {
  const table = new Table();
  await table.pass(1000);
  table.say(BFD_STATE.up, BFD_FLAG.poll);
  expect(table.sent.at(-1)).toMatchObject({ at: 1000, packet: { flags: BFD_FLAG.final } });
});
