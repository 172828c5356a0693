import { WeftError } from "@weft/runtime";

/** An error that ip(8) prints as it is, with its exit code. */
export class IpError extends WeftError {
  readonly exitCode: number;
  constructor(text: string, exitCode = 255) {
    super("lab.ip", text, { blame: "caller" });
    this.exitCode = exitCode;
  }
}

/** The words of a command line, taken one by one; ip(8) accepts any word by its beginning. */
export class Words {
  readonly #words: readonly string[];
  #at = 0;

  constructor(words: readonly string[]) {
    this.#words = words;
  }

  get done(): boolean {
    return this.#at >= this.#words.length;
  }
  get rest(): readonly string[] {
    return this.#words.slice(this.#at);
  }
  peek(): string | undefined {
    return this.#words[this.#at];
  }
  next(): string {
    const word = this.#words[this.#at++];
    if (word === undefined) throw new IpError('Command line is not complete. Try option "help"');
    return word;
  }
  /** Takes the next word if it is one of these. */
  accept(...words: readonly string[]): string | undefined {
    const word = this.peek();
    if (word === undefined || !words.includes(word)) return undefined;
    this.#at++;
    return word;
  }
}

/** The entry of which `word` is a beginning: the first in the table's order, as ip(8) resolves abbreviations. */
export function abbreviated<T>(table: readonly (readonly [string, T])[], word: string): T | undefined {
  return table.find(([name]) => name.startsWith(word))?.[1];
}
