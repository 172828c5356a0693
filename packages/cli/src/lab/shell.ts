/** `weft lab shell NODE`: the user's own shell, with the machine's commands first on PATH. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Host } from "@weft/runtime";
import { runLocal, shellVariables } from "./client.ts";

export interface ShellOptions {
  readonly lab: string;
  readonly socket: string;
  readonly node: string;
  /** The machine's commands. */
  readonly commands: readonly string[];
  /** The file that a command runs: see shim.ts. */
  readonly shim: string;
  /** Run this with `sh -c` in place of an interactive shell. */
  readonly script?: string;
}

export async function runShell(host: Host, { lab, socket, node, commands, shim, script }: ShellOptions): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "weft-shell-"));
  try {
    for (const command of commands) {
      await writeFile(join(folder, command), `#!/bin/sh\nexec '${process.execPath}' '${shim}' '${command}' "$@"\n`, {
        mode: 0o755,
      });
    }
    const shell = host.env["SHELL"] ?? "/bin/sh";
    // In a guest's namespace the prompt says so.
    const prompt = `[root@${node} \${${shellVariables.namespace}:+($${shellVariables.namespace}) }`;
    const path = `${folder}:${host.env["PATH"] ?? "/usr/bin:/bin"}`;
    const rc = join(folder, ".rc");
    // The user's own settings come first; PATH and the prompt are the machine's.
    await writeFile(rc, `[ -f ~/.bashrc ] && . ~/.bashrc\nPATH='${folder}':$PATH\nPS1='${prompt}\\W]# '\n`);
    const interactive = shell.endsWith("/bash") ? [shell, "--rcfile", rc, "-i"] : [shell, "-i"];
    return await runLocal(script === undefined ? interactive : [shell, "-c", script], {
      PATH: path,
      PS1: `${prompt}~]# `,
      [shellVariables.settings]: rc,
      WEFT_LAB: lab,
      [shellVariables.socket]: socket,
      [shellVariables.node]: node,
      [shellVariables.namespace]: "",
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}
