/**
 * Hypervisors in network namespaces, for interop tests as root: real devices, joined by a veth pair, each with a guest in a namespace of
 * its own behind it. Any daemon is ours or the reference's; the databases are reached by unix sockets, which namespaces share.
 */
import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checksumsInSoftware, real } from "../../packages/cli/src/lab/reference.ts";
import { reference, schemaFiles } from "./daemons.ts";

const weft = join(import.meta.dirname, "../../packages/cli/bin/weft.js");

export type Side = "weft" | "reference";

/** The command line of a program of a side. */
function commandOf(side: Side, program: string): string[] {
  if (side === "reference") return [join(reference, "bin", program)];
  // As `weft link` starts it: the switch wants a deep stack.
  const flags = program === "ovs-vswitchd" ? ["--stack-size=3900"] : [];
  return [process.execPath, ...flags, weft, program];
}

/** Everything that a test makes; {@link close} takes it away again, however far the test came. */
export class Site {
  readonly dir = mkdtempSync(join(tmpdir(), "weft-site-"));
  readonly #pidFiles: string[] = [];
  readonly #namespaces: string[] = [];
  static #made = 0;
  readonly #prefix = `wt${process.pid}x${Site.#made++}`;

  /** A network namespace with its loopback up; returns its name. */
  async namespace(name: string): Promise<string> {
    const full = `${this.#prefix}${name}`;
    await real("ip", "netns", "add", full);
    this.#namespaces.push(full);
    await real("ip", "-n", full, "link", "set", "lo", "up");
    return full;
  }

  /** A veth pair between two namespaces, up. */
  async wire(from: string, device: string, to: string, peer: string): Promise<void> {
    await real("ip", "link", "add", device, "netns", from, "type", "veth", "peer", "name", peer, "netns", to);
    await real("ip", "-n", from, "link", "set", device, "up");
    await real("ip", "-n", to, "link", "set", peer, "up");
  }

  /** Starts a daemon in a namespace ("" for the test's own); its files are in `folder`. Returns when it is ready. */
  daemon(namespace: string, side: Side, program: string, folder: string, ...args: readonly string[]): Promise<void> {
    return this.daemonThrough([], namespace, side, program, folder, ...args);
  }

  /** The same, started by another command. */
  async daemonThrough(
    through: readonly string[],
    namespace: string,
    side: Side,
    program: string,
    folder: string,
    ...args: readonly string[]
  ): Promise<void> {
    const at = join(this.dir, folder);
    mkdirSync(at, { recursive: true });
    const name = `${program}${args.find((arg) => arg.endsWith(".db"))?.replace(/.*\//, "-") ?? ""}`;
    const pidFile = join(at, `${name}.pid`);
    this.#pidFiles.push(pidFile);
    await real(
      "env",
      ...["OVS_RUNDIR", "OVS_LOGDIR", "OVN_RUNDIR", "OVN_LOGDIR"].map((variable) => `${variable}=${at}`),
      ...(namespace === "" ? [] : ["ip", "netns", "exec", namespace]),
      ...through,
      ...commandOf(side, program),
      ...["--detach", "--no-chdir", `--pidfile=${pidFile}`, `--unixctl=${at}/${name}.ctl`],
      ...["-vconsole:off", `--log-file=${at}/${name}.log`],
      ...args,
    );
  }

  /** Creates and serves a database; returns its remote. */
  async database(side: Side, folder: string, name: string, schema: string): Promise<string> {
    const at = join(this.dir, folder);
    mkdirSync(at, { recursive: true });
    await real(join(reference, "bin/ovsdb-tool"), "create", `${at}/${name}.db`, schema);
    await this.daemon("", side, "ovsdb-server", folder, `--remote=punix:${at}/${name}.sock`, `${at}/${name}.db`);
    return `unix:${at}/${name}.sock`;
  }

  /** The control socket's answer. */
  appctl(folder: string, program: string, ...args: readonly string[]): Promise<string> {
    return real(join(reference, "bin/ovs-appctl"), "-t", `${this.dir}/${folder}/${program}.ctl`, ...args);
  }

  log(folder: string, program: string): string {
    return readFileSync(join(this.dir, folder, `${program}.log`), "utf8");
  }

