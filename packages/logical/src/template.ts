/** Template variables (Chassis_Template_Var): texts that each chassis puts in place of `^name` before parsing. */
import { LogicalError } from "./error.ts";

export interface ExpandedTemplate {
  readonly text: string;
  /** The variables that the text names, so that it is expanded again when one changes. */
  readonly variables: ReadonlySet<string>;
}

/** A string, in which nothing is replaced, or a variable. */
const PART = /"(?:[^"\\]|\\.)*"|\^([A-Za-z_.][A-Za-z0-9_.]*)/g;

/** Replaces variables outside of strings. Throws LogicalError "logical.syntax" at one that has no value. */
export function expandTemplates(text: string, value: (name: string) => string | undefined): ExpandedTemplate {
  const variables = new Set<string>();
  if (!text.includes("^")) return { text, variables };
  const expanded = text.replace(PART, (part: string, name: string | undefined, offset: number) => {
    if (name === undefined) return part;
    variables.add(name);
    const found = value(name);
    if (found === undefined) {
      throw new LogicalError("logical.syntax", `Template variable ^${name} has no value on this chassis.`, text, offset);
    }
    return found;
  });
  return { text: expanded, variables };
}
