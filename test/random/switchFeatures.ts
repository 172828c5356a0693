/** What a switch of a random network may have beside ports and plain ACLs: each kind is commands of ovn-nbctl, one a line. */
import { chassisGroup } from "./chassisGroup.ts";
import type { Feature } from "./features.ts";
import type { RandomNetwork } from "./network.ts";
import type { Chance } from "./xorshift.ts";

type Switch = RandomNetwork["switches"][number];
type Port = Switch["ports"][number];

const vifsOf = ({ ports }: Switch): Port[] => ports.filter(({ kind }) => kind === "vif");

function somePort(network: RandomNetwork, chance: Chance): Port | undefined {
  const vifs = network.switches.flatMap(vifsOf);
  return vifs.length === 0 ? undefined : chance.pick(vifs);
}

const DIRECTIONS = ["to-lport", "from-lport"] as const;
const MATCHES = ["ip4", "ip6", "ip", "tcp", "udp", "tcp.dst == 80", "icmp4 || icmp6", "ip4.dst == 10.0.0.0/8", "arp", "1"];

const qos: Feature = (network, chance, number, { meters }) => {
  const actions = [
    "dscp=10",
    "dscp=0",
    "mark=7",
    "dscp=20 mark=9",
    ...(meters ? ["rate=1000 burst=2000", "rate=90 dscp=3"] : []),
  ];
  return [
    `qos-add ${chance.pick(network.switches).name} ${chance.pick(DIRECTIONS)} ${100 + number} '${chance.pick(MATCHES)}' ${chance.pick(actions)}`,
  ];
};

/** ACLs of all actions and tiers, of switches and of port groups, with what else may be asked of them. */
const acl: Feature = (network, chance, number) => {
  const groups = [...network.groups.keys()];
  const grouped = groups.length > 0 && chance.percent(40);
  const [table, owner] = grouped ? ["Port_Group", chance.pick(groups)] : ["Logical_Switch", chance.pick(network.switches).name];
  const direction = chance.pick(DIRECTIONS);
  const after = direction === "from-lport" && chance.percent(40);
  const action = chance.pick(["allow", "allow-related", "allow-related", "allow-stateless", "drop", "reject", "pass"]);
  const where = grouped ? `${direction === "to-lport" ? "outport" : "inport"} == @${owner} && ` : "";
  // Of two ACLs of one priority, which counts is open.
  const columns = [
    `priority=${chance.pick([2000, 9000, 15_000, 25_000]) + number}`,
    `direction=${direction}`,
    `match='"${where}${chance.pick(MATCHES)}"'`,
    `action=${action}`,
    `tier=${chance.below(4)}`,
    ...(after ? ["options:apply-after-lb=true"] : []),
    ...chance.some([`label=${1 + number}`], 15),
    ...chance.some(["log=true", "severity=info", `name=acl${number}`], 15),
    ...chance.some(["options:persist-established=true"], action === "allow-related" ? 25 : 0),
    ...chance.some(["options:log-related=true"], 10),
  ];
  return [`--id=@acl${number} create ACL ${columns.join(" ")} -- add ${table} ${owner} acls @acl${number}`];
};

const dhcp: Feature = (network, chance, number) => {
  const port = somePort(network, chance);
  if (port === undefined) return undefined;
  if (port.ip6 !== undefined && chance.percent(40)) {
    const stateless = chance.some(['"dhcpv6_stateless"="true"'], 30).map((text) => ` ${text}`);
    return [
      `--id=@dhcp${number} create DHCP_Options cidr='"${port.ip6.replace(/::.*/, "::/64")}"' options='"server_id"="00:00:00:00:ff:01" "dns_server"="fd00::53"${stateless}' -- set Logical_Switch_Port ${port.name} dhcpv6_options=@dhcp${number}`,
    ];
  }
  if (port.ip4 === undefined) return undefined;
  const server = port.ip4.replace(/\.\d+$/, ".254");
  const more = chance
    .some(
      [
        '"mtu"="1400"',
        '"dns_server"="{8.8.8.8, 1.1.1.1}"',
        '"domain_name"="\\"ovn.org\\""',
        '"classless_static_route"="{10.0.0.0/8,10.0.0.1}"',
      ],
      40,
    )
    .map((text) => ` ${text}`);
  return [
    `--id=@dhcp${number} create DHCP_Options cidr=${server}/24 options='"server_id"="${server}" "server_mac"="00:00:00:00:ff:01" "lease_time"="3600" "router"="${server}"${more.join("")}' -- set Logical_Switch_Port ${port.name} dhcpv4_options=@dhcp${number}`,
  ];
};

