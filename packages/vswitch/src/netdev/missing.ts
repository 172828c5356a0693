/** Stands in for the host's devices where they cannot be used: every one asked for is refused with the reason. */
import { WeftError } from "@weft/runtime";
import type { Netdev, NetdevProvider } from "../netdev.ts";

export class MissingDevices implements NetdevProvider {
  readonly types: readonly string[] = ["internal", "system", "tap"];
  readonly #reason: string;

  constructor(reason: string) {
    this.#reason = reason;
  }

  open(name: string): Netdev {
    throw new WeftError("netdev.open", `could not open network device ${name} (${this.#reason})`, { blame: "caller" });
  }
}
