/**
 * Connections through random networks with gateways, NAT and load balancers, in two clouds of two hypervisors: one all the
 * reference's, one all ours. Guests answer what comes to them; what arrives at every guest, connection by connection, is the same.
 */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { createReplica, type Replica } from "@weft/ovsdb";
import {
  decode,
  emit,
  find,
  formatIpv4,
  formatIpv6,
  formatMac,
  type Header,
  headers,
  parseIpv4,
  parseIpv6,
  parseMac,
  readCapture,
  toHex,
} from "@weft/packet";
import { nodeRuntime, WeftError } from "@weft/runtime";
import { ovnSouthbound, type SbSchema } from "@weft/schemas";
import { afterEach, expect, it } from "vitest";
import { wordsOf } from "./northdPair.ts";
import { gatewayEdits } from "./random/gateways.ts";
import { randomLoadBalancers } from "./random/loadBalancers.ts";
import { Chance, servicesOf } from "./random/microflow.ts";
import { RandomNetwork } from "./random/network.ts";
import * as xorshift from "./random/xorshift.ts";
import { allReference, allWeft, Cloud, linkPrograms, type Mix } from "./reference/cloud.ts";
import type { Control } from "./reference/daemons.ts";

linkPrograms();

const first = Number(process.env["SEED"] ?? 3);
const networks = Number(process.env["NETWORKS"] ?? 3);
const connections = 14;
/** Milliseconds between two looks at what has arrived, and looks without anything new after which a connection has ended. */
const PAUSE = 40;
const QUIET = 5;
/** Looks after which two clouds that have not done the same will not. */
const PATIENCE = 150;

const runtime = nodeRuntime();
const { clock } = runtime;

interface Guest {
  readonly name: string;
  readonly mac: string;
  readonly ip4: string | undefined;
  readonly ip6: string | undefined;
}

/** Where a guest is: the same in both clouds. */
function nodeOf(name: string): string {
  return [...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 2 === 0 ? "w1" : "w2";
}

/** A cloud with guests that answer. */
class Side {
  readonly cloud: Cloud;
  readonly #guests: readonly Guest[];
  readonly #read = new Map<string, { size: number; frames: number }>();
  readonly #switches: ReadonlyMap<string, Control>;
  readonly #southbound: Replica<SbSchema>;

  /** `network`: calls of ovn-nbctl. */
  constructor(mix: Mix, network: readonly (readonly string[])[], guests: readonly Guest[]) {
    this.cloud = new Cloud(mix);
    this.#guests = guests;
    const vifs = guests.map(({ name }) => `vif_add ${nodeOf(name)} ${name}`).join("\n");
    const edits = network.map((words) => `ovn-nbctl ${words.map((word) => `'${word}'`).join(" ")} >/dev/null`).join("\n");
    this.cloud.run(`cloud_start; net_add n1; hv_add w1 n1 10.9.0.1/24; hv_add w2 n1 10.9.0.2/24; underlay_warm
      ovn-nbctl set NB_Global . options:mac_prefix=0a:00:77 options:svc_monitor_mac=0a:00:77:00:00:01
      ${vifs}\n${edits}\novn-nbctl --timeout=60 --wait=hv sync`);
    this.#southbound = createReplica({
      runtime,
      schema: ovnSouthbound,
      remotes: [`unix:${this.cloud.dir}/central/sb.sock`],
    });
    this.#switches = new Map(["w1", "w2"].map((node) => [node, this.cloud.control(`${node}/vswitchd`)]));
  }

  async send(name: string, frame: Uint8Array): Promise<void> {
    await this.#switches.get(nodeOf(name))!.call("netdev-dummy/receive", name, toHex(frame));
  }

  /** The neighbours that routers have learned, as sorted lines. */
  get neighbours(): readonly string[] {
    const rows = [...this.#southbound.table("MAC_Binding").rows()];
    return rows.map(({ logical_port, ip, mac }) => `${logical_port} ${ip} ${mac}`).sort();
  }

  /** Until every hypervisor has what the southbound database has now. */
  synchronise(): void {
    this.cloud.run("ovn-nbctl --timeout=60 --wait=hv sync");
  }

  async stop(forget: boolean): Promise<void> {
    await this.#southbound.close();
    this.cloud.stop(forget);
  }

  /** What has come to guests since the last look. */
  look(): { readonly guest: Guest; readonly frame: Uint8Array }[] {
    return this.#guests.flatMap((guest) => this.#arrived(guest.name).map((frame) => ({ guest, frame })));
  }

  #arrived(name: string): Uint8Array[] {
    const path = join(this.cloud.dir, nodeOf(name), `${name}-tx.pcap`);
    const { size } = statSync(path);
    const before = this.#read.get(name) ?? { size: 0, frames: 0 };
    if (size === before.size) return [];
    try {
      const all = readCapture(readFileSync(path));
      this.#read.set(name, { size, frames: all.length });
      return all.slice(before.frames).map(({ bytes }) => bytes);
    } catch (error) {
      // The switch is at it.
      if (error instanceof WeftError && error.code === "pcap.malformed") return [];
      throw error;
    }
  }

  /** Until nothing comes any more. What comes is told, and answered by who it is for. */
  async settle(told: string[]): Promise<void> {
    for (let quiet = 0; quiet < QUIET; quiet++) {
      await clock.sleep(PAUSE);
      for (const { guest, frame } of this.look()) {
        if (isNews(frame)) continue;
        quiet = 0;
        told.push(`${guest.name} ${toHex(frame)}`);
        const answer = answerOf(guest, frame);
        if (answer !== undefined) await this.send(guest.name, answer);
      }
    }
  }
}

