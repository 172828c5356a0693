/**
 * Network devices as the switch sees them. The lab, TAP devices, AF_PACKET sockets and OVS's dummy devices are all
 * providers of these; the switch knows nothing else of where frames come from.
 */
import type { FrameOffload, Runtime } from "@weft/runtime";
import type { Route } from "./tunnel/routes.ts";

/** Counters of ovs-vswitchd.conf.db(5) Interface statistics, by their names there. */
export interface NetdevStatistics {
  rx_packets: number;
  rx_bytes: number;
  rx_dropped: number;
  rx_errors: number;
  tx_packets: number;
  tx_bytes: number;
  tx_dropped: number;
  tx_errors: number;
}

/** Nothing has passed. */
export const NO_STATISTICS: Readonly<NetdevStatistics> = {
  rx_packets: 0,
  rx_bytes: 0,
  rx_dropped: 0,
  rx_errors: 0,
  tx_packets: 0,
  tx_bytes: 0,
  tx_dropped: 0,
  tx_errors: 0,
};

export interface Netdev {
  readonly name: string;
  /** The Interface type: "internal", "system", "dummy", "tap". */
  readonly type: string;
  /** 48-bit MAC address, as text "aa:bb:cc:dd:ee:ff". */
  readonly mac: string;
  readonly mtu: number;
  /** Administrative state and carrier. */
  readonly up: boolean;
  readonly carrier: boolean;
  readonly statistics: Readonly<NetdevStatistics>;
  /** Linux ifindex, or 0. */
  readonly ifindex: number;
  /** IP addresses with prefix lengths ("10.0.0.1/24"), where the device knows them: native tunnels end at these. */
  readonly addresses?: readonly string[];
  /** More counters for the Interface's statistics column, by name. */
  readonly moreStatistics?: Readonly<Record<string, number>>;
  /** Interface status column, e.g. driver_name. */
  readonly status?: ReadonlyMap<string, string>;
  /** bit/s, and whether both directions work at once, where the device knows. */
  readonly speed?: number | undefined;
  readonly fullDuplex?: boolean | undefined;
  /** The device was removed from under the switch. */
  readonly gone?: boolean;
  /** The device cannot be seen any longer, but frames pass (a TAP device in another network namespace). */
  readonly elsewhere?: boolean;
  setMac(mac: string): void;
  setMtu(mtu: number): void;
  setUp(up: boolean): void;
  /**
   * The switch transmits a frame (Ethernet header first, no FCS). The array belongs to the device from now on. `offload`: what is left
   * to be done with it, for a device that takes such frames.
   */
  transmit(frame: Uint8Array, offload?: FrameOffload): void;
  /** Whether the device takes a frame with that left to be done; absent: none. */
  takes?(offload: FrameOffload, frame: Uint8Array): boolean;
  /** The switch hears of received frames and of changes of state; one handler each, set by the switch. */
  onReceive: ((frame: Uint8Array, offload?: FrameOffload) => void) | undefined;
  onChange: (() => void) | undefined;
  /** Takes new values of Interface options; throws a WeftError for those that it cannot take. */
  configure(options: ReadonlyMap<string, string>): void;
  /** `keep`: the switch ends but is to find its own devices again when it starts anew. */
  close(keep?: boolean): void;
}

/** Opens devices of some Interface types for a switch. */
export interface NetdevProvider {
  readonly types: readonly string[];
  /** Rejects with a WeftError whose message becomes the Interface's `error` column. */
  open(name: string, type: string, options: ReadonlyMap<string, string>): Promise<Netdev> | Netdev;
  /** Whether there is a device of that name now; absent: devices do not come by themselves. */
  has?(name: string): boolean;
  /** Devices have come, gone or changed; one handler, set by the switch. */
  onChange?: (() => void) | undefined;
  /** Brings counters up to date; called before they are written. */
  refresh?(): void;
}

/** The host's own routes, by which native tunnels find the bridge to leave through. */
export interface HostRoutes {
  all(): readonly Route[];
}

/** An IP route or neighbour of the host, for tunnels that go through the host's own stack. */
export interface TunnelHost {
  /** Binds the UDP port of a tunnel protocol on the host; frames arrive at `receive` with the outer addresses. */
  bindTunnel(
    udpPort: number,
    receive: (
      payload: Uint8Array,
      outer: { readonly src: string; readonly dst: string; readonly tos: number; readonly ttl: number; readonly srcPort: number },
    ) => void,
  ): Promise<{
    /** Sends a tunnel packet (Geneve or VXLAN header and inner frame) to `dst`; `src` "" lets routing choose. */
    send(
      payload: Uint8Array,
      outer: {
        readonly src: string;
        readonly dst: string;
        readonly tos: number;
        readonly ttl: number;
        readonly srcPort: number;
        readonly df: boolean;
        readonly csum: boolean;
      },
    ): void;
    close(): void;
  }>;
}

/** What a switch is made from, besides its database. */
export interface SwitchWorld {
  readonly runtime: Runtime;
  readonly providers: readonly NetdevProvider[];
  /** Tunnels through the host's IP stack. */
  readonly tunnelHost?: TunnelHost;
  /**
   * Which tunnels go through {@link tunnelHost}: all of them, or those whose route leaves by none of the switch's bridges. The others
   * go through the bridges, with the switch's own routes and neighbours (OVS's native tunneling).
   */
  readonly hostTunnels?: "all" | "off-bridge";
  /** Absent: the switch knows the routes that follow from its bridges' addresses, and those that it is told (ovs/route/add). */
  readonly hostRoutes?: HostRoutes;
}
