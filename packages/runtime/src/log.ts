/**
 * Log books: loggers of many modules, thresholds per module and destination, and the line of OVS
 * (ovs-appctl(8), "LOGGING COMMANDS"): `2026-01-31T12:00:00.000Z|00001|module|INFO|text`.
 */
import { WeftError } from "./errors.ts";
import { type LogDestination, type LogThreshold, logDestinations, parseLogSpec, severity } from "./logSpec.ts";
import type { Clock, LogBook, Logger, LogLevel, LogRecord } from "./world.ts";

/** A log book whose thresholds and destinations can be set. Thresholds are "info" for the file, "off" for the rest at first. */
export class ConfigurableLogBook implements LogBook {
  readonly #clock: Pick<Clock, "wall">;
  readonly #thresholds = new Map<string, Map<LogDestination, LogThreshold>>();
  readonly #defaults = new Map<LogDestination, LogThreshold>([
    ["syslog", "off"],
    ["console", "off"],
    ["file", "info"],
  ]);
  /** By module, and by module and thread. */
  readonly #loggers = new Map<string, BookLogger>();
  /** Names of modules whose loggers may come later; undefined: any name may. */
  readonly #expected: ReadonlySet<string> | undefined;
  readonly #unlimited = new Set<string>();
  readonly #outputs = new Map<LogDestination, (line: string) => void>();
  readonly #patterns = new Map<LogDestination, string>();
  readonly #listeners = new Set<(record: LogRecord) => void>();
  readonly #programName: string;
  #sequence = 0;

  /** `expected`: the modules of the program, see logModules.ts; without them any name can be given a level. */
  constructor(clock: Pick<Clock, "wall">, programName = "weft", expected?: ReadonlySet<string>) {
    this.#clock = clock;
    this.#programName = programName;
    this.#expected = expected;
  }

  logger(module: string, thread?: string): Logger {
    const key = thread === undefined ? module : `${module}(${thread})`;
    let logger = this.#loggers.get(key);
    if (!logger) {
      logger = new BookLogger(module, (level, text) => this.#write(module, thread, level, text));
      this.#loggers.set(key, logger);
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
    const used = [...this.#loggers.values()].map(({ module }) => module);
    return [...new Set([...(this.#expected ?? []), ...used])].sort();
  }

  /** Notes whether a module's messages are to come however many there are; undefined means every module. */
  setRateLimit(module: string | undefined, limited: boolean): void {
    for (const name of module === undefined ? this.modules : [module]) {
      if (limited) this.#unlimited.delete(name);
      else this.#unlimited.add(name);
    }
  }

  isRateLimited(module: string): boolean {
    return !this.#unlimited.has(module);
  }

  /** A module's own spelling, whatever case it is asked for in; undefined if there is none. */
  moduleNamed(word: string): string | undefined {
    const lower = word.toLowerCase();
    return this.modules.find((name) => name.toLowerCase() === lower) ?? (this.#expected === undefined ? word : undefined);
  }

  /** Applies one word of `vlog/set`. Throws WeftError "log.bad-spec". */
  apply(spec: string): void {
    const setting = parseLogSpec(spec, (word) => this.moduleNamed(word));
    if (setting.kind === "pattern") this.setPattern(setting.destination, setting.pattern);
    else if (setting.kind === "level") this.setThreshold(setting.module, setting.destination, setting.level);
  }

  /** Applies the argument of an option -v; undefined: it has none. Throws WeftError "log.bad-spec". */
  applyOption(spec: string | undefined): void {
    try {
      this.apply(spec ?? "");
    } catch (error) {
      throw error instanceof WeftError
        ? new WeftError(error.code, `processing "${spec}": ${error.message}`, { blame: "caller", place: error.place })
        : error;
    }
  }

  #refresh(): void {
    for (const logger of this.#loggers.values()) {
      let most = this.#listeners.size > 0 ? severity.info : severity.off;
      for (const where of logDestinations) {
        if (this.#outputs.has(where)) most = Math.max(most, severity[this.threshold(logger.module, where)]) as typeof most;
      }
      logger.most = Math.max(most, severity.info);
    }
  }

  #write(module: string, thread: string | undefined, level: LogLevel, text: string): void {
    const record: LogRecord = { time: this.#clock.wall(), sequence: ++this.#sequence, module, thread, level, text };
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
          text = record.thread === undefined ? "" : `(${record.thread})`;
          break;
        case "t":
          text = record.thread ?? "";
          break;
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
