/**
 * The errors of this package. It imports nothing, so they are not a WeftError by class; they have its members.
 */
export class IncrementalError extends Error {
  /** "incremental.cycle" or "incremental.misuse". */
  readonly code: string;
  readonly blame = "us";
  readonly place: { readonly text?: string };

  constructor(code: string, message: string, text?: string) {
    super(message);
    this.name = "IncrementalError";
    this.code = code;
    this.place = text === undefined ? {} : { text };
  }
}
