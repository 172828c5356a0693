/**
 * Our northd, controllers and switches on three clustered servers for each database, while servers and northds die: what
 * was acknowledged reaches the flows, and no packet of an established path is lost meanwhile.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { emit, find, parseIpv4, parseMac, toHex } from "@weft/packet";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { Cloud, linkPrograms, type Mix, programsOf } from "./reference/cloud.ts";
import type { Control } from "./reference/daemons.ts";

const mix: Mix = { OVSDB_SERVER: "reference", NORTHD: "weft", CONTROLLER: "weft", VSWITCHD: "weft", tools: "reference" };

linkPrograms();
let cloud: Cloud;
let passed = false;

beforeAll(() => {
  cloud = new Cloud(mix);
  // The first machine talks to the servers, the second to a relay of them.
  cloud
    .run(`
    cluster_start 3; relay_add relay; northd_add northd1; northd_add northd2
    ovn-nbctl set NB_Global . options:northd_probe_interval=1000
    net_add n1
    OVN_REMOTE=$OVN_SB_DB hv_add w1 n1 10.9.0.1/24; OVN_REMOTE=unix:$DIR/central/relay.sock hv_add w2 n1 10.9.0.2/24
    underlay_warm
    hv_do w1 ovs-vsctl set open . external_ids:ovn-remote-probe-interval=1000
    ovn-nbctl ls-add a -- lsp-add a p1 -- lsp-set-addresses p1 "50:54:00:00:00:01 10.0.0.1" \\
      -- lsp-add a p2 -- lsp-set-addresses p2 "50:54:00:00:00:02 10.0.0.2"
    vif_add w1 p1; vif_add w2 p2
    ovn-nbctl --wait=hv sync
    echo "NB=$OVN_NB_DB"; echo "SB=$OVN_SB_DB"`)
    .split("\n")
    .forEach((line) => {
      const [name, remotes] = line.split("=");
      if (remotes !== undefined) cloud.env[`OVN_${name}_DB`] = remotes;
    });
});
afterAll(() => cloud.stop(passed));

type Database = "nb" | "sb";
const names = { nb: "OVN_Northbound", sb: "OVN_Southbound" };

/** The number of the server that leads. */
async function leader(database: Database): Promise<number> {
  for (;;) {
    for (const i of [1, 2, 3]) {
      try {
        const control = cloud.control(`central/${database}${i}`);
        if (/^Role: leader$/m.test(await control.call("cluster/status", names[database]))) return i;
      } catch {} // it is dead
    }
    await pause(50);
  }
}

