/** One session of a switch: the machine of RFC 5880 with the clock, the log and what others see of it. */
import {
  BFD_DIAGNOSTIC,
  BFD_FLAG,
  BFD_STATE,
  type Bfd,
  type BfdAction,
  type BfdEvent,
  type BfdMachine,
  type BfdSettings,
  type BfdStanding,
  bfdDue,
  bfdRxInterval,
  bfdStep,
  bfdTxInterval,
  newBfdMachine,
} from "@weft/packet";
import type { Clock, Logger, Random, Timer } from "@weft/runtime";
import type { BfdConfig } from "./config.ts";
import { diagnosticName, flagsName, stateNames } from "./names.ts";

export interface SessionOptions {
  readonly name: string;
  readonly config: BfdConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly send: (packet: Bfd) => void;
  /** Packets that the interface has received, of any kind. */
  readonly received: () => number;
  /** Something that {@link BfdSession.status} tells has changed. */
  readonly changed: () => void;
}

/** Until a session is up, packets are at least so many ms apart (RFC 5880 section 6.8.3). */
const SLOW = 1000;
/** A random number below this makes a jitter. */
const STEPS = 1000;

function settingsOf({ minTx, minRx, decayMinRx, mult, cpathDown }: BfdConfig): BfdSettings {
  const decays = decayMinRx !== undefined && decayMinRx >= minRx;
  return { minTx, minRx, mult, slowTx: SLOW, pathDown: cpathDown, decayMinRx: decays ? decayMinRx : undefined };
}

export class BfdSession {
  readonly name: string;
  readonly #o: SessionOptions;
  config: BfdConfig;
  #machine: BfdMachine;
  #timer: Timer | undefined;
  #wasForwarding = false;
  #flaps = 0;
  /** The values of the status that others have been told of. */
  #told = "";
  /** bfd/set-forwarding. */
  #override: boolean | undefined;

  constructor(options: SessionOptions) {
    const { name, config, clock, random } = options;
    this.name = name;
    this.#o = options;
    this.config = config;
    this.#machine = newBfdMachine(random.uint32() || 1, settingsOf(config), clock.now());
    const { state, diagnostic } = this.#machine;
    this.#logStanding({ state: BFD_STATE.adminDown, diagnostic: BFD_DIAGNOSTIC.none }, { state, diagnostic });
    this.#schedule();
    this.#checkDecay();
  }

  #checkDecay(): void {
    const { minRx, decayMinRx } = this.config;
    if (decayMinRx !== undefined && decayMinRx < minRx)
      this.#o.log.warn(`${this.name}: decay_min_rx cannot be less than ${minRx} ms`);
  }

  close(): void {
    this.#timer?.cancel();
  }

  configure(config: BfdConfig): void {
    const { minRx, decayMinRx } = this.config;
    this.config = config;
    if (minRx !== config.minRx || decayMinRx !== config.decayMinRx) this.#checkDecay();
    this.#happen({ type: "configure", settings: settingsOf(config) });
  }

  /** Takes a control packet of this interface in. */
  receive(packet: Bfd): void {
    this.#happen({ type: "receive", packet });
  }

  #happen(event: BfdEvent): void {
    const [machine, actions] = bfdStep(this.#machine, event, this.#o.clock.now());
    this.#machine = machine;
    for (const action of actions) this.#act(action);
    this.#noteForwarding();
    this.#tellChange();
    this.#schedule();
  }

  #tellChange(): void {
    const now = [...this.status.values()].join();
    if (now === this.#told) return;
    this.#told = now;
    this.#o.changed();
  }

  #schedule(): void {
    const { clock, random, received } = this.#o;
    this.#timer?.cancel();
    this.#timer = clock.after(Math.max(0, bfdDue(this.#machine) - clock.now()), () =>
      this.#happen({ type: "time", jitter: random.below(STEPS) / STEPS, received: received() }),
    );
  }

  #act(action: BfdAction): void {
    const { log, send } = this.#o;
    switch (action.type) {
      case "send":
        send(action.packet);
        break;
      case "standing":
        this.#logStanding(action.before, action.after);
        break;
      case "pollBegins":
        log.info(`${this.name}: Initiating poll sequence`);
        break;
      case "pollEnds":
        log.info(`${this.name}: Poll sequence terminated.`);
        break;
      case "remoteMinRx":
        log.info(`${this.name}: New remote min_rx.`);
        break;
      case "remoteMult":
        log.info(`Interface ${this.name} remote mult value ${action.before} changed to ${action.after}`);
        break;
      case "refused":
        log.warn(`${this.name}: Incorrect BFD control message: ${action.problem}`);
        break;
    }
  }

  #logStanding(before: BfdStanding, after: BfdStanding): void {
    const text = ({ state, diagnostic }: BfdStanding): string =>
      `(bfd.SessionState: ${stateNames[state]}, bfd.LocalDiag: "${diagnosticName(diagnostic)}")`;
    this.#o.log.info(`${this.name}: BFD state change: ${text(before)} -> ${text(after)}`);
  }

  // What others see.

  /** Whether the session says that the interface may be used. */
  get #sane(): boolean {
    const { state, remote } = this.#machine;
    const { pathDown, reversePathDown } = BFD_DIAGNOSTIC;
    return state === BFD_STATE.up && remote.diagnostic !== pathDown && remote.diagnostic !== reversePathDown;
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
    this.#tellChange();
  }

  /** The Interface column bfd_status. */
  get status(): ReadonlyMap<string, string> {
    const { state, diagnostic, remote } = this.#machine;
    return new Map([
      ["diagnostic", diagnosticName(diagnostic)],
      ["flap_count", String(this.#flaps)],
      ["forwarding", String(this.forwarding)],
      ["remote_diagnostic", diagnosticName(remote.diagnostic)],
      ["remote_state", stateNames[remote.state]],
      ["state", stateNames[state]],
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
    const machine = this.#machine;
    const { remote } = machine;
    return [
      `  Forwarding: ${this.forwarding}`,
      `  Detect Multiplier: ${this.config.mult}`,
      `  Concatenated Path Down: ${this.config.cpathDown}`,
      `  TX Interval: Approx ${bfdTxInterval(machine)}ms`,
      `  RX Interval: Approx ${bfdRxInterval(machine)}ms`,
      `  Detect Time: ${ago(machine.detect)}`,
      `  Next TX Time: ${ago(machine.nextTx)}`,
      `  Last TX Time: ${ago(machine.lastTx)}`,
      "",
      `  Local Flags: ${flagsName(machine.polling ? BFD_FLAG.poll : 0)}`,
      `  Local Session State: ${stateNames[machine.state]}`,
      `  Local Diagnostic: ${diagnosticName(machine.diagnostic)}`,
      `  Local Discriminator: ${hex(machine.discriminator)}`,
      `  Local Minimum TX Interval: ${machine.minTx}ms`,
      `  Local Minimum RX Interval: ${machine.minRx}ms`,
      "",
      `  Remote Flags: ${flagsName(remote.flags)}`,
      `  Remote Session State: ${stateNames[remote.state]}`,
      `  Remote Diagnostic: ${diagnosticName(remote.diagnostic)}`,
      `  Remote Discriminator: ${hex(remote.discriminator)}`,
      `  Remote Minimum TX Interval: ${remote.minTx}ms`,
      `  Remote Minimum RX Interval: ${Math.max(1, remote.minRx)}ms`,
      `  Remote Detect Multiplier: ${remote.mult}`,
      "",
    ].join("\n");
  }
}
