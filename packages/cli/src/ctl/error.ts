import { WeftError } from "@weft/runtime";

/** A command cannot be done; printed as `PROGRAM: message`. */
export class CtlError extends WeftError {
  constructor(message: string) {
    super("ctl.failed", message, { blame: "caller" });
  }
}

export function fail(message: string): never {
  throw new CtlError(message);
}
