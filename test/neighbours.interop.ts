/**
 * What our controller and the reference's learn of neighbours, what they do with packets that wait for them, and how many
 * packets reach them (control plane protection).
 */
import {
  emit,
  type Header,
  MAC_BROADCAST,
  MAC_ZERO,
  type Mac,
  multicastMacOfIpv6,
  parseIpv4,
  parseIpv6,
  parseMac,
  solicitedNodeOf,
} from "@weft/packet";
import { expect, test } from "vitest";
import { controllerPair, ROWS } from "./reference/controllerPair.ts";

const pair = controllerPair(
  `
  router() { # router N NETWORK...: a router between in$1 (p$1) and ext$1 (e$1, d$1)
    ovn-nbctl lr-add r$1 -- ls-add in$1 -- lsp-add in$1 p$1 -- lsp-set-addresses p$1 "50:54:00:00:00:0$1 10.0.0.1 fd00::1" \\
      -- ls-add ext$1 -- lsp-add ext$1 e$1 -- lsp-set-addresses e$1 unknown -- lsp-add ext$1 d$1 -- lsp-set-addresses d$1 unknown \\
      -- lrp-add r$1 rin$1 50:54:00:00:00:fe 10.0.0.254/24 fd00::fe/64 -- lsp-add-router-port in$1 in$1-r rin$1 \\
      -- lrp-add r$1 rext$1 50:54:00:00:01:fe 172.16.0.254/24 fd16::fe/64 -- lsp-add-router-port ext$1 ext$1-r rext$1
  }
  router 1; router 2; router 3
  ovn-nbctl set logical_router r2 options:always_learn_from_arp_request=false \\
    -- set logical_router r3 options:dynamic_neigh_routers=true options:always_learn_from_arp_request=false \\
    -- meter-add slow drop 2 pktps 2 -- --id=@c create copp name=c meters:arp=slow meters:arp-resolve=slow meters:icmp4-error=slow \\
    -- set logical_router r3 copp=@c >/dev/null`,
  ["p1", "e1", "d1", "p2", "e2", "d2", "p3", "e3", "d3"],
);

const ROUTER = parseMac("50:54:00:00:01:fe")!;
const INSIDE = parseMac("50:54:00:00:00:fe")!;
const mac = (host: number) => parseMac(`50:54:00:00:01:${host.toString(16).padStart(2, "0")}`)!;
const ip4 = (text: string) => parseIpv4(text)!;
const ip6 = (text: string) => parseIpv6(text)!;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function arp(operation: number, host: number, dst: Mac, target = "172.16.0.254", from = mac(host)): Header[] {
  return [
    { kind: "ethernet", dst, src: from },
    {
      kind: "arp",
      operation,
      senderMac: from,
      senderIp: ip4(`172.16.0.${host}`),
      targetMac: operation === 1 ? MAC_ZERO : ROUTER,
      targetIp: ip4(target),
    },
  ];
}

function advertisement(host: number, dst: Mac, more: { readonly solicited?: boolean; readonly override?: boolean }): Header[] {
  const target = ip6(`fd16::${host}`);
  return [
    { kind: "ethernet", dst, src: mac(host) },
    { kind: "ipv6", src: target, dst: dst === ROUTER ? ip6("fd16::fe") : ip6("ff02::1"), hopLimit: 255 },
    { kind: "nd", type: 136, target, ...more, options: [{ option: "target-mac", mac: mac(host) }] },
  ];
}

function solicitation(host: number, target = "fd16::fe"): Header[] {
  const dst = solicitedNodeOf(ip6(target));
  return [
    { kind: "ethernet", dst: multicastMacOfIpv6(dst), src: mac(host) },
    { kind: "ipv6", src: ip6(`fd16::${host}`), dst, hopLimit: 255 },
    { kind: "nd", type: 135, target: ip6(target), options: [{ option: "source-mac", mac: mac(host) }] },
  ];
}

function datagram(host: string, port: number, router = 1, ttl = 64): Header[] {
  const six = host.includes(":");
  const ip: Header = six
    ? { kind: "ipv6", src: ip6("fd00::1"), dst: ip6(host), hopLimit: ttl }
    : { kind: "ipv4", src: ip4("10.0.0.1"), dst: ip4(host), ttl };
  return [
    { kind: "ethernet", dst: INSIDE, src: parseMac(`50:54:00:00:00:0${router}`)! },
    ip,
    { kind: "udp", srcPort: 1000, dstPort: port },
    { kind: "payload", bytes: Uint8Array.of(port) },
  ];
}

