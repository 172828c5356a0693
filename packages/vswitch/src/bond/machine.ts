/**
 * Which members of a bond are enabled, and which of them is the active one (ovs-vswitchd.conf.db(5), "Bonding Configuration").
 * Pure: the time comes with each event, in ms.
 */

export interface BondMember {
  /** The link is up, and whoever watches it has nothing against it. */
  readonly mayEnable: boolean;
  readonly enabled: boolean;
  /** When `enabled` becomes what `mayEnable` is; undefined: it is so. */
  readonly due: number | undefined;
}

export interface BondMachine {
  readonly members: ReadonlyMap<string, BondMember>;
  readonly active: string | undefined;
  readonly primary: string | undefined;
}

export const NEW_BOND: BondMachine = { members: new Map(), active: undefined, primary: undefined };

/**
 * `observe`: how the links are now, with the delays in ms. `set`: somebody says whether a member is enabled, which holds until the
 * links are observed next. `activate`: of an enabled member.
 */
export type BondEvent =
  | {
      readonly type: "observe";
      readonly links: ReadonlyMap<string, boolean>;
      readonly updelay: number;
      readonly downdelay: number;
      readonly primary: string | undefined;
    }
  | { readonly type: "set"; readonly member: string; readonly enabled: boolean }
  | { readonly type: "activate"; readonly member: string };

export type BondNews =
  | { readonly type: "link"; readonly member: string; readonly up: boolean }
  | { readonly type: "delay"; readonly member: string; readonly up: boolean; readonly ms: number }
  | { readonly type: "enabled"; readonly member: string; readonly enabled: boolean }
  /** `skipped`: what was left of its updelay, if it was not yet enabled. */
  | { readonly type: "active"; readonly member: string | undefined; readonly skipped: number | undefined };

type Draft = { -readonly [K in keyof BondMember]: BondMember[K] };

/** The bond after an event, and what came of it, in order. */
export function bondStep(machine: BondMachine, event: BondEvent, now: number): [BondMachine, BondNews[]] {
  const news: BondNews[] = [];
  const members = new Map<string, Draft>([...machine.members].map(([name, member]) => [name, { ...member }]));
  let { active, primary } = machine;
  switch (event.type) {
    case "observe": {
      const isWatched = primary !== undefined && members.get(primary)?.enabled === true;
      for (const name of members.keys()) if (!event.links.has(name)) members.delete(name);
      for (const [name, up] of event.links) observe(members, name, up, event, now, news);
      const comesUp = event.primary !== undefined && members.get(event.primary)?.enabled === true;
      if (comesUp && (!isWatched || event.primary !== primary) && active !== event.primary) {
        active = event.primary;
        news.push({ type: "active", member: active, skipped: undefined });
      }
      primary = event.primary;
      break;
    }
    case "set": {
      const member = members.get(event.member);
      if (member === undefined) break;
      if (member.enabled !== event.enabled) news.push({ type: "enabled", member: event.member, enabled: event.enabled });
      Object.assign(member, { enabled: event.enabled, mayEnable: event.enabled, due: undefined });
      // Who is active is asked when the links have been observed.
      return [{ members, active, primary }, news];
    }
    case "activate":
      if (active === event.member || members.get(event.member)?.enabled !== true) break;
      active = event.member;
      news.push({ type: "active", member: active, skipped: undefined });
      break;
  }
  active = choose(members, active, primary, now, news);
  return [{ members, active, primary }, news];
}

/** When the links are to be observed again though nothing has happened to them. */
export function bondDue({ members }: BondMachine): number {
  return Math.min(...[...members.values()].map(({ due }) => due ?? Number.POSITIVE_INFINITY));
}

function observe(
  members: Map<string, Draft>,
  name: string,
  up: boolean,
  { updelay, downdelay }: Extract<BondEvent, { type: "observe" }>,
  now: number,
  news: BondNews[],
): void {
  let member = members.get(name);
  if (member === undefined) {
    // A new member is taken for one that works.
    member = { mayEnable: true, enabled: true, due: undefined };
    members.set(name, member);
    news.push({ type: "enabled", member: name, enabled: true });
  }
  if (member.mayEnable !== up) {
    member.mayEnable = up;
    news.push({ type: "link", member: name, up });
    const ms = up ? updelay : downdelay;
    member.due = member.enabled === up ? undefined : now + ms;
    if (member.due !== undefined && ms > 0) news.push({ type: "delay", member: name, up, ms });
  }
  if (member.due === undefined || now < member.due) return;
  member.enabled = member.mayEnable;
  member.due = undefined;
  news.push({ type: "enabled", member: name, enabled: member.enabled });
}

/** The active member stays as long as it is enabled. Where none is, the one whose updelay ends first need not wait for that. */
function choose(
  members: ReadonlyMap<string, Draft>,
  active: string | undefined,
  primary: string | undefined,
  now: number,
  news: BondNews[],
): string | undefined {
  if (active !== undefined && members.get(active)?.enabled === true) return active;
  const enabled = [...members].filter(([, member]) => member.enabled).map(([name]) => name);
  let next = enabled.find((name) => name === primary) ?? enabled[0];
  if (next !== undefined) {
    news.push({ type: "active", member: next, skipped: undefined });
    return next;
  }
  const waiting = [...members].filter(([, member]) => member.mayEnable && member.due !== undefined);
  waiting.sort(([, a], [, b]) => (a.due ?? 0) - (b.due ?? 0));
  const first = waiting[0];
  if (first !== undefined) {
    const [name, member] = first;
    news.push({ type: "active", member: name, skipped: Math.max(0, (member.due ?? now) - now) });
    Object.assign(member, { enabled: true, due: undefined });
    news.push({ type: "enabled", member: name, enabled: true });
    next = name;
  } else if (active !== undefined) news.push({ type: "active", member: undefined, skipped: undefined });
  return next;
}
