/**
 * A whole cloud of daemons as processes, started by reference/cloud.sh: packets between hypervisors, with every daemon
 * ours and with none of them.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decode, emit, find, type Header, headers, parseIpv4, parseIpv6, parseMac, readCapture, toHex } from "@weft/packet";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const reference = process.env["OVN_REFERENCE"] ?? "/opt/ovn-reference/sid";
const root = join(import.meta.dirname, "..");
const linked = mkdtempSync(join(tmpdir(), "weft-link-"));
beforeAll(() => {
  execFileSync(process.execPath, [join(root, "packages/cli/bin/weft.js"), "link", linked]);
});
afterAll(() => rmSync(linked, { recursive: true }));

/** The programs of a mix: which folder each daemon comes from, and what is first on PATH for the commands. */
type Side = "weft" | "reference";
type Mix = Readonly<Record<"OVSDB_SERVER" | "NORTHD" | "CONTROLLER" | "VSWITCHD" | "tools", Side>>;

/** Runs a script with the functions of cloud.sh; the cloud ends with it. Throws with everything printed when it fails. */
function withCloud(mix: Mix, script: string): { readonly output: string; readonly dir: string } {
  const dir = mkdtempSync(join(tmpdir(), "weft-cloud-"));
  const folder = (who: "weft" | "reference") => (who === "weft" ? linked : join(reference, "bin"));
  const { tools, ...daemons } = mix;
  const result = spawnSync(
    "bash",
    ["-c", `set -e; . ${join(root, "test/reference/cloud.sh")}; trap cloud_stop EXIT; ${script}`],
    {
      encoding: "utf8",
      timeout: 120_000,
      env: {
        ...process.env,
        DIR: dir,
        SCHEMAS: join(reference, "share"),
        PATH: `${folder(tools)}:${join(reference, "bin")}:${process.env["PATH"]}`,
        ...Object.fromEntries(Object.entries(daemons).map(([name, who]) => [name, folder(who)])),
      },
    },
  );
  if (result.status !== 0)
    throw new Error(
      `the cloud's script failed (${result.status ?? result.signal}) in ${dir}:\n${result.stdout}\n${result.stderr}`,
    );
  return { output: result.stdout, dir };
}

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
cloud_start; net_add n1; hv_add w1 n1 10.9.0.1/24; hv_add w2 n1 10.9.0.2/24; underlay_warm
ovn-nbctl ls-add a -- lsp-add a p1 -- lsp-set-addresses p1 "50:54:00:00:00:01 10.0.0.1 fd00::1" \
  -- lsp-set-port-security p1 "50:54:00:00:00:01 10.0.0.1 255.255.255.255 fd00::1" \
  -- lsp-add a p2 -- lsp-set-addresses p2 "50:54:00:00:00:02 10.0.0.2 fd00::2"
ovn-nbctl ls-add b -- lsp-add b p3 -- lsp-set-addresses p3 "50:54:00:00:00:03 10.0.1.3"
ovn-nbctl lr-add r -- lrp-add r r-a 50:54:00:00:00:ff 10.0.0.254/24 -- lrp-add r r-b 50:54:00:00:00:fe 10.0.1.254/24 \
  -- lsp-add a a-r -- lsp-set-type a-r router -- lsp-set-addresses a-r router -- lsp-set-options a-r router-port=r-a \
  -- lsp-add b b-r -- lsp-set-type b-r router -- lsp-set-addresses b-r router -- lsp-set-options b-r router-port=r-b
ovn-nbctl ls-add t -- lsp-add t c1 p1 30 -- lsp-set-addresses c1 "50:54:00:00:00:11 10.1.0.11" -- lsp-add t c2 p2 50 -- lsp-set-addresses c2 "50:54:00:00:00:12 10.1.0.12"
vif_add w1 p1; vif_add w2 p2; vif_add w2 p3
ovn-nbctl --wait=hv sync
for f in ${frames.switched} ${frames.spoofed} ${frames.blocked} ${frames.routed} ${frames.ipv6} ${frames.ping} ${frames.arp} ${frames.broadcast} ${frames.tagged}; do vif_send w1 p1 $f; done
settled
ovn-nbctl acl-add a to-lport 1000 'outport == "p2" && udp.dst == 9' drop; ovn-nbctl --wait=hv sync
vif_send w1 p1 ${frames.blocked}; vif_send w1 p1 ${frames.switched}
settled
for p in p1 c1 c2; do ovn-nbctl get logical_switch_port $p up; done
`;

/** What arrived, one line a packet, without what differs between runs. */
function arrived(dir: string, node: string, port: string): string[] {
  const packets = readCapture(readFileSync(join(dir, node, `${port}-tx.pcap`)));
  return packets
    .map(({ bytes }) => decode(bytes))
    .filter((layers) => find(layers, "nd") === undefined && find(layers, "mld") === undefined)
    .map((layers) =>
      headers(layers)
        .map(({ trailer: _, ...header }) => describeHeader(header as Header))
        .join(" "),
    );
}

function describeHeader(header: Header): string {
  switch (header.kind) {
    case "vlan":
      return `vlan ${header.id}`;
    case "ipv4":
      return `ipv4 ttl ${header.ttl}`;
    case "udp":
      return `udp ${header.dstPort}`;
    case "icmp":
    case "icmpv6":
      return `${header.kind} type ${header.type}`;
    case "arp":
      return `arp op ${header.operation}`;
    default:
      return header.kind;
  }
}

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

const daemons = ["OVSDB_SERVER", "NORTHD", "CONTROLLER", "VSWITCHD"] as const;

/** Every combination of our daemons and the reference's, under the reference's tools; and ours all through. */
const mixes: readonly (readonly [string, Mix])[] = [
  ...Array.from({ length: 16 }, (_, bits): readonly [string, Mix] => {
    const who = daemons.map((_, i) => ((bits >> i) & 1 ? "weft" : "reference"));
    const [OVSDB_SERVER, NORTHD, CONTROLLER, VSWITCHD] = who as [Side, Side, Side, Side]; // one for each daemon
    const ours = daemons.filter((_, i) => who[i] === "weft").map((name) => name.toLowerCase().replace("_", "-"));
    return [`${ours.join(", ") || "none"} ours`, { OVSDB_SERVER, NORTHD, CONTROLLER, VSWITCHD, tools: "reference" }];
  }),
  [
    "all daemons and the tools ours",
    { OVSDB_SERVER: "weft", NORTHD: "weft", CONTROLLER: "weft", VSWITCHD: "weft", tools: "weft" },
  ],
];

describe.each(mixes.map(([name, mix]) => ({ name, mix })))("a cloud of processes, $name", ({ mix }) => {
  it("switches, routes, tags, answers ARP and ping, filters by port security and by an ACL added meanwhile", () => {
    const { output, dir } = withCloud(mix, script);
    expect(output).toContain("true\ntrue\ntrue\n");
    expect({ p1: arrived(dir, "w1", "p1").sort(), p2: arrived(dir, "w2", "p2"), p3: arrived(dir, "w2", "p3") }).toEqual({
      ...expected,
      p1: [...expected.p1].sort(),
    });
    // Daemons that were told to end may still be at their files.
    rmSync(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  });
});
