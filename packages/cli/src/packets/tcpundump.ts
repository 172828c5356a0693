/** The program ovs-tcpundump (ovs-tcpundump(1)): what `tcpdump -xx` or `-XX` prints becomes one line of hex a packet. */
import type { Program } from "@weft/runtime";
import { type OptionRow, parseOptions, UsageError } from "../options.ts";
import { versionText } from "../version.ts";

const PROGRAM = "ovs-tcpundump";
const rows: readonly OptionRow[] = [
  { name: "help", short: "h" },
  { name: "version", short: "V" },
];

const help = `${PROGRAM}: print "tcpdump -xx" output as hex
usage: ${PROGRAM} < FILE
where FILE is output from "tcpdump -xx".

The following options are also available:
  -h, --help                  display this help message
  -V, --version               display version information
`;

/** A line of a packet: its offset, and groups of digits up to two spaces, behind which the same is shown as text. */
const LINE = /^\s+0x([0-9a-fA-F]+): ((?: [0-9a-fA-F]{2,4})+)/;

export const ovsTcpundump: Program = async (args, host) => {
  const { options, rest } = parseOptions(args, rows);
  const asked = options.at(0)?.name;
  if (asked !== undefined) {
    await host.stdout.write(asked === "help" ? help : versionText(PROGRAM, "ovs"));
    return 0;
  }
  if (rest.length > 0) throw new UsageError("non-option argument not supported (use --help for help)");
  let packet = "";
  const flush = async (): Promise<void> => {
    if (packet !== "") await host.stdout.write(`${packet}\n`);
    packet = "";
  };
  for await (const line of linesOf(host.stdin)) {
    const found = LINE.exec(line);
    if (found === null) continue;
    if (Number.parseInt(found[1]!, 16) === 0) await flush();
    packet += found[2]!.replaceAll(" ", "");
  }
  await flush();
  return 0;
};

async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of input) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  yield rest;
}
