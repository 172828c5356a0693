/**
 * The lexical form of flows, actions, groups and meters: keys with values, separated by commas and white space. A value
 * follows "=" or ":" and reaches to the next separator outside parentheses, or stands in parentheses itself.
 */
import { TextError } from "./error.ts";

export interface Item {
  readonly key: string;
  readonly value: string;
  /** What stands between key and value: "(" when the value was parenthesised, "" when there is none. */
  readonly delimiter: "" | "=" | ":" | "(";
  /** After a parenthesised value and up to the next separator, e.g. "->reg0[0]". */
  readonly suffix: string;
  /** Offset of the key. */
  readonly start: number;
  /** Offset of the value. */
  readonly valueStart: number;
}

function isSeparator(c: string | undefined): boolean {
  return c === "," || c === " " || c === "\t" || c === "\r" || c === "\n";
}

/** Reads items one by one from `text`. */
export class Scanner {
  readonly text: string;
  readonly #lenient: boolean;
  #at = 0;

  /** `lenient`: quotes mean nothing, and what is not closed reaches to the end. */
  constructor(text: string, lenient = false) {
    this.text = text;
    this.#lenient = lenient;
  }

  /** Offset of the next character that was not read. */
  get at(): number {
    return this.#at;
  }

  /** The next item; undefined at the end. Throws a TextError for parentheses or quotes that do not close. */
  next(): Item | undefined {
    const { text } = this;
    let i = this.#at;
    while (i < text.length && isSeparator(text[i])) i++;
    if (i >= text.length) {
      this.#at = i;
      return undefined;
    }
    const start = i;
    if (text[i] === '"' && !this.#lenient) {
      i = endOfQuotes(text, i);
    } else {
      while (i < text.length && !isSeparator(text[i]) && text[i] !== "=" && text[i] !== ":" && text[i] !== "(") i++;
    }
    const key = text.slice(start, i);
    const c = text[i];
    if (c === "(") {
      const close = closingParenthesis(text, i, this.#lenient);
      let end = close + 1;
      while (end < text.length && !isSeparator(text[end])) end++;
      this.#at = end;
      return {
        key,
        value: text.slice(i + 1, close),
        delimiter: "(",
        suffix: text.slice(close + 1, end),
        start,
        valueStart: i + 1,
      };
    }
    if (c === "=" || c === ":") {
      const valueStart = i + 1;
      i = endOfValue(text, valueStart, this.#lenient);
      this.#at = i;
      return { key, value: text.slice(valueStart, i), delimiter: c, suffix: "", start, valueStart };
    }
    this.#at = i;
    return { key, value: "", delimiter: "", suffix: "", start, valueStart: i };
  }
}

function endOfQuotes(text: string, open: number): number {
  let i = open + 1;
  while (i < text.length && text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
  if (i >= text.length) throw new TextError(`${text.slice(open)}: missing closing quote`, text, open);
  return i + 1;
}

function closingParenthesis(text: string, open: number, lenient: boolean): number {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if (text[i] === "(") depth++;
    else if (text[i] === ")" && --depth === 0) return i;
  }
  if (lenient) return text.length;
  throw new TextError(`${text.slice(open)}: missing closing parenthesis`, text, open);
}

function endOfValue(text: string, from: number, lenient: boolean): number {
  let depth = 0;
  let i = from;
  for (; i < text.length; i++) {
    const c = text[i];
    if (c === '"' && !lenient) i = endOfQuotes(text, i) - 1;
    else if (c === "(") depth++;
    else if (c === ")") {
      if (--depth < 0) break;
    } else if (depth === 0 && isSeparator(c)) break;
  }
  if (depth > 0 && !lenient) throw new TextError(`${text.slice(from)}: missing closing parenthesis`, text, from);
  return i;
}

/** All items of `text`; see {@link Scanner} for `lenient`. */
export function items(text: string, lenient = false): Item[] {
  const scanner = new Scanner(text, lenient);
  const found: Item[] = [];
  for (let item = scanner.next(); item !== undefined; item = scanner.next()) found.push(item);
  return found;
}
