/** The wires of a lab: Ethernet segments that carry every frame to all other NICs on them, after a delay. */
import { type Clock, WeftError } from "@weft/runtime";
import type { Device } from "./machine/device.ts";

export class Segment {
  readonly name: string;
  /** One-way delay, ms. */
  readonly delay: number;
  readonly #clock: Clock;
  readonly #devices = new Set<Device>();
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
    device.wire = undefined;
  }

  #carry(frame: Uint8Array, from: Device): void {
    for (const to of this.#devices) {
      if (to === from || ![...this.filters].every((passes) => passes(frame, from, to))) continue;
      this.#clock.after(this.delay, () => {
        if (this.#devices.has(to)) to.receive(frame);
      });
    }
  }
}
