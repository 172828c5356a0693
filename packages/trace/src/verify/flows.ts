/** Is what a bridge has installed what the databases ask for? */
import type { InstalledState } from "../cloud/bridge.ts";
import type { DesiredState } from "../cloud/desired.ts";
import type { Provenance } from "../provenance/provenance.ts";
import { type ComparedFlow, canonicalFlows, conjunctionOf, flowLine, withoutConjunction } from "./canonical.ts";
import type { Finding } from "./findings.ts";

export function* verifyFlows(
  node: string,
  installed: InstalledState,
  wanted: DesiredState,
  provenance: Provenance,
): Generator<Finding> {
  const are = installed.flows.map(compared);
  // OVN itself leaves a conjunction open where it has nothing for a clause yet (Ethernet addresses of other chassis).
  const open = new Set(brokenConjunctions(wanted.flows).map(({ signature }) => signature));
  for (const broken of brokenConjunctions(are))
    if (!open.has(broken.signature)) yield conjunctionFinding(node, broken, provenance);
  yield* verifyGroups(node, installed, are, provenance);
  const have = canonicalFlows(are, installed.groups);
  const want = canonicalFlows(wanted.flows, wanted.groups);
  for (const [place, { actions, cookie, flow }] of want) {
    const found = have.get(place);
    const line = { is: "wanted", flow: flowLine(flow) } as const;
    if (found === undefined) {
      yield { code: "flow-missing", node, ...about(flow, provenance), flows: [line] };
    } else if (found.actions !== actions || (found.cookie !== cookie && found.cookie !== 0 && cookie !== 0)) {
      yield {
        code: "flow-altered",
        node,
        ...about(flow, provenance),
        flows: [{ is: "installed", flow: flowLine(found.flow) }, line],
      };
    }
  }
  for (const [place, { flow }] of have) {
    if (want.has(place)) continue;
    yield { code: "flow-extra", node, ...about(flow, provenance), flows: [{ is: "installed", flow: flowLine(flow) }] };
  }
}

const compared = (flow: InstalledState["flows"][number]): ComparedFlow => ({ ...flow, cookie: Number(flow.cookie) });

function about(flow: ComparedFlow, provenance: Provenance): Pick<Finding, "subject" | "detail" | "rows"> {
  const origin = provenance.ofCookie(flow.cookie);
  return {
    subject: `table ${flow.table}, priority ${flow.priority}`,
    detail: origin === undefined ? "no row of the southbound database has its cookie" : origin.text,
    ...(origin === undefined ? {} : { rows: origin.rows }),
  };
}

interface BrokenConjunction {
  readonly code: "conjunction-without-flow" | "conjunction-without-clause";
  readonly table: number;
  readonly id: number;
  /** The flow that matches the id, or flows with its clauses. */
  readonly flows: readonly ComparedFlow[];
  readonly missing: string;
  /** The same for the same defect, whatever the id. */
  readonly signature: string;
}

/** Flows of a kind that a finding quotes. */
const SHOWN = 4;

/** Clauses, and the flows that their conjunctions stand for, must meet in an id. */
function brokenConjunctions(flows: readonly ComparedFlow[]): BrokenConjunction[] {
  const clauses = new Map<string, { readonly count: number; readonly present: Set<number>; readonly flows: ComparedFlow[] }>();
  const wholes = new Map<string, ComparedFlow>();
  for (const flow of flows) {
    const id = conjunctionOf(flow.match);
    if (id !== undefined) wholes.set(`${flow.table} ${id}`, flow);
    for (const action of flow.actions) {
      if (action.type !== "conjunction") continue;
      const key = `${flow.table} ${action.id}`;
      const known = clauses.get(key) ?? { count: action.clauses, present: new Set(), flows: [] };
      known.present.add(action.clause);
      known.flows.push(flow);
      clauses.set(key, known);
    }
  }
  const broken: BrokenConjunction[] = [];
  for (const key of new Set([...clauses.keys(), ...wholes.keys()])) {
    const [table = 0, id = 0] = key.split(" ").map(Number);
    const parts = clauses.get(key);
    const whole = wholes.get(key);
    if (parts !== undefined && whole === undefined) {
      const missing = `no flow of table ${table} matches conj_id=${id}, in which ${parts.flows.length} clause${parts.flows.length === 1 ? "" : "s"} meet`;
      const signature = `${table} ${parts.flows
        .map(({ match }) => match.key)
        .sort()
        .join()}`;
      broken.push({ code: "conjunction-without-flow", table, id, flows: parts.flows.slice(0, SHOWN), missing, signature });
    } else if (whole !== undefined && (parts === undefined || parts.present.size < parts.count)) {
      const missing = `${parts === undefined ? "no clause" : `only ${parts.present.size} of ${parts.count} clauses`} of it in the table`;
      broken.push({ code: "conjunction-without-clause", table, id, flows: [whole], missing, signature: signatureOf(whole) });
    }
  }
  return broken;
}

const signatureOf = ({ table, cookie, match }: ComparedFlow): string => `${table} ${cookie} ${withoutConjunction(match).key}`;

function conjunctionFinding(
  node: string,
  { code, table, id, flows, missing }: BrokenConjunction,
  provenance: Provenance,
): Finding {
  const cookie = flows.map((flow) => flow.cookie).find((one) => one !== 0) ?? 0;
  const origin = provenance.ofCookie(cookie);
  return {
    code,
    node,
    subject: `table ${table}, conjunction ${id}`,
    detail: `${missing}${origin === undefined ? "" : `; ${origin.text}`}`,
    flows: flows.map((flow) => ({ is: "installed", flow: flowLine(flow) })),
    ...(origin === undefined ? {} : { rows: origin.rows }),
  };
}

function* verifyGroups(
  node: string,
  { groups }: InstalledState,
  flows: readonly ComparedFlow[],
  provenance: Provenance,
): Generator<Finding> {
  const there = new Set(groups.map(({ group }) => group));
  for (const flow of flows) {
    for (const action of flow.actions) {
      if (action.type !== "group" || there.has(action.group)) continue;
      const origin = provenance.ofCookie(flow.cookie);
      yield {
        code: "group-missing",
        node,
        subject: `group ${action.group}`,
        detail: origin?.text ?? `used in table ${flow.table}`,
        flows: [{ is: "installed", flow: flowLine(flow) }],
        ...(origin === undefined ? {} : { rows: origin.rows }),
      };
    }
  }
}
