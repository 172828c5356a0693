/**
 * TCP for guests (RFC 9293): connections, listeners, retransmission with back-off, flow control by windows, orderly and
 * abrupt ends. No congestion control, no selective acknowledgement: emulated wires lose a packet only when told to.
 */
import { emitTcpOptions, find, type Header, MalformedError, parseTcpOptions, TCP_FLAG, TCP_OPTION, type Tcp } from "@weft/packet";
import { type Timer, WeftError } from "@weft/runtime";
import { equalIp, type Ip, ipKey, isAny, isMulticast } from "./ip.ts";
import type { Namespace } from "./namespace.ts";
import type { Received, Stack } from "./stack.ts";

const { fin: FIN, syn: SYN, rst: RST, psh: PSH, ack: ACK } = TCP_FLAG;

type State =
  | "SYN-SENT"
  | "SYN-RECEIVED"
  | "ESTABLISHED"
  | "FIN-WAIT-1"
  | "FIN-WAIT-2"
  | "CLOSE-WAIT"
  | "CLOSING"
  | "LAST-ACK"
  | "TIME-WAIT"
  | "CLOSED";

export interface TcpHandlers {
  onConnect?(): void;
  onData?(bytes: Uint8Array): void;
  /** The peer has ended its side. */
  onEnd?(): void;
  /** What was written has been acknowledged: room for more. */
  onDrain?(): void;
  /** The connection is gone; `error` is what a program would see from its system call. */
  onClose?(error?: Error): void;
}

/** First retransmission after this, then doubled; given up after this many. Milliseconds. */
const RETRANSMIT = 200;
const MOST_RETRIES = 8;
const TIME_WAIT = 1000;
const WINDOW = 65535;
/** Of a peer that does not say (RFC 9293 3.7.1). */
const DEFAULT_MSS = 536;
/** Bytes written and not yet acknowledged above which a writer should wait. */
const HIGH_WATER = 256 * 1024;

/** a - b on the circle of sequence numbers. */
function distance(a: number, b: number): number {
  return (a - b) | 0;
}

export class TcpConnection {
  readonly local: { readonly ip: Ip; readonly port: number };
  readonly remote: { readonly ip: Ip; readonly port: number };
  handlers: TcpHandlers = {};
  state: State;
  readonly #tcp: TcpSockets;
  #mss: number;
  #sendUnacked: number;
  #sendNext: number;
  #sendWindow = WINDOW;
  #receiveNext = 0;
  /** Bytes from #sendUnacked on, sent or not; a SYN or FIN takes a number but no byte. */
  #queue: Uint8Array[] = [];
  #queued = 0;
  #ending = false;
  #finSent = false;
  #timer: Timer | undefined;
  #retries = 0;

  constructor(tcp: TcpSockets, local: { ip: Ip; port: number }, remote: { ip: Ip; port: number }, mss: number, state: State) {
    this.#tcp = tcp;
    this.local = local;
    this.remote = remote;
    this.#mss = mss;
    this.state = state;
    this.#sendUnacked = tcp.initialSequence();
    this.#sendNext = this.#sendUnacked;
  }

  /** Active open. */
  open(): void {
    this.#emit(SYN, new Uint8Array(0));
    this.#sendNext = (this.#sendNext + 1) >>> 0;
    this.#arm();
  }

  /** Passive open: answers a SYN. */
  accept(syn: Tcp): void {
    this.#receiveNext = (syn.sequence + 1) >>> 0;
    this.#sendWindow = syn.window ?? WINDOW;
    this.#emit(SYN | ACK, new Uint8Array(0));
    this.#sendNext = (this.#sendNext + 1) >>> 0;
    this.#arm();
  }

