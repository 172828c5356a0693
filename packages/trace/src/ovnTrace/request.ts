/** The command line of a trace: the options that the program and the daemon's `trace` command share (ovn-trace(8)). */
import { parseIpv4, parseIpv6 } from "@weft/packet";
import { WeftError } from "@weft/runtime";
import { CT_NAMES } from "./conntrack.ts";
import type { TraceForm } from "./run.ts";

/** What is wrong with an option's value; the message is what the program prints. */
export class TraceUsageError extends WeftError {
  constructor(message: string) {
    super("trace.usage", message, { blame: "caller" });
  }
}

const CT_TRACKED = 1 << CT_NAMES.indexOf("trk");

/** `--ct`: "new", "est,rpl", "trk inv". Tracked always is. Throws {@link TraceUsageError}. */
export function parseCtState(text: string): number {
  let state = CT_TRACKED;
  for (const word of text.split(/[\s,|]+/)) {
    if (word === "") continue;
    const bit = (CT_NAMES as readonly string[]).indexOf(word);
    if (bit < 0) throw new TraceUsageError(`${word}: unknown connection tracking state flag`);
    state |= 1 << bit;
  }
  return state;
}

/** What contradicts itself, in the reference's words, in a connection state; undefined if nothing does. The trace goes on with it. */
export function ctStateProblem(state: number): string | undefined {
  const has = (name: (typeof CT_NAMES)[number]): boolean => ((state >> CT_NAMES.indexOf(name)) & 1) === 1;
  if (has("inv") && (state & ~CT_TRACKED) !== 1 << CT_NAMES.indexOf("inv")) {
    return `invalid connection state: when "inv" is set, only "trk" may also be set`;
  }
  if (has("new") && has("est")) return `invalid connection state: "new" and "est" are mutually exclusive`;
  if (has("new") && has("rpl")) return `invalid connection state: "new" and "rpy" are mutually exclusive`;
  return undefined;
}

export interface LbDestination {
  readonly family: 4 | 6;
  readonly ip: bigint;
  /** 0: none. */
  readonly port: number;
}

/**
 * `--lb-dst`: "10.0.0.1", "10.0.0.1:80", "[fd00::1]:80". Throws {@link TraceUsageError}; `log` is told which part is bad.
 */
export function parseLbDestination(text: string, log: (text: string) => void = () => {}): LbDestination {
  const bracket = /^\[(.*)\](?::(\d*))?$/.exec(text);
  const colon = bracket === null ? /^([^:]*):([^:]*)$/.exec(text) : null;
  const host = bracket?.[1] ?? colon?.[1] ?? text;
  const digits = bracket?.[2] ?? colon?.[2] ?? "";
  const bad = (what: string, part: string): never => {
    log(`${text}: bad ${what} "${part}"`);
    throw new TraceUsageError(`${text}: bad address`);
  };
  const ip4 = parseIpv4(host);
  const ip6 = ip4 === undefined ? parseIpv6(host) : undefined;
  if (!/^\d*$/.test(digits) || Number(digits) > 65535) bad("port number", digits);
  if (ip4 !== undefined) return { family: 4, ip: BigInt(ip4), port: Number(digits) };
  return { family: 6, ip: ip6 ?? bad("IP address", host), port: Number(digits) };
}

/** `--select-id`: one of the values of a select action, read as far as there are digits. Throws {@link TraceUsageError}. */
export function parseSelectId(text: string): number {
  const id = Number(/^\s*[-+]?\d+/.exec(text)?.[0] ?? 0);
  if (id === 0) throw new TraceUsageError(`${text}: bad select-id`);
  return id;
}

/** `--packet-size`, in bytes. Throws {@link TraceUsageError}. */
export function parsePacketSize(text: string): number {
  const size = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (size === 0 || size > 65535) throw new TraceUsageError(`${text}: bad packet-size`);
  return size;
}

/** The forms that were asked for, in the order in which they are printed; detailed if none was. */
export function formsOf(asked: ReadonlySet<string>): readonly TraceForm[] {
  if (asked.has("all")) return ["detailed", "summary", "minimal"];
  const forms = (["detailed", "summary", "minimal"] as const).filter((form) => asked.has(form));
  return forms.length === 0 ? ["detailed"] : forms;
}
