/** The program ovs-pcap (ovs-pcap(1)): the packets of a capture file in hex, one a line. */
import { join } from "node:path/posix";
import { type Program, WeftError } from "@weft/runtime";
import { type OptionRow, parseOptions, UsageError } from "../options.ts";
import { versionText } from "../version.ts";

const PROGRAM = "ovs-pcap";
const rows: readonly OptionRow[] = [
  { name: "help", short: "h" },
  { name: "version", short: "V" },
];

const help = `${PROGRAM}: print pcap file packet data as hex
usage: ${PROGRAM} FILE
where FILE is a PCAP file.

The following options are also available:
  -h, --help                  display this help message
  -V, --version               display version information
`;

const FILE_HEADER = 24;
const RECORD_HEADER = 16;
/** Timestamps in microseconds and in nanoseconds, as a little-endian reader sees the writer's byte order. */
const LITTLE = [0xa1b2c3d4, 0xa1b23c4d];
const BIG = [0xd4c3b2a1, 0x4d3cb2a1];

class PcapError extends WeftError {
  constructor(message: string) {
    super("pcap.bad-file", message, { blame: "caller" });
  }
}

export const ovsPcap: Program = async (args, host) => {
  const { options, rest } = parseOptions(args, rows);
  const asked = options.at(0)?.name;
  if (asked !== undefined) {
    await host.stdout.write(asked === "help" ? help : versionText(PROGRAM, "ovs"));
    return 0;
  }
  const [file] = rest;
  if (file === undefined || rest.length > 1) {
    throw new UsageError("exactly 1 non-option argument required (use --help for help)");
  }
  const bytes = await host.runtime.files.read(file.startsWith("/") ? file : join(host.cwd, file));
  for (const packet of packetsOf(bytes)) await host.stdout.write(`${Buffer.from(packet).toString("hex")}\n`);
  return 0;
};

/** Throws where the file ends too early, behind the packets that are whole. */
function* packetsOf(bytes: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < FILE_HEADER) throw new PcapError("end of file reading pcap header");
  const magic = view.getUint32(0, true);
  const little = LITTLE.includes(magic);
  if (!little && !BIG.includes(magic)) {
    throw new PcapError(`bad magic ${magic} reading pcap file (expected 0xa1b2c3d4, 0xa1b23c4d, 0x4d3cb2a1 or 0xd4c3b2a1)`);
  }
  for (let at = FILE_HEADER; at < bytes.length; ) {
    if (at + RECORD_HEADER > bytes.length) throw new PcapError("end of file within pcap record header");
    const end = at + RECORD_HEADER + view.getUint32(at + 8, little);
    if (end > bytes.length) throw new PcapError("end of file reading pcap packet data");
    yield bytes.subarray(at + RECORD_HEADER, end);
    at = end;
  }
}
