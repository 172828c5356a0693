/** Connection tracking against the reference's: the same flows, packets and times into both, the same packets and dumps out of them. */
import { formatIpv4, formatIpv6, readIpv4, readIpv6 } from "@weft/packet";
import { type Random, seededRandom } from "@weft/runtime";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { icmp, ip, sctp, tcp, udp } from "./datagrams.ts";
import { Pair } from "./pair.ts";

let pair: Pair;

beforeAll(async () => {
  pair = await Pair.start();
});
afterAll(() => pair.stop());

/** What connection tracking said becomes part of the frame: state and mark in the Ethernet addresses. */
const SHOW = "move:NXM_NX_CT_STATE[]->NXM_OF_ETH_SRC[0..31],move:NXM_NX_CT_MARK[]->NXM_OF_ETH_DST[0..31]";

/** Everything is tracked, new connections of port 1 are committed, and goes to the other side. */
const firewall = (commit: string, table = "ct(table=1)", families: readonly string[] = ["ip", "ipv6"]): string[] =>
  families.flatMap((family) => [
    `table=0,${family},actions=${table}`,
    `table=1,priority=10,${family},ct_state=+trk+new,in_port=1,actions=${SHOW},ct(${commit}),output:2`,
    `table=1,priority=5,${family},in_port=1,actions=${SHOW},output:2`,
    `table=1,priority=5,${family},in_port=2,actions=${SHOW},output:1`,
  ]);

const lines = (text: string): string[] => text.split("\n").sort();

async function same(name: string, ...args: string[]): Promise<void> {
  const { reference, ours } = await pair.command(name, ...args);
  expect(lines(ours)).toEqual(lines(reference));
}

/** A packet as it was made, for messages. */
interface Step {
  readonly port: number;
  readonly packet: Uint8Array;
  readonly text: string;
  /** Time that passes before, in ms. */
  readonly wait?: number;
}

/** Runs packets through both and compares after each; the first difference fails with all that led to it. */
async function play(steps: readonly Step[], dumps = true): Promise<void> {
  const done: string[] = [];
  for (const step of steps) {
    if (step.wait !== undefined) await pair.warp(step.wait);
    const { reference, ours } = await pair.receive(step.port, step.packet);
    done.push(step.wait === undefined ? step.text : `${step.text} after ${step.wait} ms`);
    let wrong = reference.join() === ours.join() ? "" : `\n  reference ${reference.join(" ")}\n  ours      ${ours.join(" ")}`;
    for (const options of dumps && wrong === "" ? [["-m", "-s"], []] : []) {
      const dump = await pair.command("dpctl/dump-conntrack", ...options);
      if (lines(dump.reference).join("\n") !== lines(dump.ours).join("\n"))
        wrong = `\n  reference ${dump.reference}\n  ours      ${dump.ours}`;
    }
    if (wrong !== "") expect.fail(`${done.join("\n")}${wrong}`);
  }
}

/** A conversation over TCP in which much goes wrong. */
function tcpSteps(random: Random, count: number, v6: boolean): Step[] {
  const [a, b] = v6 ? ["fd00::1", "fd00::2"] : ["10.0.0.1", "10.0.0.2"];
  const pick = <T>(list: readonly [T, ...T[]]): T => list[random.below(list.length)] ?? list[0];
  /** The next number of each side, as far as the two go by the rules. */
  const next = [random.uint32(), random.uint32()] as [number, number];
  const steps: Step[] = [];
  for (let i = 0; i < count; i++) {
    const side = random.below(2) as 0 | 1;
    const flags =
      i === 0 && random.below(4) > 0
        ? "S"
        : pick([
            "A",
            "A",
            "A",
            "PA",
            "PA",
            "S",
            "SA",
            "SA",
            "FA",
            "R",
            "RA",
            "AFU",
            "",
            "F",
            "SF",
            "SR",
            "PR",
            "SPA",
            "U",
            "SFA",
            "RFA",
          ]);
    const stray = (): number =>
      random.below(3) > 0
        ? 0
        : pick([1, -1, 2, -2, 100, -100, 999, 1000, 1001, 65535, 66000, 67035, 67036, -66000, -67036, 70000, -1000000]);
    const sequence = next[side] + stray();
    const acknowledged = random.below(12) === 0 ? 0 : next[1 - side]! + stray();
    const data = new Uint8Array(random.below(3) === 0 ? random.below(40) : 0).fill(7);
    const window = pick([1000, 1000, 0, 1, 65535, 500]);
    const options =
      flags.includes("S") && random.below(2) === 0
        ? pick([
            [3, 3, 7],
            [1, 3, 3, 2],
            [3, 3, 0],
            [2, 4, 5, 180],
            [3, 3, 15],
          ])
        : [];
    if (random.below(6) > 0) {
      const size = data.length + (flags.includes("S") ? 1 : 0) + (flags.includes("F") ? 1 : 0);
      next[side] = Math.max(next[side], sequence + size);
    }
    const segment = { flags, sequence, acknowledged, window, options, data };
    steps.push({
      ...(random.below(12) === 0 ? { wait: pick([1000, 20_000, 31_000, 46_000]) } : {}),
      port: side + 1,
      packet: side === 0 ? tcp(a, 1000, b, 80, segment) : tcp(b, 80, a, 1000, segment),
      text: `${side === 0 ? ">" : "<"} ${flags} seq ${sequence} ack ${acknowledged} win ${window} opt ${options.join(".")} len ${data.length}`,
    });
  }
  return steps;
}

