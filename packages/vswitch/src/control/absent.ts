/**
 * Commands of ovs-vswitchd that stand for parts which this switch does not have: they are listed, as scripts look for them,
 * and say what is missing.
 */
import type { ControlCommand } from "@weft/runtime";
import { command, refuse } from "./context.ts";

interface Absence {
  readonly reason: string;
  /** Name, usage, and the most and fewest arguments. */
  readonly commands: readonly (readonly [name: string, usage: string, min: number, max: number])[];
}

const ABSENT: readonly Absence[] = [
  {
    reason: "datapaths, their ports and flows belong to the bridges here and cannot be changed by hand",
    commands: [
      ["dpctl/add-dp", "dp [iface...]", 1, Number.POSITIVE_INFINITY],
      ["dpctl/add-flow", "[dp] flow actions", 2, 3],
      ["dpctl/add-flows", "[dp] file", 1, 2],
      ["dpctl/add-if", "dp iface...", 2, Number.POSITIVE_INFINITY],
      ["dpctl/del-dp", "dp", 1, 1],
      ["dpctl/del-flow", "[dp] flow", 1, 2],
      ["dpctl/del-if", "dp iface...", 2, Number.POSITIVE_INFINITY],
      ["dpctl/mod-flow", "[dp] flow actions", 2, 3],
      ["dpctl/mod-flows", "[dp] file", 1, 2],
      ["dpctl/set-if", "dp iface...", 2, Number.POSITIVE_INFINITY],
      ["dpif-dummy/change-port-number", "dp port new-number", 3, 3],
    ],
  },
  {
    reason: "this datapath offloads nothing",
    commands: [["dpif/offload/show", "", 0, 0]],
  },
  {
    reason: "actions of the datapath are not parsed by this switch",
    commands: [
      ["dpctl/normalize-actions", "actions", 2, Number.POSITIVE_INFINITY],
      ["dpctl/parse-actions", "actions", 1, Number.POSITIVE_INFINITY],
    ],
  },
  {
    reason: "there is one routing table, without rules",
    commands: [
      ["ovs/route/rule/add", "[-6] [not] from=all|ip/plen [prio=num] table=local|main|default|id", 2, 5],
      ["ovs/route/rule/del", "[-6] [not] from=all|ip/plen [prio=num] table=local|main|default|id", 2, 5],
      ["ovs/route/rule/show", "[-6]", 0, 1],
    ],
  },
  {
    reason: "the clock of this daemon cannot be stopped or set forward",
    commands: [
      ["time/stop", "", 0, 0],
      ["time/warp", "[large_msecs] msecs", 1, 2],
    ],
  },
];

/** Refusals for all that is not among the commands there are. */
export function absentCommands(there: readonly ControlCommand[]): ControlCommand[] {
  const names = new Set(there.map(({ name }) => name));
  return ABSENT.flatMap(({ reason, commands }) =>
    commands
      .filter(([name]) => !names.has(name))
      .map(([name, usage, min, max]) =>
        command(name, usage, min, max, () => {
          throw refuse(reason);
        }),
      ),
  );
}
