/** A trace for people. */
import type { FlowStep, Leg, Station, TraceReport } from "./steps.ts";

export interface TraceTextOptions {
  /** Every flow that the packet met; otherwise those that say something: a northbound row, a change, a drop. */
  readonly detailed: boolean;
}

export function formatReport(report: TraceReport, options: TraceTextOptions): string {
  let text = formatLeg(report.there, options);
  if (report.back !== undefined) text += `\n${formatLeg(report.back, options)}`;
  text += `\n${report.verdict}.\n`;
  const { cause, logical, findings = [] } = report;
  if (cause?.flow?.flow !== undefined) text += `  flow:    ${cause.flow.flow}\n`;
  if (cause?.northbound !== undefined) text += `  row:     ${cause.northbound.table} ${cause.northbound.uuid}\n`;
  for (const miss of cause?.flow?.nearMisses ?? [])
    text += `  near:    but for ${miss.field} (${miss.packet}, not ${miss.wanted}) it would have met ${miss.origin ?? miss.flow}\n`;
  if (cause?.remedy !== undefined) text += `  remedy:  ${cause.remedy.text} (tried on a copy: it arrives)\n`;
  if (logical !== undefined && report.outcome === "not-delivered")
    text += `  logical: ovn-trace says that the logical network ${logical.delivers ? "delivers" : "does not deliver"} it\n`;
  for (const what of report.unknown ?? []) text += `  unknown: ${what}\n`;
  for (const { code, subject, flows = [] } of findings) {
    text += `  ${code}: ${subject}\n`;
    for (const { is, flow } of flows) text += `    ${is === "installed" ? "installed:" : "wanted:   "} ${flow}\n`;
  }
  return text;
}

function formatLeg({ from, to, packet, stations }: Leg, options: TraceTextOptions): string {
  const lines = [`# ${from} -> ${to}`, `# ${packet}`];
  let node = "";
  for (const station of stations) {
    // Of questions for neighbours it is enough to know what was asked, and who answered.
    if (!options.detailed && station.of === "neighbour" && !TOLD_OF_NEIGHBOURS.has(station.kind)) continue;
    if (station.node !== node) {
      node = station.node;
      lines.push("", `${node}`);
    }
    lines.push(...formatStation(station, options).map((line) => `  ${line}`));
  }
  return `${lines.join("\n")}\n`;
}

function formatStation(station: Station, options: TraceTextOptions): string[] {
  switch (station.kind) {
    case "enters":
      return [
        `enters by ${station.device}${station.port === undefined ? "" : ` (${station.port})`}`,
        ...(station.of === undefined ? [] : [`    ${station.packet}`]),
      ];
    case "switch":
      return formatSwitch(station, options);
    case "tunnel": {
      const ports = station.ports === undefined ? "" : `, ports ${station.ports.ingress} to ${station.ports.egress}`;
      const to = station.to === undefined ? "" : ` (${station.to})`;
      return [
        `leaves by ${station.protocol} ${station.source} > ${station.destination}${to}: datapath ${station.vni}${ports}, ${station.size} bytes`,
      ];
    }
    case "physical":
      return [`leaves by ${station.device} to the physical network ${station.network}`, `    ${station.packet}`];
    case "delivered":
      return [`delivered to ${station.device}${station.port === undefined ? "" : ` (${station.port})`}`, `    ${station.packet}`];
    case "controller":
      if (station.action === "log" && !options.detailed) return [];
      return [`given to ovn-controller${station.action === undefined ? "" : ` (${station.action})`}`];
    case "controller-sends":
      // How the question looks when it has left, the flows that complete it say.
      if (station.of === "neighbour" && !options.detailed) return ["ovn-controller asks for the neighbour"];
      return [`ovn-controller ${sending(station)}:`, `    ${station.packet}`];
    case "controller-says":
      return [`ovn-controller would log: ${station.text}`];
    case "learned":
      return [`ovn-controller learns that ${station.ip ?? "a station"} is at ${station.mac}`];
    case "dropped":
      return [`DROPPED: ${station.reason}`];
  }
}

const TOLD_OF_NEIGHBOURS: ReadonlySet<Station["kind"]> = new Set<Station["kind"]>(["controller-sends", "learned"]);

function sending({ resumed, of }: Extract<Station, { kind: "controller-sends" }>): string {
  if (of === "neighbour") return "asks for the neighbour";
  if (of === "answer") return "answers";
  return resumed ? "lets it go on" : "sends";
}

function formatSwitch(
  { flows, resumed, datapathActions, error }: Extract<Station, { kind: "switch" }>,
  options: TraceTextOptions,
): string[] {
  const lines: string[] = resumed ? ["comes back from connection tracking"] : [];
  for (const [i, step] of flows.entries()) {
    const telling =
      (step.northbound !== undefined && !PASSING.test(step.stage ?? "")) ||
      step.changes.some((change) => shortChange(change) !== "") ||
      (i === flows.length - 1 && datapathActions === "drop");
    if (options.detailed || telling) lines.push(...formatStep(step, options));
  }
  if (error !== undefined) lines.push(`the switch gave up: ${error}`);
  if (options.detailed) lines.push(`datapath actions: ${datapathActions}`);
  return lines;
}

function formatStep(
  { bridge, table, flow, stage, origin, northbound, changes }: FlowStep,
  { detailed }: TraceTextOptions,
): string[] {
  const where = `${bridge} ${String(table).padStart(2)}`;
  const what =
    flow === undefined ? "no flow matches" : (northbound?.text ?? (detailed ? (origin ?? "") : shortOrigin(origin, stage)));
  const changed = changes.map(shortChange).filter((text) => text !== "");
  const head = `${where}  ${[stage, what].filter((part) => part !== undefined && part !== "").join("  ")}`.trimEnd();
  return [
    head,
    ...(detailed && flow !== undefined ? [`      ${flow}`] : []),
    ...(changed.length > 0 && !detailed ? [`      ${changed.join(", ")}`] : []),
  ];
}

/** Stages in which a port's flow only lets packets of that port go on. */
const PASSING = /_pre_(acl|lb|stateful)$|_check_port_sec$|_arp_rsp$/;

/** Of connection tracking it is told what becomes of the packet and its connection; the rest is between the pipeline's stages. */
function shortChange(change: string): string {
  if (!change.startsWith("ct(")) return change;
  const parts = [/[(,](commit)/.exec(change)?.[1], /[(,](nat(?:\([^)]*\))?)/.exec(change)?.[1]];
  const told = parts.filter((part) => part !== undefined && part !== "nat");
  return told.length === 0 ? "" : `ct(${told.join(",")})`;
}

/** A logical flow is told by its match alone, for its stage stands before it. */
function shortOrigin(origin: string | undefined, stage: string | undefined): string {
  const match = /priority (\d+): (.*)\) of /.exec(origin ?? "");
  if (stage !== undefined && match !== null) return `priority ${match[1]}: ${match[2]}`;
  return origin ?? "";
}