const NAMES4 = { a: "10.0.0.1", b: "10.0.0.2", c: "10.0.0.3", vip: "10.9.0.1", router: "10.0.7.7", nat: "192.168.1.1" };
const NAMES6 = { a: "fd00::1", b: "fd00::2", c: "fd00::3", vip: "fd09::1", router: "fd07::7", nat: "fd01::1" };

/** A step from a call that makes its packet. */
const step = (port: number, text: string, packet: Uint8Array): Step => ({ port, packet, text });

/** What follows an SCTP header: an INIT (RFC 9260 section 3.3.2). */
const CHUNK = Uint8Array.from([1, 0, 0, 20, 0, 0, 0, 1, 0, 0, 4, 0, 0, 1, 0, 1, 0, 0, 0, 1]);

/** Hosts that talk over UDP, ICMP and TCP to servers, with errors, wrong checksums and strangers. `see` is how the far side names them. */
function talk(
  random: Random,
  count: number,
  v6: boolean,
  n: typeof NAMES4,
  seen: (host: string) => string,
  echoes = true,
): Step[] {
  const pick = <T>(list: readonly [T, ...T[]]): T => list[random.below(list.length)] ?? list[0];
  const steps: Step[] = [];
  for (let i = 0; i < count; i++) {
    const host = pick([n.a, n.c]);
    const port = pick([1000, 1001, 300, 700]);
    const server = pick([n.b, n.vip]);
    const bad = random.below(15) === 0;
    const id = pick([1, 2]);
    const rest = [0, id, 0, i];
    const target = seen(server);
    const source = n.nat === "" ? host : pick([host, n.nat]);
    const inner = pick([
      udp(source, port, target, 53, {}, { ttl: 3 }),
      icmp(source, target, v6 ? 128 : 8, { rest }),
      udp(source, port, target, 53, { data: new Uint8Array(60) }).subarray(0, v6 ? 52 : 32),
    ]);
    const choices: readonly [Step, ...Step[]] = [
      step(1, `udp ${host}:${port} > ${server}:53`, udp(host, port, server, 53, { bad })),
      step(2, `udp ${target}:53 > ${source}:${port}`, udp(target, 53, source, port, { bad, unchecked: random.below(4) === 0 })),
      step(1, `echo ${host} > ${server} id ${id}`, icmp(host, server, v6 ? 128 : 8, { rest, bad, data: new Uint8Array(5) })),
      step(2, `echo reply ${target} > ${source} id ${id}`, icmp(target, source, v6 ? 129 : 0, { rest, bad })),
      step(
        2,
        `error ${n.router} > ${source}`,
        icmp(n.router, source, v6 ? 1 : 3, { code: 1, rest: [0, 0, 0, 0], data: inner, bad }),
      ),
      step(2, `error ${target} > ${source}`, icmp(target, source, v6 ? 3 : 11, { rest: [0, 0, 0, 0], data: inner })),
      step(
        1,
        `error ${n.router} > ${server}`,
        icmp(n.router, server, v6 ? 1 : 3, { rest: [0, 0, 0, 0], data: udp(server, 53, host, port) }),
      ),
      step(1, `syn ${host}:${port} > ${server}:80`, tcp(host, port, server, 80, { flags: "S", sequence: 1000, bad })),
      step(
        2,
        `syn-ack ${target}:80 > ${source}:${port}`,
        tcp(target, 80, source, port, { flags: "SA", sequence: 5000, acknowledged: 1001 }),
      ),
      step(
        1,
        `ack ${host}:${port} > ${server}:80`,
        tcp(host, port, server, 80, { flags: "PA", sequence: 1001, acknowledged: 5001, data: new Uint8Array(9) }),
      ),
      step(1, `sctp ${host}:${port} > ${server}:9`, sctp(host, port, server, 9, CHUNK, bad)),
      step(2, `sctp ${target}:9 > ${source}:${port}`, sctp(target, 9, source, port, CHUNK)),
      step(1, `gre ${host} > ${server}`, ip(host, server, 47, CHUNK, { badHeader: bad })),
      step(2, `gre ${target} > ${source}`, ip(target, source, 47, CHUNK)),
    ];
    const chosen = pick(choices);
    // The reference gives several pings one identifier if there is a port to translate to.
    if (echoes || !chosen.text.startsWith("echo")) steps.push(chosen);
  }
  return steps;
}

