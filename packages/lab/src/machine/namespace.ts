/**
 * A network namespace of an emulated machine: its devices, addresses, routes and neighbours, and the IP stack that uses
 * them. One table of routes and one of neighbours, as `ip route` and `ip neigh` show them.
 */
import { linkLocalOfMac } from "@weft/packet";
import { type Clock, type Random, WeftError } from "@weft/runtime";
import { Autoconfiguration } from "./autoconfiguration.ts";
import type { Device } from "./device.ts";
import { LoopbackDevice } from "./device.ts";
import { contains, equalIp, type Family, type Ip, ip6, isMulticast, type Network, networkOf, parseIp, widthOf } from "./ip.ts";
import { type Route, type RouteLookup, sameRoute } from "./route.ts";
import { Stack } from "./stack.ts";

export interface Address {
  readonly device: Device;
  readonly network: Network;
  /** "global", "link" or "host". */
  readonly scope: string;
  /** Set by the kernel, not by a person: the link-local address. */
  readonly automatic: boolean;
  readonly broadcast?: Ip | undefined;
  /** Absent: for ever. */
  readonly lifetime?: Lifetime | undefined;
  /** Made of a prefix that a router advertised. */
  readonly advertised?: boolean | undefined;
  /** False: no route to the address's network comes with it. */
  readonly prefixRoute?: boolean | undefined;
}

/** Until when something is good, in milliseconds of the clock; Infinity for ever. */
export interface Lifetime {
  readonly valid: number;
  readonly preferred: number;
}

export type AddressOptions = Partial<Pick<Address, "scope" | "broadcast" | "lifetime" | "advertised" | "prefixRoute">>;

/** Milliseconds, three weeks: what ends later ends after the lab. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** The words of the kernel's errors as ip(8) prints them. */
export class NetlinkError extends WeftError {
  constructor(text: string) {
    super("lab.netlink", text, { blame: "caller" });
  }
}

export class Namespace {
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly devices = new Map<string, Device>();
  readonly addresses: Address[] = [];
  readonly routes: Route[] = [];
  readonly loopback: Device;
  readonly stack: Stack;
  readonly autoconfiguration: Autoconfiguration;
  /** net.ipv4.ip_forward and net.ipv6.conf.all.forwarding together. */
  forwarding = false;

  /** `name` is "" for a machine's own namespace. */
  constructor(name: string, clock: Clock, random: Random) {
    this.name = name;
    this.clock = clock;
    this.random = random;
    this.stack = new Stack(this);
    this.autoconfiguration = new Autoconfiguration(this);
    this.loopback = new LoopbackDevice(clock);
    this.addDevice(this.loopback);
  }

  /** Takes a device in; it keeps its ifindex when that is free here. */
  addDevice(device: Device): void {
    if (this.devices.has(device.name)) throw new NetlinkError("RTNETLINK answers: File exists");
    const used = new Set([...this.devices.values()].map(({ ifindex }) => ifindex));
    if (device.ifindex === 0 || used.has(device.ifindex)) {
      let next = 1;
      while (used.has(next)) next++;
      device.ifindex = next;
    }
    device.namespace = this;
    this.devices.set(device.name, device);
    this.deviceChanged(device);
  }

  /** Lets a device go to another namespace: it loses its addresses and routes, and is down. */
  releaseDevice(device: Device): void {
    device.setUp(false);
    this.#forget(device);
    this.devices.delete(device.name);
    device.namespace = undefined;
  }

  /** Takes a device away for good. */
  removeDevice(device: Device): void {
    this.releaseDevice(device);
    device.destroy();
  }

  renameDevice(device: Device, name: string): void {
    if (this.devices.has(name)) throw new NetlinkError("RTNETLINK answers: File exists");
    this.devices.delete(device.name);
    device.name = name;
    this.devices.set(name, device);
    device.changed();
  }

  device(name: string): Device | undefined {
    return this.devices.get(name);
  }

  /** In the order of ifindex. */
  get sortedDevices(): Device[] {
    return [...this.devices.values()].sort((a, b) => a.ifindex - b.ifindex);
  }

