/** One OpenFlow connection as the switch uses it: the version is agreed on, messages come and go. */
import type { Message, OfVersion } from "@weft/openflow";

export type FlowMatchFormat = "openflow10" | "nxm";

export interface Channel {
  readonly name: string;
  readonly version: OfVersion;
  /** Queues a message; without `xid` one of the switch's own. */
  send(message: Message, xid?: number): void;
  /** Refuses a request: an error message with the beginning of the request, by the name of the error ("OFPFMFC_OVERLAP"). */
  refuse(request: Uint8Array, error: string, xid: number): void;
  /** Flow mods of OpenFlow 1.0 carry a table (NXT_FLOW_MOD_TABLE_ID). */
  flowModTableId: boolean;
  /** How OpenFlow 1.0 tells of matches: its own form, or NXM (NXT_SET_FLOW_FORMAT). */
  flowFormat: FlowMatchFormat;
  /** Bytes not yet taken by the peer. */
  readonly pending: number;
  close(): void;
}
