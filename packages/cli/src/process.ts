/** A program as a process of Node's: arguments, exit code, and --detach. */
import { closeSync, openSync } from "node:fs";
import { type Host, messageOf, nodeHost, type Program, WeftError } from "@weft/runtime";
import { engineFlags } from "./engineFlags.ts";

/** Set in the environment of a process that was started by --detach and reports on its IPC channel. */
const detachedMark = "WEFT_DETACHED";

/** Runs a program and ends the process with its exit code. */
export async function runProcess(
  name: string,
  program: Program,
  args: readonly string[] = process.argv.slice(2),
): Promise<never> {
  const detach = args.includes("--detach");
  if (detach && process.env[detachedMark] === undefined) process.exit(await startDetached(name));
  const host = nodeHost(name);
  const ready = detach ? reportReady : undefined;
  let code: number;
  try {
    code = await program(args, ready ? { ...host, ready } : host);
  } catch (error) {
    const text =
      error instanceof WeftError && error.blame !== "us" ? messageOf(error) : ((error as Error).stack ?? messageOf(error));
    process.stderr.write(`${name}: ${text}\n`);
    code = 1;
  }
  await flushed(process.stdout);
  await flushed(process.stderr);
  process.exit(code);
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.writableLength === 0) resolve();
    else stream.write("", () => resolve());
  });
}

/** Starts this program again in the background; resolves to 0 when it is ready, or to its exit code when it failed before. */
async function startDetached(name: string): Promise<number> {
  // Commands do without it, and start faster so.
  const { fork } = await import("node:child_process");
  const child = fork(process.argv[1]!, process.argv.slice(2), {
    detached: true,
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    execArgv: [...process.execArgv, ...engineFlags(name)],
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

const reportReady: NonNullable<Host["ready"]> = (output = "") => {
  // Whoever waits for our standard error to end must not wait for us.
  closeSync(2);
  openSync("/dev/null", "w");
  process.send?.({ ready: output });
};
