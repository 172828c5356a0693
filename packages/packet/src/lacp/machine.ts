/**
 * LACP for one aggregation (IEEE 802.1AX-2020 section 6.4): what its members have heard from their partners, which of them carry
 * frames together, and what is to be sent when. Pure: the time comes with each event, in ms.
 */
import { MAC_ZERO, type Mac } from "../address.ts";
import { LACP_STATE, type LacpInfo, type LacpPdu } from "../wire/lacp.ts";

export interface LacpSettings {
  /** Speaks first; otherwise only to partners that do. */
  readonly active: boolean;
  /** Wants to hear from partners every second in place of every thirty. */
  readonly fast: boolean;
  readonly system: Mac;
  readonly systemPriority: number;
  readonly key: number;
  /** Members carry frames also where no partner speaks LACP. */
  readonly fallback: boolean;
}

export interface LacpMemberSettings {
  readonly port: number;
  readonly portPriority: number;
}

/** `current`: the partner has spoken of late. `expired`: it is waited for a while longer. `defaulted`: there is none. */
export type LacpStatus = "current" | "expired" | "defaulted";

export interface LacpMember {
  readonly settings: LacpMemberSettings;
  readonly status: LacpStatus;
  /** Ends `current` and `expired`. */
  readonly deadline: number;
  readonly partner: LacpInfo;
  readonly attached: boolean;
  /** When the partner is to be told of this side again. */
  readonly nextTx: number;
  /** The partner does not know this side as it is. */
  readonly mistaken: boolean;
}

export interface LacpGroup {
  readonly settings: LacpSettings;
  readonly members: ReadonlyMap<string, LacpMember>;
}

export type LacpEvent =
  | { readonly type: "time" }
  | { readonly type: "receive"; readonly member: string; readonly pdu: LacpPdu }
  | { readonly type: "configure"; readonly settings: LacpSettings; readonly members: ReadonlyMap<string, LacpMemberSettings> };

/** `send` is to be done; the others are news. */
export type LacpAction =
  | { readonly type: "send"; readonly member: string; readonly pdu: LacpPdu }
  | { readonly type: "expired" | "defaulted" | "loopback"; readonly member: string };

const FAST = 1000;
const SLOW = 30_000;
/** So many intervals without a word, and what was heard does not count any longer. */
const TIMEOUT_INTERVALS = 3;

const NOBODY: LacpInfo = { systemPriority: 0, system: MAC_ZERO, key: 0, portPriority: 0, port: 0, state: 0 };

type Draft = { -readonly [K in keyof LacpMember]: LacpMember[K] };

/** A group without members. */
export function newLacpGroup(settings: LacpSettings): LacpGroup {
  return { settings, members: new Map() };
}

/** The group after an event, and what comes of it, in order. */
export function lacpStep(group: LacpGroup, event: LacpEvent, now: number): [LacpGroup, LacpAction[]] {
  const actions: LacpAction[] = [];
  const settings = event.type === "configure" ? event.settings : group.settings;
  const drafts =
    event.type === "configure"
      ? configure(group, event.settings, event.members, now)
      : new Map<string, Draft>([...group.members].map(([name, member]) => [name, { ...member }]));
  for (const [name, draft] of drafts) passTime(name, draft, now, actions);
  if (event.type === "receive") receive(drafts, event, settings, now);
  attach(settings, drafts, actions);
  const next: LacpGroup = { settings, members: drafts };
  for (const [name, draft] of drafts) {
    if (event.type === "receive" && event.member === name) draft.mistaken = !sameInfo(event.pdu.partner, lacpActor(next, draft));
    transmit(next, name, draft, now, actions);
  }
  return [next, actions];
}

/** When the group wants to hear of the time next. */
export function lacpDue({ settings, members }: LacpGroup): number {
  let due = Number.POSITIVE_INFINITY;
  for (const member of members.values()) {
    if (member.status !== "defaulted") due = Math.min(due, member.deadline);
    if (speaks(settings, member)) due = Math.min(due, member.nextTx);
  }
  return due;
}

/** Whether there is a partner, or one may yet be. */
export function lacpNegotiated({ members }: LacpGroup): boolean {
  return [...members.values()].some(({ status }) => status !== "defaulted");
}

/** Whether a member may carry frames. */
export function lacpMayEnable({ settings }: LacpGroup, { attached, partner, status }: LacpMember): boolean {
  return attached && ((partner.state & LACP_STATE.synchronized) !== 0 || (settings.fallback && status === "defaulted"));
}

/** What a member says of itself. */
export function lacpActor(group: LacpGroup, { settings: { port, portPriority }, attached, status }: LacpMember): LacpInfo {
  const { active, fast, system, systemPriority, key } = group.settings;
  const { activity, timeout, aggregation, synchronized, collecting, distributing, expired, defaulted } = LACP_STATE;
  const state =
    (active ? activity : 0) |
    (fast ? timeout : 0) |
    (group.members.size > 1 ? aggregation : 0) |
    (attached ? synchronized : 0) |
    (attached || !lacpNegotiated(group) ? collecting | distributing : 0) |
    (status === "expired" ? expired : 0) |
    (status === "defaulted" ? defaulted : 0);
  return { systemPriority, system, key, portPriority, port, state };
}

