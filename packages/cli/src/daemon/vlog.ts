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
        for (const spec of args) log.apply(spec);
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
    // Nothing is rate-limited, so that both are true at any time.
    ...["vlog/enable-rate-limit", "vlog/disable-rate-limit"].map((name) => ({
      name,
      usage: "[module]...",
      minArgs: 0,
      maxArgs: Number.POSITIVE_INFINITY,
      run: () => "",
    })),
  ];
}

function listLevels(log: ConfigurableLogBook): string {
  let text = "                 console    syslog    file\n                 -------    ------    ------\n";
  for (const module of log.modules) {
    const [console, syslog, file] = (["console", "syslog", "file"] as const).map((where) =>
      log.threshold(module, where).toUpperCase().padStart(4),
    );
    text += `${module.padEnd(16)}  ${console}       ${syslog}       ${file}\n`;
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
