/**
 * The state machine of a BFD session: the asynchronous mode of RFC 5880, without echo, demand and authentication. Nothing here
 * waits, sends or draws: {@link bfdStep} takes a session, what happens to it and when, and gives the session after that and what
 * is to be done about it. Times are ms of whatever clock the caller has, those in packets µs.
 */
import { BFD_DIAGNOSTIC, BFD_FLAG, BFD_STATE, type Bfd, type BfdState } from "../wire/bfd.ts";

export interface BfdSettings {
  /** Intervals in ms that this side wants to send at and offers to receive at, at least. */
  readonly minTx: number;
  readonly minRx: number;
  readonly mult: number;
  /** Until the session is up, packets are at least so many ms apart. RFC 5880 section 6.8.3 asks for a second. */
  readonly slowTx: number;
  /** The other side is told that what lies beyond this one cannot be reached. */
  readonly pathDown: boolean;
  /**
   * What takes minRx's place while hardly anything but control packets is received, ms; undefined: nothing does
   * (ovs-vswitchd.conf.db(5), bfd:decay_min_rx). Not less than minRx.
   */
  readonly decayMinRx?: number | undefined;
}

/** What the other side has said last; intervals in ms. */
export interface BfdRemote {
  readonly state: BfdState;
  readonly diagnostic: number;
  readonly discriminator: number;
  readonly minTx: number;
  readonly minRx: number;
  readonly mult: number;
  readonly flags: number;
}

export interface BfdMachine {
  readonly settings: BfdSettings;
  readonly discriminator: number;
  readonly state: BfdState;
  readonly diagnostic: number;
  readonly remote: BfdRemote;
  /** What packets say. New settings of a session that is up come into effect when the other side has acknowledged them. */
  readonly minTx: number;
  readonly minRx: number;
  /** A poll sequence is going on. */
  readonly polling: boolean;
  /** Something else has changed since it began. */
  readonly pollAgain: boolean;
  readonly lastTx: number;
  readonly nextTx: number;
  /** When the other side has been silent for too long. It means something in the states init and up. */
  readonly detect: number;
  /** The interface is idle, and decayMinRx counts. */
  readonly decayed: boolean;
  /** How much is received in this time decides whether it is. Undefined: it begins when the machine hears of the time next. */
  readonly idleWatch: { readonly until: number; readonly received: number } | undefined;
}

/** `received`: packets of any kind that have come in since whenever; only a session with decayMinRx asks. `jitter`, from 0 to 1, says by how much the packet behind one that is due now comes sooner. */
export type BfdEvent =
  | { readonly type: "time"; readonly jitter: number; readonly received?: number }
  | { readonly type: "receive"; readonly packet: Bfd }
  | { readonly type: "configure"; readonly settings: BfdSettings }
  | { readonly type: "poll" };

/** A state, and why it is so. */
export interface BfdStanding {
  readonly state: BfdState;
  readonly diagnostic: number;
}

/** `send` is to be done; the others are news. */
export type BfdAction =
  | { readonly type: "send"; readonly packet: Bfd }
  | { readonly type: "standing"; readonly before: BfdStanding; readonly after: BfdStanding }
  | { readonly type: "pollBegins" | "pollEnds" | "remoteMinRx" }
  | { readonly type: "remoteMult"; readonly before: number; readonly after: number }
  | { readonly type: "refused"; readonly problem: string };

/** What a peer is taken for that has said nothing (RFC 5880 section 6.8.1). */
const SILENT = { state: BFD_STATE.down, diagnostic: 0, discriminator: 0, minTx: 0, minRx: 1, flags: 0 } as const;

/** Whether an interface is idle is seen in so many ms, at least. */
const IDLE_WATCH = 2000;
/** Of an interval, what is left when the sender's jitter is greatest (RFC 5880 section 6.8.7). */
const LEAST_INTERVAL = 0.75;

type Draft = { -readonly [K in keyof BfdMachine]: BfdMachine[K] };

/** A session that is down; its first packet is due now. `discriminator`: not 0. */
export function newBfdMachine(discriminator: number, settings: BfdSettings, now: number): BfdMachine {
  return {
    settings,
    discriminator,
    state: BFD_STATE.down,
    diagnostic: settings.pathDown ? BFD_DIAGNOSTIC.pathDown : BFD_DIAGNOSTIC.none,
    remote: { ...SILENT, mult: 0 },
    minTx: Math.max(settings.minTx, settings.slowTx),
    minRx: settings.minRx,
    polling: false,
    pollAgain: false,
    lastTx: now,
    nextTx: now,
    detect: now,
    decayed: false,
    idleWatch: undefined,
  };
}

/** The machine after an event, and what comes of it, in order. */
export function bfdStep(machine: BfdMachine, event: BfdEvent, now: number): [BfdMachine, BfdAction[]] {
  const draft: Draft = { ...machine };
  const actions: BfdAction[] = [];
  switch (event.type) {
    case "time":
      passTime(draft, event.jitter, now, actions);
      watchIdle(draft, event.received ?? 0, now, actions);
      break;
    case "receive":
      receive(draft, event.packet, now, actions);
      break;
    case "configure":
      configure(draft, event.settings, now, actions);
      break;
    case "poll":
      poll(draft, now, actions);
      break;
  }
  return [draft, actions];
}

