/** The place of connection tracking in the datapath. */
import type { Packet } from "../flow/packet.ts";
import type { CtAction } from "./actions.ts";

export interface Conntrack {
  /** Looks the packet's connection up, commits it if asked, and sets the ct words of the packet's key. */
  track(packet: Packet, action: CtAction, now: number): void;
  flush(zone: number | undefined): void;
}
