/** ovs-appctl(8) and ovn-appctl(8): one command to a daemon's control socket. */
import { Connection, RpcError, streamChannel } from "@weft/ovsdb";
import { type Host, messageOf, WeftError } from "@weft/runtime";
import { directoriesOf, inFolder } from "./directories.ts";
import type { Family } from "./version.ts";

/** How to reach a target: its socket, and its name in messages. */
export async function controlSocketOf(host: Host, family: Family, target: string): Promise<string> {
  if (target.startsWith("/")) return target;
  const { run } = directoriesOf(host.env, family);
  const pidfile = inFolder(run, `${target}.pid`);
  const { files } = host.runtime;
  if (await files.exists(pidfile)) {
    const pid = new TextDecoder().decode(await files.read(pidfile)).trim();
    return inFolder(run, `${target}.${pid}.ctl`);
  }
  // A socket's path relative to the run directory.
  if (target.includes("/") || target.endsWith(".ctl")) return inFolder(run, target);
  throw new WeftError("appctl.no-target", `cannot read pidfile ${JSON.stringify(pidfile)} (No such file or directory)`, {
    blame: "caller",
  });
}

/** The daemon answered with an error. */
export class ControlError extends WeftError {}

/** Sends one command; resolves to the reply's text. */
export async function sendControl(host: Host, socket: string, command: string, args: readonly string[]): Promise<string> {
  const { clock, net } = host.runtime;
  const connection = new Connection(streamChannel(await net.connect(`unix:${socket}`), clock), clock, {}, 0);
  try {
    const reply = await connection.request(command, args);
    return typeof reply === "string" ? reply : JSON.stringify(reply);
  } catch (error) {
    if (error instanceof RpcError) {
      throw new ControlError("appctl.error-reply", typeof error.reply === "string" ? error.reply : messageOf(error));
    }
    throw error;
  } finally {
    connection.end();
  }
}
