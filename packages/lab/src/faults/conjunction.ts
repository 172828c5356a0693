/**
 * The bug of the post "OVN: Where is my packet?": a controller that gives the flow of a conjunction and the clauses of it
 * different ids. It writes port security's check of neighbour advertisements as conjunctions.
 */
import { type FlowMod, flowMod, formatActions, formatMatch, type Message, parseFlow } from "@weft/openflow";
import type { Lab } from "../lab.ts";
import type { Undo } from "./fault.ts";
import type { Miswriting } from "./faultyController.ts";

const NODE = "compute1";
const PORT = "df8a80f8-0cbf-48af-8b32-78377f034797";
/** Ingress port security of ARP and ND (the controller's own table). */
const TABLE = 74;
const PRIORITY = 90;
/** The id that the flow matches, and the one that the clauses have; as in the post. */
const FLOW_ID = 19;
const CLAUSE_ID = 3;

/** For the port with a tunnel key: one flow for each pair of target and MAC becomes two clauses and the flow where they meet. */
function wrongIds(key: number): Miswriting {
  const inport = `reg14=0x${key.toString(16)},`;
  return (message) => {
    if (message.type !== "flow_mod" || message.table !== TABLE || message.priority !== PRIORITY) return [message];
    const match = formatMatch(message.match);
    if (!match.includes(inport) || !match.includes("icmp_type=136")) return [message];
    // What it finds of its own making after a restart it takes for right.
    if (message.command === "delete_strict") return [];
    return conjunctionOf(message, match) ?? [message];
  };
}

/** Undefined: the flow is for no such pair. */
function conjunctionOf({ newCookie, actions }: FlowMod, match: string): readonly Message[] | undefined {
  const [, common, target, mac] = /^(.*),(nd_target=[^,]+),(nd_tll=[^,]+)$/.exec(match) ?? [];
  if (common === undefined || target === undefined || mac === undefined) return undefined;
  return [
    addition(`${common},${target}`, `conjunction(${CLAUSE_ID},1/2)`, 0n),
    addition(`${common},${mac}`, `conjunction(${CLAUSE_ID},2/2)`, 0n),
    addition(`conj_id=${FLOW_ID},${common}`, formatActions(actions), newCookie),
  ];
}

function addition(matchText: string, actionsText: string, newCookie: bigint): Message {
  const { match, actions } = parseFlow(`${matchText},actions=${actionsText}`);
  return flowMod({ command: "add", table: TABLE, priority: PRIORITY, match, actions, newCookie });
}

export async function wrongConjunction(lab: Lab): Promise<Undo> {
  const key = Number((await lab.capture("central", `ovn-sbctl get Port_Binding ${PORT} tunnel_key`)).trim());
  const fault = wrongIds(key);
  const { controllerFaults } = lab.node(NODE);
  controllerFaults.add(fault);
  // It leaves flows alone that it finds as it wants them.
  await lab.run(NODE, `ovs-ofctl del-flows br-int table=${TABLE}`);
  await lab.restartController(NODE);
  // What the guest's neighbour knows already would work on for half a minute.
  await lab.run("leaf", "ip neigh flush dev eth1");
  return async () => {
    controllerFaults.delete(fault);
    await lab.restartController(NODE);
  };
}
