/**
 * The client side of a running lab (the lab package's server.ts has the protocol): one connection, one command, with
 * this process's own streams. Kept free of everything else, for it is started anew for every command in a lab's shell.
 */
import { spawn } from "node:child_process";
import { connect } from "node:net";
import { dirname } from "node:path";
import type { LabReply, LabRequest } from "@weft/lab";

export interface RemoteCommand {
  readonly socket: string;
  readonly node: string;
  /** The network namespace that the shell is in; "" for the machine's own. */
  readonly namespace: string;
  readonly argv: readonly string[];
}

/** Environment variables that a lab's shell has, and that its commands find their way by. */
export const shellVariables = {
  socket: "WEFT_LAB_SOCKET",
  node: "WEFT_LAB_NODE",
  namespace: "WEFT_LAB_NETNS",
  settings: "WEFT_LAB_RC",
} as const;

/** What of the caller's environment goes to a command on the machine. */
const passedOn = /^(OVS|OVN)_/;

/** Runs a command on a lab's machine with this process's standard streams; resolves to its exit code. */
export function runRemote({ socket: path, node, namespace, argv }: RemoteCommand): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const send = (request: LabRequest) => {
      // The command may have ended while a signal or a closed pipe says so once more.
      if (socket.writable) socket.write(`${JSON.stringify(request)}\n`);
    };
    let result: number | undefined;
    let rest = "";
    let local = false;
    let reading = false;
    const finish = (code: number) => {
      result = code;
      if (reading) process.stdin.destroy();
      socket.end();
    };
    socket.setEncoding("utf8");
    socket.on("error", (error: NodeJS.ErrnoException) =>
      reject(new Error(error.code === "ENOENT" || error.code === "ECONNREFUSED" ? `${path}: the lab is not up` : error.message)),
    );
    socket.on("connect", () => {
      const env = Object.fromEntries(
        Object.entries(process.env).filter(
          (entry): entry is [string, string] => passedOn.test(entry[0]) && entry[1] !== undefined,
        ),
      );
      const { isTTY = false, columns } = process.stdout;
      send({
        exec: {
          node,
          argv,
          env,
          terminal: isTTY,
          ...(columns === undefined ? {} : { columns }),
          ...(namespace === "" ? {} : { namespace }),
        },
      });
    });
    // Read only for commands that read: what was typed ahead is the shell's, and a job in the background would be stopped.
    const readInput = () => {
      process.stdin.on("data", (bytes: Buffer) => send({ stdin: bytes.toString("base64") }));
      process.stdin.on("end", () => send({ stdin: null }));
      // A terminal that went away has no more input.
      process.stdin.on("error", () => send({ stdin: null }));
      process.stdin.unref?.();
    };
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => send({ interrupt: true }));
    process.stdout.on("error", () => send({ interrupt: true }));
    const take = (reply: LabReply) => {
      if ("stdout" in reply) {
        if (!process.stdout.write(Buffer.from(reply.stdout, "base64"))) {
          socket.pause();
          process.stdout.once("drain", () => socket.resume());
        }
      } else if ("stderr" in reply) process.stderr.write(Buffer.from(reply.stderr, "base64"));
      else if ("input" in reply) {
        reading = true;
        readInput();
      } else if ("exit" in reply) finish(reply.exit);
      else if ("error" in reply) {
        process.stderr.write(`${reply.error}\n`);
        finish(1);
      } else if ("local" in reply) {
        local = true;
        socket.end();
        const { argv: own, namespace: inside } = reply.local;
        const path = own[0] === argv[0] ? { PATH: pathWithoutLab() } : {};
        runLocal(localShell(own), { ...path, [shellVariables.namespace]: inside }).then(resolve, reject);
      }
    };
    socket.on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) take(JSON.parse(line) as LabReply);
    });
    socket.on("close", () => {
      if (result !== undefined) resolve(result);
    });
    socket.on("end", () => {
      if (result === undefined && !local) reject(new Error(`${path}: the lab went away`));
    });
  });
}

/** Where a command is found that the lab has by the same name, and does not want. */
function pathWithoutLab(): string {
  const settings = process.env[shellVariables.settings];
  const folders = (process.env["PATH"] ?? "").split(":");
  return folders.filter((folder) => settings === undefined || folder !== dirname(settings)).join(":");
}

/** A shell that is started by its name alone gets the settings of the shell that it is started from: prompt and PATH. */
function localShell(argv: readonly string[]): readonly string[] {
  const settings = process.env[shellVariables.settings];
  return settings !== undefined && argv.length === 1 && /(^|\/)bash$/.test(argv[0]!) ? [argv[0]!, "--rcfile", settings] : argv;
}

/** Runs a program of the real machine with our streams. */
export function runLocal(argv: readonly string[], env: Readonly<Record<string, string>>): Promise<number> {
  const [program = "", ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: "inherit", env: { ...process.env, ...env } });
    // The child gets the terminal's signals itself.
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.removeAllListeners(signal).on(signal, () => undefined);
    child.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") return reject(error);
      process.stderr.write(`${program}: command not found\n`);
      resolve(127);
    });
    child.on("exit", (code, signal) => resolve(code ?? (signal ? 128 : 1)));
  });
}
