/** Matches of logical flows, parsed and normalised once for each distinct text. */
import { derive } from "@weft/incremental";
import { compileMatch, LogicalError, type MatchTemplate, parseMatch } from "@weft/logical";
import { addressSet, isResident, portGroupOn } from "./names.ts";

/** A compiled match, or what is wrong with its text. */
export type Compiled = { readonly template: MatchTemplate } | { readonly error: LogicalError };

const SEPARATOR = "\u0000";

/**
 * The key of {@link compiledMatch}: the text, what the flow's actions need to hold as well, and with port groups, which
 * have other ports on every datapath, the datapath's tunnel key.
 */
export function matchKey(text: string, prerequisites: readonly string[], datapath: number): string {
  return [text.includes("@") ? String(datapath) : "", text, ...prerequisites].join(SEPARATOR);
}

export const compiledMatch = derive<string, Compiled>("compiledMatch", (key, read) => {
  const [datapath = "", text = "", ...prerequisites] = key.split(SEPARATOR);
  try {
    const { expression } = parseMatch(text, {
      addressSet: (name) => read(addressSet, name),
      portGroup: (name) => portGroupOn(read, Number(datapath), name),
    });
    return { template: compileMatch(expression, { resident: (port) => read(isResident, port), prerequisites, text }) };
  } catch (error) {
    if (error instanceof LogicalError) return { error };
    throw error;
  }
});
