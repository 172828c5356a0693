/** The program ovn-trace (ovn-trace(8)): a face on the trace package. */
import { formatFlowStats } from "@weft/openflow";
import { createReplica, type Replica } from "@weft/ovsdb";
import {
  ConfigurableLogBook,
  type Host,
  type Logger,
  logModulesOf,
  messageOf,
  type Program,
  type Runtime,
  WeftError,
} from "@weft/runtime";
import { ovnSouthbound, type SbSchema } from "@weft/schemas";
import {
  CT_NAMES,
  ctStateProblem,
  formsOf,
  parseCtState,
  parseLbDestination,
  parsePacketSize,
  parseSelectId,
  TraceModel,
  type TraceRequest,
  TraceUsageError,
  traceText,
  traceTextFetching,
} from "@weft/trace";
import { connectReason } from "./ctl/remote.ts";
import { runDaemon } from "./daemon/daemon.ts";
import { answeredForItself, commonDaemonHelp, commonDaemonOptions, daemonOptionsOf } from "./daemon/options.ts";
import { directoriesOf, inFolder } from "./directories.ts";
import { type GivenOption, type OptionRow, parseOptions, tlsProviderOf, UsageError } from "./options.ts";
import { flowsOfSwitch } from "./switchFlows.ts";

const PROGRAM = "ovn-trace";

/** What `ovn-appctl -t ovn-trace trace` takes, too. */
const traceRows: readonly OptionRow[] = [
  { name: "detailed" },
  { name: "summary" },
  { name: "minimal" },
  { name: "all" },
  { name: "ct", argument: "required" },
  { name: "friendly-names" },
  { name: "no-friendly-names" },
  { name: "ovs", argument: "optional" },
  { name: "lb-dst", argument: "required" },
  { name: "select-id", argument: "required" },
  { name: "extended" },
  { name: "packet-size", argument: "required" },
  { name: "affinity", argument: "required" },
];

const rows: readonly OptionRow[] = [
  ...traceRows,
  { name: "db", argument: "required" },
  { name: "leader-only" },
  { name: "no-leader-only" },
  ...commonDaemonOptions,
];

const help = `${PROGRAM}: OVN trace utility
usage: ${PROGRAM} [OPTIONS] [DATAPATH] MICROFLOW
       ${PROGRAM} [OPTIONS] --detach

Output format options:
  --detailed              table-by-table "backtrace" (default)
  --summary               less detailed, more parseable
  --minimal               minimum to explain externally visible behavior
  --all                   provide all forms of output
Output style options:
  --no-friendly-names     do not substitute human friendly names for UUIDs

Trace options:
  --ct=FLAGS              state of the next connection tracking action
  --lb-dst=IP[:PORT]      backend that load balancers choose
  --select-id=ID          what the select action chooses
  --extended              carry out also what the original ovn-trace leaves
                          out: check_pkt_larger, forwarding groups, what is
                          learned on the way (neighbours, FDB, affinity,
                          ways back, marks of connections), hairpins
  --packet-size=BYTES     with --extended, the IP packet's size (default 84)
  --affinity=IP[:PORT]    with --extended, the backend a client is bound to
  --ovs[=REMOTE]          show the OpenFlow flows of each logical flow
  --db=DATABASE           connect to DATABASE
  --no-leader-only        accept any cluster member, not just the leader
${commonDaemonHelp}`;

/** What a daemon follows. A single trace follows nothing, and reads what it needs: a southbound database is large. */
const followed = {
  Address_Set: true,
  DHCP_Options: true,
  DHCPv6_Options: true,
  Datapath_Binding: true,
  FDB: true,
  Logical_DP_Group: true,
  Logical_Flow: true,
  MAC_Binding: true,
  Multicast_Group: true,
  Port_Binding: true,
  Port_Group: true,
} as const;

