import { WeftError } from "@weft/runtime";

/** A wrong command line, in getopt(3)'s words. */
export class UsageError extends WeftError {
  readonly exitCode: number;

  constructor(text: string, exitCode = 1) {
    super("lab.usage", text, { blame: "caller" });
    this.exitCode = exitCode;
  }
}

export interface ShortOptions {
  /** Options in their order, with their arguments where they take one. */
  readonly options: readonly { readonly letter: string; readonly value: string }[];
  readonly operands: readonly string[];
}

/**
 * getopt(3) for the emulated commands: `spec` lists the letters, those that take an argument followed by a colon; a leading
 * "+" ends the options at the first operand. Long options are given in `long`, by name to the letter that they stand for.
 */
export function getopt(args: readonly string[], spec: string, long: Readonly<Record<string, string>> = {}): ShortOptions {
  const stopEarly = spec.startsWith("+");
  const options: { letter: string; value: string }[] = [];
  const operands: string[] = [];
  const takesValue = (letter: string) => spec.includes(`${letter}:`);
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!;
    if (word === "--") {
      operands.push(...args.slice(at + 1));
      break;
    }
    if (word.startsWith("--")) {
      const [name = "", value] = word.slice(2).split("=", 2);
      const letter = long[name];
      if (letter === undefined) throw new UsageError(`unrecognized option '--${name}'`);
      if (!takesValue(letter)) options.push({ letter, value: "" });
      else {
        const argument = value ?? args[++at];
        if (argument === undefined) throw new UsageError(`option '--${name}' requires an argument`);
        options.push({ letter, value: argument });
      }
      continue;
    }
    if (word.startsWith("-") && word.length > 1) {
      for (let i = 1; i < word.length; i++) {
        const letter = word[i]!;
        if (letter === ":" || !spec.replace("+", "").includes(letter)) throw new UsageError(`invalid option -- '${letter}'`);
        if (!takesValue(letter)) {
          options.push({ letter, value: "" });
          continue;
        }
        const argument = i + 1 < word.length ? word.slice(i + 1) : args[++at];
        if (argument === undefined) throw new UsageError(`option requires an argument -- '${letter}'`);
        options.push({ letter, value: argument });
        break;
      }
      continue;
    }
    if (stopEarly) {
      operands.push(...args.slice(at));
      break;
    }
    operands.push(word);
  }
  return { options, operands };
}

/** The nearest number to a C program's largest; its text is the C program's. */
const LONG_MAX = 2 ** 63;

/** The number that an option's argument is, or a usage error in ping's words. */
export function numberOf(text: string, { least = 0, most = LONG_MAX, whole = true } = {}): number {
  if (!/^\d+(\.\d*)?$/.test(text) || (whole && text.includes("."))) throw new UsageError(`invalid argument: '${text}'`);
  const value = Number(text);
  if (value < least || value > most)
    throw new UsageError(
      `invalid argument: '${text}': out of range: ${least} <= value <= ${most === LONG_MAX ? "9223372036854775807" : most}`,
    );
  return value;
}
