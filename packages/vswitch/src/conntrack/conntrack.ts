/**
 * Connection tracking of the userspace datapath: ct() with commit, NAT, marks and labels (ovs-actions(7)), and what the ct_ fields
 * (ovs-fields(7)) say of a packet afterwards.
 */
import type { CtAction } from "../datapath/actions.ts";
import type { Conntrack } from "../datapath/conntrack.ts";
import { ETH_IP, ETH_IPV6, IP_ICMP, IP_ICMPV6, IP_TCP, IP_UDP, WORD } from "../flow/key.ts";
import type { Packet } from "../flow/packet.ts";
import { exchangeTimeout, exchangeUpdate } from "./exchange.ts";
import { announcedBy, type Expectation, Expectations, expectedTuple, isAddress } from "./expectations.ts";
import { distribute, Fragments, reassemble } from "./fragments.ts";
import { be16 } from "./headers.ts";
import { ZoneLimits } from "./limits.ts";
import { chooseTranslation, type NatChoice } from "./nat.ts";
import { rewrite, rewriteError } from "./rewrite.ts";
import { ConnectionTable, copyTuple, FLAG, newTuple, REC, type Tuple } from "./table.ts";
import { tcpBegin, tcpBegins, tcpTimeout, tcpUpdate, type Verdict } from "./tcp.ts";
import { DEFAULT_POLICY, type TimeoutPolicy } from "./timeouts.ts";
import { isRequest, OUTER, readTuple, reverse } from "./tuple.ts";

/** Bits of ct_state (ovs-fields(7)). */
export const CT = { NEW: 1, EST: 2, REL: 4, RPL: 8, INV: 16, TRK: 32, SNAT: 64, DNAT: 128 } as const;

export interface ConntrackOptions {
  /** Random numbers: the seed of the table's hash, ports of nat(random). */
  readonly uint32: () => number;
}

/**
 * Connections that a sweep looks at in one step at least, and at most: with very many of them a round takes longer than the interval
 * rather than a step longer than some milliseconds. What has expired is not found in any case.
 */
const SWEEP_AT_LEAST = 1024;
const SWEEP_AT_MOST = 8192;

export class ConnectionTracker implements Conntrack {
  readonly tables: { readonly 4: ConnectionTable; readonly 6: ConnectionTable };
  readonly limits = new ZoneLimits();
  readonly fragments = new Fragments();
  readonly expectations = new Expectations();
  maxConnections = 3_000_000;
  /** Are TCP sequence numbers looked at? */
  sequenceChecks = true;
  /** All connections are looked at for expiry once in so many ms. */
  sweepInterval = 20_000;
  readonly #uint32: () => number;
  readonly #policies = new Map<number, TimeoutPolicy>();
  readonly #choice: NatChoice & { table: ConnectionTable; now: number };
  readonly #seed: number;
  /** Where the sweep is in either table. */
  readonly #cursor = { 4: 0, 6: 0 };
  #sweptAt: number | undefined;
  // The tuples of the packet in hand.
  readonly #tuple = newTuple();
  readonly #reply = newTuple();
  readonly #other = newTuple();

  constructor({ uint32 }: ConntrackOptions) {
    this.#uint32 = uint32;
    this.#seed = uint32();
    this.tables = { 4: new ConnectionTable(4, uint32()), 6: new ConnectionTable(6, uint32()) };
    const choice = {
      table: this.tables[4],
      now: 0,
      free: (tuple: Tuple) => this.#live(choice.table, tuple, choice.now) < 0,
      hash: (tuple: Tuple, persistent: boolean) => this.#natHash(tuple, persistent),
      below: (bound: number) => this.#uint32() % bound,
    };
    this.#choice = choice;
  }

  get size(): number {
    return this.tables[4].size + this.tables[6].size;
  }

