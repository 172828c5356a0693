/**
 * One session of bidirectional forwarding detection, in the asynchronous mode of RFC 5880 without echo and authentication.
 * All times are in ms, those of packets in µs.
 */
import { BFD_FLAG, type Bfd } from "@weft/packet";
import type { Clock, Logger, Random, Timer } from "@weft/runtime";
import type { BfdConfig } from "./config.ts";
import { DIAGNOSTIC, diagnosticName, flagsName, STATE, type State, stateNames } from "./names.ts";

export interface SessionOptions {
  readonly name: string;
  readonly config: BfdConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly send: (packet: Bfd) => void;
  /** Something that {@link BfdSession.status} tells has changed. */
  readonly changed: () => void;
}

/** Until a session is up, packets are at least so far apart (RFC 5880 section 6.8.3). */
const SLOW = 1000;

/** What the other side has said last. */
interface Remote {
  state: State;
  diagnostic: number;
  discriminator: number;
  minTx: number;
  minRx: number;
  mult: number;
  flags: number;
}

export class BfdSession {
  readonly name: string;
  readonly #o: SessionOptions;
  config: BfdConfig;
  #state: State = STATE.adminDown;
  #diagnostic: number = DIAGNOSTIC.none;
  readonly #discriminator: number;
  readonly #remote: Remote = { state: STATE.down, diagnostic: 0, discriminator: 0, minTx: 0, minRx: 1, mult: 0, flags: 0 };
  /** What packets say. New values of a session that is up come into effect when the other side has acknowledged them. */
  #minTx = SLOW;
  #minRx: number;
  /** Asked for by {@link configure} while a poll sequence is going on. */
  #polling = false;
  #pollAgain = false;
  #lastTx = 0;
  #nextTx = 0;
  #detect = 0;
  #timer: Timer | undefined;
  #wasForwarding = false;
  #flaps = 0;
  /** bfd/set-forwarding. */
  #override: boolean | undefined;

  constructor(options: SessionOptions) {
    this.name = options.name;
    this.#o = options;
    this.config = options.config;
    this.#discriminator = options.random.uint32() || 1;
    this.#minRx = options.config.minRx;
    this.#minTx = Math.max(options.config.minTx, SLOW);
    this.#enter(STATE.down, DIAGNOSTIC.none);
    // The first packet goes as soon as the port is ready.
    this.#nextTx = options.clock.now();
    this.#schedule();
  }

  close(): void {
    this.#timer?.cancel();
  }

  configure(config: BfdConfig): void {
    const before = this.config;
    this.config = config;
    if (before.cpathDown !== config.cpathDown) {
      this.#enter(this.#state, config.cpathDown ? DIAGNOSTIC.pathDown : DIAGNOSTIC.none);
      this.#poll();
    }
    if (before.minTx === config.minTx && before.minRx === config.minRx && before.mult === config.mult) return;
    if (this.#state === STATE.up) this.#poll();
    else this.#takeIntervals();
    this.#schedule();
  }

  #poll(): void {
    if (this.#state !== STATE.up) return;
    if (this.#polling) {
      this.#pollAgain = true;
      return;
    }
    this.#polling = true;
    this.#o.log.info(`${this.name}: Initiating poll sequence`);
    this.#nextTx = this.#o.clock.now();
    this.#schedule();
  }

  #takeIntervals(): void {
    this.#minTx = this.#state === STATE.up ? this.config.minTx : Math.max(this.config.minTx, SLOW);
    this.#minRx = this.config.minRx;
  }

  get #txInterval(): number {
    return Math.max(this.#minTx, this.#remote.minRx);
  }

  get #rxInterval(): number {
    return Math.max(this.#minRx, this.#remote.minTx);
  }

  // Time.