  #forget(device: Device): void {
    remove(this.addresses, (address) => address.device === device);
    remove(this.routes, (route) => route.device === device);
    this.stack.neighbours.forgetDevice(device);
  }

  /** Called by devices: up brings the link-local address and connected routes, down takes the routes away. */
  deviceChanged(device: Device): void {
    if (device.up) {
      if (device === this.loopback) {
        this.#ensureAddress(device, { address: parseIp("127.0.0.1")!, length: 8 }, "host");
        this.#ensureAddress(device, { address: parseIp("::1")!, length: 128 }, "host");
      } else if (device.running) {
        if (this.#ensureAddress(device, { address: ip6(linkLocalOfMac(device.mac)), length: 64 }, "link"))
          this.autoconfiguration.start(device);
      }
      for (const address of this.addresses) if (address.device === device) this.#connect(address);
    } else {
      remove(this.routes, (route) => route.device === device);
      remove(this.addresses, (own) => own.device === device && (own.automatic || own.advertised === true));
      this.autoconfiguration.stop(device);
      this.stack.neighbours.forgetDevice(device);
    }
  }

  /** True when the address was not there yet. */
  #ensureAddress(device: Device, network: Network, scope: string): boolean {
    const automatic = (address: Address) =>
      address.device === device && address.automatic && address.network.address.family === network.address.family;
    const old = this.addresses.find(automatic);
    if (old && equalIp(old.network.address, network.address)) return false;
    if (old) this.#dropAddress(old);
    const address = { device, network, scope, automatic: true };
    this.addresses.push(address);
    this.#connect(address);
    return true;
  }

  addAddress(device: Device, network: Network, options: AddressOptions = {}): void {
    if (
      this.addresses.some(
        (own) => own.device === device && equalIp(own.network.address, network.address) && own.network.length === network.length,
      )
    ) {
      throw new NetlinkError(
        network.address.family === 4 ? "Error: ipv4: Address already assigned." : "Error: ipv6: address already assigned.",
      );
    }
    const address: Address = { device, network, automatic: false, ...options, scope: options.scope ?? "global" };
    this.addresses.push(address);
    this.#expire(options.lifetime?.valid, () => {
      if (this.addresses.includes(address)) this.#dropAddress(address);
    });
    if (device.up) {
      this.#connect(address);
      if (network.address.family === 4) this.stack.discovery.announce(device, network.address);
    }
  }

  /** A new lifetime for an address that is there, or a new address. */
  refreshAddress(device: Device, network: Network, options: AddressOptions): void {
    const at = this.addresses.findIndex(
      (own) => own.device === device && equalIp(own.network.address, network.address) && own.network.length === network.length,
    );
    const old = this.addresses[at];
    if (!old) return this.addAddress(device, network, options);
    const renewed: Address = { ...old, lifetime: options.lifetime };
    this.addresses[at] = renewed;
    this.#expire(options.lifetime?.valid, () => {
      if (this.addresses.includes(renewed)) this.#dropAddress(renewed);
    });
  }

  #expire(when: number | undefined, drop: () => void): void {
    const ms = Math.max(0, (when ?? Number.POSITIVE_INFINITY) - this.clock.now());
    if (ms <= LONGEST_TIMER) this.clock.after(ms, drop, true);
  }

  removeAddress(device: Device, network: Network): void {
    const found = this.addresses.find(
      (own) => own.device === device && equalIp(own.network.address, network.address) && own.network.length === network.length,
    );
    if (!found)
      throw new NetlinkError(
        network.address.family === 4 ? "Error: ipv4: Address not found." : "Error: ipv6: address not found.",
      );
    this.#dropAddress(found);
  }

  flushAddresses(device: Device, family: Family | undefined): void {
    for (const address of [...this.addresses]) {
      if (address.device === device && (family === undefined || address.network.address.family === family))
        this.#dropAddress(address);
    }
  }

  #dropAddress(address: Address): void {
    remove(this.addresses, (own) => own === address);
    remove(
      this.routes,
      (route) =>
        route.protocol === "kernel" &&
        route.device === address.device &&
        route.source !== undefined &&
        equalIp(route.source, address.network.address),
    );
    // With a device's last IPv4 address go all its IPv4 routes.
    if (address.network.address.family === 6) return;
    if (this.addresses.some((own) => own.device === address.device && own.network.address.family === 4)) return;
    remove(this.routes, ({ device, destination }) => device === address.device && destination.address.family === 4);
  }

  /** The route to the addresses that are on the link. */
  #connect({ device, network, prefixRoute = true }: Address): void {
    if (!prefixRoute || network.length === widthOf(network.address.family) || device === this.loopback) return;
    const destination = { address: networkOf(network), length: network.length };
    const six = network.address.family === 6;
    const there = this.routes.some(
      (route) =>
        route.protocol === "kernel" &&
        route.device === device &&
        equalIp(route.destination.address, destination.address) &&
        route.destination.length === destination.length,
    );
    if (there) return;
    this.routes.push({
      destination,
      via: undefined,
      device,
      protocol: "kernel",
      scope: "link",
      source: network.address,
      metric: six ? 256 : 0,
    });
  }

  addRoute(route: Route, replace: boolean): void {
    const same = (other: Route) => sameRoute(other, route);
    if (this.routes.some(same)) {
      if (!replace) throw new NetlinkError("RTNETLINK answers: File exists");
      remove(this.routes, same);
    }
    this.routes.push(route);
    this.#expire(route.expires, () => remove(this.routes, (other) => other === route));
  }

  removeRoute(matches: (route: Route) => boolean): void {
    const index = this.routes.findIndex(matches);
    if (index < 0) throw new NetlinkError("RTNETLINK answers: No such process");
    this.routes.splice(index, 1);
  }

  isLocal(ip: Ip): boolean {
    if (this.addresses.some(({ network }) => equalIp(network.address, ip))) return true;
    // Unlike on Linux, a NIC may have a network within 127.0.0.0/8: labs without root are joined by such addresses.
    return this.addresses.some(
      ({ network, device }) =>
        device === this.loopback &&
        device.up &&
        contains(network, ip) &&
        !this.addresses.some((other) => other.device !== device && contains(other.network, ip)),
    );
  }

  /** Longest prefix, then lowest metric. `device` restricts to routes of that device. */
  lookup(destination: Ip, device?: Device): RouteLookup | undefined {
    if (this.isLocal(destination) && this.loopback.up) {
      const source = destination;
      const route: Route = {
        destination: { address: destination, length: widthOf(destination.family) },
        via: undefined,
        device: this.loopback,
        protocol: "kernel",
        scope: "host",
        source,
        metric: 0,
      };
      return { route, nextHop: destination, source };
    }
    if (device && isMulticast(destination)) {
      const route: Route = {
        destination: { address: destination, length: widthOf(destination.family) },
        via: undefined,
        device,
        protocol: "kernel",
        scope: "link",
        source: undefined,
        metric: 0,
      };
      return { route, nextHop: destination, source: this.sourceFor(device, destination) };
    }
    let best: Route | undefined;
    for (const route of this.routes) {
      if (device && route.device !== device) continue;
      if (!route.device.up || !contains(route.destination, destination)) continue;
      if (
        !best ||
        route.destination.length > best.destination.length ||
        (route.destination.length === best.destination.length && route.metric < best.metric)
      )
        best = route;
    }
    if (!best) return undefined;
    return {
      route: best,
      nextHop: best.via ?? destination,
      // Towards an IPv4 gateway, the address in its network; with IPv6, the destination's scope counts (RFC 6724 5).
      source: best.source ?? this.sourceFor(best.device, destination.family === 4 ? (best.via ?? destination) : destination),
    };
  }

  /** The address that a packet leaving by `device` for `destination` gets: one of the same network before any other. */
  sourceFor(device: Device, destination: Ip): Ip | undefined {
    const own = this.addresses.filter(
      (address) => address.device === device && address.network.address.family === destination.family,
    );
    const linkLocal = destination.family === 6 && (destination.value >> 118n === 0x3fan || destination.value >> 112n === 0xff02n);
    const found =
      own.find(({ network }) => contains(network, destination)) ??
      own.find(({ scope }) => (scope === "link") === linkLocal) ??
      own[0] ??
      this.addresses.find(({ network, scope }) => network.address.family === destination.family && scope === "global");
    return found?.network.address;
  }

  /** A frame for this machine arrived on a device. */
  input(device: Device, frame: Uint8Array): void {
    this.stack.input(device, frame);
  }
}

function remove<T>(list: T[], which: (item: T) => boolean): void {
  for (let i = list.length - 1; i >= 0; i--) if (which(list[i]!)) list.splice(i, 1);
}
