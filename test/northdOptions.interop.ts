/**
 * What each northd keeps in NB_Global:options and passes on, alone with databases of its own: of values that are malformed
 * it makes others, which only have their form in common.
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
  expect(ours).toEqual(theirs);
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
