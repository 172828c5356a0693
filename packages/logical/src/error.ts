/** What is wrong with a match, an action list or a microflow, and where in its text. */
import { WeftError } from "@weft/runtime";

/** Codes of {@link LogicalError}. */
export type LogicalErrorCode =
  /** The text does not follow the grammar, or names something that does not exist. */
  | "logical.syntax"
  /** The text is well-formed but its types, widths, levels of measurement or operands do not fit. */
  | "logical.type"
  /** The expression would expand to more matches than the limit. */
  | "logical.too-large"
  /** A feature that the encoder was not given what it needs for (a table number, a group allocator). */
  | "logical.unsupported";

/**
 * A match or actions text that cannot be used. `message` is worded as ovn-controller logs it; `offset` is the place of the
 * offending token in `text`, in UTF-16 units.
 */
export class LogicalError extends WeftError {
  readonly offset: number;
  readonly text: string;

  constructor(code: LogicalErrorCode, message: string, text: string, offset: number) {
    super(code, message, { blame: "caller", place: { text, offset } });
    this.text = text;
    this.offset = offset;
  }
}
