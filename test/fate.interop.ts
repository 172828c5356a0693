/**
 * Random networks and random packets: the reference's ovn-trace tells the same fate of a packet on the southbound database
 * of our northd as on that of the reference's.
 */
import { createNorthd, type Northd } from "@weft/northd";
import { createReplica, type Replica } from "@weft/ovsdb";
import { nodeRuntime } from "@weft/runtime";
import { type NbSchema, ovnNorthbound, ovnSouthbound, type SbSchema } from "@weft/schemas";
import { afterAll, beforeAll, expect, it } from "vitest";
import { wordsOf } from "./northdPair.ts";
import { randomFeatures } from "./random/features.ts";
import { gatewayEdits } from "./random/gateways.ts";
import { randomLoadBalancers } from "./random/loadBalancers.ts";
import { microflows, servicesOf } from "./random/microflow.ts";
import { RandomNetwork } from "./random/network.ts";
import { Chance } from "./random/xorshift.ts";
import { Daemons, schemaFiles } from "./reference/daemons.ts";
import { sameFate } from "./reference/fate.ts";

const first = Number(process.env["SEED"] ?? 1);
const networks = Number(process.env["NETWORKS"] ?? 100);
const packets = 20;
const runtime = nodeRuntime();
const daemons = new Daemons();
let northd: Northd;
let ours: { readonly nb: Replica<NbSchema>; readonly sb: Replica<SbSchema> };

beforeAll(async () => {
  for (const number of [1, 2]) {
    daemons.database(`nb${number}`, schemaFiles.nb);
    daemons.database(`sb${number}`, schemaFiles.sb);
    daemons.start("ovn-nbctl", `nbctl${number}`, [`--db=${daemons.socket(`nb${number}`)}`]);
    await daemons.control(`nbctl${number}`).call("run", "init", "--", "set", "NB_Global", ".", "options:mac_prefix=0a:00:77");
  }
  // Some combinations of edits in one transaction make the reference's incremental engine crash: --monitor starts it again.
  daemons.start("ovn-northd", "northd", [
    "--monitor",
    `--ovnnb-db=${daemons.socket("nb1")}`,
    `--ovnsb-db=${daemons.socket("sb1")}`,
  ]);
  ours = {
    nb: createReplica({ runtime, schema: ovnNorthbound, remotes: [daemons.socket("nb2")] }),
    sb: createReplica({ runtime, schema: ovnSouthbound, remotes: [daemons.socket("sb2")] }),
  };
  northd = createNorthd({ runtime, ...ours });
  await northd.start();
});

afterAll(async () => {
  await northd?.stop();
  await Promise.all([ours?.nb.close(), ours?.sb.close()]);
  await daemons.stop();
});

/** What holds everything else, and then what others have referred to. */
const HOLDERS = ["Logical_Switch", "Logical_Router", "Port_Group", "Load_Balancer", "Load_Balancer_Group"];
const HELD = ["Address_Set", "HA_Chassis_Group", "Mirror", "Mirror_Rule", "Meter", "Copp", "DNS", "DHCP_Options", "DHCP_Relay"];
const LOOSE = ["Static_MAC_Binding", "BFD"];

/** Gateways for every third network, load balancers for every second, features of all kinds for every other. */
function extras(network: RandomNetwork, seed: number): (readonly string[])[] {
  const names = (list: readonly { readonly name: string }[]): string[] => list.map(({ name }) => name);
  const holders = { switches: names(network.switches), routers: names(network.routers) };
  const chance = new Chance(seed);
  return [
    ...(seed % 3 === 0 ? gatewayEdits(network, seed, 15) : []),
    ...(seed % 2 === 0 ? randomLoadBalancers(chance, holders, 4).map(wordsOf) : []),
    ...(seed % 4 > 1
      ? randomFeatures(network, chance, 12, SITE).map((edit) =>
          edit
            .split("\n")
            .flatMap((line) => ["--", ...wordsOf(line)])
            .slice(1),
        )
      : []),
  ];
}

const SITE = { chassis: ["ch1", "ch2"], networkName: (number: number) => `n${number}`, meters: true };

const sync = (number: number, seconds: number) =>
  daemons.control(`nbctl${number}`).call("run", "--wait=sb", `--timeout=${seconds}`, "sync");

/**
 * Until the reference's southbound database is what it computes from scratch: incrementally it may be another. False: some networks
 * send its northd round and round, also another one that begins with them.
 */
async function settled(): Promise<boolean> {
  for (const seconds of [5, 30]) {
    try {
      await sync(1, seconds);
      await daemons.insist("northd", "inc-engine/recompute");
      await sync(1, seconds);
      return true;
    } catch {
      daemons.fell("northd");
    }
  }
  return false;
}

/**
 * Removes every switch and router and makes those of `edits`; returns when both southbounds have it and a trace has read each. False:
 * the reference has not.
 */