const dns: Feature = ({ switches }, chance, number) => {
  const owned = chance.some(["options:ovn-owned=true"], 40);
  return [
    `--id=@dns${number} create DNS records:vm${number}.ovn.org=10.0.0.${number % 250} ${owned.join("")} -- add Logical_Switch ${chance.pick(switches).name} dns_records @dns${number}`,
  ];
};

const multicast: Feature = ({ switches }, chance) => {
  const { name } = chance.pick(switches);
  return [
    `set Logical_Switch ${name} other_config:mcast_snoop=true other_config:mcast_querier=false other_config:mcast_flood_unregistered=${chance.percent(50)}`,
  ];
};

const portOption: Feature = (network, chance) => {
  const ports = network.switches.flatMap((at) => at.ports);
  if (ports.length === 0) return undefined;
  const { name, kind } = chance.pick(ports);
  const own: Record<Port["kind"], readonly string[]> = {
    vif: [
      "receive_multicast=false",
      "force_fdb_lookup=true",
      "disable_arp_nd_rsp=true",
      "pkt_clone_type=mc_unknown",
      "hostname=vm",
    ],
    child: ["force_fdb_lookup=true"],
    localport: ["force_fdb_lookup=true"],
    localnet: ["localnet_learn_fdb=true", "mcast_flood=false"],
    router: [
      "enable_router_port_acl=true",
      "exclude-lb-vips-from-garp=true",
      "arp_proxy='\"0a:00:00:00:07:07 10.0.0.50 fd00::/64\"'",
    ],
  };
  const options = [...own[kind], "mcast_flood=true", "mcast_flood_reports=true"];
  return [`set Logical_Switch_Port ${name} options:${chance.pick(options)}`];
};

const switchOption: Feature = ({ switches }, chance) => {
  const option = chance.pick(["vlan-passthru=true", "broadcast-arps-to-all-routers=false", "enable-stateless-acl-with-lb=true"]);
  return [`set Logical_Switch ${chance.pick(switches).name} other_config:${option}`];
};

const virtualPort: Feature = ({ switches }, chance, number) => {
  const at = chance.pick(switches);
  const parents = vifsOf(at).map(({ name }) => name);
  if (parents.length === 0) return undefined;
  const name = `${at.name}-virtual${number}`;
  const ip = `10.${at.number % 250}.0.${200 + (number % 40)}`;
  return [
    `lsp-add ${at.name} ${name} -- lsp-set-type ${name} virtual -- lsp-set-addresses ${name} '0a:00:00:00:0b:${(number % 200) + 16} ${ip}'`.replace(
      /0b:(\d+)/,
      (_, last: string) => `0b:${Number(last).toString(16)}`,
    ),
    `lsp-set-options ${name} virtual-ip=${ip} virtual-parents=${parents.slice(0, 2).join()}`,
  ];
};

