/** ovs-appctl(8) and ovn-appctl(8): one command to a daemon's control socket. */
import { Connection, RpcError, streamChannel } from "@weft/ovsdb";
import { type Host, messageOf, type Program, WeftError } from "@weft/runtime";
import { directoriesOf, inFolder } from "./directories.ts";
import { loggingOptions, type OptionRow, parseOptions, UsageError } from "./options.ts";
import { type Family, versionText } from "./version.ts";

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

/** Sends one command; resolves to the reply's text. `json`: ask for the reply's JSON form, given as text. */
export async function sendControl(
  host: Host,
  socket: string,
  command: string,
  args: readonly string[],
  json?: "compact" | "pretty",
): Promise<string> {
  const { clock, net } = host.runtime;
  const connection = new Connection(streamChannel(await net.connect(`unix:${socket}`)), clock, {}, 0);
  try {
    if (json) await connection.request("set-options", ["--format", "json"]);
    const reply = await connection.request(command, args);
    if (json) return jsonText(reply, json);
    return withNewline(typeof reply === "string" ? reply : JSON.stringify(reply));
  } catch (error) {
    if (error instanceof RpcError) {
      throw new ControlError("appctl.error-reply", withNewline(typeof error.reply === "string" ? error.reply : messageOf(error)));
    }
    throw error;
  } finally {
    connection.end();
  }
}

function withNewline(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}

/** JSON as Open vSwitch prints it: members in alphabetical order; for people, closing brackets stay on the last line. */
function jsonText(reply: unknown, style: "compact" | "pretty"): string {
  const text = JSON.stringify(
    reply,
    (_, value: unknown) => (isRecord(value) ? Object.fromEntries(Object.entries(value).sort()) : value),
    style === "pretty" ? 2 : 0,
  );
  return `${text.replace(/\n\s*([}\]])/g, "$1")}\n`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const optionRows: readonly OptionRow[] = [
  { name: "target", short: "t", argument: "required" },
  { name: "execute", short: "e" },
  { name: "timeout", short: "T", argument: "required" },
  { name: "format", short: "f", argument: "required" },
  { name: "pretty" },
  { name: "help", short: "h" },
  { name: "version", short: "V" },
  { name: "option", short: "o" },
  ...loggingOptions,
];

function helpText(program: string, defaultTarget: string): string {
  return `${program}: sends a command to a daemon's control socket
usage: ${program} [-t TARGET] COMMAND [ARG...]
  -t, --target=TARGET  program name, pidfile's name or socket (default: ${defaultTarget})
  -T, --timeout=SECS   wait at most SECS seconds for a response
  -f, --format=FMT     output format: json or text (default: text)
  --pretty             with --format=json, format the output for people
  -h, --help           display this help message
  -V, --version        display version information
COMMAND list-commands lists the target's commands.
`;
}

function appctl(program: string, family: Family, defaultTarget: string): Program {
  return async (args, host) => {
    const say = async (text: string) => {
      await host.stderr.write(`${program}: ${text}\n`);
      return 1;
    };
    let target = defaultTarget;
    let timeout = Number(host.env["OVS_CTL_TIMEOUT"] ?? 0);
    let json: "compact" | "pretty" | undefined;
    let words: readonly string[];
    try {
      const { options, rest } = parseOptions(args, optionRows, { stopAtFirst: true });
      words = rest;
      for (const { name, value = "" } of options) {
        if (name === "target") target = value;
        else if (name === "timeout") {
          timeout = Number(value);
          if (!/^\d+$/.test(value) || timeout <= 0) return await say(`value ${value} on -T or --timeout is invalid`);
        } else if (name === "format") {
          if (value !== "json" && value !== "text") return await say(`value ${value} on -f or --format is invalid`);
          json = value === "json" ? "compact" : undefined;
        } else if (name === "help") {
          await host.stdout.write(helpText(program, defaultTarget));
          return 0;
        } else if (name === "version") {
          await host.stdout.write(versionText(program, family));
          return 0;
        }
      }
      if (options.some(({ name }) => name === "pretty")) {
        if (!json) return await say("--pretty is supported with --format json only");
        json = "pretty";
      }
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      return say(error.message);
    }
    const [command, ...rest] = words;
    if (command === undefined) return say("at least one non-option argument is required (use --help for help)");
    const late =
      timeout > 0
        ? host.runtime.clock.sleep(timeout * 1000).then(() => {
            throw new WeftError("appctl.timeout", "Alarm clock");
          })
        : undefined;
    try {
      const socket = await controlSocketOf(host, family, target);
      const sent = sendControl(host, socket, command, rest, json);
      await host.stdout.write(await (late ? Promise.race([sent, late]) : sent));
      return 0;
    } catch (error) {
      if (error instanceof ControlError) {
        await host.stderr.write(error.message);
        await say(`${target}: server returned an error`);
        return 2;
      }
      if (!(error instanceof WeftError)) throw error;
      return say(
        error.code === "net.connect"
          ? `cannot connect to ${JSON.stringify(target)} (${error.message.split(": ").at(-1)})`
          : error.message,
      );
    }
  };
}

export const ovsAppctl = appctl("ovs-appctl", "ovs", "ovs-vswitchd");
export const ovnAppctl = appctl("ovn-appctl", "ovn", "ovn-controller");
