/**
 * The client side of a running lab (the lab package's server.ts has the protocol): one connection, one command, with
 * this process's own streams. Kept free of everything else, for it is started anew for every command in a lab's shell.
 */
import { spawn } from "node:child_process";
import { connect } from "node:net";
import type { LabReply, LabRequest } from "@weft/lab";

export interface RemoteCommand {
  readonly socket: string;
  readonly node: string;
  /** The network namespace that the shell is in; "" for the machine's own. */
  readonly namespace: string;
  readonly argv: readonly string[];
}

/** Environment variables that a lab's shell has, and that its commands find their way by. */
export const shellVariables = { socket: "WEFT_LAB_SOCKET", node: "WEFT_LAB_NODE", namespace: "WEFT_LAB_NETNS" } as const;

/** What of the caller's environment goes to a command on the machine. */
const passedOn = /^(OVS|OVN)_/;

/** Runs a command on a lab's machine with this process's standard streams; resolves to its exit code. */
export function runRemote({ socket: path, node, namespace, argv }: RemoteCommand): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const send = (request: LabRequest) => void socket.write(`${JSON.stringify(request)}\n`);
    let result: number | undefined;
    let rest = "";
    let local = false;
    const finish = (code: number) => {
      result = code;
      process.stdin.destroy();
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
      process.stdin.on("data", (bytes: Buffer) => send({ stdin: bytes.toString("base64") }));
      process.stdin.on("end", () => send({ stdin: null }));
      // Commands that read nothing must not wait for our input.
      process.stdin.unref?.();
    });
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => send({ interrupt: true }));
    process.stdout.on("error", () => send({ interrupt: true }));
    const take = (reply: LabReply) => {
      if ("stdout" in reply) {
        if (!process.stdout.write(Buffer.from(reply.stdout, "base64"))) {
          socket.pause();
          process.stdout.once("drain", () => socket.resume());
        }
      } else if ("stderr" in reply) process.stderr.write(Buffer.from(reply.stderr, "base64"));
      else if ("exit" in reply) finish(reply.exit);
      else if ("error" in reply) {
        process.stderr.write(`${reply.error}\n`);
        finish(1);
      } else if ("local" in reply) {
        local = true;
        socket.end();
        runLocal(reply.local.argv, { [shellVariables.namespace]: reply.local.namespace }).then(resolve, reject);
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

/** Runs a program of the real machine with our streams. */
export function runLocal(argv: readonly string[], env: Readonly<Record<string, string>>): Promise<number> {
  const [program = "", ...args] = argv;
  process.stdin.pause();
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
