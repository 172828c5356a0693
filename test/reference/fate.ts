/** What ovn-trace tells, in a form that does not depend on the uuids by which the reference orders copies of a packet. */

interface Block {
  readonly head: string;
  readonly inner: Block[];
}

/**
 * In ls_out_pre_lb, flows of one priority match a packet to a localnet or router port: the one for packets to many, the one for
 * neighbour discovery, and the one that takes packets to these ports out of connection tracking. Which of them wins is open.
 */
const OPEN_CHOICE = new Set(["flags.pkt_sampled = 0;", "ct_clear;"]);

/**
 * Canonical text of a trace (--summary and --minimal together): packets are shown without keys of ports, the copies that a multicast group makes are sorted, and so
 * are the lines of the minimal form.
 */
export function sameFate(told: string): string {
  const text = told.replace(/\b(reg1[45]|metadata)=0x[0-9a-f]+/g, "$1=KEY").replace(/(reg8\[16\.\.31\]) = \d+/g, "$1 = MEMBER");
  const [, summary, minimal] = /^([\s\S]*?)\n# Minimal trace.*\n([\s\S]*)$/.exec(text) ?? [];
  if (summary === undefined || minimal === undefined) return text;
  const top: Block = { head: "", inner: [] };
  const stack = [top];
  for (const raw of summary.split("\n")) {
    const line = raw.trim();
    if (line === "") continue;
    if (line.startsWith("}")) {
      stack.pop();
      continue;
    }
    if (OPEN_CHOICE.has(line) && stack.at(-1)?.head.startsWith("egress(") === true) continue;
    const block: Block = { head: line, inner: [] };
    stack.at(-1)?.inner.push(block);
    if (line.endsWith("{")) stack.push(block);
  }
  return `${print(top, "")}\nminimal:\n${minimal.split("\n").sort().join("\n")}`;
}

function print({ head, inner }: Block, indent: string): string {
  const parts = inner.map((block) => print(block, `${indent}  `));
  if (head.startsWith("multicast(")) parts.sort();
  return [`${indent}${head}`, ...parts].join("\n");
}
