/**
 * BFD sessions for routes (ovn-sb(5), BFD): the asynchronous mode of RFC 5880 over UDP (RFC 5881). As the reference's, they hear
 * only what names their discriminator, so that two routers of OVN that do not know each other yet stay down, and tell no diagnostics.
 */
import type { Sink } from "@weft/incremental";
import { OFPP } from "@weft/openflow";
import type { Transaction, Uuid } from "@weft/ovsdb";
import {
  type Bfd,
  type BfdEvent,
  type BfdMachine,
  type BfdSettings,
  bfdDue,
  bfdStep,
  decode,
  emit,
  find,
  type Header,
  type Ipv4,
  type Ipv6,
  MAC_BROADCAST,
  newBfdMachine,
} from "@weft/packet";
import type { Clock, Random } from "@weft/runtime";
import type { SbSchema } from "@weft/schemas";
import type { BfdSession } from "../model/bfd.ts";
import type { Exchange } from "../ofctrl/exchange.ts";
import { set } from "../physical/flow.ts";
import { reg, tables as t } from "../tables.ts";
import { packetOut } from "./packetOut.ts";

const names = ["admin_down", "down", "init", "up"] as const;

interface Running {
  session: BfdSession;
  /** How many evaluations yield it. */
  count: number;
  machine: BfdMachine;
  /** The state is to be written. */
  news: boolean;
}

const PORT = 3784;
const TTL = 255;
/** A random number below this makes a jitter. */
const STEPS = 1000;

/** The reference sends at its interval from the first packet on. */
function settingsOf({ minTx, minRx, mult }: BfdSession): BfdSettings {
  return { minTx, minRx, mult, slowTx: 0, pathDown: false };
}

export class BfdBook {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #running = new Map<Uuid, Running>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** A session whose row changes goes on where it was. */
  readonly sink: Sink<BfdSession> = {
    add: (session) => {
      const known = this.#running.get(session.row);
      if (known !== undefined) {
        known.session = session;
        known.count++;
        known.machine = bfdStep(known.machine, { type: "configure", settings: settingsOf(session) }, this.#clock.now())[0];
        return;
      }
      this.#running.set(session.row, {
        session,
        count: 1,
        machine: newBfdMachine(session.discriminator, settingsOf(session), this.#clock.now()),
        news: session.status !== "down",
      });
    },
    remove: ({ row }) => {
      const known = this.#running.get(row);
      if (known !== undefined && --known.count === 0) this.#running.delete(row);
    },
  };

  /** Sends what is due and finds out who is silent; returns when there is more to do or to write (monotonic ms). */
  send(exchange: Exchange): number | undefined {
    const now = this.#clock.now();
    let next: number | undefined;
    for (const running of this.#running.values()) {
      const { news } = running;
      if (bfdDue(running.machine) <= now) {
        this.#happen(exchange, running, { type: "time", jitter: this.#random.below(STEPS) / STEPS });
      }
      // Older news wait for the database.
      const due = running.news && !news ? now : bfdDue(running.machine);
      next = Math.min(next ?? due, due);
    }
    return next;
  }

  /** A BFD packet for one of the routers here. */
  hear(packet: Uint8Array, exchange: Exchange): void {
    const layers = decode(packet);
    const ip = find(layers, "ipv4") ?? find(layers, "ipv6");
    const bfd = find(layers, "bfd");
    if (ip === undefined || bfd === undefined) return;
    for (const running of this.#running.values()) {
      const { session } = running;
      if (session.dst !== ip.src || session.src !== ip.dst || session.discriminator !== bfd.yourDiscriminator) continue;
      this.#happen(exchange, running, { type: "receive", packet: bfd });
      return;
    }
  }

  #happen(exchange: Exchange, running: Running, event: BfdEvent): void {
    const [machine, actions] = bfdStep(running.machine, event, this.#clock.now());
    if (machine.state !== running.machine.state) running.news = true;
    running.machine = machine;
    for (const action of actions) {
      // The reference's packets tell no diagnostics.
      if (action.type === "send") transmit(exchange, running.session, { ...action.packet, diagnostic: 0 });
    }
  }

  /** Writes the states that have changed. */
  write(transaction: Transaction<SbSchema>): void {
    for (const running of this.#running.values()) {
      if (!running.news) continue;
      const status = names[running.machine.state];
      running.news = false;
      if (running.session.status !== status) transaction.update("BFD", running.session.row, { status });
    }
  }

  /** The last transaction has failed. */
  rewrite(): void {
    for (const running of this.#running.values()) running.news = true;
  }
}

function transmit(exchange: Exchange, { src, dst, mac, srcPort, place }: BfdSession, bfd: Bfd): void {
  const ip: Header =
    typeof src === "number"
      ? { kind: "ipv4", src, dst: dst as Ipv4, ttl: TTL, dontFragment: true }
      : { kind: "ipv6", src, dst: dst as Ipv6, hopLimit: TTL };
  const packet = emit([
    { kind: "ethernet", dst: MAC_BROADCAST, src: mac },
    ip,
    { kind: "udp", srcPort, dstPort: PORT, ...(ip.kind === "ipv4" ? { checksum: 0 } : {}) },
    bfd,
  ]);
  exchange.send(
    packetOut(packet, [
      set("metadata", place.datapath),
      set(reg.inport, place.port),
      { type: "resubmit", port: OFPP.CONTROLLER, table: t.logIngress, ct: false },
    ]),
  );
}
