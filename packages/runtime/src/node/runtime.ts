import { randomFillSync } from "node:crypto";
import { hostname } from "node:os";
import { ConfigurableLogBook } from "../log.ts";
import { randomFrom } from "../random.ts";
import type { Host, Output, Random, Runtime } from "../world.ts";
import { nodeClock } from "./clock.ts";
import { nodeFiles } from "./files.ts";
import { NodeNetwork } from "./net.ts";

export interface NodeRuntime extends Runtime {
  readonly log: ConfigurableLogBook;
}

/** Random numbers of the operating system, drawn in blocks. */
function systemRandom(): Random {
  const block = new Uint32Array(256);
  let used = block.length;
  return randomFrom(() => {
    if (used === block.length) {
      randomFillSync(block);
      used = 0;
    }
    return block[used++]!;
  });
}

/** The real world. `programName` appears in log patterns (%A). */
export function nodeRuntime(programName = "weft"): NodeRuntime {
  return {
    clock: nodeClock,
    random: systemRandom(),
    net: new NodeNetwork(nodeClock),
    files: nodeFiles,
    log: new ConfigurableLogBook(nodeClock, programName),
  };
}

function output(stream: NodeJS.WriteStream): Output {
  return {
    write(text) {
      if (stream.write(text)) return;
      return new Promise((resolve) => {
        const done = () => {
          stream.off("drain", done);
          stream.off("error", done);
          stream.off("close", done);
          resolve();
        };
        stream.on("drain", done);
        stream.on("error", done);
        stream.on("close", done);
      });
    },
    isTerminal: stream.isTTY === true,
    ...(stream.columns === undefined ? {} : { columns: stream.columns }),
  };
}

/** The process as a {@link Host}. SIGTERM, SIGINT and SIGHUP abort its signal; a reader that goes away ends the process quietly. */
export function nodeHost(programName: string): Host & { readonly runtime: NodeRuntime } {
  const ending = new AbortController();
  for (const name of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    process.once(name, () => ending.abort(name));
  }
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(141);
    throw error;
  });
  return {
    runtime: nodeRuntime(programName),
    env: process.env,
    cwd: process.cwd(),
    hostname: hostname(),
    pid: process.pid,
    stdin: process.stdin,
    stdout: output(process.stdout),
    stderr: output(process.stderr),
    signal: ending.signal,
    peakMemory: () => process.resourceUsage().maxRSS,
    fileLocks: async () => (await import("./linux/fileLocks.ts")).linuxFileLocks(),
  };
}
