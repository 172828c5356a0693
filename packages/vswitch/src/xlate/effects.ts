/**
 * What packets of a translated flow do besides being forwarded: counters, refreshed MAC entries, learned flows. The
 * translation lists them once; whenever the cached flow has carried more packets, they are applied again with the difference.
 */

import type { Bond } from "../bond/bond.ts";
import type { Bridge } from "../ofproto/bridge.ts";
import type { FlowTable } from "../ofproto/flow-table.ts";
import type { Group, GroupBucket } from "../ofproto/group.ts";
import type { Bundle, MirrorConfig, OfPort } from "../ofproto/port.ts";
import type { Rule } from "../ofproto/rule.ts";

export type Effect =
  | { readonly kind: "rule"; readonly rule: Rule; readonly table: FlowTable }
  | { readonly kind: "missed"; readonly table: FlowTable; readonly toController: boolean }
  | { readonly kind: "bucket"; readonly group: Group; readonly bucket: GroupBucket | undefined }
  | { readonly kind: "receive" | "transmit"; readonly port: OfPort }
  | { readonly kind: "mirror"; readonly mirror: MirrorConfig }
  | { readonly kind: "mac"; readonly bridge: Bridge; readonly bundle: Bundle; readonly vlan: number; readonly mac: number }
  | { readonly kind: "bond"; readonly bond: Bond; readonly slot: number }
  | { readonly kind: "learn"; readonly again: () => void }
  /** A tunnel's neighbour is remembered, or asked for where it is not known, as long as there are packets for it. */
  | { readonly kind: "neighbour"; readonly again: () => void }
  | { readonly kind: "fin"; readonly rule: Rule; readonly idle: number; readonly hard: number };

/** NO_PKT_COUNTS and NO_BYT_COUNTS. */
const NO_PACKETS = 8;
const NO_BYTES = 16;

/** `first`: of the packet whose translation listed them. What it taught was learned by then. */
export function applyEffects(
  effects: readonly Effect[],
  packets: number,
  bytes: number,
  used: number,
  tcpFlags: number,
  first = false,
): void {
  for (const effect of effects) {
    if (first && (effect.kind === "mac" || effect.kind === "learn" || effect.kind === "neighbour")) continue;
    switch (effect.kind) {
      case "rule": {
        const { rule, table } = effect;
        table.lookups += packets;
        table.matched += packets;
        if ((rule.flags & NO_PACKETS) === 0) rule.packets += packets;
        if ((rule.flags & NO_BYTES) === 0) rule.bytes += bytes;
        if (used > rule.used) rule.used = used;
        break;
      }
      case "missed":
        effect.table.lookups += packets;
        break;
      case "bucket":
        effect.group.packets += packets;
        effect.group.bytes += bytes;
        if (effect.bucket !== undefined) {
          effect.bucket.packets += packets;
          effect.bucket.bytes += bytes;
        }
        break;
      case "receive":
        effect.port.counters.rxPackets += packets;
        effect.port.counters.rxBytes += bytes;
        break;
      case "transmit":
        effect.port.counters.txPackets += packets;
        effect.port.counters.txBytes += bytes;
        break;
      case "mirror":
        effect.mirror.packets += packets;
        effect.mirror.bytes += bytes;
        break;
      case "mac":
        effect.bridge.macs.learn(effect.vlan, effect.mac, effect.bundle, used);
        break;
      case "bond":
        effect.bond.count(effect.slot, bytes);
        break;
      case "learn":
      case "neighbour":
        effect.again();
        break;
      case "fin":
        if ((tcpFlags & 5) !== 0) shorten(effect.rule, effect.idle, effect.hard);
        break;
    }
  }
}

/** fin_timeout: timeouts go down to these values, never up; 0 leaves one alone. */
export function shorten(rule: Rule, idle: number, hard: number): void {
  if (idle !== 0 && (rule.idleTimeout === 0 || rule.idleTimeout > idle)) rule.idleTimeout = idle;
  if (hard !== 0 && (rule.hardTimeout === 0 || rule.hardTimeout > hard)) rule.hardTimeout = hard;
}
