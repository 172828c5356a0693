/**
 * How a shell reaches the machines of a lab that runs in another process: JSON lines over a unix socket, one connection for
 * one command. The lab answers `{"local": ...}` for a command that is not the machine's: the shell runs it itself.
 */
import { type Listener, messageOf, type Stream, WeftError } from "@weft/runtime";
import { sharedCommands } from "./commands/index.ts";
import type { Fault } from "./faults/fault.ts";
import type { Lab } from "./lab.ts";
import { formatNetwork } from "./machine/ip.ts";
import type { Published } from "./publish.ts";

export type LabRequest =
  | {
      readonly exec: {
        /** "": whichever, for a command that all machines have alike. */
        readonly node: string;
        /** A network namespace of the machine; absent for its own. */
        readonly namespace?: string;
        readonly argv: readonly string[];
        readonly env: Readonly<Record<string, string>>;
        readonly terminal: boolean;
        readonly columns?: number;
      };
    }
  | { readonly status: true }
  | { readonly down: true }
  /** What to do about faults: break (any one without a name), mend, reveal, list. */
  | { readonly fault: { readonly what: "break" | "mend" | "reveal" | "list"; readonly name?: string } }
  | { readonly power: { readonly node: string; readonly on: boolean } }
  | { readonly commands: { readonly node: string } }
  /** Base64; null is the end of input. */
  | { readonly stdin: string | null }
  | { readonly interrupt: true };

export type LabReply =
  | { readonly stdout: string }
  | { readonly stderr: string }
  | { readonly exit: number }
  /** The command reads its standard input: send it. A terminal's input must not be taken by commands that do not read. */
  | { readonly input: true }
  /** Run this yourself, with the namespace as the one that further commands are for. */
  | { readonly local: { readonly argv: readonly string[]; readonly namespace: string } }
  | { readonly status: LabStatus }
  | { readonly commands: readonly string[] }
  | { readonly done: true }
  | { readonly faults: readonly FaultText[] }
  | { readonly error: string };

/** A fault in words; without its cause where that is not to be told. */
export interface FaultText {
  readonly name: string;
  readonly notice: string;
  readonly cause?: string;
  readonly mending?: string;
}

export interface LabStatus {
  readonly name: string;
  /** Ports of machines that are open on the real network. */
  readonly published: readonly Published[];
  readonly nodes: readonly {
    readonly name: string;
    readonly on: boolean;
    readonly addresses: readonly string[];
    readonly daemons: readonly string[];
    readonly namespaces: readonly string[];
  }[];
}

/** Splits a stream of bytes into lines and parses each as JSON. A line above `limit` bytes, or one that is no JSON, is an error. */
export class JsonLines {
  readonly #take: (value: unknown) => void;
  readonly #limit: number;
  #rest = "";
  readonly #decoder = new TextDecoder();

  constructor(take: (value: unknown) => void, limit = 16 * 1024 * 1024) {
    this.#take = take;
    this.#limit = limit;
  }

  push(bytes: Uint8Array): void {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > this.#limit) throw new WeftError("lab.bad-request", `a line of more than ${this.#limit} bytes`);
    for (const line of lines) {
      let value: unknown;
      try {
        value = JSON.parse(line);
      } catch {
        throw new WeftError("lab.bad-request", `not JSON: ${line.slice(0, 80)}`);
      }
      this.#take(value);
    }
  }
}

