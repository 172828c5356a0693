/** Ports that wait on further chassis until their guest shows itself there (ovn-nb(5), Logical_Switch_Port:options activation-strategy). */
import { input } from "@weft/incremental";

/** The option of a port binding in which chassis tell that it has: their names. */
export const ACTIVATED = "additional-chassis-activated";

/** The value of {@link ACTIVATED}, by the name of the port. */
export const activated = input<string, string>("sb.Port_Binding.activated", { equals: (a, b) => a === b });
