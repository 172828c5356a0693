/** Errors that are answered to a controller. */
import { WeftError } from "@weft/runtime";

/** `error` is the name of an OpenFlow error, e.g. "OFPFMFC_OVERLAP"; the connection answers with its type and code. */
export class OpenFlowRefusal extends WeftError {
  readonly error: string;

  constructor(error: string, message: string = error) {
    super(`openflow.${error.toLowerCase()}`, message, { blame: "peer" });
    this.error = error;
  }
}
