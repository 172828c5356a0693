/** Two hypervisors, switches, a router and nested containers, and the packets that must get through whoever carries them. */
import { emit, type Header, parseIpv4, parseIpv6, parseMac, toHex } from "@weft/packet";
import { expect } from "vitest";
import { Cloud, type Mix, type Side, schemasOf } from "./cloud.ts";

const mac = (text: string) => parseMac(text)!;
const ip4 = (text: string) => parseIpv4(text)!;
const ip6 = (text: string) => parseIpv6(text)!;
const hex = (packet: readonly Header[]) => toHex(emit(packet));

const [M1, M2, ROUTER] = [mac("50:54:00:00:00:01"), mac("50:54:00:00:00:02"), mac("50:54:00:00:00:ff")];
const udp = (src: string, dst: string, port: number): Header[] => [
  { kind: "ipv4", src: ip4(src), dst: ip4(dst), ttl: 64 },
  { kind: "udp", srcPort: 1234, dstPort: port },
  { kind: "payload", bytes: new TextEncoder().encode("hello") },
];

const frames = {
  switched: hex([{ kind: "ethernet", dst: M2, src: M1 }, ...udp("10.0.0.1", "10.0.0.2", 7)]),
  spoofed: hex([{ kind: "ethernet", dst: M2, src: M1 }, ...udp("10.0.0.66", "10.0.0.2", 8)]),
  blocked: hex([{ kind: "ethernet", dst: M2, src: M1 }, ...udp("10.0.0.1", "10.0.0.2", 9)]),
  routed: hex([{ kind: "ethernet", dst: ROUTER, src: M1 }, ...udp("10.0.0.1", "10.0.1.3", 7)]),
  ipv6: hex([
    { kind: "ethernet", dst: M2, src: M1 },
    { kind: "ipv6", src: ip6("fd00::1"), dst: ip6("fd00::2") },
    { kind: "icmpv6", type: 128, code: 0, rest: 0x10001 },
  ]),
  ping: hex([
    { kind: "ethernet", dst: ROUTER, src: M1 },
    { kind: "ipv4", src: ip4("10.0.0.1"), dst: ip4("10.0.0.254"), ttl: 64 },
    { kind: "icmp", type: 8, code: 0, rest: 0x10001 },
  ]),
  arp: hex([
    { kind: "ethernet", dst: mac("ff:ff:ff:ff:ff:ff"), src: M1 },
    {
      kind: "arp",
      operation: 1,
      senderMac: M1,
      senderIp: ip4("10.0.0.1"),
      targetMac: mac("00:00:00:00:00:00"),
      targetIp: ip4("10.0.0.2"),
    },
  ]),
  broadcast: hex([{ kind: "ethernet", dst: mac("ff:ff:ff:ff:ff:ff"), src: M1 }, ...udp("10.0.0.1", "255.255.255.255", 7)]),
  tagged: hex([
    { kind: "ethernet", dst: mac("50:54:00:00:00:12"), src: mac("50:54:00:00:00:11") },
    { kind: "vlan", id: 30 },
    ...udp("10.1.0.11", "10.1.0.12", 7),
  ]),
};

