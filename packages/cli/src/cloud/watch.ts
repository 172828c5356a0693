/** `weft watch PORT`: packets of a port, live. */
import { type Counts, endpointOf, readCloud, risenCounters, traceFrame, watchSightings } from "@weft/trace";
import { UsageError } from "../options.ts";
import type { CloudCommand } from "./commands.ts";

/** Ms between two looks at the counters of switches whose devices are out of reach. */
const INTERVAL = 1000;

export const watchCommand: CloudCommand = {
  usage: "[OPTIONS] PORT",
  help: `Tells the packets from and to a logical port as they pass: in a lab at every device, elsewhere by the counters of the flows that they
meet, once a second. A packet that comes no further is told with the reason. Ends with Ctrl-C.
  --duration SECONDS      ends by itself
`,
  rows: [{ name: "duration", argument: "required" }],
  async run({ host, value, words, places }) {
    const [name, ...more] = words;
    if (name === undefined || more.length > 0) throw new UsageError("watch takes one port");
    const text = value("duration");
    const duration = text === undefined ? undefined : Number(text) * 1000;
    if (duration !== undefined && !(duration > 0)) throw new UsageError(`--duration ${text}: not a number of seconds`);
    const where = await places();
    const { clock } = host.runtime;
    const ended = new Promise<void>((resolve) => {
      host.signal.addEventListener("abort", () => resolve(), { once: true });
      if (duration !== undefined) clock.after(duration, resolve);
    });
    const first = await readCloud(where);
    const port = endpointOf(first, name);
    await first.close();
    const say = (line: string): void => void host.stdout.write(`${line}\n`);
    if (where.tap !== undefined) {
      const watcher = watchSightings({
        clock,
        port,
        say,
        async why(node, device, frame) {
          const cloud = await readCloud(where);
          try {
            const { there, cause } = await traceFrame(cloud, { node, device, frame });
            return there.delivered ? undefined : cause?.text;
          } finally {
            await cloud.close();
          }
        },
      });
      const stop = where.tap((frame) => watcher.tapped(frame));
      await ended;
      stop();
      watcher.stop();
      return 0;
    }
    let over = false;
    void ended.then(() => {
      over = true;
    });
    let counts: Counts | undefined;
    while (!over) {
      const cloud = await readCloud(where);
      const risen = risenCounters(cloud, port, counts);
      await cloud.close();
      counts = risen.counts;
      for (const line of risen.lines) say(line);
      await Promise.race([ended, clock.sleep(INTERVAL)]);
    }
    return 0;
  },
};
