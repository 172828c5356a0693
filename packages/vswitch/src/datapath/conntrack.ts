/** The place of connection tracking in the datapath. */
import type { Packet } from "../flow/packet.ts";
import type { CtAction } from "./actions.ts";

export interface Conntrack {
  /**
   * Looks the packet's connection up, commits it if asked, translates the packet and sets the ct words of its key. Undefined: the
   * packet goes on. Otherwise it was a fragment, and those in the list go on in its place, none while others are waited for.
   */
  track(packet: Packet, action: CtAction, now: number): readonly Packet[] | undefined;
  /** Regular work: expiry. */
  maintain(now: number): void;
}
