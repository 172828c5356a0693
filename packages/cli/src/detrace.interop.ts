/**
 * ovn-detrace, ovs-tcpundump, ovs-pcap, and what ovn-trace and ovn-sbctl tell of a switch's flows: the reference's text, on what a
 * real switch traces and has, and on whatever else.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const reference = process.env["OVN_REFERENCE"] ?? "/opt/ovn-reference/sid";
const root = fileURLToPath(new URL("../../../", import.meta.url));
const dir = mkdtempSync(join(tmpdir(), "weft-detrace-"));
const env = { ...process.env, DIR: dir, PATH: `${reference}/bin:${process.env["PATH"]}`, OVS_RUNDIR: join(dir, "w1") };

function sh(script: string): string {
  const text = `. ${root}/test/reference/cloud.sh\nexport OVN_NB_DB=unix:$DIR/central/nb.sock OVN_SB_DB=unix:$DIR/central/sb.sock\n${script}`;
  return execFileSync("bash", ["-ec", text], { env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 28 });
}

interface Answer {
  readonly status: number | null;
  readonly text: string;
}

function run(side: "weft" | "reference", program: string, args: readonly string[], input: string | Uint8Array = ""): Answer {
  const command = side === "weft" ? [process.execPath, join(root, "packages/cli/bin/weft.js"), program] : [program];
  const { status, stdout } = spawnSync(command[0]!, [...command.slice(1), ...args], {
    env,
    input,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  return { status, text: stdout };
}

function same(program: string, args: readonly string[], input: string | Uint8Array = ""): string {
  const theirs = run("reference", program, args, input);
  expect(run("weft", program, args, input)).toEqual(theirs);
  return theirs.text;
}

/** Two hypervisors, and rows of every kind that a flow can come of. */
const NETWORK = `
ovn-nbctl ls-add ls1 -- lsp-add ls1 lp11 -- lsp-set-addresses lp11 "f0:00:00:00:01:11 192.168.1.11 fd01::11" \\
  -- lsp-set-port-security lp11 "f0:00:00:00:01:11 192.168.1.11" -- lsp-add ls1 lp12 -- lsp-set-addresses lp12 \\
  "f0:00:00:00:01:12 192.168.1.12" -- lsp-add ls1 lp13 -- lsp-set-addresses lp13 unknown \\
  -- ls-add ls2 -- lsp-add ls2 lp21 -- lsp-set-addresses lp21 "f0:00:00:00:02:21 192.168.2.21" \\
  -- set Logical_Switch ls2 'external_ids:"neutron:network_name"=net2' -- lr-add lr1
for n in 1 2; do
  ovn-nbctl lrp-add lr1 lr1-ls$n 00:00:00:00:ff:1$n 192.168.$n.1/24 fd0$n::1/64 -- lsp-add ls$n ls$n-lr1 \\
    -- lsp-set-type ls$n-lr1 router -- lsp-set-addresses ls$n-lr1 router -- lsp-set-options ls$n-lr1 router-port=lr1-ls$n
done
ovn-nbctl ls-add ext -- lsp-add ext ln -- lsp-set-type ln localnet -- lsp-set-addresses ln unknown \\
  -- lsp-set-options ln network_name=physnet1 -- lrp-add lr1 lr1-ext 00:00:00:00:ff:13 172.16.0.1/24 -- lsp-add ext ext-lr1 \\
  -- lsp-set-type ext-lr1 router -- lsp-set-addresses ext-lr1 router -- lsp-set-options ext-lr1 router-port=lr1-ext \\
  -- lrp-set-gateway-chassis lr1-ext w1
ovn-nbctl lr-nat-add lr1 snat 172.16.0.1 192.168.1.0/24 -- lr-nat-add lr1 dnat_and_snat 172.16.0.12 192.168.1.12 \\
  -- lr-nat-add lr1 dnat_and_snat 172.16.0.13 192.168.1.13 lp13 00:00:00:00:aa:01 -- lr-route-add lr1 0.0.0.0/0 172.16.0.254 \\
  -- --policy=src-ip lr-route-add lr1 10.60.0.0/16 192.168.2.50 lr1-ls2 -- lr-policy-add lr1 10 'ip4.src == 192.168.2.22' drop
ovn-nbctl pg-add pg1 lp21 -- acl-add pg1 to-lport 1001 'outport == @pg1 && ip4 && tcp.dst == {22,80}' allow-related \\
  -- acl-add pg1 to-lport 1000 'outport == @pg1 && ip' drop -- --log --name=foo acl-add ls2 from-lport 901 icmp4 drop
ovn-nbctl lb-add lb1 10.0.0.100:80 192.168.2.21:80 -- ls-lb-add ls1 lb1 -- lb-add lb2 10.0.0.200:53 192.168.2.21:53 udp \\
  -- lr-lb-add lr1 lb2 -- set Load_Balancer lb1 ip_port_mappings:192.168.2.21=lp21:192.168.2.1
dhcp=$(ovn-nbctl create DHCP_Options cidr=192.168.1.0/24 'options="server_id"="192.168.1.1" "server_mac"="c0:ff:ee:00:00:01" "lease_time"="3600"')
ovn-nbctl set DHCP_Options $dhcp options:hostname="it's"
ovn-nbctl lsp-set-dhcpv4-options lp12 $dhcp -- qos-add ls1 to-lport 100 ip4 dscp=10 rate=100 burst=200 \\
  -- fwd-group-add fg1 ls1 192.168.1.99 00:00:00:00:bb:01 lp11 lp12 -- set Logical_Router_Port lr1-ls1 ipv6_ra_configs:address_mode=slaac
for port in lp11 lp12 lp13; do vif_add w1 $port; done
vif_add w2 lp21
ovn-nbctl --wait=hv --timeout=60 sync
ovn-sbctl create MAC_Binding logical_port=lr1-ext ip=172.16.0.254 mac='"00:00:00:00:dd:01"' \\
  datapath=$(ovn-sbctl --bare --columns=_uuid find Datapath_Binding external_ids:name=lr1) >/dev/null`;

