/** ovn-trace as a process on a large southbound database: one packet from a guest, through its router, to the outside. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { Client, Northbound } from "./client.ts";
import { median, type Side, Site, schemas } from "./daemons.ts";
import { chassis, mac, tenants } from "./networks.ts";
import type { Result } from "./table.ts";

const TENANTS = 100;
const GUESTS = 20;
const MICROFLOW = `inport == "t40n1p3" && eth.src == ${mac(1, 40, 3)} && eth.dst == ${mac(0xff, 40, 1)} && ip4.src == 10.0.161.13 && ip4.dst == 8.8.8.8 && ip.ttl == 64 && tcp.dst == 80`;

interface Figures {
  /** s */
  readonly wall: number;
  /** MB */
  readonly memory: number;
}

/** One run of a command: how long it takes, and its peak memory as far as a look every few milliseconds can tell. */
async function run(command: readonly string[]): Promise<Figures> {
  const start = performance.now();
  let memory = 0;
  await new Promise<void>((resolve, reject) => {
    const child = spawn(command[0]!, command.slice(1), { stdio: ["ignore", "ignore", "inherit"] });
    const look = setInterval(() => {
      memory = Math.max(memory, child.pid === undefined ? 0 : Site.peakMemory(child.pid));
    }, 5);
    child.on("error", reject);
    child.on("exit", (code) => {
      clearInterval(look);
      if (code === 0) resolve();
      else reject(new Error(`${command.join(" ")}: exit code ${code}`));
    });
  });
  return { wall: (performance.now() - start) / 1000, memory };
}

export async function trace(): Promise<Result[]> {
  const site = new Site();
  try {
    const nb = site.database("reference", "nb", join(schemas, "ovn/ovn-nb.ovsschema"));
    const sb = site.database("reference", "sb", join(schemas, "ovn/ovn-sb.ovsschema"));
    site.run("reference", "ovn-nbctl", `--db=${nb}`, "init");
    await Client.transact(sb, "OVN_Southbound", chassis(Array.from({ length: 10 }, (_, i) => `gw${i}`)));
    await Client.transact(nb, "OVN_Northbound", tenants(TENANTS, GUESTS));
    site.daemon("reference", "ovn-northd", "northd", `--ovnnb-db=${nb}`, `--ovnsb-db=${sb}`);
    const northbound = await Northbound.open(nb);
    await northbound.change([]);
    northbound.close();
    const runs: Record<Side, Figures[]> = { weft: [], reference: [] };
    for (let i = 0; i < 5; i++)
      for (const side of ["weft", "reference"] as const)
        runs[side].push(await run([...Site.command(side, "ovn-trace"), `--db=${sb}`, MICROFLOW]));
    const figure = (side: Side, name: keyof Figures) => median(runs[side].map((one) => one[name]));
    const what = `ovn-trace as a process, ${TENANTS} tenants x ${2 * GUESTS} ports`;
    return [
      { what, unit: "s", weft: figure("weft", "wall"), reference: figure("reference", "wall"), goal: 0.2 },
      {
        what: `${what}: peak memory`,
        unit: "MB",
        weft: figure("weft", "memory"),
        reference: figure("reference", "memory"),
        goal: 0.2,
      },
    ];
  } finally {
    await site.close();
  }
}
