/**
 * What put_arp, put_nd and put_fdb ask for: rows of MAC_Binding and FDB. Several chassis may hear the same announcement;
 * each waits a little, so that mostly one writes.
 */
import type { Transaction } from "@weft/ovsdb";
import type { Clock, Random } from "@weft/runtime";
import type { SbSchema } from "@weft/schemas";
import { Outbox } from "../outbox.ts";
import type { Lookup } from "./lookup.ts";

/** Longest wait before an announcement that was not sent to us alone is written (ms). */
const SPREAD = 50;

export interface LearnedAddress {
  /** Tunnel keys of the datapath and the port. */
  readonly datapath: number;
  readonly port: number;
  readonly mac: string;
  /** Undefined: an FDB entry. */
  readonly ip: string | undefined;
}

interface Learned extends LearnedAddress {
  /** Monotonic ms. */
  readonly due: number;
}

export class MacBindingBook {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #learned = new Outbox<Learned>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** `alone`: the packet was for us only, so nobody else writes it. */
  learn(entry: LearnedAddress, alone: boolean): void {
    const key = `${entry.datapath} ${entry.ip ?? entry.mac} ${entry.ip === undefined ? "" : entry.port}`;
    const due = this.#learned.get(key)?.due ?? this.#clock.now() + (alone ? 0 : this.#random.below(SPREAD) + 1);
    this.#learned.add(key, { ...entry, due });
  }

  /** When the next entry is due (monotonic ms). */
  get next(): number | undefined {
    let next: number | undefined;
    for (const { due } of this.#learned.values()) if (next === undefined || due < next) next = due;
    return next;
  }

  /** Puts what is due into a transaction. What cannot be written (the port is gone) is dropped. */
  write(lookup: Lookup, transaction: Transaction<SbSchema>): void {
    const now = this.#clock.now();
    const wall = Math.floor(this.#clock.wall());
    for (const entry of this.#learned.take(({ due }) => due <= now)) {
      if (entry.ip === undefined) writeFdb(lookup, transaction, entry, wall);
      else writeMacBinding(lookup, transaction, entry, entry.ip, wall);
    }
  }

  /** The last transaction has failed. */
  rewrite(): void {
    this.#learned.retry();
  }
}

function writeMacBinding(
  lookup: Lookup,
  transaction: Transaction<SbSchema>,
  { datapath, port, mac }: Learned,
  ip: string,
  timestamp: number,
): void {
  const owner = lookup.port(datapath, port);
  const where = lookup.datapath(datapath);
  if (owner === undefined || where === undefined) return;
  const old = lookup.macBinding(owner.logical_port, ip);
  if (old === undefined)
    transaction.insert("MAC_Binding", { logical_port: owner.logical_port, ip, mac, datapath: where._uuid, timestamp });
  else if (old.mac !== mac) transaction.update("MAC_Binding", old._uuid, { mac, timestamp });
}

function writeFdb(lookup: Lookup, transaction: Transaction<SbSchema>, { datapath, port, mac }: Learned, timestamp: number): void {
  const old = lookup.fdb(datapath, mac);
  if (old === undefined) transaction.insert("FDB", { mac, dp_key: datapath, port_key: port, timestamp });
  else if (old.port_key !== port) transaction.update("FDB", old._uuid, { port_key: port, timestamp });
}
