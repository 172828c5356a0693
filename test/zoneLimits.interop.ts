/**
 * Limits of connection tracking zones (ct-zone-limit), by our controller and switch and by the reference's: one chassis in a cloud
 * of each. Compared are the limits that the switch has, by the names of the zones.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { allReference, allWeft, Cloud, linkPrograms, type Mix } from "./reference/cloud.ts";

linkPrograms();

const NETWORK = `
  cloud_start; net_add n1; hv_add w1 n1 10.9.0.1/24
  ovn-nbctl ls-add a -- lr-add r -- lrp-add r ra 50:54:00:00:02:fe 10.0.0.254/24 -- lsp-add-router-port a a-r ra
  for port in p1 p2 p3; do ovn-nbctl lsp-add a $port -- lsp-set-addresses $port unknown; vif_add w1 $port; done
  ovn-nbctl --wait=hv sync`;

const mixes: readonly Mix[] = [allReference, { ...allReference, CONTROLLER: "weft" }, { ...allWeft, tools: "reference" }];
const clouds: Cloud[] = [];

beforeAll(() => {
  for (const mix of mixes) {
    const cloud = new Cloud(mix);
    clouds.push(cloud);
    cloud.run(NETWORK);
  }
});

afterAll(() => {
  for (const cloud of clouds) cloud.stop(true);
});

/** The limits by the names of their zones, and how many CT_Zone rows there are. */
function limits(cloud: Cloud): Record<string, string> {
  const ids = cloud.run("hv_do w1 ovs-vsctl get bridge br-int external_ids");
  const names = new Map([...ids.matchAll(/ct-zone-([^=]*)="(\d+)"/g)].map(([, name, zone]) => [zone!, name!]));
  const text = cloud.run("hv_do w1 ovs-appctl dpctl/ct-get-limits");
  const found = [...text.matchAll(/zone=(\d+),limit=(\d+)/g)].map(([, zone, limit]) => [names.get(zone!) ?? "nobody", limit!]);
  const rows = cloud
    .run("hv_do w1 ovs-vsctl --bare --columns=_uuid list ct_zone")
    .split("\n")
    .filter((line) => line !== "");
  return { ...Object.fromEntries(found.sort()), rows: String(rows.length) };
}

/** What is done while no controller runs. */
const away = (
  script: string,
): string => `kill $(cat $DIR/w1/controller.pid); while [[ -e $DIR/w1/controller.pid ]]; do sleep 0.1; done
     ${script}; ovn-nbctl --wait=sb sync
     daemon $DIR/w1 controller "$(prog CONTROLLER ovn-controller)" unix:$DIR/w1/db.sock`;
const steps: Readonly<Record<string, readonly [string, Record<string, string>]>> = {
  none: ["true", { rows: "0" }],
  "of a switch and one of its ports": [
    "ovn-nbctl set logical_switch a other_config:ct-zone-limit=500 -- set logical_switch_port p2 options:ct-zone-limit=77",
    { a_dnat: "500", a_snat: "500", p1: "500", p2: "77", p3: "500", rows: "5" },
  ],
  "of a router": [
    "ovn-nbctl set logical_router r options:ct-zone-limit=300",
    { a_dnat: "500", a_snat: "500", p1: "500", p2: "77", p3: "500", r_dnat: "300", r_snat: "300", rows: "7" },
  ],
  "changed and without a limit": [
    "ovn-nbctl set logical_switch a other_config:ct-zone-limit=501 -- set logical_switch_port p2 options:ct-zone-limit=0",
    { a_dnat: "501", a_snat: "501", p1: "501", p2: "0", p3: "501", r_dnat: "300", r_snat: "300", rows: "7" },
  ],
  "a port that goes": [
    "ovn-nbctl lsp-del p3",
    { a_dnat: "501", a_snat: "501", p1: "501", p2: "0", r_dnat: "300", r_snat: "300", rows: "6" },
  ],
  "gone while the controller was away": [
    away("ovn-nbctl remove logical_switch a other_config ct-zone-limit"),
    { p2: "0", r_dnat: "300", r_snat: "300", rows: "3" },
  ],
  "a port that went while the controller was away": [away("ovn-nbctl lsp-del p2"), { r_dnat: "300", r_snat: "300", rows: "2" }],
  "none again": ["ovn-nbctl remove logical_router r options ct-zone-limit", { rows: "0" }],
};

const left: Readonly<Record<string, Record<string, string>>> = {
  "gone while the controller was away": { p1: "501", p2: "0" },
  "a port that went while the controller was away": { p1: "501", p2: "0" },
  "none again": { p1: "501", p2: "0" },
};

for (const [name, [script, expected]] of Object.entries(steps)) {
  test(name, () => {
    for (const cloud of clouds) cloud.run(`${script}; ovn-nbctl --wait=hv sync; sleep 1`);
    const [theirs, ...ours] = clouds.map(limits);
    expect(ours).toEqual([expected, expected]);
    // The reference leaves some limits of ports where they are when nothing asks for them any more; ours follow ovn-nb(5).
    if (name in left) expect(theirs).toMatchObject(left[name]!);
    else expect(theirs).toEqual(expected);
  });
}
