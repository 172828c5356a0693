/** arping(8) of an emulated machine, with iputils' output. */
import { ARP_OPERATION, decode, emit, find, formatMac, IPV4_ZERO, MAC_BROADCAST, MAC_ZERO, parseIpv4 } from "@weft/packet";
import { formatIp, ip4 } from "../machine/ip.ts";
import type { Command } from "../machine/machine.ts";
import { getopt, numberOf, UsageError } from "./getopt.ts";

const usage = `
Usage:
  arping [options] <destination>

Options:
  -c <count>    how many packets to send
  -f            quit on first reply
  -i <interval> set interval between packets (default: 1 second)
  -I <device>   which ethernet device to use
  -q            be quiet
  -s <source>   source IP address
  -w <timeout>  how long to wait for a reply
`;

export const arping: Command = async (args, { namespace, host, machine }) => {
  const { clock } = machine.runtime;
  try {
    const { options, operands } = getopt(args, "bc:fi:I:qs:w:");
    const value = (letter: string) => options.findLast((option) => option.letter === letter)?.value;
    const has = (letter: string) => value(letter) !== undefined;
    const [destination] = operands;
    if (destination === undefined) throw new UsageError(usage);
    const target = parseIpv4(destination);
    if (target === undefined) throw new UsageError(`arping: ${destination}: Name or service not known\n`);
    const lookup = namespace.lookup(ip4(target));
    const name = value("I") ?? lookup?.route.device.name ?? "eth0";
    const device = namespace.device(name);
    if (!device) throw new UsageError(`arping: Device ${name} not available.\n`);
    if (!device.up) throw new UsageError(`arping: Interface "${name}" is down\n`);
    const sourceText = value("s");
    const given = sourceText === undefined ? undefined : parseIpv4(sourceText);
    if (sourceText !== undefined && given === undefined) throw new UsageError(`arping: invalid source address: ${sourceText}\n`);
    const chosen = namespace.sourceFor(device, ip4(target));
    const source = given ?? (chosen?.family === 4 ? chosen.value : IPV4_ZERO);
    const countText = value("c");
    const count = countText === undefined ? undefined : numberOf(countText, { least: 1 });
    const interval = numberOf(value("i") ?? "1", { whole: false }) * 1000;
    const deadline = value("w");
    const quiet = has("q");
    let sent = 0;
    let received = 0;
    let lastSent = 0;
    let finish: () => void = () => undefined;
    const done = new Promise<void>((resolve) => {
      finish = resolve;
    });
    await host.stdout.write(quiet ? "" : `ARPING ${destination} from ${formatIp(ip4(source))} ${name}\n`);
    const tap = (frame: Uint8Array, direction: "in" | "out") => {
      const arp = direction === "in" ? find(decode(frame), "arp") : undefined;
      if (arp?.operation !== ARP_OPERATION.reply || arp.senderIp !== target) return;
      received++;
      if (!quiet) {
        const time = (clock.now() - lastSent).toFixed(3);
        void host.stdout.write(`Unicast reply from ${destination} [${formatMac(arp.senderMac).toUpperCase()}]  ${time}ms\n`);
      }
      if (has("f") || received === count) finish();
    };
    device.taps.add(tap);
    const send = () => {
      sent++;
      lastSent = clock.now();
      device.transmit(
        emit([
          { kind: "ethernet", dst: MAC_BROADCAST, src: device.mac },
          {
            kind: "arp",
            operation: ARP_OPERATION.request,
            senderMac: device.mac,
            senderIp: source,
            targetMac: MAC_ZERO,
            targetIp: target,
          },
        ]),
      );
      timer = clock.after(interval, sent === count ? finish : send);
    };
    let timer = clock.after(0, send);
    const limit = deadline === undefined ? undefined : clock.after(numberOf(deadline) * 1000, finish);
    host.signal.addEventListener("abort", finish, { once: true });
    await done;
    timer.cancel();
    limit?.cancel();
    device.taps.delete(tap);
    host.signal.removeEventListener("abort", finish);
    if (!quiet) await host.stdout.write(`Sent ${sent} probes (${sent} broadcast(s))\nReceived ${received} response(s)\n`);
    return received > 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    await host.stderr.write(error.message.endsWith("\n") ? error.message : `arping: ${error.message}\n`);
    return 2;
  }
};
