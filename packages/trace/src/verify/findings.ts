/**
 * Everything that verify can find. The codes are stable: scripts and people refer to them. docs/findings.md is this table.
 */
export type Severity = "error" | "warning";

export interface FindingKind {
  readonly severity: Severity;
  /** What is the case. */
  readonly title: string;
  /** What does not work because of it. */
  readonly breaks: string;
  readonly mend: string;
}

export const FINDING_KINDS = {
  "flow-missing": {
    severity: "error",
    title: "a flow that the databases ask for is not in the switch",
    breaks: "Packets that need the flow meet another one, or none, and are dropped or go astray.",
    mend: "See that ovn-controller runs and is connected (ovn-appctl connection-status), then `ovn-appctl inc-engine/recompute`; if the flow stays away, restart ovn-controller.",
  },
  "flow-extra": {
    severity: "error",
    title: "a flow is in the switch that nothing in the databases asks for",
    breaks: "Packets may match it in place of the flow that is meant for them.",
    mend: "`ovs-ofctl del-flows --strict br-int 'TABLE,PRIORITY,MATCH'`, or restart ovn-controller; find out who added it (its cookie names no logical flow).",
  },
  "flow-altered": {
    severity: "error",
    title: "a flow in the switch does something else than the databases ask for",
    breaks: "Packets that match it are treated differently from what the logical network says.",
    mend: "`ovn-appctl inc-engine/recompute`, or restart ovn-controller; find out who changed it.",
  },
  "conjunction-without-flow": {
    severity: "error",
    title: "clauses of a conjunction meet in an id that no flow matches (conj_id)",
    breaks: "Packets that satisfy all clauses match nothing; the logical flow that they stand for has no effect.",
    mend: "Recompute (`ovn-appctl inc-engine/recompute`), or delete the flow with the wrong conj_id and add it with the clauses' id.",
  },
  "conjunction-without-clause": {
    severity: "error",
    title: "a flow matches a conjunction id of which clauses are missing",
    breaks: "The conjunction can never be satisfied; the logical flow that it stands for has no effect.",
    mend: "Recompute (`ovn-appctl inc-engine/recompute`), or add the missing clauses with this id.",
  },
  "group-missing": {
    severity: "error",
    title: "a flow refers to a group that the switch does not have",
    breaks: "Packets of that flow are dropped (load balancing, ECMP).",
    mend: "`ovn-appctl inc-engine/recompute`, or restart ovn-controller.",
  },
  "port-on-wrong-chassis": {
    severity: "error",
    title: "a port is bound to another chassis than the one that has its interface",
    breaks: "Packets to the port go to a hypervisor that cannot deliver them.",
    mend: "Remove external_ids:iface-id from the interface that should not have it, or correct the port's requested-chassis; then `ovn-appctl inc-engine/recompute` there.",
  },
  "port-not-bound": {
    severity: "error",
    title: "a port has its interface on a hypervisor, but is bound to no chassis",
    breaks: "The port gets no flows: nothing reaches it and nothing leaves it.",
    mend: "See that ovn-controller on that hypervisor runs and reaches the southbound database, and that requested-chassis names it or nobody.",
  },
  "port-without-interface": {
    severity: "error",
    title: "a port is bound to a chassis that has no interface for it",
    breaks: "Packets to the port are sent to that chassis and dropped there.",
    mend: "Add the interface (external_ids:iface-id) or release the port; restart ovn-controller there if it does not notice.",
  },
  "port-not-up": {
    severity: "warning",
    title: "a port is bound but not up",
    breaks: "A CMS that waits for the port will wait; flows of the chassis may not be complete.",
    mend: "See whether the interface has an OpenFlow port (ovs-vsctl get Interface NAME ofport error) and whether the chassis lags.",
  },
  "interface-without-port": {
    severity: "warning",
    title: "an interface names a logical port that does not exist",
    breaks: "The guest behind it has no network.",
    mend: "Create the logical port, or correct external_ids:iface-id.",
  },
  "northd-lags": {
    severity: "error",
    title: "ovn-northd has not carried out the last changes of the northbound database",
    breaks: "Recent changes have no effect.",
    mend: "See that ovn-northd runs, holds its lock and reaches both databases (ovn-appctl -t ovn-northd status).",
  },
  "chassis-lags": {
    severity: "error",
    title: "a chassis has not carried out the last changes of the southbound database",
    breaks: "Its flows are those of an older state of the network.",
    mend: "See whether its ovn-controller runs, is paused, or cannot reach the southbound database (ovn-appctl connection-status).",
  },
  "chassis-unreachable": {
    severity: "error",
    title: "the ovn-controller of a hypervisor is not connected to the southbound database",
    breaks: "The hypervisor keeps the flows that it has and takes no changes; ports that start there get no network.",
    mend: "Correct external_ids:ovn-remote (ssl: where the database wants TLS, tcp: where not; address and port), certificates, or the network between them.",
  },
  "chassis-down": {
    severity: "error",
    title: "a chassis does not answer: its hypervisor is down, or out of reach",
    breaks: "Its ports are cut off, and what only it can forward (gateways without a second chassis) is.",
    mend: "Start the hypervisor; when it is gone for good, `ovn-sbctl chassis-del NAME`.",
  },
  "chassis-missing": {
    severity: "error",
    title: "a hypervisor has no Chassis row",
    breaks: "Nobody builds tunnels to it, and no port can be bound there.",
    mend: "Set external_ids system-id, ovn-remote, ovn-encap-type and ovn-encap-ip, and start ovn-controller.",
  },
  "encap-not-local": {
    severity: "error",
    title: "a chassis' tunnel address is no address of the hypervisor",
    breaks: "Tunnel packets to the chassis do not arrive.",
    mend: "Correct external_ids:ovn-encap-ip, or give the host the address.",
  },
  "tunnel-missing": {
    severity: "error",
    title: "a chassis has no tunnel to another one",
    breaks: "Packets between ports of the two chassis are dropped.",
    mend: "See that both have an encapsulation in common and, in several transport zones, one of these; restart ovn-controller.",
  },
  "tunnel-broken": {
    severity: "error",
    title: "a tunnel's interface reports an error",
    breaks: "Packets between the two chassis are dropped.",
    mend: "Read `ovs-vsctl get Interface NAME error` and correct what it says.",
  },
  "tunnel-loses": {
    severity: "error",
    title: "packets that one chassis sends by a tunnel do not arrive at the other",
    breaks: "Packets in that direction are lost between the hypervisors.",
    mend: "See routes, firewalls (UDP 6081 for Geneve, 4789 for VXLAN) and the MTU between the two tunnel addresses, in this direction.",
  },
  "tunnel-lost": {
    severity: "warning",
    title: "packets that one chassis has sent by a tunnel have not arrived at the other, some time ago",
    breaks: "Nothing is sent just now, so that it is not known whether they still are lost.",
    mend: "Send something (a ping between guests of the two) and verify again.",
  },
  "tunnel-down": {
    severity: "error",
    title: "the liveness check (BFD) of a tunnel fails",
    breaks: "The chassis take each other for dead: gateways move to others, or stand on both.",
    mend: "See whether the other hypervisor runs, and whether UDP 3784 passes within the tunnel (`ovs-appctl bfd/show`).",
  },
  "mapping-without-bridge": {
    severity: "error",
    title: "a bridge mapping names a bridge that does not exist",
    breaks: "Logical switches on that physical network do not reach it from this chassis.",
    mend: "Create the bridge (ovs-vsctl add-br), or correct external_ids:ovn-bridge-mappings.",
  },
  "mapping-without-network": {
    severity: "warning",
    title: "a bridge mapping names a physical network that no localnet or l2gateway port has",
    breaks: "Nothing yet; where a port's network_name was meant, its switch does not reach the physical network here.",
    mend: "Compare external_ids:ovn-bridge-mappings with options:network_name of the localnet ports; correct the one that is wrong.",
  },
  "network-without-mapping": {
    severity: "error",
    title: "a logical switch with ports on a chassis has a localnet port whose physical network the chassis does not map",
    breaks: "Those ports do not reach the physical network.",
    mend: "Add the network to external_ids:ovn-bridge-mappings of the chassis, or correct options:network_name.",
  },
  "flow-does-not-parse": {
    severity: "error",
    title: "a logical flow does not parse",
    breaks: "It is not installed anywhere: what it was to do is not done.",
    mend: "Correct the row that it was made from: an ACL's match, a policy, a QoS rule.",
  },
  "neighbour-contradicts-port": {
    severity: "error",
    title: "a learned neighbour (MAC_Binding) says otherwise than who has the address",
    breaks: "Routed packets to the address go to the wrong Ethernet address: the guest receives nothing, or another does.",
    mend: "`ovn-sbctl destroy MAC_Binding UUID`; give the port's addresses and port security, so that nobody can claim them.",
  },
  "neighbour-unknown": {
    severity: "warning",
    title: "a learned neighbour has an Ethernet address that nobody on its network has",
    breaks: "Routed packets to the address reach nobody.",
    mend: "`ovn-sbctl destroy MAC_Binding UUID`.",
  },
  "duplicate-address": {
    severity: "error",
    title: "two ports of a network have the same IP address",
    breaks: "Each receives some of the other's packets.",
    mend: "Change the addresses of one of them (ovn-nbctl lsp-set-addresses).",
  },
  "duplicate-mac": {
    severity: "error",
    title: "two ports of a switch have the same Ethernet address",
    breaks: "Packets to the address reach only one of them.",
    mend: "Change the addresses of one of them (ovn-nbctl lsp-set-addresses).",
  },
  "floating-ip-incomplete": {
    severity: "warning",
    title: "a floating IP is meant to be distributed but has only one of logical_port and external_mac",
    breaks: "It is central: its packets go through the gateway chassis, and end with it.",
    mend: "`ovn-nbctl lr-nat-add ROUTER dnat_and_snat EXTERNAL_IP LOGICAL_IP LOGICAL_PORT EXTERNAL_MAC`.",
  },
  "floating-ip-central": {
    severity: "warning",
    title: "a floating IP is central, though the chassis of its port is on the physical network itself",
    breaks: "Its packets make a detour through the gateway chassis, and end with it. Where that is meant, nothing is wrong.",
    mend: "`ovn-nbctl set NAT UUID logical_port=PORT external_mac=MAC`, if it is to be distributed.",
  },
  "floating-ip-misplaced": {
    severity: "error",
    title: "a distributed floating IP is not where its inner address is, or its chassis is not on the physical network",
    breaks: "Nobody answers for the address outside, or packets to it are delivered to no guest.",
    mend: "Correct NAT.logical_port, or the chassis' external_ids:ovn-bridge-mappings; without logical_port and external_mac it is central.",
  },
  "dhcp-incomplete": {
    severity: "warning",
    title: "DHCP options lack what ovn-controller needs to answer, or ports of a network with DHCP have none",
    breaks: "Guests get no address.",
    mend: "Set server_id, server_mac and lease_time (for DHCPv6 server_id) and the port's dhcpv4_options or dhcpv6_options.",
  },
  "mtu-too-small": {
    severity: "error",
    title: "the tunnel's underlay cannot carry the guests' largest packets",
    breaks: "Small packets pass and large ones do not: connections hang once data flows.",
    mend: "Raise the underlay device's MTU, or lower the guests' (DHCP option mtu, gateway_mtu).",
  },
  "not-read": {
    severity: "warning",
    title: "something could not be read, and was not verified",
    breaks: "What is wrong there is not found.",
    mend: "Give access to it: see the reason.",
  },
} as const satisfies Readonly<Record<string, FindingKind>>;

export type FindingCode = keyof typeof FINDING_KINDS;

export interface Finding {
  readonly code: FindingCode;
  /** The hypervisor that it is about, by the name of its place; absent: the databases. */
  readonly node?: string;
  /** Row or flow that it is about, as people would name it. */
  readonly subject: string;
  readonly detail: string;
  /** Flows as `ovs-ofctl dump-flows` prints them, without statistics: first what is installed, then what should be. */
  readonly flows?: readonly { readonly is: "installed" | "wanted"; readonly flow: string }[];
  /** "TABLE UUID" of database rows. */
  readonly rows?: readonly string[];
}