/** When the machine wants to hear of the time next. */
export function bfdDue(machine: BfdMachine): number {
  const due = listens(machine) ? Math.min(machine.nextTx, machine.detect) : machine.nextTx;
  return watches(machine) && machine.idleWatch !== undefined ? Math.min(due, machine.idleWatch.until) : due;
}

/** The interval of packets to the other side, before jitter. */
export function bfdTxInterval({ minTx, remote }: BfdMachine): number {
  return Math.max(minTx, remote.minRx);
}

/** The interval of packets from the other side, at most. */
export function bfdRxInterval({ minRx, remote }: BfdMachine): number {
  return Math.max(minRx, remote.minTx);
}

/** In a state that ends when nothing is heard. */
function listens({ state }: BfdMachine): boolean {
  return state === BFD_STATE.init || state === BFD_STATE.up;
}

function passTime(draft: Draft, jitter: number, now: number, actions: BfdAction[]): void {
  if (listens(draft) && now >= draft.detect) {
    draft.remote = { ...draft.remote, ...SILENT };
    enter(draft, BFD_STATE.down, BFD_DIAGNOSTIC.expired, actions);
  }
  if (now < draft.nextTx) return;
  transmit(draft, draft.polling ? BFD_FLAG.poll : 0, now, actions);
  // RFC 5880 section 6.8.7: sooner by up to a quarter; by a tenth at least where a single loss counts.
  const least = draft.settings.mult === 1 ? 0.1 : 0;
  draft.nextTx = now + Math.round(bfdTxInterval(draft) * (1 - least - jitter * (0.25 - least)));
}

function transmit(draft: Draft, flags: number, now: number, actions: BfdAction[]): void {
  const { polling, settings } = draft;
  draft.lastTx = now;
  // RFC 5880 section 6.8.7: such a peer wants nothing that it has not asked for.
  if (draft.remote.minRx === 0 && (flags & BFD_FLAG.final) === 0) return;
  const packet: Bfd = {
    kind: "bfd",
    diagnostic: draft.diagnostic,
    state: draft.state,
    flags,
    detectMultiplier: settings.mult,
    myDiscriminator: draft.discriminator,
    yourDiscriminator: draft.remote.discriminator,
    desiredMinTx: (polling ? settings.minTx : draft.minTx) * 1000,
    requiredMinRx: (polling ? wantedMinRx(draft) : draft.minRx) * 1000,
    requiredMinEchoRx: 0,
  };
  actions.push({ type: "send", packet });
}

/** RFC 5880 section 6.8.6. */
function receive(draft: Draft, packet: Bfd, now: number, actions: BfdAction[]): void {
  const problem = refusal(draft, packet);
  if (problem !== undefined) {
    actions.push({ type: "refused", problem });
    return;
  }
  hear(draft, packet, now, actions);
  if ((packet.flags & BFD_FLAG.final) !== 0 && draft.polling) endPoll(draft, now, actions);
  follow(draft, actions);
  draft.detect = now + draft.remote.mult * bfdRxInterval(draft);
  if ((packet.flags & BFD_FLAG.poll) !== 0) transmit(draft, BFD_FLAG.final, now, actions);
}

/** Why a packet is not taken in, undefined if it is. */
function refusal({ discriminator }: BfdMachine, packet: Bfd): string | undefined {
  const { version, detectMultiplier, flags, myDiscriminator, yourDiscriminator, state } = packet;
  if ((version ?? 1) !== 1) return `version ${version}`;
  if (detectMultiplier === 0) return "detect multiplier 0";
  if ((flags & BFD_FLAG.multipoint) !== 0) return "multipoint bit set";
  if ((flags & BFD_FLAG.authentication) !== 0) return "authentication is not supported";
  if (myDiscriminator === 0) return "my discriminator 0";
  if (yourDiscriminator === 0 ? state > BFD_STATE.down : yourDiscriminator !== discriminator)
    return `your discriminator 0x${yourDiscriminator.toString(16)}`;
  return undefined;
}

/** µs as ms, of which there is one at least. */
const wholeMs = (us: number): number => Math.max(1, Math.floor(us / 1000));

/** Keeps what the other side says of itself. */
function hear(draft: Draft, packet: Bfd, now: number, actions: BfdAction[]): void {
  const before = draft.remote;
  draft.remote = {
    state: packet.state as BfdState,
    diagnostic: packet.diagnostic,
    discriminator: packet.myDiscriminator,
    minTx: wholeMs(packet.desiredMinTx),
    // Nothing is nothing: it wants no packets.
    minRx: packet.requiredMinRx === 0 ? 0 : wholeMs(packet.requiredMinRx),
    mult: packet.detectMultiplier,
    flags: packet.flags,
  };
  const { mult, minRx } = draft.remote;
  if (before.mult !== mult) actions.push({ type: "remoteMult", before: before.mult, after: mult });
  if (before.minRx === minRx) return;
  actions.push({ type: "remoteMinRx" });
  draft.nextTx = Math.min(draft.nextTx, now + bfdTxInterval(draft));
}