async function become(
  seed: number,
  edits: readonly (readonly string[])[],
  more: readonly (readonly string[])[],
): Promise<boolean> {
  const destroy = (tables: readonly string[]) => tables.flatMap((table) => ["--", "--all", "destroy", table]);
  const reset = ["--", "remove", "NB_Global", ".", "options", "use_ct_inv_match", "ignore_lsp_down", "default_acl_drop"];
  // Every other network has its ports up, or taken for up.
  if (seed % 2 === 0) reset.push("--", "set", "NB_Global", ".", "options:ignore_lsp_down=true");
  const words = edits.flatMap((edit) => ["--", ...edit]);
  const change = async (number: number) => {
    const nbctl = daemons.control(`nbctl${number}`);
    await nbctl.call("run", "--timeout=30", ...destroy(HOLDERS), ...reset);
    await nbctl.call("run", "--timeout=30", ...destroy([...HELD, ...LOOSE]));
    await nbctl.call("run", "--timeout=30", ...words);
    for (const edit of more) await nbctl.call("run", "--timeout=30", "--", ...edit);
    if (number === 2) await sync(2, 30);
  };
  await Promise.all([change(1), change(2)]);
  if (!(await settled())) return false;
  for (const number of [1, 2]) {
    // It reads the database once, when it starts.
    await daemons.end(`trace${number}`);
    daemons.start("ovn-trace", `trace${number}`, [`--db=${daemons.socket(`sb${number}`)}`]);
  }
  return true;
}

/** Undefined when the reference's ovn-trace has died of it; another is started. */
async function trace(number: number, form: string, expression: string): Promise<string | undefined> {
  try {
    return await daemons.control(`trace${number}`).call("trace", ...form.split(" "), expression);
  } catch {
    await daemons.end(`trace${number}`);
    daemons.start("ovn-trace", `trace${number}`, [`--db=${daemons.socket(`sb${number}`)}`]);
    return undefined;
  }
}

/** Where a flow selects or balances, ovn-trace chooses by chance. */
const CHOICE = /select\(|ct_lb/;
const SAMPLES = 400;

/** Every fate of a packet that is found in some traces. */
async function fates(number: number, expression: string, found: Set<string>): Promise<"told" | "chosen" | "died"> {
  let chosen = false;
  for (let samples = 1; samples > 0; samples--) {
    const told = await trace(number, "--summary --minimal", expression);
    if (told === undefined) return "died";
    if (!chosen && CHOICE.test(told)) samples += 7;
    chosen ||= CHOICE.test(told);
    found.add(sameFate(told));
  }
  return chosen ? "chosen" : "told";
}

/** The fates on both databases; where there are choices, as many traces as it takes to find the same, if that can be. */
async function compared(expression: string): Promise<readonly (string | undefined)[]> {
  const found = [new Set<string>(), new Set<string>()] as const;
  const text = (all: ReadonlySet<string>) => [...all].sort().join("\n");
  for (let samples = 0; ; samples += 8) {
    const ends = await Promise.all([1, 2].map((number, i) => fates(number, expression, found[i]!)));
    const texts = found.map((all, i) => (ends[i] === "died" ? undefined : text(all)));
    if (texts[0] === texts[1] || !ends.includes("chosen") || samples > SAMPLES) return texts;
  }
}

it(`${networks} random networks give packets the same fate`, { timeout: 10_000 * networks }, async () => {
  let told = 0;
  let delivered = 0;
  let died = 0;
  let lost = 0;
  for (let seed = first; seed < first + networks; seed++) {
    const network = new RandomNetwork(seed, { static: true });
    const edits = network.build(60);
    const more = extras(network, seed);
    if (!(await become(seed, edits, more))) {
      lost++;
      continue;
    }
    for (const { inport, expression } of microflows(network, seed, packets, servicesOf(more))) {
      const text = `inport == "${inport}" && ${expression}`;
      const [theirs, mine] = await compared(text);
      if (theirs === undefined || mine === undefined) {
        expect(mine, `network ${seed}: ${text}`).toBe(theirs);
        died++;
        continue;
      }
      if (mine !== theirs) {
        const detailed = await Promise.all([1, 2].map((number) => trace(number, "--detailed", text)));
        expect.soft(detailed[1], `network ${seed}: ${text}`).toBe(detailed[0]);
        expect(mine, `network ${seed}: ${text}`).toBe(theirs);
      }
      expect(theirs, text).toContain("ingress(");
      told++;
      if (/^ *output\(/m.test(theirs)) delivered++;
    }
  }
  expect(lost).toBeLessThanOrEqual(networks / 20);
  // It does of solicitations for a router's own address.
  expect(died).toBeLessThan(told / 20);
  expect(told).toBeGreaterThan(networks * 12);
  expect(delivered).toBeGreaterThan(told / 10);
});
