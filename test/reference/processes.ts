/** Clouds of processes: scripts that use the functions of cloud.sh, with daemons from several places. */
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { decode, find, type Header, headers, type Layer, readCapture } from "@weft/packet";
import { Control, reference } from "./daemons.ts";

const root = join(import.meta.dirname, "../..");
/** Other suites' builds stand beside the one that is compared with. */
const suites = dirname(reference);

/** Where programs come from: ours, the reference, or the reference of an older suite. */
export type Side = "weft" | "reference" | "trixie" | "bookworm";

/** Where each daemon comes from, and what is first on PATH for the commands. */
export type Mix = Readonly<Record<"OVSDB_SERVER" | "NORTHD" | "CONTROLLER" | "VSWITCHD" | "tools", Side>>;

export const allWeft: Mix = { OVSDB_SERVER: "weft", NORTHD: "weft", CONTROLLER: "weft", VSWITCHD: "weft", tools: "weft" };

export const allReference: Mix = {
  OVSDB_SERVER: "reference",
  NORTHD: "reference",
  CONTROLLER: "reference",
  VSWITCHD: "reference",
  tools: "reference",
};

const linked = mkdtempSync(join(tmpdir(), "weft-link-"));

/** Makes our programs in a folder; returns how to take it away again. */
export function linkFolder(): () => void {
  execFileSync(process.execPath, [join(root, "packages/cli/bin/weft.js"), "link", linked]);
  return () => rmSync(linked, { recursive: true });
}

/** The folder with the programs of a side. */
export function programsOf(side: Side): string {
  if (side === "weft") return linked;
  return join(side === "reference" ? reference : join(suites, side), "bin");
}

/** The folder with the schemas of a side; ours are the reference's. */
export function schemasOf(side: Side): string {
  return join(dirname(programsOf(side === "weft" ? "reference" : side)), "share");
}

export class Cloud {
  readonly dir = mkdtempSync(join(tmpdir(), "weft-cloud-"));
  readonly env: NodeJS.ProcessEnv;
  readonly #controls: Control[] = [];

  /** `schemas`: whose schemas the databases are made with. */
  constructor(mix: Mix, schemas: Side = "reference") {
    const { tools, ...daemons } = mix;
    this.env = {
      ...process.env,
      DIR: this.dir,
      SCHEMAS: schemasOf(schemas),
      OVN_NB_DB: `unix:${this.dir}/central/nb.sock`,
      OVN_SB_DB: `unix:${this.dir}/central/sb.sock`,
      PATH: `${programsOf(tools)}:${programsOf("reference")}:${process.env["PATH"]}`,
      ...Object.fromEntries(Object.entries(daemons).map(([name, side]) => [name, programsOf(side)])),
    };
  }

  /** Runs a script with the functions of cloud.sh while the test goes on; returns what it prints. Rejects when it fails. */
  async background(script: string): Promise<string> {
    const { stdout } = await promisify(execFile)("bash", ["-c", scriptOf(script)], { timeout: 240_000, env: this.env });
    return stdout;
  }

  /** Runs a script with the functions of cloud.sh. Throws with everything printed when it fails. */
  run(script: string): string {
    const result = spawnSync("bash", ["-c", scriptOf(script)], {
      encoding: "utf8",
      timeout: 240_000,
      env: this.env,
    });
    if (result.status !== 0)
      throw new Error(
        `the cloud's script failed (${result.status ?? result.signal}) in ${this.dir}:\n${result.stdout}\n${result.stderr}`,
      );
    return result.stdout;
  }

  /** The control socket of a daemon, by its path in the cloud's folder without ".ctl". */
  control(name: string): Control {
    const control = new Control(join(this.dir, `${name}.ctl`));
    this.#controls.push(control);
    return control;
  }

  pid(name: string): number {
    return Number(readFileSync(join(this.dir, `${name}.pid`), "utf8"));
  }

  /** What arrived at a port. */
  capture(node: string, port: string): Layer[][] {
    return readCapture(readFileSync(join(this.dir, node, `${port}-tx.pcap`))).map(({ bytes }) => decode(bytes));
  }

  /** What arrived at a port, one line a packet, without what differs between runs. */
  arrived(node: string, port: string): string[] {
    return this.capture(node, port)
      .filter((layers) => find(layers, "nd") === undefined && find(layers, "mld") === undefined)
      .map((layers) =>
        headers(layers)
          .map(({ trailer: _, ...header }) => describeHeader(header as Header))
          .join(" "),
      );
  }

  /** Ends the daemons. The folder stays for whoever asks why a test failed, unless `forget`. */
  stop(forget = false): void {
    for (const control of this.#controls) control.close();
    this.run("cloud_stop");
    if (forget) rmSync(this.dir, { recursive: true });
  }
}

function scriptOf(script: string): string {
  return `set -e; . ${join(root, "test/reference/cloud.sh")}; ${script}`;
}

function describeHeader(header: Header): string {
  switch (header.kind) {
    case "vlan":
      return `vlan ${header.id}`;
    case "ipv4":
      return `ipv4 ttl ${header.ttl}`;
    case "udp":
      return `udp ${header.dstPort}`;
    case "icmp":
    case "icmpv6":
      return `${header.kind} type ${header.type}`;
    case "arp":
      return `arp op ${header.operation}`;
    default:
      return header.kind;
  }
}
