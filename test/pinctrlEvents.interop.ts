/** What the controllers write into the Southbound for packets. */
import { type Header, MAC_BROADCAST, MAC_ZERO, parseIpv4, parseIpv6, parseMac } from "@weft/packet";
import { expect, test } from "vitest";
import { controllerPair } from "./reference/controllerPair.ts";

const pair = controllerPair(
  `
  ovn-nbctl ls-add s -- set nb_global . options:controller_event=true
  for n in 1 2 3 4; do ovn-nbctl lsp-add s p$n -- lsp-set-addresses p$n "50:54:00:00:00:0$n 10.0.0.$n fd00::$n"; done
  ovn-nbctl lsp-add s vp -- lsp-set-addresses vp "50:54:00:00:00:09 10.0.0.9" \\
    -- set logical_switch_port vp type=virtual options:virtual-ip=10.0.0.9 options:virtual-parents='"p1,p3,p4"' \\
    -- lsp-add s vp6 -- lsp-set-addresses vp6 "50:54:00:00:00:0a fd00::a" \\
    -- set logical_switch_port vp6 type=virtual options:virtual-ip='"fd00::a"' options:virtual-parents='"p1,p3,p4"'
  ovn-nbctl lb-add lb 10.0.0.100:80 "" -- set load_balancer lb options:event=true -- ls-lb-add s lb \\
    -- lb-add lb6 '[fd00::100]:80' "" udp -- set load_balancer lb6 options:event=true -- ls-lb-add s lb6`,
  ["p1", "p2", "w2/p3", "p4"],
);
const mac = (host: number) => parseMac(`50:54:00:00:00:0${host}`)!;
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function arp(host: number, operation: number, senderIp = "10.0.0.9"): Header[] {
  const ip = parseIpv4(senderIp)!;
  return [
    { kind: "ethernet", dst: MAC_BROADCAST, src: mac(host) },
    { kind: "arp", operation, senderMac: mac(host), senderIp: ip, targetMac: MAC_ZERO, targetIp: ip },
  ];
}

function advertisement(host: number): Header[] {
  const target = parseIpv6("fd00::a")!;
  return [
    { kind: "ethernet", dst: parseMac("33:33:00:00:00:01")!, src: mac(host) },
    { kind: "ipv6", src: target, dst: parseIpv6("ff02::1")!, hopLimit: 255 },
    { kind: "nd", type: 136, target, override: true, options: [{ option: "target-mac", mac: mac(host) }] },
  ];
}

function datagram(to: number): Header[] {
  return [
    { kind: "ethernet", dst: mac(to), src: mac(2) },
    { kind: "ipv4", src: parseIpv4("10.0.0.2")!, dst: parseIpv4(`10.0.0.${to}`)! },
    { kind: "udp", srcPort: 1, dstPort: 2 },
    { kind: "payload", bytes: Uint8Array.of(1, 2, 3) },
  ];
}

const VIRTUAL = `
  name() { [ "$1" = "[]" ] && echo nowhere || ovn-sbctl get chassis $1 name; }
  for port in vp vp6; do
    echo $port $(ovn-sbctl get port_binding $port virtual_parent) $(ovn-sbctl get port_binding $port up) \\
      $(ovn-sbctl get port_binding $port encap) $(name $(ovn-sbctl get port_binding $port chassis)) \\
      $(ovn-nbctl get logical_switch_port $port up)
  done`;

test("virtual ports", async () => {
  const steps: [port: string, packet: Header[], expected: string][] = [
    ["p2", arp(2, 1), "vp [] false [] nowhere false"],
    ["p1", arp(1, 1, "10.0.0.1"), "vp [] false [] nowhere false"],
    ["p1", arp(1, 1), "vp p1 true [] w1 true"],
    ["p1", advertisement(1), "vp6 p1 true [] w1 true"],
    ["w2/p3", arp(3, 2), "vp p3 true [] w2 true"],
    ["w2/p3", advertisement(3), "vp6 p3 true [] w2 true"],
    ["p1", arp(1, 2), "vp p1 true [] w1 true"],
  ];
  for (const [port, packet, expected] of steps) {
    await pair.same(port, packet);
    await wait(600);
    expect(await pair.sameRows(VIRTUAL, expected)).toContain(expected);
    await pair.same("p2", datagram(9));
  }
});

test("a virtual port goes with its parent", async () => {
  await pair.same("p1", arp(1, 1));
  await pair.sameRows(VIRTUAL, "vp p1 true [] w1 true");
  pair.run("hv_do w1 ovs-vsctl remove interface p1 external_ids iface-id");
  await pair.sameRows(VIRTUAL, "vp [] false [] nowhere false");
  pair.run("hv_do w2 ovs-vsctl remove interface p3 external_ids iface-id");
  await pair.sameRows(VIRTUAL, "vp6 [] false [] nowhere false");
  pair.run(
    "hv_do w1 ovs-vsctl set interface p1 external_ids:iface-id=p1; hv_do w2 ovs-vsctl set interface p3 external_ids:iface-id=p3",
  );
  pair.run("ovn-nbctl wait-until logical_switch_port p1 up=true; ovn-nbctl wait-until logical_switch_port p3 up=true");
  expect(await pair.sameRows(VIRTUAL)).toContain("vp [] false [] nowhere false");
  await wait(600);
  await pair.same("w2/p3", arp(3, 1));
  await pair.sameRows(VIRTUAL, "vp p3 true [] w2 true");
});

const EVENTS = `
  for row in $(ovn-sbctl --bare --columns=_uuid find Controller_Event); do
    get() { ovn-sbctl get Controller_Event $row $1; }
    echo $(get event_type) $(get seq_num) $(get event_info:vip) $(get event_info:protocol) \\
      $(ovn-nbctl get load_balancer $(get event_info:load_balancer | tr -d '"') name) $(ovn-sbctl get chassis $(get chassis) name)
  done | sort`;

test("events of load balancers without backends", async () => {
  const open = (host: number): Header[] => [
    { kind: "ethernet", dst: mac(2), src: mac(host) },
    { kind: "ipv4", src: parseIpv4(`10.0.0.${host}`)!, dst: parseIpv4("10.0.0.100")! },
    { kind: "tcp", srcPort: 1, dstPort: 80, flags: 2, sequence: 1 },
  ];
  const ask6 = (host: number): Header[] => [
    { kind: "ethernet", dst: mac(2), src: mac(host) },
    { kind: "ipv6", src: parseIpv6(`fd00::${host}`)!, dst: parseIpv6("fd00::100")! },
    { kind: "udp", srcPort: 1, dstPort: 80 },
  ];
  const first = 'empty_lb_backends 1 "10.0.0.100:80" tcp lb w1';
  await pair.same("p1", open(1));
  await pair.sameRows(EVENTS, first);
  await pair.same("p1", open(1));
  await pair.same("p2", open(2));
  await pair.same("p1", ask6(1));
  await pair.same("w2/p3", open(3));
  await pair.sameRows(EVENTS, 'empty_lb_backends 2 "[fd00::100]:80" udp lb6 w1');
  expect((await pair.sameRows(EVENTS, "tcp lb w2")).split("\n")).toHaveLength(3);
  for (const { cloud } of pair.sides) cloud.run("ovn-sbctl --all destroy Controller_Event");
  await wait(300);
  await pair.same("p1", open(1));
  expect(await pair.sameRows(EVENTS, "empty_lb_backends 3")).toBe(first.replace("1", "3"));
});
