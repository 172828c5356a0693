/** ovs-vswitchd(8): the switch with its userspace datapath. */
import { createReplica } from "@weft/ovsdb";
import { messageOf, openHostNetwork, type Program, type Runtime, WeftError } from "@weft/runtime";
import { openVSwitch } from "@weft/schemas";
import {
  createSwitch,
  datagramTunnels,
  type EnableDummy,
  hostRoutes,
  LinuxDevices,
  linuxTunnels,
  MissingDevices,
  type SwitchWorld,
} from "@weft/vswitch";
import { runDaemon } from "./daemon/daemon.ts";
import { answeredForItself, commonDaemonHelp, commonDaemonOptions, daemonOptionsOf } from "./daemon/options.ts";
import { type OptionRow, parseOptions, tlsProviderOf, UsageError } from "./options.ts";
import { versionLine } from "./version.ts";

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
  --disable-system        make no bridges of datapath type "system"
  --disable-system-route  do not read the host's routes
${commonDaemonHelp}`;

/** The argument of --enable-dummy. Throws UsageError. */
function dummyKind(value: string | undefined): EnableDummy {
  if (value === undefined) return "dummy";
  if (value === "override" || value === "system") return value;
  throw new UsageError(`unknown argument "${value}" to --enable-dummy`);
}

/** What the command line says of the world. */
export interface VswitchdOptions {
  readonly enableDummy: EnableDummy;
  readonly disableSystem: boolean;
  readonly disableSystemRoute: boolean;
}

/** A world, and what is to be done when the switch has ended. */
type World = SwitchWorld & { readonly close?: () => void };

/** ovs-vswitchd on a machine whose devices and tunnels `world` gives. */
export function vswitchdOn(world: (runtime: Runtime, options: VswitchdOptions) => World | Promise<World>): Program {
  return async (args, host) => {
    try {
      const { options, rest } = parseOptions(args, rows);
      if (await answeredForItself(host, PROGRAM, "ovs", options, help)) return 0;
      if (rest.length > 1) throw new UsageError("at most one non-option argument accepted; use --help for usage");
      const dummy = options.findLast(({ name }) => name === "enable-dummy");
      const enableDummy = dummy === undefined ? "none" : dummyKind(dummy.value);
      const given = (name: string) => options.some((option) => option.name === name);
      const disableSystem = given("disable-system") && enableDummy !== "system" && enableDummy !== "override";
      const settings = { enableDummy, disableSystem, disableSystemRoute: given("disable-system-route") };
      const tls = tlsProviderOf(host.runtime.files, options);
      return await runDaemon(host, PROGRAM, "ovs", daemonOptionsOf(options), async ({ runtime, directories }) => {
        const db = createReplica({
          runtime,
          schema: openVSwitch,
          remotes: [rest[0] ?? `unix:${directories.run}/db.sock`],
          leaderOnly: false,
          ...(tls === undefined ? {} : { tls }),
        });
        const here = await world(runtime, settings);
        const made = createSwitch({ world: here, db, options: { runDir: directories.run, enableDummy, disableSystem } });
        await db.ready();
        runtime.log.logger("bridge").info(versionLine(PROGRAM, "ovs"));
        // Ready when the bridges that the database asks for are there.
        await made.start();
        return {
          commands: made.controlCommands,
          exitUsage: "[--cleanup]",
          async stop(args) {
            await made.stop(args.includes("--cleanup"));
            here.close?.();
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

/** The machine that it runs on: its devices, routes and IP stack; dummies in the place of all of them under --enable-dummy=system. */
async function thisHost(runtime: Runtime, { enableDummy, disableSystemRoute }: VswitchdOptions): Promise<World> {
  if (enableDummy === "system" || enableDummy === "override") return { runtime, providers: [] };
  try {
    const network = await openHostNetwork();
    return {
      runtime,
      providers: [new LinuxDevices(network, runtime)],
      tunnelHost: linuxTunnels(network),
      hostTunnels: "off-bridge",
      ...(disableSystemRoute ? {} : { hostRoutes: hostRoutes(network) }),
      close: () => network.close(),
    };
  } catch (error) {
    if (!(error instanceof WeftError)) throw error;
    runtime.log.logger("netdev_linux").err(error.message);
    return {
      runtime,
      providers: [new MissingDevices(error.message)],
      tunnelHost: datagramTunnels(runtime),
      hostTunnels: "all",
    };
  }
}

export const vswitchd: Program = vswitchdOn(thisHost);
