import { internetChecksum, ipv4Of } from "@weft/packet";
import { virtualRuntime } from "@weft/runtime";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CtAction, CtNat } from "../datapath/actions.ts";
import { extract } from "../flow/extract.ts";
import { WORD } from "../flow/key.ts";
import { Packet } from "../flow/packet.ts";
import { frame, icmp, tcp, udp } from "../interop/datagrams.ts";
import { MemorySwitch } from "../memory.ts";
import { ConnectionTracker, CT } from "./conntrack.ts";
import { formatConnection } from "./dump.ts";
import { newTuple } from "./table.ts";
import { timeoutPolicy } from "./timeouts.ts";
import { readTuple } from "./tuple.ts";

const LOOK: CtAction = {
  type: "ct",
  commit: false,
  force: false,
  zone: 0,
  mark: undefined,
  label: undefined,
  helper: undefined,
  nat: undefined,
};
const PLAIN_NAT: CtNat = {
  direction: undefined,
  min: undefined,
  max: undefined,
  portMin: 0,
  portMax: 0,
  persistent: false,
  hash: false,
  random: false,
};

const tracker = (): ConnectionTracker => {
  let n = 7;
  return new ConnectionTracker({ uint32: () => (n = Math.imul(n, 0x9e3779b1) >>> 0) });
};

function packetOf(bytes: Uint8Array): Packet {
  const packet = new Packet(frame(bytes));
  extract(packet);
  return packet;
}

function state(ct: ConnectionTracker, bytes: Uint8Array, action: Partial<CtAction> = {}, now = 0): number {
  const packet = packetOf(bytes);
  ct.track(packet, { ...LOOK, ...action }, now);
  return packet.key[WORD.ct_state] as number;
}

const A = "10.0.0.1";
const B = "10.0.0.2";

describe("ConnectionTracker", () => {
  it("knows a conversation from both sides once it is committed", () => {
    const ct = tracker();
    expect(state(ct, udp(A, 1, B, 2))).toBe(CT.TRK | CT.NEW);
    expect(state(ct, udp(B, 2, A, 1))).toBe(CT.TRK | CT.NEW);
    expect(state(ct, udp(A, 1, B, 2), { commit: true })).toBe(CT.TRK | CT.NEW);
    expect(state(ct, udp(B, 2, A, 1))).toBe(CT.TRK | CT.EST | CT.RPL);
    expect(state(ct, udp(A, 1, B, 2))).toBe(CT.TRK | CT.EST);
    expect(state(ct, udp(A, 1, B, 2), { zone: 1 })).toBe(CT.TRK | CT.NEW);
  });

  it("calls a segment outside of the window invalid, unless numbers are not to be looked at", () => {
    const ct = tracker();
    state(ct, tcp(A, 1, B, 2, { flags: "S", sequence: 100 }), { commit: true });
    state(ct, tcp(B, 2, A, 1, { flags: "SA", sequence: 500, acknowledged: 101 }));
    expect(state(ct, tcp(A, 1, B, 2, { flags: "A", sequence: 101, acknowledged: 501 }))).toBe(CT.TRK | CT.EST);
    const far = tcp(A, 1, B, 2, { flags: "PA", sequence: 90_000, acknowledged: 501, data: new Uint8Array(5) });
    expect(state(ct, far)).toBe(CT.TRK | CT.INV);
    ct.sequenceChecks = false;
    expect(state(ct, far)).toBe(CT.TRK | CT.EST);
  });

  it("calls an ICMP error about a connection related, and others invalid", () => {
    const ct = tracker();
    state(ct, udp(A, 1, B, 2), { commit: true });
    const error = (inner: Uint8Array): Uint8Array => icmp("10.0.9.9", A, 3, { rest: [0, 0, 0, 0], data: inner });
    expect(state(ct, error(udp(A, 1, B, 2)))).toBe(CT.TRK | CT.REL | CT.RPL);
    expect(state(ct, error(udp(A, 3, B, 2)))).toBe(CT.TRK | CT.INV);
  });

  it("forgets after the timeout of the zone's policy, in a sweep of bounded steps", () => {
    const ct = tracker();
    ct.setPolicy(4, timeoutPolicy(new Map([["udp_first", 5]])));
    for (let port = 1; port <= 3000; port++) state(ct, udp(A, port, B, 2), { commit: true, zone: port % 2 === 0 ? 4 : 0 });
    ct.maintain(0);
    expect(state(ct, udp(B, 2, A, 2), { zone: 4 }, 5001)).toBe(CT.TRK | CT.NEW);
    for (let now = 5500; now <= 5500 + ct.sweepInterval; now += 500) ct.maintain(now);
    expect(ct.size).toBe(1500);
    for (let now = 60_500; now <= 60_500 + ct.sweepInterval; now += 500) ct.maintain(now);
    expect(ct.size).toBe(0);
  });

  it("prints a connection", () => {
    const ct = tracker();
    state(ct, tcp("fd00::1", 1, "fd00::2", 2, { flags: "S" }), { commit: true, zone: 9, mark: { value: 5, mask: 0xff } });
    expect(formatConnection(6, ct.tables[6], 0, 0, { more: false, statistics: true })).toBe(
      "tcp,orig=(src=fd00::1,dst=fd00::2,sport=1,dport=2),reply=(src=fd00::2,dst=fd00::1,sport=2,dport=1),zone=9,timeout=30,mark=5,protoinfo=(state=SYN_SENT)",
    );
  });
});

