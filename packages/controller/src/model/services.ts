/**
 * The services that this chassis probes (ovn-sb(5), Service_Monitor): those behind its ports, and network functions, through
 * which a probe goes from one port to the other.
 */
import { each, type Read } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { type Ipv4, type Ipv6, type Mac, parseIpv4, parseIpv6, parseMac } from "@weft/packet";
import type { SbRow } from "@weft/schemas";
import { parsePortAddresses } from "./addresses.ts";
import { claimOf } from "./binding.ts";
import { localKeyOf } from "./datapaths.ts";
import { portsByName, sb } from "./inputs.ts";

/** A port of a datapath, by tunnel keys. */
export interface Place {
  readonly datapath: number;
  readonly port: number;
}

/** Both addresses are of one family: numbers for IPv4. */
export interface Service {
  readonly monitor: Uuid;
  readonly protocol: "tcp" | "udp" | "icmp";
  /** A network function sends the probe itself on, from {@link answers}. */
  readonly passesThrough: boolean;
  readonly probes: Place;
  readonly answers: Place;
  readonly srcMac: Mac;
  readonly dstMac: Mac;
  readonly src: Ipv4 | Ipv6;
  readonly dst: Ipv4 | Ipv6;
  /** 0 for icmp. */
  readonly port: number;
  /** ms. */
  readonly interval: number;
  readonly timeout: number;
  readonly successCount: number;
  readonly failureCount: number;
  readonly status: SbRow<"Service_Monitor">["status"];
}

type Port = SbRow<"Port_Binding">;

function portNamed(read: Read, name: string): { readonly row: Port; readonly place: Place; readonly ours: boolean } | undefined {
  const uuid = read(portsByName, name)[0];
  const row = uuid === undefined ? undefined : read(sb.Port_Binding, uuid);
  const datapath = row === undefined ? undefined : read(localKeyOf, row.datapath);
  if (uuid === undefined || row === undefined || datapath === undefined) return undefined;
  return { row, place: { datapath, port: row.tunnel_key }, ours: read(claimOf, uuid) === "main" };
}

/** The MAC that a port has this address with. */
function macOfAddress(port: Port, ip: Ipv4 | Ipv6): Mac | undefined {
  for (const text of port.mac) {
    const addresses = parsePortAddresses(text);
    if (addresses === undefined) continue;
    if ([...addresses.ipv4, ...addresses.ipv6].some(({ address }) => address === ip)) return addresses.mac;
  }
  return undefined;
}

function addressOf(text: string): Ipv4 | Ipv6 | undefined {
  return parseIpv4(text) ?? parseIpv6(text);
}

export const services = each<Service, Uuid, SbRow<"Service_Monitor">>(
  "services",
  sb.Service_Monitor,
  function* (monitor, row, read) {
    const at = portNamed(read, row.logical_port);
    if (at === undefined || !at.ours) return;
    const passesThrough = row.type === "network-function";
    const to = passesThrough ? portNamed(read, row.logical_input_port) : at;
    const [src, dst, srcMac] = [addressOf(row.src_ip), addressOf(row.ip), parseMac(row.src_mac)];
    if (to === undefined || src === undefined || dst === undefined || srcMac === undefined || typeof src !== typeof dst) return;
    const dstMac = passesThrough ? parseMac(row.mac) : macOfAddress(at.row, dst);
    if (dstMac === undefined) return;
    const number = (option: string, fallback: number): number => {
      const value = Number(row.options.get(option));
      return value > 0 ? value : fallback;
    };
    yield {
      monitor,
      protocol: row.protocol ?? "tcp",
      passesThrough,
      probes: to.place,
      answers: at.place,
      srcMac,
      dstMac,
      src,
      dst,
      port: row.port,
      interval: number("interval", 5) * 1000,
      timeout: number("timeout", 3) * 1000,
      successCount: number("success_count", 1),
      failureCount: number("failure_count", 1),
      status: row.status,
    };
  },
);
