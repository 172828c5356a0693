/**
 * Matches by what conntrack knows of a connection in place of what stands in the packet: fragments have no ports, but their
 * connection has (NB_Global:options:acl_ct_translation, ovn-nb(5)). Protocols and ports of TCP, UDP and SCTP are translated
 * and nothing else: where the TCP flags are matched, the header has to be there.
 */
import type { LogicalSymbol } from "../symbols.ts";
import { type Combination, type Comparison, combine, type Expression, type FieldRef } from "./expression.ts";
import { parseMatch } from "./parse.ts";

const PROTOCOLS: ReadonlyMap<string, bigint> = new Map([
  ["tcp", 6n],
  ["udp", 17n],
  ["sctp", 132n],
]);

interface ConnectionPort {
  readonly protocol: bigint;
  readonly symbol: LogicalSymbol;
}

/** A field of conntrack's in place of another, by whose name clauses are in order still. */
function fieldOf(name: string, width: number, openflow: string): LogicalSymbol {
  const symbol: Omit<LogicalSymbol, "root"> = {
    name,
    kind: "field",
    width,
    level: "ordinal",
    offset: 0,
    field: openflow,
    separates: false,
    writable: false,
  };
  // A field is its own root, so the object is tied together after its making.
  const made = symbol as Omit<LogicalSymbol, "root"> & { root: LogicalSymbol };
  made.root = made;
  return made;
}

const protocolField = fieldOf("ip.proto of the connection", 8, "ct_nw_proto");
/** By the name of the port's symbol: `tcp.dst`. */
const ports: ReadonlyMap<string, ConnectionPort> = new Map(
  [...PROTOCOLS].flatMap(([name, protocol]) =>
    ["src", "dst"].map((end) => [`${name}.${end}`, { protocol, symbol: fieldOf(`${name}.${end}`, 16, `ct_tp_${end}`) }] as const),
  ),
);

const { expression: KNOWN } = parseMatch("ct.trk && !ct.inv");

/** The match with connections' protocols and ports. */
export function translated(expression: Expression): Expression {
  switch (expression.kind) {
    case "literal":
    case "resident":
      return expression;
    case "compare":
      return comparison(expression);
    default:
      return combination(expression);
  }
}

function comparison(expression: Comparison): Expression {
  const { name } = expression.field.symbol;
  const protocol = PROTOCOLS.get(name);
  // Protocols may only be tested positively.
  if (protocol !== undefined) return known(protocol);
  const port = ports.get(name);
  return port === undefined ? expression : combine("and", [withPort(expression, port.symbol), known(port.protocol)]);
}

function known(protocol: bigint): Expression {
  const field: FieldRef = { symbol: protocolField, low: 0, width: protocolField.width };
  const constant = { kind: "integer", value: protocol, format: "decimal" } as const;
  return combine("and", [KNOWN, { kind: "compare", field, relation: "==", constant }]);
}

function withPort(expression: Comparison, symbol: LogicalSymbol): Comparison {
  return { ...expression, field: { ...expression.field, symbol } };
}

/** Alternatives of one port stay one set. */
function combination({ kind, args }: Combination): Expression {
  const [first] = args;
  const name = first?.kind === "compare" ? first.field.symbol.name : "";
  const port = ports.get(name);
  const same = args.filter((arg): arg is Comparison => arg.kind === "compare" && arg.field.symbol.name === name);
  if (port === undefined || same.length < args.length) return combine(kind, args.map(translated));
  const alternatives = same.map((arg) => withPort(arg, port.symbol));
  return combine("and", [combine(kind, alternatives), known(port.protocol)]);
}
