/** The switch's own routing table, by which tunnels find the bridge to leave through (ovs-appctl ovs/route/...). */
import { address128, formatAddress, type IpAddress } from "./address.ts";

export interface Route {
  readonly prefix: IpAddress;
  readonly length: number;
  readonly device: string;
  readonly gateway: IpAddress | undefined;
  readonly mark: number;
  readonly source: IpAddress | undefined;
  /** Added by ovs/route/add, rather than following from a device's address. */
  readonly user: boolean;
  readonly local: boolean;
  /** Of the host's routing table, as of its last change. */
  readonly host?: boolean;
}

export function covers(route: Prefix, address: IpAddress): boolean {
  if (route.prefix.family !== address.family) return false;
  const bits = address.family === 4 ? 32 : 128;
  const shift = BigInt(bits - route.length);
  return BigInt(route.prefix.ip) >> shift === BigInt(address.ip) >> shift;
}

type Prefix = Pick<Route, "prefix" | "length">;

function samePrefix(a: Prefix, b: Prefix): boolean {
  return a.length === b.length && covers(a, b.prefix);
}

/** For routes that cover the same address: the higher counts. */
const rank = ({ length, mark, user }: Route): number => 4 * length + (mark === 0 ? 0 : 2) + (user ? 1 : 0);

export class RouteTable {
  #routes: Route[] = [];

  /** A route that was added by hand replaces the one of the same prefix and mark that was; others stay beside it. */
  add(route: Route): void {
    const at = this.#routes.findIndex((old) => old.user === route.user && old.mark === route.mark && samePrefix(old, route));
    if (at < 0) this.#routes.push(route);
    else if (route.user) this.#routes[at] = route;
  }

  remove(prefix: IpAddress, length: number, mark: number): boolean {
    const at = this.#routes.findIndex((route) => route.user && route.mark === mark && samePrefix(route, { prefix, length }));
    if (at < 0) return false;
    this.#routes.splice(at, 1);
    return true;
  }

  /** Replaces what follows from a device's addresses. */
  setConnected(device: string, addresses: readonly { readonly address: IpAddress; readonly length: number }[]): void {
    this.#routes = this.#routes.filter((route) => route.user || route.device !== device);
    for (const { address, length } of addresses) {
      const full = address.family === 4 ? 32 : 128;
      this.add({ prefix: address, length: full, device, gateway: undefined, mark: 0, source: address, user: false, local: true });
      if (length < full)
        this.add({
          prefix: network(address, length),
          length,
          device,
          gateway: undefined,
          mark: 0,
          source: address,
          user: false,
          local: false,
        });
    }
  }

  /** Replaces the host's own routes; false when they are what they were. */
  setHost(routes: readonly Route[]): boolean {
    const text = (some: readonly Route[]): string => formatRoutes(some.filter((route) => route.host === true)).join("\n");
    const before = text(this.#routes);
    this.#routes = this.#routes.filter((route) => route.host !== true);
    for (const route of routes) this.add(route);
    return text(this.#routes) !== before;
  }

  /** Longest prefix first; of equal ones that of the packet's mark, and then the one that was added by hand. */
  lookup(address: IpAddress, mark = 0): Route | undefined {
    let best: Route | undefined;
    for (const route of this.#routes) {
      if (!covers(route, address) || (route.mark !== mark && route.mark !== 0)) continue;
      if (best === undefined || rank(route) > rank(best)) best = route;
    }
    return best;
  }

  /** In the order in which they are shown. */
  sorted(): Route[] {
    return sortRoutes(this.#routes);
  }

  /** The lines of ovs/route/show. */
  format(): string[] {
    return formatRoutes(this.#routes);
  }
}

function sortRoutes(routes: readonly Route[]): Route[] {
  return [...routes].sort((a, b) => {
    const byLength = length128(b) - length128(a);
    if (byLength !== 0) return byLength;
    const [first, second] = [address128(a.prefix), address128(b.prefix)];
    if (first !== second) return first < second ? -1 : 1;
    return Number(a.user) - Number(b.user) || a.mark - b.mark;
  });
}

function formatRoutes(routes: readonly Route[]): string[] {
  return sortRoutes(routes).map((route) => {
    let text = `${route.user ? "User" : "Cached"}: ${formatAddress(network(route.prefix, route.length))}/${route.length}`;
    if (route.mark !== 0) text += ` MARK ${route.mark}`;
    text += ` dev ${route.device}`;
    if (route.gateway !== undefined) text += ` GW ${formatAddress(route.gateway)}`;
    if (route.source !== undefined) text += ` SRC ${formatAddress(route.source)}`;
    if (route.local) text += " local";
    return text;
  });
}

const length128 = (route: Route): number => route.length + (route.prefix.family === 4 ? 96 : 0);

export function network(address: IpAddress, length: number): IpAddress {
  if (address.family === 4) {
    const mask = length === 0 ? 0 : (-1 << (32 - length)) >>> 0;
    // Masking keeps it a 32-bit address.
    return { family: 4, ip: ((address.ip & mask) >>> 0) as typeof address.ip };
  }
  const shift = BigInt(128 - length);
  // Masking keeps it a 128-bit address.
  return { family: 6, ip: ((address.ip >> shift) << shift) as typeof address.ip };
}
