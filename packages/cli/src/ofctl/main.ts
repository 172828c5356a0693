/** ovs-ofctl(8): administers OpenFlow switches. */
import { DecodeError, EncodeError, TextError } from "@weft/openflow";
import { type Host, messageOf, type Program, WeftError } from "@weft/runtime";
import { UsageError } from "../options.ts";
import { ovsVersion, weftVersion } from "../version.ts";
import { diffFlows, replaceFlows } from "./diff.ts";
import { Fatal, Refused } from "./fatal.ts";
import { addFlow, addFlows, delFlows, dumpAggregate, dumpFlows, modFlows } from "./flows.ts";
import {
  addGroup,
  addGroups,
  addMeter,
  delGroups,
  delMeters,
  dumpGroupFeatures,
  dumpGroupStats,
  dumpGroups,
  dumpMeters,
  insertBuckets,
  meterFeatures,
  meterStats,
  modGroup,
  modMeter,
  removeBuckets,
} from "./groups.ts";
import { helpText } from "./help.ts";
import {
  encodeErrorReply,
  encodeHello,
  ofpParse,
  ofpPrint,
  parseActionsCommand,
  parseFlow,
  parseFlows,
  parseGroup,
  parseInstructions,
  parseNxMatch,
  parseOxm,
  printError,
} from "./offline.ts";
import { addTlvMap, bundle, ctFlush, ctFlushZone, delTlvMap, dumpTlvMap, monitor, packetOut, snoop } from "./other.ts";
import { Session } from "./session.ts";
import { optionNames, readSettings, type Settings } from "./settings.ts";
import {
  benchmark,
  dumpDesc,
  dumpPorts,
  dumpPortsDesc,
  dumpTableDesc,
  dumpTableFeatures,
  dumpTables,
  getFrags,
  ipfixBridge,
  ipfixFlow,
  modPort,
  modTable,
  ping,
  probe,
  queueGetConfig,
  queueStats,
  setFrags,
  show,
} from "./switch.ts";

type Run = (session: Session, args: readonly string[]) => Promise<unknown>;

interface Command {
  readonly name: string;
  readonly usage: string;
  readonly min: number;
  readonly max: number;
  /** Changes the switch: refused with --read-only. */
  readonly writes: boolean;
  readonly run: Run;
}

function reads(name: string, usage: string, min: number, max: number, run: Run): Command {
  return { name, usage, min, max, writes: false, run };
}

function writes(name: string, usage: string, min: number, max: number, run: Run): Command {
  return { name, usage, min, max, writes: true, run };
}

const ANY = Number.POSITIVE_INFINITY;

const COMMANDS: readonly Command[] = [
  reads("show", "switch", 1, 1, show),
  reads("monitor", "switch [misslen] [invalid_ttl] [watch:[...]]", 1, 3, monitor),
  reads("snoop", "switch", 1, 1, snoop),
  reads("dump-desc", "switch", 1, 1, dumpDesc),
  reads("dump-tables", "switch", 1, 1, dumpTables),
  reads("dump-table-features", "switch", 1, 1, dumpTableFeatures),
  reads("dump-table-desc", "switch", 1, 1, dumpTableDesc),
  reads("dump-flows", "switch", 1, 2, dumpFlows),
  reads("dump-aggregate", "switch", 1, 2, dumpAggregate),
  reads("queue-stats", "switch [port [queue]]", 1, 3, queueStats),
  reads("queue-get-config", "switch [port [queue]]", 1, 3, queueGetConfig),
  writes("add-flow", "switch flow", 2, 2, addFlow),
  writes("add-flows", "switch file", 2, 2, addFlows),
  writes("mod-flows", "switch flow", 2, 2, modFlows),
  writes("del-flows", "switch [flow]", 1, 2, delFlows),
  writes("replace-flows", "switch file", 2, 2, replaceFlows),
  writes("diff-flows", "source1 source2", 2, 2, diffFlows),
  writes("add-meter", "switch meter", 2, 2, addMeter),
  writes("mod-meter", "switch meter", 2, 2, modMeter),
  writes("del-meter", "switch meter", 1, 2, delMeters),
  writes("del-meters", "switch", 1, 2, delMeters),
  reads("dump-meter", "switch meter", 1, 2, dumpMeters),
  reads("dump-meters", "switch", 1, 2, dumpMeters),
  reads("meter-stats", "switch [meter]", 1, 2, meterStats),
  reads("meter-features", "switch", 1, 1, meterFeatures),
  writes("packet-out", 'switch "in_port=<port> packet=<hex data> actions=..."', 2, ANY, packetOut),
  reads("dump-ports", "switch [port]", 1, 2, dumpPorts),
  reads("dump-ports-desc", "switch [port]", 1, 2, dumpPortsDesc),
  writes("mod-port", "switch iface act", 3, 3, modPort),
  writes("mod-table", "switch mod", 3, 3, modTable),
  reads("get-frags", "switch", 1, 1, getFrags),
  writes("set-frags", "switch frag_mode", 2, 2, setFrags),
  reads("probe", "target", 1, 1, probe),
  reads("ping", "target [n]", 1, 2, ping),
  reads("benchmark", "target n count", 3, 3, benchmark),
  reads("dump-ipfix-bridge", "switch", 1, 1, ipfixBridge),
  reads("dump-ipfix-flow", "switch", 1, 1, ipfixFlow),
  writes("ct-flush-zone", "switch zone", 2, 2, ctFlushZone),
  writes("ct-flush", "switch [zone=N] [mark=X[/M]] [labels=Y[/N]] [ct-orig-tuple [ct-reply-tuple]]", 1, 6, ctFlush),
  writes("ofp-parse", "file", 1, 1, ofpParse),
  writes("add-group", "switch group", 1, 2, addGroup),
  writes("add-groups", "switch file", 1, 2, addGroups),
  writes("mod-group", "switch group", 1, 2, modGroup),
  writes("del-groups", "switch [group]", 1, 2, delGroups),
  writes("insert-buckets", "switch [group]", 1, 2, insertBuckets),
  writes("remove-buckets", "switch [group]", 1, 2, removeBuckets),
  reads("dump-groups", "switch [group]", 1, 2, dumpGroups),
  reads("dump-group-stats", "switch [group]", 1, 2, dumpGroupStats),
  reads("dump-group-features", "switch", 1, 1, dumpGroupFeatures),
  writes("bundle", "switch file", 2, 2, bundle),
  writes("add-tlv-map", "switch map", 2, 2, addTlvMap),
  writes("del-tlv-map", "switch [map]", 1, 2, delTlvMap),
  reads("dump-tlv-map", "switch", 1, 1, dumpTlvMap),
  reads("help", "", 0, ANY, async (session) => session.print(helpText)),
  reads("list-commands", "", 0, ANY, async (session) => session.print(listCommands())),
  writes("parse-flow", "", 1, 1, parseFlow),
  writes("parse-flows", "", 1, 1, parseFlows),
  writes("parse-group", "", 1, 1, parseGroup),
  writes("parse-nx-match", "", 0, 0, parseNxMatch),
  writes("parse-nxm", "", 0, 0, parseNxMatch),
  writes("parse-oxm", "", 1, 1, parseOxm),
  writes("parse-actions", "", 1, 1, parseActionsCommand),
  writes("parse-instructions", "", 1, 1, parseInstructions),
  writes("print-error", "", 1, 1, printError),
  writes("encode-error-reply", "", 2, 2, encodeErrorReply),
  writes("ofp-print", "", 1, 2, ofpPrint),
  writes("encode-hello", "", 1, 1, encodeHello),
];