/** `settled` waits until no capture has grown for most of a second. */
const script = `
settled() { local last= now; for _ in $(seq 30); do now=$(cat $DIR/*/*-tx.pcap | wc -c); [[ $now == "$last" ]] && return; last=$now; sleep 0.7; done; }
cloud_start; $UPGRADE; net_add n1; hv_add w1 n1 10.9.0.1/24; hv_add w2 n1 10.9.0.2/24; underlay_warm
ovn-nbctl ls-add a -- lsp-add a p1 -- lsp-set-addresses p1 "50:54:00:00:00:01 10.0.0.1 fd00::1" \
  -- lsp-set-port-security p1 "50:54:00:00:00:01 10.0.0.1 255.255.255.255 fd00::1" \
  -- lsp-add a p2 -- lsp-set-addresses p2 "50:54:00:00:00:02 10.0.0.2 fd00::2"
ovn-nbctl ls-add b -- lsp-add b p3 -- lsp-set-addresses p3 "50:54:00:00:00:03 10.0.1.3"
ovn-nbctl lr-add r -- lrp-add r r-a 50:54:00:00:00:ff 10.0.0.254/24 -- lrp-add r r-b 50:54:00:00:00:fe 10.0.1.254/24 \
  -- lsp-add a a-r -- lsp-set-type a-r router -- lsp-set-addresses a-r router -- lsp-set-options a-r router-port=r-a \
  -- lsp-add b b-r -- lsp-set-type b-r router -- lsp-set-addresses b-r router -- lsp-set-options b-r router-port=r-b
ovn-nbctl ls-add t -- lsp-add t c1 p1 30 -- lsp-set-addresses c1 "50:54:00:00:00:11 10.1.0.11" -- lsp-add t c2 p2 50 -- lsp-set-addresses c2 "50:54:00:00:00:12 10.1.0.12"
vif_add w1 p1; vif_add $OTHER p2; vif_add $OTHER p3
ovn-nbctl --wait=hv sync
for f in ${frames.switched} ${frames.spoofed} ${frames.blocked} ${frames.routed} ${frames.ipv6} ${frames.ping} ${frames.arp} ${frames.broadcast} ${frames.tagged}; do vif_send w1 p1 $f; done
settled
ovn-nbctl acl-add a to-lport 1000 'outport == "p2" && udp.dst == 9' drop; ovn-nbctl --wait=hv sync
vif_send w1 p1 ${frames.blocked}; vif_send w1 p1 ${frames.switched}
settled
for p in p1 c1 c2; do ovn-nbctl get logical_switch_port $p up; done
`;

const expected = {
  p1: ["ethernet ipv4 ttl 254 icmp type 0", "ethernet arp op 2"],
  p2: [
    "ethernet ipv4 ttl 64 udp 7 payload",
    "ethernet ipv4 ttl 64 udp 9 payload",
    "ethernet ipv6 icmpv6 type 128",
    "ethernet ipv4 ttl 64 udp 7 payload",
    "ethernet vlan 50 ipv4 ttl 64 udp 7 payload",
    "ethernet ipv4 ttl 64 udp 7 payload",
  ],
  p3: ["ethernet ipv4 ttl 63 udp 7 payload"],
};

export interface Circumstances {
  /** Whose schemas the databases have. */
  readonly schemas?: Side;
  /** Whose schema the northbound database has, if another one. */
  readonly nbSchema?: Side;
  /** A command for when the databases and northd run. */
  readonly upgrade?: string;
  /** All ports on the first machine, so that no packet needs a tunnel. */
  readonly oneMachine?: boolean;
  /** Sees the cloud at the end. */
  readonly look?: (cloud: Cloud) => void;
}

/** Switches, routes, tags, answers ARP and ping, filters by port security and by an ACL added meanwhile. */
export function expectPackets(
  mix: Mix,
  { schemas, nbSchema, upgrade = ":", oneMachine = false, look }: Circumstances = {},
): void {
  const cloud = new Cloud(mix, schemas);
  if (nbSchema !== undefined) cloud.env["NB_SCHEMAS"] = schemasOf(nbSchema);
  const other = oneMachine ? "w1" : "w2";
  let passed = false;
  try {
    const output = cloud.run(`OTHER=${other} UPGRADE=${JSON.stringify(upgrade)}; ${script}`);
    expect(output).toContain("true\ntrue\ntrue\n");
    const { p1, p2, p3 } = expected;
    expect({
      p1: cloud.arrived("w1", "p1").sort(),
      p2: cloud.arrived(other, "p2"),
      p3: cloud.arrived(other, "p3"),
    }).toEqual({ p1: p1.toSorted(), p2, p3 });
    look?.(cloud);
    passed = true;
  } finally {
    cloud.stop(passed);
  }
}
