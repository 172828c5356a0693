/** Errors of text that people wrote. */
import { WeftError } from "@weft/runtime";

/** A flow, action, group or meter that does not parse. `message` is what ovs-ofctl says; `place` has text and offset. */
export class TextError extends WeftError {
  constructor(message: string, text?: string, offset?: number) {
    super("openflow.bad-text", message, {
      blame: "caller",
      place: { ...(text === undefined ? {} : { text }), ...(offset === undefined ? {} : { offset }) },
    });
  }
}
