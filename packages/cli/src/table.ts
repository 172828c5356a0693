/** Tables as the OVS tools print them: `--format`, `--data`, `--no-headings`, `--pretty` (ovs-vsctl(8) "Table Formatting Options"). */
import { type ColumnModel, type ColumnValue, encode, type Json, stringifyJson } from "@weft/ovsdb";
import { formatBare, formatValue } from "./datum.ts";
import { type GivenOption, UsageError } from "./options.ts";

export type TableFormat = "table" | "list" | "html" | "csv" | "json";
export type DataFormat = "string" | "bare" | "json";

export interface TableStyle {
  readonly format: TableFormat;
  readonly data: DataFormat;
  readonly headings: boolean;
  /** Indented JSON. */
  readonly pretty: boolean;
  /** Characters that a cell of format "table" keeps; 0 for all. */
  readonly maxColumnWidth: number;
}

/** Plain text, the value of a database column, or nothing. */
export type Cell = string | { readonly column: ColumnModel; readonly value: ColumnValue } | undefined;

export interface Table {
  readonly caption?: string;
  /** Printed before the table, such as the time of a monitor's update. */
  readonly timestamp?: string;
  readonly headings: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

const formats: readonly string[] = ["table", "list", "html", "csv", "json"] satisfies TableFormat[];
const dataFormats: readonly string[] = ["string", "bare", "json"] satisfies DataFormat[];

/**
 * The style that the table options among `options` ask for. `defaults` is the program's own. Throws UsageError for an
 * unknown format.
 */
export function tableStyle(options: readonly GivenOption[], defaults: TableFormat = "table"): TableStyle {
  let style: TableStyle & { readonly chosen?: DataFormat } = {
    format: defaults,
    data: "string",
    headings: true,
    pretty: false,
    maxColumnWidth: 0,
  };
  for (const { name, value = "" } of options) {
    if (name === "format") {
      if (!formats.includes(value)) throw new UsageError(`unknown output format "${value}"`);
      style = { ...style, format: value as TableFormat };
    } else if (name === "data") {
      if (!dataFormats.includes(value)) throw new UsageError(`unknown data format "${value}"`);
      style = { ...style, data: value as DataFormat };
    } else if (name === "no-headings") style = { ...style, headings: false };
    else if (name === "pretty") style = { ...style, pretty: true };
    else if (name === "bare") style = { ...style, format: "list", data: "bare", headings: false };
    else if (name === "max-column-width") style = { ...style, maxColumnWidth: Number.parseInt(value, 10) || 0 };
  }
  return style;
}

/** The text of a table, with its final newline. */
export function printTable(table: Table, style: TableStyle): string {
  const body = printers[style.format](table, style);
  return style.format !== "json" && table.timestamp !== undefined ? `${table.timestamp}\n${body}` : body;
}

const printers: { readonly [F in TableFormat]: (table: Table, style: TableStyle) => string } = {
  table(table, style) {
    const cut = (text: string) => (style.maxColumnWidth > 0 ? text.slice(0, style.maxColumnWidth) : text);
    const rows = table.rows.map((row) => row.map((cell) => cut(cellText(cell, style.data))));
    const { headings } = table;
    const widths = headings.map((heading, i) => Math.max(width(heading), ...rows.map((row) => width(row[i] ?? ""))));
    const line = (cells: readonly string[]) =>
      cells
        .map((cell, i) => cell + " ".repeat(widths[i]! - width(cell)))
        .join(" ")
        .trimEnd();
    const lines = rows.map(line);
    if (style.headings) lines.unshift(line(headings), line(widths.map((columns) => "-".repeat(columns))));
    if (table.caption !== undefined) lines.unshift(table.caption);
    return lines.map((text) => `${text}\n`).join("");
  },
  list(table, style) {
    const caption = table.caption === undefined ? "" : `${table.caption}\n`;
    const records = table.rows.map((row) =>
      row
        .map((cell, i) => {
          const heading = style.headings ? `${(table.headings[i] ?? "").padEnd(20)}: ` : "";
          return `${heading}${cellText(cell, style.data)}\n`;
        })
        .join(""),
    );
    return caption + records.join("\n");
  },
  html(table, style) {
    const lines = ["<table border=1>"];
    if (table.caption !== undefined) lines.push(`    <caption>${escapeHtml(table.caption)}</caption>`);
    const row = (cells: readonly string[]) => lines.push("  <tr>", ...cells.map((cell) => `    ${cell}`), "  </tr>");
    if (style.headings) row(table.headings.map((heading) => `<th>${escapeHtml(heading)}</th>`));
    for (const cells of table.rows) {
      row(cells.map((cell, i) => `<td>${htmlCell(cellText(cell, style.data), table.headings[i] === "_uuid")}</td>`));
    }
    lines.push("</table>");
    return lines.map((text) => `${text}\n`).join("");
  },
  csv(table, style) {
    const quote = (text: string) => (/[\n",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const lines = table.rows.map((row) => row.map((cell) => quote(cellText(cell, style.data))).join(","));
    if (style.headings) lines.unshift(table.headings.map(quote).join(","));
    if (table.caption !== undefined) lines.unshift(table.caption);
    return lines.map((text) => `${text}\n`).join("");
  },
  json(table, style) {
    const json: Json = {
      ...(table.caption === undefined ? {} : { caption: table.caption }),
      data: table.rows.map((row) => row.map(cellJson)),
      headings: table.headings,
      ...(table.timestamp === undefined ? {} : { time: table.timestamp }),
    };
    return `${style.pretty ? prettyJson(json) : sortedJson(json)}\n`;
  },
};

function cellJson(cell: Cell): Json {
  if (cell === undefined) return null;
  return typeof cell === "string" ? cell : encode(cell.column, cell.value);
}

function cellText(cell: Cell, data: DataFormat): string {
  if (cell === undefined) return "";
  if (typeof cell === "string") return data === "json" ? stringifyJson(cell) : cell;
  if (data === "json") return stringifyJson(encode(cell.column, cell.value));
  return data === "bare" ? formatBare(cell.column, cell.value) : formatValue(cell.column, cell.value);
}

/** Columns that a text takes on a terminal, counted in characters. */
function width(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

const uuidAnywhere = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** A row's own uuid is an anchor, any other uuid a link to one; both show the first eight characters. */
function htmlCell(text: string, isName: boolean): string {
  if (isName) return `<a name="${escapeHtml(text)}">${escapeHtml(text.slice(0, 8))}</a>`;
  return escapeHtml(text).replace(uuidAnywhere, (uuid) => `<a href="#${uuid}">${uuid.slice(0, 8)}</a>`);
}

/** JSON with the members of every object in order of their names, as the reference writes it. */
export function sortedJson(json: Json): string {
  if (Array.isArray(json)) return `[${json.map(sortedJson).join(",")}]`;
  if (typeof json === "object" && json !== null) {
    const members = Object.entries(json as { readonly [name: string]: Json | undefined })
      .filter((member): member is [string, Json] => member[1] !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([name, value]) => `${JSON.stringify(name)}:${sortedJson(value)}`).join(",")}}`;
  }
  return stringifyJson(json);
}

/** As {@link sortedJson}, a member or element a line, indented by two spaces. */
export function prettyJson(json: Json, indent = 0): string {
  const pad = `\n${" ".repeat(indent + 2)}`;
  if (Array.isArray(json)) {
    return json.length === 0 ? "[]" : `[${json.map((item) => `${pad}${prettyJson(item, indent + 2)}`).join(",")}]`;
  }
  if (typeof json === "object" && json !== null) {
    const members = Object.entries(json as { readonly [name: string]: Json | undefined })
      .filter((member): member is [string, Json] => member[1] !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    if (members.length === 0) return "{}";
    return `{${members.map(([name, value]) => `${pad}${JSON.stringify(name)}: ${prettyJson(value, indent + 2)}`).join(",")}}`;
  }
  return stringifyJson(json);
}
