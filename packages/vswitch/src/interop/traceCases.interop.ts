/** ofproto/trace over cases/trace.txt: odd flows, actions and ports, the same for both switches; texts and errors are the same. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Pair } from "./pair.ts";
import type { TestSwitch } from "./switches.ts";

let pair: Pair;

beforeAll(async () => {
  pair = await Pair.start();
  for (const one of [pair.reference, pair.ours]) {
    await one.vsctl(..."add-port br0 tun -- set interface tun type=geneve options:remote_ip=flow options:key=flow".split(" "));
    await one.vsctl("set", "interface", "tun", "ofport_request=8", "--", "set", "port", "p3", "tag=10");
    await one.appctl("netdev-dummy/ip4addr", "br0", "10.9.0.1/24");
    await one.ofctl("add-tlv-map", "br0", "{class=0x102,type=0x80,len=4}->tun_metadata0");
  }
});

afterAll(() => pair.stop());

/** The words of a line: separated by spaces, or in single quotes. */
const wordsOf = (line: string): string[] => (line.match(/'[^']*'|\S+/g) ?? []).map((word) => word.replace(/^'(.*)'$/, "$1"));

/** Items of a list, of which some have parentheses with commas in them. */
function itemsOf(list: string): string[] {
  const items: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i <= list.length; i++) {
    if (list[i] === "(") depth++;
    else if (list[i] === ")") depth--;
    else if (i === list.length || (list[i] === "," && depth === 0)) {
      items.push(list.slice(start, i));
      start = i + 1;
    }
  }
  return items;
}

/**
 * Which ports a packet floods to is told; in what order is a switch's own. So lists of nothing but outputs and VLAN headers are told
 * as what leaves by which port. `tag` is the header that the packet has.
 */
function outputsOf(list: string, tag: string | undefined): string {
  const sent: string[] = [];
  const tags = tag === undefined ? [] : [tag];
  for (const action of itemsOf(list)) {
    if (action === "pop_vlan") tags.pop();
    else if (action.startsWith("push_vlan")) tags.push(action);
    else if (/^\d+$/.test(action)) sent.push(`${action} with ${tags.join()}`);
    else return list;
  }
  return sent.sort().join("; ");
}

function comparable(text: string): string {
  const [, vid, pcp] = /^Flow: .*\bdl_vlan=(\d+),dl_vlan_pcp=(\d)/.exec(text) ?? [];
  const tag = vid === undefined ? undefined : `push_vlan(vid=${vid},pcp=${pcp})`;
  return (
    text
      .replace(/\b(recirc(?:_id)?[(=])(?:0x[0-9a-f]+|[1-9]\d*)/g, "$1ID")
      .replace(/(?:^ *-> conj\. .*\n)+/gm, (lines) => lines.split("\n").sort().join("\n"))
      .replace(/^[0-9a-f]{8}-[0-9a-f-]{27}$/gm, "UUID")
      // What goes on from one tunnel into another ours looks at, and the reference does not: it mixes frames up that differ in it.
      .replace(/^Megaflow: .*,tun_id=.*$/gm, (line) => line.replace(/,tun_metadata0=[^,]*/, "").replace("=-oam", "="))
      .replace(/^(Datapath actions: )(.*)$/gm, (_, label: string, list: string) => label + outputsOf(list, tag))
  );
}

/** What both answer to a line. */
async function answers(line: string): Promise<{ readonly reference: string; readonly ours: string }> {
  const [kind, ...words] = wordsOf(line) as [string, ...string[]];
  const control = { trace: "ofproto/trace", "packet-out": "ofproto/trace-packet-out" }[kind];
  if (control !== undefined) return pair.command(control, ...words);
  if (kind === "appctl") return pair.command(...(words as [string, ...string[]]));
  const tell = async (one: TestSwitch): Promise<string> => {
    if (kind === "flow") return one.ofctl("-O", "OpenFlow15", "add-flow", "br0", words.join(" "));
    if (kind === "group") return one.ofctl("-O", "OpenFlow15", "add-group", "br0", words.join(" "));
    if (kind === "ofctl") return one.ofctl(...words);
    if (kind === "vsctl") return one.vsctl(...words);
    throw new Error(`${line}: what is ${kind}?`);
  };
  const [reference, ours] = await Promise.all([tell(pair.reference), tell(pair.ours)]);
  return { reference, ours };
}

const blocks = readFileSync(new URL("cases/trace.txt", import.meta.url), "utf8")
  .split(/\n\n+/)
  .map((block) => block.trimEnd().split("\n"))
  .map(([title, ...lines]) => [(title as string).replace("# ", ""), lines] as const)
  .filter(([, lines]) => lines.length > 0);

describe("the same text as the reference's", () => {
  it.each(blocks)("%s", async (_title, lines) => {
    for (const one of [pair.reference, pair.ours]) {
      await one.ofctl("-O", "OpenFlow15", "del-flows", "br0");
      await one.ofctl("-O", "OpenFlow15", "del-groups", "br0");
    }
    const differing: object[] = [];
    for (const line of lines) {
      const { reference, ours } = await answers(line);
      const [theirs, mine] = [comparable(reference).split("\n"), comparable(ours).split("\n")];
      const rows = theirs.flatMap((row, i) => (row === mine[i] ? [] : [{ theirs: row, ours: mine[i] }]));
      if (theirs.length !== mine.length || rows.length > 0) differing.push({ line, rows });
    }
    expect(differing).toEqual([]);
  });
});
