/**
 * Logical flows of local datapaths as OpenFlow. A flow on a datapath group is instantiated for each local datapath of the
 * group; the parsed and normalised texts are shared.
 */
import { derive, each, type Read, sameContent } from "@weft/incremental";
import {
  conjunctionIdOf,
  encodeActions,
  type FlowMatch,
  type GroupRequest,
  groupKey,
  type LogicalError,
  type MatchTemplate,
  type MeterRequest,
  openflowTable,
} from "@weft/logical";
import { type Action, field, type Match } from "@weft/openflow";
import type { Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";
import { isLocalDatapath, isRelated, isSwitch, localKeyOf } from "../model/datapaths.ts";
import { globalOptions } from "../model/globalOptions.ts";
import { groupNumbers, meterNumbers, portsByName, sb } from "../model/inputs.ts";
import { expanded } from "../model/templates.ts";
import { tunnelFor } from "../model/tunnels.ts";
import { conjunction, cookieOf, type DesiredFlow, desired } from "../physical/flow.ts";
import { actionsKey, type FlowActions, parsedActions } from "./actions.ts";
import { compiledMatch, dependsOnDatapath, type MatchText } from "./match.ts";
import { isResident, portKey } from "./names.ts";
import { wire } from "./wire.ts";

type LogicalFlow = SbRow<"Logical_Flow">;

/** northd says in SB_Global that its flows have an output of their own behind arp and nd_ns. */
const explicitOutput = derive<0, boolean>(
  "explicitOutput",
  (_key, read) => read(globalOptions, 0).get("arp_ns_explicit_output") === "true",
);

/** What flows need to know of a local datapath: its tunnel key and kind. */
interface LocalScope {
  readonly key: number;
  readonly isSwitch: boolean;
}

const localScopeOf = derive<Uuid, LocalScope | undefined>(
  "localScopeOf",
  (datapath, read) => {
    const row = read(isLocalDatapath, datapath) ? read(sb.Datapath_Binding, datapath) : undefined;
    return row === undefined ? undefined : { key: row.tunnel_key, isSwitch: isSwitch(row) };
  },
  { equals: sameContent },
);

/** The local datapaths of a group, sorted. */
const localMembers = derive<Uuid, readonly Uuid[]>(
  "localMembers",
  (group, read) => read(sb.Logical_DP_Group, group)?.datapaths.filter((datapath) => read(isLocalDatapath, datapath)) ?? [],
  { equals: sameContent },
);

/** The datapaths of a flow that are local. */
function datapathsOf(read: Read, row: LogicalFlow): readonly Uuid[] {
  const own = row.logical_datapath;
  const alone = own !== undefined && read(localScopeOf, own) !== undefined ? [own] : [];
  if (row.logical_dp_group === undefined) return alone;
  const members = read(localMembers, row.logical_dp_group);
  return alone.length === 0 ? members : [...new Set([...alone, ...members])];
}

/** What is wrong with a flow; thrown, so that it is reported once for the row. */
export class BadLogicalFlow extends Error {
  readonly uuid: string;
  readonly column: "match" | "actions";
  readonly reason: LogicalError;

  constructor(row: LogicalFlow, column: "match" | "actions", reason: LogicalError) {
    super(`error parsing ${column} ${JSON.stringify(row[column])}: ${reason.message}`);
    this.uuid = row._uuid;
    this.column = column;
    this.reason = reason;
  }
}

export const logicalFlows = each<DesiredFlow, Uuid, LogicalFlow>("logicalFlows", sb.Logical_Flow, function* (_uuid, row, read) {
  const datapaths = datapathsOf(read, row);
  if (datapaths.length === 0) return;
  const text = textsOf(read, row);
  if (text === undefined) return;
  const parsed = read(parsedActions, actionsKey(row.pipeline, row.table_id, text.actions));
  if ("error" in parsed) throw new BadLogicalFlow(row, "actions", parsed.error);
  let template: MatchTemplate | undefined;
  for (const datapath of datapaths) {
    const local = read(localScopeOf, datapath);
    if (local === undefined) continue;
    if (template === undefined || dependsOnDatapath(text.match)) template = templateOf(read, row, text.match, parsed, local.key);
    if (!template.never) yield* flowsOn(read, row, template, { datapath, ...local }, parsed);
  }
});

function templateOf(read: Read, row: LogicalFlow, match: string, parsed: FlowActions, key: number): MatchTemplate {
  const compiled = compiledMatch(read, textOf(row, match), parsed.prerequisites, key);
  if ("error" in compiled) throw new BadLogicalFlow(row, "match", compiled.error);
  return compiled.template;
}

/** northd tags the flows of ACLs that are about connections. */
function textOf({ tags }: LogicalFlow, text: string): MatchText {
  return { text, ofConnection: tags.get("acl_ct_translation") === "true" };
}

/** Match and actions with the templates' values; undefined where this chassis lacks one. */
function textsOf(read: Read, { match, actions }: LogicalFlow): { readonly match: string; readonly actions: string } | undefined {
  const texts = { match: expanded(read, match), actions: expanded(read, actions) };
  return texts.match === undefined || texts.actions === undefined ? undefined : { match: texts.match, actions: texts.actions };
}

const INPORT = field("reg14");
const OUTPORT = field("reg15");

/** Ports of a switch that a match names, by tunnel key. */
type NamedPorts = Map<number, Uuid>;

/** Whether a flow can ever be hit here: not if it is about a port of a switch that is somewhere else. */
function possible(read: Read, match: Match, pipeline: "ingress" | "egress", named: NamedPorts): boolean {
  const port = match.exact(pipeline === "ingress" ? INPORT : OUTPORT);
  const uuid = port === undefined ? undefined : named.get(port >>> 0);
  return uuid === undefined || read(isRelated, uuid);
}

function* flowsOn(
  read: Read,
  row: LogicalFlow,
  template: MatchTemplate,
  { datapath, key, isSwitch: onSwitch }: LocalScope & { readonly datapath: Uuid },
  parsed: FlowActions,
): Iterable<DesiredFlow> {
  const named: NamedPorts = new Map();
  const matches = template.instantiate({
    datapath: key,
    lookupPort: (name) => portKey(read, datapath, name, (number, uuid) => named.set(number, uuid)),
    conjunctionId: template.conjunctions === 0 ? 1 : conjunctionIdOf(row._uuid, key),
  });
  const wanted = onSwitch && named.size > 0 ? matches.filter(({ match }) => possible(read, match, row.pipeline, named)) : matches;
  if (wanted.length === 0) return;
  const cookie = cookieOf(row._uuid);
  const resources = parsed.encoded === undefined ? new Resources(read) : undefined;
  const actions =
    parsed.encoded ??
    encodeActions(parsed.actions, {
      pipeline: row.pipeline,
      isSwitch: onSwitch,
      datapath: key,
      cookie,
      lookupPort: (name) => portKey(read, datapath, name),
      isLocal: (port) => read(isResident, port),
      tunnelPort: (port) => tunnelTowards(read, port),
      group: (request) => resources!.group(request),
      meter: (request) => resources!.meter(request),
      explicitOutput: read(explicitOutput, 0),
      ...(row.controller_meter === undefined ? {} : { controllerMeter: row.controller_meter }),
      wire,
    });
  const table = openflowTable(row.pipeline, row.table_id);
  const needs = resources?.needs;
  for (const one of wanted) {
    const flow = flowOf(one, table, row.priority, actions, cookie);
    yield needs === undefined ? flow : { ...flow, ...needs };
  }
}

/** The conjunction ids that flows of local datapaths use. */
export function* conjunctionIds(
  read: Read,
): Iterable<{ readonly lflow: Uuid; readonly datapath: Uuid; readonly start: number; readonly count: number }> {
  for (const lflow of read.keys(sb.Logical_Flow)) {
    const row = read(sb.Logical_Flow, lflow);
    const text = row === undefined ? undefined : textsOf(read, row);
    if (row === undefined || text === undefined) continue;
    const parsed = read(parsedActions, actionsKey(row.pipeline, row.table_id, text.actions));
    if ("error" in parsed) continue;
    for (const datapath of datapathsOf(read, row)) {
      const key = read(localKeyOf, datapath);
      if (key === undefined) continue;
      const compiled = compiledMatch(read, textOf(row, text.match), parsed.prerequisites, key);
      const count = "error" in compiled ? 0 : compiled.template.conjunctions;
      if (count > 0) yield { lflow, datapath, start: conjunctionIdOf(lflow, key), count };
    }
  }
}

function flowOf(
  { match, conjunctions }: FlowMatch,
  table: number,
  priority: number,
  actions: readonly Action[],
  cookie: number,
): DesiredFlow {
  if (conjunctions.length === 0) return desired(table, priority, match, actions, cookie);
  const clauses = conjunctions.map(({ id, clause, clauses: count }) => conjunction(id, clause, count));
  return desired(table, priority, match, clauses, 0);
}

function tunnelTowards(read: Read, name: string): number | undefined {
  const uuid = read(portsByName, name)[0];
  const row = uuid === undefined ? undefined : read(sb.Port_Binding, uuid);
  return row?.chassis === undefined ? undefined : tunnelFor(read, row.chassis, row.encap, 0)?.ofport;
}

/** The key of a meter in the meter book. */
export function meterKey(request: MeterRequest): string {
  return request.kind === "named" ? `named ${request.name}` : `rate ${request.rate} ${request.burst}`;
}

/** Groups and meters that a flow uses. As long as one has no number the flow waits. */
class Resources {
  readonly #read: Read;
  readonly #groups = new Map<string, GroupRequest>();
  readonly #meters = new Map<string, MeterRequest>();
  #waits = false;

  constructor(read: Read) {
    this.#read = read;
  }

  group(request: GroupRequest): number {
    const key = groupKey(request);
    this.#groups.set(key, request);
    const number = this.#read(groupNumbers, key);
    if (number === undefined) this.#waits = true;
    return number ?? 0;
  }

  meter(request: MeterRequest): number | undefined {
    const key = meterKey(request);
    this.#meters.set(key, request);
    const number = this.#read(meterNumbers, key);
    return number;
  }

  get needs(): Pick<DesiredFlow, "groups" | "meters" | "waits"> | undefined {
    if (this.#groups.size === 0 && this.#meters.size === 0) return undefined;
    return {
      ...(this.#groups.size === 0 ? {} : { groups: this.#groups }),
      ...(this.#meters.size === 0 ? {} : { meters: this.#meters }),
      ...(this.#waits ? { waits: true } : {}),
    };
  }
}
