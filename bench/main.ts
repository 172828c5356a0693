/** Every benchmark runs the reference and ours on the same work; the table is printed and kept in docs/benchmarks.md. */

import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { commands } from "./commands.ts";
import { conntrack } from "./conntrack.ts";
import { controller } from "./controller.ts";
import { root } from "./daemons.ts";
import { devices } from "./devices.ts";
import { failover } from "./failover.ts";
import { northd } from "./northd.ts";
import { ovsdbServer } from "./ovsdbServer.ts";
import { type Result, tableOf } from "./table.ts";
import { trace } from "./trace.ts";
import { vswitch } from "./vswitch.ts";

const benchmarks: Readonly<Record<string, () => Result[] | Promise<Result[]>>> = {
  ovsdbServer,
  northd,
  controller,
  vswitch,
  devices,
  conntrack,
  failover,
  commands,
  trace,
};

const wanted = process.argv.slice(2);
for (const name of wanted)
  if (!(name in benchmarks)) throw new Error(`no benchmark ${name} (${Object.keys(benchmarks).join(", ")})`);
const results: Result[] = [];
for (const [name, run] of Object.entries(benchmarks)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  process.stderr.write(`${name} ...\n`);
  results.push(...(await run()));
}
const table = tableOf(results);
process.stdout.write(`${table}\n`);
if (wanted.length === 0) {
  const [cpu] = cpus();
  const text = `# Benchmarks\n\nThe last run of \`npm run bench\`: the same work, one after the other, on one machine (${cpus().length} cores, ${cpu?.model ?? "unknown"}, Node ${process.version}).\nTimes are wall times. The ratio is ours to the reference's (OVN 26.03, Open vSwitch 4.0).\nThe switches' figures over sockets are those of dummy devices, which the reference has for its tests; its devices for real traffic are faster.\nOn veth pairs the reference's guests compute checksums and cut TCP themselves, which its userspace datapath needs; ours leave it to the device.\n\n${table}\n`;
  writeFileSync(join(root, "docs/benchmarks.md"), text);
}
