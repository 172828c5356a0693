/** Messages of rtnetlink(7): links, addresses and routes, as far as they are asked for. Integers are in the host's order, little-endian. */
import type { HostAddress, HostLink, HostRoute, LinkStatistics } from "../../hostNetwork.ts";

export const RTM = { NEWLINK: 16, GETLINK: 18, NEWADDR: 20, GETADDR: 22, NEWROUTE: 24, GETROUTE: 26 } as const;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLM_F_DUMP = 0x300;

const HEADER = 16;
const IFINFO = 16;
const IFA = 8;
const RTMSG = 12;
const RTNEXTHOP = 8;
const AF_INET = 2;
const ARPHRD_ETHER = 1;

const IFF_UP = 1;
const IFF_RUNNING = 0x40;
const IFLA = { ADDRESS: 1, IFNAME: 3, MTU: 4, LINK: 5, STATS64: 23 } as const;
const IFA_ATTRIBUTE = { ADDRESS: 1, LOCAL: 2 } as const;
/** An IPv6 address that is not the host's yet, or is somebody else's too. */
const IFA_F_NOT_USABLE = 0x40 | 0x08;
const RTA = { DST: 1, OIF: 4, GATEWAY: 5, PRIORITY: 6, PREFSRC: 7, MULTIPATH: 9, TABLE: 15 } as const;
const RTN = { UNICAST: 1, LOCAL: 2 } as const;
const RT_TABLE = { MAIN: 254, LOCAL: 255 } as const;
const RTM_F_CLONED = 0x200;
const RTNH_F_DEAD = 1;

export interface NetlinkMessage {
  readonly type: number;
  readonly body: Buffer;
}

/** Cuts what was received into messages; a malformed end is left out. */
export function* messagesOf(bytes: Buffer): Generator<NetlinkMessage> {
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    if (length < HEADER || at + length > bytes.length) return;
    yield { type: bytes.readUInt16LE(at + 4), body: bytes.subarray(at + HEADER, at + length) };
    at += align(length);
  }
}

const align = (length: number): number => (length + 3) & ~3;

function attributesOf(body: Buffer, from: number): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = from; at + 4 <= body.length; ) {
    const length = body.readUInt16LE(at);
    if (length < 4 || at + length > body.length) break;
    found.set(body.readUInt16LE(at + 2) & 0x3fff, body.subarray(at + 4, at + length));
    at += align(length);
  }
  return found;
}

const u32 = (value: Buffer | undefined): number | undefined =>
  value !== undefined && value.length >= 4 ? value.readUInt32LE(0) : undefined;

/** An address' text: IPv6 in full groups, which every parser takes. */
function addressText(bytes: Buffer | undefined): string | undefined {
  if (bytes?.length === 4) return bytes.join(".");
  if (bytes?.length !== 16) return undefined;
  return Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16)).join(":");
}

/** Order of struct rtnl_link_stats64; undefined: not asked for. */
const STATISTICS: readonly (keyof LinkStatistics | undefined)[] = [
  "rx_packets",
  "tx_packets",
  "rx_bytes",
  "tx_bytes",
  "rx_errors",
  "tx_errors",
  "rx_dropped",
  "tx_dropped",
  "multicast",
  "collisions",
  undefined,
  "rx_over_errors",
  "rx_crc_errors",
  "rx_frame_errors",
  undefined,
  "rx_missed_errors",
];

function statisticsOf(bytes: Buffer | undefined): LinkStatistics {
  const found: Record<string, number> = {};
  STATISTICS.forEach((name, i) => {
    if (name === undefined) return;
    found[name] = bytes !== undefined && bytes.length >= 8 * i + 8 ? Number(bytes.readBigUInt64LE(8 * i)) : 0;
  });
  // Every name of the table is set.
  return found as unknown as LinkStatistics;
}

/** The link of an RTM_NEWLINK message. */
export function linkOf(body: Buffer): HostLink | undefined {
  if (body.length < IFINFO) return undefined;
  const attributes = attributesOf(body, IFINFO);
  const name = attributes.get(IFLA.IFNAME);
  if (name === undefined) return undefined;
  const flags = body.readUInt32LE(8);
  const mac = attributes.get(IFLA.ADDRESS);
  return {
    index: body.readInt32LE(4),
    name: name.toString("latin1").replace(/\0.*$/, ""),
    mac:
      body.readUInt16LE(2) === ARPHRD_ETHER && mac?.length === 6
        ? Array.from(mac, (byte) => byte.toString(16).padStart(2, "0")).join(":")
        : undefined,
    mtu: u32(attributes.get(IFLA.MTU)) ?? 0,
    up: (flags & IFF_UP) !== 0,
    carrier: (flags & IFF_RUNNING) !== 0,
    peer: u32(attributes.get(IFLA.LINK)),
    statistics: statisticsOf(attributes.get(IFLA.STATS64)),
  };
}

