/** The reference's switch and ours side by side, with the time of both standing still until it is moved. */
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { toHex } from "@weft/packet";
import { frame } from "./datagrams.ts";
import { addBridge, startOurs, startReference, type TestSwitch } from "./switches.ts";

/** A control connection that stays open: a process for each packet would be slow. */
class Control {
  readonly #socket: Socket;
  #buffer = "";
  #waiting: ((reply: { result: unknown; error: unknown }) => void) | undefined;

  constructor(path: string) {
    this.#socket = connect(path);
    this.#socket.on("data", (bytes) => {
      this.#buffer += bytes.toString();
      let reply: { result: unknown; error: unknown };
      try {
        // The shape of a JSON-RPC reply.
        reply = JSON.parse(this.#buffer) as typeof reply;
      } catch {
        return;
      }
      this.#buffer = "";
      this.#waiting?.(reply);
    });
    this.#socket.on("close", () => this.#waiting?.({ result: null, error: "the switch is gone" }));
  }

  async run(method: string, params: readonly string[]): Promise<string> {
    const reply = await new Promise<{ result: unknown; error: unknown }>((resolve) => {
      this.#waiting = resolve;
      this.#socket.write(JSON.stringify({ id: 0, method, params }));
    });
    if (reply.error !== null) throw new Error(String(reply.error));
    return String(reply.result).trimEnd();
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Frames of a capture, from where reading was left. */
class Capture {
  readonly #path: string;
  #at = 24;

  constructor(path: string) {
    this.#path = path;
  }

  fresh(): string[] {
    const size = statSync(this.#path).size;
    if (size <= this.#at) return [];
    const bytes = Buffer.alloc(size - this.#at);
    const file = openSync(this.#path, "r");
    readSync(file, bytes, 0, bytes.length, this.#at);
    closeSync(file);
    const found: string[] = [];
    let at = 0;
    while (at + 16 <= bytes.length) {
      const length = bytes.readUInt32LE(at + 8);
      if (at + 16 + length > bytes.length) break;
      found.push(bytes.subarray(at + 16, at + 16 + length).toString("hex"));
      at += 16 + length;
    }
    this.#at += at;
    return found;
  }
}

/** What left by each of the four ports. */
export type Outcome = readonly string[];

export class Pair {
  readonly reference: TestSwitch;
  readonly ours: Awaited<ReturnType<typeof startOurs>>;
  readonly #control: Control;
  readonly #captures: { readonly reference: readonly Capture[]; readonly ours: readonly Capture[] };

  private constructor(reference: TestSwitch, ours: Awaited<ReturnType<typeof startOurs>>) {
    this.reference = reference;
    this.ours = ours;
    this.#control = new Control(`${reference.dir}/v.ctl`);
    const of = (dir: string): Capture[] => [1, 2, 3, 4].map((n) => new Capture(`${dir}/p${n}.pcap`));
    this.#captures = { reference: of(reference.dir), ours: of(ours.dir) };
  }

  static async start(): Promise<Pair> {
    const [reference, ours] = await Promise.all([startReference(), startOurs({ frozen: true })]);
    await Promise.all([addBridge(reference), addBridge(ours)]);
    for (const one of [reference, ours]) await one.vsctl("remove", "port", "p3", "tag", "10");
    const pair = new Pair(reference, ours);
    await pair.#control.run("time/stop", []);
    return pair;
  }

  async stop(): Promise<void> {
    this.#control.close();
    await Promise.all([this.reference.stop(), this.ours.stop()]);
  }

  /** The same flows in both in place of all others. */
  async flows(...flows: readonly string[]): Promise<void> {
    for (const one of [this.reference, this.ours]) {
      await one.ofctl("del-flows", "br0");
      for (const flow of flows) await one.ofctl("-O", "OpenFlow14", "--bundle", "add-flow", "br0", flow);
    }
    await this.command("revalidator/purge");
    await this.command("dpctl/flush-conntrack");
  }

  /** What both answer; an error is answered too. */
  async command(name: string, ...args: string[]): Promise<{ reference: string; ours: string }> {
    const refusal = (error: Error): string => error.message.replace(/^ovs-vswitchd: /, "").trim();
    const [reference, ours] = await Promise.all([
      this.#control.run(name, args).catch(refusal),
      this.ours.appctl(name, ...args).catch(refusal),
    ]);
    return { reference, ours };
  }

  /** Moves the time of both. */
  async warp(ms: number): Promise<void> {
    await this.#control.run("time/warp", [String(ms), String(ms)]);
    this.ours.warp(ms);
  }

  /**
   * Gives both an IP packet on a port and says what left, "port:frame". Waits until the reference has sent `expected` frames (the
   * flows of a test say how many that is).
   */
  receive(port: number, packet: Uint8Array, expected = 1): Promise<{ reference: Outcome; ours: Outcome }> {
    return this.receiveFrame(port, toHex(frame(packet)), expected);
  }

  /** As {@link receive}; the frame is in hexadecimal digits. */
  async receiveFrame(port: number, hex: string, expected = 1): Promise<{ reference: Outcome; ours: Outcome }> {
    await this.#control.run("netdev-dummy/receive", [`p${port}`, hex]);
    await this.ours.appctl("netdev-dummy/receive", `p${port}`, hex);
    const read = (captures: readonly Capture[], into: string[]): void => {
      for (const [i, capture] of captures.entries()) into.push(...capture.fresh().map((f) => `p${i + 1}:${f}`));
    };
    const reference: string[] = [];
    const ours: string[] = [];
    for (let tries = 0; tries < (expected === 0 ? 8 : 1000); tries++) {
      read(this.#captures.reference, reference);
      read(this.#captures.ours, ours);
      if (expected > 0 && reference.length >= expected && ours.length >= reference.length) break;
      // The reference has had its time; what ours has not sent by now it will not.
      if (tries > 50 && reference.length >= expected) break;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return { reference, ours };
  }
}