  #schedule(): void {
    const { clock } = this.#o;
    const due = this.#hears ? Math.min(this.#nextTx, this.#detect) : this.#nextTx;
    this.#timer?.cancel();
    this.#timer = clock.after(Math.max(0, due - clock.now()), () => this.#tick());
  }

  /** In a state that ends when nothing is heard. */
  get #hears(): boolean {
    return this.#state === STATE.init || this.#state === STATE.up;
  }

  #tick(): void {
    const now = this.#o.clock.now();
    if (this.#hears && now >= this.#detect) {
      // RFC 5880 section 6.8.1: what the other side said counts no longer.
      Object.assign(this.#remote, { state: STATE.down, diagnostic: 0, discriminator: 0, minTx: 0, minRx: 1, flags: 0 });
      this.#enter(STATE.down, DIAGNOSTIC.expired);
    }
    if (now >= this.#nextTx) this.#transmit(false);
    this.#schedule();
  }

  #transmit(final: boolean): void {
    const { clock, random, send } = this.#o;
    const now = clock.now();
    this.#lastTx = now;
    if (!final) {
      // RFC 5880 section 6.8.7: sooner by up to a quarter; at least a tenth where a single loss counts.
      const least = this.config.mult === 1 ? 0.1 : 0;
      const jitter = least + (random.below(1000) / 1000) * (0.25 - least);
      this.#nextTx = now + Math.round(this.#txInterval * (1 - jitter));
    }
    if (this.#remote.minRx === 0) return;
    const polling = this.#polling;
    send({
      kind: "bfd",
      diagnostic: this.#diagnostic,
      state: this.#state,
      flags: final ? BFD_FLAG.final : polling ? BFD_FLAG.poll : 0,
      detectMultiplier: this.config.mult,
      myDiscriminator: this.#discriminator,
      yourDiscriminator: this.#remote.discriminator,
      desiredMinTx: (polling ? this.config.minTx : this.#minTx) * 1000,
      requiredMinRx: (polling ? this.config.minRx : this.#minRx) * 1000,
      requiredMinEchoRx: 0,
    });
  }

  // Packets.

  /** Takes a control packet of this interface in, by the rules of RFC 5880 section 6.8.6. */
  receive(packet: Bfd): void {
    const problem = this.#refusal(packet);
    if (problem !== undefined) {
      this.#o.log.warn(`${this.name}: Incorrect BFD control message: ${problem}`);
      return;
    }
    const { clock, log } = this.#o;
    const now = clock.now();
    const remote = this.#remote;
    const { state, diagnostic, flags, detectMultiplier, desiredMinTx, requiredMinRx, myDiscriminator } = packet;
    if (remote.mult !== detectMultiplier)
      log.info(`Interface ${this.name} remote mult value ${remote.mult} changed to ${detectMultiplier}`);
    const minRx = Math.ceil(requiredMinRx / 1000);
    const newMinRx = minRx !== remote.minRx;
    if (newMinRx) log.info(`${this.name}: New remote min_rx.`);
    Object.assign(remote, {
      state: state as State,
      diagnostic,
      flags,
      mult: detectMultiplier,
      discriminator: myDiscriminator,
      minTx: Math.floor(desiredMinTx / 1000),
      minRx,
    });
    if (newMinRx) this.#nextTx = Math.min(this.#nextTx, now + this.#txInterval);
    if ((flags & BFD_FLAG.final) !== 0 && this.#polling) this.#acknowledged();
    this.#step(state as State);
    this.#detect = now + remote.mult * this.#rxInterval;
    if ((flags & BFD_FLAG.poll) !== 0) this.#transmit(true);
    this.#noteForwarding();
    this.#o.changed();
    this.#schedule();
  }

  #refusal({ version, detectMultiplier, flags, myDiscriminator, yourDiscriminator, state }: Bfd): string | undefined {
    if ((version ?? 1) !== 1) return `version ${version}`;
    if (detectMultiplier === 0) return "detect multiplier 0";
    if ((flags & BFD_FLAG.multipoint) !== 0) return "multipoint bit set";
    if ((flags & BFD_FLAG.authentication) !== 0) return "authentication is not supported";
    if (myDiscriminator === 0) return "my discriminator 0";
    if (yourDiscriminator === 0 ? state > STATE.down : yourDiscriminator !== this.#discriminator)
      return `your discriminator 0x${yourDiscriminator.toString(16)}`;
    return undefined;
  }

  #acknowledged(): void {
    this.#o.log.info(`${this.name}: Poll sequence terminated.`);
    this.#polling = false;
    this.#takeIntervals();
    if (!this.#pollAgain) return;
    this.#pollAgain = false;
    this.#poll();
  }

  /** RFC 5880 section 6.2. A session that comes up keeps the reason of its last fall. */
  #step(remote: State): void {
    if (remote === STATE.adminDown || (remote === STATE.down && this.#state === STATE.up)) {
      if (this.#state !== STATE.down) this.#enter(STATE.down, DIAGNOSTIC.neighbourDown);
    } else if (this.#state === STATE.down) {
      if (remote === STATE.down) this.#enter(STATE.init, this.#diagnostic);
      else if (remote === STATE.init) this.#enter(STATE.up, this.#diagnostic);
    } else if (this.#state === STATE.init && remote >= STATE.init) this.#enter(STATE.up, this.#diagnostic);
  }

  #enter(state: State, reason: number): void {
    const diagnostic = this.config.cpathDown && reason === DIAGNOSTIC.none ? DIAGNOSTIC.pathDown : reason;
    if (state === this.#state && diagnostic === this.#diagnostic) return;
    const text = (s: State, d: number): string => `(bfd.SessionState: ${stateNames[s]}, bfd.LocalDiag: "${diagnosticName(d)}")`;
    this.#o.log.info(`${this.name}: BFD state change: ${text(this.#state, this.#diagnostic)} -> ${text(state, diagnostic)}`);
    const before = this.#state;
    this.#state = state;
    this.#diagnostic = diagnostic;
    if (state !== STATE.up) {
      this.#polling = false;
      this.#pollAgain = false;
    }
    if (before !== state) this.#takeIntervals();
    this.#noteForwarding();
    this.#o.changed();
  }

  // What others see.

  /** Whether the session says that the interface may be used. */
  get #sane(): boolean {
    const { diagnostic } = this.#remote;
    return this.#state === STATE.up && diagnostic !== DIAGNOSTIC.pathDown && diagnostic !== DIAGNOSTIC.reversePathDown;
  }

  #noteForwarding(): void {
    if (this.#sane === this.#wasForwarding) return;
    this.#wasForwarding = this.#sane;
    this.#flaps++;
  }

  get forwarding(): boolean {
    return this.#override ?? this.#sane;
  }

  override(forwarding: boolean | undefined): void {
    this.#override = forwarding;
    this.#o.changed();
  }

  /** The Interface column bfd_status. */
  get status(): ReadonlyMap<string, string> {
    return new Map([
      ["diagnostic", diagnosticName(this.#diagnostic)],
      ["flap_count", String(this.#flaps)],
      ["forwarding", String(this.forwarding)],
      ["remote_diagnostic", diagnosticName(this.#remote.diagnostic)],
      ["remote_state", stateNames[this.#remote.state]],
      ["state", stateNames[this.#state]],
    ]);
  }

  /** The lines of bfd/show, each with its newline. */
  describe(): string {
    const now = this.#o.clock.now();
    const ago = (time: number): string => {
      const ms = Math.round(time - now);
      return `now ${ms < 0 ? "-" : "+"}${Math.abs(ms)}ms`;
    };
    const hex = (value: number): string => `0x${value.toString(16)}`;
    const remote = this.#remote;
    return [
      `  Forwarding: ${this.forwarding}`,
      `  Detect Multiplier: ${this.config.mult}`,
      `  Concatenated Path Down: ${this.config.cpathDown}`,
      `  TX Interval: Approx ${this.#txInterval}ms`,
      `  RX Interval: Approx ${this.#rxInterval}ms`,
      `  Detect Time: ${ago(this.#detect)}`,
      `  Next TX Time: ${ago(this.#nextTx)}`,
      `  Last TX Time: ${ago(this.#lastTx)}`,
      "",
      `  Local Flags: ${flagsName(this.#polling ? BFD_FLAG.poll : 0)}`,
      `  Local Session State: ${stateNames[this.#state]}`,
      `  Local Diagnostic: ${diagnosticName(this.#diagnostic)}`,
      `  Local Discriminator: ${hex(this.#discriminator)}`,
      `  Local Minimum TX Interval: ${this.#minTx}ms`,
      `  Local Minimum RX Interval: ${this.#minRx}ms`,
      "",
      `  Remote Flags: ${flagsName(remote.flags)}`,
      `  Remote Session State: ${stateNames[remote.state]}`,
      `  Remote Diagnostic: ${diagnosticName(remote.diagnostic)}`,
      `  Remote Discriminator: ${hex(remote.discriminator)}`,
      `  Remote Minimum TX Interval: ${remote.minTx}ms`,
      `  Remote Minimum RX Interval: ${remote.minRx}ms`,
      `  Remote Detect Multiplier: ${remote.mult}`,
      "",
    ].join("\n");
  }
}
