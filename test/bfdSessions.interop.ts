/**
 * BFD sessions that the controller holds for routes (ovn-sb(5), BFD): ours and our northd beside the reference's, one chassis in a cloud of each,
 * and the same peer in a guest behind it. Compared are the answers, byte by byte but for what is drawn at random, and the status.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Bfd, decode, emit, find, headers, parseIpv4, parseIpv6, parseMac, readCapture, toHex } from "@weft/packet";
import { nodeRuntime } from "@weft/runtime";
import { afterAll, beforeAll, expect, test } from "vitest";
import { allReference, Cloud, linkPrograms, type Side } from "./reference/cloud.ts";
import type { Control } from "./reference/daemons.ts";

linkPrograms();

const NETWORK = `
  cloud_start; net_add n1; hv_add w1 n1 10.9.0.1/24
  ovn-nbctl ls-add ext -- lsp-add ext peer -- lsp-set-addresses peer "50:54:00:00:00:50 172.16.0.50 fd16::50" \\
    -- lr-add r -- set logical_router r options:chassis=w1 -- lrp-add r re 50:54:00:00:00:fe 172.16.0.1/24 fd16::1/64 \\
    -- lsp-add-router-port ext ext-r re
  vif_add w1 peer
  ovn-nbctl --wait=hv sync
  ovn-nbctl --bfd lr-route-add r 10.4.0.0/16 172.16.0.50 re -- --bfd lr-route-add r fd04::/64 fd16::50 re
  ovn-nbctl --wait=hv set bfd . min_tx=400 || true
  for session in $(ovn-nbctl --bare --columns=_uuid list bfd); do ovn-nbctl set bfd $session min_tx=400 min_rx=300 detect_mult=3; done
  ovn-nbctl --wait=hv sync`;

const { clock } = nodeRuntime();
type Family = "ipv4" | "ipv6";
const families: readonly Family[] = ["ipv4", "ipv6"];
const state = { adminDown: 0, down: 1, init: 2, up: 3 } as const;

/** What the peer says; discriminators are its own unless given. */
interface Saying extends Partial<Bfd> {
  /** 0, that of the session, or another. */
  readonly your?: "none" | "right" | "wrong";
  readonly srcPort?: number;
  readonly ttl?: number;
}

class Peer {
  readonly cloud: Cloud;
  readonly #switch: Control;

  constructor(side: Side) {
    this.cloud = new Cloud({ ...allReference, NORTHD: side, CONTROLLER: side });
    this.cloud.run(NETWORK);
    this.#switch = this.cloud.control("w1/vswitchd");
  }

  #frames() {
    return readCapture(readFileSync(join(this.cloud.dir, "w1/peer-tx.pcap"))).map(({ bytes }) => decode(bytes));
  }

  discriminator(family: Family): number {
    return find(
      this.#frames().filter((layers) => find(layers, family) !== undefined && find(layers, "bfd") !== undefined)[0] ?? [],
      "bfd",
    )!.myDiscriminator;
  }

  async say(family: Family, { your = "right", srcPort = 49200, ttl = 255, ...rest }: Saying): Promise<void> {
    const discriminator = your === "none" ? 0 : this.discriminator(family) ^ (your === "wrong" ? 1 : 0);
    const ip =
      family === "ipv4"
        ? ({ kind: "ipv4", src: parseIpv4("172.16.0.50")!, dst: parseIpv4("172.16.0.1")!, ttl } as const)
        : ({ kind: "ipv6", src: parseIpv6("fd16::50")!, dst: parseIpv6("fd16::1")!, hopLimit: ttl } as const);
    const frame = emit([
      { kind: "ethernet", dst: parseMac("50:54:00:00:00:fe")!, src: parseMac("50:54:00:00:00:50")! },
      ip,
      { kind: "udp", srcPort, dstPort: 3784 },
      {
        kind: "bfd",
        diagnostic: 0,
        state: state.down,
        flags: 0,
        detectMultiplier: 20,
        myDiscriminator: 0x77,
        desiredMinTx: 500_000,
        requiredMinRx: 600_000,
        requiredMinEchoRx: 0,
        yourDiscriminator: discriminator >>> 0,
        ...rest,
      },
    ]);
    await this.#switch.call("netdev-dummy/receive", "peer", toHex(frame));
  }

  /** What the controller has sent last to each of the peer's addresses, without what is drawn at random. */
  last(): string[] {
    const frames = this.#frames().filter((layers) => find(layers, "bfd") !== undefined);
    return families.flatMap((family) => {
      const layers = frames.findLast((one) => find(one, family) !== undefined);
      if (layers === undefined) return [];
      const plain = headers(layers).map((header) => {
        if (header.kind === "bfd") {
          // When it is down, the reference forgets the peer's discriminator sooner or later.
          const your = header.state === state.down ? undefined : header.yourDiscriminator;
          return { ...header, myDiscriminator: header.myDiscriminator !== 0, yourDiscriminator: your };
        }
        return header.kind === "udp" ? { ...header, srcPort: header.srcPort >= 49152 } : header;
      });
      return [JSON.stringify(plain, (_key, value) => (typeof value === "bigint" ? String(value) : value))];
    });
  }

  statuses(): string {
    // The reference writes when something wakes its main thread.
    this.cloud.run("ovs-appctl -t $DIR/w1/controller.ctl version; sleep 0.3");
    return this.cloud.run("ovn-sbctl --format=csv --no-headings --columns=dst_ip,status list bfd | sort");
  }
}