beforeAll(() => {
  sh(`cloud_start; net_add n; hv_add w1 n 10.0.0.1/24; hv_add w2 n 10.0.0.2/24; underlay_warm\n${NETWORK}`);
});

afterAll(() => {
  sh("cloud_stop");
  rmSync(dir, { recursive: true, force: true });
});

const databases = [`--ovnsb=unix:${dir}/central/sb.sock`, `--ovnnb=unix:${dir}/central/nb.sock`];

describe("ovn-detrace", () => {
  test("a cookie of every southbound row", () => {
    const tables = "Port_Binding Multicast_Group MAC_Binding Chassis Load_Balancer Logical_Flow Datapath_Binding BFD";
    const uuids = sh(`for t in ${tables}; do ovn-sbctl --bare --columns=_uuid list $t; done`).match(/^[0-9a-f]{8}/gm)!;
    const text = same("ovn-detrace", databases, uuids.map((uuid) => ` 0. ip, priority 1, cookie 0x${uuid}\n    drop\n`).join(""));
    const kinds = new Set([...text.matchAll(/^ +\* ([A-Z][\w ]+):/gm)].map(([, kind]) => kind));
    expect([...kinds].sort()).toEqual([
      "ACL",
      "Chassis",
      "DHCP Options",
      "Forwarding Group",
      "Load Balancer",
      "Logical Router Policy",
      "Logical Router Port",
      "Logical Switch Port",
      "Logical datapath",
      "Logical datapaths",
      "Logical flow",
      "MAC Binding",
      "Multicast Group",
      "NAT",
      "Port Binding",
      "QoS",
      "Route",
    ]);
  });

  test("traces of a switch, with and without its interfaces", () => {
    const packets: readonly (readonly [node: string, flow: string])[] = [
      [
        "w1",
        "in_port=lp11,icmp,dl_src=f0:00:00:00:01:11,dl_dst=f0:00:00:00:01:12,nw_src=192.168.1.11,nw_dst=192.168.1.12,nw_ttl=64",
      ],
      [
        "w1",
        "in_port=lp12,arp,dl_src=f0:00:00:00:01:12,dl_dst=ff:ff:ff:ff:ff:ff,arp_op=1,arp_spa=192.168.1.12,arp_tpa=192.168.1.1",
      ],
      [
        "w1",
        "in_port=lp12,tcp,dl_src=f0:00:00:00:01:12,dl_dst=00:00:00:00:ff:11,nw_src=192.168.1.12,nw_dst=192.168.2.21,nw_ttl=64,tcp_dst=22",
      ],
      [
        "w1",
        "in_port=lp13,udp,dl_src=f0:00:00:00:01:13,dl_dst=ff:ff:ff:ff:ff:ff,nw_src=0.0.0.0,nw_dst=255.255.255.255,nw_ttl=64",
      ],
      ["w2", "in_port=lp21,tcp,dl_src=f0:00:00:00:02:21,dl_dst=00:00:00:00:ff:12,nw_src=192.168.2.21,nw_dst=8.8.8.8,nw_ttl=64"],
      ["w2", "in_port=lp21,dl_src=f0:00:00:00:02:21,dl_dst=ff:ff:ff:ff:ff:ff"],
    ];
    for (const [node, flow] of packets) {
      const trace = sh(`hv_do ${node} ovs-appctl ofproto/trace br-int ${flow}`);
      expect(same("ovn-detrace", databases, trace)).toContain("* Logical flow:");
      expect(same("ovn-detrace", [...databases, "--ovs", `--ovsdb=unix:${dir}/${node}/db.sock`], trace)).toContain(
        "* OVS Interface:",
      );
    }
  });

  test("other text, and databases that are not there", () => {
    const [port] = sh("ovn-sbctl --bare --columns=_uuid find Port_Binding logical_port=lp11").split("-");
    const lines = [
      "in_port=1",
      "0. in_port=1",
      ` 3. x, cookie 0x${port}`,
      `cookie=0x${port}, y`,
      "    output:1",
      "     output:2",
      "",
      "\t",
    ];
    const some = Array.from({ length: 40 }, (_, i) => lines[(i * 7 + Math.floor(i / 5)) % lines.length]);
    for (const input of ["", "x", some.join("\n"), `12. a, cookie 0x${port?.toUpperCase()}\n`]) {
      same("ovn-detrace", [...databases, "--ovs"], input);
      same("ovn-detrace", ["--ovnsb=unix:/nowhere", "--ovnnb=tcp:127.0.0.1:1"], input);
    }
    expect(run("weft", "ovn-detrace", ["word"]).status).toBe(run("reference", "ovn-detrace", ["word"]).status);
  });
});

