/** ovs-vswitchd(8): the switch with its userspace datapath. */
import { createReplica } from "@weft/ovsdb";
import { messageOf, type Program, type Runtime } from "@weft/runtime";
import { openVSwitch } from "@weft/schemas";
import { createSwitch, type EnableDummy, type SwitchWorld } from "@weft/vswitch";
import { runDaemon } from "./daemon/daemon.ts";
import { answeredForItself, commonDaemonHelp, commonDaemonOptions, daemonOptionsOf, tlsOptionsOf } from "./daemon/options.ts";
import { type OptionRow, parseOptions, UsageError } from "./options.ts";

const PROGRAM = "ovs-vswitchd";

const rows: readonly OptionRow[] = [
  ...commonDaemonOptions,
  { name: "enable-dummy", argument: "optional" },
  { name: "disable-system" },
  { name: "disable-system-route" },
  { name: "mlockall" },
  { name: "hw-rawio-access" },
];

const help = `${PROGRAM}: Open vSwitch daemon
usage: ${PROGRAM} [OPTIONS] [DATABASE]
where DATABASE is a socket on which ovsdb-server is listening
      (default: "unix:/var/run/openvswitch/db.sock").

Options:
  --enable-dummy[=KIND]   dummy devices; KIND "system" or "override" to stand in for others
  --disable-system        accepted; there is no kernel datapath to disable
  --disable-system-route  accepted; the host's routes are not read
${commonDaemonHelp}`;

/** The argument of --enable-dummy. Throws UsageError. */
function dummyKind(value: string | undefined): EnableDummy {
  if (value === undefined) return "dummy";
  if (value === "override" || value === "system") return value;
  throw new UsageError(`unknown argument "${value}" to --enable-dummy`);
}

/** ovs-vswitchd on a machine whose devices and tunnels `world` gives. */
export function vswitchdOn(world: (runtime: Runtime) => SwitchWorld): Program {
  return async (args, host) => {
    try {
      const { options, rest } = parseOptions(args, rows);
      if (await answeredForItself(host, PROGRAM, "ovs", options, help)) return 0;
      if (rest.length > 1) throw new UsageError("at most one non-option argument accepted; use --help for usage");
      const dummy = options.findLast(({ name }) => name === "enable-dummy");
      const enableDummy = dummy === undefined ? "none" : dummyKind(dummy.value);
      const tls = await tlsOptionsOf(host, options);
      return await runDaemon(host, PROGRAM, "ovs", daemonOptionsOf(options), async ({ runtime, directories }) => {
        const db = createReplica({
          runtime,
          schema: openVSwitch,
          remotes: [rest[0] ?? `unix:${directories.run}/db.sock`],
          leaderOnly: false,
          ...(tls === undefined ? {} : { tls }),
        });
        const made = createSwitch({
          world: world(runtime),
          db,
          options: { runDir: directories.run, enableDummy },
        });
        // Ready when the bridges that the database asks for are there.
        await made.start();
        return {
          commands: made.controlCommands,
          exitUsage: "[--cleanup]",
          async stop() {
            await made.stop();
            await db.close();
          },
        };
      });
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      await host.stderr.write(`${PROGRAM}: ${messageOf(error)}\n`);
      return 1;
    }
  };
}

/** On the machine that it runs on: its devices are dummies, tunnels go through the switch's own bridges and routes. */
export const vswitchd: Program = vswitchdOn((runtime) => ({ runtime, providers: [] }));
