/** docs/findings.md, from the table of findings. */
import { FINDING_KINDS, type FindingKind } from "./findings.ts";

export function findingsDocument(): string {
  const kinds: readonly (readonly [string, FindingKind])[] = Object.entries(FINDING_KINDS);
  const sections = kinds.map(
    ([code, { severity, title, breaks, mend }]) =>
      `## ${code}\n\n**${severity}**: ${title}.\n\n*What it breaks.* ${breaks}\n\n*How to mend it.* ${mend}\n`,
  );
  return `# Findings

What \`weft verify\` can find. The codes are stable; \`weft verify --json\` gives them with the rows and flows they are about, and
the exit code is 1 when an error is among them.

${sections.join("\n")}`;
}
