/**
 * The controller's side of the integration bridge: keeps both connections, brings flows, groups and meters there, and
 * tells when everything known so far has arrived.
 */
import { groupKey } from "@weft/logical";
import type { GroupMod, MeterMod } from "@weft/openflow";
import type { Uuid } from "@weft/ovsdb";
import { messageOf, type Runtime } from "@weft/runtime";
import type { Core } from "../core.ts";
import { geneveIndex, installed } from "../model/inputs.ts";
import { Outbox } from "../outbox.ts";
import { FlushBook } from "../physical/ctFlush.ts";
import { Channel } from "./channel.ts";
import type { Exchange } from "./exchange.ts";
import type { Dial } from "./link.ts";
import { meterConfig } from "./meters.ts";
import { Programmer, type Surroundings } from "./programmer.ts";

export interface SwitchSideOptions {
  readonly runtime: Runtime;
  readonly core: Core;
  readonly dial: Dial;
  /** Something has changed that the controller should look at. */
  readonly wake: () => void;
  /** Everything is in the switch up to this SB_Global.nb_cfg. */
  readonly arrived: (nbCfg: number) => void;
}

export class SwitchSide {
  /** Ports that become "up" when their flows are in the switch. */
  readonly awaiting = new Set<Uuid>();
  readonly #options: SwitchSideOptions;
  readonly #channel: Channel;
  #programmer: Programmer | undefined;
  #exchange: Exchange | undefined;
  #programmed = false;
  #flushing = false;
  /** Conntrack zones to flush before their flows are there. */
  readonly #zones = new Outbox<number>();
  /** Connections to flush once the flows are as they should be. */
  readonly connections = new FlushBook();
  #arrivedNbCfg: number | undefined;
  /** What the switch has: groups with their keys, meters with their text. */
  #groups = new Map<number, string>();
  #meters = new Map<number, string>();

