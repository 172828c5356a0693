import { join } from "node:path/posix";
import type { Program } from "@weft/runtime";
import { engineFlags } from "./engineFlags.ts";
import { programs } from "./programs.ts";

/**
 * `weft link DIR`: writes a command for every program into DIR, named like the original, so that DIR first on PATH puts
 * Weft in the originals' place. `main`: the file that Node runs, given the program's name as its first argument.
 */
export function linkProgram(main: string, node: string): Program {
  return async (args, host) => {
    const [folder] = args;
    if (folder === undefined || args.length !== 1 || folder.startsWith("-")) {
      await host.stderr.write("usage: weft link DIR\n");
      return 2;
    }
    const { files } = host.runtime;
    const target = folder.startsWith("/") ? folder : join(host.cwd, folder);
    await files.mkdir(target);
    const names = Object.keys(programs).sort();
    for (const name of names) {
      const flags = engineFlags(name).map((flag) => `${flag} `);
      const script = `#!/bin/sh\nexec ${quote(node)} ${flags.join("")}${quote(main)} ${name} "$@"\n`;
      await files.write(join(target, name), new TextEncoder().encode(script), { mode: 0o755 });
    }
    await host.stdout.write(`${target}: ${names.join(" ")}\n`);
    return 0;
  };
}

function quote(word: string): string {
  return /^[\w/.@%+=:,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
