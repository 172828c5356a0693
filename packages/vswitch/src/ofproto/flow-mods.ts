/**
 * Changes of flow tables (OpenFlow 1.5 section 6.4, ovs-fields(7) on cookies, NXT_FLOW_MOD). Each function throws an
 * {@link OpenFlowRefusal} with the error that the controller gets, before anything has changed.
 */
import {
  type Action,
  type ActionOf,
  type Field,
  FLOW_FLAG,
  type FlowMod,
  type FlowRemovedReason,
  KEEP_COOKIE,
  type Match,
  OFPG,
  OFPP,
  type TlvMap,
} from "@weft/openflow";
import { keyMatch } from "../flow/key.ts";
import { type Bridge, HIDDEN_TABLE, TABLES } from "./bridge.ts";
import { OpenFlowRefusal } from "./errors.ts";
import type { FlowTable } from "./flow-table.ts";
import { usesGroup, usesPort } from "./group.ts";
import { conjunctionsOf, Rule } from "./rule.ts";

/** Which flows a request speaks of. */
/** Flags that a flow keeps and statistics show. */
const KEPT_FLAGS =
  FLOW_FLAG.SEND_FLOW_REM | FLOW_FLAG.CHECK_OVERLAP | FLOW_FLAG.RESET_COUNTS | FLOW_FLAG.NO_PKT_COUNTS | FLOW_FLAG.NO_BYT_COUNTS;

export interface FlowSelection {
  /** 255: all tables. */
  readonly table: number;
  readonly match: Match;
  readonly cookie: bigint;
  readonly cookieMask: bigint;
  readonly outPort: number;
  readonly outGroup: number;
  /** With a priority: only flows of exactly this match and priority. */
  readonly strictPriority?: number | undefined;
}

/** Whether actions output to the port and the group that are asked for: NONE and ANY ask for none. */
export function outputsTo(actions: readonly Action[], asked: { readonly outPort: number; readonly outGroup: number }): boolean {
  return (
    (asked.outPort === OFPP.NONE || usesPort(actions, asked.outPort)) &&
    (asked.outGroup === OFPG.ANY || usesGroup(actions, asked.outGroup))
  );
}

/** What undoes a change, for bundles that fail half-way. */
export type Undo = () => void;

function tablesOf(bridge: Bridge, table: number): readonly FlowTable[] {
  if (table === 0xff) return bridge.tables.filter((t) => t.id !== HIDDEN_TABLE);
  const found = bridge.tables[table];
  if (found === undefined || table >= TABLES) throw new OpenFlowRefusal("OFPBRC_BAD_TABLE_ID");
  return [found];
}

function placed(bridge: Bridge, match: Match): Match {
  const result = match.place(bridge.tlv);
  if (result === undefined) throw new OpenFlowRefusal("OFPBMC_BAD_FIELD", "the match uses a tunnel option that is not mapped");
  return result;
}

export function selectFlows(bridge: Bridge, selection: FlowSelection): Rule[] {
  const found: Rule[] = [];
  const match = placed(bridge, selection.match);
  const suits = (rule: Rule): boolean =>
    // Higher ones are the switch's own.
    rule.priority <= 0xffff &&
    ((rule.cookie ^ selection.cookie) & selection.cookieMask) === 0n &&
    outputsTo(rule.actions, selection);
  for (const table of tablesOf(bridge, selection.table)) {
    if (table.size === 0) continue;
    if (selection.strictPriority !== undefined) {
      const rule = table.classifier.get(keyMatch(match), selection.strictPriority);
      if (rule !== undefined && suits(rule)) found.push(rule);
      continue;
    }
    for (const rule of table.rules()) {
      if (suits(rule) && (match.size === 0 || (rule.wire.place(bridge.tlv) ?? rule.wire).isWithin(match))) found.push(rule);
    }
  }
  return found;
}

/** Actions that name what is not there are refused. */
export function checkActions(bridge: Bridge, actions: readonly Action[], table: number): void {
  for (const action of actions) {
    switch (action.type) {
      case "group":
        if (!bridge.groups.has(action.group)) throw new OpenFlowRefusal("OFPBAC_BAD_OUT_GROUP");
        break;
      case "meter":
        if (!bridge.meters.has(action.meter)) throw new OpenFlowRefusal("OFPMMFC_INVALID_METER");
        break;
      case "goto_table":
        if (action.table <= table && table !== 0xff) throw new OpenFlowRefusal("OFPBIC_BAD_TABLE_ID");
        break;
      case "clone":
      case "write_actions":
      case "ct":
        checkActions(bridge, action.actions, table);
        break;
      default:
    }
  }
}

