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
  /** No member and no router was last heard before these. */
  #oldestMember = Number.POSITIVE_INFINITY;
  #oldestRouter = Number.POSITIVE_INFINITY;

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
    this.#oldestMember = Math.min(this.#oldestMember, now);
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
    this.#oldestRouter = Math.min(this.#oldestRouter, now);
    return !known;
  }

  flush(): void {
    this.#groups.clear();
    this.#routers.clear();
  }

  /** Forgets who has been silent for too long; members may be so for `patience` (ms). Returns whether anybody was. */
  expire(now: number, patience: number): boolean {
    if (now < this.next(patience)) return false;
    const routers = expireIn(this.#routers, now - ROUTER_TIMEOUT);
    this.#oldestRouter = routers.oldest;
    this.#oldestMember = Number.POSITIVE_INFINITY;
    let { changed } = routers;
    for (const [address, { members }] of this.#groups) {
      const left = expireIn(members, now - patience);
      changed ||= left.changed;
      this.#oldestMember = Math.min(this.#oldestMember, left.oldest);
      if (members.size === 0) this.#groups.delete(address);
    }
    return changed;
  }

  /** When there may be somebody to forget, at the earliest. */
  next(patience: number): number {
    return Math.min(this.#oldestRouter + ROUTER_TIMEOUT, this.#oldestMember + patience);
  }
}

/** Takes out who was last heard at `since` or before. */
function expireIn(members: Map<number, number>, since: number): { readonly changed: boolean; readonly oldest: number } {
  let changed = false;
  let oldest = Number.POSITIVE_INFINITY;
  for (const [port, heard] of members) {
    if (heard > since) oldest = Math.min(oldest, heard);
    else changed = members.delete(port);
  }
  return { changed, oldest };
}
