/** The vlog/* commands of every daemon (ovs-appctl(8), "LOGGING COMMANDS"). */
import { type ConfigurableLogBook, type ControlCommand, logDestinations } from "@weft/runtime";

/** The log file behind the "file" destination. */
export interface LogFile {
  /** Opens the file again under its name, after a rotation. Throws when none was configured. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

export function vlogCommands(log: ConfigurableLogBook, file: LogFile): ControlCommand[] {
  return [
    {
      name: "vlog/set",
      usage: "{spec | PATTERN:destination:pattern}",
      minArgs: 0,
      maxArgs: Number.POSITIVE_INFINITY,
      run(args) {
        // Without a word everything is told.
        for (const spec of args.length === 0 ? [""] : args) log.apply(spec);
        return "";
      },
    },
    { name: "vlog/list", usage: "", minArgs: 0, maxArgs: 0, run: () => listLevels(log) },
    { name: "vlog/list-pattern", usage: "", minArgs: 0, maxArgs: 0, run: () => listPatterns(log) },
    {
      name: "vlog/reopen",
      usage: "",
      minArgs: 0,
      maxArgs: 0,
      async run() {
        await file.reopen();
        return "";
      },
    },
    {
      name: "vlog/close",
      usage: "",
      minArgs: 0,
      maxArgs: 0,
      async run() {
        await file.close();
        return "";
      },
    },
    {
      name: "vlog/message",
      usage: "",
      minArgs: 1,
      maxArgs: 1,
      hidden: true,
      run([text]) {
        log.logger("vlog").info(`user-message: ${text}`);
        return "";
      },
    },
    // Whatever is counted together is so at any time; what was set shows in the list.
    rateLimitCommand(log, "vlog/enable-rate-limit", true),
    rateLimitCommand(log, "vlog/disable-rate-limit", false),
  ];
}

function rateLimitCommand(log: ConfigurableLogBook, name: string, limited: boolean): ControlCommand {
  return {
    name,
    usage: "[module]...",
    minArgs: 0,
    maxArgs: Number.POSITIVE_INFINITY,
    run(args) {
      if (args.length === 0) log.setRateLimit(undefined, limited);
      for (const word of args) {
        const module = word.toLowerCase() === "any" ? undefined : log.moduleNamed(word);
        if (module === undefined && word.toLowerCase() !== "any") throw new Error("unknown module");
        log.setRateLimit(module, limited);
      }
      return "";
    },
  };
}

function listLevels(log: ConfigurableLogBook): string {
  let text = "                 console    syslog    file\n                 -------    ------    ------\n";
  for (const module of log.modules) {
    const [console, syslog, file] = (["console", "syslog", "file"] as const).map((where) =>
      log.threshold(module, where).toUpperCase().padStart(4),
    );
    const limit = log.isRateLimited(module) ? "" : "    (rate limiting disabled)";
    text += `${module.padEnd(16)}  ${console}       ${syslog}       ${file}${limit}\n`;
  }
  return text;
}

function listPatterns(log: ConfigurableLogBook): string {
  let text = "         prefix                            format\n         ------                            ------\n";
  for (const where of logDestinations) {
    const prefix = where === "syslog" ? "<%B> %D{%h %e %T} %E %A:" : "none";
    text += `${where.toUpperCase().padEnd(7)}  ${prefix.padEnd(32)}  ${log.pattern(where)}\n`;
  }
  return text;
}