/** Whether the tun_metadata fields that an action names have a place in the TLV table map. */
function isMapped(action: Action, tlv: TlvMap): boolean {
  const mapped = ({ name }: Field) => {
    const index = /^tun_metadata(\d+)$/.exec(name)?.[1];
    return index === undefined || tlv.place(Number(index)) !== undefined;
  };
  switch (action.type) {
    case "set_field":
    case "delete_field":
      return mapped(action.field);
    case "load":
      return mapped(action.dst.field);
    case "move":
      return mapped(action.src.field) && mapped(action.dst.field);
    default:
      return true;
  }
}

/** The learn actions in a list, nested ones included, whose flows go with them. */
function learnersOf(actions: readonly Action[]): ActionOf<"learn">[] {
  return actions.flatMap((action) => {
    if (action.type === "learn") return action.deleteLearned ? [action] : [];
    return action.type === "clone" || action.type === "write_actions" ? learnersOf(action.actions) : [];
  });
}

export class FlowMods {
  readonly #bridge: Bridge;

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
  }

  get #now(): number {
    return this.#bridge.datapath.now();
  }

  /** Carries out a flow mod; `onRemoved` hears of each flow that goes (with the reason for FLOW_REMOVED). */
  apply(mod: FlowMod): Undo {
    const { tlv } = this.#bridge;
    if (mod.match.place(tlv) === undefined || !mod.actions.every((action) => isMapped(action, tlv)))
      throw new OpenFlowRefusal("NXFMFC_INVALID_TLV_FIELD");
    switch (mod.command) {
      case "add":
        return this.#add(mod);
      case "modify":
      case "modify_strict":
        return this.#modify(mod);
      case "delete":
      case "delete_strict":
        return this.#delete(mod);
    }
  }

  #strict(mod: FlowMod): FlowSelection {
    const strict = mod.command === "modify_strict" || mod.command === "delete_strict";
    return {
      table: mod.table,
      match: mod.match,
      cookie: mod.cookie,
      cookieMask: mod.cookieMask,
      outPort: mod.outPort,
      outGroup: mod.outGroup,
      strictPriority: strict ? mod.priority : undefined,
    };
  }

  #add(mod: FlowMod): Undo {
    const bridge = this.#bridge;
    const tableId = mod.table === 0xff ? 0 : mod.table;
    const table = bridge.tables[tableId];
    if (table === undefined) throw new OpenFlowRefusal("OFPBRC_BAD_TABLE_ID");
    // The switch's own table is not a controller's to change.
    if (tableId === HIDDEN_TABLE) throw new OpenFlowRefusal("OFPBRC_EPERM");
    checkActions(bridge, mod.actions, tableId);
    const key = keyMatch(placed(bridge, mod.match));
    const now = this.#now;
    if ((mod.flags & FLOW_FLAG.CHECK_OVERLAP) !== 0) {
      const match = placed(bridge, mod.match);
      for (const rule of table.rules()) {
        if (rule.priority === mod.priority && (rule.wire.place(bridge.tlv) ?? rule.wire).overlaps(match))
          throw new OpenFlowRefusal("OFPFMFC_OVERLAP");
      }
    }
    const old = table.classifier.get(key, mod.priority);
    let undoEviction: Undo | undefined;
    if (old === undefined && table.limit !== undefined && table.size >= table.limit) {
      const victim = table.evict ? table.victim(now) : undefined;
      if (victim === undefined) throw new OpenFlowRefusal("OFPFMFC_TABLE_FULL");
      undoEviction = this.remove(victim, "eviction");
    }
    const rule = new Rule({
      table: tableId,
      priority: mod.priority,
      match: mod.match,
      key,
      cookie: mod.newCookie === KEEP_COOKIE ? 0n : mod.newCookie,
      actions: mod.actions,
      idleTimeout: mod.idleTimeout,
      hardTimeout: mod.hardTimeout,
      flags: mod.flags & KEPT_FLAGS,
      importance: mod.importance,
      now,
    });
    if (old !== undefined) {
      old.live = false;
      table.classifier.remove(old);
      if ((mod.flags & FLOW_FLAG.RESET_COUNTS) === 0) {
        rule.packets = old.packets;
        rule.bytes = old.bytes;
        rule.used = old.used;
        rule.created = old.created;
      }
    }
    table.classifier.insert(rule);
    bridge.changed();
    bridge.events?.flowAdded(rule, old?.actions);
    return () => {
      rule.live = false;
      table.classifier.remove(rule);
      if (old !== undefined) {
        old.live = true;
        table.classifier.insert(old);
      }
      undoEviction?.();
      bridge.changed();
    };
  }

  #modify(mod: FlowMod): Undo {
    const bridge = this.#bridge;
    const rules = selectFlows(bridge, { ...this.#strict(mod), outPort: OFPP.NONE, outGroup: OFPG.ANY });
    if (rules.length === 0) {
      if (mod.cookieMask !== 0n || mod.newCookie === KEEP_COOKIE) return () => undefined;
      return this.#add(mod);
    }
    for (const rule of rules) checkActions(bridge, mod.actions, rule.table);
    const undo = rules.map((rule) => this.#change(rule, mod));
    bridge.changed();
    return () => {
      for (const one of undo) one();
      bridge.changed();
    };
  }

  #change(rule: Rule, mod: FlowMod): Undo {
    const before = {
      cookie: rule.cookie,
      actions: rule.actions,
      modified: rule.modified,
      packets: rule.packets,
      bytes: rule.bytes,
    };
    const set = (actions: readonly Action[]): void => {
      // The classifier counts conjunctive flows, so a change of kind goes through it.
      const conjunctions = conjunctionsOf(actions);
      const classifier = (this.#bridge.tables[rule.table] as FlowTable).classifier;
      const again = (conjunctions === undefined) !== (rule.conjunctions === undefined);
      if (again) classifier.remove(rule);
      rule.actions = actions;
      rule.conjunctions = conjunctions;
      if (again) classifier.insert(rule);
    };
    set(mod.actions);
    rule.modified = this.#now;
    if (mod.modifyCookie && mod.newCookie !== KEEP_COOKIE) rule.cookie = mod.newCookie;
    if ((mod.flags & FLOW_FLAG.RESET_COUNTS) !== 0) {
      rule.packets = 0;
      rule.bytes = 0;
    }
    this.#bridge.events?.flowModified(rule, before.actions);
    return () => {
      set(before.actions);
      rule.cookie = before.cookie;
      rule.modified = before.modified;
      rule.packets = before.packets;
      rule.bytes = before.bytes;
    };
  }

  #delete(mod: FlowMod): Undo {
    const undo = selectFlows(this.#bridge, this.#strict(mod)).map((rule) => this.remove(rule, "delete"));
    return () => {
      for (const one of undo) one();
    };
  }

  remove(rule: Rule, reason: FlowRemovedReason): Undo {
    const bridge = this.#bridge;
    const { classifier } = bridge.tables[rule.table] as FlowTable;
    if (!rule.live) return () => undefined;
    bridge.datapath.pushStatistics();
    rule.live = false;
    classifier.remove(rule);
    bridge.changed();
    bridge.events?.flowRemoved(rule, reason);
    this.#forgetLearned(rule);
    return () => {
      rule.live = true;
      classifier.insert(rule);
      bridge.changed();
    };
  }

  /** learn(delete_learned): what was learned goes with the last flow that teaches it (ovs-actions(7)). */
  #forgetLearned(gone: Rule): void {
    for (const taught of learnersOf(gone.actions)) {
      const taughtStill = this.#bridge.tables.some((table) => {
        for (const rule of table.rules()) {
          if (learnersOf(rule.actions).some((other) => other.table === taught.table && other.cookie === taught.cookie))
            return true;
        }
        return false;
      });
      if (taughtStill) continue;
      for (const rule of [...(this.#bridge.tables[taught.table]?.rules() ?? [])]) {
        if (rule.cookie === taught.cookie) this.remove(rule, "delete");
      }
    }
  }

  removeWhere(test: (rule: Rule) => boolean, reason: FlowRemovedReason): void {
    for (const table of this.#bridge.tables) {
      for (const rule of [...table.rules()]) if (test(rule)) this.remove(rule, reason);
    }
  }

  /** Removes flows whose time has come. */
  expire(): void {
    const now = this.#now;
    for (const table of this.#bridge.tables) {
      if (table.size === 0) continue;
      for (const rule of [...table.rules()]) {
        if (rule.hardTimeout !== 0 && now - rule.modified >= rule.hardTimeout * 1000) this.remove(rule, "hard_timeout");
        else if (rule.idleTimeout !== 0 && now - rule.used >= rule.idleTimeout * 1000) this.remove(rule, "idle_timeout");
      }
    }
  }
}
