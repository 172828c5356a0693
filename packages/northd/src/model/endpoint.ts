/** "10.0.0.1:80", "[fd00::1]:80", or an address alone: VIPs and backends of load balancers (ovn-nb(5)). */
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from "@weft/packet";

export interface Endpoint {
  readonly family: 4 | 6;
  /** As it is printed; in a template it may be a variable. */
  readonly address: string;
  readonly port: number | string | undefined;
}

/** Undefined when malformed. Port 0 is no port. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const [, six, four, bare, digits] = /^(?:\[([^\]]*)\]|([^:]*)|(.*:.*:.*))(?::(\d+))?$/.exec(text) ?? [];
  // The last group of an address without brackets is no port.
  if (bare !== undefined) return endpoint(undefined, text, undefined);
  return endpoint(four, six, digits === undefined ? undefined : Number(digits));
}

function endpoint(four: string | undefined, six: string | undefined, port: number | undefined): Endpoint | undefined {
  if (port !== undefined && port > 65_535) return undefined;
  const ip4 = four === undefined ? undefined : parseIpv4(four);
  if (ip4 !== undefined) return { family: 4, address: formatIpv4(ip4), port: port || undefined };
  const ip6 = six === undefined ? undefined : parseIpv6(six);
  return ip6 === undefined ? undefined : { family: 6, address: formatIpv6(ip6), port: port || undefined };
}

/** The address and port as they are printed. */
export function endpointText({ family, address, port }: Endpoint): string {
  if (port === undefined) return address;
  return family === 4 ? `${address}:${port}` : `[${address}]:${port}`;
}
