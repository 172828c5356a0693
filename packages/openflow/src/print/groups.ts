/** Groups and meters as ovs-ofctl prints them. */
import { FIELDS } from "../field/table.ts";
import type { GroupFeatures, MeterFeatures } from "../message/config.ts";
import {
  BUCKET_ID,
  type Bucket,
  type GroupMod,
  type GroupStats,
  type GroupType,
  METER_FLAG,
  type MeterConfig,
  type MeterStats,
  type SelectionMethod,
} from "../message/config.ts";
import { OFPG, OFPM, OFPP } from "../ports.ts";
import { formatActions } from "../text/actions.ts";
import { formatDuration } from "../text/flow.ts";
import { formatPort, type Names } from "../text/names.ts";
import { formatFieldValue } from "../text/value.ts";
import { bitNames } from "./ports.ts";

function formatBucket(bucket: Bucket, groupType: GroupType, version: number, names: Names): string {
  let text = "bucket=";
  if ((version === 1 || version >= 6) && bucket.id <= BUCKET_ID.MAX) text += `bucket_id:${bucket.id},`;
  if (bucket.weight !== (groupType === "select" ? 1 : 0)) text += `weight:${bucket.weight},`;
  if (bucket.watchPort !== OFPP.NONE) text += `watch_port:${formatPort(bucket.watchPort, names)},`;
  if (bucket.watchGroup !== OFPG.ANY) text += `watch_group:${bucket.watchGroup},`;
  return `${text}actions=${formatActions(bucket.actions, names)}`;
}

function formatSelection(selection: SelectionMethod): string {
  if (selection.method === "") return "";
  let text = `,selection_method=${selection.method}`;
  if (selection.param !== 0n) text += `,selection_method_param=${selection.param}`;
  if (selection.fields.length === 0) return text;
  const fields = selection.fields.map(({ field, mask }) => {
    const f = FIELDS[field]!;
    return mask === (1n << BigInt(f.bits)) - 1n ? f.name : `${f.name}=${formatFieldValue(f, mask, undefined)}`;
  });
  return `${text},fields${fields.length === 1 ? `=${fields[0]}` : `(${fields.join(",")})`}`;
}

/** What a group is made of, after "group_id=N". */
export function formatGroup(
  group: number,
  groupType: GroupType,
  buckets: readonly Bucket[],
  selection: SelectionMethod,
  version: number,
  names: Names,
): string {
  const parts = buckets.map((bucket) => `,${formatBucket(bucket, groupType, version, names)}`);
  return `group_id=${group},type=${groupType}${formatSelection(selection)}${parts.join("")}`;
}

const COMMANDS: Readonly<Record<GroupMod["command"], string>> = {
  add: "ADD",
  modify: "MOD",
  add_or_mod: "ADD_OR_MOD",
  delete: "DEL",
  insert_bucket: "INSERT_BUCKET",
  remove_bucket: "REMOVE_BUCKET",
};

export function formatBucketId(id: number): string {
  return id === BUCKET_ID.ALL ? "all" : id === BUCKET_ID.FIRST ? "first" : id === BUCKET_ID.LAST ? "last" : String(id);
}

export function formatGroupMod(m: GroupMod, version: number, names: Names): string {
  const changesBuckets = m.command === "insert_bucket" || m.command === "remove_bucket";
  let text = `\n ${COMMANDS[m.command]} `;
  if (changesBuckets) text += `command_bucket_id:${formatBucketId(m.commandBucket)},`;
  text += formatGroup(m.group, m.groupType, m.buckets, m.selection, version, names);
  if (changesBuckets) text = text.replace(`,type=${m.groupType}`, "");
  return `${text}\n`;
}

export function formatGroupStats(groups: readonly GroupStats[]): string {
  let text = "\n";
  for (const g of groups) {
    text += ` group_id=${g.group}`;
    if (g.durationSec !== undefined) text += `,duration=${formatDuration(g.durationSec, g.durationNsec)}`;
    text += `,ref_count=${g.refCount},packet_count=${g.packets},byte_count=${g.bytes}`;
    g.buckets.forEach((bucket, i) => {
      text += `,bucket${i}:packet_count=${bucket.packets},byte_count=${bucket.bytes}`;
    });
    text += "\n";
  }
  return text;
}

