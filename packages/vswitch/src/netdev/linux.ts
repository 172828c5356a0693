/**
 * Devices of a Linux host: TAP devices for type=internal and type=tap, packet sockets for those that the host has by itself
 * (type="" or "system"). What the database shows of them is what the kernel says.
 */
import { toHex } from "@weft/packet";
import {
  type FrameDevice,
  type FrameOffload,
  type HostLink,
  type HostNetwork,
  type LinkDriver,
  type Logger,
  messageOf,
  type Runtime,
  WeftError,
} from "@weft/runtime";
import { type Netdev, type NetdevProvider, type NetdevStatistics, NO_STATISTICS } from "../netdev.ts";
import { segmentLength } from "./offload.ts";

const ETHERNET = 14;
/** So many bytes of a frame show its headers. */
const STUMBLED_BYTES = 128;

/** What a device does not do for frames that it sends, by the reference's names. */
const NO_OFFLOADS: readonly (readonly [string, string])[] = [
  "geneve_tso",
  "gre_tso",
  "ip_csum",
  "out_ip_csum",
  "out_udp_csum",
  "sctp_csum",
  "tcp_csum",
  "tcp_seg",
  "udp_csum",
  "vxlan_tso",
].map((name) => [`tx_${name}_offload`, "false"]);

class LinuxNetdev implements Netdev {
  readonly name: string;
  readonly type: string;
  onReceive: ((frame: Uint8Array, offload?: FrameOffload) => void) | undefined;
  onChange: (() => void) | undefined;
  readonly #network: HostNetwork;
  readonly #frames: FrameDevice;
  readonly #log: Logger;
  readonly #onClose: (device: LinuxNetdev) => void;
  /** The link's number stays when its name changes. */
  readonly #index: number;
  readonly #tap: boolean;
  #link: HostLink | undefined;
  #driver: LinkDriver | undefined;
  /** A TAP device that was moved to another namespace carries frames, but nothing can be seen of it here. */
  elsewhere = false;
  /** As last seen. */
  #mac: string;
  #mtu: number;
  #errorsSaid = 0;
  readonly #stumbled = new Set<string>();

  constructor(
    network: HostNetwork,
    frames: FrameDevice,
    link: HostLink,
    type: string,
    log: Logger,
    onClose: (device: LinuxNetdev) => void,
  ) {
    this.name = link.name;
    this.type = type;
    this.#tap = type !== "system";
    this.#network = network;
    this.#frames = frames;
    this.#log = log;
    this.#onClose = onClose;
    this.#index = link.index;
    this.#link = link;
    this.#mac = link.mac ?? "00:00:00:00:00:00";
    this.#mtu = link.mtu;
    this.#driver = network.driver(link.name);
    frames.onFrame = (frame, offload) => this.#receive(frame, offload);
  }

  /** A frame that the switch stumbles over is lost, not the frames behind it; what was wrong with it is told once. */
  #receive(frame: Uint8Array, offload: FrameOffload | undefined): void {
    try {
      this.onReceive?.(frame, offload);
    } catch (error) {
      const text = messageOf(error);
      if (this.#stumbled.has(text)) return;
      this.#stumbled.add(text);
      const bytes = toHex(frame.subarray(0, STUMBLED_BYTES));
      this.#log.err(`a frame received on ${this.name} was lost (${error instanceof Error ? error.stack : text}): ${bytes}`);
    }
  }

  /** As they are without the switch: a frame that is to be cut goes where its segments fit. */
  takes(offload: FrameOffload, frame: Uint8Array): boolean {
    return offload.segments === "none"
      ? offload.checksumStart + offload.checksumOffset + 2 <= frame.length
      : segmentLength(frame, offload) <= this.mtu + ETHERNET;
  }

  /** The host's links have changed. */
  update(): void {
    const before = this.#link;
    const link = this.#present();
    this.#link = link;
    this.elsewhere = this.#tap && link === undefined && !this.#frames.gone;
    this.#mac = link?.mac ?? this.#mac;
    this.#mtu = link?.mtu ?? this.#mtu;
    if (before?.up === link?.up && before?.carrier === link?.carrier && before?.mtu === link?.mtu && before?.mac === link?.mac)
      return;
    this.#driver = link === undefined ? undefined : this.#network.driver(link.name);
    this.onChange?.();
  }

  /** A device of the host's that has another name now is another device; a TAP device stays ours under whatever name. */
  #present(): HostLink | undefined {
    const link = this.#network.links.get(this.#index);
    return link !== undefined && (this.#tap ? !this.#frames.gone : link.name === this.name) ? link : undefined;
  }

  get gone(): boolean {
    return this.#tap ? this.#frames.gone : this.#present() === undefined;
  }

