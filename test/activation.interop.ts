/** Ports that wait on their second chassis until their guest shows itself there, with our controllers and the reference's. */
import { type Header, MAC_BROADCAST, MAC_ZERO, parseIpv4, parseIpv6, parseMac } from "@weft/packet";
import { expect, test } from "vitest";
import { controllerPair } from "./reference/controllerPair.ts";

const pair = controllerPair(
  `
  ovn-nbctl ls-add s
  for n in 1 2 3 4 5; do ovn-nbctl lsp-add s p$n -- lsp-set-addresses p$n "50:54:00:00:00:0$n 10.0.0.$n fd00::$n"; done
  for n in 1,rarp 2,garp 3,na,rarp; do
    ovn-nbctl lsp-set-options p\${n%%,*} requested-chassis=w1,w2 activation-strategy=\${n#*,}
    vif_add w1 p\${n%%,*}
  done`,
  ["w2/p1", "w2/p2", "w2/p3", "w2/p4", "p5"],
);

const mac = (host: number) => parseMac(`50:54:00:00:00:0${host}`)!;
const NOBODY = parseIpv4("0.0.0.0")!;

function garp(host: number, operation: number, ip = `10.0.0.${host}`): Header[] {
  const address = parseIpv4(ip)!;
  return [
    { kind: "ethernet", dst: MAC_BROADCAST, src: mac(host) },
    { kind: "arp", operation, senderMac: mac(host), senderIp: address, targetMac: MAC_ZERO, targetIp: address },
  ];
}

function rarp(host: number): Header[] {
  return [
    { kind: "ethernet", dst: MAC_BROADCAST, src: mac(host), etherType: 0x8035 },
    { kind: "arp", operation: 3, senderMac: mac(host), senderIp: NOBODY, targetMac: mac(host), targetIp: NOBODY },
  ];
}

function advertisement(host: number, ip: string): Header[] {
  const target = parseIpv6(ip)!;
  return [
    { kind: "ethernet", dst: parseMac("33:33:00:00:00:01")!, src: mac(host) },
    { kind: "ipv6", src: target, dst: parseIpv6("ff02::1")!, hopLimit: 255 },
    { kind: "nd", type: 136, target, override: true, options: [{ option: "target-mac", mac: mac(host) }] },
  ];
}

const STATE = `
  for port in p1 p2 p3; do echo $port $(ovn-sbctl get port_binding $port options:additional-chassis-activated 2>/dev/null); done
  hv_do w2 ovs-ofctl -O OpenFlow15 dump-flows br-int | grep 'priority=10[01]0' |
    sed 's/.*table/table/; s/n_packets.*priority/priority/; s/actions=.*controller/actions=controller/; s/metadata=0x[0-9]*/metadata/' | sort`;

test("nothing comes and goes before", async () => {
  await pair.sameRows(STATE, "p1\np2\np3\ntable=0");
  const steps: [port: string, packet: Header[], activated?: string][] = [
    ["w2/p1", garp(1, 1)],
    ["w2/p2", rarp(2)],
    ["w2/p2", garp(2, 1, "10.0.0.9")],
    ["w2/p3", garp(3, 1)],
    ["w2/p3", advertisement(3, "fd00::9")],
    ["w2/p4", garp(4, 1)],
    ["w2/p1", rarp(1), "p1 w2"],
    ["w2/p1", garp(1, 1), "p1 w2"],
    ["w2/p2", garp(2, 2), "p2 w2"],
    ["w2/p3", advertisement(3, "fe80::5254:ff:fe00:3"), "p3 w2"],
    ["w2/p4", garp(4, 1), "p3 w2"],
  ];
  for (const [port, packet, activated = "p1"] of steps) {
    await pair.same(port, packet);
    await pair.sameRows(STATE, activated);
  }
  expect(await pair.sameRows(STATE)).toBe("p1 w2\np2 w2\np3 w2");
});
