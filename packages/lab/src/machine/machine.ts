/** An emulated machine: network namespaces, files, environment, and the commands that a shell on it finds. */
import type { Host, Output, Runtime } from "@weft/runtime";
import { WeftError } from "@weft/runtime";
import type { Device } from "./device.ts";
import { Namespace, NetlinkError } from "./namespace.ts";

/** What a command is started with: the machine, its namespace, and the usual streams. */
export interface CommandContext {
  readonly machine: Machine;
  readonly namespace: Namespace;
  readonly host: Host;
  /** Runs another command of the machine with the same streams. */
  run(argv: readonly string[], change?: { readonly namespace?: Namespace; readonly stdout?: Output }): Promise<number>;
}

/** A command of an emulated machine: `args` without its name; resolves to the exit code. */
export type Command = (args: readonly string[], context: CommandContext) => Promise<number>;

/** The streams and the environment that a command is started with. */
export type CommandStreams = Pick<Host, "stdin" | "stdout" | "stderr" | "signal"> & Partial<Pick<Host, "env" | "cwd" | "ready">>;

/** The exit code of a shell for a command that is not there. */
export const NOT_FOUND = 127;

export class Machine {
  readonly name: string;
  readonly runtime: Runtime;
  readonly root: Namespace;
  readonly namespaces = new Map<string, Namespace>();
  readonly commands: ReadonlyMap<string, Command>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Programs of the guests that go on after their command has ended, by a name of their own: DHCP clients. */
  readonly daemons = new Map<string, { stop(): void }>();
  #nextPid = 1000;

  constructor(
    name: string,
    runtime: Runtime,
    commands: ReadonlyMap<string, Command>,
    env: Readonly<Record<string, string | undefined>> = {},
  ) {
    this.name = name;
    this.runtime = runtime;
    this.commands = commands;
    this.env = env;
    this.root = new Namespace("", runtime.clock, runtime.random);
    this.root.loopback.setUp(true);
  }

  addNamespace(name: string): Namespace {
    if (this.namespaces.has(name)) throw new NetlinkError(`Cannot create namespace file "/run/netns/${name}": File exists`);
    const namespace = new Namespace(name, this.runtime.clock, this.runtime.random);
    this.namespaces.set(name, namespace);
    return namespace;
  }

  namespace(name: string): Namespace {
    const namespace = this.namespaces.get(name);
    if (!namespace) throw new NetlinkError(`Cannot open network namespace "${name}": No such file or directory`);
    return namespace;
  }

  /** Devices of a namespace that goes away go with it. */
  removeNamespace(name: string): void {
    const namespace = this.namespaces.get(name);
    if (!namespace) throw new NetlinkError(`Cannot remove namespace file "/run/netns/${name}": No such file or directory`);
    for (const device of [...namespace.devices.values()]) if (namespace.devices.has(device.name)) namespace.removeDevice(device);
    this.namespaces.delete(name);
  }

  /** Every device of the machine, whichever namespace it is in. */
  findDevice(name: string): Device | undefined {
    for (const namespace of [this.root, ...this.namespaces.values()]) {
      const device = namespace.device(name);
      if (device) return device;
    }
    return undefined;
  }

  /** Runs a command; resolves to its exit code. What it throws on purpose is printed as `COMMAND: message`, with code 1. */
  async exec(argv: readonly string[], streams: CommandStreams, namespace: Namespace = this.root): Promise<number> {
    const [name = "", ...args] = argv;
    const host: Host = {
      runtime: this.runtime,
      hostname: this.name,
      pid: this.#nextPid++,
      cwd: "/",
      ...streams,
      env: { ...this.env, ...streams.env },
    };
    const command = this.commands.get(name);
    if (!command) {
      await host.stderr.write(`${name}: command not found\n`);
      return NOT_FOUND;
    }
    try {
      return await command(args, {
        machine: this,
        namespace,
        host,
        run: (other, change = {}) =>
          this.exec(other, change.stdout ? { ...streams, stdout: change.stdout } : streams, change.namespace ?? namespace),
      });
    } catch (error) {
      if (!(error instanceof WeftError)) throw error;
      await host.stderr.write(`${name}: ${error.message}\n`);
      return 1;
    }
  }
}
