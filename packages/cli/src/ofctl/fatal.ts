/** How a run of ovs-ofctl fails. */
import { WeftError } from "@weft/runtime";

/** Ends the program: the text goes to standard error after "ovs-ofctl: ", unless it is printed already. */
export class Fatal extends WeftError {
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super("ofctl.fatal", message, { blame: "caller" });
    this.exitCode = exitCode;
  }
}

/** An OpenFlow error that was printed as such; nothing more is to be said. */
export class Refused extends Fatal {}