  /** Addresses decide which address stands for them, so that a host keeps its own; without `persistent` ports do too. */
  #natHash(tuple: Tuple, persistent: boolean): number {
    let h = persistent ? 0 : this.#seed ^ tuple.ports;
    for (let i = 0; i < 8; i++) {
      h = Math.imul(h ^ (tuple.addresses[i] as number), 0x9e3779b1);
      h ^= h >>> 15;
    }
    return h >>> 0;
  }

  /** The entry of a connection that has not expired, or -1. */
  #live(table: ConnectionTable, tuple: Tuple, now: number): number {
    const entry = table.lookup(tuple);
    if (entry < 0 || table.expires(entry >>> 1) > now) return entry;
    this.remove(table, entry >>> 1);
    return -1;
  }

  remove(table: ConnectionTable, index: number): void {
    if ((table.get(index, REC.flags) & FLAG.counted) !== 0) this.limits.add(table.get(index, REC.head) >>> 16, -1);
    if ((table.get(index, REC.flags) & (FLAG.ftp | FLAG.tftp)) !== 0)
      this.expectations.forget(table === this.tables[4] ? 4 : 6, index);
    table.remove(index);
  }

  track(packet: Packet, action: CtAction, now: number): readonly Packet[] | undefined {
    if (packet.key[WORD.nw_frag] !== 0) return this.#fragment(packet, action, now);
    this.#trackWhole(packet, action, now);
    return undefined;
  }

  #fragment(packet: Packet, action: CtAction, now: number): readonly Packet[] | undefined {
    const fragments = this.fragments.accept(packet, action.zone, now);
    if (fragments === "refused") {
      this.#write(packet, action.zone, CT.TRK | CT.INV);
      return undefined;
    }
    if (fragments === undefined) return [];
    const whole = reassemble(fragments);
    this.#trackWhole(whole, action, now);
    return distribute(whole, fragments);
  }

  #trackWhole(packet: Packet, action: CtAction, now: number): void {
    const { zone } = action;
    const { key } = packet;
    if (packet.connection >= 0 && key[WORD.ct_zone] === zone && this.#again(packet, action)) return;
    packet.connection = -1;
    const kind = readTuple(packet, zone, this.#tuple);
    if (kind === "invalid") {
      this.#write(packet, zone, CT.TRK | CT.INV);
      return;
    }
    const table = this.tables[OUTER.family];
    let entry = this.#live(table, this.#tuple, now);
    if (kind === "related") {
      if (entry < 0) this.#write(packet, zone, CT.TRK | CT.INV);
      else this.#known(table, entry, packet, action, CT.REL);
      return;
    }
    if (entry >= 0 && action.force && action.commit && (entry & 1) === 1) {
      this.remove(table, entry >>> 1);
      entry = -1;
    }
    if (entry >= 0) {
      const verdict = this.#update(table, entry, packet, now);
      if (verdict === "invalid") {
        this.#write(packet, zone, CT.TRK | CT.INV);
        return;
      }
      if (verdict !== "reopened") {
        this.#known(table, entry, packet, action, verdict === "new" ? CT.NEW : CT.EST);
        return;
      }
      this.remove(table, entry >>> 1);
    }
    this.#unknown(table, packet, action, now);
  }

  /**
   * A packet that has been here before, in the same zone: it is of the connection that was found then, though its addresses may be
   * translated by now. False: that connection is gone, or is to begin anew.
   */
  #again(packet: Packet, action: CtAction): boolean {
    const { key, connection: entry } = packet;
    const table = this.tables[key[WORD.eth_type] === ETH_IPV6 ? 6 : 4];
    const index = entry >>> 1;
    const reply = (entry & 1) === 1;
    if (!table.used(index) || table.serial(index) !== packet.connectionSerial) return false;
    let state = key[WORD.ct_state] as number;
    if (action.force && action.commit && reply && (state & CT.REL) === 0) {
      this.remove(table, index);
      return false;
    }
    if (action.nat !== undefined && (state & (CT.SNAT | CT.DNAT)) === 0) {
      const kind = readTuple(packet, action.zone, this.#tuple);
      if (kind !== "invalid") state |= this.#translate(table, index, reply, packet, kind === "related");
    }
    this.#mark(table, index, action);
    this.#write(packet, action.zone, state, table, entry);
    return true;
  }

  #update(table: ConnectionTable, entry: number, packet: Packet, now: number): Verdict {
    const index = entry >>> 1;
    const reply = (entry & 1) === 1;
    const slab = table.slab(index);
    const at = table.base(index);
    const verdict =
      OUTER.protocol === IP_TCP
        ? tcpUpdate(slab, at, reply, packet.bytes, OUTER.l4, OUTER.end, this.sequenceChecks)
        : exchangeUpdate(slab, at, reply);
    if (verdict === "valid" || verdict === "new") this.#touch(table, index, now);
    return verdict;
  }

  /** The connection lives on from now. */
  #touch(table: ConnectionTable, index: number, now: number): void {
    const slab = table.slab(index);
    const at = table.base(index);
    const protocol = (slab[at + REC.head] as number) & 0xff;
    const name = protocol === IP_TCP ? tcpTimeout(slab, at) : exchangeTimeout(slab, at, protocol);
    const policy = this.#policies.get((slab[at + REC.head] as number) >>> 16) ?? DEFAULT_POLICY;
    table.setExpires(index, now + policy[name]);
  }

  /** A packet of a known connection. */
  #known(table: ConnectionTable, entry: number, packet: Packet, action: CtAction, state: number): void {
    const index = entry >>> 1;
    const reply = (entry & 1) === 1;
    let all = CT.TRK | state;
    // A connection is replied to once both have spoken: until then its packets are new in either direction.
    if (reply && state !== CT.NEW) all |= CT.RPL;
    const flags = table.get(index, REC.flags);
    if ((flags & FLAG.related) !== 0) all |= CT.REL;
    if (state !== CT.REL) this.#listen(table, index, reply, packet);
    if (action.nat !== undefined) all |= this.#translate(table, index, reply, packet, state === CT.REL);
    this.#mark(table, index, action);
    this.#write(packet, action.zone, all, table, entry);
  }

  /** A packet of no known connection: it may begin one. */
  #unknown(table: ConnectionTable, packet: Packet, action: CtAction, now: number): void {
    const { zone } = action;
    const tuple = this.#tuple;
    const protocol = tuple.head & 0xff;
    const begins =
      protocol === IP_TCP
        ? tcpBegins(packet.bytes, OUTER.l4)
        : protocol === IP_ICMP || protocol === IP_ICMPV6
          ? tuple.ports === 0 || isRequest(protocol, (tuple.ports >>> 8) & 0xff)
          : true;
    if (!begins) {
      this.#write(packet, zone, CT.TRK | CT.INV);
      return;
    }
    const expected = this.expectations.find(tuple);
    const state = CT.TRK | CT.NEW | (expected === undefined ? 0 : CT.REL);
    const room = this.size < this.maxConnections && this.limits.admits(zone);
    const index = action.commit && room ? this.#create(table, packet, action, expected, now) : undefined;
    if (index === undefined) {
      this.#write(packet, zone, state, undefined, -1, expected);
      return;
    }
    this.#mark(table, index, action);
    this.#listen(table, index, false, packet);
    const nat = action.nat === undefined ? 0 : this.#translate(table, index, false, packet, false);
    this.#write(packet, zone, state | nat, table, index << 1);
  }

  /** An expected connection is translated as its parent is, from the other end if that is who begins it. */
  #expectedReply({ translates, address, port }: Expectation): void {
    const reply = this.#reply;
    reply.addresses.set(address, translates === "source" ? 4 : 0);
    if (translates === "destination") reply.ports = (port << 16) | (reply.ports & 0xffff);
  }

  /** What a packet of a connection with a helper announces is expected from now on. */
  #listen(table: ConnectionTable, index: number, reply: boolean, packet: Packet): void {
    const flags = table.get(index, REC.flags);
    if ((flags & (FLAG.ftp | FLAG.tftp)) === 0) return;
    const { bytes: b } = packet;
    const { l4, end, family } = OUTER;
    const original = newTuple();
    const answer = newTuple();
    table.tuple(index, false, original);
    table.tuple(index, true, answer);
    let active = true;
    let port = answer.ports & 0xffff;
    if ((flags & FLAG.ftp) !== 0) {
      const announced = announcedBy(b, l4 + ((b[l4 + 12] as number) >>> 4) * 4, end, reply);
      if (announced === undefined) return;
      // A client may ask for connections to itself only.
      if (announced.active && announced.address !== undefined && !isAddress(announced.address, family, original.addresses, 0))
        return;
      ({ active, port } = announced);
    } else if (reply || end < l4 + 10 || (be16(b, l4 + 8) !== 1 && be16(b, l4 + 8) !== 2)) return;
    // The end that begins it is the client in passive mode, the server else.
    const ends = active ? answer : original;
    const others = active ? original : answer;
    const translates = active === ((flags & FLAG.natDestination) !== 0) ? "source" : "destination";
    this.expectations.add({
      family,
      tuple: expectedTuple(ends, port),
      translates,
      address: translates === "source" ? others.addresses.slice(4, 8) : others.addresses.slice(0, 4),
      port: (flags & FLAG.tftp) !== 0 ? original.ports >>> 16 : port,
      parent: index,
      parentTuple: original,
      mark: table.get(index, REC.mark),
      label: Int32Array.from([0, 1, 2, 3], (i) => table.get(index, REC.label + i)),
    });
  }

  /** Undefined when NAT finds no free tuple. */
  #create(
    table: ConnectionTable,
    packet: Packet,
    action: CtAction,
    expected: Expectation | undefined,
    now: number,
  ): number | undefined {
    const original = this.#tuple;
    reverse(original, this.#reply);
    const { nat } = action;
    let flags: number = this.limits.counts(action.zone) ? FLAG.counted : 0;
    if (nat !== undefined && expected !== undefined) {
      this.#expectedReply(expected);
      if (this.#live(table, this.#reply, now) >= 0) return undefined;
      flags |= expected.translates === "source" ? FLAG.natSource : FLAG.natDestination;
    } else if (nat?.direction !== undefined && (nat.min === undefined || nat.min.family === OUTER.family)) {
      this.#choice.table = table;
      this.#choice.now = now;
      if (!chooseTranslation(nat, original, this.#reply, this.#choice)) return undefined;
      flags |= nat.direction === "src" ? FLAG.natSource : FLAG.natDestination;
    } else this.#live(table, this.#reply, now);
    const index = table.insert(original, this.#reply);
    if ((flags & FLAG.counted) !== 0) this.limits.add(action.zone, 1);
    if (action.helper === "ftp" && OUTER.protocol === IP_TCP) flags |= FLAG.ftp;
    if (action.helper === "tftp" && OUTER.protocol === IP_UDP) flags |= FLAG.tftp;
    if (expected !== undefined) {
      flags |= FLAG.related;
      table.parents.set(index, expected.parentTuple);
      table.set(index, REC.mark, expected.mark);
      for (let i = 0; i < 4; i++) table.set(index, REC.label + i, expected.label[i] as number);
    }
    table.addFlags(index, flags);
    if (OUTER.protocol === IP_TCP) tcpBegin(table.slab(index), table.base(index), packet.bytes, OUTER.l4, OUTER.end);
    this.#touch(table, index, now);
    return index;
  }

  #mark(table: ConnectionTable, index: number, { mark, label }: CtAction): void {
    if (mark !== undefined) table.set(index, REC.mark, (table.get(index, REC.mark) & ~mark.mask) | (mark.value & mark.mask));
    if (label === undefined) return;
    for (let i = 0; i < 4; i++) {
      const shift = BigInt(96 - 32 * i);
      const mask = Number((label.mask >> shift) & 0xffffffffn);
      const value = Number((label.value >> shift) & 0xffffffffn);
      table.set(index, REC.label + i, (table.get(index, REC.label + i) & ~mask) | (value & mask));
    }
  }

  /** Translates a packet of a connection with NAT. Returns the bits of ct_state that say so. */
  #translate(table: ConnectionTable, index: number, reply: boolean, packet: Packet, error: boolean): number {
    const flags = table.get(index, REC.flags);
    if ((flags & (FLAG.natSource | FLAG.natDestination)) === 0) return 0;
    // A reply is sent back to where the original came from, so what was its source is the reply's destination.
    const source = (flags & (reply ? FLAG.natDestination : FLAG.natSource)) !== 0;
    const destination = (flags & (reply ? FLAG.natSource : FLAG.natDestination)) !== 0;
    const other = this.#other;
    table.tuple(index, !reply, other);
    if (error) {
      // The packet inside travelled the other way.
      copyTuple(other, this.#reply);
      reverse(other, this.#tuple);
      rewriteError(packet, this.#reply, this.#tuple, source, destination);
    } else {
      reverse(other, this.#tuple);
      rewrite(packet, this.#tuple);
    }
    return (source ? CT.SNAT : 0) | (destination ? CT.DNAT : 0);
  }

  /** Writes the connection tracking words of the packet's key. */
  #write(packet: Packet, zone: number, state: number, table?: ConnectionTable, entry = -1, expected?: Expectation): void {
    const { key } = packet;
    key.fill(0, WORD.ct_state, WORD.ct_label + 4);
    key[WORD.ct_state] = state;
    key[WORD.ct_zone] = zone;
    clearOriginal(key);
    if ((state & CT.INV) !== 0) return;
    let original = this.#tuple;
    if (table !== undefined) {
      const index = entry >>> 1;
      packet.connection = entry;
      packet.connectionSerial = table.serial(index);
      const slab = table.slab(index);
      const at = table.base(index);
      key[WORD.ct_mark] = slab[at + REC.mark] as number;
      for (let i = 0; i < 4; i++) key[WORD.ct_label + i] = slab[at + REC.label + i] as number;
      const parent = ((slab[at + REC.flags] as number) & FLAG.related) === 0 ? undefined : table.parents.get(index);
      original = parent ?? this.#other;
      if (parent === undefined) table.tuple(index, false, original);
    } else if (expected !== undefined) {
      key[WORD.ct_mark] = expected.mark;
      key.set(expected.label, WORD.ct_label);
      original = expected.parentTuple;
    }
    writeOriginal(key, original);
  }

  // Management.

  /** The timeouts of a zone's connections, from their next packet on; undefined for the defaults. */
  setPolicy(zone: number, policy: TimeoutPolicy | undefined): void {
    if (policy === undefined) this.#policies.delete(zone);
    else this.#policies.set(zone, policy);
  }

  flushWhere(wanted: (table: ConnectionTable, index: number, family: 4 | 6) => boolean): void {
    for (const { table, index, family } of this.connections()) if (wanted(table, index, family)) this.remove(table, index);
  }

  /** All connections, expired ones that no sweep has met yet among them; the object is the same every time. */
  *connections(): Generator<{ table: ConnectionTable; index: number; family: 4 | 6 }> {
    for (const family of [4, 6] as const) {
      const table = this.tables[family];
      const at = { table, index: 0, family };
      for (let index = 0; index < table.high; index++) {
        if (!table.used(index)) continue;
        at.index = index;
        yield at;
      }
    }
  }

  /** Regular work: removes what has expired, so much of the tables that all of them is seen once in a sweep interval. */
  maintain(now: number): void {
    const passed = this.#sweptAt === undefined ? 0 : now - this.#sweptAt;
    this.#sweptAt = now;
    this.fragments.expire(now);
    for (const family of [4, 6] as const) {
      const table = this.tables[family];
      const share = Math.ceil((table.high * passed) / Math.max(1, this.sweepInterval));
      let steps = Math.min(table.high, Math.max(SWEEP_AT_LEAST, Math.min(share, SWEEP_AT_MOST)));
      let at = this.#cursor[family];
      for (; steps > 0; steps--) {
        if (at >= table.high) at = 0;
        if (table.used(at) && table.expires(at) <= now) this.remove(table, at);
        at++;
      }
      this.#cursor[family] = at;
    }
  }
}

export function clearOriginal(key: Int32Array): void {
  key.fill(0, WORD.ct_nw_src, WORD.ct_tp_dst + 1);
}

function writeOriginal(key: Int32Array, tuple: Tuple): void {
  const { addresses, ports } = tuple;
  const protocol = tuple.head & 0xff;
  if (key[WORD.eth_type] === ETH_IP) {
    key[WORD.ct_nw_src] = addresses[0] as number;
    key[WORD.ct_nw_dst] = addresses[4] as number;
  } else if (key[WORD.eth_type] === ETH_IPV6) {
    for (let i = 0; i < 4; i++) {
      key[WORD.ct_ipv6_src + i] = addresses[i] as number;
      key[WORD.ct_ipv6_dst + i] = addresses[4 + i] as number;
    }
  }
  key[WORD.ct_nw_proto] = protocol;
  // Of ICMP the type and the code stand for the ports.
  const icmp = protocol === IP_ICMP || protocol === IP_ICMPV6;
  key[WORD.ct_tp_src] = icmp ? (ports >>> 8) & 0xff : ports >>> 16;
  key[WORD.ct_tp_dst] = icmp ? ports & 0xff : ports & 0xffff;
}
