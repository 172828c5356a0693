import type { Netdev } from "../netdev.ts";
import type { TunnelProtocol } from "../tunnel/header.ts";

/** A port of the datapath: a device, or the shared end of a tunnel protocol. */
export interface DpPort {
  readonly number: number;
  readonly name: string;
  /** As dpctl/show prints it. */
  readonly type: string;
  readonly netdev: Netdev | undefined;
  readonly tunnel: { readonly protocol: TunnelProtocol; readonly udpPort: number } | undefined;
}
