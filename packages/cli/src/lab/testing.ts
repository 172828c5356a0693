/** A lab under the virtual runtime with a shell for tests: commands as they are typed, `| grep PATTERN` included. */
import { Lab, type LabDefinition, machineCommands } from "@weft/lab";
import { type Program, type VirtualRuntime, virtualRuntime } from "@weft/runtime";
import { labPrograms } from "./programs.ts";

export class VirtualLab {
  readonly runtime: VirtualRuntime;
  readonly lab: Lab;

  private constructor(definition: LabDefinition, runtime: VirtualRuntime, loaded: readonly (readonly [string, Program])[]) {
    this.runtime = runtime;
    // Loading a module takes real time, which the virtual clock does not wait for.
    const programs = Object.fromEntries(loaded.map(([name, program]) => [name, () => Promise.resolve(program)]));
    this.lab = new Lab(definition, this.runtime, { ...labPrograms, programs }, machineCommands, runtime.net);
  }

  /** `world`: a seed, or the runtime of another lab to share its time and its network. */
  static async up(definition: LabDefinition, world: number | VirtualRuntime = 1): Promise<VirtualLab> {
    const loaded = await Promise.all(
      Object.entries(labPrograms.programs).map(async ([name, load]) => [name, await load()] as const),
    );
    const virtual = new VirtualLab(definition, typeof world === "number" ? virtualRuntime({ seed: world }) : world, loaded);
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
