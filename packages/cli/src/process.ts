/** A program as a process of Node's: arguments, exit code, and --detach. */
import { closeSync, openSync } from "node:fs";
import { type Host, messageOf, nodeHost, type Program, WeftError } from "@weft/runtime";

/** Runs a program and ends the process with its exit code. */
export async function runProcess(
  name: string,
  program: Program,
  args: readonly string[] = process.argv.slice(2),
): Promise<never> {
  const detach = args.includes("--detach");
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

const reportReady: NonNullable<Host["ready"]> = (output = "") => {
  // Whoever waits for our standard error to end must not wait for us.
  closeSync(2);
  openSync("/dev/null", "w");
  process.send?.({ ready: output });
};
