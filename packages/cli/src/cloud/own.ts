/** `weft verify` and the like as programs of one's own: in a lab that is up, or on a deployment. */
import type { Program } from "@weft/runtime";
import { runRemote } from "../lab/client.ts";
import { chosenLab, labSocket, runningLabs } from "../lab/places.ts";
import { cloudCommands, cloudProgram } from "./commands.ts";
import { deployment } from "./deployment.ts";

/** Options that say where the cloud is; without any of them a lab that is up is meant. */
const PLACES = /^--(ovn[ns]b-db|hypervisor)(=|$)/;

export async function ownCommand(name: string): Promise<Program> {
  const command = await cloudCommands[name]!();
  return async (args, host) => {
    const at = args.findIndex((arg) => arg === "--lab" || arg.startsWith("--lab="));
    const explicit = at < 0 ? undefined : (args[at]!.split("=")[1] ?? args[at + 1]);
    const implied = at < 0 && !args.some((arg) => PLACES.test(arg) || arg === "--help" || arg === "-h");
    const { OVN_SB_DB: southbound } = host.env;
    if (explicit !== undefined || (implied && southbound === undefined && (await runningLabs(host)).length > 0)) {
      const rest = at < 0 ? args : args.filter((_, i) => i !== at && !(i === at + 1 && args[at] === "--lab"));
      // Every machine of a lab knows the lab as a whole.
      return runRemote({
        socket: labSocket(host, await chosenLab(host, explicit)),
        node: "",
        namespace: "",
        argv: ["weft", name, ...rest],
      });
    }
    return cloudProgram(name, command, deployment)(args, host);
  };
}
