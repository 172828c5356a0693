/** tcpdump(8) of an emulated machine: captures on its devices, prints, writes and reads capture files. */
import {
  compileFilter,
  isMacMulticast,
  LINK_TYPE,
  MAC_BROADCAST,
  PacketPrinter,
  PcapWriter,
  type PrinterOptions,
  readCapture,
  readMac,
  type Timestamp,
} from "@weft/packet";
import { messageOf, WeftError } from "@weft/runtime";
import type { Device, Direction } from "../machine/device.ts";
import type { Command, CommandContext } from "../machine/machine.ts";
import { getopt, numberOf, UsageError } from "./getopt.ts";

interface Options {
  device: string | undefined;
  count: number | undefined;
  write: string | undefined;
  read: string | undefined;
  snapshot: number;
  direction: Direction | undefined;
  list: boolean;
  printer: { -readonly [K in keyof PrinterOptions]: PrinterOptions[K] };
}

/** tcpdump's default. */
const SNAPSHOT = 262_144;
const times = ["clock", "none", "epoch", "delta", "date", "since-first"] as const;

function parse(args: readonly string[]): { options: Options; filter: string } {
  const printer: Options["printer"] = { verbose: 0 };
  const options: Options = {
    device: undefined,
    count: undefined,
    write: undefined,
    read: undefined,
    snapshot: SNAPSHOT,
    direction: undefined,
    list: false,
    printer,
  };
  let hex = "";
  let time = 0;
  const { options: given, operands } = getopt(args, "+#Ac:DeIi:KlnNpqQ:r:Ss:tUuvw:xXy:Z:", {
    interface: "i",
    "list-interfaces": "D",
    "snapshot-length": "s",
    direction: "Q",
    number: "#",
    "no-promiscuous-mode": "p",
    "immediate-mode": "l",
    count: "c",
  });
  for (const { letter, value } of given) {
    switch (letter) {
      case "i":
        options.device = value;
        break;
      case "c":
        options.count = numberOf(value, { least: 1 });
        break;
      case "w":
        options.write = value;
        break;
      case "r":
        options.read = value;
        break;
      case "s":
        options.snapshot = numberOf(value) || SNAPSHOT;
        break;
      case "Q":
        if (value !== "in" && value !== "out" && value !== "inout") throw new UsageError(`unknown capture direction '${value}'`);
        options.direction = value === "inout" ? undefined : value;
        break;
      case "e":
        printer.link = true;
        break;
      case "n":
        printer.numeric = true;
        break;
      case "v":
        printer.verbose = (printer.verbose ?? 0) + 1;
        break;
      case "q":
        printer.quiet = true;
        break;
      case "S":
        printer.absoluteSequence = true;
        break;
      case "A":
        printer.ascii = true;
        break;
      case "#":
        printer.number = true;
        break;
      case "x":
      case "X":
        hex += letter;
        break;
      case "t":
        time++;
        break;
      case "D":
        options.list = true;
        break;
    }
  }
  if (hex !== "") printer.hex = hex.startsWith("X") ? (hex.length > 1 ? "XX" : "X") : hex.length > 1 ? "xx" : "x";
  printer.time = times[time] ?? "since-first";
  return { options, filter: operands.join(" ") };
}

/**
 * getopt on Linux takes options behind operands as well, and the posts write `tcpdump -i vm1 icmp -c1`: the options are
 * taken out from between the filter's words. A word with a leading minus is no filter word.
 */
function permuted(args: readonly string[]): string[] {
  const options: string[] = [];
  const words: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!;
    if (!word.startsWith("-") || word === "-") words.push(word);
    else {
      options.push(word);
      const last = word.startsWith("--") ? "" : word.slice(1).search(/[cirsQwyZ]/);
      // An option that ends its cluster takes the next word as its argument.
      if (typeof last === "number" && last === word.length - 2 && at + 1 < args.length) options.push(args[++at]!);
    }
  }
  return [...options, "--", ...words];
}

