/**
 * IGMP and MLD snooping: who wants which group goes to IGMP_Group (ovn-sb(5)), queries go to everybody, reports to
 * multicast routers, and a querier asks by itself.
 */
import type { Sink } from "@weft/incremental";
import { sameContent } from "@weft/incremental";
import type { Action } from "@weft/openflow";
import type { Transaction, Uuid } from "@weft/ovsdb";
import { decode } from "@weft/packet";
import type { Clock } from "@weft/runtime";
import type { SbSchema } from "@weft/schemas";
import type { SnoopingSwitch } from "../model/snooping.ts";
import type { Exchange } from "../ofctrl/exchange.ts";
import { resubmit, set } from "../physical/flow.ts";
import { reg, tables as t } from "../tables.ts";
import { GroupTable } from "./groupTable.ts";
import type { Lookup } from "./lookup.ts";
import { igmpQuery, mldQuery, multicastMessage } from "./multicastMessage.ts";
import type { OwnChassis } from "./ownChassis.ts";
import { packetOut } from "./packetOut.ts";

/** The group of all ports, and the one of those that lead to multicast routers, as northd names them. */
const EVERYBODY = "_MC_flood";
const ROUTERS = "_MC_mrouter_flood";
/** The address under which a row of IGMP_Group tells the ports of routers. */
const ROUTERS_ADDRESS = "mrouters";

interface Snooped {
  config: SnoopingSwitch;
  /** How many evaluations yield it. */
  count: number;
  readonly table: GroupTable;
  /** When the querier asks next (monotonic ms). */
  query: number;
}

/** Where a packet is: tunnel keys. */
export interface PortPlace {
  readonly datapath: number;
  readonly port: number;
}

export class Snooping {
  readonly #clock: Clock;
  readonly #switches = new Map<number, Snooped>();
  /** Datapaths whose rows may differ from what is known. */
  readonly #dirty = new Set<Uuid>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  readonly sink: Sink<SnoopingSwitch> = {
    add: (config) => {
      this.#dirty.add(config.datapath);
      const snooped = this.#switches.get(config.key);
      if (snooped === undefined) {
        this.#switches.set(config.key, { config, count: 1, table: new GroupTable(), query: this.#clock.now() });
        return;
      }
      if (snooped.config.sequence !== config.sequence) snooped.table.flush();
      if (!sameContent(snooped.config.querier, config.querier)) snooped.query = this.#clock.now();
      snooped.config = config;
      snooped.count++;
    },
    remove: ({ key, datapath }) => {
      this.#dirty.add(datapath);
      const snooped = this.#switches.get(key);
      if (snooped !== undefined && --snooped.count === 0) this.#switches.delete(key);
    },
  };

  /** Takes note of a message from a port, and passes it on. Returns whether there is something to write. */
  hear(frame: Uint8Array, { datapath, port }: PortPlace, lookup: Lookup, exchange: Exchange): boolean {
    const snooped = this.#switches.get(datapath);
    const message = multicastMessage(decode(frame));
    if (snooped === undefined || message === undefined) return false;
    const { config, table } = snooped;
    const now = this.#clock.now();
    let changed = false;
    if (message === "query") changed = table.addRouter(port, now);
    else {
      for (const { address, protocol, join } of message) {
        const news = join ? table.join(address, port, protocol, now, config.tableSize) : table.leave(address, port);
        changed ||= news;
      }
    }
    if (changed) this.#dirty.add(config.datapath);
    const group = lookup.multicastGroup(config.datapath, message === "query" ? EVERYBODY : ROUTERS);
    if (group !== undefined) exchange.send(packetOut(frame, actionsTo(group, datapath, port, t.outputInit)));
    return changed;
  }

  /** Sends queries that are due; returns when the next is, or the next membership ends (monotonic ms). */
  send(lookup: Lookup, exchange: Exchange): number | undefined {
    const now = this.#clock.now();
    let next: number | undefined;
    for (const snooped of this.#switches.values()) {
      const { config, table } = snooped;
      const { querier } = config;
      if (querier !== undefined) {
        const group = lookup.multicastGroup(config.datapath, EVERYBODY);
        if (snooped.query <= now && group !== undefined) {
          snooped.query = now + querier.interval;
          // Other chassis ask their ports themselves.
          const actions = actionsTo(group, config.key, 0, t.localOutput);
          if (querier.ipv4 !== undefined) exchange.send(packetOut(igmpQuery(querier.ipv4, querier), actions));
          if (querier.ipv6 !== undefined) exchange.send(packetOut(mldQuery(querier.ipv6, querier), actions));
        }
        if (snooped.query > now) next = Math.min(next ?? snooped.query, snooped.query);
      }
      const end = table.next(config.idleTimeout);
      if (Number.isFinite(end)) next = Math.min(next ?? end, end);
    }
    return next;
  }

  /** What was written may not be there: all of it is looked at again. */
  rewrite(): void {
    for (const { config } of this.#switches.values()) this.#dirty.add(config.datapath);
  }

  /** Puts what has changed into a transaction. */
  write(lookup: Lookup, own: OwnChassis, transaction: Transaction<SbSchema>): void {
    const now = this.#clock.now();
    for (const { config, table } of this.#switches.values())
      if (table.expire(now, config.idleTimeout)) this.#dirty.add(config.datapath);
    for (const datapath of this.#dirty) this.#writeDatapath(datapath, lookup, own, transaction);
    this.#dirty.clear();
  }

  #writeDatapath(datapath: Uuid, lookup: Lookup, own: OwnChassis, transaction: Transaction<SbSchema>): void {
    const wanted = this.#rowsOf(datapath, lookup);
    for (const row of lookup.groupsOf(datapath, own.uuid)) {
      const want = wanted.get(row.address);
      wanted.delete(row.address);
      if (want === undefined) transaction.delete("IGMP_Group", row._uuid);
      else if (row.protocol !== want.protocol || !sameContent(row.ports, want.ports))
        transaction.update("IGMP_Group", row._uuid, want);
    }
    for (const [address, want] of wanted)
      transaction.insert("IGMP_Group", { ...want, address, datapath, chassis: own.uuid, chassis_name: own.name });
  }

  #rowsOf(datapath: Uuid, lookup: Lookup): Map<string, { readonly protocol: string; readonly ports: Uuid[] }> {
    const rows = new Map<string, { readonly protocol: string; readonly ports: Uuid[] }>();
    const snooped = [...this.#switches.values()].find(({ config }) => config.datapath === datapath);
    if (snooped === undefined) return rows;
    const { config, table } = snooped;
    const uuids = (ports: Iterable<number>): Uuid[] =>
      [...ports].flatMap((port) => lookup.port(config.key, port)?._uuid ?? []).sort();
    rows.set(ROUTERS_ADDRESS, { protocol: "", ports: uuids(table.routers) });
    for (const [address, { protocol, members }] of table.groups) rows.set(address, { protocol, ports: uuids(members.keys()) });
    return rows;
  }
}

/** To the members of a multicast group but the port that the packet comes from; 0: from none. */
function actionsTo(group: number, datapath: number, port: number, table: number): Action[] {
  return [set("metadata", datapath), set(reg.inport, port), set(reg.outport, group), resubmit(table)];
}