describe("UDP, ICMP and TCP between many", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    [
      "without NAT",
      "commit,zone=5,exec(set_field:0x12/0xff->ct_mark,set_field:0x1234567890abcdef0011223344556677->ct_label)",
      "",
    ],
    ["with SNAT", "commit,zone=5,nat(src=NAT)", "src"],
    ["with SNAT to ports", "commit,zone=5,nat(src=[NAT]:5000),exec(set_field:7->ct_mark)", "src"],
    ["with DNAT", "commit,zone=5,nat(dst=NAT)", "dst"],
    ["with DNAT to a port", "commit,zone=5,nat(dst=[NAT]:53)", "dst"],
    ["with zero SNAT", "commit,zone=5,nat(src=ZERO)", ""],
  ];
  for (const v6 of [false, true])
    it.each(cases)(`${v6 ? "IPv6" : "IPv4"} %s`, async (_, commit, kind) => {
      const names = v6 ? NAMES6 : NAMES4;
      const text = commit
        .replace("[NAT]", v6 ? `[${names.nat}]` : names.nat)
        .replace("NAT", names.nat)
        .replace("ZERO", v6 ? "::" : "0.0.0.0");
      await pair.flows(...firewall(text, `ct(table=1,zone=5${commit.includes("nat") ? ",nat" : ""})`, [v6 ? "ipv6" : "ip"]));
      const random = seededRandom(commit.length);
      for (let i = 0; i < 2; i++) {
        await pair.command("dpctl/flush-conntrack");
        const seen = (host: string): string => (kind === "dst" ? names.nat : host);
        await play(talk(random, 60, v6, kind === "src" ? names : { ...names, nat: "" }, seen, !commit.includes(":53")));
      }
    });
});

/** A packet's fragments, cut at these lengths of data. */
function cut(packet: Uint8Array, lengths: readonly number[], id: number): Uint8Array[] {
  const v6 = (packet[0] as number) >>> 4 === 6;
  const header = v6 ? 40 : 20;
  const data = packet.subarray(header);
  const found: Uint8Array[] = [];
  const text = (at: number): string => (v6 ? formatIpv6(readIpv6(packet, at)) : formatIpv4(readIpv4(packet, at)));
  for (let at = 0, n = 0; at < data.length; n++) {
    const length = Math.min(lengths[n] ?? data.length, data.length - at);
    const last = at + length >= data.length;
    const fragment = v6 ? at | (last ? 0 : 1) : (at / 8) | (last ? 0 : 0x2000);
    const protocol = packet[v6 ? 6 : 9] as number;
    found.push(ip(text(v6 ? 8 : 12), text(v6 ? 24 : 16), protocol, data.subarray(at, at + length), { id, fragment }));
    at += length;
  }
  return found;
}

