/**
 * BFD sessions for routes (ovn-sb(5), BFD): the asynchronous mode of RFC 5880 over UDP (RFC 5881). As the reference's, they hear
 * only what names their discriminator, so that two routers of OVN that do not know each other yet stay down, and tell no diagnostics.
 */
import type { Sink } from "@weft/incremental";
import { OFPP } from "@weft/openflow";
import type { Transaction, Uuid } from "@weft/ovsdb";
import {
  BFD_FLAG,
  BFD_STATE,
  type Bfd,
  decode,
  emit,
  find,
  type Header,
  type Ipv4,
  type Ipv6,
  MAC_BROADCAST,
} from "@weft/packet";
import type { Clock, Random } from "@weft/runtime";
import type { SbSchema } from "@weft/schemas";
import type { BfdSession } from "../model/bfd.ts";
import type { Exchange } from "../ofctrl/exchange.ts";
import { set } from "../physical/flow.ts";
import { reg, tables as t } from "../tables.ts";
import { packetOut } from "./packetOut.ts";

type State = (typeof BFD_STATE)[keyof typeof BFD_STATE];
const names = ["admin_down", "down", "init", "up"] as const;

interface Running {
  session: BfdSession;
  /** How many evaluations yield it. */
  count: number;
  state: State;
  /** What the peer has said last; intervals in ms. */
  remote: { readonly discriminator: number; readonly minRx: number };
  nextTx: number;
  /** When the peer has been silent for too long; undefined while it is not expected to say anything. */
  detect: number | undefined;
  /** The state is to be written. */
  news: boolean;
}

const PORT = 3784;
const TTL = 255;
/** What a peer is taken for that has said nothing. */
const NOTHING = { discriminator: 0, minRx: 1 } as const;

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
        return;
      }
      this.#running.set(session.row, {
        session,
        count: 1,
        state: BFD_STATE.down,
        remote: NOTHING,
        nextTx: this.#clock.now(),
        detect: undefined,
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
      if (running.detect !== undefined && running.detect <= now) {
        running.remote = NOTHING;
        running.detect = undefined;
        enter(running, BFD_STATE.down);
      }
      if (running.nextTx <= now) {
        transmit(exchange, running, 0);
        const interval = Math.max(running.session.minTx, running.remote.minRx);
        // RFC 5880 section 6.8.7: up to a quarter sooner, a tenth at least where a single loss counts.
        const least = running.session.mult === 1 ? 0.1 : 0;
        running.nextTx = now + interval * (1 - least - (this.#random.below(1000) / 1000) * (0.25 - least));
      }
      // Older news wait for the database.
      const due = running.news && !news ? now : Math.min(running.nextTx, running.detect ?? running.nextTx);
      next = Math.min(next ?? due, due);
    }
    return next;
  }

  /** A BFD packet for one of the routers here. */
  hear(packet: Uint8Array, exchange: Exchange): void {
    const layers = decode(packet);
    const ip = find(layers, "ipv4") ?? find(layers, "ipv6");
    const bfd = find(layers, "bfd");
    if (ip === undefined || bfd === undefined || !isSound(bfd)) return;
    for (const running of this.#running.values()) {
      const { session } = running;
      if (session.dst !== ip.src || session.src !== ip.dst || session.discriminator !== bfd.yourDiscriminator) continue;
      this.#take(running, bfd);
      if ((bfd.flags & BFD_FLAG.poll) !== 0) transmit(exchange, running, BFD_FLAG.final);
      return;
    }
  }

  #take(running: Running, { state, myDiscriminator, desiredMinTx, requiredMinRx, detectMultiplier }: Bfd): void {
    const minTx = Math.floor(desiredMinTx / 1000);
    const minRx = Math.ceil(requiredMinRx / 1000);
    const gone = state === BFD_STATE.adminDown;
    running.remote = gone ? NOTHING : { discriminator: myDiscriminator, minRx };
    enter(running, nextState(running.state, state));
    const expected = running.state !== BFD_STATE.down;
    running.detect = expected ? this.#clock.now() + detectMultiplier * Math.max(running.session.minRx, minTx) : undefined;
  }

  /** Writes the states that have changed. */
  write(transaction: Transaction<SbSchema>): void {
    for (const running of this.#running.values()) {
      if (!running.news) continue;
      const status = names[running.state];
      running.news = false;
      if (running.session.status !== status) transaction.update("BFD", running.session.row, { status });
    }
  }

  /** The last transaction has failed. */
  rewrite(): void {
    for (const running of this.#running.values()) running.news = true;
  }
}

/** RFC 5880 section 6.8.6: what is not even looked at. */
function isSound({ version, detectMultiplier, flags, myDiscriminator }: Bfd): boolean {
  const refused = BFD_FLAG.multipoint | BFD_FLAG.authentication;
  return (version ?? 1) === 1 && detectMultiplier !== 0 && (flags & refused) === 0 && myDiscriminator !== 0;
}

/** RFC 5880 section 6.2. */
function nextState(own: State, remote: number): State {
  if (remote === BFD_STATE.adminDown) return BFD_STATE.down;
  switch (own) {
    case BFD_STATE.down:
      return remote === BFD_STATE.down ? BFD_STATE.init : remote === BFD_STATE.init ? BFD_STATE.up : own;
    case BFD_STATE.init:
      return remote === BFD_STATE.down ? own : BFD_STATE.up;
    case BFD_STATE.up:
      return remote === BFD_STATE.down ? BFD_STATE.down : own;
    default:
      return own;
  }
}

function enter(running: Running, state: State): void {
  if (running.state === state) return;
  running.state = state;
  running.news = true;
}

function transmit(exchange: Exchange, { session, state, remote }: Running, flags: number): void {
  const { src, dst, mac, srcPort } = session;
  const ip: Header =
    typeof src === "number"
      ? { kind: "ipv4", src, dst: dst as Ipv4, ttl: TTL, dontFragment: true }
      : { kind: "ipv6", src, dst: dst as Ipv6, hopLimit: TTL };
  const packet = emit([
    { kind: "ethernet", dst: MAC_BROADCAST, src: mac },
    ip,
    { kind: "udp", srcPort, dstPort: PORT, ...(ip.kind === "ipv4" ? { checksum: 0 } : {}) },
    {
      kind: "bfd",
      diagnostic: 0,
      state,
      flags,
      detectMultiplier: session.mult,
      myDiscriminator: session.discriminator,
      yourDiscriminator: remote.discriminator,
      desiredMinTx: session.minTx * 1000,
      requiredMinRx: session.minRx * 1000,
      requiredMinEchoRx: 0,
    },
  ]);
  exchange.send(
    packetOut(packet, [
      set("metadata", session.place.datapath),
      set(reg.inport, session.place.port),
      { type: "resubmit", port: OFPP.CONTROLLER, table: t.logIngress, ct: false },
    ]),
  );
}
