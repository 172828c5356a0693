/**
 * Asks next hops of ECMP routes for their MACs, for ever: with growing pauses, of at most arp-nd-max-timeout-sec
 * (ovn-controller(8)).
 */
import { counted } from "@weft/incremental";
import type { Clock } from "@weft/runtime";
import type { AskedNexthop } from "../model/nexthops.ts";
import type { Exchange } from "../ofctrl/exchange.ts";
import { resubmit, set } from "../physical/flow.ts";
import { reg, tables as t } from "../tables.ts";
import { neighbourRequest } from "./neighbourRequest.ts";
import { packetOut } from "./packetOut.ts";

const FIRST_PAUSE = 1000;
const LAST_PAUSE = 16_000;

function identity({ datapath, port, from, ip }: AskedNexthop): string {
  return [datapath, port, from, ip].join(" ");
}

export class NexthopRequests {
  readonly #clock: Clock;
  readonly #asked = new Map<string, { readonly one: AskedNexthop; due: number; pause: number }>();
  #longest = LAST_PAUSE;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  readonly sink = counted<AskedNexthop>(identity, {
    appear: (one) => {
      this.#asked.set(identity(one), { one, due: this.#clock.now(), pause: FIRST_PAUSE });
    },
    vanish: (one) => {
      this.#asked.delete(identity(one));
    },
  });

  /** Longest pause (ms). With another one, requests begin anew. */
  limit(longest: number = LAST_PAUSE): void {
    if (longest === this.#longest) return;
    this.#longest = longest;
    for (const state of this.#asked.values()) Object.assign(state, { due: this.#clock.now(), pause: FIRST_PAUSE });
  }

  /** Sends what is due; returns when the next is (monotonic ms). */
  send(exchange: Exchange): number | undefined {
    const now = this.#clock.now();
    let next: number | undefined;
    for (const state of this.#asked.values()) {
      if (state.due <= now) {
        const { datapath, port, from, ip } = state.one;
        const frame = neighbourRequest(from, ip);
        if (frame !== undefined)
          exchange.send(packetOut(frame, [set("metadata", datapath), set(reg.outport, port), resubmit(t.localOutput)]));
        state.due = now + Math.min(state.pause, this.#longest);
        state.pause *= 2;
      }
      next = next === undefined ? state.due : Math.min(next, state.due);
    }
    return next;
  }
}
