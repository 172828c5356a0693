/** Answers DHCP requests of ports (ovn-northd(8), "DHCP option processing" and "DHCP response processing"; ovn-nb(5), DHCP_Options). */
import { each, type Read } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { formatIpv6, ipv4Network, ipv6Network, linkLocalOfMac, parseIpv4Prefix, parseIpv6Prefix, parseMac } from "@weft/packet";
import type { NbRow } from "@weft/schemas";
import { type Flow, flow } from "../flow.ts";
import { type Address4, type Address6, address4, type PortAddress } from "../model/addresses.ts";
import { switchConfig } from "../model/config.ts";
import { metered } from "../model/copp.ts";
import { nb } from "../model/nb.ts";
import { type SwitchPort, switchPort, switchPorts } from "../model/switchPort.ts";
import { LS_IN_DHCP_OPTIONS, LS_IN_DHCP_RESPONSE, LS_OUT_ACL_EVAL } from "../stages.ts";

type DhcpOptions = NbRow<"DHCP_Options">;

export const dhcp = each("switch/dhcp", nb.Logical_Switch_Port, function* (uuid, row, read): Iterable<Flow> {
  const port = read(switchPort, uuid);
  if (port === undefined || !port.enabled || port.type === "router") return;
  // Requests go to the relay, whether there is one or not.
  if (read(switchConfig, port.datapath).has("dhcp_relay_port")) return;
  const four = optionsOf(row.dhcpv4_options, read);
  const six = optionsOf(row.dhcpv6_options, read);
  if (four === undefined && six === undefined) return;
  for (const from of senders(port, row, read)) {
    for (const address of port.addresses) {
      if (four !== undefined) yield* dhcp4(port, from, address, four, read);
      if (six !== undefined) yield* dhcp6(port, from, address, six, read);
    }
  }
});

function optionsOf(uuid: Uuid | undefined, read: Read): DhcpOptions | undefined {
  return uuid === undefined ? undefined : read(nb.DHCP_Options, uuid);
}

interface Sender {
  readonly port: SwitchPort;
  /** What else a request must be like. */
  readonly where: string;
}

/** Requests of an external port come in by the switch's localnet ports, and are answered by the chassis that has the port. */
function senders(port: SwitchPort, row: NbRow<"Logical_Switch_Port">, read: Read): readonly Sender[] {
  if (port.type !== "external") return [{ port, where: "" }];
  if (row.ha_chassis_group === undefined) return [];
  return read(switchPorts, port.datapath)
    .filter((other) => other.type === "localnet")
    .map((localnet) => ({ port: localnet, where: ` && is_chassis_resident(${port.json})` }));
}

function* dhcp4(port: SwitchPort, from: Sender, address: PortAddress, row: DhcpOptions, read: Read): Iterable<Flow> {
  const cidr = parseIpv4Prefix(row.cidr);
  const server = row.options.get("server_id");
  const mac = row.options.get("server_mac");
  if (cidr === undefined || server === undefined || mac === undefined || !row.options.has("lease_time")) return;
  const offered = address.ip4.find(({ ip }: Address4) => ipv4Network({ address: ip, length: cidr.length }) === ipv4Network(cidr));
  if (offered === undefined) return;
  const options = new Map(row.options);
  options.delete("server_mac");
  const hostname = port.options.get("hostname");
  if (hostname !== undefined) options.set("hostname", hostname);
  const pairs = [["netmask", address4(cidr).netmask] as const, ...options].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const list = [["offerip", offered.text] as const, ...pairs].map(([name, value]) => `${name} = ${value}`);
  const client = `inport == ${from.port.json} && eth.src == ${address.macText}`;
  const ports = "udp.src == 68 && udp.dst == 67";
  const own = { hint: port.uuid, port: from.port.name };
  yield flow(
    port.datapath,
    LS_IN_DHCP_OPTIONS,
    100,
    `${client} && (ip4.src == {${offered.text}, 0.0.0.0} && ip4.dst == {${server}, 255.255.255.255}) && ${ports}${from.where}`,
    `reg0[3] = put_dhcp_opts(${list.join(", ")}); next;`,
    { ...own, ...metered(port.datapath, "dhcpv4-opts", read) },
  );
  yield flow(
    port.datapath,
    LS_IN_DHCP_RESPONSE,
    100,
    `${client} && ip4 && ${ports} && reg0[3]${from.where}`,
    `eth.dst = eth.src; eth.src = ${mac}; ip4.src = ${server}; udp.src = 67; udp.dst = 68; ` +
      "outport = inport; flags.loopback = 1; output;",
    own,
  );
  yield* allowAnswer(port, `eth.src == ${mac} && ip4.src == ${server} && udp && udp.src == 67 && udp.dst == 68`);
}

function* dhcp6(port: SwitchPort, from: Sender, address: PortAddress, row: DhcpOptions, read: Read): Iterable<Flow> {
  const cidr = parseIpv6Prefix(row.cidr);
  const mac = parseMac(row.options.get("server_id") ?? "");
  if (cidr === undefined || mac === undefined) return;
  const offered = address.ip6.find(({ ip }: Address6) => ipv6Network({ address: ip, length: cidr.length }) === ipv6Network(cidr));
  if (offered === undefined) return;
  const server = formatIpv6(linkLocalOfMac(mac));
  const serverMac = row.options.get("server_id")!;
  const options = new Map(row.options);
  options.delete("dhcpv6_stateless");
  const pairs = [...options].sort(([a], [b]) => (a < b ? -1 : 1));
  const stateful = row.options.get("dhcpv6_stateless") !== "true";
  const list = [...(stateful ? [["ia_addr", offered.text] as const] : []), ...pairs].map(([name, value]) => `${name} = ${value}`);
  const request =
    `inport == ${from.port.json} && eth.src == ${address.macText} && ip6.mcast && ip6.dst == ff02::1:2 && ` +
    "udp.src == 546 && udp.dst == 547";
  const own = { hint: port.uuid, port: from.port.name };
  yield flow(
    port.datapath,
    LS_IN_DHCP_OPTIONS,
    100,
    `${request}${from.where}`,
    `reg0[3] = put_dhcpv6_opts(${list.join(", ")}); next;`,
    { ...own, ...metered(port.datapath, "dhcpv6-opts", read) },
  );
  yield flow(
    port.datapath,
    LS_IN_DHCP_RESPONSE,
    100,
    `${request}${from.where} && reg0[3]`,
    `eth.dst = eth.src; eth.src = ${serverMac}; ip6.dst = ip6.src; ip6.src = ${server}; udp.src = 547; udp.dst = 546; ` +
      "outport = inport; flags.loopback = 1; output;",
    own,
  );
  yield* allowAnswer(port, `eth.src == ${serverMac} && ip6.src == ${server} && udp && udp.src == 547 && udp.dst == 546`);
}

/** Whatever ACLs say, the answer reaches the port. */
function* allowAnswer(port: SwitchPort, answer: string): Iterable<Flow> {
  if (port.type === "external") return;
  const match = `outport == ${port.json} && ${answer}`;
  yield flow(port.datapath, LS_OUT_ACL_EVAL, 34000, match, "reg8[16] = 1; next;", { hint: port.uuid, port: port.name });
}
