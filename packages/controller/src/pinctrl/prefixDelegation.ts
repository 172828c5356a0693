/** The DHCPv6 client for delegated prefixes (RFC 8415 section 6.3), one for each router port that wants one. */
import type { Sink } from "@weft/incremental";
import type { Transaction } from "@weft/ovsdb";
import {
  concat,
  DHCPV6_MESSAGE,
  DHCPV6_OPTION,
  type Dhcpv6Option,
  emit,
  emitDhcpv6Options,
  formatIpv6,
  get32,
  parseIpv6,
  parseMac,
  put32,
  readIpv6,
  readMac,
  writeMac,
} from "@weft/packet";
import type { Clock, Random } from "@weft/runtime";
import type { SbSchema } from "@weft/schemas";
import type { Delegation } from "../model/prefixDelegation.ts";
import type { Exchange } from "../ofctrl/exchange.ts";
import { resubmit, set } from "../physical/flow.ts";
import { reg, tables as t } from "../tables.ts";
import type { IpPacket } from "./answers.ts";
import { DUID_LL, wholeOptions } from "./dhcpv6.ts";
import { packetOut } from "./packetOut.ts";
import { udpPayload } from "./udp.ts";

/** Servers and relays (RFC 8415 section 7.1). */
const SERVERS = parseIpv6("ff02::1:2")!;
const SERVERS_MAC = parseMac("33:33:00:01:00:02")!;
const CLIENT_PORT = 546;
const SERVER_PORT = 547;
/** Longest pause between two messages (ms). */
const PAUSE = 3000;
const FOREVER = 0xffffffff;
const HEADER = 4;
/** Bytes of an IA_PD in front of its options: identity, T1, T2. */
const IA_HEADER = 12;
/** Bytes of an IAPREFIX: preferred and valid lifetime, length, prefix. */
const IA_PREFIX = 25;

/** A prefix that a server gave us. Times in ms, monotonic. */
interface Lease {
  readonly server: Uint8Array;
  /** The length and the prefix, as on the wire. */
  readonly prefix: Uint8Array;
  readonly renew: number;
  readonly rebind: number;
  readonly end: number;
}

interface Session {
  delegation: Delegation;
  /** How many evaluations yield it. */
  count: number;
  /** The identity of its IA_PD. */
  identity: number;
  lease: Lease | undefined;
  /** When it speaks next. */
  due: number;
  /** The lease is not in the Southbound yet. */
  unwritten: boolean;
}

export class PrefixDelegation {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #sessions = new Map<string, Session>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  readonly sink: Sink<Delegation> = {
    add: (delegation) => {
      const key = `${delegation.asking} ${delegation.port}`;
      const session = this.#sessions.get(key);
      if (session === undefined) {
        const due = this.#clock.now();
        this.#sessions.set(key, { delegation, count: 1, identity: 0, lease: undefined, due, unwritten: false });
      } else {
        session.delegation = delegation;
        session.count++;
      }
    },
    remove: ({ asking, port }) => {
      const key = `${asking} ${port}`;
      const session = this.#sessions.get(key);
      if (session !== undefined && --session.count === 0) this.#sessions.delete(key);
    },
  };

  /** Sends what is due; returns when the next is (monotonic ms). */
  send(exchange: Exchange): number | undefined {
    const now = this.#clock.now();
    let next: number | undefined;
    for (const session of this.#sessions.values()) {
      if (session.due <= now) {
        this.#speak(session, exchange, now);
        session.due = now + this.#random.below(PAUSE) + 1;
      }
      next = Math.min(next ?? session.due, session.due);
    }
    return next;
  }

  #speak(session: Session, exchange: Exchange, now: number): void {
    const { lease } = session;
    if (lease === undefined) {
      session.identity = this.#random.below(0x10000);
      send(exchange, session.delegation, DHCPV6_MESSAGE.solicit, [association(session.identity)]);
      return;
    }
    const known = association(session.identity, lease.prefix);
    if (now >= lease.end) send(exchange, session.delegation, DHCPV6_MESSAGE.solicit, [known]);
    else if (now >= lease.rebind) send(exchange, session.delegation, DHCPV6_MESSAGE.rebind, [known]);
    else send(exchange, session.delegation, DHCPV6_MESSAGE.renew, [serverId(lease.server), known]);
  }

  /** Hears a server. Returns whether there is something to write. */
  hear(packet: IpPacket, router: number, exchange: Exchange): boolean {
    const offer = readOffer(packet);
    if (offer === undefined) return false;
    const session = [...this.#sessions.values()].find(
      ({ delegation, identity }) =>
        delegation.router === router && delegation.identity === offer.client && identity === offer.identity,
    );
    if (session === undefined) return false;
    if (offer.type === DHCPV6_MESSAGE.advertise) {
      const request = [serverId(offer.server), offer.association];
      send(exchange, session.delegation, DHCPV6_MESSAGE.request, request);
      return false;
    }
    const now = this.#clock.now();
    const { server, prefix, renew, rebind, valid } = offer;
    const lease = { server, prefix, renew: now + renew * 1000, rebind: now + rebind * 1000, end: now + valid * 1000 };
    session.lease = lease;
    session.due = lease.renew + this.#random.below(PAUSE);
    session.unwritten = true;
    return true;
  }

  /** What was written may not be there. */
  rewrite(): void {
    for (const session of this.#sessions.values()) session.unwritten = session.lease !== undefined;
  }

  /** Puts what was delegated into a transaction. */
  write(transaction: Transaction<SbSchema>): void {
    for (const session of this.#sessions.values()) {
      if (!session.unwritten || session.lease === undefined) continue;
      session.unwritten = false;
      const { prefix } = session.lease;
      const value = `${session.identity}:${formatIpv6(readIpv6(prefix, 1))}/${prefix[0]!}`;
      transaction.mutate("Port_Binding", session.delegation.port, "options", {
        delete: [PD_LIST],
        insert: [[PD_LIST, value]],
      });
    }
  }
}