function timestamp(wall: number): Timestamp {
  const seconds = Math.floor(wall / 1000);
  return { seconds, nanoseconds: Math.floor((wall - seconds * 1000) * 1000) * 1000 };
}

/**
 * What a filter sees of a frame captured live: Linux keeps the outermost VLAN tag beside the frame, so that a filter which
 * does not speak of VLANs looks at the frame without it.
 */
function seenByFilter(frame: Uint8Array, filter: string): Uint8Array {
  if (frame[12] !== 0x81 || frame[13] !== 0 || frame.length < 18 || /\bvlan\b/.test(filter)) return frame;
  const untagged = new Uint8Array(frame.length - 4);
  untagged.set(frame.subarray(0, 12));
  untagged.set(frame.subarray(16), 12);
  return untagged;
}

/** Takes packets until `count` have passed the filter. */
class Capture {
  readonly #options: Options;
  readonly #printer: PacketPrinter;
  readonly #writer: PcapWriter | undefined;
  readonly #passes: (frame: Uint8Array, length: number, linkType: number) => boolean;
  readonly #output: (bytes: Uint8Array | string) => void | Promise<void>;
  seen = 0;
  captured = 0;

  constructor(options: Options, filter: string, output: (bytes: Uint8Array | string) => void | Promise<void>) {
    this.#options = options;
    this.#printer = new PacketPrinter(options.printer);
    this.#writer = options.write === undefined ? undefined : new PcapWriter({ linkType: LINK_TYPE.ethernet });
    const passes = filter === "" ? () => true : compileFilter(filter);
    this.#passes = (frame, length, linkType) => {
      const seen = options.read === undefined ? seenByFilter(frame, filter) : frame;
      return passes(seen, length - (frame.length - seen.length), linkType);
    };
    this.#output = output;
    if (this.#writer) void output(this.#writer.header());
  }

  get full(): boolean {
    return this.#options.count !== undefined && this.captured >= this.#options.count;
  }