/** What is not of the connections: announcements of addresses, routers and groups, and the tunnels, which the physical network carries. */
function isNews(frame: Uint8Array): boolean {
  const layers = decode(frame);
  const arp = find(layers, "arp");
  const nd = find(layers, "nd");
  if (find(layers, "mld") !== undefined || find(layers, "igmp") !== undefined || nd?.type === 134) return true;
  if (find(layers, "udp")?.dstPort === 6081) return true;
  return arp !== undefined && (arp.senderIp === arp.targetIp || arp.operation > 2);
}

/** What a guest says to a frame, if it is for it and anything is to be said. */
function answerOf(guest: Guest, frame: Uint8Array): Uint8Array | undefined {
  const layers = decode(frame);
  const [ethernet, ip, transport] = headers(layers);
  if (ethernet?.kind !== "ethernet") return undefined;
  const mac = parseMac(guest.mac)!;
  const link: Header = { kind: "ethernet", dst: ethernet.src, src: mac };
  if (ip?.kind === "arp") {
    if (ip.operation !== 1 || formatIpv4(ip.targetIp) !== guest.ip4) return undefined;
    const { senderMac: targetMac, senderIp: targetIp, targetIp: senderIp } = ip;
    return emit([link, { kind: "arp", operation: 2, senderMac: mac, senderIp, targetMac, targetIp }]);
  }
  if (formatMac(ethernet.dst) !== guest.mac || (ip?.kind !== "ipv4" && ip?.kind !== "ipv6")) return undefined;
  if ((ip.kind === "ipv4" ? formatIpv4(ip.dst) : formatIpv6(ip.dst)) !== (ip.kind === "ipv4" ? guest.ip4 : guest.ip6))
    return undefined;
  const said = sayTo(transport, find(layers, "payload")?.bytes.length ?? 0);
  if (said === undefined) return undefined;
  const back: Header =
    ip.kind === "ipv4"
      ? { kind: "ipv4", src: ip.dst, dst: ip.src, ttl: 64 }
      : { kind: "ipv6", src: ip.dst, dst: ip.src, hopLimit: 64 };
  return emit([link, back, ...said]);
}

