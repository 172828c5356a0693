/** Do the logical flows parse? What does not is installed nowhere. */
import { LogicalError, type Pipeline, parseActions, parseMatch } from "@weft/logical";
import type { SbRow } from "@weft/schemas";
import type { Cloud } from "../cloud/cloud.ts";
import type { Provenance } from "../provenance/provenance.ts";
import type { Finding } from "./findings.ts";

export function* verifyLogicalFlows({ sb }: Cloud, provenance: Provenance): Generator<Finding> {
  if (sb === undefined) return;
  const dhcpv4 = optionsOf([...sb.table("DHCP_Options").rows()]);
  const dhcpv6 = optionsOf([...sb.table("DHCPv6_Options").rows()]);
  const sets = new Map([...sb.table("Address_Set").rows()].map((row) => [row.name, row.addresses]));
  const groups = portGroups([...sb.table("Port_Group").rows()]);
  const names = { addressSet: (name: string) => sets.get(name), portGroup: (name: string) => groups.get(name) };
  const good = new Set<string>();
  for (const row of sb.table("Logical_Flow").rows()) {
    const problem = good.has(row.match)
      ? undefined
      : problemOf("match", row.match, () => {
          parseMatch(row.match, names);
          good.add(row.match);
        });
    const pipeline: Pipeline = row.pipeline === "egress" ? "egress" : "ingress";
    const bad =
      problem ??
      problemOf("actions", row.actions, () => {
        parseActions(row.actions, {
          pipeline,
          table: Number(row.table_id),
          dhcpOption: (name) => dhcpv4.get(name),
          dhcpv6Option: (name) => dhcpv6.get(name),
        });
      });
    if (bad === undefined) continue;
    const { text, rows } = provenance.ofLogicalFlow(row);
    yield { code: "flow-does-not-parse", subject: `logical flow ${row._uuid.slice(0, 8)}`, detail: `${bad}; ${text}`, rows };
  }
}

function problemOf(what: string, text: string, parse: () => void): string | undefined {
  try {
    parse();
    return undefined;
  } catch (error) {
    if (!(error instanceof LogicalError)) throw error;
    return `its ${what} ${JSON.stringify(text)}: ${error.message}`;
  }
}

function optionsOf(
  rows: readonly { readonly name: string; readonly code: number; readonly type: string }[],
): ReadonlyMap<string, { readonly code: number; readonly type: string }> {
  return new Map(rows.map(({ name, code, type }) => [name, { code, type }]));
}

/** By name, with and without the datapath's number that northd puts in front ("3_web"). */
function portGroups(rows: readonly SbRow<"Port_Group">[]): ReadonlyMap<string, readonly string[]> {
  return new Map(rows.flatMap(({ name, ports }) => [[name, ports] as const, [name.replace(/^\d+_/, ""), ports] as const]));
}
