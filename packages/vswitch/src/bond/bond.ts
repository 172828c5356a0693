/** A bond of a bridge: its machine with the clock and the log, its slots, and what the translation asks of it. */
import { formatMac, macOf } from "@weft/packet";
import type { Clock, Logger } from "@weft/runtime";
import type { Datapath } from "../datapath/datapath.ts";
import type { OfPort } from "../ofproto/port.ts";
import { rebalance, SLOTS, type Slot, sourceSlot } from "./balance.ts";
import type { BondConfig, BondMode } from "./config.ts";
import type { LacpSession } from "./lacp.ts";
import { type BondEvent, type BondMachine, type BondMember, bondDue, bondStep, NEW_BOND } from "./machine.ts";

export interface BondOptions {
  readonly name: string;
  readonly datapath: Datapath;
  readonly clock: Clock;
  readonly log: Logger;
  /** Another member is the active one. */
  readonly activeChanged: (bond: Bond) => void;
}

/** What a bond makes of a packet that has come in: a reason to drop it, or none. */
export type Admission = "ok" | "refused" | "unless-looped";

export class Bond {
  readonly name: string;
  readonly #o: BondOptions;
  config: BondConfig;
  lacp: LacpSession | undefined;
  #ports: ReadonlyMap<string, OfPort> = new Map();
  #machine: BondMachine = NEW_BOND;
  readonly #slots: Slot[] = Array.from({ length: SLOTS }, () => ({ member: undefined, load: 0 }));
  /** Where the next slot's member is looked for. */
  #turn = 0;
  #recircId: number | undefined;
  #nextRebalance: number;

  constructor(options: BondOptions, config: BondConfig) {
    this.name = options.name;
    this.#o = options;
    this.config = config;
    this.#nextRebalance = options.clock.now() + config.rebalance;
  }

