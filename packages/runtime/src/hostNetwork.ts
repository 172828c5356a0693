/**
 * The network of the Linux host that a program runs on, within its network namespace: links, addresses and routes as the kernel has
 * them, devices that frames are read from and written to, and tunnel packets over the host's own IP stack.
 */

/** Counters of a link by the names of ovs-vswitchd.conf.db(5), as rtnetlink(7) IFLA_STATS64 has them. */
export interface LinkStatistics {
  readonly rx_packets: number;
  readonly tx_packets: number;
  readonly rx_bytes: number;
  readonly tx_bytes: number;
  readonly rx_errors: number;
  readonly tx_errors: number;
  readonly rx_dropped: number;
  readonly tx_dropped: number;
  readonly multicast: number;
  readonly collisions: number;
  readonly rx_over_errors: number;
  readonly rx_crc_errors: number;
  readonly rx_frame_errors: number;
  readonly rx_missed_errors: number;
}

export interface HostLink {
  readonly index: number;
  readonly name: string;
  /** "aa:bb:cc:dd:ee:ff"; undefined for links that are not Ethernet's. */
  readonly mac: string | undefined;
  readonly mtu: number;
  /** Administrative state, and whether the other end is there. */
  readonly up: boolean;
  readonly carrier: boolean;
  /** The index of a veth's other end, in whatever namespace that is. */
  readonly peer: number | undefined;
  readonly statistics: LinkStatistics;
}

export interface HostAddress {
  /** Index of the link. */
  readonly link: number;
  /** IPv4 or IPv6, as text. */
  readonly address: string;
  readonly prefixLength: number;
}

export interface HostRoute {
  /** Index of the link that packets leave by. */
  readonly link: number;
  readonly family: 4 | 6;
  readonly destination: string;
  readonly prefixLength: number;
  readonly gateway: string | undefined;
  /** The preferred source address. */
  readonly source: string | undefined;
  readonly metric: number;
  /** An address of the host itself. */
  readonly local: boolean;
}

/** What a driver says of itself (ethtool(8) -i), and the link's speed in bit/s. */
export interface LinkDriver {
  readonly name: string;
  readonly version: string;
  readonly firmware: string;
  readonly speed: number | undefined;
  readonly fullDuplex: boolean | undefined;
}

/**
 * Work on a frame that its sender left to the device (virtio 1.2 section 5.1.6, struct virtio_net_hdr): a checksum over the bytes
 * from `checksumStart` on to be put `checksumOffset` bytes behind it, and cutting into segments.
 */
export interface FrameOffload {
  /** Whether the checksum is to be filled in; the field holds the pseudo-header's sum. */
  readonly needsChecksum: boolean;
  /** "none", or what the frame is to be cut into; "other" cannot be cut here. */
  readonly segments: "none" | "tcp4" | "tcp6" | "udp" | "other";
  readonly checksumStart: number;
  readonly checksumOffset: number;
  /** Bytes of payload for each segment. */
  readonly segmentSize: number;
  /** The first segment tells that the sender has slowed down (RFC 3168); the others do not. */
  readonly congestion: boolean;
}

/** Frames lost by a device on the way out, beyond what the kernel counts. */
export interface FramesLost {
  /** For want of room. */
  dropped: number;
  /** Refused by the kernel, last for this reason. */
  errors: number;
  reason: string | undefined;
}

/** A device that whole Ethernet frames (without FCS) are read from and written to. */
export interface FrameDevice {
  /** Called for every frame received; the array is the callee's. */
  onFrame: ((frame: Uint8Array, offload: FrameOffload | undefined) => void) | undefined;
  /** Queues a frame; it leaves at the end of the present burst, or soon. The array is not kept. What is left to do the kernel does. */
  send(frame: Uint8Array, offload?: FrameOffload): void;
  readonly lost: Readonly<FramesLost>;
  /** Somebody has removed the device. */
  readonly gone: boolean;
  /** Of a TAP device, whether it stays for the program's next start. */
  close(keep: boolean): void;
}

/** What the IP header of a received datagram said; addresses are 4 or 16 bytes in network order. */
export interface DatagramHeader {
  readonly src: Uint8Array;
  readonly dst: Uint8Array;
  readonly srcPort: number;
  /** IPv4 type of service, IPv6 traffic class. */
  readonly tos: number;
  readonly ttl: number;
}

/** A UDP port of the host, for receiving only. */
export interface DatagramReceiver {
  close(): void;
}

/** Sends IP packets that are complete, both IPv4 and IPv6, by the host's routes (raw(7)). */
export interface IpSender {
  /** `packet` begins with the IP header; the host fills in the IPv4 header's checksum. The array is not kept. */
  send(packet: Uint8Array): void;
  /** Packets that the host refused: too long for the way, without a route. */
  readonly lost: Readonly<FramesLost>;
  close(): void;
}

export interface HostNetwork {
  /** As of the last change heard of; {@link refresh} reads counters anew. */
  readonly links: ReadonlyMap<number, HostLink>;
  readonly addresses: readonly HostAddress[];
  readonly routes: readonly HostRoute[];
  link(name: string): HostLink | undefined;
  refresh(): void;
  /** Links, addresses or routes have changed. */
  onChange(listener: () => void): () => void;
  driver(name: string): LinkDriver | undefined;
  /** Changes a link; throws a WeftError with the kernel's reason. */
  setLink(index: number, change: { readonly up?: boolean; readonly mac?: string; readonly mtu?: number }): void;
  /**
   * Makes a TAP device, or takes one that was kept; frames that the host sends by it are received here. It stays until it is closed,
   * also when the program dies. Throws a WeftError ("host.device") whose message is the kernel's reason.
   */
  openTap(name: string): FrameDevice;
  /** Receives all that arrives at a link, in promiscuous mode, and sends by it (packet(7)). Throws as {@link openTap} does. */
  openPacket(name: string): FrameDevice;
  /** Binds a UDP port on all addresses of the host; the payload is the callee's. Throws as {@link openTap} does. */
  openUdp(port: number, receive: (payload: Uint8Array, header: DatagramHeader) => void): DatagramReceiver;
  /** Throws as {@link openTap} does. */
  openIp(): IpSender;
  close(): void;
}