/** Partners of members whose own settings are others are waited for anew. */
function configure(
  group: LacpGroup,
  settings: LacpSettings,
  members: ReadonlyMap<string, LacpMemberSettings>,
  now: number,
): Map<string, Draft> {
  return new Map(
    [...members].map(([name, asked]) => {
      const known = group.members.get(name);
      if (known === undefined) return [name, newMember(settings, asked, now)];
      const draft: Draft = { ...known, settings: asked };
      if (known.settings.port !== asked.port || known.settings.portPriority !== asked.portPriority) expire(draft, now);
      return [name, draft];
    }),
  );
}

/** Who speaks first waits for an answer as for a partner that has fallen silent; who does not expects nothing. */
function newMember({ active }: LacpSettings, settings: LacpMemberSettings, now: number): Draft {
  return {
    settings,
    status: active ? "expired" : "defaulted",
    deadline: now + TIMEOUT_INTERVALS * FAST,
    partner: active ? { ...NOBODY, state: LACP_STATE.timeout } : NOBODY,
    attached: false,
    nextTx: now,
    mistaken: false,
  };
}

/** The partner is asked for a word soon, and until then nothing is carried. */
function expire(draft: Draft, now: number): void {
  draft.status = "expired";
  draft.deadline = now + TIMEOUT_INTERVALS * FAST;
  draft.partner = { ...draft.partner, state: (draft.partner.state | LACP_STATE.timeout) & ~LACP_STATE.synchronized };
  draft.nextTx = Math.min(draft.nextTx, now);
}

function passTime(name: string, draft: Draft, now: number, actions: LacpAction[]): void {
  if (draft.status === "current" && now >= draft.deadline) {
    expire(draft, now);
    actions.push({ type: "expired", member: name });
  } else if (draft.status === "expired" && now >= draft.deadline) {
    draft.status = "defaulted";
    draft.partner = NOBODY;
    actions.push({ type: "defaulted", member: name });
  }
}

function receive(
  drafts: ReadonlyMap<string, Draft>,
  { member, pdu }: Extract<LacpEvent, { type: "receive" }>,
  { fast }: LacpSettings,
  now: number,
): void {
  const draft = drafts.get(member);
  if (draft === undefined) return;
  draft.status = "current";
  draft.partner = pdu.actor;
  draft.deadline = now + TIMEOUT_INTERVALS * (fast ? FAST : SLOW);
}

/** Those are attached that have the same partner as the first of the members. Without any partner all are, if asked so. */
function attach(settings: LacpSettings, drafts: ReadonlyMap<string, Draft>, actions: LacpAction[]): void {
  const looped = ({ partner }: Draft): boolean => partner.system === settings.system;
  const candidates = [...drafts.values()].filter((draft) => draft.status !== "defaulted" && !looped(draft));
  const lead = candidates.sort((a, b) => rank(settings, a, b))[0];
  const alone = ![...drafts.values()].some(({ status }) => status !== "defaulted");
  for (const [name, draft] of drafts) {
    const was = draft.attached;
    if (lead === undefined) draft.attached = alone && settings.fallback;
    else
      draft.attached =
        candidates.includes(draft) && draft.partner.system === lead.partner.system && draft.partner.key === lead.partner.key;
    if (was && !draft.attached && looped(draft)) actions.push({ type: "loopback", member: name });
  }
}

/** Partners that speak come first; then the numbers of that system count which has the lower one itself. */
function rank(settings: LacpSettings, a: Draft, b: Draft): number {
  if (a.status !== b.status) return a.status === "current" ? -1 : 1;
  const numbers = (draft: Draft): { readonly portPriority: number; readonly port: number } => {
    const { systemPriority, system } = draft.partner;
    const partnerDecides =
      systemPriority < settings.systemPriority || (systemPriority === settings.systemPriority && system < settings.system);
    return partnerDecides ? draft.partner : draft.settings;
  };
  const [first, second] = [numbers(a), numbers(b)];
  return first.portPriority - second.portPriority || first.port - second.port;
}

/** Nobody is told anything who does not listen: one of the two must be active. */
function speaks({ active }: LacpSettings, { partner }: LacpMember): boolean {
  return active || (partner.state & LACP_STATE.activity) !== 0;
}

function transmit(group: LacpGroup, name: string, draft: Draft, now: number, actions: LacpAction[]): void {
  if (!speaks(group.settings, draft)) return;
  if (!draft.mistaken && now < draft.nextTx) return;
  draft.mistaken = false;
  draft.nextTx = now + ((draft.partner.state & LACP_STATE.timeout) !== 0 ? FAST : SLOW);
  actions.push({ type: "send", member: name, pdu: { actor: lacpActor(group, draft), partner: draft.partner } });
}

function sameInfo(a: LacpInfo, b: LacpInfo): boolean {
  return (
    a.systemPriority === b.systemPriority &&
    a.system === b.system &&
    a.key === b.key &&
    a.portPriority === b.portPriority &&
    a.port === b.port &&
    a.state === b.state
  );
}
