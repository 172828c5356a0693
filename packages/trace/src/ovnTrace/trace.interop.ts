import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createReplica, type Replica } from "@weft/ovsdb";
import { nodeRuntime, seededRandom } from "@weft/runtime";
import { ovnSouthbound, type SbSchema } from "@weft/schemas";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TraceModel } from "./model.ts";
import { formsOf, parseCtState, parseLbDestination, parseSelectId } from "./request.ts";
import { traceText } from "./run.ts";

const reference = process.env.OVN_REFERENCE ?? "/opt/ovn-reference/sid";
const cloud = fileURLToPath(new URL("../../../../test/reference/cloud.sh", import.meta.url));
const dir = mkdtempSync(join(tmpdir(), "weft-trace-"));
const env = { ...process.env, DIR: dir, PATH: `${reference}/bin:${process.env.PATH}` };
const remote = `unix:${dir}/central/sb.sock`;
let replica: Replica<SbSchema>;

function sh(script: string): string {
  return execFileSync("bash", ["-ec", `. ${cloud}\nexport OVN_NB_DB=unix:$DIR/central/nb.sock OVN_SB_DB=${remote}\n${script}`], {
    env,
    encoding: "utf8",
  });
}

/** Switches, a router with NAT, load balancers, policies, ACLs of all kinds, DHCP, DNS, and names as OpenStack gives them. */
const NETWORK = `
ovn-sbctl chassis-add hv1 geneve 127.0.0.1
ovn-nbctl ls-add ls1 -- lsp-add ls1 lp11 -- lsp-set-addresses lp11 "f0:00:00:00:01:11 192.168.1.11 fd01::11" \\
  -- lsp-set-port-security lp11 "f0:00:00:00:01:11 192.168.1.11" -- lsp-add ls1 lp12 \\
  -- lsp-set-addresses lp12 "f0:00:00:00:01:12 192.168.1.12 fd01::12" -- lsp-add ls1 lp13 -- lsp-set-addresses lp13 unknown
ovn-nbctl ls-add ls2 -- lsp-add ls2 lp21 -- lsp-set-addresses lp21 "f0:00:00:00:02:21 192.168.2.21 fd02::21" \\
  -- lsp-add ls2 lp22 -- lsp-set-addresses lp22 "f0:00:00:00:02:22 192.168.2.22"
ovn-nbctl lr-add lr1
for n in 1 2; do
  ovn-nbctl lrp-add lr1 lr1-ls$n 00:00:00:00:ff:1$n 192.168.$n.1/24 fd0$n::1/64 -- lsp-add ls$n ls$n-lr1 \\
    -- lsp-set-type ls$n-lr1 router -- lsp-set-addresses ls$n-lr1 router -- lsp-set-options ls$n-lr1 router-port=lr1-ls$n
done
ovn-nbctl ls-add ext -- lsp-add ext ln -- lsp-set-type ln localnet -- lsp-set-addresses ln unknown -- lsp-set-options ln network_name=p \\
  -- lrp-add lr1 lr1-ext 00:00:00:00:ff:13 172.16.0.1/24 -- lsp-add ext ext-lr1 -- lsp-set-type ext-lr1 router \\
  -- lsp-set-addresses ext-lr1 router -- lsp-set-options ext-lr1 router-port=lr1-ext -- lrp-set-gateway-chassis lr1-ext hv1
ovn-nbctl lr-nat-add lr1 snat 172.16.0.1 192.168.1.0/24 -- lr-nat-add lr1 dnat_and_snat 172.16.0.12 192.168.1.12 \\
  -- lr-route-add lr1 0.0.0.0/0 172.16.0.254 -- lr-policy-add lr1 10 'ip4.src == 192.168.2.22' drop
ovn-nbctl pg-add pg1 lp21 lp22 -- acl-add pg1 to-lport 1001 'outport == @pg1 && ip4 && tcp.dst == {22,80}' allow-related \\
  -- acl-add pg1 to-lport 1000 'outport == @pg1 && ip' drop
ovn-nbctl create Address_Set name=as1 'addresses="192.168.1.11","192.168.1.12"' >/dev/null
ovn-nbctl acl-add ls2 from-lport 900 'ip4.src == $as1 && udp' reject
ovn-nbctl --log --name=foo acl-add ls2 from-lport 901 'icmp4 && ip4.dst == 192.168.2.22' drop
ovn-nbctl lb-add lb1 10.0.0.100:80 192.168.2.21:80,192.168.2.22:80 -- ls-lb-add ls1 lb1 \\
  -- lb-add lb2 10.0.0.200:53 192.168.2.21:53 udp -- lr-lb-add lr1 lb2
dhcp=$(ovn-nbctl create DHCP_Options cidr=192.168.1.0/24 'options="server_id"="192.168.1.1" "server_mac"="c0:ff:ee:00:00:01" "lease_time"="3600" "router"="192.168.1.1"')
ovn-nbctl lsp-set-dhcpv4-options lp12 $dhcp
ovn-nbctl set Logical_Switch ls1 dns_records=$(ovn-nbctl create DNS records:vm1.ovn.org=10.0.0.4)
net=neutron-3dda9ea5-1111-4222-8333-abcdefabcdef vm=4dda9ea5-1111-4222-8333-abcdefabcde1
ovn-nbctl ls-add $net -- set Logical_Switch $net 'external_ids:"neutron:network_name"=net1' -- lsp-add $net $vm \\
  -- lsp-set-addresses $vm "00:00:00:00:01:01 10.1.1.1" -- set Logical_Switch_Port $vm 'external_ids:"neutron:port_name"=vm1' \\
  -- lsp-add $net plain -- lsp-set-addresses plain "00:00:00:00:01:03 10.1.1.3"
ovn-nbctl --wait=sb sync
for port in lp11 lp12 lp13 lp21 lp22 $vm plain; do ovn-sbctl lsp-bind $port hv1; done
ovn-nbctl --wait=sb sync`;

