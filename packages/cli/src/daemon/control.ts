/** The control socket of a daemon (ovs-appctl(8)): JSON-RPC over a unix socket, a method for every command. */
import { Connection, type Request, streamChannel } from "@weft/ovsdb";
import { type ControlCommand, type Listener, messageOf, type Runtime } from "@weft/runtime";

export interface ControlServer {
  close(): Promise<void>;
}

/** `commands` are looked up at each request, so that a daemon may add some later. Idle connections are not probed. */
export async function listenForControl(
  runtime: Runtime,
  path: string,
  commands: readonly ControlCommand[],
): Promise<ControlServer> {
  const log = runtime.log.logger("unixctl");
  const connections = new Set<Connection>();
  const listener: Listener = await runtime.net.listen(`punix:${path}`, (stream) => {
    let json = false;
    const connection: Connection = new Connection(
      streamChannel(stream),
      runtime.clock,
      {
        onRequest: (request) => {
          log.dbg(() => `received request ${request.method}${JSON.stringify(request.params)}`);
          if (request.method === "set-options") {
            json = request.params[1] === "json";
            connection.reply(request, "");
            return;
          }
          void answer(commands, request).then(
            (reply) => connection.reply(request, json ? { "reply-format": "plain", reply } : reply),
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

async function answer(commands: readonly ControlCommand[], request: Request): Promise<string> {
  const command = commands.find(({ name }) => name === request.method);
  const quoted = JSON.stringify(request.method);
  if (!command) throw new Error(`${quoted} is not a valid command (use "list-commands" to see a list of valid commands)`);
  const args = request.params.map((arg) => {
    if (typeof arg !== "string") throw new Error(`${quoted} command has non-string argument`);
    return arg;
  });
  if (args.length < command.minArgs) throw new Error(`${quoted} command requires at least ${command.minArgs} arguments`);
  if (args.length > command.maxArgs) throw new Error(`${quoted} command takes at most ${command.maxArgs} arguments`);
  return command.run(args);
}

/** list-commands' reply. */
export function listCommands(commands: readonly ControlCommand[]): string {
  const rows = [...commands].sort((a, b) => (a.name < b.name ? -1 : 1));
  return `The available commands are:\n${rows.map(({ name, usage }) => `  ${name.padEnd(23)} ${usage}\n`).join("")}`;
}