const SYN = 0x02;
const SYN_ACK = 0x12;
const PUSH = 0x18;
const END = 0x19;
const text = (words: string): Header => ({ kind: "payload", bytes: new TextEncoder().encode(words) });

/** A connection of TCP is opened, asked a question on, answered and ended; a datagram and an echo request are answered. */
function sayTo(transport: Header | undefined, payload: number): Header[] | undefined {
  switch (transport?.kind) {
    case "tcp": {
      const { srcPort, dstPort, sequence, acknowledgment = 0, flags } = transport;
      const back = { kind: "tcp", srcPort: dstPort, dstPort: srcPort, window: 999 } as const;
      if (flags === SYN) return [{ ...back, sequence: 9000, acknowledgment: (sequence + 1) >>> 0, flags: SYN_ACK }];
      const next = { ...back, sequence: acknowledgment, acknowledgment: (sequence + (payload || 1)) >>> 0 };
      if (flags === SYN_ACK) return [{ ...next, flags: PUSH }, text("question")];
      return flags === PUSH ? [{ ...next, flags: END }, text("answer")] : undefined;
    }
    case "udp": {
      const { srcPort, dstPort } = transport;
      return srcPort >= CLIENT ? [{ kind: "udp", srcPort: dstPort, dstPort: srcPort }, text("answer")] : undefined;
    }
    case "icmp":
      return transport.type === 8 ? [{ ...transport, type: 0, checksum: undefined }] : undefined;
    case "icmpv6":
      return transport.type === 128 ? [{ ...transport, type: 129, checksum: undefined }] : undefined;
    default:
      return undefined;
  }
}

/** Clients' ports are from here on; each connection has its own, so that nobody has to choose another for it. */
const CLIENT = 20_000;

interface Opening {
  readonly from: Guest;
  readonly what: string;
  readonly frame: Uint8Array;
}

/** How a connection begins: from a guest to another, to a router, to what NAT or a load balancer stands for, or to nobody. */
function opening(
  network: RandomNetwork,
  guests: readonly Guest[],
  targets: readonly string[],
  chance: Chance,
  number: number,
): Opening {
  const from = chance.pick(guests);
  const six = from.ip6 !== undefined && chance.percent(35);
  const at = network.switches.find(({ ports }) => ports.some(({ name }) => name === from.name));
  const routers = network.routers.flatMap(({ ports }) => ports);
  const known = [
    ...guests.map(({ ip4, ip6 }) => (six ? ip6 : ip4)),
    ...routers.flatMap(({ networks }) => networks.map((one) => one.replace(/\/.*/, ""))),
    ...targets,
    ...targets,
  ];
  const dst = chance.pick(known.filter((one) => one?.includes(":") === six)) ?? (six ? "fd88:7::9" : "192.168.7.9");
  const near = at?.ports.find(({ ip4, ip6, kind }) => kind !== "router" && (ip4 === dst || ip6 === dst))?.mac;
  const gateway = chance.pick(routers.filter(({ attached }) => attached === at).concat(routers))?.mac;
  const link: Header = { kind: "ethernet", dst: parseMac(near ?? gateway ?? "0a:99:99:99:99:99")!, src: parseMac(from.mac)! };
  const ip: Header = six
    ? { kind: "ipv6", src: parseIpv6(from.ip6!)!, dst: parseIpv6(dst)!, hopLimit: 64 }
    : { kind: "ipv4", src: parseIpv4(from.ip4!)!, dst: parseIpv4(dst)!, ttl: 64 };
  const srcPort = CLIENT + number;
  const kind = chance.pick(["tcp", "tcp", "tcp", "udp", "echo"] as const);
  const dstPort = chance.pick(kind === "udp" ? [7, 80, 81] : [80, 81, 443]);
  const echo = { code: 0, rest: (srcPort << 16) | 1 };
  const begin: Record<typeof kind, () => Header[]> = {
    tcp: () => [{ kind: "tcp", srcPort, dstPort, sequence: 1000, acknowledgment: 0, flags: SYN, window: 999 }],
    udp: () => [{ kind: "udp", srcPort, dstPort }, text("question")],
    echo: () => [six ? { kind: "icmpv6", type: 128, ...echo } : { kind: "icmp", type: 8, ...echo }, text("question")],
  };
  return { from, what: `${kind} from ${from.name} to ${dst} ${dstPort}`, frame: emit([link, ip, ...begin[kind]()]) };
}