async function status(northd: string): Promise<string> {
  return (await cloud.control(`central/${northd}`).call("status")).trim();
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  const end = Date.now() + 60_000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not within a minute: ${what}`);
    await pause(50);
  }
}

/** Numbered packets from p1 to p2, all the while. */
class Packets {
  sent = 0;
  #running = true;
  readonly #switch: Control = cloud.control("w1/vswitchd");
  readonly #done: Promise<void>;

  constructor() {
    this.#done = this.#send();
  }

  async #send(): Promise<void> {
    while (this.#running) {
      await this.#switch.call("netdev-dummy/receive", "p1", packet(this.sent++));
      await pause(20);
    }
  }

  stop(): Promise<void> {
    this.#running = false;
    return this.#done;
  }

  arrived(): number[] {
    return cloud.capture("w2", "p2").flatMap((layers) => find(layers, "udp")?.srcPort ?? []);
  }
}

function packet(number: number): string {
  return toHex(
    emit([
      { kind: "ethernet", dst: parseMac("50:54:00:00:00:02")!, src: parseMac("50:54:00:00:00:01")! },
      { kind: "ipv4", src: parseIpv4("10.0.0.1")!, dst: parseIpv4("10.0.0.2")!, ttl: 64 },
      { kind: "udp", srcPort: number, dstPort: 7 },
    ]),
  );
}

/** ACLs by our and the reference's ovn-nbctl, one after another; one that hangs at a server that stands still is given up. Of each it is known whether the database has acknowledged it. */
class Changes {
  readonly acknowledged: number[] = [];
  #next = 20_000;
  #running = true;
  readonly #done: Promise<void>;

  constructor() {
    this.#done = this.#change();
  }

  async #change(): Promise<void> {
    while (this.#running) {
      const port = this.#next++;
      const acl = ["acl-add", "a", "to-lport", "1000", `udp.dst == ${port}`, "drop"];
      const nbctl = join(programsOf(port % 2 === 0 ? "weft" : "reference"), "ovn-nbctl");
      if (await command(nbctl, ["--timeout=5", ...acl])) this.acknowledged.push(port);
      await pause(50);
    }
  }

  stop(): Promise<void> {
    this.#running = false;
    return this.#done;
  }
}

/** Whether it ended with 0. */
function command(program: string, args: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    spawn(program, args, { env: cloud.env, stdio: "ignore" }).on("close", (code) => resolve(code === 0));
  });
}

/** UDP ports that flows of a machine drop. */
function blocked(node: string): Set<number> {
  const flows = cloud.run(`hv_do ${node} ovs-ofctl -O OpenFlow15 dump-flows br-int`);
  return new Set([...flows.matchAll(/tp_dst=(2\d{4})\b/g)].map(([, port]) => Number(port)));
}

it("loses neither an acknowledged change nor a packet while servers and northds die and come back", {
  timeout: 240_000,
}, async () => {
  const packets = new Packets();
  const changes = new Changes();
  onTestFinished(async () => {
    await Promise.all([packets.stop(), changes.stop()]);
  });
  const progress = async (what: string) => {
    const from = changes.acknowledged.length;
    const last = () => changes.acknowledged.at(-1)!;
    await until(`changes are made after ${what}`, () => changes.acknowledged.length > from + 2);
    const port = last();
    await until(`they reach the flows after ${what}`, () => blocked("w1").has(port) && blocked("w2").has(port));
  };
  await progress("the start");

  for (const database of ["nb", "sb"] as const) {
    const dead = await leader(database);
    process.kill(cloud.pid(`central/${database}${dead}`), "SIGKILL");
    await progress(`the death of the leader of ${database}`);
    cloud.run(`cluster_server ${database} ${dead}`);
  }

  expect([await status("northd1"), await status("northd2")].sort()).toEqual(["Status: active", "Status: standby"]);
  const [active, standby] = (await status("northd1")) === "Status: active" ? ["northd1", "northd2"] : ["northd2", "northd1"];
  process.kill(cloud.pid(`central/${active}`), "SIGKILL");
  await until("the other northd takes over", async () => (await status(standby)) === "Status: active");
  await progress("the death of the active northd");

  // A server that stands still hears nobody and answers nobody, as in a partition; then it comes back with old data.
  for (const database of ["sb", "nb"] as const) {
    const cut = await leader(database);
    const pid = cloud.pid(`central/${database}${cut}`);
    process.kill(pid, "SIGSTOP");
    try {
      await until(`another server leads ${database}`, async () => (await leaderBut(database, cut)) !== undefined);
      await progress(`the partition of the leader of ${database}`);
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await progress(`the return of a server of ${database}`);
  }

  await changes.stop();
  await packets.stop();
  cloud.run("ovn-nbctl --timeout=60 --wait=hv sync");
  for (const node of ["w1", "w2"]) {
    const flows = blocked(node);
    expect(changes.acknowledged.filter((port) => !flows.has(port))).toEqual([]);
  }
  await until("the last packets arrive", () => packets.arrived().length >= packets.sent);
  expect(packets.arrived()).toEqual(Array.from({ length: packets.sent }, (_, i) => i));
  passed = true;
});

/** The number of a server that leads, other than `cut`. */
async function leaderBut(database: Database, cut: number): Promise<number | undefined> {
  for (const i of [1, 2, 3]) {
    if (i === cut) continue;
    const control = cloud.control(`central/${database}${i}`);
    if (/^Role: leader$/m.test(await control.call("cluster/status", names[database]))) return i;
  }
  return undefined;
}
