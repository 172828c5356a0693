/** The program ovn-controller (ovn-controller(8)): a face on the controller package. */
import { createController, type Dial, dialSwitch, localMonitor } from "@weft/controller";
import { createReplica, type Replica } from "@weft/ovsdb";
import { type Host, messageOf, type Program, readTls, type TlsFiles } from "@weft/runtime";
import { openVSwitch } from "@weft/schemas";
import { runDaemon } from "./daemon/daemon.ts";
import { answeredForItself, commonDaemonHelp, commonDaemonOptions, daemonOptionsOf } from "./daemon/options.ts";
import { directoriesOf } from "./directories.ts";
import { type OptionRow, parseOptions, tlsProviderOf, UsageError } from "./options.ts";

const PROGRAM = "ovn-controller";

const rows: readonly OptionRow[] = [
  ...commonDaemonOptions,
  { name: "", short: "n", argument: "required" },
  { name: "enable-dummy-vif-plug" },
];

const help = `${PROGRAM}: OVN controller
usage ${PROGRAM} [OPTIONS] [OVS-DATABASE]
where OVS-DATABASE is a socket on which the OVS OVSDB server is listening.
  -n                      custom chassis name
${commonDaemonHelp}`;

/** The files that the SSL table names (ovs-vswitchd.conf.db(5)), where no option names any. */
function tlsFilesInDatabase(ovs: Replica<typeof openVSwitch>): TlsFiles {
  const [row] = [...ovs.table("SSL").rows()];
  if (row === undefined) return {};
  const { private_key, certificate, ca_cert, bootstrap_ca_cert } = row;
  return {
    privateKey: private_key,
    certificate,
    ...(bootstrap_ca_cert ? { bootstrapCaCertificate: ca_cert } : { caCertificate: ca_cert }),
  };
}

export const controller: Program = controllerOn((dial) => dial);

/** ovn-controller whose connections to the integration bridge go through `through`. */
export function controllerOn(through: (dial: Dial) => Dial): Program {
  return (args, host) => run(args, host, through);
}

async function run(args: readonly string[], host: Host, through: (dial: Dial) => Dial): Promise<number> {
  try {
    const { options, rest } = parseOptions(args, rows);
    if (await answeredForItself(host, PROGRAM, "ovn", options, help)) return 0;
    if (rest.length > 1) throw new UsageError("exactly zero or one non-option argument required; use --help for usage");
    const tls = tlsProviderOf(host.runtime.files, options);
    const systemId = options.findLast(({ name }) => name === "n")?.value ?? (await systemIdOverride(host));
    return await runDaemon(host, PROGRAM, "ovn", daemonOptionsOf(options), async ({ runtime }) => {
      const rundir = directoriesOf(host.env, "ovs").run;
      const ovs = createReplica({
        runtime,
        schema: openVSwitch,
        remotes: [rest[0] ?? `unix:${rundir}/db.sock`],
        monitor: localMonitor,
        ...(tls === undefined ? {} : { tls }),
      });
      const secured = tls ?? (() => readTls(runtime.files, tlsFilesInDatabase(ovs)));
      const running = createController({
        runtime,
        ovs,
        hostname: host.hostname,
        rundir,
        ...(systemId === undefined ? {} : { systemId }),
        tls: secured,
        connectBridge: through(dialSwitch(runtime)),
      });
      // Ready at once: the local database may come later.
      const started = running.start();
      return {
        commands: running.controlCommands,
        measured: {
          coverage: running.coverage,
          stopwatches: running.stopwatches,
          engine: running,
          memory: () => running.memory(),
        },
        finished: new Promise((_resolve, reject) => started.catch(reject)),
        async stop(given) {
          // A signal leaves everything as it is; the command "exit" cleans up.
          await running.stop(host.signal.aborted || given.includes("--restart") ? { restart: true } : {});
          await ovs.close();
        },
      };
    });
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    await host.stderr.write(`${PROGRAM}: ${messageOf(error)}\n`);
    return 1;
  }
}

async function systemIdOverride(host: Host): Promise<string | undefined> {
  const path = `${directoriesOf(host.env, "ovn").sysconf}/system-id-override`;
  if (!(await host.runtime.files.exists(path))) return undefined;
  const text = new TextDecoder().decode(await host.runtime.files.read(path)).trim();
  return text === "" ? undefined : text;
}
