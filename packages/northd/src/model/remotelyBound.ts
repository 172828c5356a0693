/** Ports of other availability zones, which northd binds to the chassis there that they ask for. */
import { input } from "@weft/incremental";

/** The option of a port binding that northd has bound. */
export const REMOTELY_BOUND = "is-remote-nb-bound";

/** The value of {@link REMOTELY_BOUND} in the southbound database, by the name of the port. */
export const remotelyBound = input<string, string>("sb.Port_Binding.remotelyBound", { equals: (a, b) => a === b });
