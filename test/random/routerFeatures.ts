/** What a router of a random network may have beside ports, plain routes and plain NAT: each kind is commands of ovn-nbctl, one a line. */
import { chassisGroup } from "./chassisGroup.ts";
import type { Feature } from "./features.ts";
import type { RandomNetwork } from "./network.ts";
import type { Chance } from "./xorshift.ts";

type Router = RandomNetwork["routers"][number];

/** An address beside one of the router's own, of a family; undefined where it has none. */
function beside({ ports }: Router, chance: Chance, last: number, six = false): string | undefined {
  const networks = ports.flatMap((port) => port.networks).filter((text) => (six ? text.endsWith("/64") : text.endsWith("/24")));
  if (networks.length === 0) return undefined;
  return six
    ? chance.pick(networks).replace(/::.*$/, `::${last.toString(16)}`)
    : chance.pick(networks).replace(/\.\d+\/24$/, `.${last}`);
}

function somePort({ routers }: RandomNetwork, chance: Chance): Router["ports"][number] | undefined {
  const ports = routers.flatMap((router) => router.ports);
  return ports.length === 0 ? undefined : chance.pick(ports);
}

const policy: Feature = ({ routers }, chance, number) => {
  const router = chance.pick(routers);
  const priority = 31_000 + (number % 900);
  const match = `'${chance.pick(["ip4", "ip4.dst == 10.0.0.0/8", "ip4 && tcp", "ip4.src == 10.0.0.0/9"])}'`;
  const [one, other] = [beside(router, chance, 60), beside(router, chance, 61)];
  if (one === undefined || other === undefined) return undefined;
  return [
    chance.pick([
      `lr-policy-add ${router.name} ${priority} ${match} reroute ${one},${other}`,
      `lr-policy-add ${router.name} ${priority} ${match} reroute ${one} pkt_mark=5`,
      `lr-policy-add ${router.name} ${priority} ${match} allow pkt_mark=7`,
      `lr-policy-add ${router.name} ${priority} ${match} drop`,
      `--chain=c${chance.below(2)} lr-policy-add ${router.name} ${priority} ${match} allow`,
      `--chain=c${chance.below(2)} lr-policy-add ${router.name} ${priority} ${match} reroute ${one}`,
      `lr-policy-add ${router.name} ${priority} ${match} jump c${chance.below(2)}`,
    ]),
  ];
};

/** Routes by groups, tables and sources, watched by BFD, by a port, and to nowhere. */
const route: Feature = ({ routers }, chance, number) => {
  const router = chance.pick(routers);
  const six = chance.percent(30);
  const [one, other] = [beside(router, chance, 62, six), beside(router, chance, 63, six)];
  if (one === undefined || other === undefined) return undefined;
  const prefix = six ? `fd77:${number}::/48` : `10.78.${number % 250}.0/24`;
  const add = (hop: string, ...flags: readonly string[]) => `${flags.join(" ")} lr-route-add ${router.name} ${prefix} ${hop}`;
  const { name } = chance.pick(router.ports);
  return chance.pick([
    () => [add(one, "--ecmp"), add(other, "--ecmp")],
    () => [add(one, "--ecmp-symmetric-reply"), add(other, "--ecmp-symmetric-reply")],
    () => [add(one, "--route-table=t1"), `set Logical_Router_Port ${name} options:route_table=t1`],
    () => [add(one, "--policy=src-ip")],
    () => [`${add(one)} ${name}`],
    () => [`${add(one, "--bfd")} ${name}`],
    () => [add("discard")],
    () => [`--may-exist lr-route-add ${router.name} ${six ? "::/0" : "0.0.0.0/1"} ${one}`],
  ])();
};

const nat: Feature = (network, chance, number) => {
  const router = chance.pick(network.routers);
  const outside = beside(router, chance, 140 + (number % 40));
  const guest = network.guests.length === 0 ? undefined : chance.pick(network.guests);
  if (outside === undefined || guest?.ip4 === undefined) return undefined;
  const type = chance.pick(["snat", "dnat", "dnat_and_snat"] as const);
  const columns = [
    `type=${type}`,
    `external_ip=${outside}`,
    `logical_ip=${guest.ip4}`,
    ...chance.some(["external_port_range=30000-30010"], 25),
    ...chance.some([`match='"tcp"' priority=${1 + (number % 9)}`], 20),
    ...chance.some([`options:add_route=true`], 15),
  ];
  const bound = chance.percent(30) ? [`--id=@ext${number} create Address_Set name=ext${number} addresses=10.0.0.0/9`] : [];
  if (bound.length > 0) columns.push(`${chance.pick(["allowed", "exempted"])}_ext_ips=@ext${number}`);
  return [...bound, `--id=@nat${number} create NAT ${columns.join(" ")} -- add Logical_Router ${router.name} nat @nat${number}`];
};

