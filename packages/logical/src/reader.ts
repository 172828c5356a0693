/** A cursor over tokens, with what the parsers of matches and actions have in common. */
import { LogicalError } from "./error.ts";
import { lex, type Token } from "./lexer.ts";
import type { Constant, FieldRef } from "./match/expression.ts";
import { type LogicalSymbol, SYMBOLS } from "./symbols.ts";

/**
 * What names in a text stand for. Addresses are texts as in the Address_Set table ("10.0.0.1", "10.0.0.0/8", "fd00::1",
 * "00:00:00:00:00:01"); ports are logical port names.
 */
export interface Names {
  addressSet?(name: string): readonly string[] | undefined;
  portGroup?(name: string): readonly string[] | undefined;
}

/** What a text refers to, so that it is parsed again when that changes. */
export interface References {
  readonly addressSets: ReadonlySet<string>;
  readonly portGroups: ReadonlySet<string>;
}

/** Nesting of parentheses and braces that parsers accept. */
export const MAX_DEPTH = 100;

export class TokenReader {
  readonly text: string;
  readonly tokens: readonly Token[];
  readonly names: Names;
  readonly addressSets = new Set<string>();
  readonly portGroups = new Set<string>();
  #next = 0;

  constructor(text: string, names: Names = {}) {
    this.text = text;
    this.names = names;
    this.tokens = lex(text);
  }

