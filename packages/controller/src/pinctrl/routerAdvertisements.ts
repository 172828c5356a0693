/** Sends router advertisements that nobody asked for, at random times (RFC 4861 section 6.2.4). */
import { type Sink, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { type Clock, type Logger, messageOf, type Random } from "@weft/runtime";
import type { Advertiser } from "../model/routerAdvertisements.ts";
import type { Exchange } from "../ofctrl/exchange.ts";
import { resubmit, set } from "../physical/flow.ts";
import { flag, reg, tables as t } from "../tables.ts";
import { advertisement } from "./advertisement.ts";
import { packetOut } from "./packetOut.ts";

interface Session {
  advertiser: Advertiser;
  /** How many evaluations yield it. */
  count: number;
  /** Undefined: the options are wrong, which has been said. */
  frame: Uint8Array | undefined;
  /** Monotonic ms. */
  due: number;
}

export class RouterAdvertisements {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Logger;
  readonly #sessions = new Map<Uuid, Session>();

  constructor(clock: Clock, random: Random, log: Logger) {
    this.#clock = clock;
    this.#random = random;
    this.#log = log;
  }

  readonly sink: Sink<Advertiser> = {
    add: (advertiser) => {
      const session = this.#sessions.get(advertiser.port);
      if (session === undefined) {
        const frame = this.#frameOf(advertiser);
        this.#sessions.set(advertiser.port, { advertiser, count: 1, frame, due: this.#next(advertiser) });
        return;
      }
      session.count++;
      if (!sameContent(session.advertiser.options, advertiser.options)) {
        session.frame = this.#frameOf(advertiser);
        session.due = this.#next(advertiser);
      }
      session.advertiser = advertiser;
    },
    remove: ({ port }) => {
      const session = this.#sessions.get(port);
      if (session !== undefined && --session.count === 0) this.#sessions.delete(port);
    },
  };

  #frameOf({ options }: Advertiser): Uint8Array | undefined {
    try {
      return advertisement(options);
    } catch (error) {
      this.#log.warn(messageOf(error));
      return undefined;
    }
  }

  #next({ min, max }: Advertiser): number {
    return this.#clock.now() + min + this.#random.below(max - min + 1);
  }

  /** Sends what is due; returns when the next is (monotonic ms). */
  send(exchange: Exchange): number | undefined {
    const now = this.#clock.now();
    let next: number | undefined;
    for (const session of this.#sessions.values()) {
      const { advertiser, frame } = session;
      if (frame === undefined) continue;
      if (session.due <= now) {
        const { datapath, port } = advertiser.from;
        // Other chassis advertise to their ports themselves.
        const local = set(reg.flags, flag.localOnly);
        const actions = [set("metadata", datapath), set(reg.inport, port), local, resubmit(t.logIngress)];
        exchange.send(packetOut(frame, actions));
        session.due = this.#next(advertiser);
      }
      next = Math.min(next ?? session.due, session.due);
    }
    return next;
  }
}