describe("fragments", () => {
  const data = Uint8Array.from({ length: 3000 }, (_, i) => i % 251);

  /** Gives both the packets of one port and compares all that came out by the end. */
  async function send(port: number, packets: readonly Uint8Array[], expected: number, status = true): Promise<void> {
    const seen: { reference: string[]; ours: string[] } = { reference: [], ours: [] };
    for (const [i, packet] of packets.entries()) {
      const left = expected - seen.reference.length;
      const { reference, ours } = await pair.receive(port, packet, i === packets.length - 1 ? left : 0);
      seen.reference.push(...reference);
      seen.ours.push(...ours);
    }
    expect(seen.ours).toEqual(seen.reference);
    expect(seen.ours).toHaveLength(expected);
    if (!status) return;
    await same("dpctl/ipf-get-status", "-m");
    await same("dpctl/ipf-get-status");
  }

  it("have settings", async () => {
    const asked = [
      "ipf-set-enabled v4",
      "ipf-set-disabled v6",
      "ipf-set-enabled v5",
      "ipf-set-min-frag v4 399",
      "ipf-set-min-frag v4 400",
      "ipf-set-min-frag v6 x",
      "ipf-set-min-frag v7 500",
      "ipf-set-max-nfrags 5001",
      "ipf-set-max-nfrags 5000",
      "ipf-set-max-nfrags x",
      "ipf-get-status",
      "ipf-get-status bogus",
      "ipf-set-enabled v6",
      "ipf-set-min-frag v4 1200",
      "ipf-set-max-nfrags 1000",
    ];
    for (const one of asked) {
      const [name, ...args] = one.split(" ") as [string, ...string[]];
      await same(`dpctl/${name}`, ...args);
    }
  });

  it.each([
    [false, ""],
    [false, ",nat(src=192.168.1.1)"],
    [true, ""],
    [true, ",nat(dst=fd01::1)"],
  ])("come out together, tracked as one packet (IPv6 %s%s)", async (v6, nat) => {
    const n = v6 ? NAMES6 : NAMES4;
    await pair.flows(...firewall(`commit,exec(set_field:9->ct_mark)${nat}`, "ct(table=1,nat)", [v6 ? "ipv6" : "ip"]));
    const there = udp(n.a, 1000, n.b, 53, { data });
    await send(1, cut(there, [1280, 1280], 1), 3);
    await send(1, cut(there, [1280, 1280], 2).reverse(), 3);
    const [source, target] = v6 ? [nat === "" ? n.b : n.nat, n.a] : [n.b, nat === "" ? n.a : n.nat];
    await send(2, cut(udp(source, 53, target, 1000, { data }), [1432, 1280], 3), 3);
    await send(1, cut(icmp(n.a, n.b, v6 ? 128 : 8, { data }), [1280, 1280], 4), 3);
    await send(1, cut(tcp(n.a, 5, n.b, 6, { flags: "S", data }), [1280, 1280], 5), 3);
    await send(1, cut(udp(n.a, 1000, n.b, 53, { data, bad: true }), [1280, 1280], 6), 3);
    await same("dpctl/dump-conntrack", "-m");
  });

  it("that overlap, are small, too many or not wanted are invalid, and late ones are dropped", async () => {
    await pair.flows(...firewall("commit"));
    const packet = udp(NAMES4.a, 1000, NAMES4.b, 53, { data });
    const [a, b, c] = cut(packet, [1280, 1280], 11) as [Uint8Array, Uint8Array, Uint8Array];
    const shifted = cut(packet, [1288, 1280], 11)[1] as Uint8Array;
    await send(1, [a, shifted, c, b], 2);
    await send(1, [a, a], 2);
    await send(1, cut(packet, [800, 1280], 12), 1);
    await send(1, cut(packet, [1176, 1280], 13), 1);
    await send(1, cut(packet, [1184, 1280], 14), 3);
    await pair.command("dpctl/ipf-set-max-nfrags", "2");
    await send(1, cut(packet, [1280, 1280], 15), 3);
    await pair.command("dpctl/ipf-set-max-nfrags", "1000");
    await pair.command("dpctl/ipf-set-disabled", "v4");
    await send(1, cut(packet, [1280, 1280], 16), 3);
    await pair.command("dpctl/ipf-set-enabled", "v4");
    await send(1, [ip(NAMES6.a, NAMES6.b, 17, udp(NAMES6.a, 1, NAMES6.b, 2).subarray(40), { fragment: 0 })], 1);
    const late = cut(packet, [1280, 1280], 17);
    await send(1, late.slice(0, 2), 0);
    await pair.warp(15_500);
    // The reference drops a few of them for each packet that it tracks, ours all at once: how many there are differs for a while.
    for (let i = 0; i < 4; i++) await send(1, [udp(NAMES4.a, 7, NAMES4.b, 7)], 1, false);
    await send(1, late.slice(2), 0, false);
  });
});

