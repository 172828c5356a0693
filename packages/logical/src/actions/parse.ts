/** Actions from text. Source: ovn-sb(5), Logical_Flow, column actions; errors are worded as ovn-controller words them. */
import { LogicalError } from "../error.ts";
import type { FieldRef } from "../match/expression.ts";
import { formatField } from "../match/expression.ts";
import { checkConstant } from "../match/parse.ts";
import { MAX_DEPTH, TokenReader } from "../reader.ts";
import { type ActionScope, ASSIGNED, KEYWORDS } from "./keywords.ts";
import { Prerequisites, useField } from "./operands.ts";
import type { LogicalAction, Pipeline } from "./types.ts";

/** Type and code of a DHCP option (the DHCP_Options and DHCPv6_Options tables of the southbound database). */
export interface DhcpOptionType {
  readonly code: number;
  /** bool, uint8, uint16, uint32, ipv4, ipv6, mac, str, host_id, domains, domain, static_routes. */
  readonly type: string;
}

export interface ParseActionsOptions {
  /** Where the flow is. */
  readonly pipeline: Pipeline;
  readonly table: number;
  dhcpOption?(name: string): DhcpOptionType | undefined;
  dhcpv6Option?(name: string): DhcpOptionType | undefined;
}

export interface ParsedActions {
  readonly actions: readonly LogicalAction[];
  /** Matches that the actions imply: the flow applies to packets for which all of these hold. */
  readonly prerequisites: readonly string[];
}

/** Parses an actions column. Throws {@link LogicalError} with the offset of what is wrong. */
export function parseActions(text: string, options: ParseActionsOptions): ParsedActions {
  const reader = new TokenReader(text);
  const needed = new Prerequisites();
  const actions: LogicalAction[] = [];
  if (reader.isId("drop") && reader.isAhead(";")) {
    reader.take();
    reader.take();
    reader.expectEnd();
  } else {
    const scope = scopeOf(options, needed, 0);
    while (!reader.atEnd) actions.push(readAction(reader, scope));
  }
  return { actions, prerequisites: [...needed.texts] };
}

function scopeOf(options: ParseActionsOptions, needed: Prerequisites, depth: number): ActionScope {
  return {
    options,
    needed,
    next: options.table + 1,
    block: (reader, own) => readBlock(reader, scopeOf(options, own, depth + 1), depth + 1),
    commit: (reader) => readCommit(reader, needed),
  };
}

function readBlock(reader: TokenReader, scope: ActionScope, depth: number): LogicalAction[] {
  if (depth > MAX_DEPTH) throw new LogicalError("logical.syntax", "Actions nested too deeply.", reader.text, reader.token.offset);
  reader.expect("{");
  const actions: LogicalAction[] = [];
  if (reader.isId("drop") && reader.isAhead(";")) {
    reader.take();
    reader.take();
    reader.expect("}");
    return actions;
  }
  while (!reader.accept("}")) {
    if (reader.atEnd) throw unexpected(reader);
    actions.push(readAction(reader, scope));
  }
  return actions;
}

/** Assignments to fields of the connection, the only actions inside ct_commit { }. */
function readCommit(reader: TokenReader, needed: Prerequisites): LogicalAction[] {
  reader.expect("{");
  const actions: LogicalAction[] = [];
  while (!reader.accept("}")) {
    if (reader.atEnd) throw unexpected(reader);
    const token = reader.token;
    if (token.kind !== "id" || !(reader.isAhead("=") || reader.isAhead("["))) throw reader.expected("action");
    const dst = reader.field();
    if (dst.symbol.root.name !== "ct_mark" && dst.symbol.root.name !== "ct_label") {
      throw reader.type(`Field ${dst.symbol.name} is not modifiable.`, token.offset);
    }
    reader.expect("=");
    actions.push(readAssignment(reader, dst, needed, token.offset, false));
    reader.expect(";");
  }
  return actions;
}

function unexpected(reader: TokenReader): LogicalError {
  const { token } = reader;
  const where = token.kind === "end" ? "at end of input" : `at \`${token.text}'`;
  return new LogicalError("logical.syntax", `Syntax error ${where}.`, reader.text, token.offset);
}

