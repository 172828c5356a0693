/** The connection for packets: what the switch sends to the controller, and what the controller sends on its own. */
import type { Message } from "@weft/openflow";
import type { Replica, RowChange, Transaction } from "@weft/ovsdb";
import { parseMac } from "@weft/packet";
import { type Runtime, WeftError } from "@weft/runtime";
import type { SbSchema } from "@weft/schemas";
import type { Config } from "../model/config.ts";
import { Channel } from "../ofctrl/channel.ts";
import type { Exchange } from "../ofctrl/exchange.ts";
import type { Dial } from "../ofctrl/link.ts";
import { Activations } from "./activations.ts";
import { Ageing } from "./ageing.ts";
import { Announcer } from "./announce.ts";
import { BfdBook } from "./bfd.ts";
import { BufferedPackets } from "./buffered.ts";
import { Events } from "./events.ts";
import { Lookup } from "./lookup.ts";
import { MacBindingBook } from "./macBindings.ts";
import { NexthopRequests } from "./nexthops.ts";
import type { OwnChassis } from "./ownChassis.ts";
import { PacketIns } from "./pinctrl.ts";
import { PrefixDelegation } from "./prefixDelegation.ts";
import { RouterAdvertisements } from "./routerAdvertisements.ts";
import { ServiceMonitors } from "./serviceMonitors.ts";
import { Snooping } from "./snooping.ts";
import { VirtualPorts } from "./virtualPorts.ts";

export class PacketSide {
  readonly ageing: Ageing;
  readonly announcer: Announcer;
  readonly serviceMonitors: ServiceMonitors;
  readonly bfd: BfdBook;
  readonly nexthops: NexthopRequests;
  readonly snooping: Snooping;
  readonly prefixDelegation: PrefixDelegation;
  readonly routerAdvertisements: RouterAdvertisements;
  readonly #runtime: Runtime;
  readonly #channel: Channel;
  readonly #macBindings: MacBindingBook;
  readonly #buffered: BufferedPackets;
  readonly #virtualPorts: VirtualPorts;
  readonly #events = new Events();
  readonly #activations = new Activations();
  readonly #wake: () => void;
  #packetIns: PacketIns | undefined;
  #exchange: Exchange | undefined;
  #lookup: Lookup | undefined;

