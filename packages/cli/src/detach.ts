/** --detach: the process that was started starts another one, which does the work, and ends when that is ready. */
import { engineFlags } from "./engineFlags.ts";

/** Set in the environment of a process that was started by --detach and reports on its IPC channel. */
const detachedMark = "WEFT_DETACHED";

/** Whether this is the first of the two processes, which needs nothing of the program itself. */
export function mustDetach(args: readonly string[]): boolean {
  return args.includes("--detach") && process.env[detachedMark] === undefined;
}

/** Starts this program again in the background; resolves to 0 when it is ready, or to its exit code when it failed before. */
export async function startDetached(name: string): Promise<number> {
  // Commands do without it, and start faster so.
  const { fork } = await import("node:child_process");
  const child = fork(process.argv[1]!, process.argv.slice(2), {
    detached: true,
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    // A linked program was started with its flags already.
    execArgv: [...new Set([...process.execArgv, ...engineFlags(name)])],
    env: { ...process.env, [detachedMark]: "1" },
  });
  return await new Promise((resolve) => {
    child.on("message", (message: { readonly ready: string }) => {
      process.stdout.write(message.ready);
      child.disconnect();
      child.unref();
      resolve(0);
    });
    child.on("exit", (code) => resolve(code === null || code === 0 ? 1 : code));
  });
}
