/**
 * A shell for tests of a lab under the virtual runtime: as much of sh(1) as the posts and the pages in docs/ use. Pipes,
 * variables, $(...) and `...`, quotes, `> FILE` and `2> FILE` to /dev/null, jobs with & and kill, and grep, echo, head, wc,
 * sort, sleep and true of the user's own machine.
 */
import type { Lab } from "@weft/lab";
import type { VirtualRuntime } from "@weft/runtime";

/** Milliseconds of virtual time that a command may take. */
const LIMIT = 200_000;

interface Output {
  readonly stdout: string;
  readonly code: number;
}

const bytesOf = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
const textOf = (bytes: string | Uint8Array) =>
  typeof bytes === "string" ? bytes : Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");

export class TestShell {
  readonly #lab: Lab;
  readonly #runtime: VirtualRuntime;
  readonly #node: string;
  readonly #variables = new Map<string, string>();
  /** By their numbers, from 1; a number is free again when its job was killed. */
  readonly #jobs = new Map<number, AbortController>();
  /** What went to the terminal while a command ran: of pipes and substitutions, standard error. */
  #terminal = "";

  constructor(lab: Lab, runtime: VirtualRuntime, node: string) {
    this.#lab = lab;
    this.#runtime = runtime;
    this.#node = node;
  }

  /** Runs a line and gives what a terminal would show. */
  async run(line: string): Promise<string> {
    this.#terminal = "";
    await this.#line(line, true);
    return this.#terminal;
  }

  /** Ends what goes on in the background. */
  close(): void {
    for (const job of this.#jobs.values()) job.abort();
  }

  /** `shown`: what the last command of a pipe writes goes to the terminal as it comes, and is not among the output. */
  async #line(line: string, shown: boolean): Promise<Output> {
    if (/\s&\s*$/.test(line)) {
      const words = await this.#words(line.replace(/\s&\s*$/, ""));
      const job = new AbortController();
      let number = 1;
      while (this.#jobs.has(number)) number++;
      this.#jobs.set(number, job);
      void this.#execute(words, "", job.signal, false);
      return { stdout: "", code: 0 };
    }
    let output: Output = { stdout: "", code: 0 };
    let all = "";
    for (const command of splitOutsideQuotes(line, ";")) {
      const assignment = /^\s*([A-Za-z_]\w*)=(\$\(.*\)|`.*`)\s*$/.exec(command);
      if (assignment) {
        const [value = ""] = await this.#words(assignment[2]!, true);
        this.#variables.set(assignment[1]!, value);
        continue;
      }
      output = await this.#pipeline(command, shown);
      if (shown) this.#terminal += output.stdout;
      else all += output.stdout;
    }
    return { stdout: all, code: output.code };
  }

  async #pipeline(line: string, shown: boolean): Promise<Output> {
    let output: Output = { stdout: "", code: 0 };
    const parts = splitOutsideQuotes(line, "|");
    for (const [i, part] of parts.entries()) {
      const last = shown && i === parts.length - 1;
      output = await this.#execute(await this.#words(part), output.stdout, new AbortController().signal, last);
    }
    return output;
  }

