/**
 * Network devices of an emulated machine, as Linux has them: loopback, NICs, VLAN devices, bridges, veth pairs, dummies
 * and the ports of a switch. A device belongs to one {@link Namespace}; frames leave by `transmit` and arrive by `receive`.
 */
import { isMacMulticast, type Mac, macOf, readMac } from "@weft/packet";
import type { Clock } from "@weft/runtime";
import { WeftError } from "@weft/runtime";
import type { Namespace } from "./namespace.ts";

/** What `ip -d link` calls the kind; "ether" is a plain NIC and has no kind there. */
export type DeviceKind = "loopback" | "ether" | "vlan" | "bridge" | "veth" | "dummy" | "openvswitch" | "geneve";

/** "in": the frame arrived from outside; "out": this machine sent it. */
export type Direction = "in" | "out";

/** A capture on a device. The frame must not be changed. */
export type Tap = (frame: Uint8Array, direction: Direction) => void;

export interface DeviceStatistics {
  rxPackets: number;
  rxBytes: number;
  rxDropped: number;
  txPackets: number;
  txBytes: number;
  txDropped: number;
}

export class Device {
  readonly kind: DeviceKind;
  name: string;
  ifindex = 0;
  mac: Mac;
  mtu: number;
  /** For IPv6, where a router advertised less (RFC 4861 4.6.4). */
  mtu6: number | undefined;
  up = false;
  /** Whether something is at the other end. */
  carrier = true;
  namespace: Namespace | undefined;
  /** The device it stands on (VLAN) or its other end (veth). */
  link: Device | undefined;
  master: BridgeDevice | undefined;
  /** VLANs standing on this device, by their id. */
  readonly vlans = new Map<number, VlanDevice>();
  readonly statistics: DeviceStatistics = { rxPackets: 0, rxBytes: 0, rxDropped: 0, txPackets: 0, txBytes: 0, txDropped: 0 };
  readonly taps = new Set<Tap>();
  /** Takes received frames instead of the namespace, as Linux's rx_handler does for a switch's port. */
  attached: ((frame: Uint8Array) => void) | undefined;
  /** Where transmitted frames go; the kinds below set or override it. */
  wire: ((frame: Uint8Array) => void) | undefined;
  /** Called when the name, address, MTU or state changed. */
  onChange: (() => void) | undefined;

  constructor(kind: DeviceKind, name: string, mac: Mac, mtu = 1500) {
    this.kind = kind;
    this.name = name;
    this.mac = mac;
    this.mtu = mtu;
  }

  /** Administratively up and with a carrier. */
  get running(): boolean {
    return this.up && this.carrier;
  }

  /** Sends a frame out of this device. Dropped, and counted, while it is down. */
  transmit(frame: Uint8Array): void {
    if (!this.running) {
      this.statistics.txDropped++;
      return;
    }
    this.statistics.txPackets++;
    this.statistics.txBytes += frame.length;
    for (const tap of this.taps) tap(frame, "out");
    this.send(frame);
  }

  protected send(frame: Uint8Array): void {
    this.wire?.(frame);
  }

  /** A frame arrived on this device from outside. */
  receive(frame: Uint8Array): void {
    if (!this.running) {
      this.statistics.rxDropped++;
      return;
    }
    this.statistics.rxPackets++;
    this.statistics.rxBytes += frame.length;
    for (const tap of this.taps) tap(frame, "in");
    this.deliver(frame);
  }

  /** VLAN devices come first, then the switch or bridge that the device is attached to, then the machine itself. */
  protected deliver(frame: Uint8Array): void {
    const vid = vlanOf(frame);
    const vlan = vid === undefined ? undefined : this.vlans.get(vid);
    if (vlan) vlan.receive(untagged(frame));
    else if (this.attached) this.attached(frame);
    else if (this.master) this.master.forward(frame, this);
    else this.namespace?.input(this, frame);
  }

  setUp(up: boolean): void {
    if (this.up === up) return;
    this.up = up;
    this.namespace?.deviceChanged(this);
    this.changed();
  }

  setMac(mac: Mac): void {
    if (isMacMulticast(mac))
      throw new WeftError("lab.bad-mac", "RTNETLINK answers: Cannot assign requested address", { blame: "caller" });
    this.mac = mac;
    this.namespace?.deviceChanged(this);
    this.changed();
  }

  setMtu(mtu: number): void {
    if (mtu < 68 || mtu > 65535)
      throw new WeftError(
        "lab.bad-mtu",
        `Error: mtu ${mtu < 68 ? "less" : "greater"} than device ${mtu < 68 ? "minimum" : "maximum"}.`,
        { blame: "caller" },
      );
    this.mtu = mtu;
    this.changed();
  }

  changed(): void {
    this.onChange?.();
    for (const vlan of this.vlans.values()) vlan.parentChanged();
  }

  /** Undoes what ties this device to others; the namespace has let go of it already. */
  destroy(): void {
    this.master?.removePort(this);
    for (const vlan of [...this.vlans.values()]) vlan.namespace?.removeDevice(vlan);
  }
}

