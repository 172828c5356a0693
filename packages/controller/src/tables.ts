/**
 * The OpenFlow tables of the integration bridge and the bits of the logical flags register, as OVN 26.03 numbers them
 * (ovn-architecture(7) "Architectural Physical Life Cycle of a Packet"; numbers as the running program shows them).
 */

/** OpenFlow tables, by what they do. Logical ingress table N is LOG_INGRESS + N, egress LOG_EGRESS + N. */
export const tables = {
  physToLog: 0,
  logIngress: 8,
  outputInit: 42,
  largePacket: 43,
  remoteOutput: 44,
  remoteVtepOutput: 45,
  localOutput: 46,
  checkLoopback: 47,
  logEgress: 48,
  saveInport: 64,
  logToPhys: 65,
  macBinding: 66,
  macLookup: 67,
  lbHairpin: 68,
  lbHairpinReply: 69,
  ctSnatHairpin: 70,
  getFdb: 71,
  lookupFdb: 72,
  inPortSec: 73,
  inPortSecNd: 74,
  outPortSec: 75,
  ecmpNextHopMac: 76,
  ecmpNextHop: 77,
  lbAffinity: 78,
  macCacheUse: 79,
  ctZoneLookup: 80,
  ctOrigIp4: 81,
  ctOrigIp6: 82,
  ctOrigPort: 83,
  floodRemoteChassis: 84,
  ctStateSave: 85,
  ctOrigProto: 86,
  getRemoteFdb: 87,
} as const;

/** Bits of the flags register (reg10). */
export const flag = {
  allowLoopback: 0x1,
  rcvFromRamp: 0x2,
  localOnly: 0x10,
  nestedContainer: 0x20,
  lookupMac: 0x40,
  lookupLbHairpin: 0x80,
  lookupFdb: 0x100,
  localport: 0x400,
  portSecDrop: 0x1000,
  rxFromTunnel: 0x10000,
  overrideLocalOnly: 0x40000,
} as const;

/** The registers that carry the logical metadata. */
export const reg = {
  flags: "reg10",
  dnatZone: "reg11",
  snatZone: "reg12",
  /** The lower 16 bits are the port's conntrack zone, the upper 16 the encap id. */
  zoneAndEncap: "reg13",
  inport: "reg14",
  outport: "reg15",
} as const;

/** The class, type and length (bytes) of OVN's Geneve option, mapped to tun_metadata0. */
export const geneveOption = { class: 0x0102, type: 0x80, length: 4, index: 0 } as const;
