/** Matches of logical flows, parsed and normalised once for each distinct text. */
import { derive } from "@weft/incremental";
import { compileMatch, LogicalError, type MatchTemplate, parseMatch } from "@weft/logical";
import { addressSet, isResident, portGroupOn } from "./names.ts";

/** A compiled match, or what is wrong with its text. */
export type Compiled = { readonly template: MatchTemplate } | { readonly error: LogicalError };

/** Whether a match is another one on every datapath, since it names port groups. */
export function namesPortGroups(text: string): boolean {
  return text.includes("@");
}

/**
 * The template of a match. The key is its text; with port groups, which have other ports on every datapath, the
 * datapath's tunnel key, a space and the text.
 */
export const compiledMatch = derive<string, Compiled>("compiledMatch", (key, read) => {
  const scoped = namesPortGroups(key);
  const space = scoped ? key.indexOf(" ") : -1;
  const datapath = scoped ? Number(key.slice(0, space)) : 0;
  const text = key.slice(space + 1);
  try {
    const { expression } = parseMatch(text, {
      addressSet: (name) => read(addressSet, name),
      portGroup: (name) => portGroupOn(read, datapath, name),
    });
    return { template: compileMatch(expression, { resident: (port) => read(isResident, port), text }) };
  } catch (error) {
    if (error instanceof LogicalError) return { error };
    throw error;
  }
});

export function matchKey(text: string, datapath: number): string {
  return namesPortGroups(text) ? `${datapath} ${text}` : text;
}
