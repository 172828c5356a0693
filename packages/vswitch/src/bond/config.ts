/** What rows of the tables Port and Interface ask of bonds and of LACP (ovs-vswitchd.conf.db(5), "Bonding Configuration"). */
import { type LacpSettings, type Mac, macOf, parseMac } from "@weft/packet";
import { flagOf, type InterfaceRow, integerOf, type PortRow } from "../bridge/desired.ts";

export type BondMode = "active-backup" | "balance-slb" | "balance-tcp";

export interface BondConfig {
  readonly mode: BondMode;
  /** ms for which a link must have been up, or down, before that counts. */
  readonly updelay: number;
  readonly downdelay: number;
  readonly basis: number;
  /** The member that is active whenever it is enabled. */
  readonly primary: string | undefined;
  /** Broadcast is taken in on all members, not just on the active one. */
  readonly allActive: boolean;
  /** ms; 0: never. */
  readonly rebalance: number;
}

const REBALANCE = 10_000;
const MIN_REBALANCE = 1000;

export function bondConfig(row: PortRow): BondConfig {
  const { other_config: other } = row;
  const mode: BondMode = row.bond_mode ?? "active-backup";
  const rebalance = integerOf(other, "bond-rebalance-interval") ?? REBALANCE;
  return {
    mode,
    updelay: Math.max(0, Number(row.bond_updelay)),
    downdelay: Math.max(0, Number(row.bond_downdelay)),
    basis: integerOf(other, "bond-hash-basis") ?? 0,
    primary: other.get("bond-primary"),
    allActive: flagOf(other, "all-members-active"),
    rebalance: rebalance === 0 ? 0 : Math.max(MIN_REBALANCE, rebalance),
  };
}

/** A number of LACP, 1 to 65535; undefined: absent or none. */
function lacpNumber(map: ReadonlyMap<string, string>, key: string): number | undefined {
  const value = integerOf(map, key);
  return value !== undefined && value >= 1 && value <= 0xffff ? value : undefined;
}

/** Undefined: LACP is off. `key` is for members that ask for none, `bridgeMac` for ports that ask for no system. */
export function lacpSettings(
  row: PortRow,
  members: readonly InterfaceRow[],
  key: number,
  bridgeMac: number,
): LacpSettings | undefined {
  if (row.lacp === undefined || row.lacp === "off") return undefined;
  const { other_config: other } = row;
  const asked = parseMac(other.get("lacp-system-id") ?? "");
  const system: Mac = asked === undefined || asked === 0 ? macOf(bridgeMac) : asked;
  return {
    active: row.lacp === "active",
    fast: other.get("lacp-time") === "fast",
    system,
    // Of two ends that ask for nothing, one of a single link decides last.
    systemPriority: lacpNumber(other, "lacp-system-priority") ?? (members.length > 1 ? 0xfffe : 0xffff),
    key: lacpNumber(members[0]?.other_config ?? new Map(), "lacp-aggregation-key") ?? key,
    fallback: flagOf(other, "lacp-fallback-ab"),
  };
}

export const lacpPortId = ({ other_config }: InterfaceRow): number | undefined => lacpNumber(other_config, "lacp-port-id");
export const lacpPortPriority = ({ other_config }: InterfaceRow): number =>
  lacpNumber(other_config, "lacp-port-priority") ?? 0xffff;
