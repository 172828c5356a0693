/** A ctl program as the client of its own daemon (ovn-nbctl(8), "DAEMON MODE"). */
import type { SchemaJson } from "@weft/ovsdb";
import { type Host, WeftError } from "@weft/runtime";
import { ControlError, sendControl } from "../appctl.ts";
import { directoriesOf, inFolder } from "../directories.ts";
import { type GivenOption, type OptionRow, tableOptions } from "../options.ts";
import { CtlError } from "./error.ts";
import type { Line } from "./line.ts";
import { alarmOf, openLog } from "./once.ts";
import type { CtlProgram } from "./program.ts";

/** Options that the daemon understands: they go with the commands. What else there is concerns the client, or a connection. */
export const runOptions: readonly OptionRow[] = [
  { name: "no-wait" },
  { name: "wait", argument: "required" },
  { name: "print-wait-time" },
  { name: "dry-run" },
  { name: "oneline" },
  ...tableOptions,
];

/** The variable that names the daemon's socket. */
const variableOf = ({ database }: Pick<CtlProgram<SchemaJson>, "database">): string | undefined =>
  database.variable?.replace(/_DB$/, "_DAEMON");

/** The socket of the daemon that is to run the commands; undefined where there is to be none. */
export function daemonSocketOf<S extends SchemaJson>(
  program: CtlProgram<S>,
  options: readonly GivenOption[],
  host: Host,
): string | undefined {
  const variable = variableOf(program);
  const given = options.findLast(({ name }) => name === "unixctl")?.value;
  const socket = given ?? (variable === undefined ? "" : (host.env[variable] ?? ""));
  if (socket === "") return undefined;
  if (options.some(({ name }) => name === "db")) {
    openLog(program.name, options, host).logger("ovn_dbctl").warn(`not using ${program.name} daemon because of db option`);
    return undefined;
  }
  return inFolder(directoriesOf(host.env, program.family).run, socket);
}

export async function askDaemon<S extends SchemaJson>(
  program: CtlProgram<S>,
  socket: string,
  { options, first, rest }: Line<S>,
  host: Host,
): Promise<number> {
  const log = openLog(program.name, options, host);
  const alarm = alarmOf(options, host, log);
  const passed = options.filter(({ name }) => runOptions.some((row) => row.name === name));
  const words = [...passed, ...first].map(({ name, value }) => (value === undefined ? `--${name}` : `--${name}=${value}`));
  const ask = async () => {
    await host.stdout.write(await sendControl(host, socket, "run", [...words, "--", ...rest]));
    return 0;
  };
  try {
    return await Promise.race([ask(), alarm]);
  } catch (error) {
    if (error instanceof ControlError) throw new CtlError(error.message.replace(/\n$/, ""));
    if (!(error instanceof WeftError)) throw error;
    const reason = error.message.split(": ").at(-1);
    const variable = variableOf(program);
    const text = `${socket}: could not connect to ${program.name} daemon (${reason}); unset ${variable} to avoid using daemon`;
    log.logger("ovn_dbctl").err(text);
    throw new CtlError(text);
  }
}
