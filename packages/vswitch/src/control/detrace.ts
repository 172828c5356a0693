/** ofproto/detrace: the OpenFlow flows and groups that a flow of the cache comes from (ovs-vswitchd(8)). */
import { formatActions, formatGroup, formatPriorityMatch, NO_NAMES } from "@weft/openflow";
import type { ControlCommand } from "@weft/runtime";
import type { Megaflow } from "../datapath/cache.ts";
import { type Bridge, HIDDEN_TABLE } from "../ofproto/bridge.ts";
import type { FlowTable } from "../ofproto/flow-table.ts";
import type { Group } from "../ofproto/group.ts";
import type { Rule } from "../ofproto/rule.ts";
import { type ControlContext, command, datapathName, refuse } from "./context.ts";
import { ufidOf } from "./dpctl.ts";

/** A flow with its counters, as bridge/dump-flows prints it. */
export function flowText(c: ControlContext, rule: Rule, table: number, offload = ""): string {
  const cookie = rule.cookie === 0n ? "" : `cookie=0x${rule.cookie.toString(16)}, `;
  const head = table === 0 ? "" : `table_id=${table}, `;
  const duration = Math.floor((c.datapath.now() - rule.created) / 1000);
  return (
    `${cookie}${head}duration=${duration}s, n_packets=${rule.packets}, n_bytes=${rule.bytes}, ${offload}` +
    `${formatPriorityMatch(rule.wire, rule.priority)},actions=${rule.actions.length === 0 ? "drop" : formatActions(rule.actions)}`
  );
}

/** Groups are shown as OpenFlow 1.5 has them. */
const GROUP_VERSION = 6;
/** This datapath has no offload. */
const OFFLOAD = "n_offload_packets=0, n_offload_bytes=0, ";

const hiddenText = (toController: boolean): string =>
  `table_id=${HIDDEN_TABLE}, duration=0s, n_packets=0, n_bytes=0, ${OFFLOAD}priority=0,${
    toController ? "reg0=0x1,actions=controller(reason=)" : "reg0=0x2,actions=drop"
  }`;

const groupText = ({ id, type, description }: Group): string =>
  formatGroup(id, type, description.buckets, description.selection, GROUP_VERSION, NO_NAMES);

function detrace(c: ControlContext, flow: Megaflow): string {
  c.datapath.pushStatistics();
  const lines: string[] = [];
  let current: Bridge | undefined;
  const line = (table: FlowTable, text: string): void => {
    const bridge = [...c.datapath.bridges.values()].find(({ tables }) => tables.includes(table));
    if (bridge !== current && bridge !== undefined) lines.push(bridge.name);
    current = bridge ?? current;
    lines.push(`  ${text}`);
  };
  for (const effect of flow.effects) {
    switch (effect.kind) {
      case "rule":
        line(effect.table, flowText(c, effect.rule, effect.table.id, OFFLOAD));
        break;
      case "missed":
        line(effect.table, `table_id=${effect.table.id}, no match`);
        lines.push(`  ${hiddenText(effect.toController)}`);
        break;
      case "bucket":
        // Buckets that all are used stand behind an entry for their group.
        if (current?.groups.get(effect.group.id) === effect.group) lines.push(`  ${groupText(effect.group)}`);
        break;
      default:
    }
  }
  return lines.join("\n");
}

export function detraceCommands(c: ControlContext): ControlCommand[] {
  return [
    command("ofproto/detrace", "UFID [pmd=PMD-ID]", 1, 2, ([text = "", pmd]) => {
      const ufid = ufidOf(text);
      if (ufid === undefined) throw refuse("failed to parse ufid");
      if (pmd !== undefined && !/^pmd=\d+$/.test(pmd)) throw refuse("Invalid pmd argument format. Expecting 'pmd=PMD-ID'");
      // There are no PMD threads that could have flows of their own.
      const flow = pmd === undefined ? [...c.datapath.cache].find((one) => one.ufid === ufid) : undefined;
      return flow === undefined ? `UFID was not found for ${datapathName(c)}` : detrace(c, flow);
    }),
  ];
}
