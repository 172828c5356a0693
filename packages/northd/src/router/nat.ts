/** Translation of addresses: unSNAT and DNAT on the way in, unDNAT and SNAT on the way out (ovn-northd(8)). */
import { each } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { type Flow, flow } from "../flow.ts";
import { chassisFeature } from "../model/chassis.ts";
import { forcedSnat } from "../model/forcedSnat.ts";
import { globals } from "../model/globals.ts";
import { type Nat, nats } from "../model/nat.ts";
import { routers } from "../model/nb.ts";
import { residence } from "../model/routerPort.ts";
import {
  LR_IN_DNAT,
  LR_IN_UNSNAT,
  LR_OUT_CHK_DNAT_LOCAL,
  LR_OUT_POST_SNAT,
  LR_OUT_POST_UNDNAT,
  LR_OUT_SNAT,
  LR_OUT_UNDNAT,
  type Stage,
} from "../stages.ts";

/** Rules with a match of their own come before all others. */
const MATCHED = 300;
/** Rules of distributed gateway ports come before those of gateway routers, which know no port. */
const ON_PORT = 128;

export const nat = each("router/nat", routers, function* (uuid, row, read): Iterable<Flow> {
  const gatewayRouter = row.options.has("chassis");
  const { ip4, ip6 } = read(forcedSnat, uuid);
  const forced = gatewayRouter && (ip4 !== undefined || ip6 !== undefined);
  const zoned = read(chassisFeature, "ct_commit_to_zone") && read(chassisFeature, "ct_next_zone");
  const tracked = zoned && row.options.get("ct-commit-all") !== "true";
  const common = read(globals, "").useCommonZone;
  // Without a gateway there is no chassis to track their connections.
  const rules = read(nats, uuid).rules.filter(({ gateway }) => gatewayRouter || gateway !== undefined);
  if (common && rules.length > 0) yield flow(uuid, LR_OUT_CHK_DNAT_LOCAL, 50, "ip && ct_mark.natted == 1", NATTED_HERE);
  for (const rule of rules) {
    if (common && rule.gateway !== undefined) yield toOwn(uuid, rule);
    if (rule.type !== "dnat") yield* snat(uuid, rule, tracked, common);
    if (rule.type !== "snat") yield* dnat(uuid, rule, forced, common);
  }
});

const NATTED_HERE = "reg9[4] = 1; next;";

/** What is sent to a translated address here is translated twice, the second time in the zone for SNAT. */
function toOwn(router: Uuid, { family, external, gateway, distributed, uuid }: Nat): Flow {
  const central = gateway === undefined ? "" : residence(gateway);
  const here = distributed === undefined ? central : ` && is_chassis_resident(${distributed.portJson})`;
  const match = `ip && ip${family}.dst == ${external}${here}`;
  return flow(router, LR_OUT_CHK_DNAT_LOCAL, 50, match, NATTED_HERE, { hint: uuid });
}

/** No reply, as far as is known. */
const UNREPLIED = " && (!ct.trk || !ct.rpl)";

/** A match on the gateway port, and on the chassis that handles the rule. */
function at(rule: Nat, direction: "inport" | "outport", distributed: "anywhere" | "where the port is"): string {
  if (rule.gateway === undefined) return "";
  const on = ` && ${direction} == ${rule.gateway.json}`;
  if (rule.distributed === undefined) return on + residence(rule.gateway);
  return distributed === "anywhere" ? on : `${on} && is_chassis_resident(${rule.distributed.portJson})`;
}

function* snat(router: Uuid, rule: Nat, tracked: boolean, common: boolean): Iterable<Flow> {
  const { family, external, logical, stateless } = rule;
  const own = { hint: rule.uuid };
  const back = `ip && ip${family}.dst == ${external}`;
  const undone = stateless ? "next;" : "ct_snat;";
  const shared = common && rule.gateway !== undefined && !stateless;
  const coming = `${back}${at(rule, "inport", "anywhere")}`;
  if (rule.gateway === undefined) yield flow(router, LR_IN_UNSNAT, 90, back, undone, own);
  else if (!shared) yield flow(router, LR_IN_UNSNAT, 100, coming, undone, own);
  else {
    yield flow(router, LR_IN_UNSNAT, 100, `${coming} && flags.loopback == 0`, "ct_snat_in_czone;", own);
    yield flow(router, LR_IN_UNSNAT, 100, `${coming} && flags.loopback == 1 && flags.use_snat_zone == 1`, undone, own);
  }
  const match = `ip && ip${family}.src == ${logical}${at(rule, "outport", "where the port is")}`;
  const priority = rule.logicalLength + 1 + (rule.gateway === undefined ? 0 : ON_PORT);
  const translated = stateless
    ? `ip${family}.src=${external}; next;`
    : `ct_snat${shared ? "_in_czone" : ""}(${external}${rule.portRange});`;
  const mac = rule.distributed === undefined ? "" : `eth.src = ${rule.distributed.mac}; `;
  yield* translation(router, LR_OUT_SNAT, priority, rule, {
    match,
    peer: `ip${family}.dst`,
    state: stateless ? "" : UNREPLIED,
    actions: `${mac}${translated}`,
  });
  if (shared) {
    const first = (rule.match === "" ? priority : MATCHED + rule.priority) + 1;
    const only = `${match}${selected(rule, `ip${family}.dst`)}${UNREPLIED} && reg9[4] == 1`;
    yield flow(router, LR_OUT_SNAT, first, only, `${mac}reg9[4] = 0; ct_snat(${external}${rule.portRange});`, own);
  }
  if (rule.gateway !== undefined && !stateless && tracked) yield* track(router, rule, match, priority);
}

