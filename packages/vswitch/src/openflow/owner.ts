/** What sessions of a bridge share. */
import type { Clock, Logger } from "@weft/runtime";
import type { Bridge } from "../ofproto/bridge.ts";
import type { FlowMods } from "../ofproto/flow-mods.ts";
import type { Continuations } from "./packet-in.ts";

export interface SessionOwner {
  readonly bridge: Bridge;
  readonly mods: FlowMods;
  readonly log: Logger;
  readonly clock: Clock;
  readonly continuations: Continuations;
  /** The newest generation id of a role request. */
  generation: bigint | undefined;
  /** Another session becomes the master: the one that was is a slave now. */
  newMaster(session: object): void;
  /** What is told of table misses may have changed. */
  wantsChanged(): void;
  /** Runs after the request in hand, or the event. */
  soon(run: () => void): void;
  /** The request in hand is done. */
  settle(): void;
}
