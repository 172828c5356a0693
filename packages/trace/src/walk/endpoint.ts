/** The two ends that a trace is asked about: logical ports, with their addresses, and the devices that they are at. */
import { ipv4Contains, ipv6Contains, parseIpv4, parseIpv4Prefix, parseIpv6, parseIpv6Prefix } from "@weft/packet";
import { WeftError } from "@weft/runtime";
import type { SbRow } from "@weft/schemas";
import type { Cloud, Hypervisor } from "../cloud/cloud.ts";
import { portInterfaces } from "../verify/ports.ts";

type PortBinding = SbRow<"Port_Binding">;

/** Where a port's packets enter and leave a hypervisor. */
export interface Attachment {
  readonly node: Hypervisor;
  readonly device: string;
  /** VLAN of a child port; 0: untagged. */
  readonly tag: number;
}

export interface Endpoint {
  readonly name: string;
  readonly row: PortBinding;
  readonly mac: string;
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
  readonly attachments: readonly Attachment[];
}

export class TraceQuestionError extends WeftError {
  constructor(message: string) {
    super("trace.question", message, { blame: "caller" });
  }
}

/** A port by its name, a name that a CMS gave it, or the beginning of its name where that is a uuid. */
export function findPort({ sb }: Cloud, text: string): PortBinding | undefined {
  const rows = [...(sb?.table("Port_Binding").rows() ?? [])];
  const exact = rows.find(({ logical_port }) => logical_port === text);
  if (exact !== undefined) return exact;
  const named = rows.filter(
    ({ external_ids, logical_port }) =>
      external_ids.get("neutron:port_name") === text ||
      external_ids.get("name") === text ||
      (/^[0-9a-f]{4,}[0-9a-f-]*$/.test(text) && /^[0-9a-f]{8}-/.test(logical_port) && logical_port.startsWith(text)),
  );
  const [only, ...others] = named;
  if (others.length > 0)
    throw new TraceQuestionError(`${text} names several ports: ${named.map(({ logical_port }) => logical_port).join(", ")}`);
  return only;
}

export function endpointOf(cloud: Cloud, text: string): Endpoint {
  const row = findPort(cloud, text);
  if (row === undefined) throw new TraceQuestionError(`there is no port ${text}`);
  const { mac, ips } = addressesOf(cloud, row);
  const name = row.logical_port;
  const at = row.parent_port || name;
  const tag = row.parent_port ? Number(row.tag ?? 0) : 0;
  const attachments = cloud.hypervisors
    .flatMap(portInterfaces)
    .filter(({ port }) => port === at)
    .map(({ hypervisor: node, name: device }) => ({ node, device, tag }));
  return {
    name,
    row,
    mac,
    ipv4: ips.find((ip) => parseIpv4(ip) !== undefined),
    ipv6: ips.find((ip) => parseIpv6(ip) !== undefined),
    attachments,
  };
}

/** The first address of a port: of Port_Binding.mac, else what the northbound says of a dynamic one, else port security's. */
function addressesOf({ nb }: Cloud, row: PortBinding): { readonly mac: string; readonly ips: readonly string[] } {
  const dynamic = [...(nb?.table("Logical_Switch_Port").rows() ?? [])].find(({ name }) => name === row.logical_port);
  const texts = [...row.mac, dynamic?.dynamic_addresses ?? "", ...row.port_security];
  for (const text of texts) {
    const [mac = "", ...ips] = text.trim().split(/\s+/);
    if (/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac))
      return { mac: mac.toLowerCase(), ips: ips.map((ip) => ip.split("/")[0] ?? ip) };
  }
  throw new TraceQuestionError(
    `port ${row.logical_port} has no address that is known: say what it sends with eth.src and ip4.src or ip6.src`,
  );
}

export interface RouterPort {
  readonly name: string;
  readonly mac: string;
  /** "10.0.0.254/24" */
  readonly networks: readonly string[];
}

/** The router ports on a switch's datapath. */
export function routerPortsOn({ sb }: Cloud, datapath: string): RouterPort[] {
  if (sb === undefined) return [];
  const byName = new Map([...sb.table("Port_Binding").rows()].map((row) => [row.logical_port, row]));
  return [...byName.values()].flatMap((row) => {
    const peer = row.options.get("peer");
    if (row.datapath !== datapath || peer === undefined) return [];
    const [text = ""] = byName.get(peer)?.mac ?? [];
    const [mac = "", ...networks] = text.split(/\s+/);
    return mac === "" ? [] : [{ name: peer, mac, networks }];
  });
}

/** The router port that a guest with this address has as its gateway: the one whose network the address is in. */
export function gatewayFor(ports: readonly RouterPort[], ip: string): RouterPort | undefined {
  const inside = ports.find(({ networks }) => networks.some((network) => contains(network, ip)));
  return inside ?? ports[0];
}

/** Whether an address is in a network ("10.0.0.254/24"). */
function contains(network: string, ip: string): boolean {
  const [v4, v6] = [parseIpv4(ip), parseIpv6(ip)];
  const [net4, net6] = [parseIpv4Prefix(network), parseIpv6Prefix(network)];
  if (v4 !== undefined) return net4 !== undefined && ipv4Contains(net4, v4);
  return v6 !== undefined && net6 !== undefined && ipv6Contains(net6, v6);
}
