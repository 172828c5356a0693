/**
 * Dummy network devices (ovs-vswitchd --enable-dummy): nothing behind them but what a test puts in by netdev-dummy/receive, captures
 * of what goes out, and stream sockets by which dummy devices of two switches form a wire. On the sockets every frame is preceded by
 * its length in two bytes, most significant first, as the reference does it.
 */
import { formatMac, type Mac, macOf, PcapWriter, parseIpv4, parseMac } from "@weft/packet";
import { type Listener, type Logger, messageOf, type OpenFile, type Runtime, type Stream, WeftError } from "@weft/runtime";
import { type Netdev, type NetdevProvider, type NetdevStatistics, NO_STATISTICS } from "../netdev.ts";
import { arp } from "../tunnel/request.ts";

const MAX_FRAME = 65535;
/** A reader that does not take its frames loses them beyond so many bytes. */
const MAX_PENDING = 1 << 20;
const RECONNECT_MS = [1000, 2000, 4000, 8000] as const;

/** Cuts a byte stream into frames. */
export class FrameReader {
  #held = new Uint8Array(0);

  /** Calls `each` for every frame complete by now; the arrays are the callee's. */
  push(bytes: Uint8Array, each: (frame: Uint8Array) => void): void {
    let data = bytes;
    if (this.#held.length > 0) {
      data = new Uint8Array(this.#held.length + bytes.length);
      data.set(this.#held);
      data.set(bytes, this.#held.length);
    }
    let at = 0;
    while (data.length - at >= 2) {
      const length = ((data[at] as number) << 8) | (data[at + 1] as number);
      if (data.length - at < 2 + length) break;
      if (length > 0) each(data.slice(at + 2, at + 2 + length));
      at += 2 + length;
    }
    this.#held = data.slice(at);
  }
}

/** Appends frames to a capture file, which may be one of an earlier run, in order, without making the sender wait. */
class Capture {
  readonly path: string;
  readonly #runtime: Runtime;
  readonly #log: Logger;
  readonly #writer = new PcapWriter({ snapLength: 1518 });
  #file: Promise<OpenFile | undefined>;
  #queue: Promise<void>;

  constructor(path: string, runtime: Runtime, log: Logger) {
    this.path = path;
    this.#runtime = runtime;
    this.#log = log;
    this.#file = runtime.files.open(path, "append").then(
      async (file) => {
        if ((await file.size()) === 0) await file.append(this.#writer.header());
        return file;
      },
      (error: unknown) => {
        log.warn(`${path}: failed to open capture file (${messageOf(error)})`);
        return undefined;
      },
    );
    this.#queue = this.#file.then(() => undefined);
  }

  write(frame: Uint8Array): void {
    const ms = this.#runtime.clock.wall();
    const seconds = Math.floor(ms / 1000);
    const record = this.#writer.record({ seconds, nanoseconds: Math.floor((ms - seconds * 1000) * 1e6) }, frame);
    this.#queue = this.#queue
      .then(async () => (await this.#file)?.append(record))
      .catch((error: unknown) => this.#log.warn(`${this.path}: ${messageOf(error)}`));
  }

  /** Resolves when everything written so far is in the file. */
  flushed(): Promise<void> {
    return this.#queue;
  }

  close(): void {
    this.#queue = this.#queue.then(async () => (await this.#file)?.close());
  }
}

export class DummyNetdev implements Netdev {
  readonly name: string;
  readonly type: string;
  readonly ifindex = 0;
  readonly carrier = true;
  mtu = 1500;
  onReceive: ((frame: Uint8Array) => void) | undefined;
  onChange: (() => void) | undefined;
  readonly statistics: NetdevStatistics = { ...NO_STATISTICS };
  readonly #runtime: Runtime;
  readonly #log: Logger;
  #mac: Mac;
  #up = true;
  #addresses: string[] = [];
  #options: ReadonlyMap<string, string> = new Map();
  #tx: Capture | undefined;
  #rx: Capture | undefined;
  #listener: Promise<Listener | undefined> | undefined;
  readonly #streams = new Set<Stream>();
  #active: { remote: string; connected: boolean; cancelled: boolean } | undefined;
  readonly #onClose: () => void;

  constructor(name: string, type: string, mac: Mac, runtime: Runtime, onClose: () => void) {
    this.name = name;
    this.type = type;
    this.#mac = mac;
    this.#runtime = runtime;
    this.#log = runtime.log.logger("netdev_dummy");
    this.#onClose = onClose;
  }

  get mac(): string {
    return formatMac(this.#mac);
  }

  get up(): boolean {
    return this.#up;
  }

  get addresses(): readonly string[] {
    return this.#addresses;
  }

  get moreStatistics(): Readonly<Record<string, number>> {
    const s = this.statistics;
    return {
      rx_q0_packets: s.rx_packets,
      rx_q0_bytes: s.rx_bytes,
      tx_q0_packets: s.tx_packets,
      tx_q0_bytes: s.tx_bytes,
      rx_custom_packets_1: s.rx_packets,
      rx_custom_packets_2: s.rx_packets,
    };
  }

  setMac(mac: string): void {
    const parsed = parseMac(mac);
    if (parsed === undefined || parsed === this.#mac) return;
    this.#mac = parsed;
    this.onChange?.();
  }

  setMtu(mtu: number): void {
    this.mtu = mtu;
  }

  setUp(up: boolean): void {
    if (this.#up === up) return;
    this.#up = up;
    this.onChange?.();
  }

  setAddresses(addresses: string[]): void {
    this.#addresses = addresses;
    this.onChange?.();
  }

  /** "connected", "disconnected" (a stream option), or "unknown". */
  get connection(): string {
    return this.#active === undefined ? "unknown" : this.#active.connected ? "connected" : "disconnected";
  }

  transmit(frame: Uint8Array): void {
    if (!this.#up) {
      this.statistics.tx_dropped++;
      return;
    }
    this.statistics.tx_packets++;
    this.statistics.tx_bytes += frame.length;
    this.#answerArp(frame);
    for (const stream of this.#streams) this.#send(stream, frame);
    this.#tx?.write(frame);
  }

  #send(stream: Stream, frame: Uint8Array): void {
    if (stream.pending > MAX_PENDING) {
      this.statistics.tx_dropped++;
      return;
    }
    const bytes = new Uint8Array(2 + frame.length);
    bytes[0] = frame.length >>> 8;
    bytes[1] = frame.length;
    bytes.set(frame, 2);
    stream.write(bytes);
  }

  /** A device with an address answers for it. */
  #answerArp(frame: Uint8Array): void {
    if (this.#addresses.length === 0 || frame.length < 42) return;
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    if (view.getUint16(12) !== 0x0806 || view.getUint16(20) !== 1) return;
    const target = view.getUint32(38);
    if (!this.#addresses.some((address) => parseIpv4(address.split("/")[0] as string) === target)) return;
    const sha = view.getUint16(22) * 2 ** 32 + view.getUint32(24);
    const reply = arp(2, this.#mac, target, sha, view.getUint32(28), sha);
    this.#runtime.clock.soon(() => this.receive(reply));
  }

  /** A frame comes in; the array is the device's from now on. */
  receive(frame: Uint8Array): void {
    if (!this.#up || frame.length > MAX_FRAME) {
      this.statistics.rx_dropped++;
      return;
    }
    this.statistics.rx_packets++;
    this.statistics.rx_bytes += frame.length;
    this.#rx?.write(frame);
    this.onReceive?.(frame);
  }

  configure(options: ReadonlyMap<string, string>): void {
    const old = this.#options;
    this.#options = new Map(options);
    const changed = (name: string): boolean => old.get(name) !== options.get(name);
    const both = options.get("pcap");
    this.#tx = this.#capture(this.#tx, options.get("tx_pcap") ?? both);
    this.#rx =
      both !== undefined && options.get("rxq_pcap") === undefined
        ? this.#shareCapture()
        : this.#capture(this.#rx, options.get("rxq_pcap"));
    if (changed("pstream") || changed("stream")) {
      this.#closeStreams();
      const passive = options.get("pstream");
      const active = options.get("stream");
      if (passive !== undefined) this.#listen(passive);
      else if (active !== undefined) this.#dial(active);
    }
  }

  #capture(held: Capture | undefined, path: string | undefined): Capture | undefined {
    if (held?.path === path) return held;
    held?.close();
    return path === undefined ? undefined : new Capture(path, this.#runtime, this.#log);
  }

  #shareCapture(): Capture | undefined {
    if (this.#rx !== undefined && this.#rx !== this.#tx) this.#rx.close();
    return this.#tx;
  }

  #listen(remote: string): void {
    this.#listener = this.#runtime.net
      .listen(remote, (stream) => this.#join(stream))
      .catch((error: unknown) => {
        this.#log.err(`${this.name}: can't listen on ${remote}: ${messageOf(error)}`);
        return undefined;
      });
  }

  #dial(remote: string): void {
    const active = { remote, connected: false, cancelled: false };
    this.#active = active;
    let attempt = 0;
    const again = (): void => {
      if (active.cancelled) return;
      const wait = RECONNECT_MS[Math.min(attempt++, RECONNECT_MS.length - 1)] as number;
      this.#runtime.clock.after(wait, connect, true);
    };
    const connect = (): void => {
      if (active.cancelled) return;
      this.#runtime.net.connect(remote).then(
        (stream) => {
          if (active.cancelled) {
            stream.destroy();
            return;
          }
          attempt = 0;
          active.connected = true;
          this.#join(stream, () => {
            active.connected = false;
            again();
          });
        },
        () => again(),
      );
    };
    connect();
  }

  #join(stream: Stream, onGone?: () => void): void {
    const reader = new FrameReader();
    this.#streams.add(stream);
    stream.start({
      onData: (bytes) => reader.push(bytes, (frame) => this.receive(frame)),
      onClose: () => {
        this.#streams.delete(stream);
        onGone?.();
      },
    });
  }

  #closeStreams(): void {
    if (this.#active !== undefined) this.#active.cancelled = true;
    this.#active = undefined;
    void this.#listener?.then((listener) => listener?.close());
    this.#listener = undefined;
    for (const stream of this.#streams) stream.destroy();
    this.#streams.clear();
  }

  /** Resolves when captures have been written. */
  async flushed(): Promise<void> {
    await this.#tx?.flushed();
    await this.#rx?.flushed();
  }

  close(): void {
    this.#closeStreams();
    this.#tx?.close();
    if (this.#rx !== this.#tx) this.#rx?.close();
    this.onReceive = undefined;
    this.onChange = undefined;
    this.#onClose();
  }
}

/** Opens dummy devices and knows them by name, for the netdev-dummy commands. */
export class DummyProvider implements NetdevProvider {
  readonly types: readonly string[] = ["dummy", "dummy-internal", "dummy-pmd"];
  readonly devices = new Map<string, DummyNetdev>();
  readonly #runtime: Runtime;
  #opened = 0;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  open(name: string, type: string, options: ReadonlyMap<string, string>): DummyNetdev {
    if (this.devices.has(name)) {
      throw new WeftError("netdev.exists", `could not open network device ${name} (File exists)`, { blame: "caller" });
    }
    // aa:55:aa:55 and a counter.
    const mac = macOf(0xaa55aa550000 + this.#opened++);
    const device = new DummyNetdev(name, type, mac, this.#runtime, () => this.devices.delete(name));
    this.devices.set(name, device);
    device.configure(options);
    return device;
  }
}
