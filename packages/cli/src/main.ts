/** `weft PROGRAM [ARGUMENT...]`: the one entry point of all programs. */
import nodeModule from "node:module";
import { fileURLToPath } from "node:url";
import type { Program } from "@weft/runtime";
import { mustDetach, startDetached } from "./detach.ts";
import { programs } from "./programs.ts";
import { weftVersion } from "./version.ts";

/**
 * Node 22 and later keep what they have compiled, which a short command spends a third of its time on. The folder is the
 * bundle's own: what stands there is run, and in a common one anybody could put it there.
 */
if ("enableCompileCache" in nodeModule && typeof nodeModule.enableCompileCache === "function")
  nodeModule.enableCompileCache(fileURLToPath(new URL("./cache", import.meta.url)));

/** Commands of weft's own. */
const own: Readonly<Record<string, () => Promise<Program>>> = {
  link: async () => (await import("./link.ts")).linkProgram(fileURLToPath(import.meta.url), process.execPath),
  demo: async () => (await import("./demo.ts")).demo,
  explain: async () => (await import("./cloud/own.ts")).ownCommand("explain"),
  trace: async () => (await import("./cloud/own.ts")).ownCommand("trace"),
  verify: async () => (await import("./cloud/own.ts")).ownCommand("verify"),
  watch: async () => (await import("./cloud/own.ts")).ownCommand("watch"),
  lab: async () => (await import("./lab/lab.ts")).labProgram(fileURLToPath(new URL("./shim.mjs", import.meta.url))),
};

const usage = `Weft ${weftVersion}: OVN, the Open Virtual Network, in TypeScript.

usage: weft COMMAND [ARGUMENT...]

  demo         the main job: two labs, a ping through each, told station by station
  explain      what is this flow for?
  trace        where is my packet, and why?
  verify       is what is installed what the databases ask for?
  watch        packets of a port, live
  lab          labs: up, list, status, shell, exec, down
  link DIR     write drop-in commands (ovn-nbctl, ovs-vswitchd, ...) into DIR
  PROGRAM      run one of:
`;

function usageText(): string {
  return `${usage}${Object.keys(programs)
    .sort()
    .map((name) => `                 ${name}\n`)
    .join("")}`;
}

const [name = "", ...args] = process.argv.slice(2);
const load = own[name] ?? programs[name];
if (load) {
  const title = name in own ? `weft ${name}` : name;
  if (mustDetach(args)) process.exit(await startDetached(title));
  const { runProcess } = await import("./process.ts");
  await runProcess(title, await load(), args);
} else if (name === "--version" || name === "-V") process.stdout.write(`weft ${weftVersion}\n`);
else if (name === "--help" || name === "-h" || name === "help") process.stdout.write(usageText());
else {
  process.stderr.write(name === "" ? usageText() : `weft: unknown command '${name}'; see 'weft --help'\n`);
  process.exitCode = name === "" ? 0 : 2;
}
