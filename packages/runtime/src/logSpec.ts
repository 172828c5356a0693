/** The words of `vlog/set` and of the option -v (ovs-appctl(8), "LOGGING COMMANDS"). */
import { WeftError } from "./errors.ts";

/** Severity order: a threshold lets through itself and everything before it. */
export const severity = { off: -1, emer: 0, err: 1, warn: 2, info: 3, dbg: 4 } as const;

export type LogThreshold = keyof typeof severity;
export const logThresholds = Object.keys(severity) as readonly LogThreshold[];

export const logDestinations = ["syslog", "console", "file"] as const;
export type LogDestination = (typeof logDestinations)[number];

/** What one word asks for; undefined stands for all modules or destinations. */
export type LogSetting =
  | { readonly kind: "pattern"; readonly destination: LogDestination | undefined; readonly pattern: string }
  | { readonly kind: "facility"; readonly facility: string }
  | {
      readonly kind: "level";
      readonly module: string | undefined;
      readonly destination: LogDestination | undefined;
      readonly level: LogThreshold;
    };

/** Facilities of syslog(3). */
const facilities = /^(kern|user|mail|daemon|auth|syslog|lpr|news|uucp|clock|ftp|ntp|audit|alert|clock2|local[0-7])$/;

/**
 * `[MODULE][:DESTINATION][:LEVEL]` in any order, `PATTERN:DESTINATION:TEXT` or `FACILITY:NAME`; spaces and commas part words as colons
 * do. `moduleNamed` gives a module's own spelling. Throws WeftError "log.bad-spec".
 */
export function parseLogSpec(spec: string, moduleNamed: (word: string) => string | undefined): LogSetting {
  const [, first = "", rest = ""] = /^[ ,:]*([^ ,:]*)[ ,:]?(.*)$/s.exec(spec) ?? [];
  if (first.toLowerCase() === "pattern") return parsePattern(spec, rest);
  if (first.toLowerCase() === "facility") return parseFacility(spec, rest);
  return parseLevel(spec, moduleNamed);
}

function parsePattern(spec: string, text: string): LogSetting {
  const [, word = "", pattern = ""] = /^[ ,:]*([^ ,:]*)[ ,:]?(.*)$/s.exec(text) ?? [];
  if (word === "") throw badSpec(spec, "missing destination");
  const destination = word.toLowerCase();
  if (destination === "any") return { kind: "pattern", destination: undefined, pattern };
  if (!isDestination(destination)) throw badSpec(spec, `unknown destination "${word}"`);
  return { kind: "pattern", destination, pattern };
}

function parseFacility(spec: string, text: string): LogSetting {
  const facility = text.replace(/^[ ,:]+/, "").toLowerCase();
  if (!facilities.test(facility)) throw badSpec(spec, "invalid facility");
  return { kind: "facility", facility };
}

function parseLevel(spec: string, moduleNamed: (word: string) => string | undefined): LogSetting {
  let module: string | undefined;
  let destination: LogDestination | undefined;
  let level: LogThreshold | undefined;
  for (const word of spec.split(/[ ,:]+/).filter((w) => w !== "")) {
    const lower = word.toLowerCase();
    if (lower === "any") continue;
    const named = moduleNamed(word);
    if (isDestination(lower)) {
      if (destination !== undefined) throw badSpec(spec, "cannot specify multiple destinations");
      destination = lower;
    } else if (isThreshold(lower)) {
      if (level !== undefined) throw badSpec(spec, "cannot specify multiple levels");
      level = lower;
    } else if (named !== undefined) {
      if (module !== undefined) throw badSpec(spec, "cannot specify multiple modules");
      module = named;
    } else {
      throw badSpec(spec, `no destination, level, or module "${word}"`);
    }
  }
  return { kind: "level", module, destination, level: level ?? "dbg" };
}

function isDestination(word: string): word is LogDestination {
  return (logDestinations as readonly string[]).includes(word);
}

function isThreshold(word: string): word is LogThreshold {
  return (logThresholds as readonly string[]).includes(word);
}

function badSpec(spec: string, why: string): WeftError {
  return new WeftError("log.bad-spec", why, { blame: "caller", place: { text: spec } });
}