const LEARNED = `${ROWS}
  declare -A at key
  while IFS=, read -r uuid number; do key[$uuid]=$number; done < <(rows Datapath_Binding _uuid,tunnel_key)
  while IFS=, read -r port datapath number; do at[\${key[$datapath]},$number]=$port; done < <(rows Port_Binding logical_port,datapath,tunnel_key)
  rows MAC_Binding logical_port,ip,mac | sort
  rows FDB mac,dp_key,port_key | while IFS=, read -r mac place; do echo $mac \${at[$place]}; done | sort`;

test.each([1, 2, 3])("what router %i learns", async (router) => {
  const [e, d] = [`e${router}`, `d${router}`];
  const packets: [port: string, packet: Header[]][] = [
    [e, arp(2, 11, ROUTER)],
    [e, arp(2, 12, MAC_BROADCAST, "172.16.0.12")],
    [e, arp(1, 13, MAC_BROADCAST)],
    [e, arp(1, 14, MAC_BROADCAST, "172.16.0.14")],
    [e, arp(1, 15, MAC_BROADCAST, "172.16.0.99")],
    [e, arp(1, 16, ROUTER)],
    [e, advertisement(21, ROUTER, { solicited: true, override: true })],
    [e, advertisement(22, parseMac("33:33:00:00:00:01")!, { override: true })],
    [e, advertisement(23, parseMac("33:33:00:00:00:01")!, {})],
    [e, solicitation(24)],
    [e, solicitation(25, "fd16::99")],
    // from elsewhere, and another MAC for a known address
    [d, arp(2, 11, ROUTER)],
    [d, arp(2, 12, ROUTER, undefined, mac(77))],
    [e, arp(1, 13, MAC_BROADCAST, undefined, mac(78))],
    [d, advertisement(21, ROUTER, { override: false })],
  ];
  for (const [port, packet] of packets) {
    await pair.same(port, packet);
    await sleep(100);
    await pair.sameRows(LEARNED);
  }
  expect(await pair.sameRows(LEARNED)).toContain(`rext${router},172.16.0.11`);
});

test.each(["172.16.0.40", "fd16::40"])("packets wait until %s has answered, the latest four", async (host) => {
  for (let port = 1; port <= 6; port++) await pair.same("p1", datagram(host, port));
  const answer = host.includes(":") ? advertisement(40, ROUTER, { solicited: true, override: true }) : arp(2, 40, ROUTER);
  const waited: { readonly reference: string[]; readonly weft: string[] } = { reference: [], weft: [] };
  const first = await pair.answers("e1", answer);
  waited.reference.push(...first.reference);
  waited.weft.push(...first.weft);
  await pair.sameRows(LEARNED, host);
  await sleep(300);
  for (const side of pair.sides) waited[side.name].push(...pair.taken(side));
  const there = (lines: readonly string[]) => lines.filter((line) => line.startsWith("e1 "));
  expect(there(waited.weft)).toEqual(there(waited.reference));
  expect(there(waited.reference)).toHaveLength(4);
});

test("packets do not wait longer than ten seconds", async () => {
  await pair.same("p1", datagram("172.16.0.41", 1));
  await sleep(11_500);
  await pair.same("e1", arp(2, 41, ROUTER));
  await pair.sameRows(LEARNED, "172.16.0.41");
  await sleep(300);
  for (const side of pair.sides) expect(pair.taken(side)).toEqual([]);
});

test("meters hold back what would come to the controller", async () => {
  const meters = "hv_do w1 ovs-ofctl -O OpenFlow15 dump-meters br-int | sed 's/meter=[0-9]*//'";
  expect(await pair.sameRows(meters)).toContain("rate=2");
  const answered = await Promise.all(
    pair.sides.map(async (side) => {
      const frames = 40;
      let count = 0;
      for (let port = 1; port <= frames; port++) await side.inject("p3", emit(datagram("172.16.0.77", port, 3, 1)));
      await side.barrier();
      count += pair.taken(side).filter((line) => line.startsWith("p3 ")).length;
      return count;
    }),
  );
  for (const count of answered) {
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThan(20);
  }
});
