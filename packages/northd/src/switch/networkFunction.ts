/** Traffic that ACLs send through network functions (ovn-northd(8), "Pre Network Function", "Network Function"). */
import { derive, each, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { type Flow, flow } from "../flow.ts";
import { nb, switches } from "../model/nb.ts";
import { type NetworkFunction, networkFunctionGroup, portOn } from "../model/networkFunction.ts";
import type { SwitchPort } from "../model/switchPort.ts";
import * as s from "../stages.ts";
import { aclsOf } from "./aclModel.ts";
import { COMMIT, NETWORK_FUNCTION_ID, OBSERVED } from "./defaults.ts";

type Direction = "from-lport" | "to-lport";

/** reg8[21]: goes through a network function; reg8[22]: is a request. */
const REQUEST = "reg8[21] == 1 && reg8[22] == 1";
const REPLY = "reg8[21] == 1 && reg8[22] == 0";
const BACK = `reg8[23] = 1; next(pipeline=ingress, table=${s.LS_IN_L2_LKUP.table});`;

/** The groups that the ACLs of a switch name, by direction. */
const groupsOfSwitch = derive(
  "networkFunctionGroupsOfSwitch",
  (datapath: Uuid, read): Readonly<Record<Direction, readonly Uuid[]>> => {
    const groups = { "from-lport": new Set<Uuid>(), "to-lport": new Set<Uuid>() };
    for (const id of aclsOf(datapath, read)) {
      const acl = read(nb.ACL, id);
      if (acl?.network_function_group !== undefined) groups[acl.direction].add(acl.network_function_group);
    }
    return { "from-lport": [...groups["from-lport"]], "to-lport": [...groups["to-lport"]] };
  },
  { equals: sameContent },
);

export const networkFunctions = each("switch/networkFunctions", switches, function* (uuid, _row, read): Iterable<Flow> {
  const groups = read(groupsOfSwitch, uuid);
  const met = new Map<Uuid, Ports>();
  for (const direction of ["from-lport", "to-lport"] as const) {
    const pre = direction === "from-lport" ? s.LS_IN_PRE_NETWORK_FUNCTION : s.LS_OUT_PRE_NETWORK_FUNCTION;
    const redirected = new Set<Uuid>();
    for (const id of groups[direction]) {
      const group = read(networkFunctionGroup, id);
      if (group === undefined) continue;
      const chosen = `${REQUEST} && ${NETWORK_FUNCTION_ID} == ${group.id}`;
      if (group.failOpen) yield flow(uuid, pre, 10, chosen, `reg8[21] = 0; ${NETWORK_FUNCTION_ID} = 0; next;`);
      const { active } = group;
      const input = active === undefined ? undefined : portOn(uuid, active.inport, read);
      const output = active === undefined ? undefined : portOn(uuid, active.outport, read);
      if (active === undefined || input === undefined || output === undefined) continue;
      yield flow(uuid, pre, 99, chosen, `${NETWORK_FUNCTION_ID} = ${active.id}; next;`);
      const ports = { input, output };
      met.set(active.uuid, ports);
      if (!redirected.has(active.uuid)) yield* redirects(uuid, direction, active, ports);
      redirected.add(active.uuid);
    }
  }
  for (const ports of met.values()) yield* passages(uuid, ports);
});

interface Ports {
  readonly input: SwitchPort;
  readonly output: SwitchPort;
}

/** Requests go in by the port of their direction, replies by the other, in the other pipeline. */
function* redirects(uuid: Uuid, direction: Direction, { id }: NetworkFunction, { input, output }: Ports): Iterable<Flow> {
  const request = `${REQUEST} && ${NETWORK_FUNCTION_ID} == ${id}`;
  const reply = `${REPLY} && ct_label.nf_id == ${id}`;
  const [ingress, egress] = direction === "from-lport" ? [request, reply] : [reply, request];
  yield flow(uuid, s.LS_IN_NETWORK_FUNCTION, 99, ingress, `outport = ${input.json}; output;`);
  yield flow(uuid, s.LS_OUT_NETWORK_FUNCTION, 99, egress, `outport = ${output.json}; ${BACK}`);
}

/** What comes out of a network function goes on from where it was sent in. */
function* passages(uuid: Uuid, { input, output }: Ports): Iterable<Flow> {
  const after = `next(pipeline=egress, table=${s.LS_OUT_NETWORK_FUNCTION.table + 1});`;
  yield flow(uuid, s.LS_OUT_PRE_ACL, 110, `inport == ${input.json}`, after);
  for (const { json } of [input, output]) {
    yield flow(uuid, s.LS_IN_NETWORK_FUNCTION, 100, `inport == ${json}`, "reg5[16..31] = ct_label.tun_if_id; next;");
    yield flow(uuid, s.LS_OUT_NETWORK_FUNCTION, 100, `outport == ${json}`, "next;");
    const id = "ct_label.acl_id = reg2[16..31];";
    const tunnel = "ct_label.tun_if_id = reg5[16..31];";
    for (const [observed, what] of [
      [0, `${COMMIT} ${id} ${tunnel}`],
      [1, `${COMMIT} ${id} ${OBSERVED} ${tunnel}`],
    ] as const) {
      yield flow(uuid, s.LS_OUT_STATEFUL, 120, `outport == ${json} && reg0[13] == ${observed}`, `ct_commit { ${what} }; next;`);
    }
  }
}