/** Frames that a machine sends to itself. */
export class LoopbackDevice extends Device {
  readonly #clock: Clock;
  constructor(clock: Clock) {
    super("loopback", "lo", macOf(0), 65536);
    this.#clock = clock;
  }
  protected override send(frame: Uint8Array): void {
    this.#clock.soon(() => this.receive(frame));
  }
}

/** An 802.1Q device (ip-link(8) `type vlan`): tags what it sends on its parent, gets what carries its id untagged. */
export class VlanDevice extends Device {
  readonly vid: number;

  constructor(name: string, parent: Device, vid: number) {
    super("vlan", name, parent.mac, parent.mtu);
    this.vid = vid;
    this.link = parent;
    parent.vlans.set(vid, this);
    this.carrier = parent.running;
  }

  parentChanged(): void {
    const carrier = this.link?.running === true;
    if (carrier === this.carrier) return;
    this.carrier = carrier;
    this.namespace?.deviceChanged(this);
    this.changed();
  }

  protected override send(frame: Uint8Array): void {
    this.link?.transmit(tagged(frame, this.vid));
  }

  override destroy(): void {
    super.destroy();
    this.link?.vlans.delete(this.vid);
    this.link = undefined;
  }
}

/** One end of a pair (ip-link(8) `type veth`). */
export class VethDevice extends Device {
  readonly #clock: Clock;

  constructor(clock: Clock, name: string, mac: Mac) {
    super("veth", name, mac);
    this.#clock = clock;
    this.carrier = false;
  }

  static join(a: VethDevice, b: VethDevice): void {
    a.link = b;
    b.link = a;
  }

  protected override send(frame: Uint8Array): void {
    const peer = this.link;
    if (peer) this.#clock.soon(() => peer.receive(frame));
  }

  override changed(): void {
    super.changed();
    // Carrier means that the other end is up, on both ends.
    const peer = this.link;
    if (!(peer instanceof VethDevice)) return;
    for (const [end, other] of [
      [this, peer],
      [peer, this],
    ] as const) {
      const carrier = other.up;
      if (end.carrier === carrier) continue;
      end.carrier = carrier;
      end.namespace?.deviceChanged(end);
      end.onChange?.();
    }
  }

  override destroy(): void {
    super.destroy();
    const peer = this.link;
    this.link = undefined;
    if (!peer) return;
    peer.link = undefined;
    peer.namespace?.removeDevice(peer);
  }
}

/** Milliseconds after which a Linux bridge forgets an address. */
export const AGEING = 300_000;

/** A learning bridge without spanning tree (ip-link(8) `type bridge`), and the machine's own port of it. */
export class BridgeDevice extends Device {
  readonly #clock: Clock;
  readonly ports = new Set<Device>();
  /** Where an address was seen last, and when (ms). */
  readonly addresses = new Map<Mac, { port: Device; seen: number }>();

  constructor(clock: Clock, name: string, mac: Mac) {
    super("bridge", name, mac);
    this.#clock = clock;
  }

  addPort(device: Device): void {
    device.master?.removePort(device);
    this.ports.add(device);
    device.master = this;
  }

  removePort(device: Device): void {
    this.ports.delete(device);
    device.master = undefined;
    for (const [mac, entry] of this.addresses) if (entry.port === device) this.addresses.delete(mac);
  }

  /** A frame came in by a port. */
  forward(frame: Uint8Array, from: Device): void {
    if (!this.up) return;
    const now = this.#clock.now();
    const source = readMac(frame, 6);
    if (!isMacMulticast(source)) this.addresses.set(source, { port: from, seen: now });
    const destination = readMac(frame, 0);
    if (destination === this.mac) return this.receive(frame);
    const known = this.addresses.get(destination);
    if (known && now - known.seen <= AGEING) {
      if (known.port !== from) known.port.transmit(frame);
      return;
    }
    for (const port of this.ports) if (port !== from) port.transmit(frame);
    if (isMacMulticast(destination)) this.receive(frame);
  }

  protected override send(frame: Uint8Array): void {
    const known = this.addresses.get(readMac(frame, 0));
    if (known && this.#clock.now() - known.seen <= AGEING) known.port.transmit(frame);
    else for (const port of this.ports) port.transmit(frame);
  }

  override destroy(): void {
    super.destroy();
    for (const port of this.ports) port.master = undefined;
    this.ports.clear();
  }
}

/** The VLAN id of a tagged frame; undefined for an untagged one, and for one with a priority tag only. */
function vlanOf(frame: Uint8Array): number | undefined {
  if (frame.length < 18 || frame[12] !== 0x81 || frame[13] !== 0) return undefined;
  return (((frame[14] ?? 0) & 0x0f) << 8) | (frame[15] ?? 0);
}

function untagged(frame: Uint8Array): Uint8Array {
  const inner = new Uint8Array(frame.length - 4);
  inner.set(frame.subarray(0, 12));
  inner.set(frame.subarray(16), 12);
  return inner;
}

function tagged(frame: Uint8Array, vid: number): Uint8Array {
  const outer = new Uint8Array(frame.length + 4);
  outer.set(frame.subarray(0, 12));
  outer.set([0x81, 0x00, vid >> 8, vid & 0xff], 12);
  outer.set(frame.subarray(12), 16);
  return outer;
}
