/** Reading columns of the Open_vSwitch database that mean more than their type says. */

import { parseMac } from "@weft/packet";
import type { VsRow } from "@weft/schemas";
import type { Bundle, VlanMode } from "../ofproto/port.ts";

export type BridgeRow = VsRow<"Bridge">;
export type PortRow = VsRow<"Port">;
export type InterfaceRow = VsRow<"Interface">;

/** A positive integer in a string map; undefined when absent or malformed. */
export function integerOf(map: ReadonlyMap<string, string>, key: string): number | undefined {
  const text = map.get(key);
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

export const flagOf = (map: ReadonlyMap<string, string>, key: string): boolean => map.get(key) === "true";

/** The 64-bit datapath id that other-config:datapath-id asks for: 16 hex digits, not zero. */
export function datapathIdOf(row: BridgeRow): bigint | undefined {
  const text = row.other_config.get("datapath-id")?.replace(/^0x/, "");
  if (text === undefined || !/^[0-9a-f]{1,16}$/i.test(text)) return undefined;
  const id = BigInt(`0x${text}`);
  return id === 0n ? undefined : id;
}

/** 16 hex digits. */
export const formatDatapathId = (id: bigint): string => id.toString(16).padStart(16, "0");

/** The MAC that other-config:hwaddr asks for. */
export function hwaddrOf(row: BridgeRow): number | undefined {
  const text = row.other_config.get("hwaddr");
  const mac = text === undefined ? undefined : parseMac(text);
  return mac === undefined || mac === 0 || mac % 2 ** 41 >= 2 ** 40 ? undefined : mac;
}

/** A port's VLAN settings (ovs-vswitchd.conf.db(5), Port: vlan_mode, tag, trunks). */
export function vlanOf(
  row: PortRow,
): Pick<Bundle, "vlanMode" | "tag" | "trunks" | "cvlans" | "qinqEthType" | "priorityTags" | "protected"> {
  const tag = row.tag ?? 0;
  const trunks = row.trunks.length > 0 ? new Set(row.trunks.map(Number)) : undefined;
  const asked = row.vlan_mode;
  let vlanMode: VlanMode = "trunk";
  if (asked !== undefined) vlanMode = asked as VlanMode;
  else if (row.tag !== undefined && (trunks === undefined || tag !== 0)) vlanMode = "access";
  // A native VLAN is carried whether or not the trunks name it.
  if ((vlanMode === "native-tagged" || vlanMode === "native-untagged") && trunks !== undefined) trunks.add(Number(tag));
  const priority = row.other_config.get("priority-tags");
  return {
    vlanMode,
    tag: Number(tag),
    trunks: vlanMode === "access" ? undefined : trunks,
    cvlans: row.cvlans.length > 0 ? new Set(row.cvlans.map(Number)) : undefined,
    qinqEthType: row.other_config.get("qinq-ethtype") === "802.1q" ? 0x8100 : 0x88a8,
    priorityTags: priority === "always" ? "always" : priority === "if-nonzero" || priority === "true" ? "if-nonzero" : "no",
    protected: row.protected,
  };
}
