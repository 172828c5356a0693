/** Two clouds of the same make, the reference's and ours, for what control sockets and logs tell. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { allWeft, Cloud, linkPrograms, programsOf } from "./cloud.ts";

export const sides = ["reference", "weft"] as const;
export type Side = (typeof sides)[number];

export const ovsdb = "central/nb";
export const northd = "central/northd";
export const controller = "w1/controller";
export const vswitchd = "w1/vswitchd";
export const daemons = [ovsdb, northd, controller, vswitchd];

/** Two hypervisors, two switches and a router; p1 is on w1, p2 on w2. They are there before the file's first test, and gone after its last. */
export function controlClouds(): ReadonlyMap<Side, Cloud> {
  linkPrograms();
  const clouds = new Map<Side, Cloud>();
  beforeAll(() => {
    for (const side of sides) {
      const mix = { OVSDB_SERVER: side, NORTHD: side, CONTROLLER: side, VSWITCHD: side, tools: "reference" } as const;
      const cloud = new Cloud(side === "weft" ? { ...allWeft, tools: "reference" } : mix);
      clouds.set(side, cloud);
      cloud.run(`
        cloud_start; net_add n1; hv_add w1 n1 10.9.0.1/24; hv_add w2 n1 10.9.0.2/24; underlay_warm
        ovn-nbctl ls-add a -- lsp-add a p1 -- lsp-set-addresses p1 "50:54:00:00:00:01 10.0.0.1" \\
          -- lsp-add a p2 -- lsp-set-addresses p2 "50:54:00:00:00:02 10.0.0.2" -- lsp-add a c1 p1 30
        ovn-nbctl ls-add b -- lr-add r -- lrp-add r r-a 50:54:00:00:00:ff 10.0.0.254/24 -- lrp-add r r-b 50:54:00:00:00:fe 10.0.1.254/24 \\
          -- lsp-add a a-r -- lsp-set-type a-r router -- lsp-set-addresses a-r router -- lsp-set-options a-r router-port=r-a \\
          -- lsp-add b b-r -- lsp-set-type b-r router -- lsp-set-addresses b-r router -- lsp-set-options b-r router-port=r-b
        ovn-nbctl acl-add a to-lport 1000 'outport == "p2" && ip4.src == {10.0.0.1, 10.0.0.3} && tcp.dst == {1, 2, 3}' drop
        vif_add w1 p1; vif_add w2 p2; ovn-nbctl --wait=hv sync`);
    }
  });
  afterAll(() => {
    for (const cloud of clouds.values()) cloud.stop(true);
  });
  return clouds;
}

export interface Answer {
  readonly code: number | null;
  readonly text: string;
}

/** What a daemon answers the reference's ovs-appctl. */
export function askDaemon(cloud: Cloud, daemon: string, args: readonly string[]): Answer {
  const appctl = join(programsOf("reference"), "ovs-appctl");
  const { status, stdout, stderr } = spawnSync(appctl, ["-t", join(cloud.dir, `${daemon}.ctl`), ...args], { encoding: "utf8" });
  // The last line is appctl's own and names the socket.
  return { code: status, text: stdout + stderr.replace(/^ovs-appctl: .*\n/m, "") };
}
