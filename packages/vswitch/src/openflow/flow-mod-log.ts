/** Tells now and then how many flow mods a connection has carried out, in the words that people look for in ovs-vswitchd's log. */
import type { FlowMod } from "@weft/openflow";
import type { Clock, Timer } from "@weft/runtime";

/** From the first flow mod after a quiet time to the report, and from one report to the next (ms). */
const FIRST_MS = 10_000;
const NEXT_MS = 60_000;

const KINDS = ["adds", "deletes", "modifications"] as const;
const KIND_OF: Readonly<Record<FlowMod["command"], (typeof KINDS)[number]>> = {
  add: "adds",
  delete: "deletes",
  delete_strict: "deletes",
  modify: "modifications",
  modify_strict: "modifications",
};

export class FlowModLog {
  readonly #clock: Clock;
  readonly #tell: (text: string) => void;
  readonly #counts = { adds: 0, deletes: 0, modifications: 0 };
  /** Monotonic ms of the first and the last that were not told of yet. */
  #first: number | undefined;
  #last = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock, tell: (text: string) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  count({ command }: FlowMod): void {
    this.#counts[KIND_OF[command]]++;
    this.#last = this.#clock.now();
    this.#first ??= this.#last;
    this.#timer ??= this.#clock.after(FIRST_MS, this.#due, true);
  }

  /** The connection has ended. */
  close(): void {
    this.#timer?.cancel();
    this.#report();
  }

  readonly #due = (): void => {
    this.#timer = this.#first === undefined ? undefined : this.#clock.after(NEXT_MS, this.#due, true);
    this.#report();
  };

  #report(): void {
    if (this.#first === undefined) return;
    const ago = Math.floor((this.#clock.now() - this.#first) / 1000);
    const span = Math.floor((this.#last - this.#first) / 1000);
    const when = span === ago ? `in the last ${ago} s` : span > 0 ? `in the ${span} s starting ${ago} s ago` : `${ago} s ago`;
    const told = KINDS.filter((kind) => this.#counts[kind] > 0).map((kind) => `${this.#counts[kind]} ${kind}`);
    const total = KINDS.reduce((sum, kind) => sum + this.#counts[kind], 0);
    this.#tell(`${total} flow_mods ${when} (${told.join(", ")})`);
    this.#first = undefined;
    for (const kind of KINDS) this.#counts[kind] = 0;
  }
}