describe("the database", () => {
  /** Our switch follows the rows some time after they are written, as the reference's does. */
  async function eventually(command: string, text: string): Promise<void> {
    for (let tries = 0; tries < 200 && !(await pair.ours.appctl(command)).includes(text); tries++)
      await new Promise((resolve) => setTimeout(resolve, 25));
    await same(command);
  }

  it("sets zones' limits and timeouts", async () => {
    await pair.flows(...firewall("commit,zone=5", "ct(table=1,zone=5)"));
    for (const one of [pair.reference, pair.ours])
      await one.vsctl(
        ..."-- --id=@d create Datapath datapath_version=0 ct_zone_default_limit=9 ct_zones={5=@z} -- --id=@z create CT_Zone limit=2 timeout_policy=@t -- --id=@t create CT_Timeout_Policy timeouts={udp_first=7,icmp_first=8,tcp_syn_sent=11} -- set Open_vSwitch . datapaths:system=@d"
          .split(" ")
          .slice(1),
      );
    await eventually("dpctl/ct-get-limits", "zone=5,limit=2");
    await play(
      [1, 2, 3].map((n) => step(1, `udp ${n}`, udp("10.0.0.1", n, "10.0.0.2", 53))),
      false,
    );
    await same("dpctl/ct-get-limits");
    // The reference's userspace datapath takes the policy and lives by its own timeouts; ours does what the manual says.
    expect(await pair.ours.appctl("dpctl/dump-conntrack", "-s")).toContain("timeout=7");
    for (const one of [pair.reference, pair.ours]) await one.vsctl("clear", "Open_vSwitch", ".", "datapaths");
    await eventually("dpctl/ct-get-limits", "default limit=0");
    await pair.command("dpctl/flush-conntrack");
  });
});

