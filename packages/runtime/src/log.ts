/**
 * Log books: loggers of many modules, thresholds per module and destination, and the line of OVS
 * (ovs-appctl(8), "LOGGING COMMANDS"): `2026-01-31T12:00:00.000Z|00001|module|INFO|text`.
 */
import { WeftError } from "./errors.ts";
import type { Clock, LogBook, Logger, LogLevel, LogRecord } from "./world.ts";

/** Severity order: a threshold lets through itself and everything before it. */
const severity = { off: -1, emer: 0, err: 1, warn: 2, info: 3, dbg: 4 } as const;

export type LogThreshold = keyof typeof severity;
export const logThresholds = Object.keys(severity) as readonly LogThreshold[];

export const logDestinations = ["syslog", "console", "file"] as const;
export type LogDestination = (typeof logDestinations)[number];

/** A log book whose thresholds and destinations can be set. Thresholds are "info" for the file, "off" for the rest at first. */
/** Facilities of syslog(3). */
const facilities = /^(kern|user|mail|daemon|auth|syslog|lpr|news|uucp|clock|ftp|ntp|audit|alert|clock2|local[0-7])$/;

export class ConfigurableLogBook implements LogBook {
  readonly #clock: Pick<Clock, "wall">;
  readonly #thresholds = new Map<string, Map<LogDestination, LogThreshold>>();
  readonly #defaults = new Map<LogDestination, LogThreshold>([
    ["syslog", "off"],
    ["console", "off"],
    ["file", "info"],
  ]);
  readonly #modules = new Map<string, BookLogger>();
  readonly #outputs = new Map<LogDestination, (line: string) => void>();
  readonly #patterns = new Map<LogDestination, string>();
  readonly #listeners = new Set<(record: LogRecord) => void>();
  readonly #programName: string;
  #sequence = 0;

  constructor(clock: Pick<Clock, "wall">, programName = "weft") {
    this.#clock = clock;
    this.#programName = programName;
  }

  logger(module: string): Logger {
    let logger = this.#modules.get(module);
    if (!logger) {
      logger = new BookLogger(module, (level, text) => this.#write(module, level, text));
      this.#modules.set(module, logger);
      this.#refresh();
    }
    return logger;
  }

  onRecord(listener: (record: LogRecord) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Where lines of a destination go; undefined closes it. Lines come without the newline. */
  setOutput(destination: LogDestination, write: ((line: string) => void) | undefined): void {
    if (write) this.#outputs.set(destination, write);
    else this.#outputs.delete(destination);
    this.#refresh();
  }

  /** `module` undefined means every module, `destination` undefined every destination. */
  setThreshold(module: string | undefined, destination: LogDestination | undefined, level: LogThreshold): void {
    for (const where of destination ? [destination] : logDestinations) {
      if (module === undefined) {
        this.#defaults.set(where, level);
        for (const own of this.#thresholds.values()) own.delete(where);
      } else {
        let own = this.#thresholds.get(module);
        if (!own) {
          own = new Map();
          this.#thresholds.set(module, own);
        }
        own.set(where, level);
      }
    }
    this.#refresh();
  }

  threshold(module: string, destination: LogDestination): LogThreshold {
    return this.#thresholds.get(module)?.get(destination) ?? this.#defaults.get(destination)!;
  }

  setPattern(destination: LogDestination | undefined, pattern: string): void {
    for (const where of destination ? [destination] : logDestinations) this.#patterns.set(where, pattern);
  }

  pattern(destination: LogDestination): string {
    return this.#patterns.get(destination) ?? defaultPattern[destination];
  }

  get modules(): readonly string[] {
    return [...this.#modules.keys()].sort();
  }

  /**
   * Applies one word of `vlog/set` or of `-v`: `[MODULE][:DESTINATION][:LEVEL]` in any order, `PATTERN:DESTINATION:TEXT`,
   * `FACILITY:...`. Throws WeftError "log.bad-spec".
   */
  apply(spec: string): void {
    const pattern = /^pattern:([^:]*):(.*)$/is.exec(spec);
    if (pattern) {
      const where = pattern[1]!.toLowerCase();
      if (where !== "any" && !isDestination(where)) throw badSpec(spec, `no destination ${JSON.stringify(where)}`);
      this.setPattern(where === "any" ? undefined : where, pattern[2]!);
      return;
    }
    const facility = /^facility:(.*)$/is.exec(spec);
    if (facility) {
      if (!facilities.test(facility[1]!)) throw badSpec(spec, "invalid facility");
      return;
    }
    let module: string | undefined;
    let destination: LogDestination | undefined;
    let level: LogThreshold | undefined;
    for (const word of spec.split(/[\s:]+/).filter((w) => w !== "")) {
      const lower = word.toLowerCase();
      if (lower === "any") continue;
      if (isDestination(lower)) destination = lower;
      else if (Object.hasOwn(severity, lower)) level = lower as LogThreshold;
      else if (module === undefined) module = word;
      else throw badSpec(spec, `no destination, level, or module ${JSON.stringify(word)}`);
    }
    this.setThreshold(module, destination, level ?? "dbg");
  }

  #refresh(): void {
    for (const logger of this.#modules.values()) {
      let most = this.#listeners.size > 0 ? severity.info : severity.off;
      for (const where of logDestinations) {
        if (this.#outputs.has(where)) most = Math.max(most, severity[this.threshold(logger.module, where)]) as typeof most;
      }
      logger.most = Math.max(most, severity.info);
    }
  }

  #write(module: string, level: LogLevel, text: string): void {
    const record: LogRecord = { time: this.#clock.wall(), sequence: ++this.#sequence, module, level, text };
    for (const [where, write] of this.#outputs) {
      if (severity[level] <= severity[this.threshold(module, where)])
        write(formatRecord(record, this.pattern(where), this.#programName));
    }
    for (const listener of this.#listeners) listener(record);
  }
}

const defaultPattern: Readonly<Record<LogDestination, string>> = {
  syslog: "ovs|%05N|%c%T|%p|%m",
  console: "%D{%Y-%m-%dT%H:%M:%SZ}|%05N|%c%T|%p|%m",
  file: "%D{%Y-%m-%dT%H:%M:%S.###Z}|%05N|%c%T|%p|%m",
};

/** Formats a record by a pattern of ovs-appctl(8) vlog/set PATTERN: %N %c %p %m %T %A %D{...} %n %%, with width and zero padding. */
export function formatRecord(record: LogRecord, pattern: string, programName = "weft"): string {
  return pattern.replace(
    /%(-?)(0?)(\d*)([a-zA-Z%])(\{[^}]*\})?/g,
    (whole, left: string, zero: string, width: string, letter: string, arg?: string) => {
      let text: string;
      let rest = arg ?? "";
      switch (letter) {
        case "A":
          text = programName;
          break;
        case "c":
          text = record.module;
          break;
        case "d":
        case "D":
          text = formatTime(record.time, arg === undefined ? "%Y-%m-%d %H:%M:%S.###" : arg.slice(1, -1));
          rest = "";
          break;
        case "m":
          text = record.text;
          break;
        case "n":
          text = "\n";
          break;
        case "N":
          text = String(record.sequence);
          break;
        case "p":
          text = record.level.toUpperCase();
          break;
        case "T":
        case "t":
        case "E":
        case "B":
        case "P":
          text = "";
          break;
        case "%":
          text = "%";
          break;
        default:
          return whole;
      }
      const size = Number(width || 0);
      const padded = left ? text.padEnd(size) : text.padStart(size, zero ? "0" : " ");
      return padded + rest;
    },
  );
}

/** The second that was formatted last, and its text: most lines follow others of the same second. */
let recent = { second: Number.NaN, pattern: "", text: "" };

/** strftime for the few letters that log patterns use; `###` stands for milliseconds. UTC. */
function formatTime(time: number, pattern: string): string {
  const second = Math.floor(time / 1000);
  if (recent.second !== second || recent.pattern !== pattern) recent = { second, pattern, text: formatSecond(second, pattern) };
  return recent.text.replace("###", String(Math.floor(time - 1000 * second)).padStart(3, "0"));
}

function formatSecond(second: number, pattern: string): string {
  const date = new Date(1000 * second);
  const two = (value: number) => String(value).padStart(2, "0");
  return pattern.replace(/%([YmdHMS])/g, (_, letter: string) => {
    switch (letter) {
      case "Y":
        return String(date.getUTCFullYear());
      case "m":
        return two(date.getUTCMonth() + 1);
      case "d":
        return two(date.getUTCDate());
      case "H":
        return two(date.getUTCHours());
      case "M":
        return two(date.getUTCMinutes());
      default:
        return two(date.getUTCSeconds());
    }
  });
}

function isDestination(word: string): word is LogDestination {
  return (logDestinations as readonly string[]).includes(word);
}

function badSpec(spec: string, why: string): WeftError {
  return new WeftError("log.bad-spec", why, { blame: "caller", place: { text: spec } });
}

class BookLogger implements Logger {
  readonly module: string;
  readonly #write: (level: LogLevel, text: string) => void;
  /** The least severe level that anybody wants of this module. */
  most: number = severity.info;

  constructor(module: string, write: (level: LogLevel, text: string) => void) {
    this.module = module;
    this.#write = write;
  }

  enabled(level: LogLevel): boolean {
    return severity[level] <= this.most;
  }
  emer(text: string): void {
    this.#write("emer", text);
  }
  err(text: string): void {
    this.#write("err", text);
  }
  warn(text: string): void {
    this.#write("warn", text);
  }
  info(text: string): void {
    this.#write("info", text);
  }
  dbg(text: string | (() => string)): void {
    if (this.enabled("dbg")) this.#write("dbg", typeof text === "string" ? text : text());
  }
}