function readAction(reader: TokenReader, scope: ActionScope): LogicalAction {
  const token = reader.token;
  if (token.kind !== "id") throw unexpected(reader);
  if (reader.isAhead("=") || reader.isAhead("<->") || reader.isAhead("[")) return readFieldAction(reader, scope);
  if (token.text === "ip.ttl") {
    reader.take();
    if (!reader.accept("--")) throw reader.expected("`--'");
    scope.needed.add("ip");
    reader.expect(";");
    return { kind: "dec_ttl" };
  }
  const read = KEYWORDS.get(token.text);
  if (read === undefined) throw reader.expected("action");
  reader.take();
  const action = read(reader, scope);
  reader.expect(";");
  return action;
}

/** `field = constant`, `field = field`, `field = action(...)`, `field <-> field`. */
function readFieldAction(reader: TokenReader, scope: ActionScope): LogicalAction {
  const { offset } = reader.token;
  const dst = reader.field();
  let action: LogicalAction;
  if (reader.accept("<->")) {
    const other = reader.token.offset;
    action = exchange(reader, dst, offset, reader.field(), other, scope.needed);
  } else {
    if (!reader.is("=")) throw reader.expected("`='");
    reader.take();
    const token = reader.token;
    const read = token.kind === "id" && reader.isAhead("(") ? ASSIGNED.get(token.text) : undefined;
    if (read !== undefined) {
      reader.take();
      action = read(reader, scope, dst, offset);
    } else action = readAssignment(reader, dst, scope.needed, offset, true);
  }
  reader.expect(";");
  return action;
}

function exchange(
  reader: TokenReader,
  a: FieldRef,
  offset: number,
  b: FieldRef,
  otherOffset: number,
  needed: Prerequisites,
): LogicalAction {
  const kind = (field: FieldRef): string => (field.symbol.width === 0 ? "string" : "integer");
  if (kind(a) !== kind(b)) {
    throw reader.type(`Can't exchange ${kind(a)} field (${formatField(a)}) with ${kind(b)} field (${formatField(b)}).`, offset);
  }
  if (a.width !== b.width) throw reader.type(`Can't exchange ${a.width}-bit field with ${b.width}-bit field.`, offset);
  useField(reader, a, a.width, true, needed, offset);
  useField(reader, b, b.width, true, needed, otherOffset);
  return { kind: "exchange", a, b };
}

function readAssignment(
  reader: TokenReader,
  dst: FieldRef,
  needed: Prerequisites,
  offset: number,
  checkWritable: boolean,
): LogicalAction {
  const token = reader.token;
  if (token.kind === "id") {
    const src = reader.field();
    const string = (field: FieldRef): boolean => field.symbol.width === 0;
    if (string(src) !== string(dst)) {
      const name = (field: FieldRef): string => `${string(field) ? "string" : "integer"} field (${formatField(field)})`;
      throw reader.type(`Can't assign ${name(src)} to ${name(dst)}.`, offset);
    }
    if (src.width !== dst.width)
      throw reader.type(`Can't assign ${src.width}-bit value to ${dst.width}-bit destination.`, offset);
    useField(reader, dst, dst.width, checkWritable, needed, offset);
    useField(reader, src, src.width, false, needed, token.offset);
    return { kind: "move", dst, src };
  }
  if (dst.symbol.kind !== "ovn-field") useField(reader, dst, dst.width, checkWritable, needed, offset);
  if (token.kind === "punctuation") throw reader.expected("constant");
  const { values } = reader.constants();
  const value = values[0];
  if (value === undefined || values.length > 1) {
    throw new LogicalError("logical.type", "Assignments require a single value.", reader.text, token.offset);
  }
  checkConstant(reader, dst, value, token.offset);
  if (dst.symbol.level === "nominal" && value.kind === "integer" && value.mask !== undefined) {
    throw reader.type(`Nominal field ${dst.symbol.name} may only be assigned as a whole.`, token.offset);
  }
  return { kind: "load", dst, value };
}
