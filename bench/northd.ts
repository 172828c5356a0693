/** ovn-northd: 500 switches of 50 ports with port security and one router; the first build, then one port more. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { median, type Side, Site, schemas } from "./daemons.ts";
import type { Result } from "./table.ts";

interface Figures {
  readonly build: number;
  readonly port: number;
  readonly memory: number;
}

/** ovn-nbctl's arguments for one switch with its ports. */
function switchCommands(s: number, ports: number): string[] {
  const words = [`ls-add`, `s${s}`, "--", "lrp-add", "r", `r-s${s}`, mac(0xff, s, 1), `10.${s >> 8}.${s & 255}.1/24`];
  words.push(
    "--",
    "lsp-add",
    `s${s}`,
    `s${s}-r`,
    "--",
    "lsp-set-type",
    `s${s}-r`,
    "router",
    "--",
    "lsp-set-addresses",
    `s${s}-r`,
    "router",
    "--",
    "lsp-set-options",
    `s${s}-r`,
    `router-port=r-s${s}`,
  );
  for (let p = 0; p < ports; p++) words.push("--", ...portCommands(s, p));
  return words;
}

function portCommands(s: number, p: number): string[] {
  const addresses = `${mac(0, s, p + 2)} 10.${s >> 8}.${s & 255}.${p + 2}`;
  return [
    "lsp-add",
    `s${s}`,
    `s${s}p${p}`,
    "--",
    "lsp-set-addresses",
    `s${s}p${p}`,
    addresses,
    "--",
    "lsp-set-port-security",
    `s${s}p${p}`,
    addresses,
  ];
}

function mac(kind: number, s: number, p: number): string {
  return [0x50, 0x54, kind, s >> 8, s & 255, p].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

function measure(side: Side, switches: number, ports: number): Figures {
  const site = new Site();
  try {
    const nb = site.database("reference", "nb", join(schemas, "ovn/ovn-nb.ovsschema"));
    const sb = site.database("reference", "sb", join(schemas, "ovn/ovn-sb.ovsschema"));
    const nbctl = (...args: string[]) => site.run("reference", "ovn-nbctl", `--db=${nb}`, ...args);
    nbctl("lr-add", "r");
    for (let s = 0; s < switches; s += 25) {
      const words = Array.from({ length: Math.min(25, switches - s) }, (_, i) => switchCommands(s + i, ports)).flatMap((one) => [
        "--",
        ...one,
      ]);
      nbctl(...words.slice(1));
    }
    const start = performance.now();
    const pid = site.daemon(side, "ovn-northd", "northd", `--ovnnb-db=${nb}`, `--ovnsb-db=${sb}`);
    nbctl("--wait=sb", "sync");
    const build = (performance.now() - start) / 1000;
    // A daemon that runs for months is measured warm: what the first ports teach its compiler is not counted.
    for (let i = 0; i < 20; i++) nbctl("--wait=sb", ...portCommands(i, 100));
    const samples: number[] = [];
    for (let i = 20; i < 61; i++) {
      const text = nbctl("--wait=sb", "--print-wait-time", ...portCommands(i, 100));
      samples.push(
        Number(/ovn-northd delay before processing:\s*(\d+)ms/.exec(text)?.[1] ?? 0) +
          Number(/ovn-northd completion:\s*(\d+)ms/.exec(text)?.[1] ?? Number.NaN),
      );
    }
    return { build, port: median(samples), memory: Site.peakMemory(pid) };
  } catch (error) {
    process.stderr.write(readFileSync(join(site.dir, "northd.log"), "utf8").slice(-2000));
    throw error;
  } finally {
    site.close();
  }
}

export function northd(): Result[] {
  const [switches, ports] = [500, 50];
  const weft = measure("weft", switches, ports);
  const reference = measure("reference", switches, ports);
  const what = `ovn-northd, ${switches} switches x ${ports} ports, one router`;
  return [
    { what: `${what}: first build`, unit: "s", weft: weft.build, reference: reference.build, goal: 2 },
    { what: `${what}: one more port`, unit: "ms", weft: weft.port, reference: reference.port, goal: 1 },
    { what: `${what}: peak memory`, unit: "MB", weft: weft.memory, reference: reference.memory },
  ];
}
