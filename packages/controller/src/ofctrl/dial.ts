/** Connections to a switch over the runtime's network. */
import { ActionLists, OF15, OpenFlowConnection } from "@weft/openflow";
import { messageOf, type Runtime, WeftError } from "@weft/runtime";
import type { Dial } from "./link.ts";

export function dialSwitch(runtime: Runtime): Dial {
  return async (target, handlers) => {
    const stream = await runtime.net.connect(target, { defaultPort: 6653 });
    const log = runtime.log.logger("ofctrl");
    return new Promise((resolve, reject) => {
      let ready = false;
      const connection = new OpenFlowConnection(stream, {
        versions: 1 << OF15,
        clock: runtime.clock,
        onReady: () => {
          ready = true;
          connection.configure({}, { actionLists: new ActionLists() });
          resolve({
            send: (message, xid) => connection.send(message, xid),
            nextXid: () => connection.nextXid(),
            batch: (run) => connection.batch(run),
            pause: () => new Promise((resume) => runtime.clock.soon(resume)),
            probeEvery: (interval) => connection.probeEvery(interval),
            close: () => connection.close(),
          });
        },
        onMessage: (envelope) => handlers.onMessage(envelope),
        onBadMessage: (error) => log.warn(`${target}: ${messageOf(error)}`),
        onClose: (error) => {
          if (ready) handlers.onClose(error);
          else reject(error ?? new WeftError("controller.disconnected", `${target}: closed before hello`));
        },
      });
    });
  };
}