describe("helpers", () => {
  const message = (text: string): Uint8Array => new TextEncoder().encode(text);
  const helped = (family: string, protocol: string, commit: string): string[] => [
    `table=0,${family},actions=ct(table=1,nat,zone=3)`,
    `table=1,priority=20,${protocol},ct_state=+trk+new-rel,in_port=1,actions=${SHOW},ct(commit,zone=3,${commit}),output:2`,
    `table=1,priority=20,${family},ct_state=+trk+new+rel,actions=${SHOW},ct(commit,zone=3,nat,table=2)`,
    `table=1,priority=5,${family},in_port=1,actions=${SHOW},output:2`,
    `table=1,priority=5,${family},in_port=2,actions=${SHOW},output:1`,
    `table=2,${family},ct_state=+trk-inv,actions=${SHOW},move:NXM_NX_CT_TP_SRC[]->NXM_OF_ETH_DST[32..47],output:4`,
  ];

  /** A control connection, opened; then what is said on it by the client and the server, and the data connection. */
  async function control(
    n: typeof NAMES4,
    client: string,
    server: string,
    said: readonly (readonly [1 | 2, string])[],
    data: readonly Step[],
  ): Promise<void> {
    const steps: Step[] = [
      step(1, "syn", tcp(n.a, 1000, n.b, 21, { flags: "S", sequence: 100 })),
      step(2, "syn-ack", tcp(server, 21, client, 1000, { flags: "SA", sequence: 500, acknowledged: 101 })),
      step(1, "ack", tcp(n.a, 1000, n.b, 21, { flags: "A", sequence: 101, acknowledged: 501 })),
    ];
    const next = [101, 501] as [number, number];
    for (const [port, text] of said) {
      const side = (port - 1) as 0 | 1;
      const segment = { flags: "PA", sequence: next[side], acknowledged: next[1 - side] as number, data: message(text) };
      next[side] += text.length;
      steps.push(step(port, text, port === 1 ? tcp(n.a, 1000, n.b, 21, segment) : tcp(server, 21, client, 1000, segment)));
    }
    await play(steps);
    await same("dpctl/dump-conntrack-exp");
    await play(data);
    await same("dpctl/dump-conntrack-exp", "zone=3");
    await same("dpctl/flush-conntrack");
    await same("dpctl/dump-conntrack-exp");
  }

  it.each([false, true])("ftp (IPv6 %s)", async (v6) => {
    const n = v6 ? NAMES6 : NAMES4;
    const family = v6 ? "ipv6" : "ip";
    const eprt = `EPRT |${v6 ? 2 : 1}|${n.a}|1234|\r\n`;
    const active = v6 ? eprt : "PORT 10,0,0,1,4,210\r\n";
    const passive = v6 ? "229 Entering Extended Passive Mode (|||1235|)\r\n" : "227 Entering Passive Mode (10,0,0,2,4,211).\r\n";
    const open = (from: string, to: string, port: number): Step[] => [
      step(port === 1234 ? 2 : 1, "data syn", tcp(from, port === 1234 ? 20 : 5555, to, port, { flags: "S", sequence: 9000 })),
    ];
    await pair.flows(...helped(family, v6 ? "tcp6" : "tcp", "alg=ftp,exec(set_field:5->ct_mark,set_field:6->ct_label)"));
    await control(
      n,
      n.a,
      n.b,
      [[1, active]],
      [
        ...open(n.b, n.a, 1234),
        step(1, "data syn-ack", tcp(n.a, 1234, n.b, 20, { flags: "SA", sequence: 19000, acknowledged: 9001 })),
      ],
    );
    await control(
      n,
      n.a,
      n.b,
      [
        [1, "PASV\r\n"],
        [2, passive],
      ],
      open(n.a, n.b, 1235),
    );
    await control(n, n.a, n.b, [[1, eprt]], open(n.b, n.a, 1234));
    await control(n, n.a, n.b, [[1, "NOOP\r\n"]], open(n.b, n.a, 1234));
  });

  it.each(["src", "dst"])("ftp with NAT of the control connection's %s", async (kind) => {
    const n = NAMES4;
    await pair.flows(...helped("ip", "tcp", `alg=ftp,nat(${kind}=${n.nat})`));
    const client = kind === "src" ? n.nat : n.a;
    const server = kind === "src" ? n.b : n.nat;
    const syn = (port: number, from: string, sport: number, to: string, dport: number): Step[] => [
      step(port, "data syn", tcp(from, sport, to, dport, { flags: "S", sequence: 9000 })),
    ];
    await control(
      n,
      client,
      server,
      [[1, "PORT 10,0,0,1,4,210\r\n"]],
      [
        ...syn(2, server, 20, client, 1234),
        step(1, "data syn-ack", tcp(n.a, 1234, n.b, 20, { flags: "SA", sequence: 19000, acknowledged: 9001 })),
      ],
    );
    const address = server.replaceAll(".", ",");
    await control(
      n,
      client,
      server,
      [
        [1, "PASV\r\n"],
        [2, `227 Entering Passive Mode (${address},4,211).\r\n`],
      ],
      syn(1, n.a, 5555, n.b, 1235),
    );
  });

  it.each([false, true])("tftp (IPv6 %s)", async (v6) => {
    const n = v6 ? NAMES6 : NAMES4;
    await pair.flows(...helped(v6 ? "ipv6" : "ip", v6 ? "udp6" : "udp", `alg=tftp,nat(src=${n.nat}),exec(set_field:5->ct_mark)`));
    await play([step(1, "read", udp(n.a, 1000, n.b, 69, { data: message("\u0000\u0001foo\u0000octet\u0000") }))]);
    await same("dpctl/dump-conntrack-exp");
    await play([
      step(2, "data", udp(n.b, 3333, n.nat, 1000, { data: message("\u0000\u0003\u0000\u0001data") })),
      step(1, "ack", udp(n.a, 1000, n.b, 3333, { data: message("\u0000\u0004\u0000\u0001") })),
    ]);
  });
});

describe("TCP", () => {
  it.each([1, 2, 3, 4, 5, 6])("random segments (%i)", async (seed) => {
    const random = seededRandom(seed);
    await pair.flows(...firewall("commit"));
    for (let i = 0; i < 8; i++) {
      await pair.command("dpctl/flush-conntrack");
      await play(tcpSteps(random, 15, i % 2 === 1));
    }
  });
});

