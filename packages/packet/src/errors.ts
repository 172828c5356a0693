/** The errors of this package: what is wrong with bytes, and where. Offsets count from the start of the given array. */
import { WeftError } from "@weft/runtime";

/** Bytes end before a header does. Code "packet.truncated". */
export class TruncatedError extends WeftError {
  /** What should be there. */
  readonly what: string;
  /** How many bytes are missing at least. */
  readonly missing: number;

  constructor(what: string, offset: number, needed: number, there: number) {
    super("packet.truncated", `${what}: ${needed} bytes expected at offset ${offset}, ${Math.max(there, 0)} there`, {
      place: { offset },
    });
    this.what = what;
    this.missing = needed - Math.max(there, 0);
  }
}

/** Bytes contradict the protocol. Code "packet.malformed". */
export class MalformedError extends WeftError {
  constructor(what: string, problem: string, offset: number) {
    super("packet.malformed", `${what}: ${problem} at offset ${offset}`, { place: { offset } });
  }
}

/** A value that does not fit its field. Code "packet.bad-value". */
export function badValue(what: string, problem: string): WeftError {
  return new WeftError("packet.bad-value", `${what}: ${problem}`, { blame: "caller" });
}