  async close(): Promise<void> {
    const pids = this.#pidFiles.filter((file) => existsSync(file)).map((file) => Number(readFileSync(file, "utf8")));
    for (const pid of pids.reverse()) signal(pid, "SIGTERM");
    for (let waited = 0; waited < 5000 && pids.some((pid) => signal(pid, 0)); waited += 50)
      await new Promise((resolve) => setTimeout(resolve, 50));
    for (const pid of pids) signal(pid, "SIGKILL");
    for (const name of this.#namespaces) {
      // What a failed test has left running in it would keep the namespace alive.
      for (const pid of (await real("ip", "netns", "pids", name).catch(() => "")).split("\n").filter((line) => line !== ""))
        signal(Number(pid), "SIGKILL");
      await real("ip", "netns", "del", name).catch(() => "");
    }
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Whether there is such a process. */
function signal(pid: number, what: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, what);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

/** Where a hypervisor's tunnels end: at its bridge br-phys, as with the reference's userspace datapath, or at the kernel's own device. */
export type TunnelEnd = "bridge" | "kernel";

/** How a guest is attached: by a veth pair, or by an internal port moved into its namespace. */
export type GuestPort = "veth" | "internal";

export type Encap = "geneve" | "vxlan";

export interface HypervisorOptions {
  readonly name: string;
  readonly side: Side;
  readonly end: TunnelEnd;
  readonly guest: GuestPort;
  /** Prefix notation. */
  readonly tunnel: string;
  readonly southbound: string;
  readonly encap: Encap;
  /** The guest's logical port, addresses and networks. */
  readonly port: string;
  readonly mac: string;
  readonly addresses: readonly string[];
}

export class Hypervisor {
  readonly site: Site;
  readonly options: HypervisorOptions;
  namespace = "";
  guest = "";

  constructor(site: Site, options: HypervisorOptions) {
    this.site = site;
    this.options = options;
  }

  /** The namespaces; before the wires between hypervisors. */
  async make(): Promise<void> {
    this.namespace = await this.site.namespace(this.options.name);
    this.guest = await this.site.namespace(`${this.options.name}vm`);
  }

  run(program: string, ...args: readonly string[]): Promise<string> {
    return real("ip", "netns", "exec", this.namespace, program, ...args);
  }

  inGuest(program: string, ...args: readonly string[]): Promise<string> {
    return real("ip", "netns", "exec", this.guest, program, ...args);
  }

  vsctl(...args: readonly string[]): Promise<string> {
    const db = `unix:${this.site.dir}/${this.options.name}/conf.sock`;
    return real(join(reference, "bin/ovs-vsctl"), "--timeout=20", `--db=${db}`, ...args);
  }

  appctl(...args: readonly string[]): Promise<string> {
    return this.site.appctl(this.options.name, "ovs-vswitchd", ...args);
  }

  /** The daemons, bridges and the guest; the wire ends at the device phys0. */
  async start(): Promise<void> {
    const { site } = this;
    const { name, side, end, tunnel, southbound, encap, port, guest, mac, addresses } = this.options;
    const db = await site.database(side, name, "conf", schemaFiles.vs);
    await this.vsctl("--no-wait", "init");
    await site.daemon(this.namespace, side, "ovs-vswitchd", name, db);
    const words = (text: string) => text.split(" ");
    await this.vsctl(
      ...words("add-br br-int -- set bridge br-int datapath_type=netdev fail-mode=secure"),
      ...(end === "kernel"
        ? []
        : words("-- add-br br-phys -- set bridge br-phys datapath_type=netdev -- add-port br-phys phys0")),
      ...words(`-- set open . external-ids:system-id=${name} external-ids:ovn-encap-type=${encap}`),
      ...words(`external-ids:ovn-remote=${southbound} external-ids:ovn-encap-ip=${tunnel.split("/")[0]}`),
    );
    const device = end === "kernel" ? "phys0" : "br-phys";
    await this.run("ip", "addr", "add", tunnel, "dev", device, ...(tunnel.includes(":") ? ["nodad"] : []));
    await this.run("ip", "link", "set", device, "up");
    if (guest === "internal") {
      await this.vsctl(
        "add-port",
        "br-int",
        port,
        "--",
        "set",
        "interface",
        port,
        "type=internal",
        `external_ids:iface-id=${port}`,
      );
      await this.run("ip", "link", "set", port, "netns", this.guest);
    } else {
      await site.wire(this.guest, port, this.namespace, `${port}-p`);
      if (side === "reference") await this.inGuest("/usr/bin/python3", "-c", checksumsInSoftware, port);
      await this.vsctl("add-port", "br-int", `${port}-p`, "--", "set", "interface", `${port}-p`, `external_ids:iface-id=${port}`);
    }
    await this.inGuest("ip", "link", "set", port, "address", mac, "mtu", "1400");
    for (const address of addresses)
      await this.inGuest("ip", "addr", "add", address, "dev", port, ...(address.includes(":") ? ["nodad"] : []));
    await this.inGuest("ip", "link", "set", port, "up");
    await site.daemon(this.namespace, side, "ovn-controller", name, db);
  }

  /** Listens in the guest and writes what comes to a file; resolves when the connection has ended. */
  receive(address: string, port: number, file: string): Promise<void> {
    const fd = openSync(file, "w");
    const child = spawn("ip", ["netns", "exec", this.guest, "timeout", "60", "nc", "-l", address, String(port)], {
      stdio: ["ignore", fd, "ignore"],
    });
    closeSync(fd);
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`nc -l ${address} ${port} ended with ${code}`))));
    });
  }

  /** Sends a file from the guest; waits for the other side to listen. */
  async send(address: string, port: number, file: string): Promise<void> {
    const attempt = `for i in $(seq 50); do timeout 60 nc -N ${address} ${port} < ${file} && exit 0; sleep 0.1; done; exit 1`;
    await this.inGuest("bash", "-c", attempt);
  }

  /** What is said of the hypervisor when a test fails. */
  logs(): string {
    const folder = join(this.site.dir, this.options.name);
    return readdirSync(folder)
      .filter((file) => file.endsWith(".log"))
      .map((file) => `== ${file}\n${readFileSync(join(folder, file), "utf8").slice(-4000)}`)
      .join("\n");
  }
}
