/** The NAT rules of a router, parsed (ovn-nb(5), table NAT). */
import { derive, type Read, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import {
  formatIpv6,
  ipv4Contains,
  ipv6Contains,
  parseIpv4Prefix,
  parseIpv6Prefix,
  parseMac,
  solicitedNodeOf,
} from "@weft/packet";
import type { NbRow } from "@weft/schemas";
import { quoted } from "../flow.ts";
import { centralised } from "./centralised.ts";
import { listOfRouter, nb, routers, switchPortsByName } from "./nb.ts";
import { gatewayPorts, type RouterPort, routerPort } from "./routerPort.ts";

export interface Nat {
  readonly uuid: Uuid;
  readonly type: "snat" | "dnat" | "dnat_and_snat";
  readonly family: 4 | 6;
  /** As configured: it may have a prefix length. */
  readonly external: string;
  /** Without one. */
  readonly externalIp: string;
  readonly solicitedNode: string | undefined;
  readonly logical: string;
  readonly logicalLength: number;
  /** It names a logical port, and a MAC address for it to be known by. */
  readonly local: LocalPort | undefined;
  /** The same where the rule is indeed handled on the chassis of the logical port. */
  readonly distributed: LocalPort | undefined;
  readonly externalMac: string | undefined;
  readonly gateway: RouterPort | undefined;
  readonly stateless: boolean;
  readonly portRange: string;
  /** Names of address sets. */
  readonly allowed: string | undefined;
  readonly exempted: string | undefined;
  readonly match: string;
  readonly priority: number;
  readonly addRoute: boolean;
}

interface LocalPort {
  readonly portName: string;
  readonly portJson: string;
  readonly mac: string;
  /** It may be on no chassis at all. */
  readonly virtual: boolean;
}

export interface Nats {
  /** By uuid. */
  readonly rules: readonly Nat[];
  readonly problems: readonly string[];
}

export const nats = derive(
  "nats",
  (router: Uuid, read): Nats => {
    const rules: Nat[] = [];
    const problems: string[] = [];
    const row = read(routers, router);
    for (const uuid of row === undefined ? [] : [...read(listOfRouter.nat, router)].sort()) {
      const nat = read(nb.NAT, uuid);
      if (nat === undefined) continue;
      const parsed = parse(nat, router, row!, read);
      if (typeof parsed === "string") problems.push(`${parsed} for router ${row!.name}`);
      else rules.push(parsed);
    }
    return { rules, problems };
  },
  { equals: sameContent },
);

/** What every rule of a router's that names a logical port and a MAC address names, also of rules that have no gateway. */
export const localRules = derive(
  "localNatRules",
  (router: Uuid, read): readonly Pick<LocalPort, "portJson" | "mac">[] =>
    read(listOfRouter.nat, router).flatMap((uuid) => {
      const nat = read(nb.NAT, uuid);
      if (nat?.type !== "dnat_and_snat" || nat.logical_port === undefined || nat.external_mac === undefined) return [];
      return parseMac(nat.external_mac) === undefined ? [] : [{ portJson: quoted(nat.logical_port), mac: nat.external_mac }];
    }),
  { equals: sameContent },
);

/** Addresses that many hosts behind a router share as source. */
export const snatAddresses = derive(
  "snatAddresses",
  (router: Uuid, read): ReadonlySet<string> =>
    new Set(read(nats, router).rules.flatMap(({ type, externalIp }) => (type === "snat" ? [externalIp] : []))),
  { equals: sameContent },
);

interface Prefix {
  readonly family: 4 | 6;
  readonly length: number;
}

function prefixOf(text: string): Prefix | undefined {
  const four = parseIpv4Prefix(text);
  if (four !== undefined) return { family: 4, length: four.length };
  const six = parseIpv6Prefix(text);
  return six === undefined ? undefined : { family: 6, length: six.length };
}

function parse(nat: NbRow<"NAT">, router: Uuid, row: Pick<NbRow<"Logical_Router">, "options">, read: Read): Nat | string {
  const type = nat.type as Nat["type"];
  const external = prefixOf(nat.external_ip);
  const logical = prefixOf(nat.logical_ip);
  if (external === undefined) return `bad ip address ${nat.external_ip} in nat configuration`;
  if (logical === undefined || logical.family !== external.family || (type !== "snat" && !single(logical))) {
    return `bad ip network or ip ${nat.logical_ip} in nat configuration`;
  }
  if (nat.allowed_ext_ips !== undefined && nat.exempted_ext_ips !== undefined) {
    return `NAT rule: ${nat._uuid} not applied, since both allowed and exempt external ips set`;
  }
  const ports = read(gatewayPorts, router);
  const gateway = row.options.has("chassis") ? undefined : gatewayOf(nat, ports, read);
  if ((ports.length > 0 || nat.gateway_port !== undefined) && gateway === undefined) {
    return `Unable to determine gateway_port for NAT with external_ip: ${nat.external_ip}`;
  }
  const mac = nat.external_mac === undefined ? undefined : parseMac(nat.external_mac);
  const local: LocalPort | undefined =
    gateway !== undefined && type === "dnat_and_snat" && mac !== undefined && nat.logical_port !== undefined
      ? {
          portName: nat.logical_port,
          portJson: quoted(nat.logical_port),
          mac: nat.external_mac!,
          virtual: isVirtual(nat.logical_port, read),
        }
      : undefined;
  const externalIp = nat.external_ip.replace(/\/.*$/, "");
  const six = external.family === 6 ? parseIpv6Prefix(nat.external_ip) : undefined;
  return {
    uuid: nat._uuid,
    type,
    family: external.family,
    external: nat.external_ip,
    externalIp,
    solicitedNode: six && formatIpv6(solicitedNodeOf(six.address)),
    logical: nat.logical_ip,
    logicalLength: logical.length,
    local,
    distributed: gateway !== undefined && read(centralised, gateway.uuid) === undefined ? local : undefined,
    externalMac: mac === undefined ? undefined : nat.external_mac,
    gateway,
    stateless: type === "dnat_and_snat" && nat.options.get("stateless") === "true",
    portRange: nat.external_port_range === "" ? "" : `,${nat.external_port_range}`,
    allowed: setName(nat.allowed_ext_ips, read),
    exempted: setName(nat.exempted_ext_ips, read),
    match: nat.match,
    priority: nat.priority,
    addRoute: nat.options.get("add_route") === "true",
  };
}

function single({ family, length }: Prefix): boolean {
  return length === (family === 4 ? 32 : 128);
}

function isVirtual(name: string, read: Read): boolean {
  const uuid = read(switchPortsByName, name)[0];
  return uuid !== undefined && read(nb.Logical_Switch_Port, uuid)?.type === "virtual";
}

function setName(uuid: Uuid | undefined, read: Read): string | undefined {
  return uuid === undefined ? undefined : read(nb.Address_Set, uuid)?.name;
}

/** The gateway port that a rule works on: the one that it names, the only one, or the one with the external address's network. */
function gatewayOf(nat: NbRow<"NAT">, ports: readonly RouterPort[], read: Read): RouterPort | undefined {
  if (nat.gateway_port !== undefined) {
    const named = read(routerPort, nat.gateway_port);
    return named !== undefined && ports.includes(named) ? named : undefined;
  }
  if (ports.length === 1) return ports[0];
  return ports.find((port) => onLink(port, nat.external_ip));
}

/** Whether a port has a network with the address. */
export function onLink(port: RouterPort, text: string): boolean {
  const four = parseIpv4Prefix(text);
  if (four !== undefined) {
    return port.address.ip4.some(({ ip, length }) => ipv4Contains({ address: ip, length }, four.address));
  }
  const six = parseIpv6Prefix(text);
  return six !== undefined && port.address.ip6.some(({ ip, length }) => ipv6Contains({ address: ip, length }, six.address));
}
