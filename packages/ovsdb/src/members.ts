/** Reads the members of a JSON object one by one; the first fault is reported by {@link Members.finish}. */
import { OvsdbError } from "./error.ts";
import { isArray, isObject, type Json, type JsonObject } from "./jsonrpc/json.ts";

export type MemberType = "string" | "integer" | "number" | "boolean" | "array" | "object" | "id" | "null";

const ID = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** RFC 7047 section 3.1 <id>. */
export function isId(text: string): boolean {
  return ID.test(text);
}

function hasType(value: Json, type: MemberType): boolean {
  switch (type) {
    case "string":
    case "boolean":
      return typeof value === type;
    case "number":
      return typeof value === "number" || typeof value === "bigint";
    case "integer":
      return typeof value === "bigint" || (typeof value === "number" && Number.isInteger(value));
    case "array":
      return isArray(value);
    case "object":
      return isObject(value);
    case "id":
      return typeof value === "string" && ID.test(value);
    case "null":
      return value === null;
  }
}

export class Members {
  readonly #object: JsonObject | undefined;
  /** What is being parsed, e.g. "ovsdb operation 1 of 2": the error says "Parsing <name> failed: ...". */
  readonly #name: () => string;
  /** Names of members that somebody has read; of few, so that an array does. */
  readonly #seen: string[] = [];
  #error: OvsdbError | undefined;

  constructor(value: Json | undefined, name: () => string) {
    this.#name = name;
    if (isObject(value)) this.#object = value;
    else {
      this.#object = undefined;
      this.#error = new OvsdbError("syntax error", `Parsing ${name()} failed: Object expected.`);
    }
  }

  get failed(): boolean {
    return this.#error !== undefined;
  }

  /** Notes a fault unless there is one already. */
  fail(what: string): undefined {
    this.#error ??= new OvsdbError("syntax error", `Parsing ${this.#name()} failed: ${what}`, this.#object);
    return undefined;
  }

  #get(name: string, types: readonly MemberType[], optional: boolean): Json | undefined {
    const object = this.#object;
    if (object === undefined) return undefined;
    const value = Object.hasOwn(object, name) ? object[name] : undefined;
    if (value === undefined) return optional ? undefined : this.fail(`Required '${name}' member is missing.`);
    if (!this.#seen.includes(name)) this.#seen.push(name);
    for (const type of types) if (hasType(value, type)) return value;
    return this.fail(`Type mismatch for member '${name}'.`);
  }

  required(name: string, ...types: MemberType[]): Json | undefined {
    return this.#get(name, types, false);
  }

  optional(name: string, ...types: MemberType[]): Json | undefined {
    return this.#get(name, types, true);
  }

  string(name: string, optional = false, type: MemberType = "string"): string | undefined {
    const value = this.#get(name, [type], optional);
    return typeof value === "string" ? value : undefined;
  }

  boolean(name: string, optional = false): boolean | undefined {
    const value = this.#get(name, ["boolean"], optional);
    return typeof value === "boolean" ? value : undefined;
  }

  array(name: string, optional = false): readonly Json[] | undefined {
    const value = this.#get(name, ["array"], optional);
    return isArray(value) ? value : undefined;
  }

  object(name: string, optional = false): JsonObject | undefined {
    const value = this.#get(name, ["object"], optional);
    return isObject(value) ? value : undefined;
  }

  /** Throws the first fault: of a member read so far, or that there are members which nobody read. */
  finish(): void {
    if (this.#error === undefined && this.#object !== undefined) {
      let count = 0;
      for (const name in this.#object) {
        if (this.#object[name] === undefined) continue;
        count++;
        if (!this.#seen.includes(name)) this.fail(`Member '${name}' is present but not allowed here.`);
      }
      if (count < this.#seen.length) throw new OvsdbError("internal error", "member counted twice");
    }
    if (this.#error !== undefined) throw this.#error;
  }
}
