/** `weft trace FROM TO [PACKET]`: where is my packet, and why? */
import { fromHex } from "@weft/packet";
import { formatReport, readCloud, type TraceReport, traceFrame, tracePacket } from "@weft/trace";
import { UsageError } from "../options.ts";
import type { CloudCommand, CloudRequest } from "./commands.ts";

export const traceCommand: CloudCommand = {
  usage: "[OPTIONS] FROM TO [PACKET]\n       weft trace [OPTIONS] --at HYPERVISOR:INTERFACE HEX",
  help: `Follows a packet from one port to another, and the answer back: through the flows that are really installed, the tunnels and the
physical networks of all hypervisors, with the logical flows and northbound rows that they come from. FROM is a logical port, TO one or
an IP address. The packet is what the guest would send (a ping) unless PACKET, a match as in ACLs, says otherwise:
'tcp.dst == 22', 'eth.src == 00:00:00:00:00:66'. Nothing is sent: it all happens in copies of the switches.
  --at HYPERVISOR:INTERFACE  a frame (hex digits) as it is, into an interface
  --size BYTES            bytes behind the transport header (default 56)
  --name NAME             what a DNS query ('udp.dst == 53') asks for
  --detailed              every flow on the way
  --json                  docs/trace.schema.json describes it

Exit code: 0 delivered (and answered, where an answer is to be expected), 1 not, 2 it could not be found out.
`,
  rows: [
    { name: "at", argument: "required" },
    { name: "size", argument: "required" },
    { name: "name", argument: "required" },
    { name: "detailed" },
    { name: "json" },
  ],
  async run(request) {
    const { host, has, places } = request;
    const ask = questionOf(request);
    const cloud = await readCloud(await places());
    let report: TraceReport;
    try {
      report = await ask(cloud);
    } finally {
      await cloud.close();
    }
    const text = has("json") ? `${JSON.stringify(report, null, 2)}\n` : formatReport(report, { detailed: has("detailed") });
    await host.stdout.write(text);
    for (const problem of has("json") ? [] : cloud.problems) await host.stderr.write(`weft trace: not read: ${problem}\n`);
    return report.outcome === "delivered" || (report.outcome === "traced" && report.there.delivered) ? 0 : 1;
  },
};

function questionOf({ value, words }: CloudRequest): (cloud: Parameters<typeof tracePacket>[0]) => Promise<TraceReport> {
  const at = value("at");
  if (at !== undefined) {
    const [node = "", device = ""] = at.split(/:(.*)/s);
    const [hex = ""] = words;
    const frame = fromHex(hex.replaceAll(/\s/g, ""));
    if (node === "" || device === "" || words.length !== 1 || frame === undefined || frame.length < 14)
      throw new UsageError("--at HYPERVISOR:INTERFACE takes a frame of at least 14 bytes in hex digits");
    return (cloud) => traceFrame(cloud, { node, device, frame });
  }
  const [from, to, packet, ...more] = words;
  if (from === undefined || to === undefined || more.length > 0)
    throw new UsageError("say FROM and TO, and what the packet is in one argument");
  const sizeText = value("size");
  const size = sizeText === undefined ? undefined : Number(sizeText);
  if (size !== undefined && !(/^\d+$/.test(sizeText ?? "") && size <= 65000))
    throw new UsageError(`--size ${sizeText}: not a number of bytes`);
  const name = value("name");
  const otherwise = {
    ...(packet === undefined ? {} : { packet }),
    ...(size === undefined ? {} : { size }),
    ...(name === undefined ? {} : { name }),
  };
  return (cloud) => tracePacket(cloud, { from, to, ...otherwise });
}
