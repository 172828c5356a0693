/**
 * weft verify and weft trace over a cloud of the reference's daemons: on networks of all kinds nothing is found, what is broken is
 * found, and packets go where the trace says.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { decode, find, fromHex, type Layer } from "@weft/packet";
import { messageOf, nodeRuntime } from "@weft/runtime";
import {
  type CloudPlaces,
  endpointOf,
  FINDING_KINDS,
  type Finding,
  readCloud,
  risenCounters,
  type TraceReport,
  tracePacket,
  verify,
} from "@weft/trace";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Chance } from "./random/microflow.ts";
import { allReference, Cloud } from "./reference/cloud.ts";

const nodes = ["w1", "w2"];
const runtime = nodeRuntime();
const cloud = new Cloud(allReference);
const sections = readFileSync(join(import.meta.dirname, "reference/networks.txt"), "utf8")
  .split(/^## /m)
  .slice(1)
  // Its second tunnel address is no address of the hypervisor: nothing arrives there.
  .filter((section) => !section.startsWith("tunnels between several addresses"));

beforeAll(() => {
  cloud.run("cloud_start; net_add n1; hv_add w1 n1 10.9.0.1/24; hv_add w2 n1 10.9.0.2/24; underlay_warm");
  for (const section of sections) cloud.run(`${section.split("\n").slice(1).join("\n")}\novn-nbctl --wait=hv sync`);
}, 300_000);
afterAll(() => cloud.stop(true));

function places(): CloudPlaces {
  const database = (name: string) => ({ runtime, remotes: [`unix:${cloud.dir}/central/${name}.sock`] });
  return {
    northbound: database("nb"),
    southbound: database("sb"),
    hypervisors: nodes.map((name) => ({
      name,
      runtime,
      database: `unix:${cloud.dir}/${name}/db.sock`,
      bridge: (bridge) => `unix:${cloud.dir}/${name}/${bridge}.mgmt`,
      control: (target, command, ...args) =>
        cloud.control(`${name}/${target === "ovs-vswitchd" ? "vswitchd" : "controller"}`).call(command, ...args),
    })),
  };
}

async function findings(): Promise<Finding[]> {
  const read = await readCloud(places());
  try {
    return await verify(read);
  } finally {
    await read.close();
  }
}

async function errors(): Promise<string[]> {
  const found = (await findings()).filter(({ code }) => FINDING_KINDS[code].severity === "error");
  return found.map(
    ({ code, node = "", subject, flows = [] }) => `${code} ${node} ${subject} ${flows.map(({ flow }) => flow).join(" | ")}`,
  );
}

async function trace(from: string, to: string, packet?: string): Promise<TraceReport> {
  const read = await readCloud(places());
  try {
    return await tracePacket(read, { from, to, ...(packet === undefined ? {} : { packet }) });
  } finally {
    await read.close();
  }
}

/** Of several tunnels to a chassis the reference takes one by chance. */
const byChance = (finding: string): boolean => /^flow-altered .*table=44,/.test(finding);

describe("weft verify", () => {
  it("finds nothing wrong in what the reference has installed", { timeout: 60_000 }, async () => {
    expect((await errors()).filter((error) => !byChance(error))).toEqual([]);
  });

  it("finds flows that were changed under the reference's controller", { timeout: 60_000 }, async () => {
    cloud.run("ovs-ofctl del-flows unix:$DIR/w1/br-int.mgmt 'table=65'");
    cloud.run("ovs-ofctl -O OpenFlow15 add-flow unix:$DIR/w2/br-int.mgmt 'table=17,priority=9,conj_id=77777,ip,actions=drop'");
    const found = await errors();
    expect(found.some((error) => error.startsWith("flow-missing w1 table 65, "))).toBe(true);
    expect(found.filter((error) => error.startsWith("conjunction-without-clause "))).toEqual([
      expect.stringMatching(/^conjunction-without-clause w2 table 17, conjunction 77777 /),
    ]);
    for (const node of nodes) {
      const controller = cloud.control(`${node}/controller`);
      await controller.call("exit", "--restart");
    }
    await runtime.clock.sleep(500);
    for (const node of nodes)
      cloud.run(`daemon $DIR/${node} controller "$(prog CONTROLLER ovn-controller)" unix:$DIR/${node}/db.sock`);
    cloud.run("ovn-nbctl --wait=hv sync");
    expect((await errors()).filter((error) => !byChance(error))).toEqual([]);
  });
});

