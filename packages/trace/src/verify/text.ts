/** Findings for people. */
import { FINDING_KINDS, type Finding } from "./findings.ts";

/** The same kind of finding in one place, more often than this, is counted rather than listed. */
const LISTED = 5;

export function formatFindings(findings: readonly Finding[], all = false): string {
  if (findings.length === 0) return "Nothing found: what is installed is what the databases ask for.\n";
  const groups = new Map<string, Finding[]>();
  for (const finding of findings) {
    const key = `${finding.node ?? ""} ${finding.code}`;
    groups.set(key, [...(groups.get(key) ?? []), finding]);
  }
  return `${[...groups.values()].map((group) => formatGroup(group, all ? group.length : LISTED)).join("\n")}\n${summary(findings)}\n`;
}

function formatGroup(group: readonly Finding[], listed: number): string {
  const [first] = group;
  if (first === undefined) return "";
  const { severity, title, breaks, mend } = FINDING_KINDS[first.code];
  let text = `${severity} ${first.code}${first.node === undefined ? "" : ` on ${first.node}`}: ${title}\n`;
  for (const { subject, detail, flows = [] } of group.slice(0, listed)) {
    text += `  ${subject}: ${detail}\n`;
    for (const { is, flow } of flows) text += `    ${is === "installed" ? "installed:" : "wanted:   "} ${flow}\n`;
  }
  if (group.length > listed) text += `  ... and ${group.length - listed} more (all with --all or --json)\n`;
  return `${text}  breaks: ${breaks}\n  mend:   ${mend}\n`;
}

function summary(findings: readonly Finding[]): string {
  const count = (severity: string): number => findings.filter(({ code }) => FINDING_KINDS[code].severity === severity).length;
  const [errors, warnings] = [count("error"), count("warning")];
  const plural = (n: number, word: string): string => `${n} ${word}${n === 1 ? "" : "s"}`;
  return `${plural(errors, "error")}, ${plural(warnings, "warning")}`;
}