const routerOption: Feature = ({ routers }, chance) => {
  const option = chance.pick([
    "lb_force_snat_ip=router_ip",
    "lb_force_snat_ip=10.98.0.1",
    "lb_force_snat_ip='\"10.98.0.1 fd98::1\"'",
    "dnat_force_snat_ip=10.97.0.1",
    "ct-commit-all=true",
    "always_learn_from_arp_request=false",
    "dynamic_neigh_routers=true",
    "mcast_relay=true",
    "disable_garp_rarp=true",
  ]);
  return [`set Logical_Router ${chance.pick(routers).name} options:${option}`];
};

const portOption: Feature = (network, chance) => {
  const port = somePort(network, chance);
  if (port === undefined) return undefined;
  const option = chance.pick([
    "options:gateway_mtu=1400",
    "options:gateway_mtu=1400 options:gateway_mtu_bypass=tcp",
    "options:mcast_flood=true",
    "options:prefix_delegation=true",
    "ipv6_ra_configs:address_mode=slaac",
    "ipv6_ra_configs:address_mode=dhcpv6_stateful ipv6_ra_configs:mtu=1400",
    "enabled=false",
  ]);
  return [`set Logical_Router_Port ${port.name} ${option}`];
};

const neighbour: Feature = (network, chance, number) => {
  const router = chance.pick(network.routers);
  const port = router.ports.length === 0 ? undefined : chance.pick(router.ports);
  if (port === undefined) return undefined;
  const ip = chance.percent(70)
    ? port.networks[0]!.replace(/\.\d+\/\d+$/, `.${60 + (number % 40)}`)
    : `'"fd00::${60 + (number % 40)}"'`;
  const override = chance.percent(30);
  return [
    `create Static_MAC_Binding logical_port=${port.name} ip=${ip} mac='"0a:00:00:00:0d:${(16 + (number % 200)).toString(16)}"' override_dynamic_mac=${override}`,
  ];
};

const gatewayGroup: Feature = ({ routers }, chance, number, { chassis }) => {
  const ports = chance.pick(routers).ports.filter(({ attached }) => attached !== undefined);
  if (ports.length === 0) return undefined;
  return [
    ...chassisGroup(`gateways${number}`, chassis),
    `set Logical_Router_Port ${chance.pick(ports).name} ha_chassis_group=@gateways${number}`,
  ];
};

/** On a switch of its own: for a port without addresses, the reference's flow to a relay has whatever was in its memory. */
const relay: Feature = (network, chance, number) => {
  const router = chance.pick(network.routers);
  const server = beside(router, chance, 53);
  if (server === undefined) return undefined;
  const [at, hex] = [`relayed${number}`, (16 + (number % 200)).toString(16)];
  return [
    `ls-add ${at} -- lrp-add ${router.name} ${router.name}-${at} 0a:00:00:00:0e:${hex} 10.99.${number % 200}.1/24`,
    `lsp-add-router-port ${at} ${at}-${router.name} ${router.name}-${at}`,
    `lsp-add ${at} ${at}-guest -- lsp-set-addresses ${at}-guest '0a:00:00:00:0f:${hex} 10.99.${number % 200}.2'`,
    `--id=@relay${number} create DHCP_Relay name=relay${number} servers=${server} -- set Logical_Router_Port ${router.name}-${at} dhcp_relay=@relay${number}`,
    `set Logical_Switch ${at} other_config:dhcp_relay_port=${at}-${router.name}`,
  ];
};

const routing: Feature = (network, chance) => {
  const port = somePort(network, chance);
  const speaker = port?.attached?.ports.find(({ kind }) => kind === "vif");
  if (port === undefined || speaker === undefined) return undefined;
  const protocols = chance.pick(["BGP", "BGP,BFD", "BFD"]);
  return [
    `set Logical_Router_Port ${port.name} options:routing-protocol-redirect=${speaker.name} options:routing-protocols='"${protocols}"'`,
  ];
};

export const routerFeatures: readonly Feature[] = [
  policy,
  policy,
  route,
  route,
  route,
  nat,
  nat,
  routerOption,
  routerOption,
  portOption,
  portOption,
  neighbour,
  gatewayGroup,
  relay,
  routing,
];
