/** Why a packet did not arrive: the row, and what would let it pass. */
import type { Opcode } from "@weft/logical";
import type { Cause, FlowStep, Station } from "./steps.ts";

type Dropped = Extract<Station, { kind: "dropped" }>;

/** Actions of ovn-sb(5) that put a refusal in the place of a packet. */
const REFUSALS: ReadonlySet<string> = new Set([
  "reject",
  "tcp_reset",
  "sctp_abort",
  "icmp",
  "icmp4_error",
  "icmp6_error",
] satisfies Opcode[]);

const LOG = "log" satisfies Opcode;

/** A refused packet is dropped, too, and one of which only the log hears. `isLast`: nothing more became of it. */
function asDrop(station: Station | undefined, isLast: boolean): Dropped | undefined {
  // A switch that has nothing to do with a packet that is for another one at the same wire.
  if (station?.kind === "dropped") return station.by?.flow?.endsWith("actions=NORMAL") === true ? undefined : station;
  if (station?.kind !== "controller" || station.by === undefined) return undefined;
  const { node, by } = station;
  if (REFUSALS.has(station.action ?? "")) return { kind: "dropped", node, by, reason: `ovn-controller on ${node} refuses it` };
  return station.action === LOG && isLast ? { kind: "dropped", node, by, reason: "it is logged and dropped" } : undefined;
}

/** The cause as the stations of one packet tell it; undefined: nothing was dropped. */
export function causeOf(stations: readonly Station[]): Cause | undefined {
  const last = stations.findLastIndex(({ kind }) => kind !== "controller-says");
  const at = stations.findLastIndex((station, i) => asDrop(station, i === last) !== undefined);
  const drop = asDrop(stations[at], at === last);
  if (drop === undefined) return undefined;
  const refused = stations[at]?.kind === "controller";
  const before = stations
    .slice(0, at)
    .flatMap((station) => (station.kind === "switch" && station.node === drop.node ? station.flows : []));
  const { node, by } = drop;
  if (by === undefined) {
    const code = drop.reason.includes("MTU") ? "mtu" : drop.reason.includes("tunnel address") ? "tunnel-end-unknown" : "dropped";
    return { code, node, text: drop.reason };
  }
  for (const rule of RULES) {
    if (!rule.applies(by)) continue;
    const cause = rule.cause(drop, by, before);
    if (cause !== undefined) return { node, flow: by, ...cause };
  }
  return {
    code: refused ? "refused" : "dropped",
    node,
    text: `${drop.reason}: ${by.origin ?? by.flow ?? `table ${by.table} of ${by.bridge}`}`,
    flow: by,
  };
}

type Found = Pick<Cause, "code" | "text"> & Partial<Pick<Cause, "northbound" | "flow">>;

interface Rule {
  applies(by: FlowStep): boolean;
  /** Undefined: another rule is to say. */
  cause(drop: Dropped, by: FlowStep, before: readonly FlowStep[]): Found | undefined;
}

const inStage =
  (pattern: RegExp) =>
  ({ stage }: FlowStep): boolean =>
    stage !== undefined && pattern.test(stage);

