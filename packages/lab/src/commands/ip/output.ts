import type { Family } from "../../machine/ip.ts";

/** The general options of ip(8). */
export interface IpOptions {
  readonly details: boolean;
  readonly brief: boolean;
  readonly json: boolean;
  readonly pretty: boolean;
  readonly oneline: boolean;
  readonly statistics: boolean;
  readonly family: Family | undefined;
}

export function jsonText(value: unknown, options: IpOptions): string {
  return options.pretty ? `${JSON.stringify(value, undefined, 4)}\n` : `${JSON.stringify(value)}\n`;
}

/** With -oneline, a backslash stands for each newline within a record. */
export function lines(parts: readonly string[], options: IpOptions): string {
  return options.oneline ? `${parts.join("\\")}\n` : parts.map((part) => `${part}\n`).join("");
}