  constructor(options: { readonly runtime: Runtime; readonly dial: Dial; readonly wake: () => void }) {
    const { runtime } = options;
    this.#runtime = runtime;
    this.#wake = options.wake;
    this.ageing = new Ageing({ clock: runtime.clock, log: runtime.log.logger("mac_cache"), wake: options.wake });
    this.announcer = new Announcer(runtime.clock);
    this.nexthops = new NexthopRequests(runtime.clock);
    this.serviceMonitors = new ServiceMonitors(runtime.clock, runtime.random);
    this.bfd = new BfdBook(runtime.clock, runtime.random);
    this.#macBindings = new MacBindingBook(runtime.clock, runtime.random);
    this.#buffered = new BufferedPackets(runtime.clock);
    this.routerAdvertisements = new RouterAdvertisements(runtime.clock, runtime.random, runtime.log.logger("pinctrl"));
    this.prefixDelegation = new PrefixDelegation(runtime.clock, runtime.random);
    this.snooping = new Snooping(runtime.clock);
    this.#virtualPorts = new VirtualPorts(runtime.clock, runtime.log.logger("pinctrl"));
    this.#channel = new Channel({
      runtime,
      dial: options.dial,
      name: "pinctrl",
      user: {
        opened: async (exchange) => this.#opened(exchange),
        heard: (envelope) => this.#packetIns?.hear(envelope),
        closed: () => {
          this.#packetIns = undefined;
          this.#exchange = undefined;
        },
      },
    });
  }

  /** @param probeInterval See Link. */
  aim(target: string | undefined, probeInterval: number): void {
    this.#channel.probeEvery(probeInterval);
    this.#channel.aim(target);
  }

  follow(sb: Replica<SbSchema>): void {
    this.#lookup = new Lookup(sb);
    this.rewrite();
  }

  /** What was written may not be there: a transaction has failed, or the database is another one. */
  rewrite(): void {
    for (const book of [
      this.snooping,
      this.prefixDelegation,
      this.serviceMonitors,
      this.bfd,
      this.#macBindings,
      this.#virtualPorts,
      this.#events,
      this.#activations,
    ])
      book.rewrite();
  }

  #opened(exchange: Exchange): void {
    exchange.send({ type: "set_packet_in_format", format: "nxt_packet_in2" });
    exchange.send({ type: "set_config", fragments: "normal", invalidTtlToController: false, missSendLength: 0xffff });
    this.#exchange = exchange;
    this.#packetIns = new PacketIns({
      exchange,
      log: this.#runtime.log.logger("pinctrl"),
      // The part in parentheses is the thread of the original; scripts look for the line as a whole.
      aclLog: this.#runtime.log.logger("acl_log", "ovn_pinctrl0"),
      macBindings: this.#macBindings,
      buffered: this.#buffered,
      serviceMonitors: this.serviceMonitors,
      bfd: this.bfd,
      snooping: this.snooping,
      prefixDelegation: this.prefixDelegation,
      lookup: () => this.#lookup,
      virtualPorts: this.#virtualPorts,
      events: this.#events,
      activations: this.#activations,
      learned: this.#wake,
    });
    this.#wake();
  }

  /** Sends a packet of our own making. Throws where there is no switch. */
  inject(message: Message): void {
    if (this.#exchange === undefined) {
      throw new WeftError("controller.no-switch", "not connected to the integration bridge", { blame: "caller" });
    }
    this.#exchange.send(message);
  }

  /** Sends announcements and probes that are due; returns when the next is (monotonic ms). */
  send(own: Pick<Config, "garpMaxTimeout" | "nexthopMaxTimeout"> | undefined): number | undefined {
    if (this.#exchange === undefined) return undefined;
    this.announcer.longest = own?.garpMaxTimeout;
    this.nexthops.limit(own?.nexthopMaxTimeout);
    const queries = this.#lookup === undefined ? undefined : this.snooping.send(this.#lookup, this.#exchange);
    return earliest(
      this.announcer.send(this.#exchange),
      this.nexthops.send(this.#exchange),
      this.serviceMonitors.send(this.#exchange),
      queries,
      this.routerAdvertisements.send(this.#exchange),
      this.prefixDelegation.send(this.#exchange),
      this.#lookup === undefined ? undefined : this.ageing.send(this.#exchange, this.#lookup),
    );
  }

  /** Sends what BFD sessions have to say; returns when there is more to do (monotonic ms). */
  sendBfd(): number | undefined {
    return this.#exchange === undefined ? undefined : this.bfd.send(this.#exchange);
  }

  /** Writes what was learned and is due; returns when the next is (monotonic ms). */
  write(transaction: Transaction<SbSchema>, own: OwnChassis | undefined): number | undefined {
    if (this.#lookup !== undefined) {
      this.#macBindings.write(this.#lookup, transaction);
      this.ageing.write(transaction, this.#lookup);
    }
    if (this.#lookup !== undefined && own !== undefined) {
      this.snooping.write(this.#lookup, own, transaction);
      this.#virtualPorts.write(this.#lookup, own, transaction);
      this.#events.write(this.#lookup, own, transaction);
      this.#activations.write(this.#lookup, own, transaction);
    }
    this.serviceMonitors.write(transaction);
    this.prefixDelegation.write(transaction);
    this.bfd.write(transaction);
    return this.#macBindings.next;
  }

  /** Follows what has changed in the Southbound. */
  changed(changes: readonly RowChange[]): void {
    for (const { table, uuid } of changes)
      if (table === "Port_Binding") this.#virtualPorts.changed(uuid, this.#lookup?.sb.table("Port_Binding").get(uuid));
    this.#release(changes);
  }

  /** Lets packets go on whose neighbour has a MAC now. */
  #release(changes: readonly RowChange[]): void {
    if (this.#buffered.empty || this.#packetIns === undefined || this.#lookup === undefined) return;
    for (const { table, uuid, after } of changes) {
      if (table !== "MAC_Binding" || after === undefined) continue;
      const row = this.#lookup.sb.table("MAC_Binding").get(uuid);
      const mac = row === undefined ? undefined : parseMac(row.mac);
      if (row === undefined || mac === undefined) continue;
      const datapath = this.#lookup.sb.table("Datapath_Binding").get(row.datapath)?.tunnel_key;
      if (datapath === undefined) continue;
      // Packets for a gateway elsewhere wait with its chassisredirect port as their way out.
      for (const name of [row.logical_port, `cr-${row.logical_port}`]) {
        const port = this.#lookup.portNamed(name)?.tunnel_key;
        if (port === undefined) continue;
        for (const { packetIn, packet } of this.#buffered.take({ datapath, port, ip: row.ip }, mac))
          this.#packetIns.resume(packetIn, packet);
      }
    }
  }
}

function earliest(...times: readonly (number | undefined)[]): number | undefined {
  const given = times.filter((time) => time !== undefined);
  return given.length === 0 ? undefined : Math.min(...given);
}