  get mac(): string {
    return this.#mac;
  }
  get mtu(): number {
    return this.#mtu;
  }
  get up(): boolean {
    return this.#link?.up ?? false;
  }
  get carrier(): boolean {
    return this.#link?.carrier ?? false;
  }
  get ifindex(): number {
    return this.#link?.index ?? 0;
  }
  get addresses(): readonly string[] {
    return this.#network.addresses
      .filter((address) => address.link === this.#index && this.#link !== undefined)
      .map(({ address, prefixLength }) => `${address}/${prefixLength}`);
  }

  get speed(): number | undefined {
    return this.#driver?.speed;
  }
  get fullDuplex(): boolean | undefined {
    return this.#driver?.fullDuplex;
  }

  get status(): ReadonlyMap<string, string> {
    const driver = this.#driver;
    if (driver === undefined) return new Map();
    return new Map([
      ["driver_name", driver.name],
      ["driver_version", driver.version],
      ["firmware_version", driver.firmware],
      ...(this.#link?.peer !== undefined && driver.name === "veth" ? ([["peer_ifindex", String(this.#link.peer)]] as const) : []),
      ...(this.#tap ? [] : NO_OFFLOADS),
    ]);
  }

  #counted(): HostLink["statistics"] | undefined {
    return this.#link === undefined ? undefined : this.#network.links.get(this.#index)?.statistics;
  }

  /** Of a TAP device's two ends the kernel counts at the host's. */
  get statistics(): Readonly<NetdevStatistics> {
    const s = this.#counted();
    if (s === undefined) return NO_STATISTICS;
    const { lost } = this.#frames;
    const txLost = lost.dropped + lost.errors;
    if (this.#tap) {
      return {
        rx_packets: s.tx_packets,
        rx_bytes: s.tx_bytes,
        rx_dropped: s.tx_dropped,
        rx_errors: s.tx_errors,
        tx_packets: s.rx_packets,
        tx_bytes: s.rx_bytes,
        tx_dropped: s.rx_dropped + txLost,
        tx_errors: s.rx_errors,
      };
    }
    return {
      rx_packets: s.rx_packets,
      rx_bytes: s.rx_bytes,
      rx_dropped: s.rx_dropped,
      rx_errors: s.rx_errors,
      tx_packets: s.tx_packets,
      tx_bytes: s.tx_bytes,
      tx_dropped: s.tx_dropped + txLost,
      tx_errors: s.tx_errors,
    };
  }

  get moreStatistics(): Readonly<Record<string, number>> {
    const s = this.#counted();
    return {
      collisions: s?.collisions ?? 0,
      rx_crc_err: s?.rx_crc_errors ?? 0,
      rx_frame_err: s?.rx_frame_errors ?? 0,
      rx_missed_errors: s?.rx_missed_errors ?? 0,
      rx_multicast_packets: s?.multicast ?? 0,
      rx_over_err: s?.rx_over_errors ?? 0,
    };
  }

  /** Says, now and then, why frames did not get out. */
  sayErrors(): void {
    const { errors, reason } = this.#frames.lost;
    if (errors === this.#errorsSaid) return;
    this.#log.warn(`error sending Ethernet packet on ${this.name}: ${reason ?? ""} (${errors - this.#errorsSaid} packets)`);
    this.#errorsSaid = errors;
  }

  /** The address of a device of the host's own is the host's business. */
  setMac(mac: string): void {
    if (this.#tap && mac !== this.#mac) this.#change("Ethernet address", { mac });
  }
  setMtu(mtu: number): void {
    this.#change("MTU", { mtu });
  }
  setUp(up: boolean): void {
    this.#change("flags", { up });
  }

  #change(what: string, change: { readonly up?: boolean; readonly mac?: string; readonly mtu?: number }): void {
    try {
      if (this.#link === undefined) throw new WeftError("netdev.gone", "No such device", { blame: "caller" });
      this.#network.setLink(this.#index, change);
      // More may have changed by itself meanwhile.
      this.update();
    } catch (error) {
      this.#log.warn(`failed to set ${what} for network device ${this.name}: ${messageOf(error)}`);
    }
  }

  transmit(frame: Uint8Array, offload?: FrameOffload): void {
    this.#frames.send(frame, offload);
  }

  configure(): void {}

  close(keep = false): void {
    this.onReceive = undefined;
    this.onChange = undefined;
    this.#frames.onFrame = undefined;
    this.#frames.close(keep);
    this.#onClose(this);
  }
}

/** Opens devices of the host. */
export class LinuxDevices implements NetdevProvider {
  readonly types: readonly string[] = ["internal", "system", "tap"];
  onChange: (() => void) | undefined;
  readonly #network: HostNetwork;
  readonly #log: Logger;
  readonly #open = new Set<LinuxNetdev>();

  constructor(network: HostNetwork, runtime: Runtime) {
    this.#network = network;
    this.#log = runtime.log.logger("netdev_linux");
    network.onChange(() => {
      for (const device of this.#open) device.update();
      this.onChange?.();
    });
  }

  has(name: string): boolean {
    return this.#network.link(name) !== undefined;
  }

  refresh(): void {
    this.#network.refresh();
    for (const device of this.#open) device.sayErrors();
  }

  open(name: string, type: string): Netdev {
    let frames: FrameDevice;
    try {
      frames = type === "system" ? this.#network.openPacket(name) : this.#network.openTap(name);
    } catch (error) {
      throw new WeftError("netdev.open", `could not open network device ${name} (${messageOf(error)})`, {
        blame: "caller",
        cause: error,
      });
    }
    const link = this.#network.link(name);
    if (link?.mac === undefined) {
      frames.close(false);
      throw new WeftError("netdev.open", `could not add network device ${name} to ofproto (Invalid argument)`, {
        blame: "caller",
      });
    }
    const device = new LinuxNetdev(this.#network, frames, link, type, this.#log, (closed) => this.#open.delete(closed));
    this.#open.add(device);
    return device;
  }
}
