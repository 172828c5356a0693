/** Sends a frame through a copied cloud and tells where it went. */
import { field, readField } from "@weft/openflow";
import { decode, find, GENEVE_PORT, get24, ovnPorts, printPacket } from "@weft/packet";
import type { DpAction, TraceLookup } from "@weft/vswitch";
import { type Hypervisor, settingOf } from "../cloud/cloud.ts";
import type { CloudCopy, CloudEvents, Role } from "../copy/cloudCopy.ts";
import { opcodeOf } from "../copy/controllers.ts";
import type { Provenance } from "../provenance/provenance.ts";
import { portInterfaces } from "../verify/ports.ts";
import { flowStep, lookupsOf, nearMisses } from "./flowSteps.ts";
import type { FlowStep, Station } from "./steps.ts";

const METADATA = field("metadata");
const EGRESS = field("reg15");
/** Tunnel keys of multicast groups begin here (ovn-sb(5), Multicast_Group). */
const FIRST_GROUP = 0x8000;

export interface Walk {
  readonly stations: readonly Station[];
  /** Frames that were delivered, with where. */
  readonly arrivals: readonly Arrival[];
  /** Frames that left by a physical network, with where. */
  readonly departures: readonly Departure[];
}

export interface Departure extends Arrival {
  readonly network: string;
}

export interface Arrival {
  readonly role: Role;
  readonly node: Hypervisor;
  readonly device: string;
  readonly frame: Uint8Array;
}

/** Bytes in front of the inner Ethernet frame's payload: outer UDP and IP header. */
const UDP = 8;
const IP = { 4: 20, 6: 40 } as const;

/** Undefined: the hypervisor has no such device. */
export function walk(
  copy: CloudCopy,
  provenance: Provenance | undefined,
  node: Hypervisor,
  device: string,
  frame: Uint8Array,
): Walk | undefined {
  const recorder = new Recorder(copy, provenance);
  return copy.send(node, device, frame.slice(), recorder) ? recorder : undefined;
}

class Recorder implements CloudEvents, Walk {
  readonly stations: Station[] = [];
  readonly arrivals: Arrival[] = [];
  readonly departures: Departure[] = [];
  readonly #copy: CloudCopy;
  readonly #provenance: Provenance | undefined;
  readonly #ports = new Map<Hypervisor, ReadonlyMap<string, string>>();
  /** The last lookup in a hypervisor's tables. */
  readonly #last = new Map<Hypervisor, TraceLookup>();

  constructor(copy: CloudCopy, provenance: Provenance | undefined) {
    this.#copy = copy;
    this.#provenance = provenance;
  }

  arrived(node: Hypervisor, device: string, frame: Uint8Array): void {
    this.#push({ kind: "enters", node: node.name, device, ...this.#portOf(node, device), packet: packetText(frame) });
  }

  translated(...[node, bridge, made, actions]: Parameters<CloudEvents["translated"]>): void {
    const lookups = made === undefined ? [] : lookupsOf(made.nodes);
    const last = lookups.at(-1);
    if (last !== undefined) this.#last.set(node, last);
    this.#push({
      kind: "switch",
      node: node.name,
      resumed: made?.nodes.some(({ children }) => children.some(({ kind }) => kind === "thaw")) ?? false,
      flows: lookups.map((lookup) => flowStep(lookup, this.#provenance)),
      datapathActions: actions,
      ...(made?.error === undefined ? {} : { error: made.error }),
    });
    if (bridge === undefined || made === undefined) {
      this.#drop(node, "it came in by a port that no bridge has", undefined);
    } else if (made.error !== undefined) this.#drop(node, `the switch gave up: ${made.error}`, last);
    else if (!made.actions.some(leadsOn))
      this.#drop(node, last?.rule === undefined ? "no flow matched" : "the flow has no output", last);
  }

