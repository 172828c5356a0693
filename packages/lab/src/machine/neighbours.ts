/** Neighbour tables (ip-neighbour(8)): resolution by ARP and ND, with packets that wait for it. */
import type { Mac } from "@weft/packet";
import type { Clock, Timer } from "@weft/runtime";
import type { Device } from "./device.ts";
import { type Ip, ipKey } from "./ip.ts";

export type NeighbourState = "INCOMPLETE" | "REACHABLE" | "STALE" | "DELAY" | "PROBE" | "FAILED" | "PERMANENT";

export interface Neighbour {
  readonly device: Device;
  readonly ip: Ip;
  mac: Mac | undefined;
  state: NeighbourState;
  isRouter: boolean;
}

interface Entry extends Neighbour {
  waiting: { readonly send: (mac: Mac) => void; readonly fail: () => void }[];
  tries: number;
  timer: Timer | undefined;
}

/** Linux's defaults: a second between solicitations, three of them, about half a minute reachable, three packets waiting. */
const RETRANSMIT = 1000;
const SOLICITATIONS = 3;
const REACHABLE = 30_000;
const DELAY = 5000;
const QUEUE = 100;

export class Neighbours {
  readonly #clock: Clock;
  readonly #solicit: (device: Device, ip: Ip, unicast: Mac | undefined) => void;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock, solicit: (device: Device, ip: Ip, unicast: Mac | undefined) => void) {
    this.#clock = clock;
    this.#solicit = solicit;
  }

  get all(): Iterable<Neighbour> {
    return this.#entries.values();
  }

  find(device: Device, ip: Ip): Neighbour | undefined {
    return this.#entries.get(keyOf(device, ip));
  }

  /** Calls `send` with the address now or when it is known, or `fail` when nobody answers. */
  resolve(device: Device, ip: Ip, send: (mac: Mac) => void, fail: () => void): void {
    const entry = this.#entry(device, ip);
    if (entry.mac !== undefined && entry.state !== "FAILED" && entry.state !== "INCOMPLETE") {
      if (entry.state === "STALE") this.#enter(entry, "DELAY", DELAY, () => this.#probe(entry));
      send(entry.mac);
      return;
    }
    if (entry.waiting.length < QUEUE) entry.waiting.push({ send, fail });
    if (entry.state !== "INCOMPLETE" || entry.timer === undefined) {
      entry.state = "INCOMPLETE";
      entry.tries = 0;
      this.#ask(entry);
    }
  }

  /** What an ARP or ND message told. `solicited`: it answers a question of ours. `create`: a new entry is wanted. */
  learn(
    device: Device,
    ip: Ip,
    mac: Mac,
    how: { readonly solicited: boolean; readonly create: boolean; readonly isRouter?: boolean },
  ): void {
    const old = this.#entries.get(keyOf(device, ip));
    if (!old && !how.create) return;
    const entry = old ?? this.#entry(device, ip);
    if (entry.state === "PERMANENT") return;
    if (how.isRouter !== undefined) entry.isRouter = how.isRouter;
    const changed = entry.mac !== mac;
    entry.mac = mac;
    const waiting = entry.waiting;
    entry.waiting = [];
    if (how.solicited) this.#enter(entry, "REACHABLE", REACHABLE, () => this.#enter(entry, "STALE"));
    else if (changed || entry.state === "INCOMPLETE" || entry.state === "FAILED") this.#enter(entry, "STALE");
    for (const { send } of waiting) send(mac);
  }

  /** A permanent (or other) entry set by a person. */
  set(device: Device, ip: Ip, mac: Mac, state: NeighbourState): void {
    const entry = this.#entry(device, ip);
    entry.mac = mac;
    this.#enter(entry, state);
    const waiting = entry.waiting;
    entry.waiting = [];
    for (const { send } of waiting) send(mac);
  }

  delete(device: Device, ip: Ip): boolean {
    const entry = this.#entries.get(keyOf(device, ip));
    if (!entry) return false;
    entry.timer?.cancel();
    return this.#entries.delete(keyOf(device, ip));
  }

  forgetDevice(device: Device): void {
    for (const [key, entry] of this.#entries) {
      if (entry.device !== device) continue;
      entry.timer?.cancel();
      this.#entries.delete(key);
    }
  }

  #entry(device: Device, ip: Ip): Entry {
    const key = keyOf(device, ip);
    let entry = this.#entries.get(key);
    if (!entry) {
      entry = { device, ip, mac: undefined, state: "INCOMPLETE", isRouter: false, waiting: [], tries: 0, timer: undefined };
      this.#entries.set(key, entry);
    }
    return entry;
  }

  #enter(entry: Entry, state: NeighbourState, after?: number, then?: () => void): void {
    entry.timer?.cancel();
    entry.state = state;
    entry.timer = after === undefined || then === undefined ? undefined : this.#clock.after(after, then, true);
  }

  #probe(entry: Entry): void {
    entry.tries = 0;
    entry.state = "PROBE";
    this.#ask(entry);
  }

  #ask(entry: Entry): void {
    entry.timer?.cancel();
    if (entry.tries === SOLICITATIONS) {
      entry.state = "FAILED";
      entry.timer = undefined;
      const waiting = entry.waiting;
      entry.waiting = [];
      for (const { fail } of waiting) fail();
      return;
    }
    entry.tries++;
    entry.timer = this.#clock.after(RETRANSMIT, () => this.#ask(entry), true);
    this.#solicit(entry.device, entry.ip, entry.state === "PROBE" ? entry.mac : undefined);
  }
}

function keyOf(device: Device, ip: Ip): string {
  return `${device.name} ${ipKey(ip)}`;
}