describe("commands", () => {
  /** Connections of both families and several protocols in zone 5. */
  async function fill(): Promise<void> {
    const a = "10.0.0.1";
    const b = "10.0.0.2";
    await play([
      ...[1, 2, 3].map((port) => step(1, "udp", udp(a, port, b, 53))),
      step(1, "echo", icmp(a, b, 8)),
      step(1, "syn", tcp(a, 1, b, 80, { flags: "S" })),
      step(1, "udp6", udp("fd00::1", 1, "fd00::2", 2)),
    ]);
  }

  beforeAll(() =>
    pair.flows(...firewall("commit,zone=5,exec(set_field:0x12->ct_mark,set_field:0x34->ct_label)", "ct(table=1,zone=5)")),
  );

  it("flush what they name", async () => {
    const flushes = [
      "",
      "zone=4",
      "zone=5",
      "mark=0x12",
      "mark=0x2/0x2",
      "mark=0x1/0x1",
      "labels=0x34",
      "labels=0x4/0x4",
      "zone=5 mark=0x12",
      "mark=0x12 zone=5",
      "zone=5 labels=0x35",
      "zone=5 ct_nw_src=10.0.0.1,ct_nw_proto=17",
      "zone=5 ct_nw_proto=17",
      "ct_nw_src=10.0.0.1,ct_nw_proto=17",
      "zone=5 ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_nw_proto=17,ct_tp_src=1,ct_tp_dst=53",
      "zone=5 ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_nw_proto=1,icmp_type=8,icmp_code=0,icmp_id=1",
      "zone=5 ct_nw_proto=17,ct_tp_src=2",
      "zone=5 ct_tp_src=2",
      "zone=5 ct_ipv6_src=fd00::1",
      "zone=5 ct_nw_src=10.0.0.1",
      "zone=5  ct_nw_src=10.0.0.2,ct_nw_proto=17",
      "zone=5 ct_nw_src=10.0.0.1 ct_nw_src=10.0.0.2,ct_tp_dst=3,ct_nw_proto=17",
      "zone=5 ct_nw_proto=1,icmp_id=1",
      "zone=5 ct_nw_src=10.0.0.1,ct_nw_proto=1,icmp_id=2",
      "zone=x",
      "bogus",
      "ct_nw_src=x",
      "ct_nw_src=10.0.0.1,bogus=1",
      "zone=5 zone=6",
      "system@ovs-system zone=5",
      "mark=x",
      "labels=q",
      "ct_nw_proto=300",
      "zone=5 ct_nw_src=10.0.0.1/24",
    ];
    for (const flush of flushes) {
      await fill();
      await same("dpctl/flush-conntrack", ...(flush === "" ? [] : flush.split(" ")));
      await same("dpctl/dump-conntrack");
    }
  });

  it("flush over OpenFlow too", async () => {
    for (const flush of [
      "ct-flush-zone br0 4",
      "ct-flush-zone br0 5",
      "ct-flush br0 zone=5 ct_nw_src=10.0.0.1,ct_nw_proto=17",
      "ct-flush br0 mark=0x2/0x2",
      "ct-flush br0 labels=0x35",
      "ct-flush br0",
    ]) {
      await fill();
      await Promise.all([pair.reference, pair.ours].map((one) => one.ofctl(...flush.split(" "))));
      await same("dpctl/dump-conntrack");
    }
  });

  it("show the cached flows alike", async () => {
    await pair.flows(
      "table=0,ip,actions=ct(table=1,zone=NXM_NX_REG0[0..15],nat)",
      "table=1,priority=20,tcp,in_port=1,ct_state=+trk+new,tcp_dst=80,actions=ct(commit,zone=0,nat(src=192.168.1.1-192.168.1.2:100-200,random),exec(set_field:0x1/0x3->ct_mark,set_field:0x5->ct_label)),output:2",
      "table=1,priority=20,udp,in_port=1,ct_state=+trk+new,actions=ct(commit,force,zone=0,alg=tftp),output:2",
      "table=1,priority=10,ip,ct_state=+trk+est-inv,ct_mark=0x1/0x1,actions=output:3",
      "table=1,priority=9,ip,ct_state=+trk+est-inv,ct_nw_src=10.0.0.0/24,ct_nw_proto=17,ct_tp_dst=53,actions=output:4",
      "table=1,priority=1,ip,ct_label=0x5/0xf,actions=ct_clear,resubmit(,2)",
      "table=2,ip,ct_state=-trk,actions=output:4",
    );
    const [a, b] = ["10.0.0.1", "10.0.0.2"];
    for (const [port, packet, expected] of [
      [1, udp(a, 1, b, 53), 1],
      [2, udp(b, 53, a, 1), 1],
      [1, udp(a, 1, b, 53), 1],
      [1, tcp(a, 1, b, 80, { flags: "S" }), 1],
      [1, tcp(a, 1, b, 81, { flags: "S" }), 0],
    ] as const)
      await pair.receive(port, packet, expected);
    const clean = (text: string): string[] =>
      text
        .split("\n")
        .filter((line) => line.includes("recirc_id("))
        .map((line) =>
          line.replace(/recirc(_id)?\(0x[1-9a-f][0-9a-f]*\)/g, "recirc$1(X)").replace(/packets:.*, actions/, "actions"),
        )
        .sort();
    const { reference, ours } = await pair.command("dpctl/dump-flows");
    expect(clean(ours)).toEqual(clean(reference));
    expect(clean(ours).length).toBeGreaterThan(5);
    await pair.flows(...firewall("commit,zone=5,exec(set_field:0x12->ct_mark,set_field:0x34->ct_label)", "ct(table=1,zone=5)"));
  });

  it("answer alike", async () => {
    await fill();
    const asked = [
      "ct-get-nconns",
      "ct-get-nconns bogus",
      "ct-stats-show",
      "ct-stats-show -m",
      "ct-stats-show -m zone=5",
      "ct-stats-show zone=4",
      "ct-stats-show bogus",
      "ct-bkts",
      "ct-bkts gt=0",
      "ct-bkts gt=x",
      "ct-bkts bogus",
      "ct-get-limits",
      "ct-set-limits default=x",
      "ct-set-limits zone=1,limit=x",
      "ct-set-limits zone=1,limit=5 default=9",
      "ct-set-limits zone=1",
      "ct-set-limits zone=1,limit=5 zone=2,limit=6",
      "ct-get-limits",
      "ct-get-limits zone=3",
      "ct-get-limits zone=1,2,3",
      "ct-get-limits zone=5",
      "ct-get-limits 1",
      "ct-del-limits zone=1",
      "ct-get-limits",
      "ct-set-limits default=7",
      "ct-get-limits zone=1,2,5",
      "ct-del-limits default zone=2",
      "ct-get-limits",
      "ct-del-limits bogus",
      "ct-set-limits default=4294967296",
      "ct-set-maxconns 10",
      "ct-get-maxconns",
      "ct-set-maxconns x",
      "ct-set-maxconns 0",
      "ct-get-maxconns",
      "ct-set-maxconns 3000000",
      "ct-get-tcp-seq-chk",
      "ct-disable-tcp-seq-chk",
      "ct-get-tcp-seq-chk",
      "ct-enable-tcp-seq-chk",
      "ct-get-tcp-seq-chk bogus",
      "ct-get-sweep-interval",
      "ct-set-sweep-interval x",
      "ct-set-sweep-interval 0",
      "ct-set-sweep-interval 100",
      "ct-get-sweep-interval",
      "ct-set-sweep-interval 20000",
      "dump-conntrack bogus",
      "dump-conntrack zone=5",
      "dump-conntrack zone=6",
      "dump-conntrack zone=x",
      "dump-conntrack -x",
    ];
    for (const one of asked) {
      const [name, ...args] = one.split(" ") as [string, ...string[]];
      await same(`dpctl/${name}`, ...args);
    }
    await same("dpctl/flush-conntrack");
  });
});