export const ovnTrace: Program = async (args, host) => {
  try {
    const { options, rest } = parseOptions(args, rows);
    if (await answeredForItself(host, PROGRAM, "ovn", options, help)) return 0;
    const detached = options.some(({ name }) => name === "detach");
    if (detached ? rest.length > 0 : rest.length < 1 || rest.length > 2) {
      throw new UsageError(
        detached
          ? "non-option arguments not supported with --detach (use --help for help)"
          : "one or two non-option arguments are required (use --help for help)",
      );
    }
    return detached ? await serve(options, host) : await once(options, rest, host);
  } catch (error) {
    if (!(error instanceof WeftError) || error.blame === "us") throw error;
    await host.stderr.write(`${PROGRAM}: ${messageOf(error)}\n`);
    return 1;
  }
};

async function open(options: readonly GivenOption[], host: Host, runtime: Runtime, wait: boolean): Promise<Replica<SbSchema>> {
  const { run } = directoriesOf(host.env, "ovn");
  const given = options.findLast(({ name }) => name === "db")?.value ?? host.env.OVN_SB_DB;
  const remotes = (given ?? `unix:${run}/ovnsb_db.sock`)
    .split(/,(?=[a-z]+:)/)
    .map((remote) => (remote.startsWith("unix:") ? `unix:${inFolder(run, remote.slice(5))}` : remote));
  const tls = tlsProviderOf(host.runtime.files, options);
  const replica = createReplica({
    runtime,
    schema: ovnSouthbound,
    remotes,
    monitor: wait ? {} : followed,
    leaderOnly: options.findLast(({ name }) => name.endsWith("leader-only"))?.name !== "no-leader-only",
    once: wait,
    ...(tls === undefined ? {} : { tls }),
  });
  if (!wait) return replica;
  try {
    await replica.ready();
  } catch (error) {
    await replica.close();
    const named = remotes.join(",");
    throw new UsageError(`${named}: database connection failed (${connectReason(error, named)})`);
  }
  return replica;
}

async function once(options: readonly GivenOption[], rest: readonly string[], host: Host): Promise<number> {
  const log = new ConfigurableLogBook(host.runtime.clock, PROGRAM, logModulesOf(PROGRAM));
  log.setOutput("console", (line) => void host.stderr.write(`${line}\n`));
  log.setThreshold(undefined, "console", "warn");
  for (const { name, value } of options) if (name === "verbose") log.applyOption(value);
  const runtime: Runtime = { ...host.runtime, log };
  const logger = log.logger("ovntrace");
  const base = requestOf(options, runtime, logger);
  const replica = await open(options, host, runtime, true);
  try {
    const warn = (text: string): void => logger.warn(text);
    const model = new TraceModel(replica, warn, { partial: true });
    const trace = (request: TraceRequest) => traceTextFetching(model, request, warn);
    await host.stdout.write(await traced(options, host, runtime, logger, { ...base, ...targetOf(rest) }, trace));
    return 0;
  } finally {
    await replica.close();
  }
}

function targetOf(rest: readonly string[]): Pick<TraceRequest, "datapath" | "microflow"> {
  const microflow = rest.at(-1)!;
  return rest.length === 2 ? { datapath: rest[0]!, microflow } : { microflow };
}

/** Of a ping. */
const DEFAULT_SIZE = "84";

