/** One line of the result: the same work done by the reference and by us. */
export interface Result {
  readonly what: string;
  readonly unit: "s" | "ms" | "MB" | "/s" | "Mbit/s" | "packets";
  readonly weft: number;
  /** Absent where there is nothing to compare with. */
  readonly reference?: number;
  /** What is asked of the ratio, if anything is: at most this for times and sizes, at least this for rates. */
  readonly goal?: number;
}

function amount(value: number, unit: Result["unit"]): string {
  if (unit === "/s") return value >= 10_000 ? `${(value / 1000).toFixed(1)} k/s` : `${value.toFixed(0)} /s`;
  if (unit === "packets") return `${value} packets`;
  return `${value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2)} ${unit}`;
}

/** A Markdown table; the ratio is ours to the reference's. */
export function tableOf(results: readonly Result[]): string {
  const rows = results.map(({ what, unit, weft, reference, goal }) => [
    what,
    amount(weft, unit),
    reference === undefined ? "–" : amount(reference, unit),
    reference === undefined || reference === 0 ? "–" : (weft / reference).toFixed(2),
    goal === undefined ? "" : `${unit.endsWith("/s") ? "≥" : "≤"} ${goal}`,
  ]);
  const head = ["what", "Weft", "reference", "ratio", "goal"];
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(" | ")} |`;
  return [
    line(head),
    `|${widths.map((width, i) => (i === 0 ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`)).join("|")}|`,
    ...rows.map(line),
  ].join("\n");
}