test("ovn-sbctl and ovn-trace with --ovs tell of the switch's flows", () => {
  const remote = `--db=unix:${dir}/central/sb.sock`;
  const timeless = ({ status, text }: Answer): Answer => ({
    status,
    text: text.replace(/duration=[\d.]+s|(?:idle|hard)_age=\d+|n_(?:packets|bytes)=\d+/g, ""),
  });
  const ovs = `--ovs=unix:${dir}/w1/br-int.mgmt`;
  const microflow =
    'inport == "lp11" && eth.src == f0:00:00:00:01:11 && ip4.src == 192.168.1.11 && ip4.dst == 192.168.2.21 && udp';
  const lines: readonly (readonly [program: string, ...args: string[]])[] = [
    ["ovn-sbctl", remote, ovs, "lflow-list", "ls1"],
    ["ovn-sbctl", remote, ovs, "--stats", "--uuid", "lflow-list"],
    ["ovn-sbctl", remote, "--ovs=unix:/nowhere", "lflow-list", "ls1"],
    ["ovn-sbctl", remote, ovs, "lflow-list", "nowhere"],
    ["ovn-trace", remote, ovs, microflow],
    ["ovn-trace", remote, ovs, "--summary", microflow],
    ["ovn-trace", remote, "--ovs=unix:/nowhere", microflow],
  ];
  for (const [program, ...args] of lines) {
    const theirs = timeless(run("reference", program, args));
    expect(timeless(run("weft", program, args)), args.join(" ")).toEqual(theirs);
  }
});

test("ovs-tcpundump: random lines", () => {
  const group = fc.stringMatching(/^(?:[0-9a-f]{4}|[0-9a-f]{2}|[0-9a-fA-F]{1,5})$/);
  const line = fc
    .tuple(
      fc.constantFrom("\t", "        ", "", " "),
      fc.constantFrom("0x0000", "0x0010", "0x0020", "0x0", "0X0000", "0000", "0x00fg"),
      fc.constantFrom(":  ", ": ", ":", " "),
      fc.array(group, { maxLength: 8 }).map((groups) => groups.join(" ")),
      fc.constantFrom("", "  ab.. 45", "  ", " \t", "  \u00e9"),
    )
    .map((parts) => parts.join(""));
  const usual = fc.array(
    group.filter((text) => /^[0-9a-f]{4}$/.test(text)),
    { minLength: 1, maxLength: 8 },
  );
  const packet = fc
    .array(usual, { minLength: 1, maxLength: 4 })
    .map((lines) => lines.map((groups, i) => `\t0x00${i}0:  ${groups.join(" ")}  ................`).join("\n"));
  const input = fc.array(fc.oneof(line, packet, packet), { maxLength: 300 }).map((lines) => lines.join("\n"));
  fc.assert(
    fc.property(input, (text) => void same("ovs-tcpundump", [], text)),
    { numRuns: 20 },
  );
});

test("ovs-pcap: captures of either byte order, whole and cut", () => {
  const packets = [Uint8Array.of(1, 2, 3), new TextEncoder().encode("abcdefgh"), new Uint8Array(0)];
  const file = join(dir, "capture.pcap");
  for (const little of [true, false])
    for (const magic of [0xa1b2c3d4, 0xa1b23c4d, 0xa1b2c3d5])
      for (const cut of [0, 1, 9, 17, 60, 75]) {
        writeFileSync(file, capture(magic, little, packets).subarray(0, cut === 0 ? undefined : -cut));
        same("ovs-pcap", [file]);
      }
  for (const args of [[], ["/nowhere"], ["a", "b"]]) same("ovs-pcap", args);
});

function capture(magic: number, little: boolean, packets: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(24 + packets.reduce((sum, packet) => sum + 16 + packet.length, 0));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, little);
  let at = 24;
  for (const packet of packets) {
    view.setUint32(at + 8, packet.length, little);
    view.setUint32(at + 12, packet.length, little);
    bytes.set(packet, at + 16);
    at += 16 + packet.length;
  }
  return bytes;
}
