/**
 * What each northd makes of numbers and addresses that it is asked for, alone with databases of its own: of options of
 * NB_Global that are malformed it makes others, which only have their form in common.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { Cloud, linkPrograms } from "./reference/cloud.ts";

linkPrograms();

const sides = (["reference", "weft"] as const).map(
  (NORTHD) =>
    new Cloud({ OVSDB_SERVER: "reference", NORTHD, CONTROLLER: "reference", VSWITCHD: "reference", tools: "reference" }),
);
beforeAll(() => {
  for (const cloud of sides) cloud.run("cloud_start");
});
afterAll(() => {
  for (const cloud of sides) cloud.stop(true);
});

/** What both say of a script; an address or prefix that is not `given` was made up. */
function same(script: string, given: readonly string[]): string[] {
  const [theirs, ours] = sides.map((cloud) =>
    cloud
      .run(script)
      .trim()
      .replace(/([0-9a-f]{2}:){2}[0-9a-f]{2}((:[0-9a-f]{2}){3})?/gi, (text) =>
        given.some((one) => text.startsWith(one)) ? text : text.length > 8 ? "ADDRESS" : "PREFIX",
      )
      .split("\n"),
  );
  // What was made up decides where it stands in a set.
  expect(ours!.toSorted()).toEqual(theirs!.toSorted());
  return theirs!;
}

/** Sets an option twice: the second time all that follows from the first is there. */
const SET = (name: string, value: string) => `
  ovn-nbctl --wait=sb set nb_global . 'options:${name}="${value}"'
  ovn-nbctl --wait=sb sync
  ovn-nbctl get nb_global . options:${name}
  ovn-sbctl get sb_global . options:${name}`;

test.each([
  ["02:aa:bb", "02:aa:bb"],
  ["02:AA:BC", "02:aa:bc"],
  ["2:3:4", "02:03:04"],
  ["02:aa:bb:cc", "02:aa:bb"],
  ["02:aa:bd:cc:dd:ee", "02:aa:bd"],
  ["01:00:00", "01:00:00"],
  ["zz", undefined],
  ["02:aa", undefined],
  ["00:00:00", undefined],
  ["", undefined],
])("mac_prefix %j", (value, prefix) => {
  const script = `
    ovn-nbctl --if-exists ls-del s1
    ${SET("mac_prefix", value)}
    ovn-nbctl --wait=sb ls-add s1 -- set logical_switch s1 other_config:subnet=10.0.0.0/24 -- lsp-add s1 p1 -- lsp-set-addresses p1 dynamic
    ovn-appctl -t $DIR/central/northd.ctl inc-engine/recompute # the reference forgets addresses of ports that come with their switch
    ovn-nbctl --wait=sb sync
    ovn-nbctl get logical_switch_port p1 dynamic_addresses`;
  const seen = same(script, prefix === undefined ? [] : [prefix]);
  expect(seen.slice(0, 2)).toEqual(Array(2).fill(`"${prefix ?? "PREFIX"}"`));
});

test.each(["svc_monitor_mac", "svc_monitor_mac_dst"])("%s", (name) => {
  for (const [value, address] of [
    ["0a:00:00:00:00:01", "0a:00:00:00:00:01"],
    ["0A:BB:CC:00:00:01", "0a:bb:cc:00:00:01"],
    ["a:b:c:1:2:3", "0a:0b:0c:01:02:03"],
    ["zz", undefined],
    ["0a:00:00:00:00:01 x", undefined],
    ["", undefined],
  ] as const) {
    const given = address === undefined ? [] : [address, value];
    const seen = same(
      `${SET(name, value)}\n    ovn-sbctl get address_set svc_monitor_mac addresses | tr ',' '\\n' | tr -d '[]" '`,
      given,
    );
    expect(seen.slice(2)).toContain(address ?? "ADDRESS");
  }
});

test.each([
  ["7", "99", "obs_domain=7"],
  ["0x8", "99", "obs_domain=0"],
  ["9x", "99", "obs_domain=0"],
  ["", "99", "obs_domain=0"],
  ["7", "0", "drop;"],
  ["7", "0x63", "drop;"],
  ["7", "4294967296", "drop;"],
])("samples of drops in the domain %j by the collectors %j", (domain, set, expected) => {
  const seen = same(
    `ovn-nbctl --may-exist ls-add s1 -- set nb_global . 'options:debug_drop_domain_id="${domain}"' 'options:debug_drop_collector_set="${set}"'
    ovn-nbctl --wait=sb sync
    ovn-sbctl --bare --columns=actions find logical_flow external_ids:stage-name=ls_in_check_port_sec priority=100 | sort -u | grep .`,
    [],
  );
  expect(seen.join()).toContain(expected);
});

/** The keys of datapaths and ports that have names, and what northd has logged of keys. */
const KEYS = `
  ovn-nbctl --wait=sb sync
  for name in "$@"; do echo $name $(ovn-sbctl --bare --columns=tunnel_key find datapath_binding external_ids:name=$name) \\
    $(ovn-sbctl --bare --columns=tunnel_key find port_binding logical_port=$name); done
  ovn-sbctl get sb_global . options:max_tunid
  grep -i 'tunnel key' $DIR/central/northd.log | cut -d'|' -f3- | sed 's/[0-9a-f-]\\{36\\}/UUID/' | sort -u`;

