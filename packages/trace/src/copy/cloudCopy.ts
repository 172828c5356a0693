/**
 * All hypervisors of a cloud as copies in memory, joined by tunnels and physical networks. What happens to a frame is heard as
 * it happens; a station's work is done before the next one's begins.
 */
import type { PacketInEvent, Translation } from "@weft/vswitch";
import type { InstalledState } from "../cloud/bridge.ts";
import { type Cloud, type Hypervisor, settingOf } from "../cloud/cloud.ts";
import { bridgeMappings } from "../verify/physical.ts";
import { type OuterHeader, SwitchCopy } from "./switchCopy.ts";

export interface CloudEvents {
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
  toController(node: Hypervisor, bridge: string, event: PacketInEvent): void;
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
  readonly #queue: (() => void)[] = [];
  #events: CloudEvents | undefined;

  /** `installed`: what to load into the switch of a hypervisor; by default what it has. */
  static async of(
    cloud: Cloud,
    installed: (hypervisor: Hypervisor) => ReadonlyMap<string, InstalledState> = ({ bridges }) => bridges,
  ): Promise<CloudCopy> {
    const made = new CloudCopy();
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
        toController: (bridge, event) => this.#events?.toController(hypervisor, bridge, event),
      },
      (udpPort, payload, outer) => this.#tunnel(hypervisor, udpPort, payload, outer),
    );
    this.#copies.set(hypervisor, copy);
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
    try {
      events.arrived(hypervisor, device, frame);
      if (this.#copies.get(hypervisor)?.receive(device, frame) !== true) return false;
      for (let done = 0; done < LIMIT; done++) {
        const next = this.#queue.shift();
        if (next === undefined) return true;
        next();
      }
      return true;
    } finally {
      this.#queue.length = 0;
      this.#events = undefined;
    }
  }

  #sent(hypervisor: Hypervisor, device: string, frame: Uint8Array): void {
    const uplink = this.#uplinks.find(({ copy, device: name }) => copy.hypervisor === hypervisor && name === device);
    if (uplink === undefined) {
      this.#events?.delivered(hypervisor, device, frame);
      return;
    }
    this.#events?.onWire(hypervisor, device, uplink.network, frame);
    for (const other of this.#uplinks) {
      if (other.network !== uplink.network || other.copy === uplink.copy) continue;
      const copied = frame.slice();
      this.#queue.push(() => {
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
    this.#queue.push(() => void to.receiveTunnel(udpPort, payload, header));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#copies.values()].map((copy) => copy.stop()));
  }
}