function listCommands(): string {
  return `The available commands are:\n${COMMANDS.map(({ name, usage }) => `  ${name.padEnd(22)}  ${usage}\n`).join("")}`;
}

async function runCommand(settings: Settings, host: Host): Promise<number> {
  const [name, ...args] = settings.args;
  if (name === undefined) throw new Fatal("missing command name; use --help for help");
  const command = COMMANDS.find((c) => c.name === name);
  if (command === undefined) throw new Fatal(`unknown command '${name}'; use --help for help`);
  if (args.length < command.min) throw new Fatal(`'${name}' command requires at least ${command.min} arguments`);
  if (args.length > command.max) throw new Fatal(`'${name}' command takes at most ${command.max} arguments`);
  if (command.writes && settings.readOnly) throw new Fatal(`'${name}' command does not work in read only mode`);
  const session = new Session(host, settings);
  try {
    // Only diff-flows has an exit code of its own.
    const result = await withTimeout(command.run(session, args), settings, host);
    return typeof result === "number" ? result : 0;
  } finally {
    session.close();
  }
}

/** Ends with the exit code of an alarm when the time is over. */
async function withTimeout<T>(work: Promise<T>, settings: Settings, host: Host): Promise<T> {
  if (settings.timeout === undefined) return await work;
  const seconds = settings.timeout;
  const { clock } = host.runtime;
  return await new Promise<T>((resolve, reject) => {
    const timer = clock.after(seconds * 1000, () => reject(new TimedOut()));
    work.then(resolve, reject).finally(() => timer.cancel());
  });
}

/** The time given with --timeout is over; the original is then killed by SIGALRM. */
class TimedOut extends WeftError {
  constructor() {
    super("ofctl.timeout", "timeout", { blame: "caller" });
  }
}

const ALARM_EXIT = 142;

export const ofctl: Program = async (args, host) => {
  const complain = async (text: string) => {
    await host.stderr.write(`ovs-ofctl: ${text}\n`);
    return 1;
  };
  let settings: Settings;
  try {
    settings = readSettings(args, host);
  } catch (error) {
    if (error instanceof UsageError) return await complain(error.message);
    throw error;
  }
  if (settings.help) {
    await host.stdout.write(helpText);
    return 0;
  }
  if (settings.version) {
    await host.stdout.write(`ovs-ofctl (Open vSwitch) ${ovsVersion}\nOpenFlow versions 0x1:0x6\nWeft ${weftVersion}\n`);
    return 0;
  }
  if (settings.listOptions) {
    await host.stdout.write(optionNames.map((option) => `${option}\n`).join(""));
    return 0;
  }
  try {
    return await runCommand(settings, host);
  } catch (error) {
    if (error instanceof Refused) return error.exitCode;
    if (error instanceof TimedOut) {
      await complain("timeout");
      return ALARM_EXIT;
    }
    if (error instanceof Fatal || error instanceof TextError || error instanceof EncodeError || error instanceof DecodeError)
      return await complain(messageOf(error));
    if (error instanceof WeftError && error.blame !== "us") return await complain(error.message);
    throw error;
  }
};
