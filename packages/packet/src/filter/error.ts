/** A filter that cannot be compiled. */
import { WeftError } from "@weft/runtime";

/** Code "filter.syntax"; `message` is in tcpdump's words where it has some, `place.offset` counts characters. */
export class FilterError extends WeftError {
  constructor(message: string, offset: number) {
    super("filter.syntax", message, { blame: "caller", place: { offset } });
  }
}
