/** The text of ofproto/trace with what OVN's databases know of each flow (ovn-detrace(1)). */
import type { NorthboundRecords } from "./northbound.ts";
import { PREFIX } from "./records.ts";
import type { SouthboundRecords } from "./southbound.ts";

/** What there is to look up in. A database that cannot be reached is left out. */
export interface DetraceSources {
  readonly southbound?: SouthboundRecords;
  readonly northbound?: NorthboundRecords;
  /** The names of OpenFlow ports: "lp11 (lp11)", an interface and the logical port that it is for. */
  readonly interfaces?: ReadonlyMap<number, string>;
}

/** The last on its line: an action may have one, too. */
const COOKIE = /.*cookie[ =]0x([0-9a-fA-F]+)/;
/** A flow, with or without a cookie: "10. ip,reg14=0x1, priority 50". */
const FLOW = /^\s*\d+\. /;
const IN_PORT = /^\s*\d+\. in_port=(\d+)/;
const OUTPUT = /^\s*output:(\d+)/;

/** The cookies in a trace, each as the beginning of a uuid. */
export function cookiesIn(text: string): ReadonlySet<string> {
  return new Set([...text.matchAll(new RegExp(COOKIE, "g"))].map(([, cookie]) => cookie!.padStart(PREFIX, "0")));
}

/** `text` with a paragraph behind what is said of each flow; ends with an empty line. */
export function detrace(text: string, sources: DetraceSources): string {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const out: string[] = [];
  let cookie: string | undefined;
  let ports: number[] = [];
  let indent = "";
  const tell = (): void => {
    if (cookie !== undefined) out.push(...describe(cookie, sources).map((line) => indent + line));
    for (const port of ports) {
      const name = sources.interfaces?.get(port);
      if (name !== undefined) out.push(`${indent}  * OVS Interface: ${name}`);
    }
    cookie = undefined;
    ports = [];
  };
  for (const line of [...lines, ""]) {
    const found = COOKIE.exec(line)?.[1];
    if (found !== undefined || line.trim() === "" || FLOW.test(line)) tell();
    if (found !== undefined) cookie = found.padStart(PREFIX, "0");
    const port = sources.interfaces === undefined ? undefined : portIn(line);
    if (port !== undefined) ports.push(port);
    if (found !== undefined || port !== undefined) indent = " ".repeat(4 * Math.floor(/^\s*/.exec(line)![0].length / 4));
    out.push(line.trimEnd());
  }
  return out.map((line) => `${line}\n`).join("");
}

/** The port that a flow matches, or that an action sends to. */
function portIn(line: string): number | undefined {
  const port = (IN_PORT.exec(line) ?? OUTPUT.exec(line))?.[1];
  return port === undefined ? undefined : Number(port);
}

function describe(cookie: string, { southbound, northbound }: DetraceSources): string[] {
  return (southbound?.of(cookie) ?? []).flatMap(({ lines, hints }) => [
    ...lines.map((line) => `  * ${line}`),
    ...hints.flatMap((hint) => northbound?.of(hint) ?? []).map((line) => `   * ${line}`),
  ]);
}