  /** `shown`: the packet's text as it is to be printed. */
  take(frame: Uint8Array, length: number, time: Timestamp, shown = (text: string) => text): void {
    if (this.full) return;
    this.seen++;
    if (!this.#passes(frame, length, LINK_TYPE.ethernet)) return;
    this.captured++;
    const bytes = frame.slice(0, this.#options.snapshot);
    if (this.#writer) void this.#output(this.#writer.record(time, bytes, length));
    else {
      void this.#output(`${shown(this.#printer.print({ bytes, length, time }))}\n`);
    }
  }
}

/** Bytes by which the header of LINUX_SLL2 is longer than Ethernet's. */
const COOKED_MORE = 6;

/** The text of a packet as a capture on all devices has it: device and direction in front, with -e no destination. */
function cooked(text: string, { name, ifindex, mac }: Device, direction: Direction, frame: Uint8Array): string {
  const destination = readMac(frame, 0);
  const how =
    direction === "out"
      ? "Out"
      : destination === MAC_BROADCAST
        ? "B"
        : isMacMulticast(destination)
          ? "M"
          : destination === mac || mac === 0
            ? "In"
            : "P";
  const place = `${name.padEnd(5)} ${how.padEnd(3)} `;
  const link = /([0-9a-f:]{17}) > [0-9a-f:]{17}, (ethertype [^,]+), length (\d+): /.exec(text);
  if (!link) return text.replace(" ", ` ${place}`);
  const [whole, source, type, length] = link;
  const header = `${place}ifindex ${ifindex} ${source} ${type}, length ${Number(length) + COOKED_MORE}: `;
  return text.slice(0, link.index) + header + text.slice(link.index + whole.length);
}

async function live(options: Options, filter: string, context: CommandContext): Promise<number> {
  const { namespace, host, machine } = context;
  const { clock } = machine.runtime;
  const name =
    options.device ?? namespace.sortedDevices.find((device) => device.up && device !== namespace.loopback)?.name ?? "lo";
  const any = name === "any";
  if (any && options.write !== undefined) throw new UsageError("-i any with -w is not supported on an emulated machine");
  const device = namespace.device(name);
  if (!device && !any) throw new UsageError(`${name}: No such device exists\n(No such device exists)`);
  const file = options.write === undefined || options.write === "-" ? undefined : await openForWriting(context, options.write);
  let written: Promise<void> = Promise.resolve();
  const capture = new Capture(options, filter, (bytes) => {
    if (!file) return host.stdout.write(bytes);
    written = written.then(() => file.append(typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes));
  });
  if (any) await host.stderr.write("tcpdump: data link type LINUX_SLL2\n");
  const listening = `listening on ${name}, link-type ${any ? "LINUX_SLL2 (Linux cooked v2)" : "EN10MB (Ethernet)"}, snapshot length ${options.snapshot} bytes\n`;
  if (options.printer.verbose || options.write !== undefined) await host.stderr.write(`tcpdump: ${listening}`);
  else await host.stderr.write(`tcpdump: verbose output suppressed, use -v[v]... for full protocol decode\n${listening}`);
  let finish: () => void = () => undefined;
  const done = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const devices = any ? namespace.sortedDevices : [device!];
  const taps = devices.map((from: Device) => {
    const tap = (frame: Uint8Array, direction: Direction) => {
      if (options.direction !== undefined && options.direction !== direction) return;
      capture.take(
        frame,
        frame.length,
        timestamp(clock.wall()),
        any ? (text) => cooked(text, from, direction, frame) : undefined,
      );
      if (capture.full) finish();
    };
    from.taps.add(tap);
    return { from, tap };
  });
  host.signal.addEventListener("abort", finish, { once: true });
  if (!host.signal.aborted) await done;
  for (const { from, tap } of taps) from.taps.delete(tap);
  host.signal.removeEventListener("abort", finish);
  await written;
  await file?.close();
  const packets = (count: number) => `${count} packet${count === 1 ? "" : "s"}`;
  await host.stderr.write(
    // Behind the terminal's ^C, a line of its own.
    `${host.signal.aborted ? "\n" : ""}${packets(capture.captured)} captured\n${packets(capture.captured)} received by filter\n0 packets dropped by kernel\n`,
  );
  return 0;
}

async function openForWriting({ machine: { runtime } }: CommandContext, path: string) {
  await runtime.files.write(path, new Uint8Array(0));
  return runtime.files.open(path, "append");
}

async function fromFile(options: Options, filter: string, path: string, { host, machine }: CommandContext): Promise<number> {
  const bytes = path === "-" ? await everything(host.stdin) : await machine.runtime.files.read(path);
  const packets = readCapture(bytes);
  const capture = new Capture(options, filter, (text) => host.stdout.write(text));
  await host.stderr.write(`reading from file ${path}, link-type EN10MB (Ethernet), snapshot length ${SNAPSHOT}\n`);
  for (const packet of packets) capture.take(packet.bytes, packet.length, packet.time);
  return 0;
}

async function everything(input: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of input) parts.push(part);
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

export const tcpdump: Command = async (args, context) => {
  try {
    const { options, filter } = parse(permuted(args));
    if (options.list) {
      const names = context.namespace.sortedDevices.map(
        (device, i) => `${i + 1}.${device.name} [${device.running ? "Up, Running" : device.up ? "Up" : "none"}]\n`,
      );
      await context.host.stdout.write(names.join(""));
      return 0;
    }
    return await (options.read === undefined ? live(options, filter, context) : fromFile(options, filter, options.read, context));
  } catch (error) {
    if (!(error instanceof WeftError)) throw error;
    await context.host.stderr.write(`tcpdump: ${messageOf(error)}\n`);
    return 1;
  }
};