describe("limits", () => {
  const some = (from: number, count: number): Step[] =>
    Array.from({ length: count }, (_, i) => step(1, `udp ${from + i}`, udp("10.0.0.1", from + i, "10.0.0.2", 53)));

  it("of a zone, of zones without their own, and of all", async () => {
    await pair.flows(...firewall("commit,zone=5", "ct(table=1,zone=5)"));
    await play(some(1, 2));
    await pair.command("dpctl/ct-set-limits", "default=4");
    await same("dpctl/ct-get-limits", "zone=5");
    await play(some(10, 4));
    await same("dpctl/ct-get-limits", "zone=5");
    await pair.command("dpctl/ct-set-limits", "zone=5,limit=6");
    await same("dpctl/ct-get-limits");
    await play(some(20, 4));
    await same("dpctl/ct-get-limits");
    await pair.command("dpctl/flush-conntrack");
    await same("dpctl/ct-get-limits");
    await pair.command("dpctl/ct-del-limits", "default", "zone=5");
    await pair.command("dpctl/ct-set-maxconns", "3");
    await play(some(30, 5));
    await pair.command("dpctl/ct-set-maxconns", "3000000");
  });

  it("of time: timeouts by protocol and state, and the sweep", async () => {
    await pair.flows(...firewall("commit"));
    await play([
      ...some(1, 1),
      ...some(1, 1),
      step(1, "echo", icmp("10.0.0.1", "10.0.0.2", 8)),
      step(1, "syn", tcp("10.0.0.1", 1, "10.0.0.2", 80, { flags: "S" })),
    ]);
    for (const ms of [29_000, 2000, 28_500, 1000]) {
      await pair.warp(ms);
      await same("dpctl/dump-conntrack", "-s");
    }
    await play([...some(1, 1)]);
  });
});
