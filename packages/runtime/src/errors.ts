/** Who has to change something for the error to go away. */
export type Blame =
  /** Our own bug: an invariant of this code does not hold. */
  | "us"
  /** Whoever called: a person at a command line, a configuration file, a caller in code. */
  | "caller"
  /** The other end of a connection: a malformed frame, message or database row. */
  | "peer";

/** Where in the input the error is; only what is known is set. */
export interface Place {
  /** File name or stream name. */
  readonly source?: string;
  /** Line, counted from 1. */
  readonly line?: number;
  /** Offset in bytes (binary input) or UTF-16 units (text), counted from 0. */
  readonly offset?: number;
  readonly database?: string;
  readonly table?: string;
  /** The row's uuid, or its name where it has no uuid yet. */
  readonly row?: string;
  readonly column?: string;
  /** The text of a flow, match or action. */
  readonly text?: string;
}

/**
 * The base of every error that Weft throws on purpose. `code` is stable and for programs (`ERR_` is not part of it,
 * e.g. "openflow.bad-length"); `message` is for people and names what is wrong and where.
 */
export class WeftError extends Error {
  readonly code: string;
  readonly blame: Blame;
  readonly place: Place;

  constructor(code: string, message: string, options: { blame?: Blame; place?: Place; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.blame = options.blame ?? "peer";
    this.place = options.place ?? {};
  }
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
