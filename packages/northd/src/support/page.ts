/** The text of docs/features.md. */
import { type Column, type Entry, isKeys } from "./entry.ts";
import { support } from "./table.ts";

const HEAD = `# Features

Every table and column of the northbound database (ovn-nb(5) of OVN 26.03), and every documented key of their maps: whether it
**works**, works **partly** (and what is lacking), or **not yet**. Maps take other keys too, as the original's do, without effect. What a row asks for beyond
this, ovn-northd logs with the row. \`npm run features\` writes this page from packages/northd/src/support/table.ts.
`;

function line(what: string, { state, remark }: Entry<never>): string {
  return `| ${what} | ${state === "works" ? "works" : `**${state}**`} | ${remark ?? ""} |`;
}

function lines(name: string, column: Column<never>): string[] {
  if (!isKeys(column)) return [line(`\`${name}\``, column)];
  return Object.entries(column.keys).map(([key, entry]) => line(`\`${name}:${key}\``, entry));
}

export function featuresPage(): string {
  const sections = Object.entries(support).map(([table, columns]) => {
    const rows = Object.entries(columns as Record<string, Column<never>>).flatMap(([name, column]) => lines(name, column));
    return `\n## ${table}\n\n| column | | |\n|---|---|---|\n${rows.join("\n")}\n`;
  });
  return HEAD + sections.join("");
}
