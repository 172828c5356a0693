/** The program ovn-northd (ovn-northd(8)): a face on the northd package. */
import { createNorthd } from "@weft/northd";
import { createReplica } from "@weft/ovsdb";
import { messageOf, type Program } from "@weft/runtime";
import { ovnNorthbound, ovnSouthbound } from "@weft/schemas";
import { runDaemon } from "./daemon/daemon.ts";
import { answeredForItself, commonDaemonHelp, commonDaemonOptions, daemonOptionsOf } from "./daemon/options.ts";
import { directoriesOf } from "./directories.ts";
import { optimiseAsUsual } from "./engineFlags.ts";
import { type OptionRow, parseOptions, tlsProviderOf, UsageError } from "./options.ts";

const PROGRAM = "ovn-northd";

const rows: readonly OptionRow[] = [
  ...commonDaemonOptions,
  { name: "ovnnb-db", argument: "required" },
  { name: "ovnsb-db", argument: "required" },
  { name: "dry-run" },
  { name: "n-threads", argument: "required" },
  { name: "monitor" },
  { name: "no-self-confinement" },
];

const help = `${PROGRAM}: OVN northbound management daemon
usage: ${PROGRAM} [OPTIONS]

Options:
  --ovnnb-db=DATABASE     connect to ovn-nb database at DATABASE
  --ovnsb-db=DATABASE     connect to ovn-sb database at DATABASE
  --dry-run               start in paused state (do not commit db changes)
  --n-threads=N           accepted; flows are computed by one thread
${commonDaemonHelp}`;

export const northd: Program = async (args, host) => {
  try {
    const { options, rest } = parseOptions(args, rows);
    if (await answeredForItself(host, PROGRAM, "ovn", options, help)) return 0;
    if (rest.length > 0) throw new UsageError("non-option arguments not supported; use --help for usage");
    const tls = tlsProviderOf(host.runtime.files, options);
    const { run } = directoriesOf(host.env, "ovn");
    const last = (name: string) => options.findLast((option) => option.name === name)?.value;
    const remotes = (option: string, variable: string, file: string) =>
      (last(option) ?? host.env[variable] ?? `unix:${run}/${file}`).split(",");
    return await runDaemon(host, PROGRAM, "ovn", daemonOptionsOf(options), async ({ runtime }) => {
      const secured = tls === undefined ? {} : { tls };
      const nb = createReplica({
        runtime,
        schema: ovnNorthbound,
        remotes: remotes("ovnnb-db", "OVN_NB_DB", "ovnnb_db.sock"),
        ...secured,
      });
      const sb = createReplica({
        runtime,
        schema: ovnSouthbound,
        remotes: remotes("ovnsb-db", "OVN_SB_DB", "ovnsb_db.sock"),
        ...secured,
      });
      const running = createNorthd({ runtime, nb, sb, paused: options.some(({ name }) => name === "dry-run") });
      // Ready at once: the databases may come later.
      const built = running
        .start()
        .then(() => running.idle())
        .then(optimiseAsUsual);
      return {
        commands: running.controlCommands,
        measured: {
          coverage: running.coverage,
          stopwatches: running.stopwatches,
          engine: running,
          memory: () => running.memory(),
        },
        finished: built.then(
          () => new Promise<number>(() => {}),
          () => 1,
        ),
        async stop() {
          await running.stop();
          await Promise.all([nb.close(), sb.close()]);
        },
      };
    });
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    await host.stderr.write(`${PROGRAM}: ${messageOf(error)}\n`);
    return 1;
  }
};