  constructor(options: SwitchSideOptions) {
    this.#options = options;
    this.#channel = new Channel({
      runtime: options.runtime,
      dial: options.dial,
      name: "ofctrl",
      user: {
        opened: (exchange) => this.#opened(exchange),
        heard: (envelope) => this.#programmer?.unexpected(envelope),
        closed: () => {
          this.#programmer = undefined;
          this.#exchange = undefined;
          this.#programmed = false;
          this.#flushing = false;
          this.#flushed(false);
        },
      },
    });
  }

  /** @param probeInterval See Link. */
  aim(target: string | undefined, probeInterval: number): void {
    this.#channel.probeEvery(probeInterval);
    this.#channel.aim(target);
  }

  /** Conntrack zones that are newly in use: what is left in them from a former use goes. */
  flushZones(zones: readonly number[]): void {
    for (const zone of zones) this.#zones.add(String(zone), zone);
  }

  /** The switch has had the flows once, and nothing is on its way. */
  get quiet(): boolean {
    return this.#programmed && !this.#flushing;
  }

  /** The connection to a switch that is quiet. */
  get installed(): object | undefined {
    return this.quiet ? this.#exchange : undefined;
  }

  async #opened(exchange: Exchange): Promise<void> {
    const { core, runtime, wake } = this.#options;
    runtime.log.logger("main").info("OVS OpenFlow connection reconnected,force recompute.");
    const programmer = new Programmer({ exchange, desired: core.flows, log: runtime.log.logger("ofctrl") });
    const found = await programmer.start();
    this.#programmer = programmer;
    this.#exchange = exchange;
    this.#programmed = false;
    core.engine.set(geneveIndex, 0, found.geneve);
    this.#groups = new Map();
    for (const { group, buckets, selection } of found.groups) {
      const request = { selection, buckets };
      const key = groupKey(request);
      this.#groups.set(group, key);
      core.groups.restore(core.engine, key, request, group);
    }
    this.#meters = new Map(found.meters.map((one) => [one.meter, ""]));
    wake();
  }

  /** Lets the switch have the flows that are made so far, while others are still being made. */
  fill(): void {
    if (this.#programmer === undefined || this.#programmed) return;
    this.#programmer.fill(this.#options.core.takeFlows());
  }

  /**
   * Sends what has changed. Only to be called when the databases are here as a whole: what a former run has left in the
   * switch stays until all of the new is known.
   */
  program(nbCfg: number | undefined): void {
    const programmer = this.#programmer;
    const exchange = this.#exchange;
    if (programmer === undefined || exchange === undefined || this.#flushing) return;
    const filled = this.#programmed ? undefined : programmer.filled();
    if (filled !== undefined) {
      this.#flushing = true;
      this.#done(programmer, filled, () => this.#options.wake());
      return;
    }
    const changes = this.#options.core.takeFlows();
    if (this.#programmed) programmer.changed(changes);
    else {
      programmer.compare();
      this.#programmed = true;
    }
    const around = this.#surroundings();
    const nothing =
      programmer.idle &&
      around.before.length === 0 &&
      around.after.length === 0 &&
      this.#zones.size === 0 &&
      this.connections.empty;
    const news = nbCfg !== undefined && nbCfg !== this.#arrivedNbCfg;
    const ports = [...this.awaiting];
    if (nothing) {
      // The switch has confirmed all that it was ever sent.
      if (ports.length > 0 || news) this.#arrived(ports, news ? nbCfg : undefined);
      return;
    }
    this.#flushing = true;
    this.#done(programmer, this.#send(programmer, exchange, around), () => this.#arrived(ports, news ? nbCfg : undefined));
  }

  async #send(programmer: Programmer, exchange: Exchange, around: Surroundings): Promise<void> {
    const connections = this.connections.take();
    let done: Promise<void> | undefined;
    // In one piece, which wakes the switch once.
    exchange.batch(() => {
      for (const zone of this.#zones.take()) exchange.send({ type: "ct_flush_zone", zone });
      done = programmer.flush(around);
    });
    await done;
    if (connections.length === 0) return;
    // After the flows that would bring them back.
    for (const message of connections) exchange.send(message);
    await exchange.barrier();
  }

  /** Zones and connections that were to be flushed are, or may not be. */
  #flushed(answered: boolean): void {
    for (const one of [this.#zones, this.connections]) {
      if (answered) one.done();
      else one.retry();
    }
  }

  /** Goes on when the switch has answered, unless it was another one by then. */
  #done(programmer: Programmer, answered: Promise<unknown>, then: () => void): void {
    answered.then(
      () => {
        if (this.#programmer !== programmer) return;
        this.#flushing = false;
        this.#flushed(true);
        then();
      },
      (error) => {
        if (this.#programmer !== programmer) return;
        this.#flushing = false;
        this.#flushed(false);
        this.#options.runtime.log.logger("ofctrl").warn(messageOf(error));
      },
    );
  }

  /** The flows of these ports, and everything up to `nbCfg`, are in the switch. */
  #arrived(ports: readonly Uuid[], nbCfg: number | undefined): void {
    const { core, arrived, wake } = this.#options;
    for (const port of ports) if (this.awaiting.delete(port)) core.engine.set(installed, port, true);
    if (nbCfg !== undefined) {
      this.#arrivedNbCfg = nbCfg;
      arrived(nbCfg);
    }
    wake();
  }

  /** Groups and meters that the flows about to be sent need, and those that they have stopped using. */
  #surroundings(): Surroundings {
    const { core } = this.#options;
    const before: (GroupMod | MeterMod)[] = [];
    const after: (GroupMod | MeterMod)[] = [];
    const bare = { groupType: "select", commandBucket: 0xffffffff } as const;
    core.groups.release(core.engine);
    core.meters.release(core.engine);
    const groups = new Set<number>();
    for (const [key, { request, number }] of core.groups.entries()) {
      groups.add(number);
      const old = this.#groups.get(number);
      if (old === key) continue;
      this.#groups.set(number, key);
      before.push({ type: "group_mod", command: old === undefined ? "add" : "modify", group: number, ...bare, ...request });
    }
    for (const group of this.#groups.keys()) {
      if (groups.has(group)) continue;
      this.#groups.delete(group);
      const selection = { method: "", param: 0n, fields: [] };
      after.push({ type: "group_mod", command: "delete", group, ...bare, buckets: [], selection });
    }
    const meters = new Set<number>();
    for (const [, { request, number }] of core.meters.entries()) {
      const wanted = meterConfig(core.read, request, number);
      if (wanted === undefined) continue;
      meters.add(number);
      const text = JSON.stringify(wanted);
      const old = this.#meters.get(number);
      if (old === text) continue;
      this.#meters.set(number, text);
      before.push({ type: "meter_mod", command: old === undefined ? "add" : "modify", ...wanted });
    }
    for (const meter of this.#meters.keys()) {
      if (meters.has(meter)) continue;
      this.#meters.delete(meter);
      after.push({ type: "meter_mod", command: "delete", meter, flags: 0, bands: [] });
    }
    return { before, after };
  }
}
