/** ping(8) of an emulated machine, with iputils' output. */
import { find, findLayer, type Header, type Icmp, type Icmpv6 } from "@weft/packet";
import type { Device } from "../machine/device.ts";
import { type Family, formatIp, type Ip, isAny, isMulticast, parseIp } from "../machine/ip.ts";
import type { Command, CommandContext } from "../machine/machine.ts";
import { lookupError, Resolver } from "../machine/resolver.ts";
import type { Received } from "../machine/stack.ts";
import { inOrderOfTrying } from "./connect.ts";
import { getopt, numberOf, UsageError } from "./getopt.ts";

interface PingOptions {
  count: number | undefined;
  /** Seconds. */
  interval: number;
  deadline: number | undefined;
  wait: number;
  size: number;
  ttl: number;
  tos: number;
  quiet: boolean;
  timestamps: boolean;
  /** -M: do: never in fragments; want: in fragments where the path asks for it; dont: fragments anywhere on the way. */
  fragments: "do" | "want" | "dont";
  family: Family | undefined;
  source: string | undefined;
  pattern: Uint8Array | undefined;
}

function parse(args: readonly string[]): { options: PingOptions; destination: string } {
  const options: PingOptions = {
    count: undefined,
    interval: 1,
    deadline: undefined,
    wait: 10,
    size: 56,
    ttl: 64,
    tos: 0,
    quiet: false,
    timestamps: false,
    fragments: "want",
    family: undefined,
    source: undefined,
    pattern: undefined,
  };
  const { options: given, operands } = getopt(args, "46aAbBc:DfhI:i:l:LM:nOp:qrs:S:t:Q:UvVw:W:");
  for (const { letter, value } of given) {
    switch (letter) {
      case "c":
        options.count = numberOf(value, { least: 1 });
        break;
      case "i":
        options.interval = numberOf(value, { whole: false });
        break;
      case "w":
        options.deadline = numberOf(value);
        break;
      case "W":
        options.wait = numberOf(value, { whole: false });
        break;
      case "s":
        options.size = numberOf(value, { most: 65507 });
        break;
      case "t":
        options.ttl = numberOf(value, { most: 255 });
        break;
      case "Q":
        options.tos = Number(value);
        break;
      case "M":
        if (value !== "do" && value !== "want" && value !== "dont") throw new UsageError(`invalid -M argument: ${value}`, 2);
        options.fragments = value;
        break;
      case "f":
        options.interval = 0;
        break;
      case "p":
        options.pattern = Uint8Array.from(value.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
        break;
      case "I":
      case "S":
        options.source = value;
        break;
      case "q":
        options.quiet = true;
        break;
      case "D":
        options.timestamps = true;
        break;
      case "4":
      case "6":
        options.family = letter === "4" ? 4 : 6;
        break;
      case "n":
      case "O":
      case "a":
      case "A":
      case "b":
      case "B":
      case "r":
      case "U":
      case "v":
        break;
      default:
        throw new UsageError(`-${letter} is not supported on an emulated machine`, 2);
    }
  }
  const [destination] = operands;
  if (destination === undefined || operands.length > 1) throw new UsageError("usage error: Destination address required");
  return { options, destination };
}

/** RFC 1812 5.2.7.1, in iputils' words; code 4 has the MTU besides. */
const unreachable = [
  "Destination Net Unreachable",
  "Destination Host Unreachable",
  "Destination Protocol Unreachable",
  "Destination Port Unreachable",
  "Frag needed and DF set",
  "Source Route Failed",
  "Destination Net Unknown",
  "Destination Host Unknown",
  "Source Host Isolated",
  "Destination Net Prohibited",
  "Destination Host Prohibited",
  "Destination Net Unreachable for Type of Service",
  "Destination Host Unreachable for Type of Service",
  "Packet filtered",
  "Precedence Violation",
  "Precedence Cutoff",
];

/** The words for an ICMP error's type and code. */
function errorText(family: Family, type: number, code: number): string | undefined {
  if (family === 4) {
    if (type === 3) return unreachable[code] ?? `Dest Unreachable, Bad Code: ${code}`;
    if (type === 11) return code === 0 ? "Time to live exceeded" : "Frag reassembly time exceeded";
    return undefined;
  }
  if (type === 1) {
    const why = [
      "No route",
      "Administratively prohibited",
      "Beyond scope of source address",
      "Address unreachable",
      "Port unreachable",
    ][code];
    return `Destination unreachable: ${why ?? `Unknown code ${code}`}`;
  }
  if (type === 2) return "Packet too big";
  if (type === 3) return `Time exceeded: ${code === 0 ? "Hop limit" : "Defragmentation failure"}`;
  return undefined;
}

/** "0.371": as iputils prints a round trip, in ms. */
function milliseconds(ms: number): string {
  if (ms >= 100) return ms.toFixed(0);
  if (ms >= 10) return ms.toFixed(1);
  if (ms >= 1) return ms.toFixed(2);
  return ms.toFixed(3);
}

class Session {
  readonly #context: CommandContext;
  readonly #options: PingOptions;
  readonly #destination: Ip;
  readonly #source: Ip | undefined;
  readonly #device: Device | undefined;
  readonly #id: number;
  readonly #sentAt = new Map<number, number>();
  readonly #answered = new Set<number>();
  readonly #times: number[] = [];
  #sent = 0;
  #errors = 0;
  #duplicates = 0;
  #start = 0;
  /** What is heard after the end is not told. */
  #over = false;
  #finish: () => void = () => undefined;

  constructor(
    context: CommandContext,
    options: PingOptions,
    destination: Ip,
    source: Ip | undefined,
    device: Device | undefined,
  ) {
    this.#context = context;
    this.#options = options;
    this.#destination = destination;
    this.#source = source;
    this.#device = device;
    this.#id = context.machine.runtime.random.below(0x10000);
  }

  get #clock() {
    return this.#context.machine.runtime.clock;
  }

  async run(name: string): Promise<number> {
    const { count, interval, deadline, wait, size, pattern } = this.#options;
    const { stdout, stderr, signal } = this.#context.host;
    const { stack } = this.#context.namespace;
    const address = formatIp(this.#destination);
    const lookup = this.#context.namespace.lookup(this.#destination, this.#device);
    if (!lookup?.source) {
      await stderr.write("ping: connect: Network is unreachable\n");
      return 2;
    }
    const from =
      this.#source || this.#device ? ` from ${formatIp(this.#source ?? lookup.source)} ${this.#device?.name ?? ""}:` : "";
    const four = this.#destination.family === 4;
    if (pattern) {
      const digits = [...pattern].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      await stdout.write(`PATTERN: 0x${digits}\n`);
    }
    await stdout.write(
      `PING ${name}${four ? " " : ""}(${address})${from} ${four ? `${size}(${size + 28}) bytes of data.` : `${size} data bytes`}\n`,
    );
    const listen = (received: Received) => this.#receive(received);
    stack.icmpListeners.add(listen);
    this.#start = this.#clock.now();
    let stopped = false;
    const done = new Promise<void>((resolve) => {
      this.#finish = resolve;
    });
    const stop = () => {
      stopped = true;
      this.#finish();
    };
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    const limit = deadline === undefined ? undefined : this.#clock.after(deadline * 1000, stop);
    const send = () => {
      if (stopped) return;
      this.#send();
      if (count === undefined || this.#sent < count) this.#clock.after(Math.max(interval * 1000, 1), send);
      // With answers seen, twice the longest round trip is waited for the last one, else the whole time (-W).
      else
        this.#clock.after(
          this.#times.length > 0 && this.#options.wait === 10 ? Math.max(2 * Math.max(...this.#times), 1000) : wait * 1000,
          stop,
        );
    };
    send();
    await done;
    this.#over = true;
    limit?.cancel();
    stopped = true;
    signal.removeEventListener("abort", stop);
    stack.icmpListeners.delete(listen);
    return this.#summary(name);
  }

  #send(): void {
    const { size, ttl, tos, fragments, pattern } = this.#options;
    const { stack } = this.#context.namespace;
    const sequence = ++this.#sent & 0xffff;
    const bytes = Uint8Array.from({ length: size }, (_, i) =>
      pattern && pattern.length > 0 ? pattern[i % pattern.length]! : i & 0xff,
    );
    if (size >= 16) {
      // The time of sending, as iputils writes it: a struct timeval.
      const view = new DataView(bytes.buffer);
      const wall = this.#clock.wall();
      view.setBigUint64(0, BigInt(Math.floor(wall / 1000)), true);
      view.setBigUint64(8, BigInt(Math.floor((wall % 1000) * 1000)), true);
    }
    const four = this.#destination.family === 4;
    const echo: Header = { kind: four ? "icmp" : "icmpv6", type: four ? 8 : 128, code: 0, rest: this.#id * 0x10000 + sequence };
    this.#sentAt.set(sequence, this.#clock.now());
    const result = stack.send(this.#destination, [echo, { kind: "payload", bytes }], {
      src: this.#source,
      ttl,
      tos,
      dontFragment: fragments !== "dont",
      mayFragment: fragments !== "do",
      device: this.#device,
      onUnreachable: () => this.#unreachable(sequence),
    });
    if (result.ok) return;
    this.#errors++;
    const text =
      result.reason === "too-big"
        ? `local error: message too long, mtu${four ? "=" : ": "}${result.mtu}`
        : "sendmsg: Network is unreachable";
    void this.#context.host.stderr.write(`ping: ${text}\n`);
    this.#maybeDone();
  }

  /** The neighbour did not answer: what Linux tells a sender on the same machine. */
  #unreachable(sequence: number): void {
    this.#errors++;
    const lookup = this.#context.namespace.lookup(this.#destination, this.#device);
    const own = this.#source ?? lookup?.source;
    const text = errorText(
      this.#destination.family,
      this.#destination.family === 4 ? 3 : 1,
      this.#destination.family === 4 ? 1 : 3,
    );
    this.#print(`From ${own ? formatIp(own) : ""}${this.#destination.family === 4 ? "" : ":"} icmp_seq=${sequence} ${text}\n`);
    this.#answered.add(sequence);
    this.#maybeDone();
  }

  #print(line: string): void {
    if (this.#options.quiet || this.#over) return;
    const stamp = this.#options.timestamps ? `[${(this.#clock.wall() / 1000).toFixed(6)}] ` : "";
    void this.#context.host.stdout.write(stamp + line);
  }

  #receive(received: Received): void {
    const { family } = this.#destination;
    if (received.src.family !== family) return;
    const message: Icmp | Icmpv6 | undefined = find(received.layers, family === 4 ? "icmp" : "icmpv6");
    if (!message) return;
    if (message.type === (family === 4 ? 0 : 129)) this.#echoReply(received, message);
    else this.#error(received, message);
  }

  #echoReply(received: Received, { rest = 0 }: Icmp | Icmpv6): void {
    const layer = findLayer(received.layers, this.#destination.family === 4 ? "icmp" : "icmpv6");
    if (!layer || rest >>> 16 !== this.#id) return;
    const sequence = rest & 0xffff;
    const sentAt = this.#sentAt.get(sequence);
    if (sentAt === undefined) return;
    const time = this.#clock.now() - sentAt;
    const again = this.#answered.has(sequence);
    if (again) this.#duplicates++;
    else {
      this.#times.push(time);
      this.#answered.add(sequence);
    }
    const timed = this.#options.size >= 16 ? ` time=${milliseconds(time)} ms` : "";
    this.#print(
      `${layer.end - layer.start} bytes from ${formatIp(received.src)}: icmp_seq=${sequence} ttl=${received.ttl}${timed}${again ? " (DUP!)" : ""}\n`,
    );
    this.#maybeDone();
  }

  #error(received: Received, { type, code }: Icmp | Icmpv6): void {
    const words = errorText(this.#destination.family, type, code);
    if (words === undefined) return;
    const { rest: said = 0 } = find(received.layers, this.#destination.family === 4 ? "icmp" : "icmpv6") ?? {};
    const tooBig = this.#destination.family === 4 ? type === 3 && code === 4 : type === 2;
    const text = !tooBig ? words : this.#destination.family === 4 ? `${words} (mtu = ${said & 0xffff})` : `${words}: mtu=${said}`;
    // The error quotes our request; its identifier and sequence number tell whose it is.
    const quoted: Icmp | Icmpv6 | undefined = find(received.layers, this.#destination.family === 4 ? "icmp" : "icmpv6", 1);
    const rest = quoted?.rest ?? 0;
    if (rest >>> 16 !== this.#id) return;
    this.#errors++;
    const sequence = rest & 0xffff;
    this.#answered.add(sequence);
    this.#print(`From ${formatIp(received.src)}${this.#destination.family === 4 ? "" : ":"} icmp_seq=${sequence} ${text}\n`);
    this.#maybeDone();
  }

  #maybeDone(): void {
    const { count } = this.#options;
    if (count !== undefined && this.#answered.size >= count) this.#finish();
  }

  async #summary(name: string): Promise<number> {
    const received = this.#times.length;
    const loss = this.#sent === 0 ? 0 : ((this.#sent - received) * 100) / this.#sent;
    const elapsed = Math.round(this.#clock.now() - this.#start);
    const parts = [
      `${this.#sent} packets transmitted`,
      `${received} received`,
      ...(this.#duplicates > 0 ? [`+${this.#duplicates} duplicates`] : []),
      ...(this.#errors > 0 ? [`+${this.#errors} errors`] : []),
      `${Number(loss.toFixed(4))}% packet loss`,
      `time ${elapsed}ms`,
    ];
    let text = `\n--- ${name} ping statistics ---\n${parts.join(", ")}\n`;
    if (received > 0 && this.#options.size >= 16) {
      const mean = this.#times.reduce((sum, time) => sum + time, 0) / received;
      const square = this.#times.reduce((sum, time) => sum + time * time, 0) / received;
      const deviation = Math.sqrt(Math.max(0, square - mean * mean));
      text += `rtt min/avg/max/mdev = ${[Math.min(...this.#times), mean, Math.max(...this.#times), deviation].map((time) => time.toFixed(3)).join("/")} ms\n`;
    } else text += "\n";
    await this.#context.host.stdout.write(text);
    return received > 0 ? 0 : 1;
  }
}

/** `family`: that of `ping6`. */
export function pingCommand(family?: Family): Command {
  return async (args, context) => {
    const { stderr } = context.host;
    try {
      const { options, destination } = parse(args);
      const wanted = options.family ?? family;
      const [host = "", zone] = destination.split("%", 2);
      const numeric = parseIp(host);
      if (numeric && wanted !== undefined && numeric.family !== wanted) {
        await stderr.write(`ping: ${destination}: Address family for hostname not supported\n`);
        return 2;
      }
      const found = await new Resolver(context).lookup(host, wanted);
      if (typeof found === "string") {
        await stderr.write(`ping: ${destination}: ${lookupError(found)}\n`);
        return 2;
      }
      const ip = inOrderOfTrying(context, found.ips)[0]!;
      const { source, device } = sourceOf(context, options.source ?? zone);
      if (isMulticast(ip) && !device && ip.family === 6) throw new UsageError("multicast ping: -I device is needed");
      return await new Session(
        context,
        options,
        isAny(ip) ? parseIp(ip.family === 4 ? "127.0.0.1" : "::1")! : ip,
        source,
        device,
      ).run(numeric ? destination : found.name);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      await stderr.write(`ping: ${error.message}\n`);
      return error.exitCode;
    }
  };
}

/** -I takes an address or a device. */
function sourceOf(
  { namespace }: CommandContext,
  text: string | undefined,
): { source: Ip | undefined; device: Device | undefined } {
  if (text === undefined) return { source: undefined, device: undefined };
  const source = parseIp(text);
  if (source) return { source, device: undefined };
  const device = namespace.device(text);
  if (!device) throw new UsageError(`SO_BINDTODEVICE ${text}: No such device`, 2);
  return { source: undefined, device };
}
