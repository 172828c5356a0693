/** Errors as OVSDB reports them: RFC 7047 section 3.1 <error>, with the strings of ovsdb-server(7). */
import { type Place, WeftError } from "@weft/runtime";
import { isArray, isObject, type Json } from "./jsonrpc/json.ts";

/** The value of the "error" member. Servers may use others; these are the ones that this server uses. */
export type ErrorString =
  | "syntax error"
  | "unknown column"
  | "unknown function"
  | "unknown mutator"
  | "unknown database"
  | "database not available"
  | "constraint violation"
  | "referential integrity violation"
  | "duplicate uuid-name"
  | "duplicate uuid"
  | "range error"
  | "domain error"
  | "ovsdb error"
  | "timed out"
  | "aborted"
  | "not owner"
  | "not allowed"
  | "not supported"
  | "permission error"
  | "resources exhausted"
  | "I/O error"
  | "invalid parameters"
  | "internal error";

/** An <error> of RFC 7047. `error` and `details` go over the wire, `syntax` is the JSON that could not be understood. */
export class OvsdbError extends WeftError {
  readonly error: ErrorString;
  readonly details: string;
  readonly syntax: Json | undefined;
  /** For "I/O error": what the system says. */
  readonly io: string | undefined;

  constructor(error: ErrorString, details: string, syntax?: Json, place?: Place, io?: string) {
    const text = `${error}: ${details}${io === undefined ? "" : ` (${io})`}`;
    super(`ovsdb.${error.replaceAll(" ", "-")}`, text, place === undefined ? {} : { place });
    this.io = io;
    this.error = error;
    this.details = details;
    this.syntax = syntax;
  }

  /** The <error> object. */
  toJson(): Json {
    return {
      details: this.details,
      error: this.error,
      ...(this.io === undefined ? {} : { "io-error": this.io }),
      ...(this.syntax === undefined ? {} : { syntax: canonicalJson(this.syntax) }),
    };
  }

  /** One line, as the reference's tools print it: `syntax "{}": syntax error: details`. */
  get line(): string {
    return this.syntax === undefined ? this.message : `syntax "${canonicalJson(this.syntax)}": ${this.message}`;
  }
}

export function syntaxError(details: string, syntax?: Json): OvsdbError {
  return new OvsdbError("syntax error", details, syntax);
}

/** Compact JSON with object members sorted by name and reals as the reference prints them. */
export function canonicalJson(value: Json): string {
  if (typeof value === "number") {
    return Number.isInteger(value) && Math.abs(value) < 2 ** 63 ? BigInt(value).toString() : formatReal(value);
  }
  if (typeof value === "bigint") return value.toString();
  if (isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (isObject(value)) {
    const members: string[] = [];
    for (const key of Object.keys(value).sort()) {
      const member = value[key];
      if (member !== undefined) members.push(`${JSON.stringify(key)}:${canonicalJson(member)}`);
    }
    return `{${members.join(",")}}`;
  }
  return JSON.stringify(value);
}

/** A real as C's `%.15g` prints it. */
export function formatReal(value: number): string {
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [mantissa, exponentText] = value.toExponential(14).split("e") as [string, string]; // toExponential always has an e
  const exponent = Number(exponentText);
  const strip = (digits: string): string => (digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits);
  if (exponent >= -4 && exponent < 15) return strip(value.toFixed(14 - exponent));
  const size = Math.abs(exponent);
  return `${strip(mantissa)}e${exponent < 0 ? "-" : "+"}${size < 10 ? "0" : ""}${size}`;
}
