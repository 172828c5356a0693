/**
 * An ovn-controller with a bug, as far as its switch can tell: what it sends to the integration bridge goes through whatever the
 * machine's faults put in its place. It takes its own messages for those that were sent, so that a recompute changes nothing.
 */
import type { Dial } from "@weft/controller";
import type { Message } from "@weft/openflow";

/** What a faulty controller sends in place of a message: none, or one or more. */
export type Miswriting = (message: Message) => readonly Message[];

/** Connections on which every message is miswritten by all of `faults`, which may change meanwhile. */
export function faultyDial(dial: Dial, faults: Iterable<Miswriting>): Dial {
  return async (target, handlers) => {
    const link = await dial(target, handlers);
    return {
      ...link,
      send(message, xid) {
        let sent = xid ?? link.nextXid();
        for (const one of miswritten(message, faults)) sent = link.send(one, sent);
        return sent;
      },
    };
  };
}

function miswritten(message: Message, faults: Iterable<Miswriting>): readonly Message[] {
  if (message.type === "bundle_add") {
    const { message: inner } = message;
    return miswritten(inner.message, faults).map((one) => ({ ...message, message: { ...inner, message: one } }));
  }
  let all: readonly Message[] = [message];
  for (const fault of faults) all = all.flatMap(fault);
  return all;
}
