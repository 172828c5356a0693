/** How long one ovn-nbctl command takes as a process of its own, and a lab from nothing to the first answered ping. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { processTime, root, Site, schemas } from "./daemons.ts";
import type { Result } from "./table.ts";

export async function commands(): Promise<Result[]> {
  const site = new Site();
  try {
    const nb = site.database("reference", "nb", join(schemas, "ovn/ovn-nb.ovsschema"));
    site.run("reference", "ovn-nbctl", `--db=${nb}`, "ls-add", "a");
    const [weft, reference] = [
      await processTime([...Site.command("weft", "ovn-nbctl"), `--db=${nb}`, "ls-list"], {}),
      await processTime([...Site.command("reference", "ovn-nbctl"), `--db=${nb}`, "ls-list"], {}),
    ];
    return [
      { what: "one ovn-nbctl ls-list, as a process", unit: "ms", weft, reference },
      { what: "lab trunks: up to the first ping answered", unit: "s", weft: labToPing() },
    ];
  } finally {
    await site.close();
  }
}

function labToPing(): number {
  const weft = (...args: string[]) => {
    const { status, stderr } = spawnSync(process.execPath, [join(root, "packages/cli/bin/weft.js"), "lab", ...args], {
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`weft lab ${args.join(" ")}: ${stderr}`);
  };
  const start = performance.now();
  weft("up", "trunks", "--detach");
  try {
    weft("exec", "worker1", "--", "ip", "netns", "exec", "vm1", "ping", "-c1", "192.168.1.14");
    return (performance.now() - start) / 1000;
  } finally {
    weft("down", "trunks");
  }
}
