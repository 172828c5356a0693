/** Logical flows, table by table: a match is parsed when a packet comes by, actions when it matches. */
import {
  conditionOf,
  type LogicalAction,
  LogicalError,
  type Names,
  type Pipeline,
  type PreparedMatch,
  parseActions,
  parseMatch,
  prepareMatch,
} from "@weft/logical";
import type { SbRow } from "@weft/schemas";
import type { TraceDatapath } from "./datapath.ts";
import { type Rows, uuidJson } from "./rows.ts";

type FlowRow = SbRow<"Logical_Flow">;

/** What a flow does, and the conditions that its actions add to its match. */
interface Body {
  readonly actions: readonly LogicalAction[];
  readonly conditions: readonly PreparedMatch[];
}

export class TraceFlow {
  readonly row: FlowRow;
  /** Of flows of one priority that are for a packet, the one with the lowest wins. */
  readonly place: number;
  readonly #parseMatch: () => PreparedMatch | undefined;
  readonly #parseBody: () => Body | undefined;
  /** null: not parsed yet. Undefined: it cannot be, so that the flow is not there. */
  #match: PreparedMatch | undefined | null = null;
  #body: Body | undefined | null = null;

  constructor(row: FlowRow, place: number, parseMatch: () => PreparedMatch | undefined, parseBody: () => Body | undefined) {
    this.row = row;
    this.place = place;
    this.#parseMatch = parseMatch;
    this.#parseBody = parseBody;
  }