const guests = [
  ["w1", "p1"],
  ["w2", "p2"],
  ["w1", "q1"],
  ["w2", "q2"],
  ["w1", "v1"],
  ["w2", "v2"],
  ["w1", "g1"],
  ["w1", "i1"],
  ["w1", "g2"],
  ["w1", "o1"],
] as const;
const kinds = [
  undefined,
  undefined,
  "tcp.dst == 80",
  "tcp.dst == 22",
  "udp.dst == 99",
  "udp.dst == 5",
  "eth.src == 50:54:00:00:66:66",
];

/** Frames that have arrived at a port of a guest with the addresses of one that was sent, whatever routers have done to it. */
function arrived(port: string, frame: string): number {
  const node = guests.find(([, name]) => name === port)![0];
  const ends = (layers: readonly Layer[]): string => {
    const ip = find(layers, "ipv4") ?? find(layers, "ipv6");
    return ip === undefined ? "none" : `${ip.src} ${ip.dst} ${ip.kind === "ipv4" ? ip.protocol : ip.nextHeader}`;
  };
  const sent = ends(decode(fromHex(frame)!));
  return cloud.capture(node, port).filter((layers) => ends(layers) === sent).length;
}

describe("weft trace", () => {
  it("says where packets really go", { timeout: 240_000 }, async () => {
    const chance = new Chance(7);
    let delivered = 0;
    const wrong: string[] = [];
    for (let i = 0; i < 40; i++) {
      const [node, from] = chance.pick(guests);
      const [, to] = chance.pick(guests.filter(([, port]) => port !== from));
      const packet = chance.pick(kinds);
      const report = await trace(from, to, packet).catch((error: unknown) => {
        // A guest without a gateway sends nothing to other networks.
        expect(messageOf(error)).toMatch(/its switch has no router port/);
        return undefined;
      });
      if (report === undefined) continue;
      const { frame, delivered: expected } = report.there;
      const before = arrived(to, frame);
      cloud.run(`vif_send ${node} ${from} ${frame} >/dev/null`);
      let came = false;
      for (let waited = 0; !came && waited < (expected ? 2000 : 100); waited += 50) {
        await runtime.clock.sleep(50);
        came = arrived(to, frame) > before;
      }
      if (came !== expected) wrong.push(`${from} ${to} ${packet}: ${report.verdict}, but it ${came ? "arrived" : "did not"}`);
      if (came) delivered++;
    }
    expect(wrong).toEqual([]);
    expect(delivered).toBeGreaterThan(8);
  });

  it("is told by the counters of the flows that packets meet", { timeout: 60_000 }, async () => {
    const { there } = await trace("p2", "p1");
    const first = await readCloud(places());
    const { counts } = risenCounters(first, endpointOf(first, "p2"), undefined);
    await first.close();
    cloud.run(`for i in 1 2 3; do vif_send w2 p2 ${there.frame}; done >/dev/null; sleep 2`);
    const second = await readCloud(places());
    const { lines } = risenCounters(second, endpointOf(second, "p2"), counts);
    await second.close();
    const told = lines.map((line) => line.replace(/(logical flow) [0-9a-f]+ \((\w+),.*/, "$1 $2"));
    expect(told).toContain("w2 passed 3 in table 0: port p2 of switch a");
    expect(told).toContainEqual(expect.stringMatching(/^w2 DROPPED 3 in table \d+: logical flow ls_in_acl_action$/));
  });

  it("says what could not be asked, and asks it by --control", { timeout: 180_000 }, () => {
    const program = join(import.meta.dirname, "../packages/cli/bin/weft.js");
    const hypervisors = nodes.map((name) => `--hypervisor ${name}=unix:$DIR/${name}/db.sock=unix:$DIR/${name}/%s.mgmt`).join(" ");
    const command = `${process.execPath} ${program} trace --ovnnb-db unix:$DIR/central/nb.sock --ovnsb-db unix:$DIR/central/sb.sock ${hypervisors}`;
    const without = cloud.run(`${command} p2 p1 || true`);
    expect(without).toContain("unknown: w2: its connections, and what its bridges have learned (--control)");
    const controls = nodes.map((name) => `--control ${name}=$DIR/${name}/vswitchd.ctl`).join(" ");
    const asked = cloud.run(`${command} ${controls} p2 p1 || true`);
    expect(asked).toContain("p2 ");
    expect(asked).not.toContain("its connections");
  });

  it("names the ACL that drops", { timeout: 60_000 }, async () => {
    const report = await trace("p2", "p1", "udp.dst == 7");
    expect(report.cause?.code).toBe("acl");
    expect(report.cause?.northbound?.text).toMatch(/^ACL \(from-lport, tier 0, priority 900, drop: .*\) of switch a$/);
    expect(report.cause?.remedy?.tried).toBe(true);
  });
});