const peers: Peer[] = [];

beforeAll(() => {
  for (const side of ["weft", "reference"] satisfies Side[]) peers.push(new Peer(side));
});

afterAll(() => {
  for (const { cloud } of peers) cloud.stop(true);
});

/** What the peer says, and how long (ms) it says nothing then. */
const steps: readonly (readonly [string, Saying, number?])[] = [
  ["down, without knowing the session", { your: "none" }],
  ["down", {}],
  ["a wrong discriminator", { your: "wrong", state: state.init }],
  ["init with a low TTL", { ttl: 64, state: state.init }],
  ["up", { state: state.up }],
  ["poll", { state: state.up, flags: 32 }],
  ["another interval", { state: state.up, desiredMinTx: 900_000, requiredMinRx: 200_000 }],
  ["admin down", { state: state.adminDown }],
  ["up after that", { state: state.up }],
  ["down again", { state: state.down }],
  ["up at once", { state: state.up }],
  ["version 0", { state: state.down, version: 0 }],
  ["up as before", { state: state.up }],
  ["multiplier 0", { state: state.down, detectMultiplier: 0 }],
  ["multipoint", { state: state.down, flags: 1 }],
  ["still up", { state: state.up }],
  ["discriminator 0", { state: state.down, myDiscriminator: 0 }],
  ["down while up", { state: state.down }],
  ["init", { state: state.init }],
  ["silence", { state: state.up, detectMultiplier: 2 }, 5000],
];

/** Both say the same; returns what. */
async function same(what: (peer: Peer) => unknown): Promise<unknown> {
  const [got, expected] = peers.map(what);
  expect(got).toEqual(expected);
  return expected;
}

/** Lets time pass for both. The reference's controller does nothing at a time of its own: packets have to wake it. */
async function pass(ms: number): Promise<void> {
  for (const end = clock.now() + ms; clock.now() < end; await clock.sleep(50)) {
    for (const peer of peers) await peer.say("ipv4", { your: "wrong" });
  }
}

test("northd says whose the sessions are", () => {
  // The reference leaves the name out of sessions that it makes before it has heard where the port is.
  const names = peers[0]!.cloud.run("ovn-sbctl --bare --columns=chassis_name list bfd").split("\n");
  expect(names.filter((name) => name !== "")).toEqual(["w1", "w1"]);
});

test("a session that nobody answers", async () => {
  for (const until = clock.now() + 10_000; clock.now() < until && peers.some((peer) => peer.last().length < 2); )
    await clock.sleep(100);
  await pass(2000);
  expect(await same((peer) => peer.last())).toHaveLength(2);
});

for (const [name, saying, silence] of steps) {
  test(name, async () => {
    for (const family of families) await Promise.all(peers.map((peer) => peer.say(family, saying)));
    await pass(silence ?? 1300);
    expect(await same((peer) => peer.last())).toHaveLength(2);
    await same((peer) => peer.statuses());
  });
}
