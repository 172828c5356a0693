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
  if (cause?.remedy !== undefined)
    text += `  remedy:  ${cause.remedy.text}${cause.remedy.tried ? " (tried on a copy: it arrives)" : " (tried on a copy: it does not arrive)"}\n`;
  if (logical !== undefined && report.outcome === "not-delivered")
    text += `  logical: ovn-trace says that the logical network ${logical.delivers ? "delivers" : "does not deliver"} it\n`;
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
      return [`enters by ${station.device}${station.port === undefined ? "" : ` (${station.port})`}`];
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
      return [`given to ovn-controller${station.by?.origin === undefined ? "" : ` by ${station.by.origin}`}`];
    case "dropped":
      return [`DROPPED: ${station.reason}`];
  }
}

function formatSwitch(
  { flows, resumed, datapathActions, error }: Extract<Station, { kind: "switch" }>,
  options: TraceTextOptions,
): string[] {
  const lines: string[] = resumed ? ["comes back from connection tracking"] : [];
  for (const [i, step] of flows.entries()) {
    const telling =
      step.northbound !== undefined || step.changes.length > 0 || (i === flows.length - 1 && datapathActions === "drop");
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
  const head = `${where}  ${[stage, what].filter((part) => part !== undefined && part !== "").join("  ")}`.trimEnd();
  return [
    head,
    ...(detailed && flow !== undefined ? [`      ${flow}`] : []),
    ...(changes.length > 0 && !detailed ? [`      ${changes.join(", ")}`] : []),
  ];
}

/** A logical flow is told by its match alone, for its stage stands before it. */
function shortOrigin(origin: string | undefined, stage: string | undefined): string {
  const match = /priority (\d+): (.*)\) of /.exec(origin ?? "");
  if (stage !== undefined && match !== null) return `priority ${match[1]}: ${match[2]}`;
  return origin ?? "";
}