/** The address of an RTM_NEWADDR message; undefined for one that cannot be used (yet). */
export function addressOf(body: Buffer): HostAddress | undefined {
  if (body.length < IFA || ((body[2] as number) & IFA_F_NOT_USABLE) !== 0) return undefined;
  const attributes = attributesOf(body, IFA);
  const address = addressText(attributes.get(IFA_ATTRIBUTE.LOCAL) ?? attributes.get(IFA_ATTRIBUTE.ADDRESS));
  if (address === undefined) return undefined;
  return { link: body.readUInt32LE(4), address, prefixLength: body[1] as number };
}

/** The route of an RTM_NEWROUTE message; undefined for what is not a way to send packets, and for tables other than main and local. */
export function routeOf(body: Buffer): HostRoute | undefined {
  if (body.length < RTMSG) return undefined;
  const type = body[7];
  const flags = body.readUInt32LE(8);
  if ((type !== RTN.UNICAST && type !== RTN.LOCAL) || (flags & (RTM_F_CLONED | RTNH_F_DEAD)) !== 0) return undefined;
  const attributes = attributesOf(body, RTMSG);
  const table = u32(attributes.get(RTA.TABLE)) ?? body[4];
  if (table !== RT_TABLE.MAIN && table !== RT_TABLE.LOCAL) return undefined;
  const family = body[0] === AF_INET ? 4 : 6;
  let link = u32(attributes.get(RTA.OIF));
  let gateway = addressText(attributes.get(RTA.GATEWAY));
  const several = attributes.get(RTA.MULTIPATH);
  if (several !== undefined && several.length >= RTNEXTHOP) {
    // Of several next hops the first is taken.
    link = several.readUInt32LE(4);
    gateway = addressText(attributesOf(several.subarray(0, several.readUInt16LE(0)), RTNEXTHOP).get(RTA.GATEWAY));
  }
  if (link === undefined) return undefined;
  return {
    link,
    family,
    destination: addressText(attributes.get(RTA.DST)) ?? (family === 4 ? "0.0.0.0" : "::"),
    prefixLength: body[1] as number,
    gateway,
    source: addressText(attributes.get(RTA.PREFSRC)),
    metric: u32(attributes.get(RTA.PRIORITY)) ?? 0,
    local: type === RTN.LOCAL,
  };
}

function message(type: number, flags: number, body: Buffer): Buffer {
  const bytes = Buffer.alloc(HEADER + body.length);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt16LE(flags | NLM_F_REQUEST, 6);
  body.copy(bytes, HEADER);
  return bytes;
}

/** Asks for all links, addresses or routes. */
export function dumpRequest(type: number): Buffer {
  return message(type, NLM_F_DUMP, Buffer.alloc(type === RTM.GETROUTE ? RTMSG : type === RTM.GETADDR ? IFA : IFINFO));
}

function attribute(type: number, value: Buffer): Buffer {
  const bytes = Buffer.alloc(align(4 + value.length));
  bytes.writeUInt16LE(4 + value.length, 0);
  bytes.writeUInt16LE(type, 2);
  value.copy(bytes, 4);
  return bytes;
}

/** Changes a link; answered by an NLMSG_ERROR, with 0 when it is done. */
export function setLinkRequest(
  index: number,
  change: { readonly up?: boolean; readonly mac?: string; readonly mtu?: number },
): Buffer {
  const info = Buffer.alloc(IFINFO);
  info.writeInt32LE(index, 4);
  if (change.up !== undefined) {
    info.writeUInt32LE(change.up ? IFF_UP : 0, 8);
    info.writeUInt32LE(IFF_UP, 12);
  }
  const attributes: Buffer[] = [];
  if (change.mac !== undefined) attributes.push(attribute(IFLA.ADDRESS, Buffer.from(change.mac.replaceAll(":", ""), "hex")));
  if (change.mtu !== undefined) {
    const mtu = Buffer.alloc(4);
    mtu.writeUInt32LE(change.mtu, 0);
    attributes.push(attribute(IFLA.MTU, mtu));
  }
  return message(RTM.NEWLINK, NLM_F_ACK, Buffer.concat([info, ...attributes]));
}
