/** Packets of one port where devices cannot be listened to: flows of its network whose counters rise, drops marked. */
import { type Action, formatActions, formatMatch } from "@weft/openflow";
import type { InstalledFlow } from "../cloud/bridge.ts";
import type { Cloud } from "../cloud/cloud.ts";
import { integrationBridgeOf } from "../cloud/cloud.ts";
import { Provenance } from "../provenance/provenance.ts";
import { flowLine } from "../verify/canonical.ts";
import type { Endpoint } from "../walk/endpoint.ts";

/** Packet counts by hypervisor and flow. */
export type Counts = ReadonlyMap<string, bigint>;

export interface Risen {
  readonly counts: Counts;
  /** One for each flow that more packets have met than `before`. */
  readonly lines: readonly string[];
}

/** Flows that are about the port: it is where they come in or go out, or they drop within its network. */
export function risenCounters(cloud: Cloud, port: Endpoint, before: Counts | undefined): Risen {
  const { sb } = cloud;
  const counts = new Map<string, bigint>();
  const lines: string[] = [];
  if (sb === undefined) return { counts, lines };
  const provenance = new Provenance(sb, cloud.nb);
  const datapath = sb.table("Datapath_Binding").get(port.row.datapath)?.tunnel_key;
  for (const hypervisor of cloud.hypervisors) {
    for (const flow of hypervisor.bridges.get(integrationBridgeOf(hypervisor))?.flows ?? []) {
      if (flow.packets === undefined || !concerns(flow, Number(datapath ?? 0), Number(port.row.tunnel_key))) continue;
      const line = flowLine({ ...flow, cookie: Number(flow.cookie) });
      const key = `${hypervisor.name} ${line}`;
      counts.set(key, flow.packets);
      const more = flow.packets - (before?.get(key) ?? flow.packets);
      if (more <= 0n) continue;
      const origin = provenance.ofCookie(Number(flow.cookie), Number(datapath ?? 0));
      const what = drops(flow.actions) ? "DROPPED" : "passed";
      lines.push(`${hypervisor.name} ${what} ${more} in table ${flow.table}: ${origin?.text ?? line}`);
    }
  }
  return { counts, lines };
}

/** Actions after which something may become of a packet. Clauses of conjunctions are met by no packet. */
const LEADING: ReadonlySet<Action["type"]> = new Set<Action["type"]>([
  "output",
  "output_reg",
  "output_trunc",
  "controller",
  "enqueue",
  "bundle",
  "group",
  "resubmit",
  "ct",
  "clone",
  "goto_table",
  "write_actions",
  "conjunction",
]);

function drops(actions: readonly Action[]): boolean {
  return !actions.some(({ type }) => LEADING.has(type));
}

function concerns({ match, actions }: InstalledFlow, datapath: number, port: number): boolean {
  const [network, key] = [`0x${datapath.toString(16)}`, `0x${port.toString(16)}`];
  const does = formatActions(actions);
  // From an interface or a tunnel into the network, by the port.
  if (does.includes(`set_field:${network}->metadata,`) && does.includes(`set_field:${key}->reg14`)) return true;
  const text = `,${formatMatch(match)},`;
  if (!text.includes(`,metadata=${network},`)) return false;
  return (
    drops(actions) ||
    text.includes(`,reg14=${key},`) ||
    text.includes(`,reg15=${key},`) ||
    does.includes(`set_field:${key}->reg15,`)
  );
}
