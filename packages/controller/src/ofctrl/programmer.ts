/**
 * Keeps the flow table of the integration bridge as it should be. After connecting it reads what is there and sends the
 * differences, so that a restart of the controller interrupts no packet; then it sends every change in an ordered,
 * atomic bundle.
 */
import {
  type Action,
  type Envelope,
  type FlowMod,
  flowMod,
  formatActions,
  formatMatch,
  type GroupDescription,
  type GroupMod,
  Match,
  type Message,
  type MeterConfig,
  type MeterMod,
  OFPG,
  OFPM,
  OFPP,
} from "@weft/openflow";
import { type Logger, messageOf } from "@weft/runtime";
import { type DesiredFlow, desired } from "../physical/flow.ts";
import { geneveOption, tables } from "../tables.ts";
import { type DesiredFlows, type Place, sameFlow } from "./desired.ts";
import { type Exchange, SwitchError } from "./exchange.ts";

/** Changes of groups or meters, to be sent before and after those of the flows that use them. */
export interface Surroundings {
  readonly before: readonly (GroupMod | MeterMod)[];
  readonly after: readonly (GroupMod | MeterMod)[];
}

export interface Installed {
  readonly groups: readonly GroupDescription[];
  readonly meters: readonly MeterConfig[];
  /** The number of the tun_metadata field that is OVN's Geneve option. */
  readonly geneve: number;
}

export class Programmer {
  readonly #exchange: Exchange;
  readonly #desired: DesiredFlows;
  readonly #log: Logger;
  readonly #dirty = new Set<Place>();
  /** Flows that the switch has refused, so that they are not offered again until they change. */
  readonly #refused = new Set<DesiredFlow>();
  #bundle = 0;
  /** The switch had no flows when it was connected to. */
  #empty = false;
  readonly #ahead: Promise<void>[] = [];

  constructor(options: { readonly exchange: Exchange; readonly desired: DesiredFlows; readonly log: Logger }) {
    this.#exchange = options.exchange;
    this.#desired = options.desired;
    this.#log = options.log;
  }

  /** Agrees with the switch on OVN's Geneve option and reads what it has. */
  async start(): Promise<Installed> {
    const geneve = await this.#negotiateGeneve();
    this.#desired.forgetInstalled();
    this.#empty = true;
    await this.#exchange.request(
      {
        type: "flow_stats_request",
        match: Match.ANY,
        cookie: 0n,
        cookieMask: 0n,
        outPort: OFPP.NONE,
        outGroup: OFPG.ANY,
        table: 0xff,
      },
      "flow_stats_reply",
      ({ flows }) => {
        if (flows.length > 0) this.#empty = false;
        for (const { table, priority, match, actions, cookie } of flows)
          this.#desired.found(desired(table, priority, match, actions, Number(cookie & 0xffffffffn)));
      },
    );
    const groups = await this.#exchange.request({ type: "group_desc_request", group: OFPG.ALL }, "group_desc_reply");
    const meters = await this.#exchange.request({ type: "meter_config_request", meter: OFPM.ALL }, "meter_config_reply");
    return {
      geneve,
      groups: groups.flatMap((part) => part.groups),
      meters: meters.flatMap((part) => part.meters),
    };
  }

  /** Finds the tun_metadata field of our option; maps the first free one if there is none yet. */
  async #negotiateGeneve(): Promise<number> {
    for (let attempt = 0; ; attempt++) {
      const [reply] = await this.#exchange.request({ type: "tlv_table_request" }, "tlv_table_reply");
      const mappings = reply?.mappings ?? [];
      const ours = mappings.find(
        (one) =>
          one.optionClass === geneveOption.class && one.optionType === geneveOption.type && one.length === geneveOption.length,
      );
      if (ours !== undefined) return ours.index;
      if (attempt > 3) throw new Error("the switch does not keep the TLV mapping that it was given");
      let index = 0;
      while (mappings.some((one) => one.index === index)) index++;
      this.#exchange.send({
        type: "tlv_table_mod",
        command: "add",
        mappings: [{ optionClass: geneveOption.class, optionType: geneveOption.type, length: geneveOption.length, index }],
      });
      await this.#exchange.barrier();
    }
  }

  /**
   * Sends flows to a switch that has none, while the others are still being made. Not those of the table by which packets
   * come in: no packet meets the tables half filled. Nothing is wrong where the switch refuses some; {@link compare} finds
   * what is missing.
   */
  fill(places: readonly Place[]): void {
    if (!this.#empty) return;
    const sent: DesiredFlow[] = [];
    for (const { settled } of places) {
      const alone = settled !== undefined && settled.groups === undefined && settled.meters === undefined;
      if (alone && settled.table !== tables.physToLog) sent.push(settled);
    }
    if (sent.length === 0) return;
    // At once, for the next flows are about to be made.
    const bundle = this.#exchange.bundle(this.#nextBundle(), additions(sent), false);
    const done = (errors: readonly SwitchError[]): void => {
      // Nobody may ask for some of them any more: then they are found as if another had left them.
      if (errors.length === 0) for (const flow of sent) this.#desired.found(flow);
    };
    this.#ahead.push(bundle.then(done, (error) => this.#log.warn(`flows sent ahead: ${messageOf(error)}`)));
  }

  /** Resolves when the switch has answered all that {@link fill} sent; undefined when there is nothing to wait for. */
  filled(): Promise<unknown> | undefined {
    this.#empty = false;
    const ahead = this.#ahead.splice(0);
    return ahead.length === 0 ? undefined : Promise.all(ahead);
  }

  #nextBundle(): number {
    return this.#bundle++ & 0x7fffffff;
  }

  /** Everything differs until compared: after {@link start}, once the desired flows are complete. */
  compare(): void {
    const alike = comparison();
    for (const place of this.#desired.places()) {
      const { installed, settled } = place;
      if (installed !== undefined && settled !== undefined && alike(installed, settled)) place.installed = settled;
      else this.#dirty.add(place);
    }
  }

  changed(places: readonly Place[]): void {
    for (const place of places) this.#dirty.add(place);
  }

  get idle(): boolean {
    return this.#dirty.size === 0;
  }

  /** Sends what has changed, and resolves when the switch has done it and everything sent before. */
  async flush(around: Surroundings): Promise<void> {
    const places: Place[] = [];
    for (const place of this.#dirty) if (differs(place) && !this.#isRefused(place)) places.push(place);
    this.#dirty.clear();
    if (places.length > 0 || around.before.length > 0 || around.after.length > 0)
      await this.#send(() => modifications(places, around));
    else await this.#exchange.barrier();
    for (const place of places) if (!this.#isRefused(place)) this.#desired.installed(place, place.settled);
  }

  #isRefused({ settled }: Place): boolean {
    return settled !== undefined && this.#refused.has(settled);
  }

  async #send(mods: () => Iterable<Message>): Promise<void> {
    const bundle = this.#nextBundle();
    try {
      const [first, ...more] = await this.#exchange.bundle(bundle, mods());
      if (first !== undefined) {
        this.#log.warn(`${more.length + 1} changes refused (${messageOf(first)}); sending all one by one`);
        await this.#sendOneByOne(mods());
      }
    } catch (error) {
      if (!(error instanceof SwitchError)) throw error;
      this.#log.warn(`a bundle of changes refused (${messageOf(error)}); sending them one by one`);
      await this.#sendOneByOne(mods());
    }
  }

  /** One change that the switch refuses must not keep back the others. */
  async #sendOneByOne(mods: Iterable<Message>): Promise<void> {
    for (const message of mods) {
      // Resolves when the switch has done it, too.
      const refusal = await this.#exchange.attempt(message);
      if (refusal === undefined) continue;
      this.#log.err(`${describe(message)}: ${messageOf(refusal)}`);
      if (message.type === "flow_mod") {
        const wanted = this.#desired.at(desired(message.table, message.priority, message.match, [], 0))?.settled;
        if (wanted !== undefined) this.#refused.add(wanted);
      }
    }
  }

  /** Logs an error that answers nothing that was waited for. */
  unexpected({ message }: Envelope): void {
    if (message.type === "error")
      this.#log.warn(`the switch sent error ${message.error ?? `${message.errorType}.${message.code}`}`);
  }
}