  /** Whether the flow is for a packet; `holds` evaluates a match for it. */
  isFor(holds: (match: PreparedMatch) => boolean): boolean {
    if (this.#match === null) this.#match = this.#parseMatch();
    if (this.#match === undefined || !holds(this.#match)) return false;
    if (this.#body === null) this.#body = this.#parseBody();
    return this.#body?.conditions.every(holds) ?? false;
  }

  /** Of a flow that is for some packet. */
  get actions(): readonly LogicalAction[] {
    return this.#body?.actions ?? [];
  }

  /** Whether the flow is for every packet. */
  get always(): boolean {
    return this.#match?.kind === "literal" && this.#match.value && this.#body?.conditions.length === 0;
  }
}

type DhcpRow = { readonly code: number; readonly type: string };

/** What a datapath's flows speak of; `names` resolves sets and groups in matches. */
export interface FlowContext {
  names(datapath: TraceDatapath): Names;
  warn(text: string): void;
}

export class Flows {
  readonly #rows: Rows;
  readonly #context: FlowContext;
  readonly #tables = new Map<string, ReadonlyMap<string, readonly FlowRow[]>>();
  readonly #flows = new Map<string, readonly TraceFlow[]>();
  readonly #places: number | undefined;
  #dhcp: { readonly v4: ReadonlyMap<string, DhcpRow>; readonly v6: ReadonlyMap<string, DhcpRow> } | undefined;

  constructor(rows: Rows, context: FlowContext) {
    this.#rows = rows;
    this.#context = context;
    this.#places = rows.complete ? 2 ** Math.floor(Math.log2(rows.table("Logical_Flow").size || 1)) : undefined;
  }

  /** The flows of a table, the highest priority first. */
  of(datapath: TraceDatapath, pipeline: Pipeline, table: number): readonly TraceFlow[] {
    const key = `${datapath.uuid} ${tableKey(pipeline, table)}`;
    let flows = this.#flows.get(key);
    if (flows === undefined) {
      const rows = this.#tablesOf(datapath).get(tableKey(pipeline, table)) ?? [];
      this.#needNames(rows, datapath);
      flows = rows
        .map((row) => this.#flowOf(row, datapath, pipeline, table))
        .sort((a, b) => b.row.priority - a.row.priority || a.place - b.place);
      this.#flows.set(key, flows);
    }
    return flows;
  }

  /**
   * Which of two flows of one priority wins is undefined (ovn-sb(5)). In the reference it is the one that comes first in a
   * hash table of all flows, in which the place is made of the uuid's first bits and the number of flows.
   */
  #placeOf({ _uuid }: FlowRow): number {
    const bits = Number.parseInt(_uuid.slice(0, 8), 16);
    return this.#places === undefined ? bits : bits % this.#places;
  }

  #tablesOf(datapath: TraceDatapath): ReadonlyMap<string, readonly FlowRow[]> {
    let tables = this.#tables.get(datapath.uuid);
    if (tables === undefined) {
      tables = tablesOf(this.#rowsOf(datapath));
      this.#tables.set(datapath.uuid, tables);
    }
    return tables;
  }

  /** The flows of a datapath and of the groups that it is in, and the ports that they name. */
  #rowsOf({ uuid, contents }: TraceDatapath): readonly FlowRow[] {
    const groups = this.#rows
      .table("Logical_DP_Group")
      .index("datapaths", ({ datapaths }) => datapaths)
      .get(uuid);
    const ids = groups.map(({ _uuid }) => _uuid);
    this.#rows.needNamed("Logical_Flow", "logical_dp_group", ids, uuidJson);
    const table = this.#rows.table("Logical_Flow");
    const own = table.index("logical_datapath", ({ logical_datapath: one }) => (one === undefined ? [] : [one]));
    const grouped = table.index("logical_dp_group", ({ logical_dp_group: one }) => (one === undefined ? [] : [one]));
    const rows = [...own.get(uuid), ...ids.flatMap((group) => grouped.get(group))];
    if (!this.#rows.complete) {
      const named = new Set<string>();
      for (const { match, actions } of rows) for (const text of [match, actions]) addQuoted(text, named);
      const unknown = [...named].filter((name) => !contents.ports.has(name) && !contents.groups.has(name));
      this.#rows.needNamed("Port_Binding", "logical_port", unknown);
    }
    return rows;
  }

  #needNames(rows: readonly FlowRow[], { tunnelKey }: TraceDatapath): void {
    if (this.#rows.complete) return;
    const all = (pattern: RegExp): string[] => rows.flatMap(({ match }) => match.match(pattern) ?? []);
    this.#rows.needNamed("Address_Set", "name", all(/(?<=\$)[\w.]+/g));
    this.#rows.needNamed(
      "Port_Group",
      "name",
      all(/(?<=@)[\w.]+/g).flatMap((name) => [name, `${tunnelKey}_${name}`]),
    );
  }

  #flowOf(row: FlowRow, datapath: TraceDatapath, pipeline: Pipeline, table: number): TraceFlow {
    const match = (): PreparedMatch => prepareMatch(parseMatch(row.match, this.#context.names(datapath)).expression);
    const body = (): Body => {
      const dhcp = this.#dhcpOptions();
      const { actions, prerequisites } = parseActions(row.actions, {
        pipeline,
        table,
        dhcpOption: (name) => dhcp.v4.get(name),
        dhcpv6Option: (name) => dhcp.v6.get(name),
      });
      return { actions, conditions: prerequisites.map(conditionOf) };
    };
    return new TraceFlow(
      row,
      this.#placeOf(row),
      () => this.#attempt("expression", row.match, match),
      () => this.#attempt("actions", row.actions, body),
    );
  }

  #attempt<T>(what: string, text: string, parse: () => T): T | undefined {
    try {
      return parse();
    } catch (error) {
      if (!(error instanceof LogicalError)) throw error;
      this.#context.warn(`${text}: parsing ${what} failed (${error.message})`);
      return undefined;
    }
  }

  #dhcpOptions() {
    const byName = (table: "DHCP_Options" | "DHCPv6_Options"): ReadonlyMap<string, DhcpRow> =>
      new Map([...this.#rows.table(table).rows()].map(({ name, code, type }) => [name, { code: Number(code), type }]));
    this.#dhcp ??= { v4: byName("DHCP_Options"), v6: byName("DHCPv6_Options") };
    return this.#dhcp;
  }
}

function addQuoted(text: string, to: Set<string>): void {
  for (let from = text.indexOf('"'); from >= 0; from = text.indexOf('"', from + 1)) {
    const end = text.indexOf('"', from + 1);
    if (end < 0) return;
    to.add(text.slice(from + 1, end));
    from = end;
  }
}

function tablesOf(rows: readonly FlowRow[]): ReadonlyMap<string, readonly FlowRow[]> {
  const tables = new Map<string, FlowRow[]>();
  for (const row of rows) {
    const key = tableKey(row.pipeline === "egress" ? "egress" : "ingress", Number(row.table_id));
    const list = tables.get(key);
    if (list === undefined) tables.set(key, [row]);
    else list.push(row);
  }
  return tables;
}

function tableKey(pipeline: Pipeline, table: number): string {
  return `${pipeline} ${table}`;
}
