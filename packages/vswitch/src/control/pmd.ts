/**
 * dpif-netdev/...: what the threads of the datapath do (ovs-vswitchd(8), "DPIF-NETDEV COMMANDS"). Here as under dummy devices there are no
 * PMD threads: all packets are the main thread's, and what is about a thread of a core answers with none.
 */
import type { ControlCommand } from "@weft/runtime";
import { type ControlContext, command, datapathName, refuse } from "./context.ts";

/** Counters of packets as of the last `pmd-stats-clear`. */
interface Start {
  readonly wall: number;
  readonly hits: number;
  readonly misses: number;
  readonly lost: number;
}

const PERF_LOG_USAGE = "[on|off] [-b before] [-a after] [-e|-ne] [-us usec] [-q qlen]";

export function pmdCommands(c: ControlContext): ControlCommand[] {
  const now = (): Start => {
    const { hits, misses, lost } = c.datapath;
    return { wall: c.runtime.clock.wall(), hits, misses, lost };
  };
  let start = now();
  const clear = (): string => {
    start = now();
    return "";
  };
  const show = (args: readonly string[]): string => (ofCore(args) ? "" : statistics(start, now()));
  /** Commands that insist on a datapath's name, without its type. */
  const named = (name: string | undefined): void => {
    if (name !== undefined && name !== datapathName(c).replace(/^[^@]*@/, ""))
      throw refuse("please specify an existing datapath");
  };
  return [
    command("dpif-netdev/bond-show", "[dp]", 0, 1, ([name]) => {
      named(name);
      return "";
    }),
    command("dpif-netdev/pmd-perf-log-set", "on|off [-b before] [-a after] [-e|-ne] [-us usec] [-q qlen]", 0, 10, (args) => {
      checkPerfLog(args);
      if (args[0] === "on") throw refuse("this datapath has no PMD threads whose iterations could be logged");
      return "";
    }),
    command("dpif-netdev/pmd-perf-show", "[-nh] [-it iter-history-len] [-ms ms-history-len] [-pmd core] [dp]", 0, 8, show),
    command("dpif-netdev/pmd-rxq-rebalance", "[dp]", 0, 1, ([name]) => {
      named(name);
      return "pmd rxq rebalance requested.\n";
    }),
    command("dpif-netdev/pmd-rxq-show", "[-pmd core] [-secs secs] [dp]", 0, 5, (args) => {
      if (ofCore(args) && !args.includes("-secs")) return "Displaying last 60 seconds pmd usage %\n";
      const seconds = Number(args[args.indexOf("-secs") + 1]);
      const shown = args.includes("-secs") && seconds >= 1 && seconds <= 60 ? seconds - (seconds % 5) || 5 : 60;
      return `Displaying last ${shown} seconds pmd usage %\n`;
    }),
    command("dpif-netdev/pmd-sleep-show", "[dp]", 0, 1, () => "Default max sleep:    0 us\n"),
    command("dpif-netdev/pmd-stats-clear", "[-pmd core] [dp]", 0, 3, clear),
    { ...command("dpif-netdev/pmd-stats-show", "", 0, 8, show), hidden: true },
  ];
}

/** Whether a core is asked for, whose thread there is not. What is no number is ignored. */
function ofCore(args: readonly string[]): boolean {
  return /^\d+$/.test(args[args.indexOf("-pmd") + 1] ?? "") && args.includes("-pmd");
}

function checkPerfLog(args: readonly string[]): void {
  const usage = (): Error => refuse(`Usage: ovs-appctl dpif-netdev/pmd-perf-log-set ${PERF_LOG_USAGE}`);
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    if (arg === "on" || arg === "off") {
      if (i > 0) throw usage();
    } else if (["-b", "-a", "-us", "-q"].includes(arg)) {
      if (!/^\d+$/.test(args[++i] ?? "")) throw usage();
    } else if (arg !== "-e" && arg !== "-ne") {
      throw usage();
    }
  }
}

/** Time of day with milliseconds, UTC. */
const timeOfDay = (wall: number): string => new Date(wall).toISOString().slice(11, 23);

function statistics(start: Start, now: Start): string {
  const seconds = (now.wall - start.wall) / 1000;
  const hits = now.hits - start.hits;
  const upcalls = now.misses - start.misses;
  const lost = now.lost - start.lost;
  const packets = hits + upcalls + lost;
  const head = `\nTime: ${timeOfDay(now.wall)}\nMeasurement duration: ${seconds.toFixed(3)} s\n\nmain thread:\n\n`;
  const line = (name: string, value: number, text = ""): string =>
    `${`  ${name}:`.padEnd(22)}${String(value).padStart(12)}${text}\n`;
  if (packets === 0) return `${head}${line("Rx packets", 0)}${line("Tx packets", 0)}\n`;
  const rate = `  (${(packets / seconds / 1000).toFixed(0)} Kpps)`;
  const share = (count: number, more = ""): string => `  (${((100 * count) / packets).toFixed(1).padStart(5)} %${more})`;
  return [
    head,
    line("Rx packets", packets, rate),
    line("Datapath passes", packets, "  (1.00 passes/pkt)"),
    line("- PHWOL hits", 0, share(0)),
    line("- Simple Match hits", 0, share(0)),
    line("- EMC hits", 0, share(0)),
    line("- SMC hits", 0, share(0)),
    line("- Megaflow hits", hits, share(hits, ", 1.00 subtbl lookups/hit")),
    line("- Upcalls", upcalls, share(upcalls)),
    line("- Lost upcalls", lost, share(lost)),
  ].join("");
}
