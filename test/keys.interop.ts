/**
 * Every key of ovn-controller(8): our controller and the reference's are given the same values one after the other, and then none; what
 * they write to the Southbound and to the local database, and the flows between ports and tunnels, are the same.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { fromHex } from "@weft/packet";
import { expect, test } from "vitest";
import { controllerPair } from "./reference/controllerPair.ts";
import { reference } from "./reference/daemons.ts";

interface Key {
  /** What the key is set to, one after the other. */
  readonly values: readonly string[];
  /** What it was, and is set to in the end; without it the key is removed. */
  readonly before?: string;
  /** Other keys that are set while this one is tried. */
  readonly beside?: Readonly<Record<string, string>>;
  /** What is to be seen with the last value, besides that both do the same. */
  readonly seen?: string;
}

const TWO = "10.9.0.1,10.9.0.11";

const keys: Readonly<Record<string, Key>> = {
  hostname: { values: ["", "other"], before: "w1", seen: "chassis w1,other" },
  "ovn-remote": { values: ["unix:$DIR/nowhere.sock,unix:$DIR/central/sb.sock"], before: "unix:$DIR/central/sb.sock" },
  "ovn-monitor-all": { values: ["true", "false", "maybe"], seen: "ovn-monitor-all=" },
  "ovn-encap-type": { values: ["geneve,vxlan", "gre", "vxlan"], before: "geneve", seen: "encap w1,vxlan,10.9.0.1" },
  "ovn-encap-ip": { values: [TWO, "10.9.0.12"], before: "10.9.0.1", seen: "local_ip=10.9.0.12 remote_ip=10.9.0.2" },
  "ovn-encap-ip-default": { values: ["10.9.0.99", "10.9.0.11"], beside: { "ovn-encap-ip": TWO }, seen: "is_default=true" },
  "ovn-encap-df_default": { values: ["true", "maybe", "false"], seen: "df_default=false" },
  "ovn-encap-csum": { values: ["true", "maybe", "false"], seen: "encap w1,geneve,10.9.0.1,csum=false" },
  "ovn-encap-tos": { values: ["4", "inherit"], seen: "tos=inherit" },
  "ovn-enable-flow-based-tunnels": {
    values: ["false", "true"],
    beside: { "ovn-encap-ip": TWO, "ovn-encap-type": "geneve,vxlan", "ovn-encap-tos": "inherit" },
    seen: 'set_field:10.9.0.11->tun_src,set_field:10.9.0.2->tun_dst,output:"ovn-geneve"',
  },
  "ovn-bridge-mappings": {
    values: ["physnet2:br-phys", "physnet2:br-phys,physnet1:br-phys", "nonsense,physnet1:br-phys", "physnet1:br-phys,nonsense"],
    before: "physnet1:br-phys",
    seen: "patch-br-int-to-ln",
  },
  "ovn-cms-options": { values: ["one,two:foo", "three"], seen: "ovn-cms-options=three" },
  "ovn-transport-zones": { values: ["tz1", "tz2,tz1"], seen: "tz1 tz2" },
  "ovn-chassis-mac-mappings": {
    values: ["physnet1:aa:bb:cc:dd:ee:ff", "physnet1:aa:bb:cc:dd:ee:01"],
    seen: "set_field:aa:bb:cc:dd:ee:01->eth_src",
  },
  "ovn-is-interconn": { values: ["false", "maybe", "true"], seen: "is-interconn=true" },
  "ovn-match-northd-version": { values: ["true", "false"] },
  "ovn-enable-lflow-cache": { values: ["true", "maybe", "false"], seen: "ovn-enable-lflow-cache=false" },
  "ovn-limit-lflow-cache": { values: ["100"], seen: "ovn-limit-lflow-cache=100" },
  "ovn-memlimit-lflow-cache-kb": { values: ["1000"], seen: "ovn-memlimit-lflow-cache-kb=1000" },
  "ovn-trim-limit-lflow-cache": { values: ["100"], seen: "ovn-trim-limit-lflow-cache=100" },
  "ovn-trim-wmark-perc-lflow-cache": { values: ["10"], seen: "ovn-trim-wmark-perc-lflow-cache=10" },
  "ovn-trim-timeout-ms": { values: ["100"], seen: "ovn-trim-timeout-ms=100" },
  "ovn-evpn-vxlan-ports": { values: ["x", "4790", "4790,4791"], seen: "dst_port=4791" },
  "ovn-evpn-local-ip": { values: ["10.9.0.1", "10-10.9.0.1"], seen: "ovn-evpn-local-ip=10-10.9.0.1" },
  "dynamic-routing-port-mapping": { values: ["re:eth0"] },
  "arp-nd-max-timeout-sec": { values: ["8", "x"] },
  "garp-max-timeout-sec": { values: ["8", "x"] },
  "ovn-remote-probe-interval": { values: ["2000", "0"] },
  "ovn-bridge-remote-probe-interval": { values: ["2000", "0"] },
  "ovn-bridge-remote": { values: ["unix:$DIR/w1/br-int.mgmt"] },
  "ovn-cleanup-on-exit": { values: ["true", "false"] },
};