function requestOf(
  options: readonly GivenOption[],
  runtime: Runtime,
  logger: Logger,
): Omit<TraceRequest, "datapath" | "microflow" | "openflow"> {
  const last = (name: string) => options.findLast((option) => option.name === name)?.value;
  const ctStates = options.filter(({ name }) => name === "ct").map(({ value }) => parseCtState(value ?? ""));
  for (const state of ctStates) {
    const problem = ctStateProblem(state);
    if (problem === undefined) continue;
    logger.warn(`${CT_NAMES.filter((_, i) => ((state >> i) & 1) === 1).join("|")}: ${problem}`);
  }
  const lbDst = last("lb-dst");
  const selectId = last("select-id");
  const logBad = (text: string): void => runtime.log.logger("socket_util").err(text);
  const affinity = last("affinity");
  const extended = {
    packetSize: parsePacketSize(last("packet-size") ?? DEFAULT_SIZE),
    ...(affinity === undefined ? {} : { affinity: parseLbDestination(affinity, logBad) }),
  };
  return {
    ...(options.some(({ name }) => name === "extended") ? { extended } : {}),
    forms: formsOf(new Set(options.map(({ name }) => name))),
    friendlyNames: options.findLast(({ name }) => name.endsWith("friendly-names"))?.name !== "no-friendly-names",
    ctStates,
    choose: (bound) => runtime.random.below(bound),
    ...(lbDst === undefined ? {} : { lbDestination: parseLbDestination(lbDst, logBad) }),
    ...(selectId === undefined ? {} : { selectId: parseSelectId(selectId) }),
  };
}

/**
 * Traces, with --ovs once more when the switch has been asked for the flows of those logical flows that the packet met; without
 * a switch the trace goes without them.
 */
async function traced(
  options: readonly GivenOption[],
  host: Host,
  runtime: Runtime,
  logger: Logger,
  request: TraceRequest,
  trace: (request: TraceRequest) => string | Promise<string>,
): Promise<string> {
  const asked = options.findLast(({ name }) => name === "ovs");
  if (asked === undefined) return trace(request);
  const cookies = new Set<number>();
  const chosen: number[] = [];
  const choosing = (): TraceRequest["choose"] => {
    let at = 0;
    return (bound) => (chosen[at++] ??= request.choose(bound));
  };
  const openflow = (cookie: number): string[] => {
    cookies.add(cookie);
    return [];
  };
  await trace({ ...request, choose: choosing(), openflow });
  const flows = await flowsOfSwitch(asked.value, cookies, { options, host, runtime, logger });
  if (flows === undefined) return trace({ ...request, choose: choosing() });
  return trace({ ...request, choose: choosing(), openflow: (cookie) => flows(cookie).map((flow) => formatFlowStats(flow)) });
}

/** Options and arguments of a daemon's `trace`; what is wrong with an option is not said there. */
function requestLine(args: readonly string[]): ReturnType<typeof parseOptions> {
  try {
    return parseOptions(args, traceRows);
  } catch (error) {
    if (error instanceof UsageError) throw new TraceUsageError("unknown option");
    throw error;
  }
}

/** --detach: a daemon that traces when `ovn-appctl -t ovn-trace trace` asks. */
function serve(options: readonly GivenOption[], host: Host): Promise<number> {
  return runDaemon(host, PROGRAM, "ovn", daemonOptionsOf(options), async ({ runtime }) => {
    const logger = runtime.log.logger("ovntrace");
    const replica = await open(options, host, runtime, false);
    let model: TraceModel | undefined;
    // flows are parsed once for as long as the database stays as it is
    const stop = replica.onChange(() => {
      model = undefined;
    });
    return {
      commands: [
        {
          name: "trace",
          usage: "[OPTIONS] [DATAPATH] MICROFLOW",
          minArgs: 1,
          maxArgs: Number.POSITIVE_INFINITY,
          run: async (args) => {
            const line = requestLine(args);
            if (line.rest.length < 1 || line.rest.length > 2) {
              throw new TraceUsageError("one or two non-option arguments are required");
            }
            const request = requestOf(line.options, runtime, logger);
            const warn = (text: string): void => logger.warn(text);
            const trace = (wanted: TraceRequest) => {
              model ??= new TraceModel(replica, warn);
              return traceText(model, wanted, warn);
            };
            return traced(line.options, host, runtime, logger, { ...request, ...targetOf(line.rest) }, trace);
          },
        },
      ],
      async stop() {
        stop();
        await replica.close();
      },
    };
  });
}