test.each([
  [
    "a transit switch",
    "ovn-nbctl ls-add ts -- set logical_switch ts other_config:requested-tnl-key=16711690",
    "ts",
    ["ts 16711690"],
  ],
  [
    "the largest of all",
    "ovn-nbctl ls-add big -- set logical_switch big other_config:requested-tnl-key=16777215",
    "big",
    ["big 16777215"],
  ],
  [
    "a datapath that has it",
    "ovn-nbctl --wait=sb ls-add s2 -- set logical_switch s2 other_config:requested-tnl-key=50; ovn-nbctl lr-add r3 -- set logical_router r3 options:requested-tnl-key=50",
    "s2",
    ["s2 50", "datapath_sync|WARN|Logical datapath UUID requests same tunnel key 50 as another logical datapath"],
  ],
  [
    "a port that has it",
    `ovn-nbctl --wait=sb lsp-add s2 p2 -- set logical_switch_port p2 options:requested-tnl-key=7
     ovn-nbctl --wait=sb lsp-add s2 p3 -- set logical_switch_port p3 options:requested-tnl-key=7`,
    "p2",
    ["p2 7", "northd|WARN|Logical switch port p3 requests same tunnel key 7 as another LSP or LRP"],
  ],
  ["a key in hexadecimal", "ovn-nbctl lsp-add s2 p4 -- set logical_switch_port p4 options:requested-tnl-key=0x20", "", []],
  [
    "VXLAN between zones",
    "ovn-nbctl --wait=sb set logical_switch ts other_config:ic-vxlan_mode=false; ovn-appctl -t $DIR/central/northd.ctl inc-engine/recompute",
    "ts",
    ["ts 16711690", '"1023"'],
  ],
  [
    "tunnels by VXLAN",
    `ovn-nbctl remove logical_switch ts other_config ic-vxlan_mode -- ls-del big -- ls-del ts
     ovn-sbctl chassis-add w1 vxlan 10.9.0.1
     ovn-nbctl --wait=sb lsp-add s2 p5 -- set logical_switch_port p5 options:requested-tnl-key=2048
     ovn-nbctl --wait=sb ls-add s5 -- set logical_switch s5 other_config:requested-tnl-key=4096`,
    "",
    [
      '"4095"',
      "northd|WARN|Tunnel key 2048 for port p5 is incompatible with VXLAN",
      "en_datapath_logical_switch|WARN|Tunnel key 4096 for datapath s5 is incompatible with VXLAN",
    ],
  ],
] as const)("tunnel keys: %s", (_what, script, names, expected) => {
  const seen = same(`set -- ${names}\n${script}\n${KEYS}`, []);
  expect(seen).toEqual(expect.arrayContaining([...expected]));
});

const VIPS = [
  ["template", '{"^vip:80"="b:80,^c:abc"}'],
  ["template", '{"^vip:^port"="10.1.0.1:^port,^c:80"}'],
  ["template", '{"^vip:80"="^b:80:81"}'],
  ["template", '{"^vip"="10.1.0.1:80"}'],
  ["template", '{"^vip:80:81"="^b:80"}'],
  ["template", '{"^vip:80"="[fd01::1]:80"}'],
  ["explicit", '{"bogus"="10.1.0.1"}'],
  ["explicit", '{"10.9.0.1:99999"="10.1.0.1:80"}'],
  ["explicit", '{"10.9.0.1:80"="10.1.0.1:80,x,y:1"}'],
  ["explicit", '{"10.9.0.1"="10.1.0.1:80"}'],
  ["explicit", '{"10.9.0.1:80"="10.1.0.1"}'],
  ["explicit", '{"[fd09::1]:80"="10.1.0.1:80,fd01::1"}'],
  ["explicit", '{"10.9.0.1:80"="10.1.0.1:0"}'],
] as const;
const OPTIONS = [
  ["template", "neighbor_responder=reachable"],
  ["template", "neighbor_responder=bogus"],
  ["template", "add_route=true"],
  ["explicit", "neighbor_responder=bogus"],
  ["explicit", "affinity_timeout=99999"],
] as const;

test("what is wrong with load balancers is logged", () => {
  const adding = (vips: string, kind: string, option: string): string =>
    `ovn-nbctl --wait=sb --id=@lb create load_balancer name=lb$((n++)) protocol=tcp 'vips=${vips}' ${option} \\
       options:template=${kind === "template"} -- add logical_switch balanced load_balancer @lb >/dev/null`;
  const seen = same(
    `n=0; ovn-appctl -t $DIR/central/northd.ctl vlog/disable-rate-limit >/dev/null; ovn-nbctl ls-add balanced
    ${VIPS.map(([kind, vips]) => adding(vips, kind, "")).join("\n")}
    ${OPTIONS.map(([kind, option]) => adding(kind === "template" ? '{"^vip"="^b"}' : '{"10.9.0.1"="10.1.0.1"}', kind, `options:${option}`)).join("\n")}
    grep 'northd_lb|WARN' $DIR/central/northd.log | cut -d'|' -f3- | sed 's/[0-9a-f-]\\{36\\}/UUID/' | sort -u`,
    [],
  );
  expect(seen).toHaveLength(VIPS.length + OPTIONS.length);
});