/** Both directions know a connection: what leaves has its state before SNAT, what comes in is committed after it. */
function* track(router: Uuid, rule: Nat, leaving: string, base: number): Iterable<Flow> {
  const { family, logical, type } = rule;
  const zone = type === "snat" ? "snat" : "dnat";
  const [before, above] = type === "snat" ? [70, 0] : [75, 5];
  const coming = `ip && ip${family}.dst == ${logical}${at(rule, "inport", "where the port is")}`;
  const priority = (rule.match === "" ? base : MATCHED + rule.priority) + above;
  const own = { hint: rule.uuid };
  const [source, destination] = [`ip${family}.src`, `ip${family}.dst`];
  const next = `${leaving}${selected(rule, destination)}${UNREPLIED}`;
  yield flow(router, LR_OUT_POST_UNDNAT, before, next, `ct_next(${zone});`, own);
  const only = `${coming}${selected(rule, source)}`;
  yield flow(router, LR_OUT_SNAT, priority, `${only}${UNREPLIED}`, `ct_${zone};`, own);
  yield flow(router, LR_OUT_POST_SNAT, priority, `${only} && ct.new`, `ct_commit_to_zone(${zone});`, own);
  if (rule.exempted !== undefined) yield exemption(router, LR_IN_DNAT, 100, rule, coming, source);
}

function* dnat(router: Uuid, rule: Nat, forced: boolean, common: boolean): Iterable<Flow> {
  const { family, external, logical, stateless } = rule;
  const translate = common && rule.gateway !== undefined ? "ct_dnat_in_czone" : "ct_dnat";
  const translated = stateless ? `ip${family}.dst=${logical}; next;` : `${translate}(${logical}${rule.portRange});`;
  const looped = `${forced ? "flags.force_snat_for_dnat = 1; " : ""}flags.loopback = 1; `;
  yield* translation(router, LR_IN_DNAT, 100, rule, {
    match: `ip && ip${family}.dst == ${external}${at(rule, "inport", "anywhere")}`,
    peer: `ip${family}.src`,
    state: "",
    actions: `${rule.gateway === undefined ? looped : ""}${translated}`,
  });
  if (rule.gateway === undefined) return;
  const mac = rule.distributed === undefined ? "" : `eth.src = ${rule.distributed.mac}; `;
  yield flow(
    router,
    LR_OUT_UNDNAT,
    100,
    `ip && ip${family}.src == ${logical}${at(rule, "outport", "anywhere")}`,
    `${mac}${stateless ? "next;" : `${translate};`}`,
    { hint: rule.uuid },
  );
}

interface Translation {
  readonly match: string;
  /** The field with the other end's address. */
  readonly peer: string;
  /** A condition on the connection, led by " && ". */
  readonly state: string;
  readonly actions: string;
}

/** The flow that translates, and one before it for ends that are exempted. */
function* translation(router: Uuid, stage: Stage, base: number, rule: Nat, made: Translation): Iterable<Flow> {
  const priority = rule.match === "" ? base : MATCHED + rule.priority;
  const match = `${made.match}${selected(rule, made.peer)}${made.state}`;
  yield flow(router, stage, priority, match, made.actions, { hint: rule.uuid });
  if (rule.exempted !== undefined) yield exemption(router, stage, base, rule, made.match, made.peer);
}

/** What a rule asks for beyond its addresses. `peer`: the field with the other end's address. */
function selected({ allowed, match }: Nat, peer: string): string {
  return `${allowed === undefined ? "" : ` && ${peer} == $${allowed}`}${match === "" ? "" : ` && (${match})`}`;
}

function exemption(router: Uuid, stage: Stage, base: number, rule: Nat, match: string, peer: string): Flow {
  const priority = (rule.match === "" ? base : MATCHED + rule.priority) + 2;
  return flow(router, stage, priority, `${match} && ${peer} == $${rule.exempted}`, "next;", {
    hint: rule.uuid,
  });
}
