/** Actions of logical flows, parsed once for each distinct text. */
import { derive, index } from "@weft/incremental";
import { type DhcpOptionType, encodeEverywhere, LogicalError, type ParsedActions, parseActions } from "@weft/logical";
import type { Action } from "@weft/openflow";
import type { Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";
import { sb } from "../model/inputs.ts";

const dhcpOptionsByName = index<string, Uuid, SbRow<"DHCP_Options">>("dhcpOptionsByName", sb.DHCP_Options, (row) => [row.name]);
const dhcpv6OptionsByName = index<string, Uuid, SbRow<"DHCPv6_Options">>("dhcpv6OptionsByName", sb.DHCPv6_Options, (row) => [
  row.name,
]);

const dhcpOption = derive<string, DhcpOptionType | undefined>("dhcpOption", (name, read) => {
  const uuid = read(dhcpOptionsByName, name)[0];
  return uuid === undefined ? undefined : read(sb.DHCP_Options, uuid);
});

const dhcpv6Option = derive<string, DhcpOptionType | undefined>("dhcpv6Option", (name, read) => {
  const uuid = read(dhcpv6OptionsByName, name)[0];
  return uuid === undefined ? undefined : read(sb.DHCPv6_Options, uuid);
});

/** Actions of logical flows, and what they become where that is the same for all flows. */
export interface FlowActions extends ParsedActions {
  readonly encoded: readonly Action[] | undefined;
}

export type Parsed = FlowActions | { readonly error: LogicalError };

export function actionsKey(pipeline: "ingress" | "egress", table: number, text: string): string {
  return `${pipeline} ${table} ${text}`;
}

export const parsedActions = derive<string, Parsed>("parsedActions", (key, read) => {
  const first = key.indexOf(" ");
  const second = key.indexOf(" ", first + 1);
  const pipeline = key.startsWith("ingress") ? "ingress" : "egress";
  try {
    const parsed = parseActions(key.slice(second + 1), {
      pipeline,
      table: Number(key.slice(first + 1, second)),
      dhcpOption: (name) => read(dhcpOption, name),
      dhcpv6Option: (name) => read(dhcpv6Option, name),
    });
    return { ...parsed, encoded: encodeEverywhere(parsed.actions, pipeline) };
  } catch (error) {
    if (error instanceof LogicalError) return { error };
    throw error;
  }
});
