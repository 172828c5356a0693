/** What `weft lab break`, `mend` and `reveal` print. */
import type { FaultText } from "@weft/lab";

export type FaultVerb = "list" | "break" | "mend" | "reveal";

export function faultText(verb: FaultVerb, faults: readonly FaultText[]): string {
  switch (verb) {
    case "list":
      return faults.map(({ name, notice }) => `${name.padEnd(20)} ${notice}\n`).join("");
    case "break":
      return "broken; weft lab reveal says what is wrong, weft lab mend undoes it\n";
    case "mend":
      return faults.map(({ name }) => `mended: ${name}\n`).join("");
    case "reveal":
      if (faults.length === 0) return "the lab has no fault\n";
      return faults.map(({ name, notice, cause, mending }) => `${name}: ${notice}\n${cause}\n${mending}\n`).join("");
  }
}
