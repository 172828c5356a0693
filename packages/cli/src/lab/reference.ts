/** For interop tests: a network namespace of the test's own with a hypervisor of the reference in it. Needs root. */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);
const reference = process.env["OVN_REFERENCE"] ?? "/opt/ovn-reference/sid";
export const referenceProgram = (name: string) => join(reference, "bin", name);

/** Runs a real command; rejects with what it wrote to standard error. */
export async function real(program: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await execute(program, args, { timeout: 60_000 });
  return stdout;
}

/** Whether network namespaces and TAP devices can be made here. */
export const canMakeNamespaces = process.getuid?.() === 0 && existsSync("/dev/net/tun");

/**
 * Has checksums filled in before packets leave by a device (`ethtool -K DEVICE tx off`): the switch of the reference drops
 * what comes to it over a veth pair with the checksum left to the hardware.
 */
export const checksumsInSoftware = `
import ctypes, fcntl, socket, struct, sys
ETHTOOL_STXCSUM, SIOCETHTOOL = 0x17, 0x8946
command = ctypes.create_string_buffer(struct.pack("II", ETHTOOL_STXCSUM, 0))
request = struct.pack("16sP8x", sys.argv[1].encode(), ctypes.addressof(command))
fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), SIOCETHTOOL, request)
`;

/** The addresses that {@link OutsideHypervisor} is made with. */
export interface OutsideAddresses {
  /** Given to the host's end of the wire; the lab's machines bind these. */
  readonly inside: readonly string[];
  /** The hypervisor's tunnel address, with the prefix length of all of them. */
  readonly tunnel: string;
  /** A wire of its own for the databases: the host's end and the hypervisor's, with prefix lengths. */
  readonly control: readonly [string, string];
}

/**
 * ovsdb-server, ovs-vswitchd with its userspace datapath, and ovn-controller in a namespace, wired to the host by a veth
 * pair that is the physical port of its bridge br-phys.
 */
export class OutsideHypervisor {
  readonly namespace = `weft-hv${process.pid}`;
  readonly folder = mkdtempSync(join(tmpdir(), "weft-hv-"));
  readonly #addresses: OutsideAddresses;
  readonly #wires = [`wt${process.pid}`, `wc${process.pid}`] as const;

  constructor(addresses: OutsideAddresses) {
    this.#addresses = addresses;
  }

  /** The namespace and its wires; before the lab, which binds the addresses. */
  async wire(): Promise<void> {
    const { inside, tunnel, control } = this.#addresses;
    const [data, databases] = this.#wires;
    const length = tunnel.split("/")[1]!;
    await real("ip", "netns", "add", this.namespace);
    await real("ip", "link", "add", data, "type", "veth", "peer", "name", "phys0", "netns", this.namespace);
    await real("ip", "link", "add", databases, "type", "veth", "peer", "name", "control0", "netns", this.namespace);
    for (const address of inside) await real("ip", "addr", "add", `${address}/${length}`, "dev", data);
    await real("ip", "addr", "add", control[0], "dev", databases);
    await real("/usr/bin/python3", "-c", checksumsInSoftware, data);
    for (const wire of this.#wires) await real("ip", "link", "set", wire, "up");
    await this.run("ip", "addr", "add", control[1], "dev", "control0");
    for (const device of ["lo", "phys0", "control0"]) await this.run("ip", "link", "set", device, "up");
  }

  /** Runs a command within the namespace. */
  run(program: string, ...args: readonly string[]): Promise<string> {
    return real("ip", "netns", "exec", this.namespace, program, ...args);
  }

  vsctl(...args: readonly string[]): Promise<string> {
    return real(referenceProgram("ovs-vsctl"), "--timeout=20", `--db=unix:${this.folder}/db.sock`, ...args);
  }

  #daemon(program: string, ...args: readonly string[]): Promise<string> {
    const { folder } = this;
    return this.run(
      "env",
      ...["OVS_RUNDIR", "OVS_LOGDIR", "OVN_RUNDIR", "OVN_LOGDIR"].map((name) => `${name}=${folder}`),
      referenceProgram(program),
      ...["--detach", "--no-chdir", `--pidfile=${folder}/${program}.pid`, `--unixctl=${folder}/${program}.ctl`],
      ...["-vconsole:off", `--log-file=${folder}/${program}.log`],
      ...args,
    );
  }

  /** Starts the daemons; `southbound` as an active remote. */
  async start(southbound: string): Promise<void> {
    const { folder } = this;
    const { tunnel } = this.#addresses;
    await real(
      referenceProgram("ovsdb-tool"),
      "create",
      `${folder}/conf.db`,
      join(reference, "share/openvswitch/vswitch.ovsschema"),
    );
    await this.#daemon("ovsdb-server", `--remote=punix:${folder}/db.sock`, `${folder}/conf.db`);
    await this.vsctl("--no-wait", "init");
    await this.#daemon("ovs-vswitchd", `unix:${folder}/db.sock`);
    await this.vsctl(
      ..."add-br br-phys -- set bridge br-phys datapath_type=netdev -- add-port br-phys phys0".split(" "),
      ..."-- add-br br-int -- set bridge br-int datapath_type=netdev fail-mode=secure".split(" "),
      ..."-- set open . external-ids:system-id=outside external-ids:ovn-encap-type=geneve".split(" "),
      ...`external-ids:ovn-remote=${southbound} external-ids:ovn-encap-ip=${tunnel.split("/")[0]}`.split(" "),
    );
    await this.run("ip", "addr", "add", tunnel, "dev", "br-phys");
    await this.run("ip", "link", "set", "br-phys", "up");
    await this.#daemon("ovn-controller", `unix:${folder}/db.sock`);
  }

  /** Logs, for the message of a test that failed. */
  log(program: string): string {
    return readFileSync(join(this.folder, `${program}.log`), "utf8");
  }

  /** Ends the daemons and takes everything away again. */
  async close(): Promise<void> {
    for (const file of readdirSync(this.folder).filter((name) => name.endsWith(".pid"))) {
      try {
        process.kill(Number(readFileSync(join(this.folder, file), "utf8")));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    }
    // Either may be missing when the test failed early; the namespace takes its ends of the wires with it.
    for (const wire of this.#wires) await real("ip", "link", "del", wire).catch(() => "");
    await real("ip", "netns", "del", this.namespace).catch(() => "");
    rmSync(this.folder, { recursive: true });
  }
}
