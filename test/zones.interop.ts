/**
 * Connection tracking zones that routers ask for (Logical_Router options:snat-ct-zone), as our controller and the reference's
 * give them: one chassis in a cloud of each.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { allReference, Cloud, linkPrograms, type Side } from "./reference/cloud.ts";

linkPrograms();

const NETWORK = `
  cloud_start; net_add n1; hv_add w1 n1 10.9.0.1/24
  ovn-nbctl ls-add a -- lsp-add a p1 -- lsp-set-addresses p1 "50:54:00:00:00:11 172.16.0.11" \\
    -- lr-add r -- lrp-add r ra 50:54:00:00:02:fe 172.16.0.1/24 -- lsp-add-router-port a a-r ra \\
    -- lr-add r2 -- lrp-add r2 r2a 50:54:00:00:02:fd 172.16.0.2/24 -- lsp-add-router-port a a-r2 r2a
  vif_add w1 p1; ovn-nbctl --wait=hv sync`;

const clouds: Cloud[] = [];

beforeAll(() => {
  for (const side of ["weft", "reference"] satisfies Side[]) {
    const cloud = new Cloud({ ...allReference, CONTROLLER: side });
    clouds.push(cloud);
    cloud.run(NETWORK);
  }
});

afterAll(() => {
  for (const cloud of clouds) cloud.stop(true);
});

/** The zones of the bridge by name. */
function zones(cloud: Cloud): Map<string, number> {
  const ids = cloud.run("hv_do w1 ovs-vsctl get bridge br-int external_ids");
  return new Map([...ids.matchAll(/ct-zone-([^=]*)="(\d+)"/g)].map(([, name, zone]) => [name!, Number(zone)]));
}

/** The SNAT zones of both routers, and names that have a zone of somebody else. */
function seen(cloud: Cloud): Record<string, number | string[] | undefined> {
  const all = zones(cloud);
  const routers = ["r_snat", "r2_snat"];
  const numbers = [...all.values()];
  const shared = [...all].filter(([, zone]) => numbers.indexOf(zone) !== numbers.lastIndexOf(zone)).map(([name]) => name);
  return { ...Object.fromEntries(routers.map((name) => [name, all.get(name)])), shared: shared.sort() };
}

const request = (router: string, zone: number) => `ovn-nbctl set logical_router ${router} options:snat-ct-zone=${zone}`;
const restart = `kill $(cat $DIR/w1/controller.pid); while [[ -e $DIR/w1/controller.pid ]]; do sleep 0.1; done
  daemon $DIR/w1 controller "$(prog CONTROLLER ovn-controller)" unix:$DIR/w1/db.sock`;
const steps: Readonly<Record<string, { script: string; zones: readonly [number, number]; shared: readonly string[] }>> = {
  "two zones": { script: `${request("r", 600)}; ${request("r2", 601)}`, zones: [600, 601], shared: [] },
  "one zone for two routers": { script: request("r2", 600), zones: [600, 600], shared: ["r2_snat", "r_snat"] },
  "kept when nobody asks any more": {
    script: "ovn-nbctl remove logical_router r2 options snat-ct-zone",
    zones: [600, 600],
    shared: ["r2_snat", "r_snat"],
  },
  "one zone for two over a restart": {
    script: `${request("r2", 600)}; ${restart}`,
    zones: [600, 600],
    shared: ["r2_snat", "r_snat"],
  },
  "the zone of the host": { script: `${request("r", 0)}; ${request("r2", 602)}`, zones: [0, 602], shared: [] },
};

for (const [name, { script, zones: numbers, shared }] of Object.entries(steps)) {
  test(name, () => {
    const results = clouds.map((cloud) => {
      cloud.run(`${script}; ovn-nbctl --wait=hv sync`);
      return seen(cloud);
    });
    expect(results[0]).toEqual(results[1]);
    expect(results[1]).toEqual({ r_snat: numbers[0], r2_snat: numbers[1], shared });
  });
}

test("what is not asked for any more ends with a restart", () => {
  for (const cloud of clouds) {
    cloud.run(`${request("r", 700)}; ${request("r2", 700)}; ovn-nbctl --wait=hv sync`);
    expect(seen(cloud)).toMatchObject({ r_snat: 700, r2_snat: 700 });
    cloud.run(`ovn-nbctl --wait=hv remove logical_router r2 options snat-ct-zone; ${restart}; ovn-nbctl --wait=hv sync`);
    expect(seen(cloud)).toMatchObject({ r_snat: 700, shared: [] });
    expect(zones(cloud).has("r2_snat")).toBe(true);
  }
});

test("who had the zone gets another", () => {
  for (const cloud of clouds) {
    const zone = zones(cloud).get("p1")!;
    cloud.run(`${request("r", zone)}; ovn-nbctl --wait=hv sync`);
    expect(seen(cloud)).toMatchObject({ r_snat: zone, shared: [] });
    expect(zones(cloud).has("p1")).toBe(true);
  }
});
