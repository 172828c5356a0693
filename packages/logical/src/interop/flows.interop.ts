import { type Action, formatMatch, formatActions as formatOpenflow, normalizeMatch, parseFlow } from "@weft/openflow";
import { afterAll, beforeAll, expect, test } from "vitest";
import { encodeActions } from "../actions/encode.ts";
import { parseActions } from "../actions/parse.ts";
import { openflowTable } from "../actions/tables.ts";
import { LogicalError } from "../error.ts";
import { compileMatch } from "../match/compile.ts";
import { parseMatch } from "../match/parse.ts";
import { actions } from "./actions.ts";
import { Chassis, COLLECTOR_SET, DHCP, DHCPV6, FLOOD, type Flow, LOCAL, names, PORTS, placeOf, priorityOf } from "./chassis.ts";
import { matches } from "./matches.ts";
import { randomMatches } from "./random.ts";
import { wrongActions } from "./wrongActions.ts";

const chassis = new Chassis();
beforeAll(() => chassis.start());
afterAll(() => chassis.stop());

/** Conjunction ids, group and meter numbers differ: each side's become 1000, 1001, ... and 1. */
function renumber(lines: readonly string[]): string[] {
  const ids = [
    ...new Set(lines.flatMap((line) => [...line.matchAll(/(?:conjunction\(|conj_id=)(\d+)/g)].map((id) => Number(id[1])))),
  ];
  ids.sort((a, b) => a - b);
  return lines.map((line) =>
    line
      .replace(/(conj_id=|conjunction\()(\d+)/g, (_, before: string, id: string) => `${before}${1000 + ids.indexOf(Number(id))}`)
      .replace(/group:\d+/, "group:1")
      .replace(/meter:\d+/, "meter:1")
      .replace(/meter_id=\d+/, "meter_id=1"),
  );
}

/** A flow as text that two equal flows share: parsed and printed, clauses in order. */
function canonical(line: string): string {
  const { table, match, actions: found } = parseFlow(line.replace(/^cookie=0x[0-9a-f]+, /, ""));
  const clauses = found.filter((action) => action.type === "conjunction").sort((a, b) => a.id - b.id || a.clause - b.clause);
  return `${table} ${formatMatch(match)} => ${formatOpenflow(clauses.length === found.length ? clauses : found)}`;
}

interface Ours {
  readonly lines: readonly string[];
  readonly matchError?: string;
  readonly actionsError?: string;
}

function compile({ where, match, actions: text }: Flow, index: number): Ours {
  const { pipeline, table, router } = placeOf(where);
  const lookupPort = (name: string): number | undefined => (name === FLOOD.name ? FLOOD.key : router ? undefined : PORTS[name]);
  try {
    const options = {
      pipeline,
      table,
      dhcpOption: (name: string) => DHCP.get(name),
      dhcpv6Option: (name: string) => DHCPV6.get(name),
    };
    const parsed = parseActions(text, options);
    try {
      const datapath = router ? 2 : 1;
      const template = compileMatch(parseMatch(match, names).expression, {
        resident: (port) => LOCAL.includes(port),
        prerequisites: parsed.prerequisites,
        text: match,
      });
      const flows = template.instantiate({
        datapath,
        conjunctionId: 1000,
        // flows of an ingress pipeline are installed for ports of the chassis only
        lookupPort: (name, field) => (field === "inport" && name === "remote" ? undefined : lookupPort(name)),
      });
      const encoded = encodeActions(parsed.actions, {
        pipeline,
        isSwitch: !router,
        datapath,
        cookie: index + 1,
        lookupPort,
        isLocal: (port) => LOCAL.includes(port),
        group: () => 1,
        meter: () => 1,
        collectorSet: (id) => id === COLLECTOR_SET,
      });
      const lines = flows.map(({ match: one, conjunctions }) => {
        const clauses: Action[] = conjunctions.map((ref) => ({ type: "conjunction", ...ref }));
        const list = formatOpenflow(clauses.length === 0 ? encoded : clauses);
        return `table=${openflowTable(pipeline, table)}, priority=5,${formatMatch(normalizeMatch(one))} actions=${list}`;
      });
      return { lines };
    } catch (error) {
      if (error instanceof LogicalError) return { lines: [], matchError: error.message };
      throw error;
    }
  } catch (error) {
    if (error instanceof LogicalError) return { lines: [], actionsError: error.message };
    throw error;
  }
}

function warningFor(warnings: readonly string[], what: "match" | "actions", text: string): string | undefined {
  const prefix = `error parsing ${what} "${text}": `;
  for (const line of warnings) {
    const at = line.indexOf(prefix);
    if (at >= 0) return line.slice(at + prefix.length);
  }
  return undefined;
}

/** Loads flows into the reference and compares all it installs and says; returns the differences. */
function differences(flows: readonly Flow[], compareFlows = true): string[] {
  const { installed, warnings } = chassis.load(flows);
  // an empty table would agree with much
  if (compareFlows) expect(installed.size).toBeGreaterThan(flows.length / 3);
  const found: string[] = [];
  for (const [i, flow] of flows.entries()) {
    const ours = compile(flow, i);
    const wrongMatch = warningFor(warnings, "match", flow.match);
    const wrongActionsText = warningFor(warnings, "actions", flow.actions);
    if (wrongMatch !== ours.matchError && wrongActionsText === undefined) {
      found.push(`${flow.match}: reference says ${wrongMatch}, we say ${ours.matchError}`);
    }
    if (wrongActionsText !== ours.actionsError) {
      found.push(`${flow.actions}: reference says ${wrongActionsText}, we say ${ours.actionsError}`);
    }
    if (!compareFlows) continue;
    const theirs = new Set(renumber(installed.get(priorityOf(i)) ?? []).map(canonical));
    const mine = new Set(renumber(ours.lines).map(canonical));
    for (const line of theirs) if (!mine.has(line)) found.push(`${flow.match} => ${flow.actions}: only theirs: ${line}`);
    for (const line of mine) if (!theirs.has(line)) found.push(`${flow.match} => ${flow.actions}: only ours: ${line}`);
  }
  return found;
}

test("matches become the reference's flows, and bad ones get its words", () => {
  expect(differences(matches.map((match) => ({ where: "", match, actions: "drop;" })))).toEqual([]);
});

test("random matches become the reference's flows", () => {
  const flows = randomMatches(1, 300).map((match) => ({ where: "", match, actions: "drop;" }));
  // Which of two alternatives of equal reach is kept, and how products of conjunctions are numbered, may differ rarely.
  const wrong = new Set(differences(flows).map((text) => text.split(" => drop;")[0]));
  expect([...wrong].length).toBeLessThanOrEqual(6);
});

test("every action is encoded as the reference encodes it", () => {
  expect(differences(actions.map(([where, match, text]) => ({ where, match, actions: text })))).toEqual([]);
});

test("bad actions get the reference's words", () => {
  const flows = wrongActions.map(([where, text]) => ({ where, match: "1", actions: text }));
  expect(differences(flows, false)).toEqual([]);
});
