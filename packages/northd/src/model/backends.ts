/** Which backends of a VIP take connections: those that are not known to be down (ovn-nb(5), "Health Checks"). */
import { input, type Read } from "@weft/incremental";
import { parseIpv4, parseIpv6 } from "@weft/packet";
import type { NbRow } from "@weft/schemas";
import { quoted } from "../flow.ts";
import { type Endpoint, endpointText } from "./endpoint.ts";
import type { LoadBalancer, Protocol } from "./loadBalancer.ts";
import { nb, switchPortsByName } from "./nb.ts";
import { type SwitchPort, switchPort } from "./switchPort.ts";
import type { Vip } from "./vip.ts";

/** What the chassis found out about a service, by {@link serviceKey}. */
export const serviceStatus = input<string, string>("sb.Service_Monitor.status", { equals: (a, b) => a === b });

export function serviceKey(port: string, ip: string, number: number, protocol: string): string {
  return `${port} ${ip} ${number} ${protocol}`;
}

/** Where a backend is, as ip_port_mappings says: "PORT:SOURCE_IP:ZONE". */
export interface Placement {
  readonly portName: string;
  readonly sourceIp: string | undefined;
  /** The availability zone of a backend elsewhere. */
  readonly zone: string | undefined;
}

/** Undefined: there is none, or it is malformed; then {@link badSource} may say why. */
export function placementOf(backend: Endpoint, mappings: ReadonlyMap<string, string>): Placement | undefined {
  const { portName, source, zone } = mappingOf(backend, mappings) ?? {};
  if (portName === undefined || portName === "" || zone === "") return undefined;
  if (source !== undefined && !isAddress(source, backend.family)) return undefined;
  return { portName, sourceIp: source, zone };
}

/** What stands in place of the address that probes of a backend are to come from, where that is none. */
export function badSource(backend: Endpoint, mappings: ReadonlyMap<string, string>): string | undefined {
  const { portName, source, zone } = mappingOf(backend, mappings) ?? {};
  if (portName === undefined || portName === "" || zone === "" || source === undefined) return undefined;
  return isAddress(source, backend.family) ? undefined : source;
}

function isAddress(text: string, family: 4 | 6): boolean {
  return (family === 4 ? parseIpv4(text) : parseIpv6(text)) !== undefined;
}

function mappingOf(backend: Endpoint, mappings: ReadonlyMap<string, string>) {
  const text = mappings.get(backend.family === 4 ? backend.address : `[${backend.address}]`);
  if (text === undefined) return undefined;
  const [, portName, six, four, zone] = /^([^:]*)(?::(?:\[([^\]]*)\]|([^:]*))(?::(.*))?)?$/.exec(text) ?? [];
  return { portName, source: six ?? four, zone };
}

/** The port of a placement, if it is there. */
export function portOf({ portName }: Placement, read: Read): SwitchPort | undefined {
  const uuid = read(switchPortsByName, portName)[0];
  return uuid === undefined ? undefined : read(switchPort, uuid);
}

/** The health check of a VIP. */
export function checkOf(lb: NbRow<"Load_Balancer">, vip: Vip, read: Read): NbRow<"Load_Balancer_Health_Check"> | undefined {
  for (const uuid of lb.health_check) {
    const check = read(nb.Load_Balancer_Health_Check, uuid);
    if (check?.vip === vip.key) return check;
  }
  return undefined;
}

/** The backends as the argument of ct_lb_mark; undefined if there are none. */
export function activeBackends(lb: LoadBalancer, vip: Vip, read: Read): string | undefined {
  const row = read(nb.Load_Balancer, lb.uuid);
  const check = row === undefined ? undefined : checkOf(row, vip, read);
  if (row === undefined || (check === undefined && !lb.distributed)) return vip.backends.length === 0 ? undefined : vip.text;
  const texts: string[] = [];
  for (const backend of vip.backends) {
    const placement = placementOf(backend, row.ip_port_mappings);
    if (placement === undefined) continue;
    if (check !== undefined && placement.sourceIp === undefined) continue;
    if (check !== undefined && !healthy(backend, placement, lb.protocol, read)) continue;
    // A service without a port is known by port 0.
    const text = endpointText(check === undefined ? backend : { ...backend, port: backend.port ?? 0 });
    texts.push(lb.distributed ? `${quoted(placement.portName)}:${text}` : text);
  }
  return texts.length === 0 ? undefined : texts.join();
}

function healthy(backend: Endpoint, placement: Placement, protocol: Protocol, read: Read): boolean {
  if (placement.zone === undefined && portOf(placement, read)?.enabled !== true) return false;
  const status = read(serviceStatus, serviceKey(placement.portName, backend.address, Number(backend.port ?? 0), protocol));
  return status === undefined || status === "online";
}
