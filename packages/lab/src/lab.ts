/** A lab: emulated machines on emulated wires, with the daemons and commands of a cloud on them, in this process. */
import type { Dial } from "@weft/controller";
import { type Mac, macOf, parseMac } from "@weft/packet";
import { ConfigurableLogBook, MemoryFiles, type Network, type Program, type Runtime, WeftError } from "@weft/runtime";
import type { SwitchWorld } from "@weft/vswitch";
import type { LabDefinition, NodeDefinition } from "./definition.ts";
import { Faults } from "./faults/fault.ts";
import { faultyDial, type Miswriting } from "./faults/faultyController.ts";
import { faults } from "./faults/table.ts";
import { Device } from "./machine/device.ts";
import { anyNetwork, parseIp, parseNetwork } from "./machine/ip.ts";
import type { Command } from "./machine/machine.ts";
import { type CommandStreams, Machine } from "./machine/machine.ts";
import { ControlNetwork } from "./network.ts";
import { machineDevices, machineTunnels } from "./openvswitch.ts";
import { filesOnDisk, Power } from "./power.ts";
import { NORTHBOUND_PORT, type Published, PublishedPorts, parseListen, SOUTHBOUND_PORT } from "./publish.ts";
import { Segment } from "./underlay.ts";
import { Uplink } from "./uplink.ts";
import { commandsOf, type ScriptCommand, splitWords } from "./words.ts";

/** The programs that the machines' shells find, by name; the switch and the controller are made for each machine. */
export interface LabPrograms {
  readonly programs: Readonly<Record<string, () => Promise<Program>>>;
  vswitchd(world: (runtime: Runtime) => SwitchWorld): Program;
  /** ovn-controller, whose connections to the integration bridge go through `through`. */
  controller(through: (dial: Dial) => Dial): Program;
  /** Commands of every machine that see the lab as a whole. */
  readonly overview?: Readonly<Record<string, (lab: Lab) => Program>>;
  /** Schema files by their path on a machine. */
  readonly files: Readonly<Record<string, string>>;
}

/** A command of a lab's script that failed: which machine, which command, what it printed. */
export class ProvisionError extends WeftError {}

/** Milliseconds: a wire in a rack. */
const DEFAULT_DELAY = 0.05;

interface Background {
  readonly name: string;
  readonly done: Promise<number>;
  readonly stop: AbortController;
}

export interface LabNode {
  readonly name: string;
  readonly definition: NodeDefinition;
  /** A new one after every start of the machine. */
  machine: Machine;
  files: MemoryFiles;
  power: Power;
  /** What its ovn-controller writes wrongly. */
  readonly controllerFaults: Set<Miswriting>;
}

export class Lab {
  readonly definition: LabDefinition;
  readonly runtime: Runtime;
  readonly segments = new Map<string, Segment>();
  readonly nodes = new Map<string, LabNode>();
  readonly control: ControlNetwork;
  readonly faults: Faults;
  readonly #programs: LabPrograms;
  readonly #commands: ReadonlyMap<string, Command>;
  readonly #background = new Map<string, Background[]>();
  readonly #ports: PublishedPorts | undefined;
  readonly #uplinks = new Map<string, Uplink>();
  readonly #macs = new Map<string, Mac>();

  /**
   * `commands`: those of the machines besides the programs (ip, ping, ...). `outside`: the real network, for a lab that
   * listens there or has a network that is real; its machines may then connect to addresses that no machine has. Throws
   * "lab.no-outside" when such a lab is given none.
   */
  constructor(
    definition: LabDefinition,
    runtime: Runtime,
    programs: LabPrograms,
    commands: ReadonlyMap<string, Command>,
    outside?: Network,
  ) {
    this.definition = definition;
    this.runtime = runtime;
    this.#programs = programs;
    this.#commands = commands;
    this.faults = new Faults(this, faults);
    const networks = Object.entries(definition.networks ?? {});
    const real = networks.some(([, network]) => network.real === true);
    if (!outside && (real || Object.values(definition.nodes).some(({ listen }) => listen !== undefined)))
      throw new WeftError("lab.no-outside", `lab ${definition.name} wants the real network, which it is not given here`, {
        blame: "caller",
      });
    this.control = new ControlNetwork(runtime.clock, real ? outside : undefined);
    this.#ports = outside && new PublishedPorts(outside);
    for (const [name, network] of networks) {
      const segment = new Segment(name, runtime.clock, network.delay ?? DEFAULT_DELAY);
      this.segments.set(name, segment);
      if (network.real === true && outside) this.#uplinks.set(name, new Uplink(segment, this.#nicMac(), outside));
    }
    for (const [name, node] of Object.entries(definition.nodes)) this.#addNode(name, node);
  }

