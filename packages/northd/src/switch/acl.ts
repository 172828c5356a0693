/** Access control lists: hints, evaluation, verdicts (ovn-northd(8), the ACL tables). */
import { each, type Read } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { NbRow } from "@weft/schemas";
import { type Flow, flow, quoted } from "../flow.ts";
import { balancesStateless } from "../model/balancers.ts";
import { metered, metersByName } from "../model/copp.ts";
import { globals } from "../model/globals.ts";
import { aclId, nb, switches } from "../model/nb.ts";
import { networkFunctionGroup } from "../model/networkFunction.ts";
import type { DatapathSet } from "../output/datapathSet.ts";
import * as s from "../stages.ts";
import { type AclPlace, type AclTraits, aclSwitches, aclTraits, placeOf } from "./aclModel.ts";
import { establishedPoint, observe, sampleFlows } from "./aclSample.ts";
import { NETWORK_FUNCTION_ID, TOO_BIG } from "./defaults.ts";

type Acl = NbRow<"ACL">;

const evalStage: Readonly<Record<AclPlace, s.Stage>> = {
  ingress: s.LS_IN_ACL_EVAL,
  afterLb: s.LS_IN_ACL_AFTER_LB_EVAL,
  egress: s.LS_OUT_ACL_EVAL,
};
const actionStage: Readonly<Record<AclPlace, s.Stage>> = {
  ingress: s.LS_IN_ACL_ACTION,
  afterLb: s.LS_IN_ACL_AFTER_LB_ACTION,
  egress: s.LS_OUT_ACL_ACTION,
};
const places: readonly AclPlace[] = ["ingress", "afterLb", "egress"];

const ALLOW = "reg8[16] = 1; ";
const DROP = "reg8[17] = 1; ";
const REJECT = "reg8[18] = 1; ";
const TIER = "reg8[30..31]";
/** Priorities of ACLs begin here. */
const OFFSET = 1000;

/** The flows of a switch that only depend on what kinds of ACLs it has. */
export const aclFrame = each("switch/aclFrame", switches, function* (uuid, _row, read): Iterable<Flow> {
  const traits = read(aclTraits, uuid);
  const { useCtInvMatch, defaultAclDrop, aclCtTranslation } = read(globals, "");
  yield* hints(uuid, traits);
  if (traits.stateful) yield* preAcl(uuid, aclCtTranslation);
  for (const place of places) yield* verdicts(uuid, place, traits, defaultAclDrop, metered(uuid, "reject", read));
  const neighbours = "nd || nd_ra || nd_rs || mldv1 || mldv2";
  for (const place of places) yield flow(uuid, evalStage[place], 65532, neighbours, `${ALLOW}next;`);
  if (traits.any || traits.balanced) {
    yield flow(uuid, s.LS_IN_ACL_EVAL, 34000, "eth.dst == $svc_monitor_mac", `${ALLOW}next;`);
    yield flow(uuid, s.LS_OUT_ACL_EVAL, 34000, "eth.src == $svc_monitor_mac", `${ALLOW}next;`);
  }
  if (traits.tracked) {
    yield* established(uuid, useCtInvMatch && !read(balancesStateless, uuid) ? "ct.inv || " : "");
    for (const stage of [s.LS_IN_ACL_EVAL, s.LS_OUT_ACL_EVAL]) {
      yield flow(uuid, stage, 1, "ip && !ct.est", "next;");
      yield flow(uuid, stage, 1, "ip && ct.est && ct_mark.blocked == 1", `${ALLOW}next;`);
    }
    yield flow(uuid, s.LS_IN_ACL_AFTER_LB_EVAL, 65532, "reg0[17] == 1", `${ALLOW}next;`);
    yield flow(uuid, s.LS_IN_ACL_AFTER_LB_EVAL, 65532, "reg0[21] == 1", `${ALLOW}next;`);
  }
});

function* hints(uuid: Uuid, { any, tracked }: AclTraits): Iterable<Flow> {
  for (const stage of [s.LS_IN_ACL_HINT, s.LS_OUT_ACL_HINT]) {
    if (!any && !tracked) {
      yield flow(uuid, stage, 65535, "1", "next;");
      continue;
    }
    yield flow(uuid, stage, 0, "1", "next;");
    if (!tracked) continue;
    // reg0[7]: may have to commit a new connection; reg0[8]: may be allowed as it is; reg0[9]: may be dropped;
    // reg0[10]: may be dropped although the connection was allowed.
    yield flow(uuid, stage, 7, "ct.new && !ct.est", "reg0[7] = 1; reg0[9] = 1; reg0[1] = 1; next;");
    yield flow(
      uuid,
      stage,
      6,
      "!ct.new && ct.est && !ct.rpl && ct_mark.blocked == 1",
      "reg0[7] = 1; reg0[9] = 1; reg0[1] = 1; next;",
    );
    yield flow(uuid, stage, 5, "!ct.trk", "reg0[8] = 1; reg0[9] = 1; next;");
    yield flow(uuid, stage, 4, "!ct.new && ct.est && !ct.rpl && ct_mark.blocked == 0", "reg0[8] = 1; reg0[10] = 1; next;");
    yield flow(uuid, stage, 3, "!ct.est", "reg0[9] = 1; next;");
    yield flow(uuid, stage, 2, "ct.est && ct_mark.blocked == 1", "reg0[9] = 1; next;");
    yield flow(uuid, stage, 1, "ct.est && ct_mark.blocked == 0", "reg0[10] = 1; next;");
  }
}