/** Actions by their numbers in OpenFlow 1.0, and by those of later versions, in the order in which they are listed. */
const ACTIONS_10: readonly (readonly [number, string])[] = [
  [0, "output"],
  [11, "enqueue"],
  [1, "set_vlan_vid"],
  [2, "set_vlan_pcp"],
  [3, "strip_vlan"],
  [4, "mod_dl_src"],
  [5, "mod_dl_dst"],
  [6, "mod_nw_src"],
  [7, "mod_nw_dst"],
  [8, "mod_nw_tos"],
  [9, "mod_tp_src"],
  [10, "mod_tp_dst"],
];
const ACTIONS_11: readonly (readonly [number, string, number])[] = [
  [0, "output", 6],
  [22, "group", 6],
  [25, "set_field", 6],
  [1, "set_vlan_vid", 2],
  [2, "set_vlan_pcp", 2],
  [18, "strip_vlan", 6],
  [17, "push_vlan", 6],
  [3, "mod_dl_src", 2],
  [4, "mod_dl_dst", 2],
  [5, "mod_nw_src", 2],
  [6, "mod_nw_dst", 2],
  [7, "mod_nw_tos", 2],
  [8, "mod_nw_ecn", 2],
  [23, "mod_nw_ttl", 6],
  [9, "mod_tp_src", 2],
  [10, "mod_tp_dst", 2],
  [24, "dec_ttl", 6],
  [13, "set_mpls_label", 2],
  [14, "set_mpls_tc", 2],
  [15, "set_mpls_ttl", 6],
  [16, "dec_mpls_ttl", 6],
  [19, "push_mpls", 6],
  [20, "pop_mpls", 6],
  [21, "set_queue", 6],
];

/** Names of actions whose numbers are set bits. */
export function formatActionBits(bits: number, version: number): string {
  const rows =
    version === 1 ? ACTIONS_10 : ACTIONS_11.filter(([number, , last]) => version <= last && (number !== 25 || version >= 3));
  const names = rows.filter(([number]) => (bits & (1 << number)) !== 0).map(([, name]) => name);
  return names.length === 0 ? "<none>" : names.join(" ");
}

export function formatGroupFeatures(m: GroupFeatures, version: number): string {
  let text = `\n Group table:\n    Types:  0x${m.types.toString(16)}\n    Capabilities:  0x${m.capabilities.toString(16)}\n`;
  ["all", "select", "indirect", "fast failover"].forEach((name, i) => {
    if ((m.types & (1 << i)) === 0) return;
    text += `    ${name} group:\n       max_groups=${hashHex(m.maxGroups[i]!)}\n       actions: ${formatActionBits(m.actions[i]!, version)}\n`;
  });
  return text;
}

function hashHex(n: number): string {
  return n === 0 ? "0" : `0x${n.toString(16)}`;
}

export function formatMeterId(meter: number): string {
  return meter === OFPM.ALL
    ? "all"
    : meter === OFPM.CONTROLLER
      ? "controller"
      : meter === OFPM.SLOWPATH
        ? "slowpath"
        : String(meter);
}

export function formatMeter(m: MeterConfig): string {
  const flags = bitNames(m.flags, ["kbps", "pktps", "burst", "stats"]);
  let text = `meter=${formatMeterId(m.meter)} ${m.flags === 0 ? "" : `${flags} `}bands=\n`;
  for (const band of m.bands) {
    text += `type=${band.band} rate=${band.rate}`;
    if ((m.flags & METER_FLAG.BURST) !== 0) text += ` burst_size=${band.burst}`;
    if (band.band === "dscp_remark") text += ` prec_level=${band.precedence}`;
    text += "\n";
  }
  return text;
}

export function formatMeterStats(meters: readonly MeterStats[]): string {
  return `\n${meters
    .map((m) => {
      let text = `meter:${formatMeterId(m.meter)} flow_count:${m.flowCount} packet_in_count:${m.packets} byte_in_count:${m.bytes} duration:${formatDuration(m.durationSec, m.durationNsec)} bands:\n`;
      m.bands.forEach((band, i) => {
        text += `${i}: packet_count:${band.packets} byte_count:${band.bytes}\n`;
      });
      return text;
    })
    .join("\n")}`;
}

export function formatMeterFeatures(m: MeterFeatures): string {
  return (
    `\nmax_meter:${m.maxMeters} max_bands:${m.maxBands} max_color:${m.maxColor}\n` +
    `band_types: ${bitNames(m.bandTypes, [undefined, "drop", "dscp_remark"])}\n` +
    `capabilities: ${bitNames(m.capabilities, ["kbps", "pktps", "burst", "stats"])}\n`
  );
}
