/** Multicast snooping by our controller and by the reference's: the same groups, queries and deliveries. */
import {
  emit,
  fromHex,
  type Header,
  type Igmp,
  type Ipv4,
  type Mld,
  multicastMacOfIpv6,
  parseIpv4,
  parseIpv6,
  parseMac,
} from "@weft/packet";
import { expect, test } from "vitest";
import { controllerPair, ROWS } from "./reference/controllerPair.ts";

const SNOOP = "other_config:mcast_snoop=true";
const pair = controllerPair(
  `
  vif() { ovn-nbctl lsp-add $1 p$2 -- lsp-set-addresses p$2 "50:54:00:00:00:0$2 10.0.0.$2"; }
  ovn-nbctl ls-add s -- set logical_switch s ${SNOOP} other_config:mcast_querier=false other_config:mcast_idle_timeout=3600
  for n in 1 2 3 4 5 6; do vif s $n; done
  ovn-nbctl ls-add t -- set logical_switch t ${SNOOP} other_config:mcast_querier=false other_config:mcast_query_interval=1 \\
    other_config:mcast_eth_src='"50:54:00:00:01:fe"' other_config:mcast_ip4_src=10.1.0.254 other_config:mcast_ip6_src='"fe80::fe"' \\
    other_config:mcast_query_max_response=3 other_config:mcast_table_size=2 other_config:mcast_idle_timeout=15
  vif t 7; vif t 8; vif t 9
  ovn-nbctl lr-add r -- set logical_router r options:mcast_relay=true
  for n in s,0 t,1; do
    sw=\${n%,*}; net=\${n#*,}
    ovn-nbctl lrp-add r r-$sw 50:54:00:00:0$net:fe 10.$net.0.254/24 fd0$net::fe/64 -- lsp-add-router-port $sw $sw-r r-$sw
  done
  ovn-nbctl acl-add s to-lport 100 'outport == "p4" && igmp' drop`,
  ["p1", "p2", "p3", "p4", "w2/p5", "p6", "p7", "p8", "w2/p9"],
);

const mac = (host: number) => parseMac(`50:54:00:00:00:0${host}`)!;
const ip = (text: string) => parseIpv4(text)!;
const ip6 = (text: string) => parseIpv6(text)!;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const portOf = (host: number) => (host === 5 || host === 9 ? `w2/p${host}` : `p${host}`);

function groupMac(group: Ipv4) {
  return parseMac(
    `01:00:5e:${[(group >>> 16) & 0x7f, (group >>> 8) & 0xff, group & 0xff].map((byte) => byte.toString(16)).join(":")}`,
  )!;
}

function igmp(host: number, message: Partial<Igmp>, group = "239.1.2.3"): Header[] {
  const dst = ip(group);
  return [
    { kind: "ethernet", dst: groupMac(dst), src: mac(host) },
    { kind: "ipv4", src: ip(`10.0.0.${host}`), dst, ttl: 1 },
    // The type says which of the union it is.
    { kind: "igmp", group: dst, ...message } as Header,
  ];
}

function mld(host: number, message: Partial<Mld>, group = "ff0e::1"): Header[] {
  const dst = ip6(group);
  return [
    { kind: "ethernet", dst: multicastMacOfIpv6(dst), src: mac(host) },
    { kind: "ipv6", src: ip6(`fe80::${host}`), dst, hopLimit: 1 },
    { kind: "ipv6-options", where: "hop-by-hop", options: fromHex("050200000100")! },
    { kind: "mld", group: dst, ...message } as Header,
  ];
}

function datagram(host: number, group: string): Header[] {
  const body: Header[] = [
    { kind: "udp", srcPort: 5, dstPort: 6 },
    { kind: "payload", bytes: new Uint8Array(30) },
  ];
  if (group.includes(":")) {
    const dst = ip6(group);
    const src = ip6(`fd00::${host}`);
    return [{ kind: "ethernet", dst: multicastMacOfIpv6(dst), src: mac(host) }, { kind: "ipv6", src, dst, hopLimit: 9 }, ...body];
  }
  const dst = ip(group);
  const src = ip(`10.${host < 7 ? 0 : 1}.0.${host}`);
  return [{ kind: "ethernet", dst: groupMac(dst), src: mac(host) }, { kind: "ipv4", src, dst, ttl: 9 }, ...body];
}

type Records = readonly (readonly [type: number, group: string, ...sources: string[]])[];
const report3 = (...records: Records): Partial<Igmp> => ({
  type: 0x22,
  records: records.map(([type, group, ...sources]) => ({ type, group: ip(group), sources: sources.map(ip) })),
});
const mldReport2 = (...records: Records): Partial<Mld> => ({
  type: 143,
  records: records.map(([type, group, ...sources]) => ({ type, group: ip6(group), sources: sources.map(ip6) })),
});
/** Where reports of MLDv2 go. */
const REPORTS2 = "ff02::16";
const query: Partial<Igmp> = { type: 0x11, maxResponse: 10, group: ip("0.0.0.0") };

