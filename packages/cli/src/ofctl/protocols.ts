/**
 * Flow formats of ovs-ofctl(8) `--flow-format`: which of them can say a flow, and which are allowed on a connection.
 */
import { type Action, checkActions, type FlowMod, fitsOf10, fitsOf11, type Match, OFPG, type OfVersion } from "@weft/openflow";
import { Fatal } from "./fatal.ts";

/** One bit for each format, the least capable first. */
export const PROTOCOL = {
  OF10: 1,
  OF10_TID: 2,
  NXM: 4,
  NXM_TID: 8,
  OF11: 16,
  OXM12: 32,
  OXM13: 64,
  OXM14: 128,
  OXM15: 256,
} as const;

const OF10_ANY = PROTOCOL.OF10 | PROTOCOL.OF10_TID;
const NXM_ANY = PROTOCOL.NXM | PROTOCOL.NXM_TID;
const OXM_ANY = PROTOCOL.OXM12 | PROTOCOL.OXM13 | PROTOCOL.OXM14 | PROTOCOL.OXM15;
export const OF13_UP: number = PROTOCOL.OXM13 | PROTOCOL.OXM14 | PROTOCOL.OXM15;
export const ANY_PROTOCOL = 511;
const TID_ANY = PROTOCOL.OF10_TID | PROTOCOL.NXM_TID;

/** Collections first, so that lists are as short as they can be. */
const NAMES: readonly (readonly [string, number])[] = [
  ["any", ANY_PROTOCOL],
  ["OpenFlow10", OF10_ANY],
  ["NXM", NXM_ANY],
  ["OXM", OXM_ANY],
  ["OpenFlow10-table_id", PROTOCOL.OF10],
  ["OpenFlow10+table_id", PROTOCOL.OF10_TID],
  ["NXM-table_id", PROTOCOL.NXM],
  ["NXM+table_id", PROTOCOL.NXM_TID],
  ["OpenFlow11", PROTOCOL.OF11],
  ["OXM-OpenFlow12", PROTOCOL.OXM12],
  ["OXM-OpenFlow13", PROTOCOL.OXM13],
  ["OXM-OpenFlow14", PROTOCOL.OXM14],
  ["OXM-OpenFlow15", PROTOCOL.OXM15],
];

/** Formats as ovs-ofctl lists them. */
export function protocolNames(protocols: number): string {
  if (protocols === 0) return "none";
  const parts: string[] = [];
  let rest = protocols;
  for (const [name, bits] of NAMES)
    if ((rest & bits) === bits) {
      parts.push(name);
      rest &= ~bits;
    }
  return parts.join(",");
}

/** Formats of a `--flow-format` list; the first word that is none as a string. */
export function protocolsNamed(text: string): number | string {
  let protocols = 0;
  for (const word of text.split(/[ ,\t]+/)) {
    if (word === "") continue;
    const found = NAMES.find(([name]) => name.toLowerCase() === word.toLowerCase());
    if (found === undefined) return word;
    protocols |= found[1];
  }
  return protocols;
}

/** The formats that connections of these wire versions (a bitmap) can use. */
export function protocolsOf(versions: number): number {
  let protocols = 0;
  for (const [version, bits] of VERSION_PROTOCOLS) if ((versions & (1 << version)) !== 0) protocols |= bits;
  return protocols;
}

/** The wire versions that some of the formats belong to, as a bitmap. */
export function versionsOf(protocols: number): number {
  let versions = 0;
  for (const [version, bits] of VERSION_PROTOCOLS) if ((protocols & bits) !== 0) versions |= 1 << version;
  return versions;
}

const VERSION_PROTOCOLS: readonly (readonly [OfVersion, number])[] = [
  [1, OF10_ANY | NXM_ANY],
  [2, PROTOCOL.OF11],
  [3, PROTOCOL.OXM12],
  [4, PROTOCOL.OXM13],
  [5, PROTOCOL.OXM14],
  [6, PROTOCOL.OXM15],
];

/** The version of a single format. */
export function versionOf(protocol: number): OfVersion {
  return VERSION_PROTOCOLS.find(([, bits]) => (bits & protocol) !== 0)![0];
}

/** The least capable of the formats. */
export function lowest(protocols: number): number {
  return protocols & -protocols;
}

export function isNxm(protocol: number): boolean {
  return (protocol & NXM_ANY) !== 0;
}

export function hasTableId(protocol: number): boolean {
  return (protocol & TID_ANY) !== 0;
}

/** Formats that can say a match. */
export function usableForMatch(match: Match): number {
  if (fitsOf10(match)) return ANY_PROTOCOL;
  return NXM_ANY | OXM_ANY | (fitsOf11(match) ? PROTOCOL.OF11 : 0);
}

function usableForAction(action: Action): number {
  switch (action.type) {
    case "push_vlan":
      return OXM_ANY | PROTOCOL.OF11;
    case "meter":
    case "encap":
      return OF13_UP;
    case "write_metadata":
      return NXM_ANY | OXM_ANY | PROTOCOL.OF11;
    case "set_field":
      return action.field.of10 !== "no" || action.field.name === "vlan_tci" || action.field.name.startsWith("mpls")
        ? ANY_PROTOCOL
        : action.field.of11 !== "no"
          ? ANY_PROTOCOL & ~OF10_ANY
          : NXM_ANY | OXM_ANY;
    case "clone":
    case "write_actions":
    case "ct":
      return usableForActions(action.actions);
    default:
      return ANY_PROTOCOL;
  }
}

/** Formats that can say the actions. */
export function usableForActions(actions: readonly Action[]): number {
  return actions.reduce((usable, action) => usable & usableForAction(action), ANY_PROTOCOL);
}

/** Formats that can say the flow mod. Throws a Fatal when its actions contradict its match. */
export function usableForFlowMod(mod: FlowMod): number {
  let usable = usableForMatch(mod.match) & usableForActions(mod.actions);
  const check = checkActions(mod.match, mod.actions, mod.table);
  if (check.error !== undefined) throw new Fatal(`actions are invalid with specified match (${check.error})`);
  if (check.inconsistent) usable &= OF10_ANY | NXM_ANY;
  if (mod.table !== 0xff) usable &= ~(PROTOCOL.OF10 | PROTOCOL.NXM);
  if (mod.cookieMask !== 0n) usable &= ~OF10_ANY;
  if (mod.outGroup !== OFPG.ANY) usable &= OXM_ANY | PROTOCOL.OF11;
  if ((mod.flags & 0x18) !== 0) usable &= OF13_UP;
  return usable;
}