const externalPort: Feature = ({ switches }, chance, number, { chassis }) => {
  const at = chance.pick(switches.filter(({ ports }) => ports.some(({ kind }) => kind === "localnet")));
  if (at === undefined) return undefined;
  const name = `${at.name}-external${number}`;
  const ip = `10.${at.number % 250}.0.${120 + (number % 60)}`;
  return [
    `lsp-add ${at.name} ${name} -- lsp-set-type ${name} external -- lsp-set-addresses ${name} '0a:00:00:00:0c:${(16 + (number % 200)).toString(16)} ${ip}'`,
    `--id=@dhcp${number} create DHCP_Options cidr=${ip}/24 options='"server_id"="${ip}" "server_mac"="00:00:00:00:ff:01" "lease_time"="60"' -- set Logical_Switch_Port ${name} dhcpv4_options=@dhcp${number}`,
    ...chassisGroup(`external${number}`, [chance.pick(chassis)]),
    `set Logical_Switch_Port ${name} ha_chassis_group=@external${number}`,
  ];
};

const forwardingGroup: Feature = ({ switches }, chance, number) => {
  const at = chance.pick(switches);
  const members = vifsOf(at).slice(0, 2);
  if (members.length < 2) return undefined;
  const liveness = chance.percent(30) ? "--liveness " : "";
  return [
    `${liveness}fwd-group-add fwd${number} ${at.name} 10.${at.number % 250}.0.${190 + (number % 9)} 0e:00:00:00:01:${(16 + (number % 200)).toString(16)} ${members.map(({ name }) => name).join(" ")}`,
  ];
};

const mirror: Feature = (network, chance, number) => {
  const [from, to] = [somePort(network, chance), somePort(network, chance)];
  if (from === undefined || to === undefined || from === to) return undefined;
  const rules = chance.percent(60)
    ? [
        `mirror-rule-add mirror${number} 100 'ip4' mirror`,
        `mirror-rule-add mirror${number} 200 'tcp' ${chance.pick(["skip", "mirror"])}`,
      ]
    : [];
  return [
    `mirror-add mirror${number} lport ${chance.pick(["to-lport", "from-lport", "both"])} ${to.name}`,
    ...rules,
    `lsp-attach-mirror ${from.name} mirror${number}`,
  ];
};

/** Two switches that are joined by a pair of ports. */
const joint: Feature = ({ switches }, chance, number) => {
  const [one, other] = [chance.pick(switches), chance.pick(switches)];
  if (one === other) return undefined;
  const [a, b] = [`${one.name}-to${number}`, `${other.name}-to${number}`];
  return [
    [one, a, b],
    [other, b, a],
  ].map(
    ([at, name, peer]) =>
      `lsp-add ${(at as Switch).name} ${name} -- set Logical_Switch_Port ${name} type=switch peer=${peer} addresses=unknown`,
  );
};

const gateway: Feature = ({ switches }, chance, number, { chassis, networkName }) => {
  const name = `l2gateway${number}`;
  return [
    `lsp-add ${chance.pick(switches).name} ${name} -- lsp-set-type ${name} l2gateway -- lsp-set-addresses ${name} unknown`,
    `lsp-set-options ${name} network_name=${networkName(number)} l2gateway-chassis=${chance.pick(chassis)}`,
  ];
};

const copp: Feature = (network, chance, number, { meters }) => {
  if (!meters) return undefined;
  const [table, { name }] = chance.percent(50)
    ? ["Logical_Switch", chance.pick(network.switches)]
    : ["Logical_Router", chance.pick(network.routers)];
  const which = chance.pick(["arp", "nd-na", "reject", "dns", "icmp4-error", "icmp6-error", "dhcpv4-opts", "arp-resolve"]);
  return [
    `--id=@band${number} create Meter_Band action=drop rate=9 -- create Meter name=m${number} unit=pktps bands=@band${number}`,
    `--id=@copp${number} create Copp name=copp${number} meters:${which}=m${number} -- set ${table} ${name} copp=@copp${number}`,
  ];
};

export const switchFeatures: readonly Feature[] = [
  qos,
  qos,
  acl,
  acl,
  acl,
  acl,
  dhcp,
  dns,
  multicast,
  portOption,
  portOption,
  switchOption,
  virtualPort,
  externalPort,
  forwardingGroup,
  mirror,
  joint,
  gateway,
  copp,
];
