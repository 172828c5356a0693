import type { Netdev } from "../netdev.ts";
import type { Egress } from "../qos/egress.ts";
import type { IngressPolicer } from "../qos/policer.ts";
import type { TunnelProtocol } from "../tunnel/header.ts";

export interface PortDrops {
  rx: number;
  tx: number;
}

/** A port of the datapath: a device, or the shared end of a tunnel protocol. */
export interface DpPort {
  readonly number: number;
  readonly name: string;
  /** As dpctl/show prints it. */
  readonly type: string;
  readonly netdev: Netdev | undefined;
  readonly tunnel: { readonly protocol: TunnelProtocol; readonly udpPort: number } | undefined;
  /** Where frames wait or are dropped on their way to the device. */
  egress?: Egress | undefined;
  /** What received frames must pass. */
  policer?: IngressPolicer | undefined;
  /** Packets that these two have dropped, ever. */
  drops?: PortDrops;
}
