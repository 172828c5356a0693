/** Addresses that contradict each other: learned neighbours, ports, DHCP. */
import { ipv4Contains, ipv6Contains, ipv6Of, parseIpv4, parseIpv4Prefix, parseIpv6, parseIpv6Prefix } from "@weft/packet";
import type { NbRow } from "@weft/schemas";
import type { Cloud } from "../cloud/cloud.ts";
import type { Finding } from "./findings.ts";

interface PortAddresses {
  readonly port: string;
  readonly mac: string;
  readonly ips: readonly string[];
}

/** The static and dynamic addresses of a switch port: one entry for each Ethernet address. */
export function addressesOf({ name, addresses, dynamic_addresses }: NbRow<"Logical_Switch_Port">): PortAddresses[] {
  const texts = addresses.flatMap((text) => (text.startsWith("dynamic") ? (dynamic_addresses ?? []) : [text]));
  return texts.flatMap((text) => {
    const [mac = "", ...ips] = text.split(/\s+/);
    if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac)) return [];
    return [{ port: name, mac: mac.toLowerCase(), ips: ips.map((ip) => canonicalIp(ip)) }];
  });
}

/** One text for each IPv6 address. */
export function canonicalIp(text: string): string {
  const [address = ""] = text.split("/");
  if (parseIpv4(address) !== undefined) return address;
  const v6 = parseIpv6(address);
  return v6 === undefined ? address : `v6 ${v6}`;
}

const shownIp = (text: string, given: string): string => (text.startsWith("v6 ") ? given : text);

export function* verifyAddresses(cloud: Cloud): Generator<Finding> {
  const { nb } = cloud;
  if (nb === undefined) return;
  for (const { name, ports } of nb.table("Logical_Switch").rows()) {
    const rows = ports.flatMap((uuid) => nb.table("Logical_Switch_Port").get(uuid) ?? []);
    yield* duplicates(
      `switch ${name}`,
      rows.flatMap((row) => addressesOf(row).map((one) => ({ ...one, row }))),
    );
  }
  yield* verifyNeighbours(cloud);
  yield* verifyDhcp(cloud);
}

type Addressed = PortAddresses & { readonly row: NbRow<"Logical_Switch_Port"> };

function* duplicates(where: string, all: readonly Addressed[]): Generator<Finding> {
  const ips = new Map<string, Addressed>();
  const macs = new Map<string, Addressed>();
  for (const one of all) {
    const twin = macs.get(one.mac);
    if (twin !== undefined && twin.port !== one.port) {
      yield {
        code: "duplicate-mac",
        subject: `${one.mac} in ${where}`,
        detail: `ports ${twin.port} and ${one.port} both have it`,
        rows: [twin.row, one.row].map(({ _uuid }) => `Logical_Switch_Port ${_uuid}`),
      };
    }
    macs.set(one.mac, one);
    for (const [i, ip] of one.ips.entries()) {
      const other = ips.get(ip);
      if (other !== undefined && other.port !== one.port) {
        yield {
          code: "duplicate-address",
          subject: `${shownIp(ip, one.row.addresses.join(" ").split(/\s+/)[i + 1] ?? ip)} in ${where}`,
          detail: `ports ${other.port} (${other.mac}) and ${one.port} (${one.mac}) both have it`,
          rows: [other.row, one.row].map(({ _uuid }) => `Logical_Switch_Port ${_uuid}`),
        };
      }
      ips.set(ip, one);
    }
  }
}