  #addNode(name: string, definition: NodeDefinition): void {
    const files = new MemoryFiles();
    const controllerFaults = new Set<Miswriting>();
    this.nodes.set(name, { name, definition, files, controllerFaults, ...this.#boot(name, definition, files) });
  }

  /** A machine with power, on its wires, with nothing running yet. */
  #boot(name: string, definition: NodeDefinition, files: MemoryFiles): Pick<LabNode, "machine" | "power"> {
    const power = new Power();
    const clock = power.clock(this.runtime.clock);
    const runtime: Runtime = {
      ...this.runtime,
      clock,
      net: this.control.viewOf(name, files, power),
      files,
      log: new ConfigurableLogBook(clock, name),
    };
    const commands = new Map(this.#commands);
    const machine = new Machine(name, runtime, commands);
    for (const program of Object.keys(this.#programs.programs)) commands.set(program, this.#commandFor(name, program, machine));
    for (const [command, make] of Object.entries(this.#programs.overview ?? {}))
      commands.set(command, (args, { host }) => make(this)(args, host));
    this.control.join(machine);
    machine.root.forwarding = definition.forwarding ?? false;
    for (const [nicName, nic] of Object.entries(definition.nics ?? {})) {
      const device = new Device("ether", nicName, this.#macOf(name, nicName, nic.mac), nic.mtu ?? 1500);
      machine.root.addDevice(device);
      this.segments.get(nic.network)?.attach(device);
      device.setUp(true);
      for (const address of typeof nic.address === "string" ? [nic.address] : (nic.address ?? [])) {
        const network = parseNetwork(address);
        if (network) machine.root.addAddress(device, network);
      }
    }
    const gateway = definition.gateway === undefined ? undefined : parseIp(definition.gateway);
    const via = gateway && machine.root.lookup(gateway);
    if (gateway && via) {
      machine.root.addRoute(
        {
          destination: anyNetwork(gateway.family),
          via: gateway,
          device: via.route.device,
          protocol: "static",
          scope: "global",
          source: undefined,
          metric: 0,
        },
        false,
      );
    }
    return { machine, power };
  }

  /** A NIC's address: the same after every start. */
  #macOf(node: string, nic: string, given: string | undefined): Mac {
    const name = `${node} ${nic}`;
    const mac = (given === undefined ? undefined : parseMac(given)) ?? this.#macs.get(name) ?? this.#nicMac();
    this.#macs.set(name, mac);
    return mac;
  }

  /** The prefix of virtual machines' NICs, as in the posts. */
  #nicMac() {
    return macOf(0x525400_000000 + this.runtime.random.below(0x1000000));
  }

  /** A program as a command of a machine. With --detach it goes on in the background once it is ready. */
  #commandFor(node: string, name: string, machine: Machine): Command {
    return async (args, { host }) => {
      const program = await this.#programFor(node, name, machine);
      if (!args.includes("--detach")) return program(args, host);
      const stop = new AbortController();
      let ready: (code: number) => void = () => undefined;
      const started = new Promise<number>((resolve) => {
        ready = resolve;
      });
      const done = program(args, {
        ...host,
        signal: stop.signal,
        ready: (output = "") => {
          void host.stdout.write(output);
          ready(0);
        },
      });
      this.#remember(node, { name, done, stop });
      return Promise.race([started, done]);
    };
  }

  #programFor(node: string, name: string, machine: Machine): Program | Promise<Program> {
    switch (name) {
      case "ovs-vswitchd":
        return this.#programs.vswitchd((runtime) => ({
          runtime,
          providers: [machineDevices(machine)],
          tunnelHost: machineTunnels(machine),
        }));
      case "ovn-controller":
        return this.#programs.controller((dial) => faultyDial(dial, this.node(node).controllerFaults));
      default:
        return this.#programs.programs[name]!();
    }
  }

  #remember(node: string, entry: Background): void {
    const list = this.#background.get(node) ?? [];
    this.#background.set(node, list);
    list.push(entry);
    const gone = () => void list.splice(list.indexOf(entry), 1);
    entry.done.then(gone, gone);
  }

  node(name: string): LabNode {
    const node = this.nodes.get(name);
    if (!node)
      throw new WeftError(
        "lab.no-node",
        `there is no node ${JSON.stringify(name)} (nodes: ${[...this.nodes.keys()].join(", ")})`,
        { blame: "caller" },
      );
    return node;
  }

  /** The machines' ports that are open on the real network. */
  get published(): readonly Published[] {
    return this.#ports?.list ?? [];
  }

  async #openUplinks(): Promise<void> {
    for (const [name, uplink] of this.#uplinks) {
      const nics = Object.values(this.definition.nodes).flatMap(({ nics = {} }) => Object.values(nics));
      const texts = nics.filter(({ network }) => network === name).flatMap(({ address = [] }) => address);
      await uplink.open(texts.flatMap((text) => parseNetwork(text)?.address ?? []));
    }
  }

  /** Opens the databases of machines that listen. */
  async #publish({ name, definition: { listen } }: LabNode): Promise<void> {
    const at = listen === undefined ? undefined : parseListen(listen);
    if (!at) return;
    for (const port of [NORTHBOUND_PORT, SOUTHBOUND_PORT]) {
      const real = at.port === 0 ? 0 : at.port + port - NORTHBOUND_PORT;
      await this.#ports?.open(name, port, { ...at, port: real }, (from) => this.control.connectFromOutside(from, name, port));
    }
  }

  /** The programs that go on in the background of a machine, in the order of their start. */
  daemonsOf(node: string): readonly string[] {
    return (this.#background.get(node) ?? []).map(({ name }) => name);
  }

  /** Runs a command on a machine; 255, as ssh has it, when the machine loses its power. Throws "lab.node-off". */
  exec(node: string, argv: readonly string[], streams: CommandStreams, namespace?: string): Promise<number> {
    const { machine, power } = this.running(node);
    const inside = namespace === undefined || namespace === "" ? machine.root : machine.namespace(namespace);
    return Promise.race([machine.exec(argv, streams, inside), power.lost.then(() => LOST)]);
  }

  /** A machine that has power. Throws "lab.node-off". */
  running(name: string): LabNode {
    const node = this.node(name);
    if (!node.power.on) throw new WeftError("lab.node-off", `${name} is off (weft lab start ${name})`, { blame: "caller" });
    return node;
  }

  /** Takes a machine's power away: its daemons and guests are gone at once, its wires go dead; its disk stays. */
  async kill(name: string): Promise<void> {
    const node = this.running(name);
    for (const device of node.machine.root.devices.values()) for (const wire of this.segments.values()) wire.detach(device);
    this.control.leave(name);
    this.#background.delete(name);
    await node.power.off();
  }

  /**
   * Starts a machine that was killed: its services, then its provisioning again, but for what the databases on its disk
   * remember. Throws "lab.node-on".
   */
  async boot(name: string): Promise<void> {
    const node = this.node(name);
    if (node.power.on) throw new WeftError("lab.node-on", `${name} is running`, { blame: "caller" });
    node.files = filesOnDisk(node.files);
    Object.assign(node, this.#boot(name, node.definition, node.files));
    const services = node.definition.services ?? [];
    if (services.includes("ovn-central")) await this.run(name, central);
    if (services.includes("openvswitch") || services.includes("ovn-host")) await this.run(name, openvswitch);
    if (services.includes("ovn-host")) await this.run(name, host);
    await this.run(name, node.definition.provision ?? "", ({ words: [command = ""] }) => !DATABASE_CLIENTS.has(command));
  }

  /** Runs a command and gives what it printed. */
  async output(
    node: string,
    argv: readonly string[],
  ): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
    let stdout = "";
    let stderr = "";
    const decoder = new TextDecoder();
    const textOf = (text: string | Uint8Array) => (typeof text === "string" ? text : decoder.decode(text));
    const code = await this.exec(node, argv, {
      stdin: noInput(),
      stdout: { write: (text) => void (stdout += textOf(text)), isTerminal: false },
      stderr: { write: (text) => void (stderr += textOf(text)), isTerminal: false },
      signal: new AbortController().signal,
    });
    return { code, stdout, stderr };
  }

  /** Starts the machines' services and provisions them. Throws {@link ProvisionError} at the first command that fails. */
  async start(): Promise<void> {
    const nodes = [...this.nodes.values()];
    for (const { files, definition } of nodes) {
      for (const [path, text] of Object.entries({ ...this.#programs.files, ...definition.files }))
        await files.write(path, new TextEncoder().encode(text));
    }
    await this.#openUplinks();
    // Databases first, so that nobody waits for a second try to connect.
    for (const node of nodes) {
      if (!node.definition.services?.includes("ovn-central")) continue;
      await this.run(node.name, centralDatabases + central);
      await this.#publish(node);
    }
    await Promise.all(
      nodes.map(async ({ name, definition }) => {
        const services = definition.services ?? [];
        if (services.includes("openvswitch") || services.includes("ovn-host")) await this.run(name, localDatabase + openvswitch);
        if (services.includes("ovn-host")) await this.run(name, host);
      }),
    );
    for (const { name, definition } of nodes) await this.run(name, definition.provision ?? "");
    for (const { node, run } of this.definition.setup ?? []) await this.run(node, run);
  }

  /** What a command line prints on a machine. Throws {@link ProvisionError} when it fails. */
  async capture(node: string, line: string): Promise<string> {
    const words = splitWords(line);
    const { code, stdout, stderr } = await this.output(node, words);
    if (code === 0) return stdout;
    throw new ProvisionError("lab.provision", `${node}: ${line}: exit code ${code}\n${stdout}${stderr}`, {
      blame: "caller",
      place: { text: line },
    });
  }

  /** Ends ovn-controller, its flows and its chassis row left as they are, and starts it again. */
  async restartController(node: string): Promise<void> {
    if (this.daemonsOf(node).includes("ovn-controller")) await this.run(node, "ovn-appctl -t ovn-controller exit --restart");
    await Promise.all((this.#background.get(node) ?? []).filter(({ name }) => name === "ovn-controller").map(({ done }) => done));
    await this.run(node, host);
  }

  /** Runs a script on a machine, command by command; those that are `wanted`. */
  async run(node: string, script: string, wanted: (command: ScriptCommand) => boolean = () => true): Promise<void> {
    for (const command of commandsOf(script).filter(wanted)) {
      const { words } = command;
      if (command.background) {
        this.#inBackground(node, words);
        continue;
      }
      const { code, stdout, stderr } = await this.output(node, words);
      if (code === 0) continue;
      throw new ProvisionError("lab.provision", `${node}: ${words.join(" ")}: exit code ${code}\n${stdout}${stderr}`, {
        blame: "caller",
        place: { text: words.join(" ") },
      });
    }
  }

  /** A command that goes on until the machine's end; what it prints goes nowhere, as with nohup. */
  #inBackground(node: string, words: readonly string[]): void {
    const stop = new AbortController();
    const nowhere = { write: () => undefined, isTerminal: false };
    const done = this.exec(node, words, { stdin: noInput(), stdout: nowhere, stderr: nowhere, signal: stop.signal });
    this.#remember(node, { name: words.join(" "), done, stop });
  }

  /** Ends every daemon, the last started first, and closes what was open to the real network. */
  async stop(): Promise<void> {
    await this.#ports?.close();
    for (const uplink of this.#uplinks.values()) uplink.close();
    this.#uplinks.clear();
    for (const list of [...this.#background.values()].reverse()) {
      for (const { stop, done } of [...list].reverse()) {
        stop.abort();
        await done;
      }
    }
  }
}

async function* noInput(): AsyncGenerator<Uint8Array> {}

/** The exit code of a command whose machine went away. */
const LOST = 255;

/** What these say is on the disk when a machine starts again. */
const DATABASE_CLIENTS: ReadonlySet<string> = new Set(["ovs-vsctl", "ovn-nbctl", "ovn-sbctl"]);

/** What the services are: the commands that the distributions' start scripts run, with their usual paths. */
const centralDatabases = `
ovsdb-tool create /var/lib/ovn/ovnnb_db.db /usr/share/ovn/ovn-nb.ovsschema
ovsdb-tool create /var/lib/ovn/ovnsb_db.db /usr/share/ovn/ovn-sb.ovsschema
`;
const central = `
ovsdb-server --detach --no-chdir --pidfile=/var/run/ovn/ovnnb_db.pid --unixctl=/var/run/ovn/ovnnb_db.ctl --log-file=/var/log/ovn/ovsdb-server-nb.log -vconsole:off --remote=punix:/var/run/ovn/ovnnb_db.sock --remote=ptcp:6641 /var/lib/ovn/ovnnb_db.db
ovsdb-server --detach --no-chdir --pidfile=/var/run/ovn/ovnsb_db.pid --unixctl=/var/run/ovn/ovnsb_db.ctl --log-file=/var/log/ovn/ovsdb-server-sb.log -vconsole:off --remote=punix:/var/run/ovn/ovnsb_db.sock --remote=ptcp:6642 /var/lib/ovn/ovnsb_db.db
ovn-northd --detach --no-chdir --pidfile --log-file -vconsole:off --ovnnb-db=unix:/var/run/ovn/ovnnb_db.sock --ovnsb-db=unix:/var/run/ovn/ovnsb_db.sock
`;

const localDatabase = `
ovsdb-tool create /etc/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema
`;
const openvswitch = `
ovsdb-server --detach --no-chdir --pidfile --log-file -vconsole:off --remote=punix:/var/run/openvswitch/db.sock /etc/openvswitch/conf.db
ovs-vsctl --no-wait init
ovs-vswitchd --detach --no-chdir --pidfile --log-file -vconsole:off unix:/var/run/openvswitch/db.sock
`;

const host = `
ovn-controller --detach --no-chdir --pidfile --log-file -vconsole:off unix:/var/run/openvswitch/db.sock
`;
