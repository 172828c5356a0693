/** A command in a lab's shell: `node shim.mjs COMMAND [ARGUMENT...]` runs it on the machine that the shell is on. */
import { runRemote, shellVariables } from "./client.ts";

const {
  [shellVariables.socket]: socket = "",
  [shellVariables.node]: node = "",
  [shellVariables.namespace]: namespace = "",
} = process.env;
try {
  process.exitCode = await runRemote({ socket, node, namespace, argv: process.argv.slice(2) });
} catch (error) {
  process.stderr.write(`${process.argv[2]}: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