  async #execute(given: readonly string[], stdin: string, signal: AbortSignal, shown: boolean): Promise<Output> {
    // Redirections are to nowhere, with or without a blank before the file.
    const words = given.filter((word, i) => !/^2?>/.test(word) && !/^2?>$/.test(given[i - 1] ?? ""));
    const [name = "", ...args] = words;
    const own = ownCommands[name];
    if (own) return own(args, stdin);
    if (name === "sleep") {
      await this.#runtime.clock.run(this.#runtime.clock.sleep(Number(args[0]) * 1000), LIMIT);
      return { stdout: "", code: 0 };
    }
    if (name === "kill") {
      const number = Number(args[0]?.replace("%", ""));
      this.#jobs.get(number)?.abort();
      this.#jobs.delete(number);
      return { stdout: "", code: 0 };
    }
    let stdout = "";
    const quiet = given.some((word) => word.startsWith("2>"));
    const unwritten = given.some((word) => word.startsWith(">"));
    const done = this.#lab.exec(this.#node, words, {
      stdin: (async function* () {
        if (stdin !== "") yield bytesOf(stdin);
      })(),
      stdout: {
        write: (bytes) => {
          if (shown && !unwritten) this.#terminal += textOf(bytes);
          else stdout += textOf(bytes);
        },
        isTerminal: false,
      },
      stderr: { write: (bytes) => void (quiet || (this.#terminal += textOf(bytes))), isTerminal: false },
      signal,
    });
    const code = [...this.#jobs.values()].some((job) => job.signal === signal)
      ? await done
      : await this.#runtime.clock.run(done, LIMIT);
    return { stdout: unwritten ? "" : stdout, code };
  }

  /** The words of a command, with variables and substitutions in their place. `whole`: one word, as in an assignment. */
  async #words(text: string, whole = false): Promise<string[]> {
    const words: string[] = [];
    let word: string | undefined;
    const substitute = async (command: string) => {
      const { stdout } = await this.#line(command, false);
      return stdout.replace(/\n+$/, "");
    };
    const add = (piece: string, quoted: boolean) => {
      if (quoted || whole) {
        word = (word ?? "") + piece;
        return;
      }
      const [first = "", ...rest] = piece.split(/\s+/);
      word = (word ?? "") + first;
      for (const next of rest) {
        words.push(word);
        word = next;
      }
    };
    /** What begins with $ or `: its value, and where it ends. */
    const dollar = async (at: number): Promise<[string, number]> => {
      if (text[at] === "`") {
        const end = text.indexOf("`", at + 1);
        return [await substitute(text.slice(at + 1, end)), end];
      }
      if (text[at + 1] === "(") {
        let depth = 1;
        let end = at + 2;
        for (; depth > 0; end++) depth += text[end] === "(" ? 1 : text[end] === ")" ? -1 : 0;
        return [await substitute(text.slice(at + 2, end - 1)), end - 1];
      }
      const name = /^\w+/.exec(text.slice(at + 1))?.[0] ?? "";
      return name === "" ? ["$", at] : [this.#variables.get(name) ?? "", at + name.length];
    };
    for (let at = 0; at < text.length; at++) {
      const char = text[at]!;
      if (char === "'") {
        const end = text.indexOf("'", at + 1);
        add(text.slice(at + 1, end), true);
        at = end;
      } else if (char === '"') {
        word ??= "";
        for (at++; text[at] !== '"'; at++) {
          if (text[at] === "\\" && '"\\$`'.includes(text[at + 1]!)) add(text[++at]!, true);
          else if (text[at] === "$" || text[at] === "`") {
            const [value, end] = await dollar(at);
            add(value, true);
            at = end;
          } else add(text[at]!, true);
        }
      } else if (char === "$" || char === "`") {
        const [value, end] = await dollar(at);
        add(value, false);
        at = end;
      } else if (char === "\\") add(text[++at] ?? "", true);
      else if (/\s/.test(char)) {
        if (word !== undefined) words.push(word);
        word = undefined;
      } else add(char, true);
    }
    if (word !== undefined) words.push(word);
    return words;
  }
}

/** Splits at a separator that is in no quotes and no substitution. */
function splitOutsideQuotes(line: string, separator: string): string[] {
  const parts = [""];
  let quote = "";
  let depth = 0;
  for (let at = 0; at < line.length; at++) {
    const char = line[at]!;
    if (quote !== "") {
      if (char === quote) quote = "";
    } else if (char === "'" || char === '"' || char === "`") quote = char;
    else if (char === "$" && line[at + 1] === "(") depth++;
    else if (char === ")" && depth > 0) depth--;
    if (char === separator && quote === "" && depth === 0) parts.push("");
    else parts[parts.length - 1] += char;
  }
  return parts;
}

const linesOf = (text: string) => text.split("\n").slice(0, text.endsWith("\n") ? -1 : undefined);
const joined = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join("");

/** Commands of the user's machine. */
const ownCommands: Readonly<Record<string, (args: readonly string[], stdin: string) => Output>> = {
  true: () => ({ stdout: "", code: 0 }),
  echo: (args) => ({ stdout: `${args.join(" ")}\n`, code: 0 }),
  grep(args, stdin) {
    const flags = args.filter((arg) => arg.startsWith("-")).join("");
    const pattern = new RegExp(args.find((arg) => !arg.startsWith("-")) ?? "", flags.includes("i") ? "i" : "");
    const lines = linesOf(stdin);
    const matches = lines.map((line) => pattern.test(line) !== flags.includes("v"));
    const after = Number(/A(\d+)/.exec(flags)?.[1] ?? 0);
    const found = lines.filter((_, i) => matches.slice(Math.max(0, i - after), i + 1).includes(true));
    const shown = flags.includes("o") ? found.flatMap((line) => line.match(new RegExp(pattern, "g")) ?? []) : found;
    return { stdout: flags.includes("c") ? `${found.length}\n` : joined(shown), code: found.length > 0 ? 0 : 1 };
  },
  head(args, stdin) {
    const count = Number(/\d+/.exec(args.join(" "))?.[0] ?? 10);
    return { stdout: joined(linesOf(stdin).slice(0, count)), code: 0 };
  },
  tail(args, stdin) {
    const count = Number(/\d+/.exec(args.join(" "))?.[0] ?? 10);
    return { stdout: joined(linesOf(stdin).slice(-count)), code: 0 };
  },
  cut(args, stdin) {
    const [, first = "1", last = ""] = /-c(\d+)-(\d*)/.exec(args.join(" ")) ?? [];
    const end = last === "" ? undefined : Number(last);
    return { stdout: joined(linesOf(stdin).map((line) => line.slice(Number(first) - 1, end))), code: 0 };
  },
  sort: (_, stdin) => ({ stdout: joined(linesOf(stdin).sort()), code: 0 }),
  wc: (_, stdin) => ({ stdout: `${linesOf(stdin).length}\n`, code: 0 }),
};