beforeAll(async () => {
  sh(`cloud_start\n${NETWORK}`);
  replica = createReplica({ runtime: nodeRuntime(), schema: ovnSouthbound, remotes: [remote] });
  await replica.ready();
});

afterAll(async () => {
  await replica.close();
  sh("cloud_stop");
  rmSync(dir, { recursive: true, force: true });
});

interface Line {
  readonly options: readonly string[];
  readonly datapath?: string;
  readonly microflow: string;
}

function theirs({ options, datapath, microflow }: Line): string {
  const args = [...options, `--db=${remote}`, ...(datapath === undefined ? [] : [datapath]), microflow];
  return execFileSync(join(reference, "bin/ovn-trace"), args, { env, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
}

function ours(model: TraceModel, { options, datapath, microflow }: Line): string {
  const values = (name: string): string[] =>
    options.filter((option) => option.startsWith(`--${name}=`)).map((option) => option.slice(name.length + 3));
  const [lbDst] = values("lb-dst");
  const [selectId] = values("select-id");
  return traceText(model, {
    microflow,
    ...(datapath === undefined ? {} : { datapath }),
    forms: formsOf(new Set(options.map((option) => option.slice(2)))),
    friendlyNames: !options.includes("--no-friendly-names"),
    ctStates: values("ct").map(parseCtState),
    choose: () => 0,
    ...(lbDst === undefined ? {} : { lbDestination: parseLbDestination(lbDst) }),
    ...(selectId === undefined ? {} : { selectId: parseSelectId(selectId) }),
  });
}

/** The first line in which two traces differ. */
function difference(a: string, b: string): { readonly theirs: string; readonly ours: string } | undefined {
  if (a === b) return undefined;
  const [left, right] = [a.split("\n"), b.split("\n")];
  const at = left.findIndex((line, i) => line !== right[i]);
  return { theirs: left[at] ?? "", ours: right[at] ?? "" };
}

const FLOW = /^ *(\d+)\. .*, priority (\d+), uuid/;

/** Both found flows of one priority that match: which of them wins is undefined (ovn-sb(5)). */
function isTie(a: string, b: string): boolean {
  const [left, right] = [FLOW.exec(a), FLOW.exec(b)];
  return left !== null && right !== null && left[1] === right[1] && left[2] === right[2];
}

const PORTS: Readonly<Record<string, readonly string[]>> = {
  ls1: ["lp11", "lp12", "lp13", "ls1-lr1"],
  ls2: ["lp21", "lp22", "ls2-lr1"],
  ext: ["ln", "ext-lr1"],
  lr1: ["lr1-ls1", "lr1-ls2", "lr1-ext"],
  net1: ["vm1", "plain", "4dda9ea5"],
};
const HOSTS: Readonly<Record<string, readonly [mac: string, ip: string, ip6: string]>> = {
  lp11: ["f0:00:00:00:01:11", "192.168.1.11", "fd01::11"],
  lp12: ["f0:00:00:00:01:12", "192.168.1.12", "fd01::12"],
  lp21: ["f0:00:00:00:02:21", "192.168.2.21", "fd02::21"],
  lp22: ["f0:00:00:00:02:22", "192.168.2.22", "fd02::22"],
};
const GATEWAYS: Readonly<Record<string, string>> = {
  ls1: "00:00:00:00:ff:11",
  ls2: "00:00:00:00:ff:12",
  ext: "00:00:00:00:ff:13",
};
const MACS = [
  ...Object.values(HOSTS).map(([mac]) => mac),
  ...Object.values(GATEWAYS),
  "ff:ff:ff:ff:ff:ff",
  "33:33:00:00:00:01",
  "01:00:5e:00:00:05",
  "00:00:00:00:01:01",
  "c0:ff:ee:00:00:01",
];
const IPS =
  "192.168.1.11 192.168.1.12 192.168.2.21 192.168.2.22 192.168.1.1 192.168.2.1 172.16.0.1 172.16.0.12 172.16.0.254 8.8.8.8 10.0.0.100 10.0.0.200 0.0.0.0 255.255.255.255 224.0.0.5 10.1.1.1 192.168.1.77".split(
    " ",
  );
const IP6S = "fd01::11 fd01::12 fd02::21 fd01::1 fd02::1 ff02::1 fe80::1 :: 2001::5 ff02::1:ff00:11 fe80::200:ff:fe00:ff11".split(
  " ",
);

function randomLines(seed: number, count: number): Line[] {
  const random = seededRandom(seed);
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)]!;
  const chance = (percent: number): boolean => random.below(100) < percent;
  return Array.from({ length: count }, () => {
    const datapath = pick(["ls1", "ls1", "ls2", "ls2", "ext", "lr1", "net1"]);
    const port = pick(PORTS[datapath]!);
    const [mac, ip, ip6] = HOSTS[port] ?? [pick(MACS), pick(IPS), pick(IP6S)];
    const gateway = GATEWAYS[datapath];
    const terms = [`inport == "${port}"`, `eth.src == ${chance(85) ? mac : pick(MACS)}`];
    terms.push(`eth.dst == ${gateway !== undefined && chance(50) ? gateway : pick(MACS)}`);
    const kind = random.below(100);
    const ttl = pick([64, 64, 64, 1, 0, 255]);
    if (kind < 55) {
      terms.push(`ip4.src == ${chance(85) ? ip : pick(IPS)}`, `ip4.dst == ${pick(IPS)}`, `ip.ttl == ${ttl}`);
      const protocol = random.below(100);
      if (protocol < 40) terms.push(`tcp.dst == ${pick([80, 22, 443])}`, `tcp.src == ${pick([1000, 80])}`);
      else if (protocol < 60) terms.push(`udp.dst == ${pick([53, 67, 68, 99])}`, `udp.src == ${pick([68, 1000])}`);
      else if (protocol < 80) terms.push(`icmp4.type == ${pick([8, 0, 3])}`, "icmp4.code == 0");
      else if (protocol < 85) terms.push("sctp.dst == 5");
      else if (protocol < 90) terms.push("ip.proto == 2");
      else if (protocol < 93) terms.push("tcp", "ip.frag == 1");
    } else if (kind < 75) {
      terms.push(`ip6.src == ${chance(85) ? ip6 : pick(IP6S)}`, `ip6.dst == ${pick(IP6S)}`);
      const protocol = random.below(100);
      if (protocol < 30) terms.push(`ip.ttl == ${ttl}`, "tcp.dst == 80");
      else if (protocol < 50) terms.push(`ip.ttl == ${ttl}`, `udp.dst == ${pick([53, 547])}`, "udp.src == 546");
      else if (protocol < 80) {
        const type = pick([135, 136, 133, 128]);
        terms.push("ip.ttl == 255", `icmp6.type == ${type}`, "icmp6.code == 0");
        if (type === 135 || type === 136)
          terms.push(`nd.target == ${pick(IP6S)}`, `nd.${type === 135 ? "sll" : "tll"} == ${mac}`);
      }
    } else if (kind < 92) {
      terms.push(
        `arp.op == ${pick([1, 1, 2])}`,
        `arp.sha == ${mac}`,
        `arp.spa == ${chance(85) ? ip : pick(IPS)}`,
        `arp.tpa == ${pick(IPS)}`,
      );
    }
    if (chance(10)) terms.push(`vlan.vid == ${pick([1, 5])}`);
    const options = ["--all", `--lb-dst=192.168.2.21:${pick([80, 53])}`];
    const states = ["new", "est", "new,trk", "est,rpl", "inv", "rel", "est,rpl,dnat"];
    if (chance(50)) for (let i = random.below(3); i >= 0; i--) options.push(`--ct=${pick(states)}`);
    if (chance(10)) options.push("--no-friendly-names");
    const named = chance(90) || datapath === "net1";
    return { options, microflow: terms.join(" && "), ...(named ? { datapath } : {}) };
  });
}

