/** Matches of logical flows, compiled once for each shape, or once for each text that refers to sets. */
import { derive, type Read } from "@weft/incremental";
import { compileMatch, LogicalError, MatchShapes, type MatchTemplate, parseMatch, translated } from "@weft/logical";
import { addressSet, isResident, portGroupOn } from "./names.ts";

/** A compiled match, or what is wrong with its text. */
export type Compiled = { readonly template: MatchTemplate } | { readonly error: LogicalError };

const SEPARATOR = "\u0000";

const OF_CONNECTION = "ct";

export interface MatchText {
  readonly text: string;
  /** Protocols and ports are those of the packet's connection (ovn-nb(5), acl_ct_translation). */
  readonly ofConnection: boolean;
}

/** What has been compiled of the texts that say all by themselves: a cache, so always the same value. */
export const matchShapes = derive<0, MatchShapes>("matchShapes", () => new MatchShapes());

/**
 * The match of a flow on a datapath (its tunnel key), together with what the flow's actions need to hold as well. Port
 * groups have other ports on every datapath.
 */
export function compiledMatch(
  read: Read,
  { text, ofConnection }: MatchText,
  prerequisites: readonly string[],
  datapath: number,
): Compiled {
  if (ofConnection || !MatchShapes.takes(text)) {
    const scope = dependsOnDatapath(text) ? String(datapath) : "";
    const key = [scope, ofConnection ? OF_CONNECTION : "", text, ...prerequisites].join(SEPARATOR);
    return read(compiledSetMatch, key);
  }
  return compile(() => read(matchShapes, 0).compile(text, { resident: (port) => read(isResident, port), prerequisites }));
}

/** Whether a match says something else on every datapath, as port groups do. */
export function dependsOnDatapath(text: string): boolean {
  return text.includes("@");
}

const compiledSetMatch = derive<string, Compiled>("compiledSetMatch", (key, read) => {
  const [datapath = "", of = "", text = "", ...prerequisites] = key.split(SEPARATOR);
  return compile(() => {
    const { expression } = parseMatch(text, {
      addressSet: (name) => read(addressSet, name),
      portGroup: (name) => portGroupOn(read, Number(datapath), name),
    });
    return compileMatch(of === OF_CONNECTION ? translated(expression) : expression, {
      resident: (port) => read(isResident, port),
      prerequisites,
      text,
    });
  });
});

function compile(run: () => MatchTemplate): Compiled {
  try {
    return { template: run() };
  } catch (error) {
    if (error instanceof LogicalError) return { error };
    throw error;
  }
}