/** Stages as in ovn-northd(8). The first rule that applies and has a cause is right. */
const RULES: readonly Rule[] = [
  {
    applies: inStage(/_acl(_|$)/),
    cause({ reason }, by, before) {
      const decided = [...before, by].findLast(
        (flow) => flow.northbound?.table === "ACL" && /_acl(_after_lb)?_eval/.test(flow.stage ?? ""),
      );
      if (decided?.northbound === undefined) return { code: "acl", text: "no ACL allows it, and the default is to drop" };
      const does = reason.endsWith("refuses it") ? "refuses" : "drops";
      return { code: "acl", text: `${decided.northbound.text} ${does} it`, northbound: decided.northbound, flow: decided };
    },
  },
  {
    // Flows of a port that drop all of its packets (ovn-northd(8), Admission Control, Destination Lookup).
    applies: (by) => by.northbound?.table === "Logical_Switch_Port" && inStage(/ls_in_check_port_sec|ls_in_l2_lkup/)(by),
    cause: (_drop, { northbound }) =>
      northbound === undefined ? undefined : { code: "port-disabled", text: `${northbound.text} is disabled`, northbound },
  },
  {
    applies: inStage(/ls_(in|out)_apply_port_sec|ls_in_check_port_sec|ls_out_check_port_sec/),
    cause(_drop, by, before) {
      const check = [...before].reverse().find(({ table }) => PORT_SECURITY_TABLES.has(table));
      const direction = by.stage?.startsWith("ls_in") === true ? "the sender's" : "the receiver's";
      const whose = check?.origin === undefined ? "" : ` (${check.origin})`;
      return {
        code: "port-security",
        text: `${direction} port security${whose} does not allow these addresses`,
        ...(by.northbound === undefined ? {} : { northbound: by.northbound }),
      };
    },
  },
  {
    applies: ({ stage, northbound }) => northbound?.table === "Load_Balancer" && /_lb|_dnat/.test(stage ?? ""),
    cause: (_drop, { northbound }) =>
      northbound === undefined ? undefined : { code: "no-backend", text: `${northbound.text} has no backend for it`, northbound },
  },
  {
    applies: (by) => by.northbound?.table === "Logical_Router_Static_Route" && inStage(/lr_in_ip_routing/)(by),
    cause: (_drop, { northbound }) =>
      northbound === undefined ? undefined : { code: "discard-route", text: `${northbound.text} throws it away`, northbound },
  },
  {
    applies: inStage(/lr_in_ip_routing/),
    cause: () => ({ code: "no-route", text: "the router has no route to the destination" }),
  },
  {
    applies: inStage(/lr_in_policy/),
    cause: (_drop, { northbound }) =>
      northbound === undefined ? undefined : { code: "routing-policy", text: `${northbound.text} drops it`, northbound },
  },
  {
    applies: inStage(/lr_in_arp_re(solve|quest)/),
    cause: () => ({
      code: "neighbour-unknown",
      text: "the router does not know the Ethernet address of the next hop: it asks, and the packet waits or is dropped",
    }),
  },
  {
    applies: inStage(/ls_in_l2_unknown/),
    cause(_drop, _by, before) {
      const learned = before.findLast(
        ({ origin }) => origin?.startsWith("neighbour ") === true && origin.includes(", learned on "),
      );
      if (learned?.origin === undefined) return undefined;
      const text = `the router sends it to an Ethernet address that no port of the switch has: ${learned.origin}`;
      return { code: "neighbour-wrong", text, flow: learned };
    },
  },
  {
    applies: inStage(/ls_in_l2_unknown/),
    cause: () => ({
      code: "destination-unknown",
      text: "no port of the switch has the destination's Ethernet address, and none takes unknown ones",
    }),
  },
  {
    applies: ({ bridge, table, flow }) => bridge === "br-int" && table === 0 && flow === undefined,
    cause: (drop) => ({
      code: "port-unbound",
      text: `${drop.node} has no flow for the interface: its port is bound elsewhere, to nobody, or disabled`,
    }),
  },
  {
    applies: ({ table, flow, origin }) => DELIVERY_TABLES.has(table) && (flow === undefined || origin === undefined),
    cause({ towards, node }) {
      if (towards?.type === "localnet")
        return {
          code: "network-unmapped",
          text: `localnet port ${towards.port} has no physical network on ${node}: external_ids:ovn-bridge-mappings names no bridge for it`,
        };
      const which = towards === undefined ? "the destination's port" : `port ${towards.port}`;
      return { code: "port-unbound", text: `${which} is on no hypervisor that ${node} knows a way to` };
    },
  },
  {
    applies: ({ bridge, flow, origin, cookie }) =>
      bridge === "br-int" && flow !== undefined && origin === undefined && cookie !== "0x0",
    cause: (_drop, { flow }) => ({
      code: "foreign-flow",
      text: `a flow that no row of the southbound database has made drops it: ${flow}`,
    }),
  },
];

/** OpenFlow tables of ovn-architecture(7): port security, and delivery to ports here and elsewhere. */
const PORT_SECURITY_TABLES = new Set([73, 74, 75]);
const DELIVERY_TABLES = new Set([42, 43, 44, 45, 46, 47, 64, 65]);
