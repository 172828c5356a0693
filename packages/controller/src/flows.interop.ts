/**
 * The flows that the reference's ovn-controller installs and those of ours, for the same Southbound and local database.
 * Conntrack zones and OpenFlow ports are the same, for they are in the local database; ids of conjunctions and groups are
 * each one's own and left out.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { type Flow, formatActions, formatMatch, parseFlow } from "@weft/openflow";
import { createReplica, type Replica } from "@weft/ovsdb";
import { nodeRuntime } from "@weft/runtime";
import { openVSwitch, ovnSouthbound, type SbSchema, type VsSchema } from "@weft/schemas";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { follow, newCore } from "./testing/cloud.ts";

const reference = process.env["OVN_REFERENCE"] ?? "/opt/ovn-reference/sid";
const script = join(import.meta.dirname, "../../../test/reference/cloud.sh");
const dir = mkdtempSync(join(tmpdir(), "weft-flows-"));
const env = { ...process.env, DIR: dir, SCHEMAS: join(reference, "share"), PATH: `${reference}/bin:${process.env["PATH"]}` };

function bash(text: string): string {
  const result = spawnSync(
    "bash",
    ["-ec", `. ${script}; export OVN_NB_DB=unix:$DIR/central/nb.sock OVN_SB_DB=unix:$DIR/central/sb.sock; ${text}`],
    {
      env,
      encoding: "utf8",
    },
  );
  if (result.status !== 0) throw new Error(`${text}\n${result.stdout}${result.stderr}`);
  return result.stdout;
}

/** Networks that between them use what the controller has flows for, by name: shell commands. */
const networks = new Map(
  readFileSync(join(import.meta.dirname, "../../../test/reference/networks.txt"), "utf8")
    .split(/^## /m)
    .slice(1)
    .map((section): [string, string] => {
      const [name = "", ...commands] = section.split("\n");
      return [name, commands.join("\n")];
    }),
);

const nodes = ["w1", "w2"];
const replicas = new Map<string, Replica<VsSchema>>();
let southbound: Replica<SbSchema>;

beforeAll(async () => {
  bash("cloud_start; net_add n1; hv_add w1 n1 10.9.0.1/24; hv_add w2 n1 10.9.0.2/24; underlay_warm");
  const runtime = nodeRuntime();
  southbound = createReplica({ runtime, schema: ovnSouthbound, remotes: [`unix:${dir}/central/sb.sock`] });
  await southbound.ready();
  for (const node of nodes) {
    const replica = createReplica({ runtime, schema: openVSwitch, remotes: [`unix:${dir}/${node}/db.sock`] });
    await replica.ready();
    replicas.set(node, replica);
  }
});

afterAll(async () => {
  await southbound?.close();
  for (const replica of replicas.values()) await replica.close();
  // a daemon may end by itself between the look at its pid file and the kill
  bash("cloud_stop || true");
});

/** A flow as text, without the numbers that each controller chooses for itself. */
function textOf(flow: Pick<Flow, "table" | "priority" | "match" | "actions">, cookie: number): string {
  const match = formatMatch(flow.match).replace(/conj_id=\d+/, "conj_id=N");
  const actions = formatActions(flow.actions)
    .replace(/conjunction\(\d+/g, "conjunction(N")
    .replace(/group:\d+/g, "group:N")
    // the order in which copies leave by several tunnels
    .replace(/output:\d+(?:,output:\d+)+/g, (outputs) => outputs.split(",").sort().join(","));
  return `cookie=${cookie.toString(16)} table=${flow.table},priority=${flow.priority},${match} actions=${actions}`;
}

function theirs(node: string): string[] {
  const dump = execFileSync(
    `${reference}/bin/ovs-ofctl`,
    ["-O", "OpenFlow15", "--no-stats", "--no-names", "dump-flows", "br-int"],
    {
      env: { ...env, OVS_RUNDIR: join(dir, node) },
      encoding: "utf8",
      maxBuffer: 1 << 28,
    },
  );
  return dump
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => parseFlow(line.trim()))
    .map((flow) => textOf(flow, Number(flow.cookie)))
    .sort();
}

/**
 * Of several tunnels to a chassis the reference takes one by chance, where no encapsulation is asked for: for groups, and
 * for ports that are on several chassis.
 */
function byChance(flow: string): boolean {
  return /table=44,.*(?:output:|bundle)/.test(flow) && (!flow.includes("reg13=") || /metadata=0x9 /.test(flow));
}

function ours(node: string): string[] {
  const errors: unknown[] = [];
  const core = newCore(errors);
  follow(core, southbound, replicas.get(node)!);
  core.commit(true);
  core.takeFlows();
  expect(errors).toEqual([]);
  return [...core.flows.flows()].map((flow) => textOf(flow, flow.cookie)).sort();
}

/** Until the databases have settled and nobody changes them any more. */
async function settled(): Promise<void> {
  for (let quiet = 0; quiet < 5; quiet++) {
    let changed = false;
    const forget = [southbound, ...replicas.values()].map((replica) => replica.onChange(() => (changed = true)));
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (const one of forget) one();
    if (changed) quiet = 0;
  }
}

interface Difference {
  readonly node: string;
  /** Flows of the reference that ours lacks, and the other way round. */
  readonly missing: readonly string[];
  readonly extra: readonly string[];
}

function compare(node: string, network: string): Difference {
  let [expected, got] = [theirs(node), ours(node)];
  if (network.startsWith("tunnels"))
    [expected, got] = [expected.filter((flow) => !byChance(flow)), got.filter((flow) => !byChance(flow))];
  return {
    node,
    missing: expected.filter((flow) => !got.includes(flow)),
    extra: got.filter((flow) => !expected.includes(flow)),
  };
}

describe("the same flows as the reference", () => {
  for (const [name, commands] of networks) {
    test(name, async () => {
      bash(commands);
      bash("ovn-nbctl --wait=hv sync");
      await settled();
      // Announcements teach the routers addresses at any time, between our look at the database and that at the switch too.
      for (let tries = 1; ; tries++) {
        const differences = nodes.map((node) => compare(node, name));
        const none = nodes.map((node) => ({ node, missing: [], extra: [] }));
        if (tries < 4 && !isDeepStrictEqual(differences, none)) {
          await settled();
          continue;
        }
        expect(differences).toEqual(none);
        return;
      }
    });
  }
});
