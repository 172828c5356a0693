/**
 * All hypervisors of a cloud as copies in memory, joined by tunnels and physical networks. What happens to a frame is heard as
 * it happens; a station's work is done before the next one's begins.
 */
import type { Message, PacketIn } from "@weft/openflow";
import type { Translation } from "@weft/vswitch";
import type { InstalledState } from "../cloud/bridge.ts";
import { type Cloud, type Hypervisor, integrationBridgeOf, settingOf } from "../cloud/cloud.ts";
import { bridgeMappings } from "../verify/physical.ts";
import { type ControllerEvents, Controllers, opcodeOf } from "./controllers.ts";
import { Residents } from "./residents.ts";
import { type OuterHeader, SwitchCopy } from "./switchCopy.ts";

/**
 * What a packet is: the one that was sent, whatever becomes of it; one by which somebody asks or tells where a neighbour is; one
 * that ovn-controller made of it for an answer.
 */
export type Role = "packet" | "neighbour" | "answer";

/** What happens is to a packet of {@link CloudCopy.role}. */
export interface CloudEvents extends ControllerEvents {
  translated(node: Hypervisor, bridge: string | undefined, made: Translation | undefined, actions: string): void;
  /** By a device that is a guest's, or whose other end is not known. */
  delivered(node: Hypervisor, device: string, frame: Uint8Array): void;
  /** By a device of a bridge that is mapped to a physical network, to the others on it. */
  onWire(node: Hypervisor, device: string, network: string, frame: Uint8Array): void;
  arrived(node: Hypervisor, device: string, frame: Uint8Array): void;
  tunnelled(
    node: Hypervisor,
    to: Hypervisor | undefined,
    payload: Uint8Array,
    outer: OuterHeader,
    udpPort: number,
  ): "pass" | "drop";
  toController(node: Hypervisor, bridge: string, packetIn: PacketIn): void;
  /** ovn-controller sends a packet, or lets one go on (resumed) that was given to it. */
  fromController(node: Hypervisor, packet: Uint8Array, resumed: boolean): void;
}

/** A device by which a bridge reaches a physical network. */
interface Uplink {
  readonly copy: SwitchCopy;
  readonly device: string;
  readonly network: string;
}

/** Stations that one frame may visit: more is a loop. */
const LIMIT = 500;

export class CloudCopy {
  readonly #copies = new Map<Hypervisor, SwitchCopy>();
  readonly #byAddress = new Map<string, SwitchCopy>();
  readonly #uplinks: Uplink[] = [];
  readonly #queue: { readonly role: Role; readonly run: () => void }[] = [];
  readonly #residents: Residents;
  readonly #controllers: Controllers | undefined;
  /** Of packets that wait with a controller, by their continuation. */
  readonly #waiting = new Map<string, { readonly role: Role; readonly packet: Uint8Array }>();
  #asked: PacketIn | undefined;
  #role: Role = "packet";
  #events: CloudEvents | undefined;

  private constructor(cloud: Cloud) {
    this.#residents = new Residents(cloud);
    const heard: ControllerEvents = {
      learned: (node, entry) => this.#events?.learned(node, entry),
      said: (node, text) => this.#events?.said(node, text),
    };
    this.#controllers = cloud.sb === undefined ? undefined : new Controllers(cloud.sb, heard);
  }

  /** Of the packet to which something happens now. */
  get role(): Role {
    return this.#role;
  }

  /** `installed`: what to load into the switch of a hypervisor; by default what it has. */
  static async of(
    cloud: Cloud,
    installed: (hypervisor: Hypervisor) => ReadonlyMap<string, InstalledState> = ({ bridges }) => bridges,
  ): Promise<CloudCopy> {
    const made = new CloudCopy(cloud);
    for (const hypervisor of cloud.hypervisors) await made.#add(hypervisor, installed(hypervisor));
    return made;
  }

