/** OpenFlow ports and the database's ports (bundles) of a bridge. */
import type { BfdSession } from "../bfd/session.ts";
import type { Bond } from "../bond/bond.ts";
import type { LacpSession } from "../bond/lacp.ts";
import type { Netdev } from "../netdev.ts";
import type { Erspan } from "../tunnel/erspan.ts";
import type { TunnelProtocol } from "../tunnel/header.ts";
import type { Bridge } from "./bridge.ts";

export type VlanMode = "access" | "trunk" | "native-tagged" | "native-untagged" | "dot1q-tunnel";

/** What an ERSPAN tunnel's headers say. */
export interface ErspanConfig {
  /** undefined: nothing can be sent. */
  readonly version: "flow" | Erspan["version"] | undefined;
  readonly index: "flow" | number;
  readonly direction: "flow" | number;
  readonly hardware: "flow" | number;
}

/** Options of a tunnel interface (ovs-vswitchd.conf.db(5), "Tunnel Options"). */
export interface TunnelConfig {
  readonly protocol: TunnelProtocol;
  /** "flow", or an address. */
  readonly remoteIp: string;
  /** "flow", an address, or undefined. */
  readonly localIp: string | undefined;
  /** "flow", or a number; undefined: no key (0). */
  readonly inKey: "flow" | bigint | undefined;
  readonly outKey: "flow" | bigint | undefined;
  readonly dstPort: number;
  readonly csum: boolean;
  readonly tos: "inherit" | number;
  readonly ttl: "inherit" | number;
  readonly df: boolean;
  readonly egressPktMark: number | undefined;
  /** Of ERSPAN tunnels. */
  readonly erspan?: ErspanConfig;
}

export interface OfPort {
  readonly bridge: Bridge;
  readonly name: string;
  /** OpenFlow 1.0 number: 1 to 0xfeff, or OFPP.LOCAL. */
  readonly ofport: number;
  readonly kind: "device" | "local" | "patch" | "tunnel";
  /** For device and local. */
  netdev: Netdev | undefined;
  /** The datapath's port; for tunnels that of their protocol's shared port. undefined: patch ports. */
  dpPort: number | undefined;
  tunnel: TunnelConfig | undefined;
  /** Name of the peer of a patch port. */
  peerName: string | undefined;
  /** 48-bit number. */
  mac: number;
  /** PORT_CONFIG bits. PORT_DOWN follows the device. */
  config: number;
  up: boolean;
  carrier: boolean;
  bundle: Bundle | undefined;
  /** DSCP values that packets of a queue leave with, by the queues' numbers. */
  queueDscp?: ReadonlyMap<number, number> | undefined;
  /** Where BFD watches the port. */
  bfd: BfdSession | undefined;
  /** For patch and tunnel ports, which have no device to count. */
  readonly counters: { rxPackets: number; rxBytes: number; txPackets: number; txBytes: number };
  /** Monotonic ms of adding. */
  readonly created: number;
  readonly type: string;
  readonly options: ReadonlyMap<string, string>;
}

/** A row of the Port table: one or more interfaces with common VLAN settings. */
export interface Bundle {
  readonly name: string;
  readonly bridge: Bridge;
  ports: OfPort[];
  vlanMode: VlanMode;
  /** Access or native VLAN; 0: untagged. */
  tag: number;
  /** undefined: all VLANs. */
  trunks: ReadonlySet<number> | undefined;
  cvlans: ReadonlySet<number> | undefined;
  qinqEthType: number;
  /** Tag frames of priority only: "no", "if-nonzero", "always". */
  priorityTags: "no" | "if-nonzero" | "always";
  protected: boolean;
  /** Mirrors that select packets received here, sent here, and that this is the output of: bits by mirror index. */
  srcMirrors: number;
  dstMirrors: number;
  mirrorOut: number;
  /** Where there is more than one port. */
  bond?: Bond | undefined;
  lacp?: LacpSession | undefined;
}

/** A bundle without ports, with the settings that a row of the Port table has by default: all VLANs. */
export function newBundle(name: string, bridge: Bridge): Bundle {
  return {
    name,
    bridge,
    ports: [],
    vlanMode: "trunk",
    tag: 0,
    trunks: undefined,
    cvlans: undefined,
    qinqEthType: 0x88a8,
    priorityTags: "no",
    protected: false,
    srcMirrors: 0,
    dstMirrors: 0,
    mirrorOut: 0,
  };
}

export interface MirrorConfig {
  readonly index: number;
  readonly name: string;
  /** VLANs selected; undefined: all. */
  readonly vlans: ReadonlySet<number> | undefined;
  readonly out: Bundle | undefined;
  readonly outVlan: number | undefined;
  readonly snaplen: number;
  packets: number;
  bytes: number;
}

/** Does a bundle carry this VLAN (0: untagged)? */
export function bundleTrunks(bundle: Bundle, vlan: number): boolean {
  return bundle.trunks === undefined || bundle.trunks.has(vlan);
}

/** Does a bundle carry packets of this VLAN, and of this VLAN within it (0: none)? */
export function bundleIncludesVlan(bundle: Bundle, vlan: number, inner: number): boolean {
  switch (bundle.vlanMode) {
    case "access":
      return vlan === bundle.tag && inner === 0;
    case "dot1q-tunnel":
      return vlan === bundle.tag && (bundle.cvlans === undefined || bundle.cvlans.has(inner));
    case "native-tagged":
    case "native-untagged":
      return vlan === bundle.tag || bundleTrunks(bundle, vlan);
    case "trunk":
      return bundleTrunks(bundle, vlan);
  }
}