export function jsonLine(value: LabRequest | LabReply): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value)}\n`);
}

/** Serves a lab on a unix socket. `onDown` is called when somebody asks for its end. */
export async function serveLab(lab: Lab, path: string, onDown: () => void): Promise<Listener> {
  return lab.runtime.net.listen(`punix:${path}`, (stream) => new Session(lab, stream, onDown));
}

/** Breaks or mends a lab, or tells about its faults. */
export async function faultReply(
  { faults }: Lab,
  { what, name }: Extract<LabRequest, { fault: unknown }>["fault"],
): Promise<{ readonly faults: readonly FaultText[] }> {
  const untold = (fault: Fault): FaultText => ({ name: fault.name, notice: fault.notice });
  switch (what) {
    case "list":
      return { faults: faults.all.map(untold) };
    case "break":
      await (name === undefined ? faults.breakAny() : faults.break(name));
      return { faults: [] };
    case "mend":
      return { faults: [untold(await faults.mend())] };
    case "reveal": {
      const { current } = faults;
      return { faults: current ? [{ ...untold(current), cause: current.cause, mending: current.mending }] : [] };
    }
  }
}

class Session {
  readonly #lab: Lab;
  readonly #stream: Stream;
  readonly #onDown: () => void;
  readonly #abort = new AbortController();
  readonly #input: (Uint8Array | null)[] = [];
  #wake: () => void = () => undefined;
  #drained: (() => void)[] = [];

  constructor(lab: Lab, stream: Stream, onDown: () => void) {
    this.#lab = lab;
    this.#stream = stream;
    this.#onDown = onDown;
    const lines = new JsonLines((value) => this.#take(value as LabRequest));
    stream.start({
      onData: (bytes) => {
        try {
          lines.push(bytes);
        } catch (error) {
          this.#reply({ error: messageOf(error) });
          stream.end();
        }
      },
      onDrain: () => {
        for (const resolve of this.#drained.splice(0)) resolve();
      },
      onClose: () => {
        this.#abort.abort();
        this.#feed(null);
        for (const resolve of this.#drained.splice(0)) resolve();
      },
    });
  }

  #reply(reply: LabReply): void | Promise<void> {
    if (this.#stream.write(jsonLine(reply))) return;
    return new Promise((resolve) => void this.#drained.push(resolve));
  }

  #feed(bytes: Uint8Array | null): void {
    this.#input.push(bytes);
    this.#wake();
  }

  async *#stdin(): AsyncGenerator<Uint8Array> {
    void this.#reply({ input: true });
    for (;;) {
      while (this.#input.length === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      const bytes = this.#input.shift();
      if (bytes === null || bytes === undefined) return;
      yield bytes;
    }
  }

  #take(request: LabRequest): void {
    if ("exec" in request) this.#answer(this.#exec(request.exec));
    else if ("stdin" in request)
      this.#feed(request.stdin === null ? null : Uint8Array.from(atob(request.stdin), (char) => char.charCodeAt(0)));
    else if ("interrupt" in request) this.#abort.abort();
    else if ("status" in request) void this.#reply({ status: statusOf(this.#lab) });
    else if ("fault" in request) this.#answer(faultReply(this.#lab, request.fault));
    else if ("power" in request) this.#answer(this.#power(request.power));
    else if ("commands" in request) this.#commands(request.commands.node);
    else if ("down" in request) {
      this.#onDown();
      this.#stream.end();
    } else void this.#reply({ error: `unknown request ${JSON.stringify(request).slice(0, 80)}` });
  }

  #answer(answer: Promise<LabReply>): void {
    answer.then(
      (reply) => {
        void this.#reply(reply);
        this.#stream.end();
      },
      (error: unknown) => {
        void this.#reply({ error: messageOf(error) });
        this.#stream.end();
      },
    );
  }

  async #power({ node, on }: { readonly node: string; readonly on: boolean }): Promise<LabReply> {
    await (on ? this.#lab.boot(node) : this.#lab.kill(node));
    return { done: true };
  }

  #commands(node: string): void {
    try {
      // A shell's own cat reads the user's files.
      const commands = [...this.#lab.running(node).machine.commands.keys()].filter((command) => command !== "cat");
      void this.#reply({ commands });
    } catch (error) {
      void this.#reply({ error: messageOf(error) });
    }
  }

  async #exec({
    node,
    namespace: name,
    argv,
    env,
    terminal,
    columns,
  }: Extract<LabRequest, { exec: unknown }>["exec"]): Promise<LabReply> {
    const on = node === "" ? [...this.#lab.nodes.values()].find(({ power }) => power.on)?.name : node;
    const { machine } = this.#lab.running(on ?? "");
    const local = localCommand(
      argv,
      name ?? "",
      ([command = "", ...args]) => machine.commands.has(command) && (sharedCommands.get(command)?.(args) ?? true),
    );
    if (local) {
      if (local.namespace !== "") machine.namespace(local.namespace);
      return { local };
    }
    const send = (which: "stdout" | "stderr") => (text: string | Uint8Array) => {
      const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
      return this.#reply(which === "stdout" ? { stdout: base64(bytes) } : { stderr: base64(bytes) });
    };
    const output = { isTerminal: terminal, ...(columns === undefined ? {} : { columns }) };
    const exit = await this.#lab.exec(
      on ?? "",
      argv,
      {
        stdin: this.#stdin(),
        stdout: { write: send("stdout"), ...output },
        stderr: { write: send("stderr"), ...output },
        signal: this.#abort.signal,
        env,
      },
      name,
    );
    return { exit };
  }
}

/**
 * `ip netns exec NAME COMMAND` with a command that is not the machine's (a shell, grep) is for the caller's own machine:
 * what of it is the machine's comes back here by itself.
 */
function localCommand(
  argv: readonly string[],
  namespace: string,
  knows: (argv: readonly string[]) => boolean,
): { argv: readonly string[]; namespace: string } | undefined {
  const [command = "", object = "", verb = "", name = "", ...rest] = argv;
  if (command === "ip" && rest.length > 0 && object.length >= 3 && "netns".startsWith(object) && "exec".startsWith(verb)) {
    return localCommand(rest, name, knows) ?? (knows(rest) ? undefined : { argv: rest, namespace: name });
  }
  return knows(argv) ? undefined : { argv, namespace };
}

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}

function statusOf(lab: Lab): LabStatus {
  return {
    name: lab.definition.name,
    published: lab.published,
    nodes: [...lab.nodes.values()].map(({ name, machine, power }) => ({
      name,
      on: power.on,
      addresses: machine.root.addresses
        .filter(({ scope, automatic }) => scope === "global" && !automatic)
        .map(({ network, device }) => `${device.name} ${formatNetwork(network)}`),
      daemons: lab.daemonsOf(name),
      namespaces: [...machine.namespaces.keys()],
    })),
  };
}
