/** The wires of a lab: Ethernet segments with a learning switch in the middle, that carry frames after a delay. */
import { isMacMulticast, type Mac, readMac } from "@weft/packet";
import { type Clock, WeftError } from "@weft/runtime";
import type { Device } from "./machine/device.ts";

export class Segment {
  readonly name: string;
  /** One-way delay, ms. */
  readonly delay: number;
  readonly #clock: Clock;
  readonly #devices = new Set<Device>();
  /** Behind which NIC an address was seen last. */
  readonly #addresses = new Map<Mac, Device>();
  /** Sees every frame on the wire as it is sent; false drops it. Loss, faults and captures are made of these. */
  readonly filters = new Set<(frame: Uint8Array, from: Device, to: Device) => boolean>();

  constructor(name: string, clock: Clock, delay: number) {
    this.name = name;
    this.#clock = clock;
    this.delay = delay;
  }

  get devices(): ReadonlySet<Device> {
    return this.#devices;
  }

  attach(device: Device): void {
    if (device.wire) throw new WeftError("lab.nic-in-use", `${device.name} has a wire already`, { blame: "caller" });
    this.#devices.add(device);
    device.wire = (frame) => this.#carry(frame, device);
  }

  detach(device: Device): void {
    this.#devices.delete(device);
    for (const [mac, at] of this.#addresses) if (at === device) this.#addresses.delete(mac);
    device.wire = undefined;
  }

  #carry(frame: Uint8Array, from: Device): void {
    const source = readMac(frame, 6);
    if (!isMacMulticast(source)) this.#addresses.set(source, from);
    const known = this.#addresses.get(readMac(frame, 0));
    for (const to of known ? [known] : this.#devices) {
      if (to === from || ![...this.filters].every((passes) => passes(frame, from, to))) continue;
      this.#clock.after(this.delay, () => {
        if (this.#devices.has(to)) to.receive(frame);
      });
    }
  }
}
