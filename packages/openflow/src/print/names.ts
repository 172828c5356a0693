/** The names of messages: "OFPT_FLOW_MOD", "NXST_FLOW reply". */
import type { MessageType } from "../message/types.ts";
import type { Where } from "../wire/codecRow.ts";

/** Where the name is not the type in capitals. */
const STANDARD: Partial<Record<MessageType, string>> = {
  bundle_add: "BUNDLE_ADD_MESSAGE",
  queue_config_request: "QUEUE_GET_CONFIG_REQUEST",
  queue_config_reply: "QUEUE_GET_CONFIG_REPLY",
};
const NICIRA: Partial<Record<MessageType, string>> = { set_async: "SET_ASYNC_CONFIG" };
const STATS: ReadonlyMap<string, string> = new Map([
  ["flow_stats", "FLOW"],
  ["aggregate_stats", "AGGREGATE"],
  ["table_stats", "TABLE"],
  ["port_stats", "PORT"],
  ["queue_stats", "QUEUE"],
  ["group_stats", "GROUP"],
  ["meter_stats", "METER"],
  ["queue_config", "QUEUE_DESC"],
  ["ipfix_bridge_stats", "IPFIX_BRIDGE"],
  ["ipfix_flow_stats", "IPFIX_FLOW"],
]);

/** The name of a message at its place. */
export function messageName(type: MessageType, where: Where): string {
  switch (where.place) {
    case "standard":
      return `OFPT_${STANDARD[type] ?? type.toUpperCase()}`;
    case "nx":
      if (type === "packet_in" && where.number === 30) return "NXT_PACKET_IN2";
      if (type === "set_async" && where.number === 27) return "NXT_SET_ASYNC_CONFIG2";
      return `NXT_${NICIRA[type] ?? type.toUpperCase()}`;
    case "onf":
      return `ONFT_${STANDARD[type] ?? type.toUpperCase()}`;
  }
  const [, base, direction] = /^(.*)_(request|reply)$/.exec(type)!;
  const prefix = where.place.startsWith("nx-") ? "NXST" : where.place.startsWith("onf-") ? "ONFST" : "OFPST";
  return `${prefix}_${STATS.get(base!) ?? base!.toUpperCase()} ${direction}`;
}

/** "" for OpenFlow 1.0, " (OF1.3)" for 1.3. */
export function versionSuffix(version: number): string {
  return version === 1 ? "" : ` (OF1.${version - 1})`;
}
