/** What a switch has heard by IGMP and MLD snooping: groups with the ports that want them, and the ports of multicast routers. */

export type GroupProtocol = "IGMPv1" | "IGMPv2" | "IGMPv3" | "MLDv1" | "MLDv2";

export interface Group {
  /** That of the port which joined last. */
  protocol: GroupProtocol;
  /** Tunnel keys of ports, and when they were last heard (monotonic ms). */
  readonly members: Map<number, number>;
}

/** How long the port of a silent router is remembered (ms). */
const ROUTER_TIMEOUT = 180_000;

export class GroupTable {
  /** By address as text, the longest silent one first. */
  readonly #groups = new Map<string, Group>();
  readonly #routers = new Map<number, number>();

  get groups(): ReadonlyMap<string, Group> {
    return this.#groups;
  }

  /** Tunnel keys of the ports that queries come from. */
  get routers(): Iterable<number> {
    return this.#routers.keys();
  }

  /** A port wants a group. Over `limit` groups the longest silent one goes. Returns whether that is news. */
  join(address: string, port: number, protocol: GroupProtocol, now: number, limit: number): boolean {
    // A router hears everything anyway.
    if (this.#routers.has(port)) return false;
    let group = this.#groups.get(address);
    if (group === undefined) {
      if (this.#groups.size >= limit) this.#dropOldest();
      group = { protocol, members: new Map() };
    } else this.#groups.delete(address);
    this.#groups.set(address, group);
    const known = group.members.has(port);
    if (!known) group.protocol = protocol;
    group.members.set(port, now);
    return !known;
  }

  #dropOldest(): void {
    for (const address of this.#groups.keys()) {
      this.#groups.delete(address);
      return;
    }
  }

  leave(address: string, port: number): boolean {
    const group = this.#groups.get(address);
    if (group === undefined || !group.members.delete(port)) return false;
    if (group.members.size === 0) this.#groups.delete(address);
    return true;
  }

  addRouter(port: number, now: number): boolean {
    const known = this.#routers.has(port);
    this.#routers.set(port, now);
    return !known;
  }

  flush(): void {
    this.#groups.clear();
    this.#routers.clear();
  }

  /** Forgets who has been silent for too long; members may be so for `patience` (ms). */
  expire(now: number, patience: number): boolean {
    let changed = expireIn(this.#routers, now - ROUTER_TIMEOUT);
    for (const [address, { members }] of this.#groups) {
      if (expireIn(members, now - patience)) changed = true;
      if (members.size === 0) this.#groups.delete(address);
    }
    return changed;
  }

  /** When the next is forgotten; undefined: there is nothing to forget. */
  next(patience: number): number | undefined {
    let next = Number.POSITIVE_INFINITY;
    for (const heard of this.#routers.values()) next = Math.min(next, heard + ROUTER_TIMEOUT);
    for (const { members } of this.#groups.values()) {
      for (const heard of members.values()) next = Math.min(next, heard + patience);
    }
    return next === Number.POSITIVE_INFINITY ? undefined : next;
  }
}

function expireIn(members: Map<number, number>, since: number): boolean {
  let changed = false;
  for (const [port, heard] of members) {
    if (heard <= since && members.delete(port)) changed = true;
  }
  return changed;
}
