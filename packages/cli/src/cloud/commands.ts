/** Commands that look at a cloud as a whole: on a deployment, and in a lab's machines. */
import type { Host, Program } from "@weft/runtime";
import { messageOf, WeftError } from "@weft/runtime";
import type { CloudPlaces } from "@weft/trace";
import { type GivenOption, type OptionRow, parseOptions } from "../options.ts";

export interface CloudRequest {
  readonly host: Host;
  readonly options: readonly GivenOption[];
  has(name: string): boolean;
  /** The last value given. */
  value(name: string): string | undefined;
  readonly words: readonly string[];
  /** Where the cloud is. Throws a WeftError where that cannot be told. */
  places(): Promise<CloudPlaces>;
}

export interface CloudCommand {
  /** What stands behind the command's name. */
  readonly usage: string;
  readonly help: string;
  readonly rows: readonly OptionRow[];
  run(request: CloudRequest): Promise<number>;
}

/** By name; loaded when run. */
export const cloudCommands: Readonly<Record<string, () => Promise<CloudCommand>>> = {
  explain: async () => (await import("./explain.ts")).explainCommand,
  trace: async () => (await import("./trace.ts")).traceCommand,
  verify: async () => (await import("./verify.ts")).verifyCommand,
  watch: async () => (await import("./watch.ts")).watchCommand,
};

/** How the cloud is found, and the options that say so. */
export interface CloudFinder {
  readonly rows: readonly OptionRow[];
  readonly help: string;
  find(host: Host, options: readonly GivenOption[]): Promise<CloudPlaces>;
}

/** The exit code where it could not be found out what was asked. */
const FAILED = 2;

export function cloudProgram(name: string, { usage, help, rows, run }: CloudCommand, finder: CloudFinder): Program {
  const all: readonly OptionRow[] = [...rows, ...finder.rows, { name: "help", short: "h" }];
  return async (args, host) => {
    try {
      const { options, rest } = parseOptions(args, all);
      const has = (wanted: string): boolean => options.some((option) => option.name === wanted);
      if (has("help")) {
        await host.stdout.write(`usage: weft ${name} ${usage}\n\n${help}${finder.help === "" ? "" : `\n${finder.help}`}`);
        return 0;
      }
      const value = (wanted: string): string | undefined => options.findLast((option) => option.name === wanted)?.value;
      return await run({ host, options, has, value, words: rest, places: () => finder.find(host, options) });
    } catch (error) {
      if (!(error instanceof WeftError) || error.blame === "us") throw error;
      await host.stderr.write(`weft ${name}: ${messageOf(error)}\n`);
      return FAILED;
    }
  };
}
