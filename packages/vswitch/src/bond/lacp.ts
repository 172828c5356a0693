/** LACP of a port of the database: the machine with the clock and the log, and frames to and from its members. */
import {
  emit,
  emitLacp,
  type LacpEvent,
  type LacpGroup,
  type LacpMemberSettings,
  type LacpPdu,
  type LacpSettings,
  lacpDue,
  lacpMayEnable,
  lacpNegotiated,
  lacpStep,
  type Mac,
  newLacpGroup,
  parseLacp,
  SLOW_MULTICAST,
  SLOW_PROTOCOLS,
  SLOW_SUBTYPE,
} from "@weft/packet";
import { type Clock, type Logger, WeftError } from "@weft/runtime";

export interface LacpSessionOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly send: (member: string, pdu: LacpPdu) => void;
}

/** Counters of lacp/show-stats. */
export interface LacpCounters {
  sent: number;
  received: number;
  bad: number;
  markers: number;
  expired: number;
  defaulted: number;
  carrier: number;
}

/** Where a slow protocol begins in a frame, behind the EtherType, and how long one of its frames is at least there. */
const AT = 14;
const LEAST = 110;

export function lacpFrame(src: Mac, pdu: LacpPdu): Uint8Array {
  return emit([
    { kind: "ethernet", dst: SLOW_MULTICAST, src, etherType: SLOW_PROTOCOLS },
    { kind: "payload", bytes: emitLacp(pdu) },
  ]);
}

export class LacpSession {
  readonly name: string;
  readonly #o: LacpSessionOptions;
  #group: LacpGroup;
  readonly #counters = new Map<string, LacpCounters>();
  readonly #carriers = new Map<string, boolean>();

  constructor(options: LacpSessionOptions, settings: LacpSettings) {
    this.name = options.name;
    this.#o = options;
    this.#group = newLacpGroup(settings);
  }

  configure(settings: LacpSettings, members: ReadonlyMap<string, LacpMemberSettings>): void {
    for (const name of this.#counters.keys()) if (!members.has(name)) this.#counters.delete(name);
    this.#happen({ type: "configure", settings, members });
  }

  /** Counts how often the carrier of a member has come or gone. */
  observeCarrier(member: string, carrier: boolean): void {
    if ((this.#carriers.get(member) ?? carrier) !== carrier) this.counters(member).carrier++;
    this.#carriers.set(member, carrier);
  }

  passTime(): void {
    this.#happen({ type: "time" });
  }

  /** Takes in a frame of the slow protocols. */
  receive(member: string, frame: Uint8Array): void {
    const counters = this.counters(member);
    counters.received++;
    if (frame.length >= AT + LEAST && frame[AT] === SLOW_SUBTYPE.marker) {
      counters.markers++;
      return;
    }
    let pdu: LacpPdu;
    try {
      pdu = parseLacp(frame, AT);
    } catch (error) {
      if (!(error instanceof WeftError)) throw error;
      counters.bad++;
      this.#o.log.warn(`${member}: received an unparsable LACP PDU.`);
      return;
    }
    this.#happen({ type: "receive", member, pdu });
  }

  #happen(event: LacpEvent): void {
    const [group, actions] = lacpStep(this.#group, event, this.#o.clock.now());
    this.#group = group;
    for (const action of actions) {
      const counters = this.counters(action.member);
      switch (action.type) {
        case "send":
          counters.sent++;
          this.#o.send(action.member, action.pdu);
          break;
        case "expired":
        case "defaulted":
          counters[action.type]++;
          break;
        case "loopback":
          this.#o.log.warn(`member ${action.member}: Loopback detected. Interface is connected to its own bond`);
          break;
      }
    }
  }

  counters(member: string): LacpCounters {
    const known = this.#counters.get(member);
    if (known !== undefined) return known;
    const fresh: LacpCounters = { sent: 0, received: 0, bad: 0, markers: 0, expired: 0, defaulted: 0, carrier: 0 };
    this.#counters.set(member, fresh);
    return fresh;
  }

  get group(): LacpGroup {
    return this.#group;
  }

  /** Monotonic ms. */
  get due(): number {
    return lacpDue(this.#group);
  }

  get negotiated(): boolean {
    return lacpNegotiated(this.#group);
  }

  /** There is no partner, and that is no hindrance. */
  get fallsBack(): boolean {
    return this.#group.settings.fallback && !this.negotiated;
  }

  mayEnable(name: string): boolean {
    const member = this.#group.members.get(name);
    return member !== undefined && lacpMayEnable(this.#group, member);
  }

  /** The Interface column lacp_current. */
  current(name: string): boolean {
    return this.#group.members.get(name)?.status === "current";
  }
}
