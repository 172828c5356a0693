/** `weft explain FLOW`: what is this flow for, and who asked for it? */
import { explainFlow, parseFlowQuestion, readCloud } from "@weft/trace";
import { UsageError } from "../options.ts";
import type { CloudCommand } from "./commands.ts";

export const explainCommand: CloudCommand = {
  usage: "[OPTIONS] FLOW",
  help: `Says what a flow is for and where it comes from, up to the northbound row. FLOW is a cookie (0x1a2b3c4d), the uuid of a logical
flow or its first eight digits, or a line of ovs-ofctl dump-flows; '-' reads such lines from the standard input.
  --json                  the explanation as JSON
`,
  rows: [{ name: "json" }],
  async run({ host, has, words, places }) {
    const [word, ...more] = words;
    if (word === undefined || more.length > 0) throw new UsageError("say one flow, in one argument");
    const lines = word === "-" ? flowLines(await readAll(host.stdin)) : [word];
    const questions = lines.map(parseFlowQuestion);
    const cloud = await readCloud(await places());
    try {
      for (const [i, question] of questions.entries()) {
        const explanation = explainFlow(cloud, question);
        if (has("json")) await host.stdout.write(`${JSON.stringify(explanation, null, 2)}\n`);
        else {
          const quoted = lines.length > 1 ? `${lines[i]}\n` : "";
          const installed = explanation.installed.map(
            ({ node, flow, packets }) => `  ${node}: ${flow}${packets === undefined ? "" : ` (${packets} packets)`}\n`,
          );
          await host.stdout.write(`${quoted}${explanation.sentence}.\n${installed.join("")}`);
        }
      }
    } finally {
      await cloud.close();
    }
    return 0;
  },
};

async function readAll(input: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of input) text += decoder.decode(bytes, { stream: true });
  return text;
}

/** The first line of dump-flows says whose answer it is. */
function flowLines(text: string): string[] {
  return text.split("\n").filter((line) => line.trim() !== "" && !/^(NXST|OFPST)_/.test(line.trim()));
}
