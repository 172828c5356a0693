/** The control socket of a daemon (ovs-appctl(8)): JSON-RPC over a unix socket, a method for every command. */
import { Connection, type Json, type Request, streamChannel } from "@weft/ovsdb";
import {
  type ControlCommand,
  type Coverage,
  type Listener,
  messageOf,
  type Runtime,
  type Stream,
  WeftError,
} from "@weft/runtime";

export interface ControlServer {
  close(): Promise<void>;
}

/**
 * `commands` are looked up at each request, so that a daemon may add some later. Idle connections are not probed. `coverage` counts
 * unixctl_received and unixctl_replied.
 */
export async function listenForControl(
  runtime: Runtime,
  path: string,
  commands: readonly ControlCommand[],
  coverage?: Coverage,
): Promise<ControlServer> {
  const log = runtime.log.logger("unixctl");
  const connections = new Set<Connection>();
  const listener = await listen(runtime, path, (stream) => {
    let json = false;
    const connection: Connection = new Connection(
      streamChannel(stream),
      runtime.clock,
      {
        onRequest: (request) => {
          log.dbg(() => `received request ${request.method}${JSON.stringify(request.params)}`);
          coverage?.count("unixctl_received");
          const replied = (): void => coverage?.count("unixctl_replied");
          void answer(commands, request, json)
            .finally(replied)
            .then(
              (reply) => {
                if (request.method === "set-options") json = wantsJson(request.params, json);
                connection.reply(request, typeof reply === "string" && json ? { "reply-format": "plain", reply } : reply);
              },
              (error: unknown) => connection.fail(request, messageOf(error)),
            );
        },
        onClose: () => connections.delete(connection),
      },
      0,
    );
    connections.add(connection);
  });
  return {
    async close() {
      // Replies on their way (that of "exit" itself) still go out.
      for (const connection of connections) connection.end();
      await listener.close();
    },
  };
}

async function listen(runtime: Runtime, path: string, accept: (stream: Stream) => void): Promise<Listener> {
  const remote = `punix:${path}`;
  try {
    return await runtime.net.listen(remote, accept);
  } catch (error) {
    const why = messageOf(error).replace(`${remote}: `, "");
    throw new WeftError("daemon.control", `${path}: could not initialize control socket (${why})`, {
      blame: "caller",
      cause: error,
    });
  }
}

/** Runs a command; with `json` its reply is JSON where it has such a form, and text like all others where not. */
async function answer(commands: readonly ControlCommand[], request: Request, json: boolean): Promise<Json> {
  const command = commands.find(({ name }) => name === request.method);
  const quoted = JSON.stringify(request.method);
  if (!command) throw new Error(`${quoted} is not a valid command (use "list-commands" to see a list of valid commands)`);
  const args = request.params.map((arg) => {
    if (typeof arg !== "string") throw new Error(`${quoted} command has non-string argument`);
    return arg;
  });
  if (args.length < command.minArgs) throw new Error(`${quoted} command requires at least ${command.minArgs} arguments`);
  if (args.length > command.maxArgs) throw new Error(`${quoted} command takes at most ${command.maxArgs} arguments`);
  return json && command.json !== undefined ? command.json(args) : command.run(args);
}

/** list-commands. */
export function listCommand(commands: readonly ControlCommand[]): ControlCommand {
  const sorted = (): ControlCommand[] =>
    commands.filter(({ hidden }) => hidden !== true).sort((a, b) => (a.name < b.name ? -1 : 1));
  return {
    name: "list-commands",
    usage: "",
    minArgs: 0,
    maxArgs: 0,
    run: () =>
      `The available commands are:\n${sorted()
        .map(({ name, usage }) => `  ${name.padEnd(23)} ${usage}\n`)
        .join("")}`,
    json: () => Object.fromEntries(sorted().map(({ name, usage }) => [name, usage])),
  };
}

/** set-options: checks what it is given; each connection has options of its own. */
export const setOptions: ControlCommand = {
  name: "set-options",
  usage: "[--format text|json]",
  minArgs: 1,
  maxArgs: 2,
  run(args) {
    wantsJson(args, false);
    return "";
  },
};

/** Whether replies are to be JSON from now on; `before`: until now. */
function wantsJson(args: readonly unknown[], before: boolean): boolean {
  if (typeof args[0] === "string" && /^--(?!format$)./.test(args[0])) throw new Error(`unrecognized option '${args[0]}'`);
  if (args[0] !== "--format") return before;
  if (args.length === 1) throw new Error("option '--format' requires an argument");
  if (args[1] !== "json" && args[1] !== "text") throw new Error(`option format has invalid value ${args[1]}`);
  return args[1] === "json";
}