  get token(): Token {
    return this.tokens[this.#next]!;
  }

  /** The token behind the current one. */
  get ahead(): Token {
    return this.tokens[Math.min(this.#next + 1, this.tokens.length - 1)]!;
  }

  get atEnd(): boolean {
    return this.token.kind === "end";
  }

  take(): Token {
    const token = this.token;
    if (token.kind !== "end") this.#next++;
    return token;
  }

  /** Whether the current token is this mark. */
  is(mark: string): boolean {
    const token = this.token;
    return token.kind === "punctuation" && token.text === mark;
  }

  isAhead(mark: string): boolean {
    const token = this.ahead;
    return token.kind === "punctuation" && token.text === mark;
  }

  isId(name: string): boolean {
    const token = this.token;
    return token.kind === "id" && token.text === name;
  }

  /** Takes the current token if it is this mark. */
  accept(mark: string): boolean {
    if (!this.is(mark)) return false;
    this.#next++;
    return true;
  }

  acceptId(name: string): boolean {
    if (!this.isId(name)) return false;
    this.#next++;
    return true;
  }

  expect(mark: string): void {
    if (!this.accept(mark)) throw this.expected(`\`${mark}'`);
  }

  expectId(name: string): void {
    if (!this.acceptId(name)) throw this.expected(`\`${name}'`);
  }

  expectEnd(): void {
    if (!this.atEnd) throw this.expected("end of input");
  }

  /** A decimal integer that fits in a signed 32-bit one; `what` names it in the error. */
  smallInteger(what = "small integer"): number {
    const token = this.token;
    if (token.kind !== "integer" || token.format !== "decimal" || token.mask !== undefined || token.value > 0x7fff_ffffn) {
      throw this.expected(what);
    }
    this.#next++;
    return Number(token.value);
  }

  /** The error for a token that should have been something else. */
  expected(what: string): LogicalError {
    const token = this.token;
    const where = token.kind === "end" ? "at end of input" : `at \`${token.text}'`;
    return new LogicalError("logical.syntax", `Syntax error ${where} expecting ${what}.`, this.text, token.offset);
  }

  /** "Syntax error at `x' MESSAGE." */
  syntax(message: string): LogicalError {
    const token = this.token;
    const where = token.kind === "end" ? "at end of input" : `at \`${token.text}'`;
    return new LogicalError("logical.syntax", `Syntax error ${where} ${message}.`, this.text, token.offset);
  }

  /** An error about types, at the current token or the given place. */
  type(message: string, offset: number = this.token.offset): LogicalError {
    return new LogicalError("logical.type", message, this.text, offset);
  }

  // ---- fields

  /** A symbol with an optional bit range: `reg0`, `reg0[3]`, `reg0[0..7]`. */
  field(): FieldRef {
    const token = this.token;
    const symbol = token.kind === "id" ? SYMBOLS.get(token.text) : undefined;
    if (symbol === undefined) throw this.expected("field name");
    this.#next++;
    if (!this.accept("[")) return { symbol, low: 0, width: symbol.width };
    const low = this.smallInteger();
    const high = this.accept("..") ? this.smallInteger() : low;
    this.expect("]");
    return bitsOf(this, symbol, low, high, token.offset);
  }

  // ---- constants

  /** One constant or a set of them; sets and groups are replaced by what they hold. */
  constants(): { readonly values: Constant[]; readonly braces: boolean } {
    const values: Constant[] = [];
    if (!this.accept("{")) {
      const set = this.token.kind === "address-set" || this.token.kind === "port-group";
      this.#constant(values);
      return { values, braces: set };
    }
    // "{}" is refused, but a named set may be empty
    do {
      this.#constant(values);
      this.accept(",");
    } while (!this.accept("}"));
    return { values, braces: true };
  }

  #constant(values: Constant[]): void {
    const token = this.token;
    const kind = values[0]?.kind;
    switch (token.kind) {
      case "string":
        if (kind === "integer") throw this.expected("integer");
        values.push({ kind: "string", value: token.value });
        break;
      case "integer":
        if (kind === "string") throw this.expected("string");
        values.push(
          token.mask === undefined
            ? { kind: "integer", value: token.value, format: token.format }
            : { kind: "integer", value: token.value, mask: token.mask, format: token.format },
        );
        break;
      case "address-set": {
        if (kind === "string") throw this.expected("string");
        const addresses = this.names.addressSet?.(token.value);
        this.addressSets.add(token.value);
        if (addresses === undefined) throw this.expected("address set name");
        for (const address of addresses) {
          const constant = parseAddress(address);
          if (constant !== undefined) values.push(constant);
        }
        break;
      }
      case "port-group": {
        if (kind === "integer") throw this.expected("integer");
        const ports = this.names.portGroup?.(token.value);
        this.portGroups.add(token.value);
        if (ports === undefined) throw this.expected("port group name");
        for (const port of ports) values.push({ kind: "string", value: port });
        break;
      }
      default:
        throw this.expected("constant");
    }
    this.#next++;
  }
}

const ADDRESS_BITS = { ipv4: 32n, ipv6: 128n, ethernet: 48n, decimal: 0n, hexadecimal: 0n } as const;

/** An element of an address set, or undefined if it is no address. It has a mask, so that its width shows. */
function parseAddress(text: string): Constant | undefined {
  let tokens: readonly Token[];
  try {
    tokens = lex(text);
  } catch (error) {
    if (error instanceof LogicalError) return undefined;
    throw error;
  }
  const token = tokens[0]!;
  if (tokens.length !== 2 || token.kind !== "integer") return undefined;
  const bits = ADDRESS_BITS[token.format];
  if (bits === 0n) return { kind: "integer", value: token.value, format: token.format };
  return { kind: "integer", value: token.value, mask: token.mask ?? (1n << bits) - 1n, format: token.format };
}

function bitsOf(reader: TokenReader, symbol: LogicalSymbol, low: number, high: number, offset: number): FieldRef {
  if (low > high) throw reader.type(`Invalid bit range ${low} to ${high}.`, offset);
  if (symbol.width === 0) throw reader.type(`Cannot select subfield of string field ${symbol.name}.`, offset);
  if (high >= symbol.width) {
    throw reader.type(`Cannot select bits ${low} to ${high} of ${symbol.width}-bit field ${symbol.name}.`, offset);
  }
  if (symbol.level === "nominal" && (low > 0 || high < symbol.width - 1)) {
    throw reader.type(`Cannot select subfield of nominal field ${symbol.name}.`, offset);
  }
  return { symbol, low, width: high - low + 1 };
}