/** MAC_Binding rows against the addresses of the ports on the other side of the router port. */
function* verifyNeighbours({ nb, sb, hosts }: Cloud): Generator<Finding> {
  if (nb === undefined || sb === undefined) return;
  const switchOf = new Map<string, NbRow<"Logical_Switch">>();
  for (const row of nb.table("Logical_Switch").rows()) {
    for (const uuid of row.ports) {
      const port = nb.table("Logical_Switch_Port").get(uuid);
      const peer = port?.options.get("router-port");
      if (port?.type === "router" && peer !== undefined) switchOf.set(peer, row);
    }
  }
  for (const row of sb.table("MAC_Binding").rows()) {
    const there = switchOf.get(row.logical_port);
    if (there === undefined) continue;
    const ports = there.ports.flatMap((uuid) => nb.table("Logical_Switch_Port").get(uuid) ?? []);
    const known = ports.flatMap(addressesOf);
    const ip = canonicalIp(row.ip);
    const owner = known.find(({ ips }) => ips.includes(ip));
    const mac = row.mac.toLowerCase();
    const rows = [`MAC_Binding ${row._uuid}`];
    const subject = `neighbour ${row.ip} of ${row.logical_port}`;
    if (owner !== undefined && owner.mac !== mac) {
      const detail = `learned at ${row.mac}; port ${owner.port} of switch ${there.name} has the address at ${owner.mac}`;
      yield { code: "neighbour-contradicts-port", subject, detail, rows };
      continue;
    }
    const host = hosts.find(({ ips }) => ips.some((one) => canonicalIp(one) === ip));
    if (host !== undefined && !hosts.some((one) => one.mac === mac && one.ips.some((other) => canonicalIp(other) === ip))) {
      const detail = `learned at ${row.mac}; ${host.device} of ${host.machine} has the address at ${host.mac}`;
      yield { code: "neighbour-contradicts-port", subject, detail, rows };
      continue;
    }
    // Behind a physical network, a router, or a port whose guests use any address there may be anyone.
    const open = ports.some(
      ({ type, addresses }) =>
        ["localnet", "router", "l2gateway", "vtep", "remote"].includes(type) || addresses.includes("unknown"),
    );
    const foreign = ports.some(({ type, options }) => type === "router" && options.get("router-port") !== row.logical_port);
    const others = ports.some(({ type }) => type === "localnet" || type === "l2gateway" || type === "vtep" || type === "remote");
    if (
      known.some((one) => one.mac === mac) ||
      others ||
      foreign ||
      (open && ports.some(({ addresses }) => addresses.includes("unknown")))
    )
      continue;
    const detail = `learned at ${row.mac}, which no port of switch ${there.name} has`;
    yield { code: "neighbour-unknown", subject, detail, rows };
  }
}

/** Whether an address, in the form of {@link canonicalIp}, is in a network. */
function isWithin(cidr: string, ip: string): boolean {
  const [net4, net6] = [parseIpv4Prefix(cidr), parseIpv6Prefix(cidr)];
  const v4 = parseIpv4(ip);
  if (net4 !== undefined) return v4 !== undefined && ipv4Contains(net4, v4);
  return net6 !== undefined && ip.startsWith("v6 ") && ipv6Contains(net6, ipv6Of(BigInt(ip.slice(3))));
}

/** What ovn-controller needs for an answer (ovn-nb(5), DHCP_Options). */
const NEEDED = { v4: ["server_id", "server_mac", "lease_time"], v6: ["server_id"] } as const;

function* verifyDhcp({ nb }: Cloud): Generator<Finding> {
  if (nb === undefined) return;
  const all = [...nb.table("Logical_Switch_Port").rows()];
  const used = new Set(all.flatMap(({ dhcpv4_options: v4, dhcpv6_options: v6 }) => [v4, v6]));
  for (const row of nb.table("DHCP_Options").rows()) {
    if (used.has(row._uuid)) continue;
    const within = all.filter(
      (port) => port.type === "" && addressesOf(port).some(({ ips }) => ips.some((ip) => isWithin(row.cidr, ip))),
    );
    if (within.length === 0) continue;
    yield {
      code: "dhcp-incomplete",
      subject: `DHCP options of ${row.cidr}`,
      detail: `no port has them; ${within.map(({ name }) => name).join(", ")} ${within.length === 1 ? "has an address" : "have addresses"} in the network`,
      rows: [`DHCP_Options ${row._uuid}`, ...within.map(({ _uuid }) => `Logical_Switch_Port ${_uuid}`)],
    };
  }
  for (const row of nb.table("DHCP_Options").rows()) {
    const missing = NEEDED[row.cidr.includes(":") ? "v6" : "v4"].filter((option) => !row.options.has(option));
    if (missing.length === 0) continue;
    yield {
      code: "dhcp-incomplete",
      subject: `DHCP options of ${row.cidr}`,
      detail: `without ${missing.join(", ")}`,
      rows: [`DHCP_Options ${row._uuid}`],
    };
  }
  for (const { name, ports } of nb.table("Logical_Switch").rows()) {
    const guests = ports
      .flatMap((uuid) => nb.table("Logical_Switch_Port").get(uuid) ?? [])
      .filter((port) => port.type === "" && addressesOf(port).length > 0);
    for (const [column, family] of [
      ["dhcpv4_options", 4],
      ["dhcpv6_options", 6],
    ] as const) {
      const has = (port: NbRow<"Logical_Switch_Port">): boolean =>
        addressesOf(port).some(({ ips }) => ips.some((ip) => ip.startsWith("v6 ") === (family === 6)));
      const concerned = guests.filter(has);
      const without = concerned.filter((port) => port[column] === undefined);
      if (without.length === 0 || without.length === concerned.length) continue;
      yield {
        code: "dhcp-incomplete",
        subject: `switch ${name}`,
        detail: `${without.map((port) => port.name).join(", ")} without ${column}, which other ports of the switch have`,
        rows: without.map(({ _uuid }) => `Logical_Switch_Port ${_uuid}`),
      };
    }
  }
}