/** Keys that are named on the page, and are no configuration that can be compared so. */
const exceptions: Readonly<Record<string, string>> = {
  "system-id": "the chassis' name: not to be changed while the controller runs",
  "ovn-bridge-CHASSIS_NAME": "one of the keys with a chassis' name behind them",
  "ovn-encap-ip-otherhv": "one of the keys with a chassis' name behind them",
  option: "any of the keys",
  "option-": "any of the keys with a chassis' name behind it",
  "encap-ip": "of an Interface: below",
  "iface-types": "of the Chassis",
  "datapath-type": "of the Chassis",
  "ovn-bridge": "below",
  "ovn-bridge-datapath-type": "below",
};

const pair = controllerPair(
  `
  # Of ports that come in one transaction the keys would be in any order.
  key=0
  port() { ovn-nbctl --wait=sb lsp-add $1 $2 -- lsp-set-addresses $2 "$3" -- set logical_switch_port $2 options:requested-tnl-key=$((++key)); }
  ovn-nbctl --wait=sb ls-add s -- set logical_switch s other_config:requested-tnl-key=11
  ovn-nbctl --wait=sb ls-add e -- set logical_switch e other_config:requested-tnl-key=12
  ovn-nbctl --wait=sb lr-add r -- set logical_router r options:requested-tnl-key=13
  port s p1 "0a:00:00:00:00:01 10.1.0.1"
  port s p2 "0a:00:00:00:00:02 10.1.0.2"
  port e q1 unknown
  port e q2 "0a:00:00:00:01:02 10.2.0.2"
  port e ln unknown
  ovn-nbctl --wait=sb lsp-set-type ln localnet -- set logical_switch_port ln options:network_name=physnet1
  for s in s e; do
    ovn-nbctl --wait=sb lrp-add r r$s 0a:00:00:00:02:0$((++key)) 10.$key.0.254/24 -- set logical_router_port r$s options:requested-tnl-key=$key
    port $s $s-r router
    ovn-nbctl --wait=sb lsp-set-type $s-r router -- set logical_switch_port $s-r options:router-port=r$s
  done`,
  ["p1", "q1", "w2/p2", "w2/q2"],
);

/**
 * What the chassis w1 has written, and the flows between its ports and tunnels, without what differs from run to run: cookies, zones,
 * numbers of ports and in the names of tunnels, the order of copies. Which of several tunnels to a chassis a copy for many takes, the reference leaves to the order of events. With
 * flow-based tunnels it has no flow for copies for many that come in by VXLAN, and drops them.
 */
