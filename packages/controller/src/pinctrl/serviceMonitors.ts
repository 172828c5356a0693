/** Probes services at their intervals and says whether they are there (ovn-sb(5), Service_Monitor). */
import type { Sink } from "@weft/incremental";
import { OFPP } from "@weft/openflow";
import type { Transaction, Uuid } from "@weft/ovsdb";
import { decode } from "@weft/packet";
import type { Clock, Random } from "@weft/runtime";
import type { SbSchema } from "@weft/schemas";
import type { Place, Service } from "../model/services.ts";
import type { Exchange } from "../ofctrl/exchange.ts";
import { set } from "../physical/flow.ts";
import { flag, reg, tables as t } from "../tables.ts";
import { packetOut } from "./packetOut.ts";
import { nextProbe, type Probe, probePacket, probeReset, verdictOf } from "./probe.ts";

interface Session {
  service: Service;
  /** How many evaluations yield it. */
  count: number;
  probe: Probe | undefined;
  /** A probe is out and not answered. */
  waiting: boolean;
  /** When the probe is given up, or the next is sent (monotonic ms). */
  due: number;
  successes: number;
  failures: number;
  found: "online" | "offline" | undefined;
  /** What was found is to be written. */
  news: boolean;
}

export class ServiceMonitors {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #sessions = new Map<Uuid, Session>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** A service whose row changes goes on where it was. */
  readonly sink: Sink<Service> = {
    add: (service) => {
      const session = this.#sessions.get(service.monitor);
      if (session !== undefined) {
        session.service = service;
        session.count++;
        return;
      }
      const due = this.#clock.now();
      const idle = { probe: undefined, waiting: false, successes: 0, failures: 0, found: undefined, news: false };
      this.#sessions.set(service.monitor, { service, count: 1, due, ...idle });
    },
    remove: ({ monitor }) => {
      const session = this.#sessions.get(monitor);
      if (session !== undefined && --session.count === 0) this.#sessions.delete(monitor);
    },
  };

  /** Sends the probes that are due and gives up those without an answer; returns when there is more to do or to write (monotonic ms). */
  send(exchange: Exchange): number | undefined {
    const now = this.#clock.now();
    let next: number | undefined;
    for (const session of this.#sessions.values()) {
      const { news } = session;
      if (session.due <= now) {
        // Silence is what a UDP service answers that is there.
        if (session.waiting) this.#count(session, session.service.protocol === "udp");
        else this.#probe(session, exchange);
      }
      // Older news wait for the database.
      const due = session.news && !news ? now : session.due;
      next = Math.min(next ?? due, due);
    }
    return next;
  }

  #probe(session: Session, exchange: Exchange): void {
    const { service } = session;
    session.probe = nextProbe(service, session.probe, this.#random);
    session.waiting = true;
    session.due = this.#clock.now() + service.timeout;
    deliver(exchange, service.probes, probePacket(service, session.probe));
  }

  #count(session: Session, success: boolean): void {
    const { service } = session;
    session.waiting = false;
    session.due = this.#clock.now() + service.interval;
    if (success) session.successes++;
    else session.failures++;
    const online = session.successes >= service.successCount;
    if (!online && session.failures < service.failureCount) return;
    session.successes = 0;
    session.failures = 0;
    session.found = online ? "online" : "offline";
    session.news = true;
  }

  /** A packet that may answer a probe, which came in by a port. Returns whether it did. */
  hear(packet: Uint8Array, { datapath, port }: Place, exchange: Exchange): boolean {
    const layers = decode(packet);
    for (const session of this.#sessions.values()) {
      const { service, probe, waiting } = session;
      if (probe === undefined || !waiting || service.answers.datapath !== datapath || service.answers.port !== port) continue;
      const verdict = verdictOf(service, probe, layers);
      if (verdict === undefined) continue;
      if (verdict === "accepted" && service.protocol === "tcp") deliver(exchange, service.probes, probeReset(service, probe));
      this.#count(session, verdict === "accepted");
      return true;
    }
    return false;
  }

  /** Writes what has been found out and is not in the rows. */
  write(transaction: Transaction<SbSchema>): void {
    for (const session of this.#sessions.values()) {
      const { found: status, service } = session;
      if (session.news && service.status !== status) transaction.update("Service_Monitor", service.monitor, { status });
      session.news = false;
    }
  }

  /** The last transaction has failed. */
  rewrite(): void {
    for (const session of this.#sessions.values()) session.news = session.found !== undefined;
  }
}

/** Brings a packet to a port of this chassis, past the ingress pipeline. */
function deliver(exchange: Exchange, { datapath, port }: Place, packet: Uint8Array): void {
  exchange.send(
    packetOut(packet, [
      set("metadata", datapath),
      set(reg.outport, port),
      set(reg.flags, flag.rxFromTunnel, flag.rxFromTunnel),
      { type: "resubmit", port: OFPP.CONTROLLER, table: t.localOutput, ct: false },
    ]),
  );
}
