/** Table numbers. Source: ovn-architecture(7), "Architectural Physical Life Cycle of a Packet", and what ovn-controller 26.03 installs. */
import type { Pipeline } from "./types.ts";

/** Tables of each logical pipeline. */
export const TABLES: Readonly<Record<Pipeline, number>> = { ingress: 34, egress: 16 };

/** OpenFlow tables that logical actions lead to. */
export const OPENFLOW_TABLES = {
  /** First tables of the logical pipelines. */
  ingress: 8,
  egress: 48,
  /** Where `output` leads in the ingress pipeline: towards remote hypervisors and local ports. */
  output: 42,
  /** Where a mirrored packet goes on: delivery to local ports. */
  localOutput: 44,
  /** Where `output` leads in the egress pipeline. */
  logicalToPhysical: 64,
  getMac: 66,
  lookupMac: 67,
  hairpin: 68,
  hairpinReply: 69,
  hairpinSnat: 70,
  getFdb: 71,
  lookupFdb: 72,
  inPortSecurity: 73,
  outPortSecurity: 75,
  ecmpNextHopMac: 76,
  ecmpNextHop: 77,
  lbAffinity: 78,
  macCacheUse: 79,
  ctOriginalIp4: 81,
  ctOriginalIp6: 82,
  ctOriginalPort: 83,
  floodRemote: 84,
  ctStateSave: 85,
  ctOriginalProtocol: 86,
  getRemoteFdb: 87,
} as const;

/** The OpenFlow table of a logical one. */
export function openflowTable(pipeline: Pipeline, table: number): number {
  return (pipeline === "ingress" ? OPENFLOW_TABLES.ingress : OPENFLOW_TABLES.egress) + table;
}
