/** Faults that a lab can be given, to be found and mended: what `weft lab break`, `reveal` and `mend` do. */
import { WeftError } from "@weft/runtime";
import type { Lab } from "../lab.ts";

/** A command on a machine, as an operator types it; `$(COMMAND)` stands for what that command prints on the same machine. */
export interface Step {
  readonly node: string;
  readonly run: string;
}

export interface Fault {
  readonly name: string;
  /** The built-in lab that it is made for. */
  readonly lab: string;
  /** What one notices, and what to try; it does not tell the cause. */
  readonly notice: string;
  /** What is wrong. */
  readonly cause: string;
  /** How an operator mends it. */
  readonly mending: string;
  /** Commands that break it and that mend it, or code that breaks it and gives back what mends it. */
  readonly how: { readonly breaks: readonly Step[]; readonly mends: readonly Step[] } | ((lab: Lab) => Promise<Undo>);
}

export type Undo = () => Promise<void>;

/** Runs steps one after the other. Throws ProvisionError at the first that fails. */
export async function runSteps(lab: Lab, steps: readonly Step[]): Promise<void> {
  for (const { node, run } of steps) await lab.run(node, await substituted(lab, node, run));
}

async function substituted(lab: Lab, node: string, line: string): Promise<string> {
  const inner = /\$\(([^()]*)\)/.exec(line);
  if (!inner) return line;
  const value = await lab.capture(node, inner[1]!);
  const before = line.slice(0, inner.index);
  return substituted(lab, node, before + value.trim() + line.slice(inner.index + inner[0].length));
}

/** The fault of a lab: at most one at a time. */
export class Faults {
  readonly #lab: Lab;
  readonly #table: readonly Fault[];
  /** Labs that have faults. */
  readonly #labs: readonly string[];
  #current: { readonly fault: Fault; readonly undo: Undo } | undefined;

  constructor(lab: Lab, table: readonly Fault[]) {
    this.#lab = lab;
    this.#labs = [...new Set(table.map((fault) => fault.lab))];
    this.#table = table.filter((fault) => fault.lab === lab.definition.name);
  }

  get all(): readonly Fault[] {
    return this.#table;
  }

  /** The fault that the lab has now. */
  get current(): Fault | undefined {
    return this.#current?.fault;
  }

  /** Breaks the lab. Throws "lab.no-fault" for a name that is none of this lab's, "lab.broken" when it has a fault already. */
  async break(name: string): Promise<Fault> {
    const fault = this.#table.find((other) => other.name === name);
    if (!fault) throw this.#noFault(` ${JSON.stringify(name)}`);
    if (this.#current) throw new WeftError("lab.broken", "the lab has a fault already (weft lab mend)", { blame: "caller" });
    const { how } = fault;
    let undo: Undo;
    if (typeof how === "function") undo = await how(this.#lab);
    else {
      await runSteps(this.#lab, how.breaks);
      undo = () => runSteps(this.#lab, how.mends);
    }
    this.#current = { fault, undo };
    return fault;
  }

  /** One that is not told. Throws "lab.no-fault" when the lab has none. */
  async breakAny(): Promise<Fault> {
    if (this.#table.length === 0) throw this.#noFault("s to be broken with");
    return this.break(this.#table[this.#lab.runtime.random.below(this.#table.length)]!.name);
  }

  #noFault(which: string): WeftError {
    const known = this.#table.map(({ name }) => name).join(", ") || `those of other labs: ${this.#labs.join(", ")}`;
    return new WeftError("lab.no-fault", `lab ${this.#lab.definition.name} has no fault${which} (${known})`, { blame: "caller" });
  }

  /** Undoes the fault. Throws "lab.whole" when there is none. */
  async mend(): Promise<Fault> {
    if (!this.#current) throw new WeftError("lab.whole", "the lab has no fault (weft lab break)", { blame: "caller" });
    const { fault, undo } = this.#current;
    await undo();
    this.#current = undefined;
    return fault;
  }
}
