/** The inc-engine/* commands of the daemons that are incremental (ovn-northd(8), ovn-controller(8)). */
import type { EngineStatistics } from "@weft/incremental";
import type { ControlCommand } from "@weft/runtime";

export interface EngineFace {
  statistics(): EngineStatistics;
  /** Computes everything from scratch. */
  recompute(): void;
  /** A commit that takes at least as long (ms) is told in the log. */
  computeLogTimeout: number;
}

type Counter = "recompute" | "compute" | "cancel";
const isCounter = (name: string): name is Counter => ["recompute", "compute", "cancel"].includes(name);

export function engineCommands(engine: EngineFace): ControlCommand[] {
  let cleared: ReadonlyMap<string, number> = new Map();
  let recomputes = 0;
  /** A node is a definition; an evaluation is never given up, it is put off. */
  const counters = (node: string, evaluations: number): Record<Counter, number> => ({
    recompute: recomputes,
    compute: evaluations - (cleared.get(node) ?? 0),
    cancel: 0,
  });
  const recompute = () => {
    recomputes++;
    engine.recompute();
    return "";
  };
  return [
    { name: "inc-engine/recompute", usage: "", minArgs: 0, maxArgs: 0, run: recompute },
    {
      name: "inc-engine/show-stats",
      usage: "",
      minArgs: 0,
      maxArgs: 2,
      run([node, counter]) {
        const nodes = [...engine.statistics().evaluations].filter(([name]) => node === undefined || name === node);
        if (counter === undefined) return nodes.map(([name, count]) => showNode(name, counters(name, count))).join("");
        if (!isCounter(counter)) return `Invalid stat type : ${counter}\n`;
        return nodes.map(([name, count]) => `${counters(name, count)[counter]}\n`).join("");
      },
    },
    {
      name: "inc-engine/clear-stats",
      usage: "",
      minArgs: 0,
      maxArgs: 0,
      run() {
        cleared = new Map(engine.statistics().evaluations);
        recomputes = 0;
        return "";
      },
    },
    {
      name: "inc-engine/compute-log-timeout",
      usage: "",
      minArgs: 1,
      maxArgs: 1,
      run([text]) {
        const ms = Number(text);
        if (!/^\d+$/.test(text ?? "")) throw new Error("unsigned integer required");
        engine.computeLogTimeout = ms;
        return "";
      },
    },
  ];
}

function showNode(name: string, counters: Record<Counter, number>): string {
  const lines = Object.entries(counters).map(([counter, value]) => {
    const label = `- ${counter}:`;
    return `${label}${String(value).padStart(25 - label.length)}\n`;
  });
  return `Node: ${name}\n${lines.join("")}`;
}
