/** trigger_event: rows of Controller_Event (ovn-sb(5)) for the CMS, which takes away those that it has seen. */
import type { Transaction } from "@weft/ovsdb";
import { get16, get32 } from "@weft/packet";
import type { SbSchema } from "@weft/schemas";
import { Outbox } from "../outbox.ts";
import type { Lookup } from "./lookup.ts";
import type { OwnChassis } from "./ownChassis.ts";

const EMPTY_LB_BACKENDS = 0;
const OPTION_NAMES = new Map([
  [1, "vip"],
  [2, "protocol"],
  [3, "load_balancer"],
]);

type Info = ReadonlyMap<string, string>;

/** The operands of trigger_event: the event's number, then options with code and length. Undefined: no event that we know. */
function readEvent(operands: Uint8Array): Info | undefined {
  if (operands.length < 4 || get32(operands, 0) !== EMPTY_LB_BACKENDS) return undefined;
  const info = new Map<string, string>();
  for (let at = 4; at + 4 <= operands.length; ) {
    const end = at + 4 + get16(operands, at + 2);
    const name = OPTION_NAMES.get(get16(operands, at));
    if (name === undefined || end > operands.length) return undefined;
    info.set(name, new TextDecoder().decode(operands.subarray(at + 4, end)));
    at = end;
  }
  return info;
}

function keyOf(info: Info): string {
  return JSON.stringify([...info].sort());
}

export class Events {
  readonly #new = new Outbox<Info>();
  #sequence = 0;

  /** Returns whether the operands are those of an event. */
  trigger(operands: Uint8Array): boolean {
    const info = readEvent(operands);
    if (info !== undefined) this.#new.add(keyOf(info), info);
    return info !== undefined;
  }

  /** Puts what is not there yet into a transaction. */
  write(lookup: Lookup, own: OwnChassis, transaction: Transaction<SbSchema>): void {
    const news = [...this.#new.take()];
    if (news.length === 0) return;
    const there = new Set(lookup.events(own.uuid).map((row) => keyOf(row.event_info)));
    for (const info of news) {
      if (there.has(keyOf(info))) continue;
      transaction.insert("Controller_Event", {
        event_type: "empty_lb_backends",
        event_info: [...info],
        chassis: own.uuid,
        seq_num: ++this.#sequence,
      });
    }
  }

  /** The last transaction has failed. */
  rewrite(): void {
    this.#new.retry();
  }
}