  /** A station of the packet that something happens to now. */
  #push(station: Station): void {
    const { role } = this.#copy;
    this.stations.push(role === "packet" ? station : { ...station, of: role });
  }

  #drop(node: Hypervisor, reason: string, lookup: TraceLookup | undefined): void {
    const towards = lookup === undefined ? undefined : this.#towards(lookup.key);
    this.#push({
      kind: "dropped",
      node: node.name,
      reason,
      ...(lookup === undefined ? {} : { by: this.#step(node, lookup) }),
      ...(towards === undefined ? {} : { towards }),
    });
  }

  /**
   * The egress port is in reg15, the datapath in metadata (ovn-architecture(7)). Packets for many ports (a multicast group) are on
   * their way to the localnet port, too, where the datapath has one.
   */
  #towards(key: Int32Array): { readonly port: string; readonly type: string } | undefined {
    const datapath = Number(readField(key, METADATA));
    const egress = Number(readField(key, EGRESS));
    const row = egress >= FIRST_GROUP ? this.#provenance?.localnetOf(datapath) : this.#provenance?.portOf(datapath, egress);
    return row === undefined ? undefined : { port: row.logical_port, type: row.type };
  }

  #step(node: Hypervisor, lookup: TraceLookup): FlowStep {
    const rules = this.#copy.copyOf(node)?.rules(lookup.bridge, lookup.table) ?? [];
    const near = nearMisses(lookup, rules, this.#provenance);
    return { ...flowStep(lookup, this.#provenance), ...(near.length === 0 ? {} : { nearMisses: near }) };
  }

  onWire(node: Hypervisor, device: string, network: string, frame: Uint8Array): void {
    this.departures.push({ role: this.#copy.role, node, device, network, frame });
    this.#push({ kind: "physical", node: node.name, device, network, packet: packetText(frame) });
  }

  tunnelled(...[node, to, payload, outer, udpPort]: Parameters<CloudEvents["tunnelled"]>): "pass" | "drop" {
    const protocol = udpPort === GENEVE_PORT ? "geneve" : "vxlan";
    // Both headers have it in the same place (RFC 8926, RFC 7348).
    const vni = get24(payload, 4);
    const size = payload.length + UDP + IP[outer.dst.includes(":") ? 6 : 4];
    const source = outer.src === "" ? ((settingOf(node, "ovn-encap-ip") ?? "").split(",")[0] ?? "") : outer.src;
    const ports = protocol === "geneve" ? portsOf(payload) : undefined;
    this.#push({
      kind: "tunnel",
      node: node.name,
      ...(to === undefined ? {} : { to: to.name }),
      source,
      destination: outer.dst,
      protocol,
      vni,
      ...(ports === undefined ? {} : { ports }),
      size,
    });
    if (to === undefined) {
      this.#drop(node, `${outer.dst} is the tunnel address of no hypervisor that can be looked into`, undefined);
      return "drop";
    }
    if (to.links !== undefined && !to.links.some(({ addresses }) => addresses.includes(outer.dst))) {
      this.#drop(to, `${outer.dst} is the tunnel address of ${to.name}, but no address of its devices`, undefined);
      return "drop";
    }
    const link = node.links?.find(({ addresses }) => addresses.includes(source));
    if (link !== undefined && size > link.mtu) {
      this.#drop(node, `the tunnel packet has ${size} bytes and the MTU of ${link.name} is ${link.mtu}`, undefined);
      return "drop";
    }
    return "pass";
  }

  delivered(node: Hypervisor, device: string, frame: Uint8Array): void {
    this.arrivals.push({ role: this.#copy.role, node, device, frame });
    this.#push({ kind: "delivered", node: node.name, device, ...this.#portOf(node, device), packet: packetText(frame) });
  }

  toController(...[node, bridge, packetIn]: Parameters<CloudEvents["toController"]>): void {
    const lookup = this.#last.get(node);
    const action = opcodeOf(packetIn);
    this.#push({
      kind: "controller",
      node: node.name,
      bridge,
      ...(action === undefined ? {} : { action }),
      ...(lookup === undefined ? {} : { by: flowStep(lookup, this.#provenance) }),
    });
  }

  fromController(node: Hypervisor, packet: Uint8Array, resumed: boolean): void {
    this.#push({ kind: "controller-sends", node: node.name, packet: packetText(packet), resumed });
  }

  said(node: Hypervisor, text: string): void {
    this.#push({ kind: "controller-says", node: node.name, text });
  }

  learned(...[node, { ip, mac }]: Parameters<CloudEvents["learned"]>): void {
    this.#push({ kind: "learned", node: node.name, ...(ip === undefined ? {} : { ip }), mac });
  }

  #portOf(node: Hypervisor, device: string): { readonly port?: string } {
    let ports = this.#ports.get(node);
    if (ports === undefined) {
      ports = new Map(portInterfaces(node).map(({ name, port }) => [name, port]));
      this.#ports.set(node, ports);
    }
    const port = ports.get(device);
    return port === undefined ? {} : { port };
  }
}

/** Whether anything becomes of a packet by a datapath action, other than that it is changed. */
function leadsOn(action: DpAction): boolean {
  switch (action.type) {
    case "output":
    case "recirc":
    case "controller":
    case "tnl_push":
    case "tnl_pop":
      return true;
    case "clone":
    case "sample":
      return action.actions.some(leadsOn);
    case "check_pkt_len":
      return action.gt.some(leadsOn) || action.le.some(leadsOn);
    default:
      return false;
  }
}

/** tcpdump -nevvt. */
export function packetText(frame: Uint8Array): string {
  return printPacket(frame, { time: "none", link: true, numeric: true, verbose: 1 }).replace(/\n\s+/g, " ");
}

/** tcpdump -nt. */
export function briefText(frame: Uint8Array): string {
  return printPacket(frame, { time: "none", numeric: true }).replace(/\n\s+/g, " ");
}

function portsOf(payload: Uint8Array): { readonly ingress: number; readonly egress: number } | undefined {
  const header = find(decode(payload, "geneve"), "geneve");
  return header === undefined ? undefined : ovnPorts(header);
}
