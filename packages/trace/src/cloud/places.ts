/** Where the parts of a cloud are found by those who look at it as a whole. */
import type { Runtime, TlsProvider } from "@weft/runtime";

export interface DatabasePlace {
  /** Its network resolves the remotes as a process on that machine would. */
  readonly runtime: Runtime;
  /** Connection methods of ovsdb(7). */
  readonly remotes: readonly string[];
  readonly tls?: TlsProvider;
  /** False: any server of a cluster will do, also one that is behind. */
  readonly leaderOnly?: boolean;
}

/** A network device of a hypervisor's host. */
export interface Link {
  readonly name: string;
  /** Bytes of payload of a frame. */
  readonly mtu: number;
  /** IP addresses as text, without prefix lengths. */
  readonly addresses: readonly string[];
}

/** A machine with Open vSwitch on it. */
export interface HypervisorPlace {
  /** What people call it: a lab's machine, or the chassis. */
  readonly name: string;
  readonly runtime: Runtime;
  readonly tls?: TlsProvider;
  /** Its Open_vSwitch database. */
  readonly database: string;
  /** The OpenFlow remote of a bridge. */
  bridge(name: string): string;
  /**
   * Sends a command to the control socket of "ovs-vswitchd" or "ovn-controller" there; rejects where none answers.
   * Absent: control sockets are out of reach, as over TCP.
   */
  control?(target: "ovs-vswitchd" | "ovn-controller", command: string, ...args: readonly string[]): Promise<string>;
  /** Whose control sockets these are; absent: both. */
  readonly controls?: readonly ("ovs-vswitchd" | "ovn-controller")[];
  /** The host's devices; absent: not known. */
  links?(): readonly Link[] | Promise<readonly Link[]>;
}

/** An address of a machine that is no logical port: a host on a physical network. */
export interface KnownHost {
  readonly machine: string;
  readonly device: string;
  readonly mac: string;
  readonly ips: readonly string[];
}

export interface CloudPlaces {
  readonly northbound: DatabasePlace | undefined;
  readonly southbound: DatabasePlace | undefined;
  readonly hypervisors: readonly HypervisorPlace[];
  /** There are no other hypervisors than these. */
  readonly complete?: boolean;
  /** Who is there besides; absent: not known. */
  hosts?(): readonly KnownHost[];
  /** Listens to every device of every machine until what is returned is called. Absent: devices are out of reach. */
  tap?(listener: (tapped: TappedFrame) => void): () => void;
}

/** A frame at a device of a machine, where these can be listened to: in a lab. */
export interface TappedFrame {
  /** Ms since 1970. */
  readonly time: number;
  readonly node: string;
  /** Network namespace; "": the machine's own. */
  readonly namespace: string;
  readonly device: string;
  /** Out of the device's owner, or into it. */
  readonly direction: "in" | "out";
  readonly frame: Uint8Array;
}
