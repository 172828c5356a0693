/** ovn-northd: three networks; the first build, then single changes. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { changesOf, type Places } from "./changes.ts";
import { Client, Northbound } from "./client.ts";
import { median, type Side, Site, schemas } from "./daemons.ts";
import { campus, chassis, guestPort, mac, nodes, tenants } from "./networks.ts";
import type { Result } from "./table.ts";

interface Network {
  readonly what: string;
  readonly contents: () => object[];
  /** Names of the chassis that the contents name. */
  readonly chassis: readonly string[];
  /** One guest's port more. */
  readonly port: (i: number) => object[];
  /** Where it is changed in other ways. */
  readonly places?: Places;
  readonly buildGoal: number;
}

const networks: readonly Network[] = [
  {
    what: "500 switches x 50 ports, one router",
    contents: () => campus(500, 50),
    chassis: [],
    port: (i) => guestPort(`new${i}`, `s${i}`, `${mac(1, i, 1)} 10.${i >> 8}.${i & 255}.200`),
    buildGoal: 2,
  },
  {
    what: "100 tenants x 40 ports, NAT and ACLs",
    contents: () => tenants(100, 20),
    chassis: Array.from({ length: 10 }, (_, i) => `gw${i}`),
    port: (i) => guestPort(`new${i}`, "t0n0", `${mac(2, i, 1)} 10.0.0.${150 + i}`),
    places: {
      router: "r0",
      nexthop: "172.16.0.9",
      switch: "t0n0",
      backends: "10.0.0.10:8080,10.0.0.11:8080",
      portGroup: "t0",
      loadBalancerGroup: undefined,
    },
    buildGoal: 1.5,
  },
  {
    what: "50 nodes x 20 pods, 200 load balancers",
    contents: () => nodes(50, 20, 200),
    chassis: Array.from({ length: 50 }, (_, i) => `node${i}`),
    port: (i) => guestPort(`new${i}`, "node0", `${mac(2, i, 1)} 10.244.0.${150 + i}`),
    places: {
      router: "cluster",
      nexthop: "100.64.0.9",
      switch: "node0",
      backends: "10.244.0.10:8080,10.244.0.11:8080",
      portGroup: undefined,
      loadBalancerGroup: "services",
    },
    buildGoal: 1.5,
  },
];

interface Figures {
  /** s */
  readonly build: number;
  /** ms, by what is changed */
  readonly changes: ReadonlyMap<string, number>;
  /** MB */
  readonly memory: number;
}

/** The median of many changes of one kind, in ms. */
async function latency(northbound: Northbound, operations: (i: number) => object[]): Promise<number> {
  // A daemon that runs for months is measured warm: what the first changes teach its compiler is not counted.
  for (let i = 0; i < 20; i++) await northbound.change(operations(i));
  const samples: number[] = [];
  for (let i = 20; i < 61; i++) {
    samples.push(await northbound.change(operations(i)));
    // What it does after a change is not part of the next.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return median(samples);
}

async function measure(side: Side, network: Network): Promise<Figures> {
  const site = new Site();
  try {
    const nb = site.database("reference", "nb", join(schemas, "ovn/ovn-nb.ovsschema"));
    const sb = site.database("reference", "sb", join(schemas, "ovn/ovn-sb.ovsschema"));
    site.run("reference", "ovn-nbctl", `--db=${nb}`, "init");
    await Client.transact(sb, "OVN_Southbound", chassis(network.chassis));
    await Client.transact(nb, "OVN_Northbound", network.contents());
    const northbound = await Northbound.open(nb);
    const start = performance.now();
    const pid = site.daemon(side, "ovn-northd", "northd", `--ovnnb-db=${nb}`, `--ovnsb-db=${sb}`);
    await northbound.change([]);
    const build = (performance.now() - start) / 1000;
    const changes = new Map<string, number>();
    for (const { what, operations } of [
      { what: "one more port", operations: network.port },
      ...(network.places === undefined ? [] : changesOf(network.places)),
    ]) {
      changes.set(what, await latency(northbound, operations));
    }
    northbound.close();
    return { build, changes, memory: Site.peakMemory(pid) };
  } catch (error) {
    process.stderr.write(readFileSync(join(site.dir, "northd.log"), "utf8").slice(-2000));
    throw error;
  } finally {
    await site.close();
  }
}

export async function northd(): Promise<Result[]> {
  const results: Result[] = [];
  for (const network of networks) {
    const weft = await measure("weft", network);
    const reference = await measure("reference", network);
    const what = `ovn-northd, ${network.what}`;
    results.push(
      { what: `${what}: first build`, unit: "s", weft: weft.build, reference: reference.build, goal: network.buildGoal },
      ...[...weft.changes].map(([change, ms]) => ({
        what: `${what}: ${change}`,
        unit: "ms" as const,
        weft: ms,
        reference: reference.changes.get(change)!,
        goal: 1,
      })),
      { what: `${what}: peak memory`, unit: "MB", weft: weft.memory, reference: reference.memory },
    );
  }
  return results;
}