const STATE = `
  db() { hv_do w1 ovs-vsctl --no-headings --format=csv --data=bare --columns=$2 list $1; }
  sb() { ovn-sbctl --no-headings --format=csv --data=bare --columns=$2 list $1; }
  # Tunnels by what they are for.
  tunnels() { sed -E "$(db Port name,external_ids | sed -nE 's/^(ovn-w2-[0-9]+),.*ovn-chassis-id=([^ ,]+).*/s#\\\\b\\1\\\\b#\\2#g/p')"; }
  declare -A encap
  while IFS=, read -r uuid type ip; do encap[$uuid]=$type/$ip; done < <(sb Encap _uuid,type,ip)
  sb Chassis name,hostname,other_config,transport_zones | sed 's/^/chassis /' | sort
  sb Encap chassis_name,type,ip,options | sed 's/^/encap /' | sort
  while IFS=, read -r port up via; do echo "binding $port,$up,\${encap[\${via:-none}]-}"; done < <(sb Port_Binding logical_port,up,encap) | sort
  db Bridge name,datapath_type,fail_mode,other_config | sed -E 's/^/bridge /; s/hwaddr=[^, ]*//' | sort
  db Port name,external_ids | sed 's/^/port /' | tunnels | sort
  db Interface name,type,options,external_ids | sed 's/^/interface /; s/ovn-installed-ts=[0-9]*//' | grep -v 'pcap\\|phys-n1' | tunnels | sort
  hv_do w1 ovs-vsctl get open . other_config
  for bridge in $(hv_do w1 ovs-vsctl list-br | grep -v phys); do
    hv_do w1 ovs-ofctl -O OpenFlow15 --names --no-stats dump-flows $bridge | sed -E '
      s/^ *//; s/cookie=[^,]*, *//; /priority=105,tun_id/d
      s/set_field:0x[0-9a-f]+->reg1[123],//g; s/set_field:0x[0-9a-f]+\\/(0xffff->reg13|0xffff0000->reg5),//g
      /reg15=0x8/ { s/ovn-w2-[0-9]+/ovn-w2/g; s/set_field:[^>]*->tun_(src|dst),//g }' |
      grep -E '^(priority|table=(4[2-9]|6[45]),)' | grep -v 'table=46,.*reg15=0x8' | tunnels | sort
  done`;

/** A chassis that has lost its southbound or its tunnels is not waited for long. */
const SETTLE = "ovn-nbctl --timeout=5 --wait=hv sync || true";

async function same(script: string, expected = ""): Promise<void> {
  await Promise.all(pair.sides.map(({ cloud }) => cloud.background(`${script}\n${SETTLE}`)));
  await pair.sameRows(STATE, expected);
}

const set = (key: string, value: string): string => `hv_do w1 ovs-vsctl set open . external_ids:${key}="\\"${value}\\""`;
const remove = (key: string): string => `hv_do w1 ovs-vsctl remove open . external_ids ${key}`;
const back = (key: string): string => (keys[key]?.before === undefined ? remove(key) : set(key, keys[key].before));

test("the manual page names no other key, and all of these", () => {
  const page = gunzipSync(readFileSync(join(reference, "share/man/man8/ovn-controller.8.gz"))).toString();
  const text = page.replaceAll("\\-", "-").replace(/\\f[BIRP]/g, "");
  const part = text.slice(text.search(/^\.SH "?CONFIGURATION/m), text.search(/^\.SH "?OPEN VSWITCH DATABASE USAGE/m));
  const named = new Set([...part.matchAll(/(?:external[_-]ids|other_config):([\w-]+)/g)].map(([, key]) => key!));
  expect(named).toEqual(new Set([...Object.keys(keys), ...Object.keys(exceptions)]));
});

test.each(Object.entries(keys))("%s", { timeout: 120_000 }, async (key, { values, beside = {}, seen }) => {
  try {
    for (const [other, value] of Object.entries(beside)) await same(set(other, value));
    for (const [i, value] of values.entries()) await same(set(key, value), i === values.length - 1 ? seen : "");
  } finally {
    await same([key, ...Object.keys(beside)].map(back).join("\n"));
  }
});

test("an interface's encap-ip", { timeout: 120_000 }, async () => {
  const encap = (ip: string): string => `hv_do w1 ovs-vsctl set interface p1 external_ids:encap-ip=${ip}`;
  await same(set("ovn-encap-ip", TWO));
  await same(encap("10.9.0.77"), "binding p1,true,\n");
  await same(encap("10.9.0.11"), "binding p1,true,geneve/10.9.0.11");
  await same("hv_do w1 ovs-vsctl remove interface p1 external_ids encap-ip", "binding p1,true,\n");
  await same(back("ovn-encap-ip"));
});

