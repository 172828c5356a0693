/** Names that tcpdump prints for numbers. */

const SERVICES: Readonly<Record<string, readonly [number, string][]>> = {
  both: [
    [7, "echo"],
    [9, "discard"],
    [13, "daytime"],
    [37, "time"],
    [49, "tacacs"],
    [53, "domain"],
    [88, "kerberos"],
    [111, "sunrpc"],
    [161, "snmp"],
    [162, "snmp-trap"],
    [389, "ldap"],
    [443, "https"],
    [636, "ldaps"],
    [853, "domain-s"],
    [2049, "nfs"],
    [5060, "sip"],
  ],
  tcp: [
    [80, "http"],
    [3306, "mysql"],
    [5432, "postgresql"],
    [20, "ftp-data"],
    [21, "ftp"],
    [22, "ssh"],
    [23, "telnet"],
    [25, "smtp"],
    [70, "gopher"],
    [79, "finger"],
    [110, "pop3"],
    [119, "nntp"],
    [143, "imap2"],
    [179, "bgp"],
    [873, "rsync"],
    [993, "imaps"],
    [995, "pop3s"],
    [2000, "cisco-sccp"],
    [5222, "xmpp-client"],
    [8080, "http-alt"],
  ],
  udp: [
    [123, "ntp"],
    [5353, "mdns"],
    [67, "bootps"],
    [68, "bootpc"],
    [69, "tftp"],
    [500, "isakmp"],
    [514, "syslog"],
    [520, "route"],
    [546, "dhcpv6-client"],
    [547, "dhcpv6-server"],
    [4500, "ipsec-nat-t"],
  ],
  sctp: [],
};

const services = new Map<string, string>();
for (const [protocol, rows] of Object.entries(SERVICES))
  for (const [port, name] of rows)
    for (const of of protocol === "both" ? ["tcp", "udp"] : [protocol]) services.set(`${of}/${port}`, name);

/** The service's name as in services(5), for common services. */
export function portName(protocol: "tcp" | "udp" | "sctp", port: number): string | undefined {
  return services.get(`${protocol}/${port}`);
}

/** The number of a service's name. */
export function portNumber(name: string): { readonly tcp?: number; readonly udp?: number; readonly sctp?: number } | undefined {
  const found: { tcp?: number; udp?: number; sctp?: number } = {};
  for (const [key, value] of services) {
    if (value !== name) continue;
    const [protocol, port] = key.split("/") as ["tcp" | "udp" | "sctp", string]; // keys are made so above
    found[protocol] = Number(port);
  }
  return Object.keys(found).length > 0 ? found : undefined;
}

const OUIS = new Map<number, string>([
  [0x000000, "Ethernet"],
  [0x00000c, "Cisco"],
  [0x0000f8, "Cisco"],
  [0x00a0f8, "Zebra"],
  [0x000393, "Apple"],
  [0x00e02b, "Extreme"],
  [0x001018, "Broadcom"],
  [0x0080c2, "Ethernet bridged"],
]);

export function ouiName(oui: number): string {
  return OUIS.get(oui) ?? "Unknown";
}

/** EtherTypes as tcpdump names them. */
export const ETHERTYPE_NAMES = new Map<number, string>([
  [0x0800, "IPv4"],
  [0x0806, "ARP"],
  [0x8035, "Reverse ARP"],
  [0x86dd, "IPv6"],
  [0x8100, "802.1Q"],
  [0x88a8, "802.1Q-QinQ"],
  [0x9100, "802.1Q-9100"],
  [0x9200, "802.1Q-9200"],
  [0x6558, "TEB"],
  [0x6559, "Frame Relay"],
  [0x8847, "MPLS unicast"],
  [0x8848, "MPLS multicast"],
  [0x8863, "PPPoE D"],
  [0x8864, "PPPoE S"],
  [0x880b, "PPP"],
  [0x8808, "MPCP"],
  [0x8809, "Slow Protocols"],
  [0x888e, "EAPOL"],
  [0x8899, "Realtek"],
  [0x88cc, "LLDP"],
  [0x88f7, "PTP"],
  [0x8902, "CFM"],
  [0x9000, "Loopback"],
  [0x8906, "FCoE"],
  [0x88a2, "AoE"],
  [0x88e5, "MACsec"],
  [0x894f, "NSH"],
  [0x8137, "NS"],
  [0x0600, "NS"],
  [0x0bad, "Vines"],
  [0x6003, "DN"],
  [0x6004, "LAT"],
  [0x809b, "Appletalk"],
  [0x80f3, "Appletalk ARP"],
  [0x9003, "Loopback"],
]);

/** IP protocol numbers as tcpdump names them in verbose headers. */
export const IP_PROTOCOL_NAMES = new Map<number, string>([
  [0, "Options"],
  [1, "ICMP"],
  [2, "IGMP"],
  [4, "IPIP"],
  [6, "TCP"],
  [8, "EGP"],
  [9, "IGRP"],
  [17, "UDP"],
  [41, "IPv6"],
  [43, "Routing"],
  [44, "Fragment"],
  [46, "RSVP"],
  [47, "GRE"],
  [50, "ESP"],
  [51, "AH"],
  [55, "Mobile IP"],
  [58, "ICMPv6"],
  [88, "EIGRP"],
  [89, "OSPF"],
  [103, "PIM"],
  [108, "Compressed IP"],
  [112, "VRRP"],
  [113, "PGM"],
  [132, "SCTP"],
  [135, "Mobility"],
]);

/** protocols(5) names, printed for what tcpdump has no printer for. */
const PROTOCOLS = new Map<number, string>([
  [1, "icmp"],
  [2, "igmp"],
  [6, "tcp"],
  [17, "udp"],
  [47, "gre"],
  [50, "esp"],
  [51, "ah"],
  [58, "ipv6-icmp"],
  [89, "ospf"],
  [132, "sctp"],
  [253, "exptest-253"],
  [254, "exptest-254"],
]);

export function protocolName(protocol: number, numeric: boolean): string {
  return (numeric ? undefined : PROTOCOLS.get(protocol)) ?? `ip-proto-${protocol}`;
}