/** Rows as \`SWITCH ADDRESS PROTOCOL CHASSIS PORT...\`. */
const GROUPS = `${ROWS}
  declare -A switch; while read -r uuid; do switch[$uuid]=$(ovn-sbctl get datapath $uuid external_ids:name); done < <(rows Datapath_Binding _uuid)
  rows IGMP_Group datapath,address,protocol,chassis_name,ports | while IFS=, read -r datapath address protocol chassis ports; do
    echo \${switch[$datapath]} $address $protocol $chassis $(for port in $(echo $ports | tr -d '"'); do echo \${name[$port]}; done | sort)
  done | sort`;

/**
 * Sends something from a host of s, expects the same packets to arrive, and the same rows, with these among them. The
 * reference may miss a report that follows another message at once: where a row is waited for, hosts report again, as they
 * do (RFC 2236, 3; RFC 2710, 4).
 */
async function step(host: number, packet: Header[], ...rows: string[]): Promise<string[]> {
  const got = await pair.same(portOf(host), packet);
  for (const row of rows) await pair.sameRows(GROUPS, row, () => pair.answers(portOf(host), packet));
  await pair.sameRows(GROUPS);
  return got;
}

/** The ports among what arrived. */
const ports = (got: readonly string[]) => got.map((text) => text.split(" ")[0]);
const flush = () => pair.run("ovn-sbctl ip-multicast-flush s; ovn-sbctl ip-multicast-flush t");

test("IGMP reports and leaves", async () => {
  const group = "239.1.2.3";
  await step(1, igmp(1, { type: 0x16 }), `s ${group} IGMPv2 w1 p1`);
  await step(2, igmp(2, { type: 0x12 }), `s ${group} IGMPv1 w1 p1 p2`);
  await step(3, igmp(3, report3([4, group])), `s ${group} IGMPv3 w1 p1 p2 p3`);
  await step(5, igmp(5, { type: 0x16 }), `s ${group} IGMPv2 w2 p5`);
  expect(ports(await step(6, datagram(6, group)))).toEqual(["p1", "p2", "p3", "w2/p5"]);
  await step(1, igmp(1, { type: 0x17 }), `s ${group} IGMPv3 w1 p2 p3`);
  await step(1, igmp(1, { type: 0x17 }));
  await step(5, igmp(5, { type: 0x17 }));
  expect(ports(await step(6, datagram(6, group)))).toEqual(["p2", "p3"]);
  await step(1, igmp(1, { type: 0x16 }, "224.0.0.5"), "s 224.0.0.5 IGMPv2 w1 p1");
  await step(1, igmp(1, { type: 0x16, group: ip("239.9.9.9") }, "239.3.3.5"), "s 239.9.9.9 IGMPv2 w1 p1");
  await step(1, igmp(1, { type: 0x16, checksum: 0x1234 }, "239.3.3.4"));
  await step(1, igmp(1, { type: 0x17 }, "239.100.1.1"));
  flush();
  expect(await pair.sameRows(GROUPS)).not.toContain(group);
});

test("records of IGMPv3 and MLDv2", async () => {
  for (const type of [0, 1, 2, 3, 4, 5, 6, 7]) {
    for (const sources of [[], ["1.1.1.1"], ["1.1.1.1", "1.1.1.2"]]) {
      const address = `239.${type}.0.${sources.length}`;
      await pair.same("p2", igmp(2, report3([type, address, ...sources])));
      await pair.same("p3", igmp(3, report3([4, address], [type, "239.8.8.8", ...sources], [4, "239.9.9.9"])));
    }
    const address = `ff0e::${type}`;
    await pair.same("p2", mld(2, mldReport2([type, address], [type, `ff0e::1:${type}`, "fd00::1"]), REPORTS2));
  }
  const rows = await pair.sameRows(GROUPS, "239.6.0.2 IGMPv3");
  expect(rows).toContain("ff0e::1:6 MLDv2 w1 p2");
  flush();
});

test("MLD", async () => {
  const group = "ff0e::1";
  await step(1, mld(1, { type: 131 }), `s ${group} MLDv1 w1 p1`);
  await step(3, mld(3, mldReport2([4, group]), REPORTS2), `s ${group} MLDv2 w1 p1 p3`);
  expect(ports(await step(6, datagram(6, group)))).toEqual(["p1", "p3"]);
  await step(1, mld(1, { type: 132 }), `s ${group} MLDv2 w1 p3`);
  await step(2, mld(2, { type: 130, group: ip6("::"), maxResponse: 100 }, "ff02::1"), "s mrouters w1 p2");
  await step(1, mld(1, { type: 131 }), `s ${group} MLDv1 w1 p1 p3`);
  expect(ports(await step(1, mld(1, { type: 131 })))).toContain("p2");
  await step(1, mld(1, { type: 131, checksum: 7 }, "ff0e::77"));
  flush();
});

