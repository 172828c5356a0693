/** A lab under the virtual runtime with a shell for tests: commands as they are typed, `| grep PATTERN` included. */
import { Lab, type LabDefinition, type LabPrograms, machineCommands } from "@weft/lab";
import { type VirtualRuntime, virtualRuntime } from "@weft/runtime";
import { cloudCommands } from "../cloud/commands.ts";
import { weftOf } from "./overview.ts";
import { labPrograms } from "./programs.ts";

/** Loading a module takes real time, which the virtual clock does not wait for. */
async function loaded<T>(lazy: Readonly<Record<string, () => Promise<T>>>): Promise<Record<string, () => Promise<T>>> {
  const entries = await Promise.all(
    Object.entries(lazy).map(async ([name, load]) => {
      const made = await load();
      return [name, () => Promise.resolve(made)] as const;
    }),
  );
  return Object.fromEntries(entries);
}

export class VirtualLab {
  readonly runtime: VirtualRuntime;
  readonly lab: Lab;

  private constructor(definition: LabDefinition, runtime: VirtualRuntime, programs: LabPrograms) {
    this.runtime = runtime;
    this.lab = new Lab(definition, this.runtime, programs, machineCommands, runtime.net);
  }

  /** `world`: a seed, or the runtime of another lab to share its time and its network. */
  static async up(definition: LabDefinition, world: number | VirtualRuntime = 1): Promise<VirtualLab> {
    const [programs, commands] = await Promise.all([loaded(labPrograms.programs), loaded(cloudCommands)]);
    const runtime = typeof world === "number" ? virtualRuntime({ seed: world }) : world;
    const overview = { weft: (lab: Lab) => weftOf(lab, commands) };
    const virtual = new VirtualLab(definition, runtime, { ...labPrograms, programs, overview });
    await virtual.runtime.clock.run(virtual.lab.start());
    return virtual;
  }

  /** Runs a command; standard output and error together. `limit`: ms of virtual time. */
  async sh(node: string, line: string, limit = 120_000): Promise<string> {
    const [command = "", ...greps] = line.split(" | ");
    const words = (text: string) =>
      [...text.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, single, double, bare]) => single ?? double ?? bare ?? "");
    const { stdout, stderr } = await this.runtime.clock.run(this.lab.output(node, words(command)), limit);
    return greps.reduce((text, grep) => {
      const pattern = new RegExp(words(grep).slice(1).join(" "));
      return text
        .split("\n")
        .filter((row) => pattern.test(row))
        .map((row) => `${row}\n`)
        .join("");
    }, stdout + stderr);
  }

  /** Runs a command in the background; its promise gives what it printed. */
  start(node: string, line: string): { readonly output: Promise<string>; stop(): void } {
    const abort = new AbortController();
    let text = "";
    const decoder = new TextDecoder("latin1");
    const out = {
      write: (more: string | Uint8Array) => void (text += typeof more === "string" ? more : decoder.decode(more)),
      isTerminal: false,
    };
    const done = this.lab.exec(node, line.split(" "), {
      stdin: (async function* () {})(),
      stdout: out,
      stderr: out,
      signal: abort.signal,
    });
    return { output: done.then(() => text), stop: () => abort.abort() };
  }

  async down(): Promise<void> {
    await this.runtime.clock.run(this.lab.stop());
  }
}

/** Uuids become "UUID", so that texts can be compared. */
export function withoutUuids(text: string): string {
  return text.replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, "UUID");
}