  configure(config: BondConfig, ports: readonly OfPort[], lacp: LacpSession | undefined): void {
    if (this.config.basis !== config.basis || this.config.mode !== config.mode)
      for (const slot of this.#slots) Object.assign(slot, { member: undefined, load: 0 });
    if (this.config.rebalance !== config.rebalance || this.config.mode !== config.mode)
      this.#nextRebalance = this.#o.clock.now() + config.rebalance;
    this.config = config;
    this.lacp = lacp;
    this.#ports = new Map(ports.map((port) => [port.name, port]));
    const bridge = ports[0]?.bridge;
    if (config.mode !== "active-backup" && bridge !== undefined)
      this.#recircId ??= this.#o.datapath.recirc.allocateBond(bridge, this);
    else this.#forgetRecirculation();
    this.observe();
  }

  close(): void {
    this.#forgetRecirculation();
  }

  #forgetRecirculation(): void {
    if (this.#recircId !== undefined) this.#o.datapath.recirc.release(this.#recircId);
    this.#recircId = undefined;
  }

  /** Looks at the links of all members, and does what time asks for. */
  observe(): void {
    const { updelay, downdelay } = this.config;
    const links = new Map([...this.#ports].map(([name, port]) => [name, this.#mayEnable(port)]));
    this.#happen({ type: "observe", links, updelay, downdelay, primary: this.#primary });
    this.#rebalance();
  }

  #mayEnable(port: OfPort): boolean {
    const isUp = port.up && port.carrier && (port.bfd?.forwarding ?? true);
    return isUp && (this.lacp?.mayEnable(port.name) ?? true);
  }

  get #primary(): string | undefined {
    return this.mode === "active-backup" ? this.config.primary : undefined;
  }

  #happen(event: BondEvent): void {
    const before = this.#machine;
    const [machine, news] = bondStep(before, event, this.#o.clock.now());
    this.#machine = machine;
    const { log } = this.#o;
    for (const one of news) {
      switch (one.type) {
        case "link":
          log.info(`member ${one.member}: link state ${one.up ? "up" : "down"}`);
          break;
        case "delay":
          log.info(
            `member ${one.member}: will be ${one.up ? "enabled" : "disabled"} if it stays ${one.up ? "up" : "down"} for ${one.ms} ms`,
          );
          break;
        case "enabled":
          log.info(`member ${one.member}: ${one.enabled ? "enabled" : "disabled"}`);
          break;
        case "active":
          if (one.member === undefined) log.info(`bond ${this.name}: all members disabled`);
          else if (one.skipped === undefined) log.info(`bond ${this.name}: active member is now ${one.member}`);
          else
            log.info(
              `bond ${this.name}: active member is now ${one.member}, skipping remaining ${Math.round(one.skipped)} ms updelay (since no member was enabled)`,
            );
          break;
      }
    }
    if (news.length === 0) return;
    this.#o.datapath.invalidate();
    if (before.active !== undefined && machine.active !== undefined && machine.active !== before.active)
      this.#o.activeChanged(this);
  }

  /** Monotonic ms when the bond wants to be observed again. */
  get due(): number {
    const next = this.#balances && this.config.rebalance > 0 ? this.#nextRebalance : Number.POSITIVE_INFINITY;
    return Math.min(bondDue(this.#machine), next);
  }

  // Commands.

  activate(member: string): void {
    this.#happen({ type: "activate", member });
  }

  setEnabled(member: string, enabled: boolean): void {
    this.#happen({ type: "set", member, enabled });
    this.observe();
  }

  migrate(slot: number, member: string): void {
    (this.#slots[slot] as Slot).member = member;
    this.#o.datapath.invalidate();
  }

  // What the bond is like.

  /** Without a partner, where that is allowed, a bond balances nothing. */
  get mode(): BondMode {
    return this.lacp?.fallsBack === true ? "active-backup" : this.config.mode;
  }

  get members(): ReadonlyMap<string, BondMember> {
    return this.#machine.members;
  }

  get active(): OfPort | undefined {
    return this.#machine.active === undefined ? undefined : this.#ports.get(this.#machine.active);
  }

  /** The Port column bond_active_slave: zeros where there is none. */
  get activeMac(): string {
    return formatMac(macOf(this.active?.mac ?? 0));
  }

  get recircId(): number | undefined {
    return this.#recircId;
  }

  /** ms until then; undefined: it does not balance. */
  get untilRebalance(): number | undefined {
    return this.#balances ? this.#nextRebalance - this.#o.clock.now() : undefined;
  }

  get #balances(): boolean {
    return this.mode !== "active-backup";
  }

  /** Slots of a member by which something was sent of late. */
  loads(member: string): { readonly slot: number; readonly bytes: number }[] {
    return this.#slots.flatMap((one, slot) => (one.member === member && one.load > 0 ? { slot, bytes: one.load } : []));
  }

  // What the translation asks.

  admit(port: OfPort, isMulticast: boolean): Admission {
    const { mode, lacp } = this;
    const isActive = port === this.active;
    if (lacp?.negotiated === true) return this.#machine.members.get(port.name)?.enabled === true ? "ok" : "refused";
    if (lacp !== undefined && !lacp.fallsBack) return "refused";
    switch (mode) {
      case "active-backup":
        return isActive ? "ok" : "refused";
      case "balance-tcp":
        // Needs a partner that does its part.
        return "refused";
      case "balance-slb":
        return isMulticast && !isActive && !this.config.allActive ? "refused" : "unless-looped";
    }
  }

  /** The slot of a packet of a bond that balances by source. */
  slotOf(mac: number, vlan: number): number {
    return sourceSlot(mac, vlan, this.config.basis);
  }

  /** The port that packets of a slot leave by; undefined: none can be used. */
  portOf(slot: number): OfPort | undefined {
    const one = this.#slots[slot] as Slot;
    const { members } = this.#machine;
    if (one.member === undefined || members.get(one.member)?.enabled !== true) {
      const enabled = [...members].filter(([, member]) => member.enabled).map(([name]) => name);
      one.member = enabled.length === 0 ? undefined : enabled[this.#turn++ % enabled.length];
    }
    return one.member === undefined ? undefined : this.#ports.get(one.member);
  }

  count(slot: number, bytes: number): void {
    (this.#slots[slot] as Slot).load += bytes;
  }

  #rebalance(): void {
    const now = this.#o.clock.now();
    if (!this.#balances || this.config.rebalance === 0 || now < this.#nextRebalance) return;
    this.#nextRebalance = now + this.config.rebalance;
    this.#o.datapath.pushStatistics();
    const enabled = [...this.members].filter(([, { enabled }]) => enabled).map(([name]) => name);
    const moves = rebalance(this.#slots, enabled);
    for (const { slot, from, to } of moves) {
      const { load } = this.#slots[slot] as Slot;
      this.#o.log.info(`bond ${this.name}: hash ${slot} (${Math.floor(load / 1024)} kB load) goes from member ${from} to ${to}`);
      (this.#slots[slot] as Slot).member = to;
    }
    for (const slot of this.#slots) slot.load = Math.floor(slot.load / 2);
    if (moves.length > 0) this.#o.datapath.invalidate();
  }
}
