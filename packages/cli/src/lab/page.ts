/**
 * Pages of docs/labs as sessions: in their indented blocks, `[root@NODE ~]# COMMAND` is a command on a machine and
 * `$ npx weft lab ...` one beside the lab; what follows is its output. `...` stands for any number of lines.
 */
export interface Step {
  /** Absent for commands beside the lab. */
  readonly node: string | undefined;
  readonly command: string;
  readonly output: readonly string[];
  /** Where in the page the command stands, from 1, and the line after its output. */
  readonly line: number;
  readonly end: number;
}

const PROMPT = /^ {4}(?:\[root@([\w.-]+) ~\]#|\$) (.+)$/;

export function stepsOf(page: string): Step[] {
  const lines = page.split("\n");
  const steps: Step[] = [];
  for (let at = 0; at < lines.length; at++) {
    const prompt = PROMPT.exec(lines[at]!);
    if (!prompt) continue;
    let end = at + 1;
    // An empty line belongs to the output when an indented line that is no prompt follows it.
    for (; end < lines.length; end++) {
      const line = lines[end]!;
      const next = lines.slice(end).find((other) => other !== "");
      if (PROMPT.test(line) || (line !== "" && !line.startsWith("    "))) break;
      if (line === "" && (next === undefined || !next.startsWith("    ") || PROMPT.test(next))) break;
    }
    const output = lines.slice(at + 1, end).map((line) => line.slice(4));
    steps.push({ node: prompt[1], command: prompt[2]!, output, line: at + 1, end: end + 1 });
    at = end - 1;
  }
  return steps;
}

/** What differs from run to run: times, counters, uuids, cookies, and what is drawn at random. */
const varying: readonly (readonly [RegExp, string])[] = [
  [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, "UUID"],
  [/\buuid [0-9a-f]{8}\b/g, "uuid UUID"],
  [/cookie[ =]0x[0-9a-f]+/g, "cookie"],
  [/\d\d:\d\d:\d\d\.\d{6}/g, "TIME"],
  [/time[= ]\d+(\.\d+)? ?ms/g, "time=T ms"],
  [/rtt min.*/g, "rtt"],
  [/(duration|idle_age|hard_age|n_packets|n_bytes)=[\d.]+s?/g, "$1=N"],
  [/52:54:00(:[0-9a-f]{2}){3}/g, "52:54:00:X"],
  [/\b(id|seq) \d+/g, "$1 N"],
  [/\bid(=|: )\d+/g, "id=N"],
  [/WHEN: .*/, "WHEN"],
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z\|\d+\|/g, "TIME|N|"],
  [/starts \d+/g, "starts N"],
  [/interval \d+/g, "interval N"],
  [/renewal in \d+/g, "renewal in N"],
  [/\d+sec\b/g, "Nsec"],
  [/(sport|dport)=\d{5}/g, "$1=N"],
  [/after \d+ (ms|milliseconds)/g, "after N ms"],
  [/(\d\.)\d{5}( > |: )/g, "$1N$2"],
  [/^\d+: (\w)/g, "N: $1"],
  [/@if\d+/g, "@ifN"],
  // Zones of connection tracking and numbers of ports.
  [/\breg1[123]=0x[0-9a-f]+/g, "zone"],
  [/0x[0-9a-f]+(\/0xffff)?->reg1[123]\b/g, "zone"],
  [/\bzone=\d+/g, "zone"],
  [/\bin_port=\d+/g, "in_port=N"],
];

export function normalised(line: string): string {
  return varying.reduce((text, [pattern, to]) => text.replace(pattern, to), line.trimEnd());
}

/** How often dhclient asks before it gives up depends on the pauses that it draws. */
const ASKED_AGAIN = /^DHCPDISCOVER on /;

function comparable(lines: readonly string[]): readonly string[] {
  return lines.map(normalised).filter((line, i, all) => line !== all[i - 1] || !ASKED_AGAIN.test(line));
}

/** Undefined when the output is as the page has it, or else the first line that is not. */
export function difference(expected: readonly string[], got: readonly string[]): string | undefined {
  const [wanted, have] = [comparable(expected), comparable(got)];
  const match = (i: number, j: number): boolean => {
    for (; i < wanted.length; i++, j++) {
      if (wanted[i] === "...") {
        if (i === wanted.length - 1) return true;
        for (let k = j; k <= have.length; k++) if (match(i + 1, k)) return true;
        return false;
      }
      if (j >= have.length || wanted[i] !== have[j]) return false;
    }
    return j === have.length;
  };
  // Rows come in the order of their uuids.
  if (match(0, 0) || [...wanted].sort().join("\n") === [...have].sort().join("\n")) return undefined;
  return `expected:\n${wanted.join("\n")}\ngot:\n${have.join("\n")}`;
}