/** RFC 5880 section 6.2. A session that comes up keeps the reason of its last fall. */
function follow(draft: Draft, actions: BfdAction[]): void {
  const { state, remote, diagnostic } = draft;
  if (remote.state === BFD_STATE.adminDown || (remote.state === BFD_STATE.down && state === BFD_STATE.up)) {
    if (state !== BFD_STATE.down) enter(draft, BFD_STATE.down, BFD_DIAGNOSTIC.neighbourDown, actions);
  } else if (state === BFD_STATE.down) {
    if (remote.state === BFD_STATE.down) enter(draft, BFD_STATE.init, diagnostic, actions);
    else if (remote.state === BFD_STATE.init) enter(draft, BFD_STATE.up, diagnostic, actions);
  } else if (state === BFD_STATE.init && remote.state !== BFD_STATE.down) enter(draft, BFD_STATE.up, diagnostic, actions);
}

function enter(draft: Draft, state: BfdState, reason: number, actions: BfdAction[]): void {
  const diagnostic = draft.settings.pathDown && reason === BFD_DIAGNOSTIC.none ? BFD_DIAGNOSTIC.pathDown : reason;
  const before: BfdStanding = { state: draft.state, diagnostic: draft.diagnostic };
  if (state === before.state && diagnostic === before.diagnostic) return;
  draft.state = state;
  draft.diagnostic = diagnostic;
  if (state !== BFD_STATE.up) {
    draft.polling = false;
    draft.pollAgain = false;
    forgetIdle(draft);
  }
  if (before.state !== state) takeIntervals(draft);
  actions.push({ type: "standing", before, after: { state, diagnostic } });
}

function takeIntervals(draft: Draft): void {
  const { minTx, slowTx } = draft.settings;
  draft.minTx = draft.state === BFD_STATE.up ? minTx : Math.max(minTx, slowTx);
  draft.minRx = wantedMinRx(draft);
}

// Idle interfaces.

function wantedMinRx({ settings, decayed }: BfdMachine): number {
  return decayed ? (settings.decayMinRx ?? settings.minRx) : settings.minRx;
}

function watches({ state, settings }: BfdMachine): boolean {
  return state === BFD_STATE.up && settings.decayMinRx !== undefined;
}

function forgetIdle(draft: Draft): void {
  draft.decayed = false;
  draft.idleWatch = undefined;
}

/**
 * An interface is idle that receives less than twice the control packets that the other side may send. No manual has this bound:
 * it agrees with what the reference does with interfaces that are clearly idle or clearly busy.
 */
function watchIdle(draft: Draft, received: number, now: number, actions: BfdAction[]): void {
  const { decayMinRx } = draft.settings;
  if (!watches(draft) || decayMinRx === undefined) return;
  const watch = draft.idleWatch;
  if (watch !== undefined && now < watch.until) return;
  const length = Math.max(IDLE_WATCH, decayMinRx);
  draft.idleWatch = { until: now + length, received };
  if (watch === undefined) return;
  const control = length / (bfdRxInterval(draft) * LEAST_INTERVAL);
  const idle = received - watch.received < 2 * control;
  if (idle === draft.decayed) return;
  draft.decayed = idle;
  poll(draft, now, actions);
}

// Poll sequences (RFC 5880 section 6.5), which only a session that is up needs.

function configure(draft: Draft, settings: BfdSettings, now: number, actions: BfdAction[]): void {
  const before = draft.settings;
  draft.settings = settings;
  if (before.pathDown !== settings.pathDown) {
    enter(draft, draft.state, settings.pathDown ? BFD_DIAGNOSTIC.pathDown : BFD_DIAGNOSTIC.none, actions);
    poll(draft, now, actions);
  }
  const sameRx = before.minRx === settings.minRx && before.decayMinRx === settings.decayMinRx;
  if (!sameRx) forgetIdle(draft);
  if (sameRx && before.minTx === settings.minTx && before.mult === settings.mult) return;
  if (draft.state === BFD_STATE.up) poll(draft, now, actions);
  else takeIntervals(draft);
}

function poll(draft: Draft, now: number, actions: BfdAction[]): void {
  if (draft.state !== BFD_STATE.up) return;
  if (draft.polling) {
    draft.pollAgain = true;
    return;
  }
  draft.polling = true;
  draft.nextTx = now;
  actions.push({ type: "pollBegins" });
}

function endPoll(draft: Draft, now: number, actions: BfdAction[]): void {
  draft.polling = false;
  takeIntervals(draft);
  actions.push({ type: "pollEnds" });
  if (!draft.pollAgain) return;
  draft.pollAgain = false;
  poll(draft, now, actions);
}
