/**
 * An OpenFlow connection to the integration bridge (one programs its tables, another is for packets), opened
 * again whenever it ends.
 */
import type { Envelope } from "@weft/openflow";
import { type Logger, messageOf, type Runtime, type Timer } from "@weft/runtime";
import { Exchange } from "./exchange.ts";
import type { Dial, Link } from "./link.ts";

/** What a channel does with its connection. */
export interface ChannelUser {
  /** The connection is there. When it rejects, the connection is closed and tried again. */
  opened(exchange: Exchange): Promise<void>;
  /** A message that answers no request. */
  heard(envelope: Envelope): void;
  closed(): void;
}

const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 8000;

/** Keeps one connection to a target open. */
export class Channel {
  readonly #runtime: Runtime;
  readonly #dial: Dial;
  readonly #log: Logger;
  readonly #user: ChannelUser;
  readonly #name: string;
  #target: string | undefined;
  #link: Link | undefined;
  #attempt = 0;
  #pause = FIRST_PAUSE;
  #probeInterval = 0;
  #timer: Timer | undefined;

  constructor(options: { runtime: Runtime; dial: Dial; user: ChannelUser; name: string }) {
    this.#runtime = options.runtime;
    this.#dial = options.dial;
    this.#user = options.user;
    this.#name = options.name;
    this.#log = options.runtime.log.logger("rconn");
  }

  get connected(): boolean {
    return this.#link !== undefined;
  }

  /** Connects to another target, or (undefined) to none. */
  aim(target: string | undefined): void {
    if (target === this.#target) return;
    this.#target = target;
    this.#drop();
    this.#pause = FIRST_PAUSE;
    if (target !== undefined) {
      this.#runtime.log.logger("ovn_util").info(`${this.#name}: connecting to switch: "${target}"`);
      void this.#connect();
    }
  }

  /** See Link. */
  probeEvery(interval: number): void {
    if (interval === this.#probeInterval) return;
    this.#probeInterval = interval;
    this.#link?.probeEvery(interval);
  }

  async #connect(): Promise<void> {
    const target = this.#target;
    if (target === undefined) return;
    const attempt = ++this.#attempt;
    this.#log.info(`${target}: connecting...`);
    let exchange: Exchange | undefined;
    try {
      const link = await this.#dial(target, {
        onMessage: (envelope) => {
          if (exchange?.hear(envelope) !== true && attempt === this.#attempt) this.#user.heard(envelope);
        },
        onClose: (error) => {
          exchange?.close(`${target}: connection closed`);
          if (attempt === this.#attempt) this.#lost(target, error === undefined ? "connection closed by peer" : messageOf(error));
        },
      });
      if (attempt !== this.#attempt) {
        link.close();
        return;
      }
      this.#link = link;
      link.probeEvery(this.#probeInterval);
      this.#pause = FIRST_PAUSE;
      this.#log.info(`${target}: connected`);
      exchange = new Exchange(link);
      await this.#user.opened(exchange);
    } catch (error) {
      if (attempt === this.#attempt) this.#lost(target, messageOf(error));
    }
  }

  #lost(target: string, reason: string): void {
    this.#drop();
    this.#log.info(`${target}: ${reason}; waiting ${this.#pause / 1000} seconds before reconnect`);
    this.#timer = this.#runtime.clock.after(this.#pause, () => void this.#connect());
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
  }

  #drop(): void {
    this.#attempt++;
    this.#timer?.cancel();
    this.#timer = undefined;
    const link = this.#link;
    this.#link = undefined;
    if (link !== undefined) {
      this.#user.closed();
      link.close();
    }
  }
}
