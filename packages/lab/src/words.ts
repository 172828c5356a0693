import { WeftError } from "@weft/runtime";

/**
 * Splits a line as a shell does: blanks, quotes, backslashes, comments. What would need a shell (pipes, redirections,
 * variables, substitutions) is an error that names it: `weft lab shell` has the user's own shell for those.
 */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let at = 0; at < line.length; at++) {
    const char = line[at]!;
    if (char === "'" || char === '"') {
      const end = closing(line, at);
      word = (word ?? "") + (char === "'" ? line.slice(at + 1, end) : line.slice(at + 1, end).replace(/\\(["\\$`])/g, "$1"));
      at = end;
    } else if (char === "\\") {
      at++;
      word = (word ?? "") + (line[at] ?? "");
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === "#" && word === undefined) break;
    else if ("|&;<>$`".includes(char)) {
      throw new WeftError("lab.needs-shell", `${JSON.stringify(char)} in ${JSON.stringify(line)} needs a shell`, {
        blame: "caller",
        place: { text: line, offset: at },
      });
    } else word = (word ?? "") + char;
  }
  if (word !== undefined) words.push(word);
  return words;
}

function closing(line: string, start: number): number {
  const quote = line[start]!;
  for (let at = start + 1; at < line.length; at++) {
    if (line[at] === "\\" && quote === '"') at++;
    else if (line[at] === quote) return at;
  }
  throw new WeftError("lab.open-quote", `unterminated ${quote} in ${JSON.stringify(line)}`, {
    blame: "caller",
    place: { text: line, offset: start },
  });
}

/** A command of a script. */
export interface ScriptCommand {
  readonly words: readonly string[];
  /** It ends in "&": it goes on in the background, and the next one does not wait for it. */
  readonly background: boolean;
}

/** The commands of a script, one for each line; a backslash at the end of a line goes on with the next. */
export function commandsOf(script: string): ScriptCommand[] {
  return script
    .replace(/\\\n/g, " ")
    .split("\n")
    .map((line) => {
      const [, command = line, ampersand] = /^(.*\S)\s+(&)\s*$/.exec(line) ?? [];
      return { words: splitWords(command), background: ampersand !== undefined };
    })
    .filter(({ words }) => words.length > 0);
}