function compare(lines: readonly Line[]): { readonly differing: unknown[]; readonly ties: number; readonly equal: number } {
  const model = new TraceModel(replica, () => {});
  const differing: unknown[] = [];
  let ties = 0;
  let equal = 0;
  for (const line of lines) {
    const found = difference(theirs(line), ours(model, line));
    if (found === undefined) equal++;
    else if (isTie(found.theirs, found.ours)) ties++;
    else differing.push({ line, ...found });
  }
  return { differing, ties, equal };
}

test("random microflows give the reference's text, letter by letter", () => {
  const { differing, ties, equal } = compare(randomLines(1, 150));
  expect(differing).toEqual([]);
  expect(equal).toBeGreaterThan(5 * ties);
});

test("what cannot be traced is said in the reference's words", () => {
  const microflows = [
    'inport == "lp11" && ip4 && ip6',
    'inport == "lp11" && tcp.src == 5',
    'inport == "lp11" && ip4.dst == $as1',
    'inport == "lp11" && reg0 > 5',
    'inport == "nowhere"',
    "ip4",
    "foo",
    'inport == "lp11" || inport == "lp12"',
    'inport == "lp11" && icmp',
    'inport == "lp11" && (reg0 == 1 || reg1 == 2)',
  ];
  const lines = microflows.flatMap((microflow): Line[] => [
    { options: [], microflow },
    { options: [], microflow, datapath: "ls1" },
  ]);
  const others: Line[] = [{ options: [], microflow: 'inport == "lp11"', datapath: "nowhere" }];
  expect(compare([...lines, ...others]).differing).toEqual([]);
});
