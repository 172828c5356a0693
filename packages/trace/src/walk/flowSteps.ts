/** What a translation's record says of the flows that a packet met. */
import { type Action, type Field, field, fieldsOf, formatAction, formatFieldValue, type Match, readField } from "@weft/openflow";
import type { Rule, TraceLookup, TraceNode } from "@weft/vswitch";
import type { Provenance } from "../provenance/provenance.ts";
import { flowLine } from "../verify/canonical.ts";
import type { FlowStep, NearMiss } from "./steps.ts";

/** Holds the datapath's tunnel key within the integration bridge (ovn-architecture(7)). */
const METADATA = field("metadata");

/** Lookups in tables, in the order in which they happened. */
export function lookupsOf(nodes: readonly TraceNode[]): TraceLookup[] {
  return nodes.flatMap((node) => [...(node.lookup === undefined ? [] : [node.lookup]), ...lookupsOf(node.children)]);
}

export function flowStep({ bridge, table, rule, key }: TraceLookup, provenance: Provenance | undefined): FlowStep {
  const datapath = Number(readField(key, METADATA));
  const network = provenance?.datapathOfKey(datapath);
  const place = { bridge, table, ...(network === undefined ? {} : { network }) };
  if (rule === undefined) return { ...place, changes: [] };
  const origin = provenance?.ofCookie(Number(rule.cookie), datapath);
  const stage = origin?.logicalFlow?.external_ids.get("stage-name");
  return {
    ...place,
    flow: ruleLine(rule),
    cookie: `0x${rule.cookie.toString(16)}`,
    ...(stage === undefined ? {} : { stage }),
    ...(origin?.logicalFlow === undefined ? {} : { logicalFlow: origin.logicalFlow._uuid }),
    ...(origin === undefined ? {} : { origin: origin.text }),
    ...(origin?.northbound === undefined
      ? {}
      : {
          northbound: { table: origin.northbound.table, uuid: origin.northbound.uuid, text: origin.northbound.text },
        }),
    changes: rule.actions.filter(changesPacket).map((action) => formatAction(action)),
  };
}

export function ruleLine({ table, priority, wire, actions, cookie }: Rule): string {
  return flowLine({ table, priority, match: wire, actions, cookie: Number(cookie) });
}

/** Fields that are the pipeline's own, and no part of the packet. */
const INTERNAL = /^(x{0,2}reg\d*|metadata|in_port|pkt_mark|conj_id|tun_.*|skb_priority)$/;

function changesPacket(action: Action): boolean {
  switch (action.type) {
    case "set_field":
      return !INTERNAL.test(action.field.name);
    case "move":
    case "load":
      return !INTERNAL.test(action.dst.field.name);
    case "ct":
    case "dec_ttl":
    case "strip_vlan":
    case "push_vlan":
      return true;
    default:
      return false;
  }
}

/** Flows told of a packet that nobody wanted. */
const TOLD = 3;

/**
 * Flows of the table where a packet was dropped that would have taken it but for one field, those of the highest priority first.
 * `here`: fields that say which network and port a packet is of, not what it is: a flow of another network is no near miss.
 */
export function nearMisses(
  { rule: hit, key }: TraceLookup,
  rules: Iterable<Rule>,
  provenance: Provenance | undefined,
): readonly NearMiss[] {
  const found: { readonly rule: Rule; readonly miss: NearMiss }[] = [];
  for (const rule of rules) {
    if (rule === hit || rule.actions.length === 0 || rule.priority < (hit?.priority ?? 0)) continue;
    const wrong = disagreements(rule.wire, key);
    const [only, ...others] = wrong;
    if (only === undefined || others.length > 0 || HERE.has(only.field.name)) continue;
    const origin = provenance?.ofCookie(Number(rule.cookie), Number(readField(key, METADATA)));
    found.push({
      rule,
      miss: {
        flow: ruleLine(rule),
        field: only.field.name,
        packet: formatFieldValue(only.field, readField(key, only.field), undefined),
        wanted: formatFieldValue(only.field, only.value, only.mask),
        ...(origin === undefined ? {} : { origin: origin.text }),
      },
    });
  }
  return found
    .sort((a, b) => b.rule.priority - a.rule.priority)
    .slice(0, TOLD)
    .map(({ miss }) => miss);
}

function disagreements(
  match: Match,
  key: Int32Array,
): { readonly field: Field; readonly value: bigint; readonly mask: bigint }[] {
  return fieldsOf(match).flatMap((one) => {
    const wanted = match.get(one);
    return wanted === undefined || (readField(key, one) & wanted.mask) === wanted.value ? [] : [{ field: one, ...wanted }];
  });
}

const HERE: ReadonlySet<string> = new Set(["metadata", "reg14", "reg15", "in_port", "conj_id"]);