function* preAcl(uuid: Uuid, multicastToo: boolean): Iterable<Flow> {
  const untracked = "nd || nd_rs || nd_ra || mldv1 || mldv2 || (udp && udp.src == 546 && udp.dst == 547)";
  yield flow(uuid, s.LS_IN_PRE_ACL, 110, `${TOO_BIG} && flags.tunnel_rx == 1`, "next;");
  for (const stage of [s.LS_IN_PRE_ACL, s.LS_OUT_PRE_ACL]) {
    yield flow(uuid, stage, 110, untracked, "next;");
    if (!multicastToo) yield flow(uuid, stage, 110, "eth.mcast", "next;");
    yield flow(uuid, stage, 100, "ip", "reg0[0] = 1; next;");
  }
}

function* verdicts(
  uuid: Uuid,
  place: AclPlace,
  traits: AclTraits,
  defaultDrop: boolean,
  rejected: { readonly meter: string | undefined },
): Iterable<Flow> {
  const stage = actionStage[place];
  if (!traits.any) {
    if (traits.balanced) yield flow(uuid, evalStage[place], 0, "1", "next;");
    else if (place !== "afterLb") yield flow(uuid, evalStage[place], 65535, "1", "next;");
    yield flow(uuid, stage, 0, "1", "next;");
    return;
  }
  const tiers = traits.tiers[place];
  const clear = `reg8[16] = 0; reg8[17] = 0; reg8[18] = 0; ${tiers > 0 ? `${TIER} = 0; ` : ""}`;
  const back =
    place === "egress"
      ? `next(pipeline=ingress,table=${s.LS_IN_L2_LKUP.table})`
      : `next(pipeline=egress,table=${s.LS_OUT_QOS.table})`;
  yield flow(uuid, evalStage[place], 0, "1", "next;");
  yield flow(uuid, stage, 1000, "reg8[16] == 1", `${clear}next;`);
  yield flow(uuid, stage, 1000, "reg8[17] == 1", `${clear}/* drop */`);
  yield flow(
    uuid,
    stage,
    1000,
    "reg8[18] == 1",
    `${clear}reg0 = 0; reject { /* eth.dst <-> eth.src; ip.dst <-> ip.src; is implicit. */ outport <-> inport; ${back}; };`,
    rejected,
  );
  for (let tier = 0; tier < tiers; tier++) {
    const evaluate = evalStage[place];
    yield flow(
      uuid,
      stage,
      500,
      `${TIER} == ${tier}`,
      `${TIER} = ${tier + 1}; next(pipeline=${evaluate.pipeline},table=${evaluate.table});`,
    );
  }
  yield flow(uuid, stage, 0, "1", defaultDrop ? `${clear}/* drop */` : `${clear}next;`);
}

/** Replies and related traffic of allowed connections pass, invalid traffic does not. */
function* established(uuid: Uuid, invalid: string): Iterable<Flow> {
  const related = "!ct.est && ct.rel && !ct.new && ct_mark.blocked == 0";
  const directions = [
    {
      stage: s.LS_IN_ACL_EVAL,
      reply: "reg0[9] = 0; reg0[10] = 0; reg0[17] = 1; ",
      related: "reg0[17] = 1; ",
      known: "reg0[21] = 1; ",
    },
    { stage: s.LS_OUT_ACL_EVAL, reply: "", related: "", known: "" },
  ];
  for (const { stage, reply, related: mark, known } of directions) {
    const network = "reg8[21] = ct_label.nf; ";
    yield flow(uuid, stage, 65532, `${invalid}(ct.est && ct.rpl && ct_mark.blocked == 1)`, `${DROP}next;`);
    yield flow(uuid, stage, 65532, "ct.est && !ct.rel && ct.rpl && ct_mark.blocked == 0", `${reply}${network}${ALLOW}next;`);
    yield flow(uuid, stage, 65532, related, `${mark}${network}${ALLOW}ct_commit_nat;`);
    yield flow(uuid, stage, 65532, "ct.est && ct_mark.allow_established == 1", `${known}${network}${ALLOW}next;`);
  }
}

/** The flows of the ACLs themselves. */
export const acls = each("switch/acls", nb.ACL, function* (uuid, acl, read): Iterable<Flow> {
  for (const { switches, traits } of aclSwitches(uuid, read)) yield* aclFlows(switches, acl, traits, read);
});