  /** False when the writer should wait for `onDrain`. */
  write(bytes: Uint8Array): boolean {
    if (this.#ending || this.state === "CLOSED" || bytes.length === 0) return true;
    this.#queue.push(bytes);
    this.#queued += bytes.length;
    this.#push();
    return this.#queued < HIGH_WATER;
  }

  /** Ends our side when everything has been sent. */
  end(): void {
    this.#ending = true;
    this.#push();
  }

  abort(): void {
    if (this.state !== "CLOSED" && this.state !== "SYN-SENT") this.#emit(RST | ACK, new Uint8Array(0));
    this.#close();
  }

  #emit(flags: number, bytes: Uint8Array, sequence = this.#sendNext): void {
    const options =
      flags & SYN
        ? emitTcpOptions([{ type: TCP_OPTION.maxSegment, data: Uint8Array.of(this.#mss >> 8, this.#mss & 0xff) }])
        : undefined;
    this.#tcp.send(
      this,
      { sequence, acknowledgment: flags & ACK ? this.#receiveNext : 0, flags, window: WINDOW, options },
      bytes,
      () => this.#fail("No route to host"),
    );
  }

  #canSend(): boolean {
    return (
      this.state === "ESTABLISHED" ||
      this.state === "CLOSE-WAIT" ||
      this.state === "FIN-WAIT-1" ||
      this.state === "LAST-ACK" ||
      this.state === "CLOSING"
    );
  }

  /** Sends what the peer's window has room for. */
  #push(): void {
    if (!this.#canSend()) return;
    for (;;) {
      const sent = distance(this.#sendNext, this.#sendUnacked) - (this.#finSent ? 1 : 0);
      const room = Math.min(this.#mss, this.#sendWindow - sent, this.#queued - sent);
      if (room <= 0) break;
      this.#emit(ACK | (sent + room === this.#queued ? PSH : 0), this.#slice(sent, room));
      this.#sendNext = (this.#sendNext + room) >>> 0;
    }
    if (this.#ending && !this.#finSent && distance(this.#sendNext, this.#sendUnacked) === this.#queued) {
      this.#emit(FIN | ACK, new Uint8Array(0));
      this.#sendNext = (this.#sendNext + 1) >>> 0;
      this.#finSent = true;
      this.state = this.state === "CLOSE-WAIT" ? "LAST-ACK" : "FIN-WAIT-1";
    }
    if (this.#sendNext !== this.#sendUnacked) this.#arm();
    // A closed window is asked about again, by one byte.
    else if (this.#queued > 0) this.#arm();
  }

  /** Segments are no longer than this from now on; what was on its way is sent again. */
  limitSegments(mss: number): void {
    if (mss >= this.#mss) return;
    this.#mss = mss;
    if (!this.#canSend() || this.#sendNext === this.#sendUnacked) return;
    const unsent = distance(this.#sendNext, this.#sendUnacked);
    if (!this.#finSent && unsent > 0) {
      this.#sendNext = this.#sendUnacked;
      this.#push();
    }
  }

  #slice(from: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let at = 0;
    let filled = 0;
    for (const piece of this.#queue) {
      if (at + piece.length > from && filled < length) {
        const start = Math.max(0, from - at);
        const part = piece.subarray(start, start + length - filled);
        bytes.set(part, filled);
        filled += part.length;
      }
      at += piece.length;
      if (filled === length) break;
    }
    return bytes;
  }

  #arm(): void {
    this.#timer ??= this.#tcp.clock.after(RETRANSMIT * 2 ** this.#retries, () => {
      this.#timer = undefined;
      this.#retransmit();
    });
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#retries = 0;
  }

  #retransmit(): void {
    if (this.state === "CLOSED") return;
    if (++this.#retries > MOST_RETRIES) {
      this.#fail("Connection timed out");
      return;
    }
    if (this.state === "SYN-SENT") this.#emit(SYN, new Uint8Array(0), this.#sendUnacked);
    else if (this.state === "SYN-RECEIVED") this.#emit(SYN | ACK, new Uint8Array(0), this.#sendUnacked);
    else {
      const length = Math.min(this.#mss, Math.max(1, this.#sendWindow), this.#queued);
      if (length > 0) this.#emit(ACK | PSH, this.#slice(0, length), this.#sendUnacked);
      else if (this.#finSent) this.#emit(FIN | ACK, new Uint8Array(0), this.#sendUnacked);
    }
    this.#arm();
  }

  #fail(text: string): void {
    this.#close(new WeftError("lab.tcp", text));
  }

  #close(error?: Error): void {
    if (this.state === "CLOSED") return;
    this.state = "CLOSED";
    this.#disarm();
    this.#tcp.forget(this);
    this.handlers.onClose?.(error);
  }

  /** A segment of this connection arrived. */
  receive(segment: Tcp, data: Uint8Array): void {
    const { flags, sequence, acknowledgment = 0, window = 0 } = segment;
    if (flags & RST) {
      this.#fail(this.state === "SYN-SENT" ? "Connection refused" : "Connection reset by peer");
      return;
    }
    if (this.state === "SYN-SENT") {
      if (!(flags & SYN) || !(flags & ACK) || acknowledgment !== this.#sendNext) return;
      this.#mss = Math.min(this.#mss, mssOption(segment) ?? DEFAULT_MSS);
      this.#receiveNext = (sequence + 1) >>> 0;
      this.#established(acknowledgment, window);
      this.#emit(ACK, new Uint8Array(0));
      this.handlers.onConnect?.();
      this.#push();
      return;
    }
    if (flags & SYN) {
      // Our answer was lost: again.
      this.#emit(ACK, new Uint8Array(0));
      return;
    }
    if (!(flags & ACK)) return;
    if (this.state === "SYN-RECEIVED") {
      if (acknowledgment !== this.#sendNext) return;
      this.#established(acknowledgment, window);
      this.handlers.onConnect?.();
    } else this.#acknowledged(acknowledgment, window);
    this.#take(sequence, data, (flags & FIN) !== 0);
    if (this.#canSend()) this.#push();
  }

  #established(acknowledgment: number, window: number): void {
    this.state = "ESTABLISHED";
    this.#sendUnacked = acknowledgment;
    this.#sendWindow = window;
    this.#disarm();
  }

  #acknowledged(acknowledgment: number, window: number): void {
    const progress = distance(acknowledgment, this.#sendUnacked);
    if (progress < 0 || distance(acknowledgment, this.#sendNext) > 0) return;
    this.#sendWindow = window;
    if (progress === 0) return;
    const finAcked = this.#finSent && acknowledgment === this.#sendNext;
    this.#drop(progress - (finAcked ? 1 : 0));
    this.#sendUnacked = acknowledgment;
    this.#disarm();
    if (this.#queued < HIGH_WATER) this.handlers.onDrain?.();
    if (!finAcked) return;
    if (this.state === "FIN-WAIT-1") this.state = "FIN-WAIT-2";
    else if (this.state === "CLOSING") this.#timeWait();
    else if (this.state === "LAST-ACK") this.#close();
  }

  #drop(count: number): void {
    this.#queued -= count;
    let left = count;
    while (left > 0) {
      const piece = this.#queue[0]!;
      if (piece.length > left) {
        this.#queue[0] = piece.subarray(left);
        break;
      }
      left -= piece.length;
      this.#queue.shift();
    }
  }

  #take(sequence: number, data: Uint8Array, fin: boolean): void {
    const old = distance(this.#receiveNext, sequence);
    if (data.length === 0 && !fin) return;
    // A gap (or nothing new): say again what we wait for.
    if (old < 0 || old > data.length || (old === data.length && !fin)) {
      this.#emit(ACK, new Uint8Array(0));
      return;
    }
    const fresh = data.subarray(old);
    this.#receiveNext = (this.#receiveNext + fresh.length + (fin ? 1 : 0)) >>> 0;
    this.#emit(ACK, new Uint8Array(0));
    if (fresh.length > 0) this.handlers.onData?.(fresh);
    if (!fin) return;
    if (this.state === "ESTABLISHED") this.state = "CLOSE-WAIT";
    else if (this.state === "FIN-WAIT-1") this.state = "CLOSING";
    else if (this.state === "FIN-WAIT-2") this.#timeWait();
    else return;
    this.handlers.onEnd?.();
  }

  #timeWait(): void {
    this.state = "TIME-WAIT";
    this.#disarm();
    this.#tcp.clock.after(TIME_WAIT, () => this.#close(), true);
    this.handlers.onEnd?.();
  }
}

export interface TcpListener {
  readonly port: number;
  close(): void;
}

interface Listening {
  readonly address: Ip | undefined;
  readonly port: number;
  readonly accept: (connection: TcpConnection) => void;
}

export class TcpSockets {
  readonly #namespace: Namespace;
  readonly #stack: Stack;
  readonly #connections = new Map<string, TcpConnection>();
  readonly #listening: Listening[] = [];
  #nextPort = 32768;

  constructor(namespace: Namespace, stack: Stack) {
    this.#namespace = namespace;
    this.#stack = stack;
    stack.protocols.set("tcp", (received) => this.#receive(received));
  }

  get clock() {
    return this.#namespace.clock;
  }

  initialSequence(): number {
    return this.#namespace.random.uint32();
  }

  /** Throws "Address already in use". */
  listen(address: Ip | undefined, port: number, accept: (connection: TcpConnection) => void): TcpListener {
    if (this.#listening.some((other) => other.port === port))
      throw new WeftError("lab.address-in-use", "Address already in use", { blame: "caller" });
    const entry: Listening = { address: address && !isAny(address) ? address : undefined, port, accept };
    this.#listening.push(entry);
    return { port, close: () => void this.#listening.splice(this.#listening.indexOf(entry), 1) };
  }

  /** Throws "Network is unreachable". Set the handlers before the clock goes on. */
  connect(
    to: Ip,
    port: number,
    options: { readonly source?: Ip | undefined; readonly port?: number | undefined } = {},
  ): TcpConnection {
    const lookup = this.#namespace.lookup(to);
    const source = options.source ?? lookup?.source;
    if (!lookup || !source) throw new WeftError("lab.unreachable", "Network is unreachable", { blame: "caller" });
    const local = { ip: source, port: options.port ?? this.#nextPort++ };
    if (this.#nextPort > 60999) this.#nextPort = 32768;
    const connection = new TcpConnection(this, local, { ip: to, port }, mssOf(lookup.route.device.mtu, to), "SYN-SENT");
    this.#connections.set(keyOf(connection.local, connection.remote), connection);
    this.#namespace.clock.soon(() => connection.open());
    return connection;
  }

  /** The path to a destination takes packets of at most `mtu` bytes. */
  pathMtuChanged(dst: Ip, mtu: number): void {
    for (const connection of [...this.#connections.values()])
      if (equalIp(connection.remote.ip, dst)) connection.limitSegments(mssOf(mtu, dst));
  }

  forget(connection: TcpConnection): void {
    this.#connections.delete(keyOf(connection.local, connection.remote));
  }

  send(
    { local, remote }: Pick<TcpConnection, "local" | "remote">,
    header: Omit<Tcp, "kind" | "srcPort" | "dstPort">,
    bytes: Uint8Array,
    unreachable: () => void,
  ): void {
    const segment: Header[] = [{ kind: "tcp", srcPort: local.port, dstPort: remote.port, ...header }];
    if (bytes.length > 0) segment.push({ kind: "payload", bytes });
    this.#stack.send(remote.ip, segment, { src: local.ip, dontFragment: true, onUnreachable: unreachable });
  }

  #receive(received: Received): void {
    const layer = received.layers.find(({ header }) => header.kind === "tcp");
    const segment = find(received.layers, "tcp");
    if (!layer || !segment || segment.checksum !== undefined || isMulticast(received.dst)) return;
    const data = received.frame.subarray(layer.payload, layer.end);
    const local = { ip: received.dst, port: segment.dstPort };
    const remote = { ip: received.src, port: segment.srcPort };
    const connection = this.#connections.get(keyOf(local, remote));
    if (connection) return connection.receive(segment, data);
    if (segment.flags & RST) return;
    const listener = this.#listening.find(
      ({ port, address }) => port === local.port && (address === undefined || equalIp(address, local.ip)),
    );
    if (listener && segment.flags & SYN && !(segment.flags & ACK)) {
      const offered = mssOption(segment) ?? DEFAULT_MSS;
      const mtu = received.device.mtu;
      const accepted = new TcpConnection(this, local, remote, Math.min(offered, mssOf(mtu, local.ip)), "SYN-RECEIVED");
      this.#connections.set(keyOf(local, remote), accepted);
      listener.accept(accepted);
      accepted.accept(segment);
      return;
    }
    // Nobody is there (RFC 9293 3.10.7.1).
    const length = data.length + (segment.flags & (SYN | FIN) ? 1 : 0);
    const reset: Omit<Tcp, "kind" | "srcPort" | "dstPort"> =
      segment.flags & ACK
        ? { sequence: segment.acknowledgment ?? 0, flags: RST, window: 0 }
        : { sequence: 0, acknowledgment: (segment.sequence + length) >>> 0, flags: RST | ACK, window: 0 };
    this.send({ local, remote }, reset, new Uint8Array(0), () => undefined);
  }
}

function keyOf(local: { ip: Ip; port: number }, remote: { ip: Ip; port: number }): string {
  return `${ipKey(local.ip)}:${local.port}>${ipKey(remote.ip)}:${remote.port}`;
}

function mssOf(mtu: number, ip: Ip): number {
  return Math.max(88, mtu - (ip.family === 4 ? 40 : 60));
}

function mssOption({ options }: Tcp): number | undefined {
  if (!options) return undefined;
  try {
    const data = parseTcpOptions(options).find(({ type }) => type === TCP_OPTION.maxSegment)?.data;
    return data?.length === 2 ? (data[0]! << 8) | data[1]! : undefined;
  } catch (error) {
    // Options that cannot be read are as good as none (RFC 9293 3.1, MUST-7).
    if (error instanceof MalformedError) return undefined;
    throw error;
  }
}