  async #add(hypervisor: Hypervisor, installed: ReadonlyMap<string, InstalledState>): Promise<void> {
    const copy = await SwitchCopy.of(
      hypervisor,
      installed,
      {
        translated: (bridge, made, actions) => this.#events?.translated(hypervisor, bridge, made, actions),
        sent: (device, frame) => this.#sent(hypervisor, device, frame),
        toController: (bridge, packetIn) => this.#toController(hypervisor, bridge, packetIn),
      },
      (udpPort, payload, outer) => this.#tunnel(hypervisor, udpPort, payload, outer),
    );
    this.#copies.set(hypervisor, copy);
    this.#controllers?.add(hypervisor, (message) => this.#fromController(hypervisor, message));
    for (const ip of (settingOf(hypervisor, "ovn-encap-ip") ?? "").split(",")) if (ip !== "") this.#byAddress.set(ip, copy);
    const bridges = new Map([...hypervisor.ovs.table("Bridge").rows()].map((row) => [row.name, row]));
    for (const [network, bridge] of bridgeMappings(hypervisor)) {
      for (const port of bridges.get(bridge)?.ports ?? []) {
        for (const uuid of hypervisor.ovs.table("Port").get(port)?.interfaces ?? []) {
          const row = hypervisor.ovs.table("Interface").get(uuid);
          // Internal devices are the host's own, patches lead to other bridges.
          if (row === undefined || ["internal", "patch", "geneve", "vxlan", "gre"].includes(row.type)) continue;
          this.#uplinks.push({ copy, device: row.name, network });
        }
      }
    }
  }

  get hypervisors(): readonly Hypervisor[] {
    return [...this.#copies.keys()];
  }

  copyOf(hypervisor: Hypervisor): SwitchCopy | undefined {
    return this.#copies.get(hypervisor);
  }

  /** A frame enters by a device of a hypervisor; returns when all that follows has happened. False: there is no such device. */
  send(hypervisor: Hypervisor, device: string, frame: Uint8Array, events: CloudEvents): boolean {
    this.#events = events;
    this.#role = "packet";
    try {
      events.arrived(hypervisor, device, frame);
      if (this.#copies.get(hypervisor)?.receive(device, frame) !== true) return false;
      for (let done = 0; done < LIMIT; done++) {
        const next = this.#queue.shift();
        if (next === undefined) return true;
        this.#role = next.role;
        next.run();
      }
      return true;
    } finally {
      this.#queue.length = 0;
      this.#waiting.clear();
      this.#events = undefined;
    }
  }

  #later(run: () => void, role = this.#role): void {
    this.#queue.push({ role, run });
  }

  #toController(hypervisor: Hypervisor, bridge: string, packetIn: PacketIn): void {
    this.#events?.toController(hypervisor, bridge, packetIn);
    if (packetIn.continuation !== undefined)
      this.#waiting.set(keyOf(packetIn.continuation), { role: this.#role, packet: packetIn.packet });
    this.#later(() => {
      this.#asked = packetIn;
      this.#controllers?.hear(hypervisor, packetIn);
    });
  }

  #fromController(hypervisor: Hypervisor, message: Message): void {
    if (message.type !== "packet_out" && message.type !== "resume") return;
    const resumed = message.type === "resume";
    this.#later(
      () => {
        this.#events?.fromController(hypervisor, message.packet, resumed);
        this.#copies.get(hypervisor)?.perform(integrationBridgeOf(hypervisor), message);
      },
      resumed ? this.#roleOfResumed(message.continuation, message.packet) : this.#roleOfSent(),
    );
  }

  /** A packet goes on as what it was, unless an answer has been put in its place: then all behind the Ethernet addresses is new. */
  #roleOfResumed(continuation: Uint8Array, packet: Uint8Array): Role {
    const was = this.#waiting.get(keyOf(continuation));
    if (was === undefined) return this.#role;
    const same = was.packet.length === packet.length && was.packet.every((byte, i) => i < 12 || byte === packet[i]);
    return same ? was.role : "answer";
  }

  #roleOfSent(): Role {
    const opcode = this.#asked === undefined ? undefined : opcodeOf(this.#asked);
    return opcode === "arp" || opcode === "nd_ns" ? "neighbour" : this.#role === "neighbour" ? "neighbour" : "answer";
  }

  /** Somebody answers a question for a neighbour, by the device that it came from. */
  #answer(hypervisor: Hypervisor, device: string, reply: Uint8Array | undefined): void {
    if (reply === undefined || this.#role !== "neighbour") return;
    this.#later(() => {
      this.#events?.arrived(hypervisor, device, reply);
      this.#copies.get(hypervisor)?.receive(device, reply);
    });
  }

  #sent(hypervisor: Hypervisor, device: string, frame: Uint8Array): void {
    const uplink = this.#uplinks.find(({ copy, device: name }) => copy.hypervisor === hypervisor && name === device);
    if (uplink === undefined) {
      this.#events?.delivered(hypervisor, device, frame);
      this.#answer(hypervisor, device, this.#residents.ofGuest(hypervisor, device, frame));
      return;
    }
    this.#events?.onWire(hypervisor, device, uplink.network, frame);
    this.#answer(hypervisor, device, this.#residents.ofHost(frame));
    for (const other of this.#uplinks) {
      if (other.network !== uplink.network || other.copy === uplink.copy) continue;
      const copied = frame.slice();
      this.#later(() => {
        this.#events?.arrived(other.copy.hypervisor, other.device, copied);
        other.copy.receive(other.device, copied);
      });
    }
  }

  #tunnel(hypervisor: Hypervisor, udpPort: number, payload: Uint8Array, outer: OuterHeader): void {
    const to = this.#byAddress.get(outer.dst);
    if (this.#events?.tunnelled(hypervisor, to?.hypervisor, payload, outer, udpPort) === "drop" || to === undefined) return;
    const source = outer.src === "" ? (settingOf(hypervisor, "ovn-encap-ip") ?? "").split(",")[0]! : outer.src;
    const header = { src: source, dst: outer.dst, tos: outer.tos, ttl: outer.ttl - 1, srcPort: outer.srcPort };
    this.#later(() => void to.receiveTunnel(udpPort, payload, header));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#copies.values()].map((copy) => copy.stop()));
  }
}

const keyOf = (continuation: Uint8Array): string => continuation.join();