function* aclFlows(switches: DatapathSet, acl: Acl, traits: AclTraits, read: Read): Iterable<Flow> {
  const place = placeOf(acl);
  const stage = evalStage[place];
  const priority = acl.priority + OFFSET;
  const own = { hint: acl._uuid };
  const tier = traits.tiers[place] > 0 ? `${TIER} == ${acl.tier} && ` : "";
  const log = logAction(acl, read);
  const match = `(${acl.match})`;
  const verdict = verdictOf[acl.action];
  const tracked = traits.tracked && acl.action !== "allow-stateless" && acl.action !== "pass";
  const commits = tracked && (acl.action === "allow" || acl.action === "allow-related");
  const label = observe(acl, place, commits, read);
  if (acl.action === "allow-stateless" && traits.tracked) {
    const pre = place === "egress" ? s.LS_OUT_PRE_ACL : s.LS_IN_PRE_ACL;
    yield flow(switches, pre, priority, acl.match, "reg0[16] = 1; next;", own);
  }
  const state = read(globals, "").aclCtTranslation ? { ...own, translated: true } : own;
  if (!tracked) {
    // Without connection tracking nothing can come back through a network function: such an ACL is none.
    if (acl.action === "allow-stateless" && acl.network_function_group !== undefined) return;
    yield flow(switches, stage, priority, `${tier}${match}`, `${log}${verdict}${label}next;`, own);
  } else if (commits) {
    const through = networkFunctionAction(acl, read);
    const commit = through !== "" || acl.label !== 0 || establishedPoint(acl, read) !== 0 ? "reg0[1] = 1; " : "";
    const persist = persistAction(acl, read);
    yield flow(
      switches,
      stage,
      priority,
      `${tier}reg0[7] == 1 && ${match}`,
      `${log}${ALLOW}${persist}${label}${through}next;`,
      state,
    );
    yield flow(
      switches,
      stage,
      priority,
      `${tier}reg0[8] == 1 && ${match}`,
      `${log}${ALLOW}${commit}${label}${through}next;`,
      state,
    );
    yield* logReplies(switches, acl, place, log);
  } else {
    yield flow(switches, stage, priority, `${tier}reg0[9] == 1 && ${match}`, `${log}${verdict}${label}next;`, state);
    const block = `ct_commit { ct_mark.blocked = 1; ct_label.obs_point_id = ${establishedPoint(acl, read)}; }; next;`;
    yield flow(switches, stage, priority, `${tier}reg0[10] == 1 && ${match}`, `${log}${verdict}${label}${block}`, state);
  }
  yield* sampleFlows(switches, acl, place, traits.stateful && acl.action !== "allow-stateless", read);
}

/** Sends requests through a network function, and marks the connection so that replies go there too. */
function networkFunctionAction({ network_function_group }: Acl, read: Read): string {
  const group = network_function_group === undefined ? undefined : read(networkFunctionGroup, network_function_group);
  return group === undefined ? "" : `reg8[21] = 1; reg8[22] = 1; ${NETWORK_FUNCTION_ID} = ${group.id}; `;
}

/** Marks the connection as allowed whatever ACLs say later, with the number by which a chassis finds it when the ACL goes. */
function persistAction(acl: Acl, read: Read): string {
  const id = read(aclId, acl._uuid);
  return id === undefined ? "" : `reg2[16..31] = ${id}; reg0[20] = 1; `;
}

/** Replies and related packets know their ACL by its label only. */
function* logReplies(switches: DatapathSet, acl: Acl, place: AclPlace, log: string): Iterable<Flow> {
  if (log === "" || acl.label === 0 || acl.options.get("log-related") !== "true") return;
  const stage = place === "egress" ? s.LS_IN_ACL_EVAL : s.LS_OUT_ACL_EVAL;
  const actions = `${log}reg8[21] = ct_label.nf; ${ALLOW}next;`;
  const labelled = `ct_mark.blocked == 0 && ct_label.label == ${acl.label}`;
  for (const match of ["ct.est && !ct.rel && ct.rpl", "!ct.est && ct.rel && !ct.new"]) {
    yield flow(switches, stage, 65533, `${match} && ${labelled}`, actions, { hint: acl._uuid });
  }
}

const verdictOf: Readonly<Record<Acl["action"], string>> = {
  allow: ALLOW,
  "allow-related": ALLOW,
  "allow-stateless": ALLOW,
  drop: DROP,
  reject: REJECT,
  pass: "",
};

function logAction(acl: Acl, read: Read): string {
  if (!acl.log) return "";
  const verdict = acl.action.startsWith("allow") ? "allow" : acl.action;
  const parts = acl.name === undefined ? [] : [`name=${quoted(acl.name)}`];
  parts.push(`severity=${acl.severity ?? "info"}`, `verdict=${verdict}`);
  if (acl.meter !== undefined) parts.push(`meter=${quoted(logMeter(acl.meter, acl._uuid, read))}`);
  return `log(${parts.join(", ")}); `;
}

/** An ACL has a copy of a fair meter to itself. */
export function logMeter(meter: string, acl: Uuid, read: Read): string {
  const row = read(metersByName, meter)[0];
  return row !== undefined && read(nb.Meter, row)?.fair === true ? `${meter}__${acl}` : meter;
}
