/** Against ovs-ofctl of the reference: what it parses and prints, for a corpus of flows and one message of every type. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import type { OfVersion } from "../message/types.ts";
import { formatMessage } from "../print/message.ts";
import { SAMPLES } from "../testing/samples.ts";
import { TextError } from "../text/error.ts";
import { parseFlowMod } from "../text/flow.ts";
import { encode } from "../wire/codec.ts";
import { EncodeError } from "../wire/error.ts";

const reference = process.env["OVN_REFERENCE"] ?? "/opt/ovn-reference/sid";
const run = promisify(execFile);

/** Output without the log; errors are output too. */
async function ofctl(...args: string[]): Promise<string> {
  let text: string;
  try {
    const { stdout, stderr } = await run(`${reference}/bin/ovs-ofctl`, args, { maxBuffer: 1 << 24 });
    text = stdout + stderr;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    text = stdout + stderr;
  }
  return text
    .split("\n")
    .filter((line) => !/^\d{4}-\d\d-\d\dT/.test(line))
    .join("\n")
    .replace(/^.*ovs-ofctl: /gm, "ovs-ofctl: ")
    .trimEnd();
}

/** Runs for all, some at a time. */
async function each<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const i = next++;
      results[i] = await work(items[i]!);
    }
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  return results;
}

const read = (name: string) =>
  readFileSync(new URL(`../../testdata/${name}`, import.meta.url), "utf8")
    .trimEnd()
    .split("\n");
const VERSIONS: readonly OfVersion[] = [1, 2, 3, 4, 5, 6];
const protocolName = (version: OfVersion) => `OpenFlow1${version - 1}`;
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

beforeAll(async () => {
  expect(await ofctl("--version")).toMatch(/^ovs-ofctl/);
});

/** Lines that the reference encodes to what it does not decode itself. */
const ONE_WAY = /decode error/;

describe("flows as text", () => {
  const flows = [...read("flows.txt"), ...read("ovn-flows.txt")];

  test.each([1, 4, 6] as const)("are parsed and encoded as the reference does: wire version %d", async (version) => {
    const wrong: string[] = [];
    await each(flows, async (line) => {
      const theirs = await ofctl("-O", protocolName(version), "parse-flow", line);
      // What it says after the formats it considered is the message.
      const at = theirs.search(/^(OFPT|NXT)_/m);
      if (at < 0 || ONE_WAY.test(theirs)) return;
      const theirFormat = /chosen protocol: (.*)/.exec(theirs)?.[1] ?? "";
      const options = {
        flowFormat: theirFormat.startsWith("NXM") ? "nxm" : "openflow10",
        flowModTableId: theirFormat.includes("+table_id"),
      } as const;
      let ours: string;
      try {
        ours = formatMessage(encode(parseFlowMod(line, "add"), version, 1, options)).trimEnd();
      } catch (error) {
        if (!(error instanceof TextError || error instanceof EncodeError)) throw error;
        ours = error.message;
      }
      if (ours !== theirs.slice(at)) wrong.push(`${line}\n  ${theirs.slice(at)}\n  ${ours}`);
    });
    expect(wrong).toEqual([]);
  });

  test("are refused in the same words", async () => {
    const bad = [
      "tcp", "tcp,actions=foo", "foo=1,actions=drop", "nw_src=1.2.3,actions=drop", "actions=load:5->reg99", "actions=output:foo",
      "tcp,actions=output:1,drop", "actions=goto_table:5,goto_table:6", "actions=resubmit(foo,1)", "actions=learn(foo=1)",
      "actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ARP_OP[]", "actions=set_field:1->foo", "actions=set_field:1->tcp_flags", "actions=ct(foo)",
      "actions=conjunction(1,5/2)", "actions=clone(goto_table:5)", "actions=ct(exec(output:1))", "actions=push_vlan:0x1234",
      "priority=70000,actions=drop", "table=300,actions=drop", "cookie=zz,actions=drop", "actions=bundle(eth_src,0,foo,ofport,slaves:1)",
      "actions=multipath(eth_src,50,modulo_n,0,0,NXM_NX_REG0[])", "actions=note:0", "actions=check_pkt_larger(100)->NXM_NX_REG0[]",
      "actions=enqueue:1", "actions=controller(foo=1)", "actions=fin_timeout(foo=1)", "actions=sample(foo=1)",
    ]; // biome-ignore format: a list
    const wrong: string[] = [];
    await each(bad, async (line) => {
      const theirs = (await ofctl("parse-flow", line)).split("\n").at(-1)!;
      let ours = "(accepted)";
      try {
        parseFlowMod(line, "add");
      } catch (error) {
        if (!(error instanceof TextError)) throw error;
        ours = `ovs-ofctl: ${error.message}`;
      }
      if (ours !== theirs) wrong.push(`${line}\n  ${theirs}\n  ${ours}`);
    });
    expect(wrong).toEqual([]);
  });
});

describe("messages", () => {
  test("of every type and version print as the reference prints them", async () => {
    const messages: Uint8Array[] = [];
    for (const sample of SAMPLES)
      for (const version of VERSIONS) {
        // What tables can do is not shown for the two versions that say it in their statistics.
        if (sample.type === "table_stats_reply" && (version === 2 || version === 3)) continue;
        let message = sample;
        if (message.type === "bundle_add") message = { ...message, message: { ...message.message, version } };
        if (message.type === "requestforward") message = { ...message, request: { ...message.request, version } };
        try {
          messages.push(encode(message, version, 0x12));
        } catch (error) {
          if (!(error instanceof EncodeError)) throw error;
        }
      }
    const wrong: string[] = [];
    await each(messages, async (bytes) => {
      for (const verbosity of [0, 2]) {
        const theirs = await ofctl("ofp-print", hex(bytes), `${verbosity}`);
        const ours = formatMessage(bytes, { verbosity }).trimEnd();
        if (ours !== theirs) wrong.push(`${hex(bytes)} ${verbosity}\n  ${theirs}\n  ${ours}`);
      }
    });
    expect(wrong).toEqual([]);
  });
});
