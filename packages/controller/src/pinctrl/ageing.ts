/**
 * Keeps what is in use from ageing. The switch counts the packets that come from each neighbour and each FDB entry; while
 * some come, the row's timestamp is written anew. Of neighbours that packets only go to, it asks for a sign of life.
 * How often follows the thresholds: intervals, and which rows count as used, are those of ovn-controller 26.03 as seen.
 */
import type { Sink } from "@weft/incremental";
import { Match, OFPG, OFPP } from "@weft/openflow";
import type { Transaction, Uuid } from "@weft/ovsdb";
import { type Clock, type Logger, messageOf, WeftError } from "@weft/runtime";
import type { SbRow, SbSchema } from "@weft/schemas";
import type { AgeingDatapath } from "../model/ageing.ts";
import type { Exchange } from "../ofctrl/exchange.ts";
import { resubmit, set } from "../physical/flow.ts";
import { reg, tables as t } from "../tables.ts";
import type { Lookup } from "./lookup.ts";
import { neighbourRequest } from "./neighbourRequest.ts";
import { packetOut } from "./packetOut.ts";

/** The part of a threshold after which a row is looked at again, and refreshed again. */
const PART = 3 / 16;

type Aged = "MAC_Binding" | "FDB";
type AgedRow = SbRow<"MAC_Binding"> | SbRow<"FDB">;

/** What the flows of one table say: that a row was used by packets from it, or by packets to it. */
interface Watch {
  readonly openflowTable: number;
  readonly rows: Aged;
  readonly direction: "from" | "to";
}

const watches: readonly Watch[] = [
  { openflowTable: t.macCacheUse, rows: "MAC_Binding", direction: "from" },
  { openflowTable: t.lookupFdb, rows: "FDB", direction: "from" },
  { openflowTable: t.macBinding, rows: "MAC_Binding", direction: "to" },
];

export class Ageing {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #wake: () => void;
  readonly #datapaths: { readonly [T in Aged]: Map<Uuid, AgeingDatapath> } = { MAC_Binding: new Map(), FDB: new Map() };
  /** Timestamps (wall, ms) that rows are to have, until the database shows them. */
  readonly #used: { readonly [T in Aged]: Map<Uuid, number> } = { MAC_Binding: new Map(), FDB: new Map() };
  /** When the switch was asked last (monotonic ms), and whether it has yet to answer. */
  #asked: number;
  #asking = false;
  /** Time between two questions (ms), infinite where nothing ages; undefined: the datapaths are others now. */
  #interval: number | undefined;

  constructor(options: { readonly clock: Clock; readonly log: Logger; readonly wake: () => void }) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#wake = options.wake;
    this.#asked = options.clock.now();
  }

  readonly sink: Sink<AgeingDatapath> = {
    add: (one) => {
      this.#datapaths[one.what].set(one.datapath, one);
      this.#interval = undefined;
    },
    remove: (one) => {
      const datapaths = this.#datapaths[one.what];
      if (datapaths.get(one.datapath) === one) datapaths.delete(one.datapath);
      this.#interval = undefined;
    },
  };

  /** Asks the switch what was used, if it is time to; returns when the next time is (monotonic ms). */
  send(exchange: Exchange, lookup: Lookup): number | undefined {
    this.#interval ??= this.#shortest() * PART;
    const interval = this.#interval;
    if (interval === Number.POSITIVE_INFINITY || this.#asking) return undefined;
    const now = this.#clock.now();
    if (now < this.#asked + interval) return this.#asked + interval;
    this.#asked = now;
    this.#asking = true;
    this.#ask(exchange, lookup)
      .catch((error: unknown) => {
        // A connection that ends is told by who keeps it; the next one is asked anew.
        if (!(error instanceof WeftError && error.code === "controller.disconnected")) this.#log.warn(messageOf(error));
      })
      .finally(() => {
        this.#asking = false;
        this.#wake();
      });
    return undefined;
  }

  #shortest(): number {
    let shortest = Number.POSITIVE_INFINITY;
    for (const datapaths of [this.#datapaths.MAC_Binding, this.#datapaths.FDB])
      for (const { threshold } of datapaths.values()) shortest = Math.min(shortest, threshold);
    return shortest;
  }

  async #ask(exchange: Exchange, lookup: Lookup): Promise<void> {
    for (const watch of watches) {
      if (this.#datapaths[watch.rows].size === 0) continue;
      /** Seconds since the last packet, by cookie: a row may have several flows. */
      const idle = new Map<number, number>();
      await exchange.request(
        {
          type: "flow_stats_request",
          match: Match.ANY,
          cookie: 0n,
          cookieMask: 0n,
          outPort: OFPP.NONE,
          outGroup: OFPG.ANY,
          table: watch.openflowTable,
        },
        "flow_stats_reply",
        ({ flows }) => {
          for (const { cookie, idleAge, packets } of flows) {
            // Of a flow that was never used the age is its own. A new neighbour is asked all the same.
            if (packets === 0n && watch.direction === "from") continue;
            const key = Number(cookie & 0xffffffffn);
            idle.set(key, Math.min(idle.get(key) ?? Number.POSITIVE_INFINITY, idleAge));
          }
        },
      );
      for (const [cookie, seconds] of idle) {
        for (const row of lookup.learned(watch.rows, cookie)) this.#heard(watch, row, seconds * 1000, exchange, lookup);
      }
    }
  }

  #heard(watch: Watch, row: AgedRow, idle: number, exchange: Exchange, lookup: Lookup): void {
    const datapath = "dp_key" in row ? lookup.datapath(row.dp_key)?._uuid : row.datapath;
    const threshold = datapath === undefined ? undefined : this.#datapaths[watch.rows].get(datapath)?.threshold;
    const used = this.#used[watch.rows];
    const last = Math.max(row.timestamp, used.get(row._uuid) ?? 0);
    const wall = Math.floor(this.#clock.wall());
    if (threshold === undefined || idle > threshold || wall - last <= threshold * PART) return;
    if (watch.direction === "from") used.set(row._uuid, wall);
    else if (!("dp_key" in row)) probe(row, exchange, lookup);
  }

  /** Puts the timestamps into a transaction; those that it could not bring are tried again with the next. */
  write(transaction: Transaction<SbSchema>, lookup: Lookup): void {
    for (const table of ["MAC_Binding", "FDB"] as const) {
      for (const [uuid, timestamp] of this.#used[table]) {
        const row = lookup.sb.table(table).get(uuid);
        if (row === undefined || row.timestamp >= timestamp) this.#used[table].delete(uuid);
        else transaction.update(table, uuid, { timestamp });
      }
    }
  }
}

/** Asks a neighbour for its address, from the port that it is a neighbour of. */
function probe({ logical_port, ip, datapath }: SbRow<"MAC_Binding">, exchange: Exchange, lookup: Lookup): void {
  const port = lookup.portNamed(logical_port);
  const metadata = lookup.sb.table("Datapath_Binding").get(datapath)?.tunnel_key;
  const frame = port === undefined ? undefined : neighbourRequest(port.mac[0] ?? "", ip);
  if (port === undefined || metadata === undefined || frame === undefined) return;
  exchange.send(packetOut(frame, [set("metadata", metadata), set(reg.outport, port.tunnel_key), resubmit(t.localOutput)]));
}
