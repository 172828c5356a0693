/**
 * What a host does with routers' advertisements: it asks for them when a device comes up, and takes from them a default
 * route, routes to prefixes on the link, addresses and the MTU (RFC 4861 6.3, RFC 4862 5.5), as Linux does by default.
 */
import {
  emit,
  IPV6_ALL_ROUTERS,
  ipv6Of,
  multicastMacOfIpv6,
  type NdOption,
  type NdRouterAdvertisement,
  slaacOfMac,
} from "@weft/packet";
import type { Timer } from "@weft/runtime";
import type { Device } from "./device.ts";
import { anyNetwork, type Ip, ip6, networkOf } from "./ip.ts";
import type { Namespace } from "./namespace.ts";
import { sameRoute } from "./route.ts";

/** Milliseconds and times (RFC 4861 10). */
const SOLICITATION_DELAY = 1000;
const SOLICITATION_INTERVAL = 4000;
const MOST_SOLICITATIONS = 3;
/** Linux's metrics: of default routes from advertisements, and of routes to prefixes. */
const ROUTER_METRIC = 1024;
const PREFIX_METRIC = 256;
/** Seconds that stand for ever. */
const INFINITE = 0xffffffff;
/** An advertisement cannot shorten a lifetime below two hours (RFC 4862 5.5.3 e), seconds. */
const LEAST_REMAINING = 7200;
const LEAST_MTU = 1280;
const INTERFACE_BITS = 64;

type PrefixOption = Extract<NdOption, { option: "prefix" }>;

export class Autoconfiguration {
  readonly #namespace: Namespace;
  readonly #timers = new Map<Device, Timer>();

  constructor(namespace: Namespace) {
    this.#namespace = namespace;
  }

  /** Asks for routers, until one answers. Routers do not ask. */
  start(device: Device): void {
    this.stop(device);
    this.#solicitAfter(device, SOLICITATION_DELAY, 0);
  }

  stop(device: Device): void {
    this.#timers.get(device)?.cancel();
    this.#timers.delete(device);
    device.mtu6 = undefined;
  }

  #solicitAfter(device: Device, ms: number, sent: number): void {
    if (sent === MOST_SOLICITATIONS) return void this.#timers.delete(device);
    const solicit = () => {
      if (!device.running || this.#namespace.forwarding) return;
      this.#solicit(device);
      this.#solicitAfter(device, SOLICITATION_INTERVAL, sent + 1);
    };
    this.#timers.set(device, this.#namespace.clock.after(ms, solicit, true));
  }

  #solicit(device: Device): void {
    const source = this.#namespace.addresses.find((own) => own.device === device && own.automatic)?.network.address;
    if (source?.family !== 6) return;
    device.transmit(
      emit([
        { kind: "ethernet", dst: multicastMacOfIpv6(IPV6_ALL_ROUTERS), src: device.mac },
        { kind: "ipv6", src: source.value, dst: IPV6_ALL_ROUTERS, hopLimit: 255 },
        { kind: "nd", type: 133, options: [{ option: "source-mac", mac: device.mac }] },
      ]),
    );
  }

  /** An advertisement that came from `router`, its hop limit and checksum found right. */
  advertised(device: Device, router: Ip, message: NdRouterAdvertisement): void {
    if (this.#namespace.forwarding) return;
    this.#timers.get(device)?.cancel();
    this.#timers.delete(device);
    this.#defaultRoute(device, router, message);
    for (const option of message.options ?? []) {
      if (option.option === "prefix") this.#prefix(device, option);
      else if (option.option === "mtu" && option.mtu >= LEAST_MTU && option.mtu <= device.mtu) device.mtu6 = option.mtu;
    }
  }

  /** Milliseconds of the clock. */
  #until(seconds: number): number {
    return seconds === INFINITE ? Number.POSITIVE_INFINITY : this.#namespace.clock.now() + seconds * 1000;
  }

  #expires(seconds: number): { readonly expires?: number } {
    return seconds === INFINITE ? {} : { expires: this.#until(seconds) };
  }

  #defaultRoute(device: Device, router: Ip, { lifetime, hopLimit }: NdRouterAdvertisement): void {
    const route = {
      destination: anyNetwork(6),
      via: router,
      device,
      protocol: "ra",
      scope: "global",
      source: undefined,
      metric: ROUTER_METRIC,
      ...this.#expires(lifetime),
      ...(hopLimit === 0 ? {} : { hopLimit }),
    } as const;
    if (lifetime > 0) this.#namespace.addRoute(route, true);
    else if (this.#namespace.routes.some((other) => sameRoute(other, route)))
      this.#namespace.removeRoute((other) => sameRoute(other, route));
  }

  #prefix(device: Device, option: PrefixOption): void {
    const { prefix, length, onLink, autonomous, valid, preferred } = option;
    // Link-local prefixes are nobody's to advertise.
    if (prefix >> 118n === 0x3fan || preferred > valid) return;
    const destination = { address: networkOf({ address: ip6(prefix), length }), length };
    if (onLink && valid > 0) {
      this.#namespace.addRoute(
        {
          destination,
          via: undefined,
          device,
          protocol: "kernel",
          scope: "link",
          source: undefined,
          metric: PREFIX_METRIC,
          ...this.#expires(valid),
        },
        true,
      );
    }
    if (autonomous && length === INTERFACE_BITS) this.#address(device, option);
  }

  #address(device: Device, { prefix, length, valid, preferred }: PrefixOption): void {
    const network = { address: ip6(ipv6Of(slaacOfMac(prefix, device.mac))), length };
    const own = this.#namespace.addresses.find(
      (address) => address.device === device && address.network.address.value === network.address.value,
    );
    // What a person gave is not changed by advertisements.
    if (own && !own.advertised) return;
    if (!own && valid === 0) return;
    const remaining = own?.lifetime ? (own.lifetime.valid - this.#namespace.clock.now()) / 1000 : 0;
    const kept = own && valid < Math.min(LEAST_REMAINING, remaining) ? Math.min(LEAST_REMAINING, remaining) : valid;
    this.#namespace.refreshAddress(device, network, {
      lifetime: { valid: this.#until(kept), preferred: this.#until(preferred) },
      advertised: true,
      prefixRoute: false,
    });
  }
}
