/**
 * Flows in a form in which those of two controllers can be compared. Conjunction ids, group and meter numbers are each
 * controller's own: an id becomes what it stands for.
 */
import {
  type Action,
  type Flow,
  field,
  formatActions,
  formatMatch,
  type GroupDescription,
  type Match,
  MatchBuilder,
} from "@weft/openflow";

const CONJ_ID = field("conj_id");

export interface CanonicalFlow {
  readonly actions: string;
  readonly cookie: number;
  readonly flow: ComparedFlow;
}

export type ComparedFlow = Pick<Flow, "table" | "priority" | "match" | "actions"> & { readonly cookie: number };

/** The conjunction id that a flow matches; undefined: none. */
export function conjunctionOf(match: Match): number | undefined {
  return match.exact(CONJ_ID);
}

/** A flow as ovs-ofctl dump-flows prints it, without statistics. */
export function flowLine({ table, priority, match, actions, cookie }: ComparedFlow): string {
  const text = formatMatch(match);
  return `cookie=0x${cookie.toString(16)}, table=${table}, priority=${priority}${text === "" ? "" : `,${text}`} actions=${formatActions(actions) || "drop"}`;
}

/** By table, priority and match: two flows with one such key exclude each other. */
export function canonicalFlows(
  flows: Iterable<ComparedFlow>,
  groups: readonly GroupDescription[],
): ReadonlyMap<string, CanonicalFlow> {
  const all = [...flows];
  const conjunctions = conjunctionTexts(all);
  const groupTexts = new Map(groups.map((group) => [group.group, groupText(group)]));
  const made = new Map<string, CanonicalFlow>();
  for (const flow of all) {
    const { table, priority, cookie } = flow;
    // Two conjunctions of one flow table may agree in all but their id: then their cookies tell them apart.
    const match =
      conjunctionOf(flow.match) === undefined
        ? flow.match.key
        : `${withoutConjunction(flow.match).key} conj_id ${cookie.toString(16)}`;
    const place = `${table} ${priority} ${match}`;
    const actions = canonicalActions(flow.actions, table, conjunctions, groupTexts);
    made.set(place, { actions, cookie, flow });
  }
  return made;
}

/** What conjunction ids stand for, by "TABLE ID": all flows that match the id. */
function conjunctionTexts(flows: readonly ComparedFlow[]): ReadonlyMap<string, string> {
  const texts = new Map<string, string[]>();
  for (const { table, match, cookie } of flows) {
    const id = conjunctionOf(match);
    if (id === undefined) continue;
    const key = `${table} ${id}`;
    const text = `${cookie.toString(16)} ${formatMatch(withoutConjunction(match))}`;
    texts.set(key, [...(texts.get(key) ?? []), text]);
  }
  return new Map([...texts].map(([key, list]) => [key, list.sort().join(" or ")]));
}

export function withoutConjunction(match: Match): Match {
  return new MatchBuilder(match).clearWord(CONJ_ID.word).build();
}

function canonicalActions(
  actions: readonly Action[],
  table: number,
  conjunctions: ReadonlyMap<string, string>,
  groups: ReadonlyMap<number, string>,
): string {
  if (actions[0]?.type === "conjunction") {
    return actions
      .flatMap((action) =>
        action.type === "conjunction"
          ? `conjunction(${conjunctions.get(`${table} ${action.id}`) ?? `unknown ${action.id}`},${action.clause}/${action.clauses})`
          : [],
      )
      .sort()
      .join(",");
  }
  return (
    formatActions(actions)
      .replace(/group:(\d+)/g, (_all, number: string) => `group:${groups.get(Number(number)) ?? `unknown ${number}`}`)
      .replace(/meter(?::|_id=)\d+/g, "meter")
      // Whether it is said whom to tell of expired packets: nobody else than the controller.
      .replace(/dec_ttl\(\)/g, "dec_ttl")
      // The order in which copies leave by several tunnels.
      .replace(/output:\d+(?:,output:\d+)+/g, (outputs) => outputs.split(",").sort().join(","))
  );
}

/** Buckets in the order of their actions; their numbers are the controller's own. */
function groupText({ groupType, buckets, selection }: GroupDescription): string {
  const texts = buckets.map(({ weight, actions }) => `${weight ?? 0} ${formatActions(actions)}`).sort();
  return `${groupType} ${selection.method} {${texts.join("; ")}}`;
}