test("queries show where multicast routers are, and reports go there", async () => {
  const all = "224.0.0.1";
  expect(ports(await step(2, igmp(2, query, all), "s mrouters w1 p2"))).toEqual(["p1", "p3", "w2/p5", "p6"]);
  await step(5, igmp(5, { ...query, maxResponse: 0 }, all), "s mrouters w2 p5");
  const version3 = { suppress: true, robustness: 2, intervalCode: 9, sources: [] };
  await step(2, igmp(2, { ...query, version3 }, all));
  expect(ports(await step(1, igmp(1, { type: 0x16 }), "s 239.1.2.3 IGMPv2 w1 p1"))).toEqual(["p2", "w2/p5"]);
  expect(ports(await step(6, datagram(6, "239.1.2.3")))).toEqual(["p1", "p2", "w2/p5"]);
  // A router is no member.
  await step(2, igmp(2, { type: 0x16 }));
  await step(5, igmp(5, { type: 0x17 }));
  await step(3, igmp(3, { ...query, group: ip("239.1.2.3") }));
  pair.run("ovn-nbctl lsp-set-options p6 mcast_flood_reports=true -- lsp-set-options p3 mcast_flood=true");
  await step(1, igmp(1, report3([5, "239.1.2.4", "1.1.1.1"])));
  await step(3, igmp(3, { type: 0x16 }, "239.1.2.5"));
  await step(2, datagram(2, "239.1.2.3"));
  pair.run("ovn-nbctl clear logical_switch_port p6 options -- clear logical_switch_port p3 options");
  pair.run("ovn-nbctl set logical_switch s other_config:mcast_flood_unregistered=true");
  expect(ports(await step(1, datagram(1, "239.77.1.1"))).length).toBeGreaterThan(3);
  pair.run("ovn-nbctl remove logical_switch s other_config mcast_flood_unregistered");
  flush();
  expect(await pair.sameRows(GROUPS)).toContain("s mrouters w1\n");
});

test("messages that are cut off", async () => {
  for (const packet of [
    igmp(1, { type: 0x16 }, "239.5.1.1"),
    igmp(1, report3([4, "239.5.2.1"], [4, "239.5.2.2", "1.1.1.1"])),
    mld(1, { type: 131 }, "ff0e::51"),
    mld(1, mldReport2([4, "ff0e::52"], [2, "ff0e::53", "fd00::1"]), REPORTS2),
  ]) {
    const frame = emit(packet);
    for (let length = 30; length < frame.length; length += 2) await pair.same("p1", frame.subarray(0, length));
  }
  await pair.sameRows(GROUPS);
  flush();
});

test("a querier asks, and forgets who does not answer", async () => {
  pair.run("ovn-nbctl set logical_switch t other_config:mcast_querier=true");
  for (const side of pair.sides) pair.taken(side);
  await sleep(5000);
  const [reference, weft] = pair.sides.map((side) => pair.taken(side));
  const counts = (got: readonly string[]) => {
    const found = new Map<string, number>();
    for (const text of got) found.set(text, (found.get(text) ?? 0) + 1);
    return found;
  };
  const expected = counts(reference!);
  const found = counts(weft!);
  expect([...found.keys()].sort()).toEqual([...expected.keys()].sort());
  expect(expected.size).toBe(6);
  pair.run("ovn-nbctl set logical_switch t other_config:mcast_querier=false");
  for (const [text, count] of expected) expect(Math.abs(count - found.get(text)!), text).toBeLessThanOrEqual(2);
});

test("a router relays what a switch has members for", async () => {
  const join = igmp(7, { type: 0x16 }, "239.4.4.4");
  await pair.answers("p7", join);
  await pair.sameRows(GROUPS, "t 239.4.4.4 IGMPv2 w1 p7");
  pair.run("");
  expect(ports(await step(1, datagram(1, "239.4.4.4")))).toEqual(["p7"]);
  await pair.answers("p7", igmp(7, { type: 0x17 }, "239.4.4.4"));
});

test("over the table's size the longest silent group is forgotten, and so are members that are silent too long", async () => {
  flush();
  const groups = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1, 3, 11, 12, 2].map((number) => `239.6.0.${number}`);
  for (const group of groups) await pair.same("p7", igmp(7, { type: 0x16 }, group));
  const rows = await pair.sameRows(GROUPS, "t 239.6.0.12 IGMPv2 w1 p7");
  expect(rows.split("\n").filter((row) => row.startsWith("t 239")).length).toBeLessThan(12);
  await sleep(8000);
  await pair.same("p7", igmp(7, { type: 0x16 }, "239.6.0.3"));
  await pair.same("p8", igmp(8, { type: 0x16 }, "239.6.0.3"));
  pair.run("ovn-nbctl set logical_switch t other_config:mcast_idle_timeout=16");
  await sleep(9000);
  const left = await pair.sameRows(GROUPS, "t 239.6.0.3 IGMPv2 w1 p7 p8");
  expect(left).not.toContain("239.6.0.12");
  await sleep(8000);
  expect(await pair.sameRows(GROUPS)).not.toContain("t 239");
  pair.run("ovn-nbctl set logical_switch s other_config:mcast_snoop=false");
  expect(await pair.sameRows(GROUPS)).not.toContain("s mrouters");
});
