/**
 * OpenFlow port numbers. Everywhere in this package a port is its OpenFlow 1.0 number (16 bits); the codec converts to
 * and from the 32-bit numbers of OpenFlow 1.1 and later, where the reserved ports are 0xffffff00 and up.
 */
export const OFPP = {
  /** Physical and virtual ports are below this. */
  MAX: 0xff00,
  UNSET: 0xfff7,
  IN_PORT: 0xfff8,
  TABLE: 0xfff9,
  NORMAL: 0xfffa,
  FLOOD: 0xfffb,
  ALL: 0xfffc,
  CONTROLLER: 0xfffd,
  LOCAL: 0xfffe,
  NONE: 0xffff,
} as const;

/** Added to a reserved port's number in OpenFlow 1.1 and later. */
const OFP11_OFFSET = 0xffff0000;

/** The 32-bit number of OpenFlow 1.1 and later. */
export function toOfp11Port(port: number): number {
  return port < OFPP.MAX ? port : port + OFP11_OFFSET;
}

/** From the 32-bit number; undefined for numbers that no port can have. */
export function fromOfp11Port(port: number): number | undefined {
  if (port < OFPP.MAX) return port;
  const small = port - OFP11_OFFSET;
  return small >= OFPP.MAX ? small : undefined;
}

/** The reserved ports' names, as printed. */
export const PORT_NAMES: ReadonlyMap<number, string> = new Map([
  [OFPP.IN_PORT, "IN_PORT"],
  [OFPP.TABLE, "TABLE"],
  [OFPP.NORMAL, "NORMAL"],
  [OFPP.FLOOD, "FLOOD"],
  [OFPP.ALL, "ALL"],
  [OFPP.CONTROLLER, "CONTROLLER"],
  [OFPP.LOCAL, "LOCAL"],
  [OFPP.NONE, "ANY"],
  [OFPP.UNSET, "UNSET"],
]);

/** Group numbers. */
export const OFPG = { MAX: 0xffffff00, ALL: 0xfffffffc, ANY: 0xffffffff } as const;
/** Meter numbers. */
export const OFPM = { MAX: 0xffff0000, SLOWPATH: 0xfffffffd, CONTROLLER: 0xfffffffe, ALL: 0xffffffff } as const;
/** Buffer id: the message carries the packet itself. */
export const NO_BUFFER = 0xffffffff;
/** Table number: all tables, or the switch chooses. */
export const ALL_TABLES = 0xff;
/** Queue number: all queues. */
export const ALL_QUEUES = 0xffffffff;
/** Cookie: leave it alone. */
export const KEEP_COOKIE = 0xffffffffffffffffn;
