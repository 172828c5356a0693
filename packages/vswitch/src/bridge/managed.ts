/** What the switch keeps for rows of the database: bridges and interfaces that exist. */
import type { Uuid } from "@weft/ovsdb";
import type { Netdev } from "../netdev.ts";
import type { Bridge } from "../ofproto/bridge.ts";
import type { FlowMods } from "../ofproto/flow-mods.ts";
import type { OfPort } from "../ofproto/port.ts";
import type { OpenFlowServer } from "../openflow/server.ts";

export interface ManagedInterface {
  readonly name: string;
  uuid: Uuid;
  /** The Interface type of the row. */
  readonly type: string;
  options: ReadonlyMap<string, string>;
  netdev: Netdev | undefined;
  port: OfPort | undefined;
  error: string | undefined;
  /** Link changes seen (link_resets). */
  linkResets: number;
  wasUp: boolean;
}

export interface ManagedBridge {
  readonly name: string;
  uuid: Uuid;
  readonly bridge: Bridge;
  readonly mods: FlowMods;
  readonly interfaces: Map<string, ManagedInterface>;
  readonly server: OpenFlowServer;
  nextPort: number;
  /** The address of the LOCAL port when nothing asks for another. */
  readonly defaultMac: number;
  mac: number;
}
