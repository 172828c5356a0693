/**
 * The bug of the post "OVN: Where is my packet?": a controller that wrote the flow of a conjunction and the clauses of it
 * with different ids. Port security's check of neighbour advertisements is written as such a controller would have.
 */
import { WeftError } from "@weft/runtime";
import type { Lab } from "../lab.ts";
import { runSteps, type Undo } from "./fault.ts";

const NODE = "compute1";
const PORT = "df8a80f8-0cbf-48af-8b32-78377f034797";
/** Ingress port security of ARP and ND (the controller's own table). */
const TABLE = 74;
/** The id that the flow matches, and the one that the clauses have; as in the post. */
const FLOW_ID = 19;
const CLAUSE_ID = 3;

interface Advertisement {
  readonly cookie: string;
  readonly match: string;
  readonly actions: string;
  /** The fields that all of them have. */
  readonly common: string;
  readonly target: string;
  readonly mac: string;
}

/** The flows that let a guest's neighbour advertisements pass: one for each pair of target and MAC. */
async function advertisements(lab: Lab): Promise<Advertisement[]> {
  const key = (await lab.capture("central", `ovn-sbctl get Port_Binding ${PORT} tunnel_key`)).trim();
  const dump = await lab.capture(NODE, `ovs-ofctl dump-flows br-int table=${TABLE},icmp6,icmp_type=136`);
  const flow = /cookie=(0x[0-9a-f]+),.* priority=90,(\S+) actions=(\S+)/;
  const inport = `reg14=0x${Number(key).toString(16)},`;
  const found = dump.split("\n").flatMap((line) => {
    const [, cookie = "", match = "", actions = ""] = flow.exec(line) ?? [];
    const [, common = "", target = "", mac = ""] = /^(.*),(nd_target=[^,]+),(nd_tll=[^,]+)$/.exec(match) ?? [];
    return common.includes(inport) ? [{ cookie, match, actions, common, target, mac }] : [];
  });
  if (found.length === 0)
    throw new WeftError("lab.no-fault", `${NODE}: no flow of table ${TABLE} checks advertisements of ${PORT}`);
  return found;
}

export async function wrongConjunction(lab: Lab): Promise<Undo> {
  const flows = await advertisements(lab);
  const { cookie, common, actions } = flows[0]!;
  const start = `table=${TABLE},priority=90`;
  const clauses = [flows.map(({ target }) => target), flows.map(({ mac }) => mac)].flatMap((values, i) =>
    [...new Set(values)].map((value) => `${start},${common},${value},actions=conjunction(${CLAUSE_ID},${i + 1}/2)`),
  );
  const added = [...clauses, `cookie=${cookie},${start},conj_id=${FLOW_ID},${common},actions=${actions}`];
  await runSteps(lab, [
    ...flows.map(({ match }) => ({ node: NODE, run: `ovs-ofctl del-flows --strict br-int "${start},${match}"` })),
    ...added.map((flow) => ({ node: NODE, run: `ovs-ofctl add-flow br-int "${flow}"` })),
    // What the guest's neighbour knows already would work on for half a minute.
    { node: "leaf", run: "ip neigh flush dev eth1" },
  ]);
  return () => lab.restartController(NODE);
}
