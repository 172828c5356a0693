/** What a DHCPv4 server gave (RFC 2131, RFC 2132), and how it is put onto a device. */
import {
  DHCP_OPTION,
  type Dhcp,
  dhcpAddress,
  dhcpOption,
  get16,
  get32,
  type Ipv4,
  ipv4Mask,
  ipv4Of,
  readIpv4,
} from "@weft/packet";
import type { Device } from "../../machine/device.ts";
import { writeEtc } from "../../machine/etc.ts";
import { anyNetwork, formatIp, ip4, type Network } from "../../machine/ip.ts";
import type { Machine } from "../../machine/machine.ts";
import type { Namespace } from "../../machine/namespace.ts";

export interface Lease {
  readonly address: Ipv4;
  readonly prefixLength: number;
  readonly server: Ipv4;
  readonly routers: readonly Ipv4[];
  /** Option 121 (RFC 3442); where it is there, `routers` does not count. */
  readonly classlessRoutes: readonly { readonly destination: Network; readonly router: Ipv4 }[];
  readonly nameServers: readonly Ipv4[];
  readonly domain: string | undefined;
  readonly mtu: number | undefined;
  readonly broadcast: Ipv4 | undefined;
  /** Seconds. */
  readonly time: number;
  readonly renewal: number;
  readonly rebinding: number;
}

/** Option codes that dhclient asks for besides those that have names. */
const BROADCAST = 28;
const DEFAULT_LEASE = 3600;

function addresses(data: Uint8Array | undefined): Ipv4[] {
  return Array.from({ length: Math.floor((data?.length ?? 0) / 4) }, (_, i) => readIpv4(data!, 4 * i));
}

function text(data: Uint8Array | undefined): string | undefined {
  return data && data.length > 0 ? new TextDecoder("latin1").decode(data).replace(/\0+$/, "") : undefined;
}

/** Destinations have only their significant bytes (RFC 3442); what is cut short ends the list. */
function classlessRoutes(data: Uint8Array = new Uint8Array()): Lease["classlessRoutes"] {
  const routes: { destination: Network; router: Ipv4 }[] = [];
  for (let at = 0; at < data.length; ) {
    const length = data[at]!;
    const significant = Math.ceil(length / 8);
    if (length > 32 || at + 1 + significant + 4 > data.length) break;
    const bytes = new Uint8Array(4);
    bytes.set(data.subarray(at + 1, at + 1 + significant));
    const destination = { address: ip4(ipv4Of((readIpv4(bytes, 0) & ipv4Mask(length)) >>> 0)), length };
    routes.push({ destination, router: readIpv4(data, at + 1 + significant) });
    at += 1 + significant + 4;
  }
  return routes;
}

/** The lease in an acknowledgement; undefined where server or address are missing. */
export function leaseOf(ack: Dhcp): Lease | undefined {
  const server = dhcpAddress(ack, DHCP_OPTION.serverId);
  const address = ack.yourIp;
  if (server === undefined || address === undefined || address === 0) return undefined;
  const option = (code: number) => dhcpOption(ack, code);
  const seconds = (code: number, otherwise: number) => {
    const data = option(code);
    return data && data.length >= 4 ? get32(data, 0) : otherwise;
  };
  const mask = dhcpAddress(ack, DHCP_OPTION.subnetMask) ?? ipv4Mask(classLength(address));
  const mtu = option(DHCP_OPTION.mtu);
  const time = seconds(DHCP_OPTION.leaseTime, DEFAULT_LEASE);
  return {
    address,
    server,
    prefixLength: Math.clz32(~mask),
    routers: addresses(option(DHCP_OPTION.router)),
    classlessRoutes: classlessRoutes(option(DHCP_OPTION.classlessRoutes)),
    nameServers: addresses(option(DHCP_OPTION.dnsServer)),
    domain: text(option(DHCP_OPTION.domainName)),
    mtu: mtu && mtu.length >= 2 ? get16(mtu, 0) : undefined,
    broadcast: dhcpAddress(ack, BROADCAST),
    time,
    renewal: seconds(DHCP_OPTION.renewalTime, time / 2),
    rebinding: seconds(DHCP_OPTION.rebindingTime, (time * 7) / 8),
  };
}

/** The prefix length of an address's class, for a server that says none (RFC 2132 3.3). */
function classLength(address: Ipv4): number {
  return address < 0x80000000 ? 8 : address < 0xc0000000 ? 16 : 24;
}

export interface Place {
  readonly machine: Machine;
  readonly namespace: Namespace;
  readonly device: Device;
}

const networkOfLease = ({ address, prefixLength }: Lease): Network => ({ address: ip4(address), length: prefixLength });

/**
 * Address, routes, MTU and name servers. `timed`: the address ends with the lease, as dhclient sets it; udhcpc's ends when
 * udhcpc takes it away.
 */
export async function applyLease({ machine, namespace, device }: Place, lease: Lease, timed: boolean): Promise<void> {
  const { clock } = machine.runtime;
  const until = clock.now() + lease.time * 1000;
  const broadcast = lease.broadcast ?? (lease.address | ~ipv4Mask(lease.prefixLength)) >>> 0;
  namespace.refreshAddress(device, networkOfLease(lease), {
    broadcast: ip4(ipv4Of(broadcast)),
    ...(timed ? { lifetime: { valid: until, preferred: until } } : {}),
  });
  if (lease.mtu !== undefined && lease.mtu >= 68) device.setMtu(lease.mtu);
  const routes =
    lease.classlessRoutes.length > 0
      ? lease.classlessRoutes
      : lease.routers.slice(0, 1).map((router) => ({ destination: anyNetwork(4), router }));
  for (const { destination, router } of routes) {
    namespace.addRoute(
      {
        destination,
        // 0.0.0.0: the destination is on the link (RFC 3442).
        via: router === 0 ? undefined : ip4(router),
        device,
        protocol: "boot",
        scope: router === 0 ? "link" : "global",
        source: undefined,
        metric: 0,
      },
      true,
    );
  }
}

/** `search`: a line with the domain as dhclient writes it besides `domain`. */
export async function writeNameServers(place: Place, lease: Lease, search: boolean): Promise<void> {
  const { domain, nameServers } = lease;
  if (nameServers.length === 0 && domain === undefined) return;
  const lines = [
    ...(domain === undefined ? [] : [`domain ${domain}`]),
    ...(domain === undefined || !search ? [] : [`search ${domain}`]),
    ...nameServers.map((server) => `nameserver ${formatIp(ip4(server))}`),
  ];
  await writeEtc(place.machine, place.namespace, "resolv.conf", lines.map((line) => `${line}\n`).join(""));
}

/** Takes the lease's address away, and with it its routes. */
export function withdrawLease({ namespace, device }: Place): void {
  namespace.flushAddresses(device, 4);
}