/** A network without choices that each switch makes by a hash of its own: load balancers have one backend, and routes one next hop. */
function edits(network: RandomNetwork, seed: number): (readonly string[])[] {
  const names = (list: readonly { readonly name: string }[]): string[] => list.map(({ name }) => name);
  const built = network.build(45).filter((words) => !words.some((word) => word.startsWith("--ecmp")));
  const site = { chassis: ["w1", "w2"], networkName: () => "physnet1" };
  const gateways = gatewayEdits(network, seed, 12, site).filter((words) => !words.some((word) => word.startsWith("--ecmp")));
  const holders = { switches: names(network.switches), routers: names(network.routers) };
  const balancers = randomLoadBalancers(new xorshift.Chance(seed), holders, 4).map((line) =>
    wordsOf(line).map((word) => word.replace(/"="([^",]*),[^"]*"/g, '"="$1"')),
  );
  return [built.flatMap((words) => ["--", ...words]), ...gateways, ...balancers];
}

const sides: Side[] = [];
afterEach(async (context) => {
  for (const side of sides.splice(0)) await side.stop(context.task.result?.state === "pass");
});

/** What both clouds have learned besides `known`; until they have learned the same, on every hypervisor. */
async function agree(known: ReadonlySet<string>, before: readonly string[]): Promise<readonly string[]> {
  const learned = () => sides.map(({ neighbours }) => neighbours.filter((one) => !known.has(one))) as [string[], string[]];
  let [theirs, ours] = learned();
  for (let looks = 0; looks < PATIENCE && `${theirs}` !== `${ours}`; looks++) {
    await clock.sleep(PAUSE);
    [theirs, ours] = learned();
  }
  expect(ours).toEqual(theirs);
  // A neighbour that one hypervisor has not heard of yet would be asked for again.
  if (`${theirs}` !== `${before}`) for (const side of sides) side.synchronise();
  return theirs;
}

let answered = 0;
const seeds = Array.from({ length: networks }, (_, i) => first + i);
it.each(seeds)("the connections of network %i", async (seed) => {
  const network = new RandomNetwork(seed, { static: true });
  const made = edits(network, seed);
  const guests = network.switches.flatMap(({ ports }) => ports.filter(({ kind, ip4 }) => kind === "vif" && ip4 !== undefined));
  const { ip4, ip6 } = servicesOf(made);
  for (const mix of [allReference, { ...allWeft, tools: "reference" } as const]) sides.push(new Side(mix, made, guests));
  const chance = new Chance(seed);
  // What guests have heard while the network came up.
  await Promise.all(sides.map((side) => side.settle([])));
  const known = new Set(sides.flatMap(({ neighbours }) => neighbours));
  let neighbours: readonly string[] = [];
  for (let number = 0; number < connections; number++) {
    const { from, what, frame } = opening(network, guests, [...ip4, ...ip6], chance, number);
    const told: string[][] = [[], []];
    for (let looks = 0; ; looks += QUIET) {
      if (looks === 0) await Promise.all(sides.map((side) => side.send(from.name, frame)));
      await Promise.all(sides.map((side, i) => side.settle(told[i]!)));
      for (const lines of told) lines.sort();
      if (`${told[0]}` === `${told[1]}`) break;
      if (looks > PATIENCE) expect(told[1], `network ${seed}: ${what}`).toEqual(told[0]);
    }
    if (told[0]!.some((line) => line.startsWith(`${from.name} `))) answered++;
    neighbours = await agree(known, neighbours);
  }
});

it("some of them are answered", () => {
  expect(answered).toBeGreaterThan(networks * 2);
});