function differs({ installed, settled }: Place): boolean {
  return installed !== settled && (installed === undefined || settled === undefined || !sameFlow(installed, settled));
}

function* additions(flows: readonly DesiredFlow[]): Iterable<Message> {
  for (const { table, priority, match, actions, cookie } of flows)
    yield flowMod({ command: "add", table, priority, match, actions, newCookie: BigInt(cookie) });
}

/** The messages that bring places up to date, made one at a time: there may be very many. */
function* modifications(places: readonly Place[], around: Surroundings): Iterable<Message> {
  yield* around.before;
  for (const place of places) yield modification(place);
  yield* around.after;
}

function modification({ flow, installed, settled }: Place): FlowMod {
  const { table, priority, match } = flow;
  if (settled === undefined) return flowMod({ command: "delete_strict", table, priority, match });
  const { actions } = settled;
  const newCookie = BigInt(settled.cookie);
  // Modifying keeps the flow's counters; a cookie changes only by adding the flow anew.
  const command = installed !== undefined && installed.cookie === settled.cookie ? "modify_strict" : "add";
  return flowMod({ command, table, priority, match, actions, newCookie });
}

/** Whether a flow that was found is as it should be. Of lists of actions that many flows share it is found out once. */
function comparison(): (found: DesiredFlow, wanted: DesiredFlow) => boolean {
  const same = new Map<readonly Action[], readonly Action[]>();
  return (found, wanted) => {
    if (found.cookie !== wanted.cookie) return false;
    if (same.get(found.actions) === wanted.actions) return true;
    if (!sameFlow(found, wanted) && !sameText(found, wanted)) return false;
    same.set(found.actions, wanted.actions);
    return true;
  };
}

/** Actions can be written in several ways on the wire that mean, and print, the same. */
function sameText(a: DesiredFlow, b: DesiredFlow): boolean {
  return a.cookie === b.cookie && formatActions(a.actions) === formatActions(b.actions);
}

function describe(message: Message): string {
  switch (message.type) {
    case "flow_mod":
      return `${message.command} table=${message.table},priority=${message.priority},${formatMatch(message.match)} actions=${formatActions(message.actions)}`;
    case "group_mod":
      return `${message.command} group ${message.group}`;
    case "meter_mod":
      return `${message.command} meter ${message.meter}`;
    default:
      return message.type;
  }
}