const PD_LIST = "ipv6_ra_pd_list";

interface Offer {
  readonly type: number;
  /** The MAC in the client's DUID. */
  readonly client: number;
  readonly server: Uint8Array;
  readonly association: Dhcpv6Option;
  readonly identity: number;
  /** Seconds. */
  readonly renew: number;
  readonly rebind: number;
  readonly valid: number;
  readonly prefix: Uint8Array;
}

/** An Advertise or a Reply with the first prefix of its IA_PD; undefined: neither, or not whole. */
function readOffer(packet: IpPacket): Offer | undefined {
  const message = udpPayload(packet);
  const type = message?.[0];
  if (message === undefined || (type !== DHCPV6_MESSAGE.advertise && type !== DHCPV6_MESSAGE.reply)) return undefined;
  const options = wholeOptions(message.subarray(HEADER));
  const data = (code: number) => options.find((option) => option.code === code)?.data;
  const client = data(DHCPV6_OPTION.clientId);
  const server = data(DHCPV6_OPTION.serverId);
  const association = data(DHCPV6_OPTION.iaPd);
  if (client?.length !== DUID_LL.length + 6 || server === undefined) return undefined;
  if (association === undefined || association.length < IA_HEADER) return undefined;
  const prefix = wholeOptions(association.subarray(IA_HEADER)).find(({ code }) => code === DHCPV6_OPTION.iaPrefix)?.data;
  if (prefix === undefined || prefix.length < IA_PREFIX) return undefined;
  const inner = emitDhcpv6Options([{ code: DHCPV6_OPTION.iaPrefix, data: prefix.subarray(0, IA_PREFIX) }]);
  return {
    type,
    client: readMac(client, DUID_LL.length),
    server,
    association: { code: DHCPV6_OPTION.iaPd, data: concat(association.subarray(0, IA_HEADER), inner) },
    identity: get32(association, 0),
    renew: get32(association, 4),
    rebind: get32(association, 8),
    valid: get32(prefix, 4),
    prefix: prefix.subarray(8, IA_PREFIX),
  };
}

function serverId(data: Uint8Array): Dhcpv6Option {
  return { code: DHCPV6_OPTION.serverId, data };
}

/** An IA_PD of ours, with the prefix that we have, and without times of our own. */
function association(identity: number, prefix?: Uint8Array): Dhcpv6Option {
  const head = new Uint8Array(IA_HEADER);
  put32(head, 0, identity);
  put32(head, 4, FOREVER);
  put32(head, 8, FOREVER);
  if (prefix === undefined) return { code: DHCPV6_OPTION.iaPd, data: head };
  const times = new Uint8Array(8);
  put32(times, 0, FOREVER);
  put32(times, 4, FOREVER);
  const inner = emitDhcpv6Options([{ code: DHCPV6_OPTION.iaPrefix, data: concat(times, prefix) }]);
  return { code: DHCPV6_OPTION.iaPd, data: concat(head, inner) };
}

function send(exchange: Exchange, delegation: Delegation, type: number, more: readonly Dhcpv6Option[]): void {
  const { identity, from, mac, address } = delegation;
  const duid = concat(DUID_LL, new Uint8Array(6));
  writeMac(duid, DUID_LL.length, identity);
  const options = [{ code: DHCPV6_OPTION.clientId, data: duid }, ...more];
  const packet = emit([
    { kind: "ethernet", dst: SERVERS_MAC, src: mac },
    { kind: "ipv6", src: address, dst: SERVERS, hopLimit: 255 },
    { kind: "udp", srcPort: CLIENT_PORT, dstPort: SERVER_PORT },
    // Like the reference's, with no transaction of their own: the identity of the IA_PD tells them apart.
    { kind: "dhcpv6", type, transaction: 0, options },
  ]);
  exchange.send(packetOut(packet, [set("metadata", from.datapath), set(reg.inport, from.port), resubmit(t.logIngress)]));
}