describe("NAT", () => {
  const address = fc
    .integer({ min: 1, max: 0xdfffffff })
    .map((n) => [24, 16, 8, 0].map((shift) => (n >>> shift) & 255).join("."));
  const port = fc.integer({ min: 1, max: 65535 });
  const range = fc.record({
    direction: fc.constantFrom("src" as const, "dst" as const),
    min: fc.integer({ min: 0x0b000001, max: 0x0b0000ff }),
    width: fc.integer({ min: 0, max: 20 }),
    ports: fc.option(fc.tuple(port, port), { nil: undefined }),
    persistent: fc.boolean(),
    random: fc.boolean(),
  });

  it("is undone by the reply, keeps to its range, and keeps checksums right", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(address, port, address, port, fc.constantFrom("udp", "tcp")), { minLength: 1, maxLength: 30 }),
        range,
        (talks, given) => {
          const ct = tracker();
          const [portMin, portMax] = given.ports === undefined ? [0, 0] : [Math.min(...given.ports), Math.max(...given.ports)];
          const nat: CtNat = {
            ...PLAIN_NAT,
            direction: given.direction,
            min: { family: 4, ip: ipv4Of(given.min) },
            max: { family: 4, ip: ipv4Of(given.min + given.width) },
            portMin,
            portMax,
            persistent: given.persistent,
            random: given.random,
          };
          const seen = new Set<string>();
          const done = new Set<string>();
          for (const [src, sport, dst, dport, kind] of talks) {
            // The same conversation again, or its other side, is not a new connection.
            if (done.has(`${src}${sport}${dst}${dport}`) || done.has(`${dst}${dport}${src}${sport}`)) continue;
            done.add(`${src}${sport}${dst}${dport}`);
            const make = (a: string, ap: number, b: string, bp: number): Uint8Array =>
              kind === "udp" ? udp(a, ap, b, bp) : tcp(a, ap, b, bp, { flags: "S" });
            const packet = packetOf(make(src, sport, dst, dport));
            const before = Uint8Array.from(packet.bytes);
            const size = ct.size;
            ct.track(packet, { ...LOOK, commit: true, nat }, 0);
            if (ct.size === size) {
              expect([...packet.bytes]).toEqual([...before]);
              continue;
            }
            const { key } = packet;
            const word = given.direction === "src" ? WORD.nw_src : WORD.nw_dst;
            expect((key[word] as number) >>> 0).toBeGreaterThanOrEqual(given.min);
            expect((key[word] as number) >>> 0).toBeLessThanOrEqual(given.min + given.width);
            const translatedPort = key[given.direction === "src" ? WORD.tp_src : WORD.tp_dst] as number;
            if (portMin !== 0) expect(translatedPort >= portMin && translatedPort <= portMax).toBe(true);
            const tuple = newTuple();
            expect(readTuple(packet, 0, tuple)).toBe("valid");
            expect(internetChecksum(packet.bytes, 14, 34)).toBe(0);
            // No two connections look alike on the other side.
            const name = `${kind} ${tuple.ports} ${tuple.addresses.join()}`;
            expect(seen.has(name)).toBe(false);
            seen.add(name);
            const text = (w: number): string => [24, 16, 8, 0].map((shift) => ((key[w] as number) >>> shift) & 255).join(".");
            const [a, ap] = [text(WORD.nw_dst), key[WORD.tp_dst] as number];
            const [b, bp] = [text(WORD.nw_src), key[WORD.tp_src] as number];
            const reply = packetOf(
              kind === "udp" ? udp(a, ap, b, bp) : tcp(a, ap, b, bp, { flags: "SA", sequence: 9, acknowledged: 1 }),
            );
            ct.track(reply, { ...LOOK, nat: PLAIN_NAT }, 0);
            const expected = packetOf(
              kind === "udp"
                ? udp(dst, dport, src, sport)
                : tcp(dst, dport, src, sport, { flags: "SA", sequence: 9, acknowledged: 1 }),
            );
            expect([...reply.bytes]).toEqual([...expected.bytes]);
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe("a switch with connection tracking", () => {
  it("lets in only what was asked for", () => {
    const runtime = virtualRuntime({ seed: 1 });
    const sent: string[] = [];
    const made = new MemorySwitch({
      clock: runtime.clock,
      log: runtime.log.logger("test"),
      onSend: (port) => sent.push(port),
    });
    const bridge = made.addBridge({
      name: "br0",
      ports: [
        { name: "p1", ofport: 1 },
        { name: "p2", ofport: 2 },
      ],
    });
    made.addFlows(
      bridge,
      `table=0,ip,actions=ct(table=1)
       table=1,in_port=1,ip,ct_state=+trk+new,actions=ct(commit),2
       table=1,in_port=1,ip,ct_state=+trk+est,actions=2
       table=1,in_port=2,ip,ct_state=+trk+est,actions=1`,
    );
    made.datapath.receive(2, frame(udp(B, 2, A, 1)));
    made.datapath.receive(1, frame(udp(A, 1, B, 2)));
    made.datapath.receive(2, frame(udp(B, 2, A, 1)));
    made.datapath.receive(1, frame(udp(A, 1, B, 2)));
    expect(sent).toEqual(["p2", "p1", "p2"]);
    expect(made.datapath.conntracker.size).toBe(1);
  });
});
