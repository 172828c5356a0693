/** A connection to the integration bridge's management socket, as the rest of the controller sees it. */
import type { Envelope } from "@weft/openflow";
import type { Sender } from "./exchange.ts";

export interface Link extends Sender {
  /** Asks a switch that was silent so long (ms) whether it lives, and closes where it does not answer; 0: never. */
  probeEvery(interval: number): void;
  close(): void;
}

export interface LinkHandlers {
  onMessage(envelope: Envelope): void;
  /** The connection is gone: once. */
  onClose(error?: Error): void;
}

/** Connects and agrees on OpenFlow 1.5. Rejects with a WeftError. */
export type Dial = (target: string, handlers: LinkHandlers) => Promise<Link>;
