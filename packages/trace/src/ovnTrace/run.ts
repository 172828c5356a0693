/** One trace, from the microflow's text to the text of the trace: what the command and the daemon's `trace` share. */
import { type Expression, LogicalError, microflow, type PreparedMatch, parseMatch, prepareMatch } from "@weft/logical";
import type { TraceDatapath } from "./datapath.ts";
import type { TraceModel } from "./model.ts";
import { formatDetailed, formatMinimal, formatSummary } from "./node.ts";
import { formatPacket, get, newPacket } from "./packet.ts";
import { RowsNeeded } from "./rows.ts";
import { type TraceOptions, Tracer } from "./trace.ts";

export type TraceForm = "detailed" | "summary" | "minimal";

export interface TraceRequest extends TraceOptions {
  /** Name or uuid; undefined: that of the microflow's inport. */
  readonly datapath?: string;
  readonly microflow: string;
  /** Forms to print, in the order detailed, summary, minimal. */
  readonly forms: readonly TraceForm[];
}

const PRINTERS = { detailed: formatDetailed, summary: formatSummary, minimal: formatMinimal } as const;
const BANNERS = { detailed: "# Detailed trace.\n", summary: "# Summary trace.\n", minimal: "# Minimal trace.\n" } as const;

/** The text that ovn-trace prints for one microflow; what is wrong with a request is part of the text. */
export function traceText(model: TraceModel, request: TraceRequest, warn: (text: string) => void = () => {}): string {
  let datapath: TraceDatapath | undefined;
  if (request.datapath !== undefined) {
    datapath = model.findDatapath(request.datapath);
    if (datapath === undefined) return `unknown datapath "${request.datapath}"\n`;
  }
  let expression: Expression;
  try {
    expression = parseMatch(request.microflow, model.names(undefined)).expression;
    if (datapath === undefined) {
      const inport = soleInport(prepareMatch(expression), request.microflow);
      const port = model.port(inport);
      if (port === undefined) return `unknown port "${inport}"\n`;
      datapath = port.datapath;
    }
  } catch (error) {
    if (error instanceof LogicalError) return `error parsing flow: ${error.message}\n`;
    throw error;
  }
  const where = datapath;
  const packet = newPacket();
  try {
    const scope = {
      lookupPort: (name: string) => {
        const port = model.findPort(where, name);
        if (port === "several") return undefined;
        const key = port?.tunnelKey ?? where.groups.get(name)?.tunnelKey;
        if (key === undefined && model.port(name) === undefined) warn(`${name}: unknown logical port`);
        return key;
      },
      // of a port that the packet comes from it goes without saying
      resident: () => true,
    };
    microflow(expression, packet.key, scope, request.microflow);
  } catch (error) {
    if (error instanceof LogicalError) return `error parsing flow: ${error.message}\n`;
    throw error;
  }
  const inport = Number(get(packet, "reg14"));
  if (inport === 0) return "microflow does not specify ingress port";
  if (!where.portsByKey.has(inport)) return "microflow's ingress port is not on the given datapath\n";
  const first = `# ${formatPacket(packet)}\n`;
  const nodes = new Tracer(model, request).run(where, packet);
  const forms = request.forms.map((form) => (request.forms.length > 1 ? BANNERS[form] : "") + PRINTERS[form](nodes));
  return first + forms.join("");
}

/** As {@link traceText} on a model that is partial: reads rows until the trace has all that it needs. */
export async function traceTextFetching(model: TraceModel, request: TraceRequest, warn: (text: string) => void): Promise<string> {
  const chosen: number[] = [];
  for (;;) {
    const warnings: string[] = [];
    let at = 0;
    // what is left to chance stays as it was when the trace is followed anew
    const choose = (bound: number): number => (chosen[at++] ??= request.choose(bound));
    try {
      const text = traceText(model, { ...request, choose }, (warning) => warnings.push(warning));
      for (const warning of warnings) warn(warning);
      return text;
    } catch (error) {
      if (!(error instanceof RowsNeeded)) throw error;
      await model.fetch(error);
    }
  }
}

/** The port that the microflow says the packet comes from, if it says so once. */
function soleInport(node: PreparedMatch, text: string): string {
  const found = new Set<string>();
  const visit = (one: PreparedMatch): void => {
    if (one.kind === "port" && one.root.name === "inport") found.add(one.port);
    else if (one.kind === "and" || one.kind === "or") one.args.forEach(visit);
  };
  visit(node);
  const [first] = found;
  if (first === undefined) {
    throw new LogicalError("logical.type", "flow match expression does not match on inport", text, 0);
  }
  if (found.size > 1) {
    throw new LogicalError("logical.type", "flow match expression matches on multiple inports", text, 0);
  }
  return first;
}