test("VLAN headers of 802.1ad at a localnet port", { timeout: 120_000 }, async () => {
  await same("ovn-nbctl set logical_switch_port ln tag=5 options:ethtype=802.1ad", "push_vlan:0x88a8,set_field:4101->vlan_vid");
  await same("ovn-nbctl set logical_switch_port ln options:ethtype=802.1q", "push_vlan:0x8100,set_field:4101->vlan_vid");
  await same("ovn-nbctl clear logical_switch_port ln tag -- remove logical_switch_port ln options ethtype");
});

/** ovn-nb(5) says that false forbids it. */
test("lsp_learn_mac has no effect", { timeout: 120_000 }, async () => {
  await same("ovn-nbctl set logical_switch_port q1 options:lsp_learn_mac=false");
  const frame = fromHex("ffffffffffff0a0000007701080600010800060400010a00000077010a0200630000000000000a020064")!;
  for (const side of pair.sides) await side.inject("q1", frame);
  await pair.sameRows("ovn-sbctl --bare --columns=mac list fdb", "0a:00:00:00:77:01");
  await same("ovn-nbctl remove logical_switch_port q1 options lsp_learn_mac");
});

test("a key with the chassis' name behind it", { timeout: 120_000 }, async () => {
  await same(set("ovn-encap-tos", "4") + "\n" + set("ovn-encap-tos-w1", "8") + "\n" + set("ovn-encap-tos-w2", "12"), "tos=8");
  await same(remove("ovn-encap-tos-w1"), "tos=4");
  await same(remove("ovn-encap-tos-w2") + "\n" + remove("ovn-encap-tos"));
});

/** Requests that come within eleven seconds: none, or some. */
test("probes of the bridge", { timeout: 120_000 }, async () => {
  const probes = `
    hv_do w1 ovs-appctl vlog/set vconn:file:dbg >/dev/null
    count() { grep -c 'received: OFPT_ECHO_REQUEST' $DIR/w1/vswitchd.log || true; }
    before=$(count)
    sleep 11
    (( $(count) > before )) && echo some || echo none`;
  for (const [value, expected] of [
    ["2000", "some\n"],
    ["0", "none\n"],
  ] as const) {
    const outputs = await Promise.all(
      pair.sides.map(({ cloud }) => cloud.background(`${set("ovn-bridge-remote-probe-interval", value)}\n${probes}`)),
    );
    expect(outputs).toEqual([expected, expected]);
  }
  await same(remove("ovn-bridge-remote-probe-interval"));
});

/** Bridges with their ports; who makes one may give it a MAC. */
const BRIDGES = `
  vsctl() { hv_do w1 ovs-vsctl --no-wait "$@"; }
  for bridge in $(vsctl list-br); do
    echo $bridge $(vsctl get bridge $bridge datapath_type fail_mode other_config): $(vsctl list-ports $bridge)
  done | sed -E 's/(, )?hwaddr=[^,}]*//'`;

test.each([
  [
    "another integration bridge",
    "set open . external_ids:ovn-bridge=br-other",
    'br-other system secure {disable-in-band="true"}: ovn-w2-0',
  ],
  [
    "the first one again",
    "remove open . external_ids ovn-bridge",
    'br-int system secure {disable-in-band="true"}: barrier ovn-w2-0',
  ],
  // The switch makes the bridge anew, so that this is the last that can be tried.
  ["its datapath type", "set open . external_ids:ovn-bridge-datapath-type=netdev", "br-int netdev secure"],
  ["which stays", "remove open . external_ids ovn-bridge-datapath-type", "br-int netdev secure"],
])("%s", { timeout: 60_000 }, async (_what, change, expected) => {
  for (const { cloud } of pair.sides) cloud.run(`hv_do w1 ovs-vsctl --no-wait ${change}`);
  await pair.sameRows(BRIDGES, expected);
});
