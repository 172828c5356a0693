/** Every fault, by name: one row says what it does, how it is noticed, what it is and how it is mended. */
import { wrongConjunction } from "./conjunction.ts";
import type { Fault } from "./fault.ts";
import { blockedTunnel } from "./tunnel.ts";

const LAB = "where-is-my-packet";
const VM = "df8a80f8-0cbf-48af-8b32-78377f034797";
const ROUTER_PORT = "lrp-f1d49ca3-0e9c-4387-8d5d-c833fc3b7943";
const uuidOf = (table: string, condition: string) => `$(ovn-nbctl --bare --columns=_uuid find ${table} ${condition})`;
const central = (run: string) => ({ node: "central", run });
const compute1 = (run: string) => ({ node: "compute1", run });
const compute2 = (run: string) => ({ node: "compute2", run });

export const faults: readonly Fault[] = [
  {
    name: "conjunction",
    lab: LAB,
    notice: "outside cannot ping 2001:db8::f816:3eff:fe1e:5a0f (vm); its IPv4 address answers",
    cause:
      "On compute1, the flow that lets vm's neighbour advertisements pass port security matches conjunction id 19, and its clauses say 3: a controller that numbers conjunctions wrongly.",
    mending:
      "Delete the flow with conj_id=19 and add it with conj_id=3 (ovs-ofctl del-flows --strict, add-flow); for good, run an ovn-controller without the bug (weft lab mend).",
    how: wrongConjunction,
  },
  {
    name: "spoofed-address",
    lab: LAB,
    notice: "vm cannot ping 203.0.113.9 any more, nor can outside ping 172.24.100.163",
    cause: "The guest vm has given itself 172.24.100.164, which its port security does not allow.",
    mending: "Give the guest its own address again, or add the new one to addresses and port_security of its port.",
    how: {
      breaks: [
        compute1("ip netns exec vm ip addr del 172.24.100.163/24 dev eth0"),
        compute1("ip netns exec vm ip addr add 172.24.100.164/24 dev eth0"),
        compute1("ip netns exec vm ip route add default via 172.24.100.1"),
      ],
      mends: [
        compute1("ip netns exec vm ip addr del 172.24.100.164/24 dev eth0"),
        compute1("ip netns exec vm ip addr add 172.24.100.163/24 dev eth0"),
        compute1("ip netns exec vm ip route add default via 172.24.100.1"),
        compute1("ip netns exec vm ip route add 169.254.169.254/32 via 172.24.100.2"),
      ],
    },
  },
  {
    name: "acl-tier",
    lab: LAB,
    notice: "neither vm2 nor vm3 answers a ping or on port 80, though their security group allows both",
    cause:
      "The security group's last rule, sg-default (drop), is in tier 0: it is decided before the allowing rules in tier 1 are asked.",
    mending: "Put it behind them: ovn-nbctl set ACL UUID tier=1.",
    how: {
      breaks: [central(`ovn-nbctl --wait=hv set ACL ${uuidOf("ACL", "name=sg-default")} tier=0`)],
      mends: [central(`ovn-nbctl --wait=hv set ACL ${uuidOf("ACL", "name=sg-default")} tier=1`)],
    },
  },
  {
    name: "mac-binding",
    lab: LAB,
    notice: "vm3 cannot reach 203.0.113.9; vm in the provider network can",
    cause:
      "router1 believes that its next hop 172.24.100.1 has the MAC de:ad:be:ef:00:01, which nobody has: somebody claimed the address by ARP.",
    mending: "Delete the MAC_Binding row in the Southbound database; the router asks anew. Find out who claimed the address.",
    how: {
      breaks: [
        central("ovn-sbctl --all destroy MAC_Binding"),
        central(
          `ovn-sbctl create MAC_Binding logical_port=${ROUTER_PORT} ip=172.24.100.1 mac='"de:ad:be:ef:00:01"' datapath=$(ovn-sbctl --bare --columns=datapath find Port_Binding logical_port=${ROUTER_PORT})`,
        ),
        central("ovn-nbctl --wait=hv sync"),
      ],
      mends: [central("ovn-sbctl --all destroy MAC_Binding"), central("ovn-nbctl --wait=hv sync")],
    },
  },
  {
    name: "bridge-mappings",
    lab: LAB,
    notice: "vm has lost the provider network: no ping in or out, but metadata (169.254.169.254) answers",
    cause: "compute1 maps the physical network physnet1 to br-ex; the localnet port of the provider network asks for provider.",
    mending: "ovs-vsctl set open . external-ids:ovn-bridge-mappings=provider:br-ex on compute1.",
    how: {
      breaks: [
        compute1("ovs-vsctl set open . external-ids:ovn-bridge-mappings=physnet1:br-ex"),
        central("ovn-nbctl --wait=hv sync"),
      ],
      mends: [
        compute1("ovs-vsctl set open . external-ids:ovn-bridge-mappings=provider:br-ex"),
        central("ovn-nbctl --wait=hv sync"),
      ],
    },
  },
  {
    name: "dhcp-options",
    lab: LAB,
    notice: "vm gets no lease: dhclient -1 -v eth0 ends without an offer",
    cause: "The port of vm has lost its dhcpv4_options, so that nothing answers its DHCPDISCOVER.",
    mending: "ovn-nbctl lsp-set-dhcpv4-options PORT UUID, with the DHCP_Options row of 172.24.100.0/24.",
    how: {
      breaks: [central(`ovn-nbctl --wait=hv lsp-set-dhcpv4-options ${VM}`)],
      mends: [central(`ovn-nbctl --wait=hv lsp-set-dhcpv4-options ${VM} ${uuidOf("DHCP_Options", "cidr=172.24.100.0/24")}`)],
    },
  },
  {
    name: "floating-ip",
    lab: LAB,
    notice: "the floating IP 172.24.100.50 (vm2 on compute2) works, but all its traffic goes through compute1",
    cause:
      "The NAT row of the floating IP has lost external_mac and logical_port: it is central, the gateway's work, no longer distributed.",
    mending: "Set both columns again: ovn-nbctl set NAT UUID logical_port=vm2 external_mac=MAC.",
    how: {
      breaks: [central(`ovn-nbctl --wait=hv clear NAT ${uuidOf("NAT", "external_ip=172.24.100.50")} external_mac logical_port`)],
      mends: [
        central(
          `ovn-nbctl --wait=hv set NAT ${uuidOf("NAT", "external_ip=172.24.100.50")} logical_port=vm2 external_mac='"fa:16:3e:00:01:50"'`,
        ),
      ],
    },
  },
  {
    name: "southbound-remote",
    lab: LAB,
    notice: "what works goes on working, but no change reaches compute2: ovn-nbctl --wait=hv sync does not come back",
    cause: "ovn-remote of compute2 is ssl:192.168.50.10:6642; the Southbound database listens there with plain TCP.",
    mending: "ovs-vsctl set open . external-ids:ovn-remote=tcp:192.168.50.10:6642 on compute2.",
    how: {
      breaks: [compute2("ovs-vsctl set open . external-ids:ovn-remote=ssl:192.168.50.10:6642")],
      mends: [
        compute2("ovs-vsctl set open . external-ids:ovn-remote=tcp:192.168.50.10:6642"),
        central("ovn-nbctl --wait=hv sync"),
      ],
    },
  },
  {
    name: "mtu",
    lab: LAB,
    notice: "between vm3 and vm2, small pings pass and full ones (-s 1472) do not",
    cause: "eth1 of compute1 has an MTU of 1500: a full packet of a guest and the tunnel's 58 bytes do not fit.",
    mending: "ip link set eth1 mtu 1600 on compute1, or give the guests an MTU of 1442.",
    how: {
      breaks: [compute1("ip link set eth1 mtu 1500")],
      mends: [compute1("ip link set eth1 mtu 1600")],
    },
  },
  {
    name: "tunnel",
    lab: LAB,
    notice: "vm3 on compute1 and vm2 on compute2 do not reach each other; both reach the outside",
    cause: "Geneve (UDP 6081) from compute1 to compute2 is lost in the underlay; the other direction passes.",
    mending: "Open UDP 6081 in both directions, in whatever filters it (weft lab mend does).",
    how: blockedTunnel,
  },
  {
    name: "stale-controller",
    lab: LAB,
    notice: "vm2 was replaced and has a new MAC; since then vm3 does not reach it",
    cause: "ovn-controller on compute1 is paused (debug/pause): it has not heard of vm2's new MAC.",
    mending: "ovn-appctl -t ovn-controller debug/resume on compute1.",
    how: {
      breaks: [
        compute1("ovn-appctl -t ovn-controller debug/pause"),
        central(
          'ovn-nbctl lsp-set-port-security vm2 -- lsp-set-addresses vm2 "fa:16:3e:00:02:21 192.168.100.11" -- lsp-set-port-security vm2 "fa:16:3e:00:02:21 192.168.100.11"',
        ),
        compute2("ip netns exec vm2 ip link set eth0 address fa:16:3e:00:02:21"),
        central("ovn-nbctl --wait=sb sync"),
      ],
      mends: [
        compute1("ovn-appctl -t ovn-controller debug/resume"),
        central(
          'ovn-nbctl lsp-set-port-security vm2 -- lsp-set-addresses vm2 "fa:16:3e:00:02:11 192.168.100.11" -- lsp-set-port-security vm2 "fa:16:3e:00:02:11 192.168.100.11"',
        ),
        compute2("ip netns exec vm2 ip link set eth0 address fa:16:3e:00:02:11"),
        central("ovn-nbctl --wait=hv sync"),
      ],
    },
  },
  {
    name: "duplicate-ip",
    lab: LAB,
    notice:
      "vm2 and vm3 receive some of each other's packets: vm3 reaches nothing, or the floating IP 172.24.100.50 has the page of vm3",
    cause: "vm3 has been given vm2's address, 192.168.100.11, in the Northbound database and in the guest.",
    mending:
      "Give vm3 its own address 192.168.100.12 again, in addresses, port_security and the guest; delete what routers learned meanwhile (MAC_Binding).",
    how: {
      breaks: [
        central(
          `ovn-nbctl --wait=hv set Logical_Switch_Port vm3 addresses='"fa:16:3e:00:02:12 192.168.100.11"' port_security='"fa:16:3e:00:02:12 192.168.100.11"'`,
        ),
        compute1("ip netns exec vm3 ip addr del 192.168.100.12/24 dev eth0"),
        compute1("ip netns exec vm3 ip addr add 192.168.100.11/24 dev eth0"),
        compute1("ip netns exec vm3 ip route add default via 192.168.100.1"),
      ],
      mends: [
        central(
          `ovn-nbctl --wait=hv set Logical_Switch_Port vm3 addresses='"fa:16:3e:00:02:12 192.168.100.12"' port_security='"fa:16:3e:00:02:12 192.168.100.12"'`,
        ),
        compute1("ip netns exec vm3 ip addr del 192.168.100.11/24 dev eth0"),
        compute1("ip netns exec vm3 ip addr add 192.168.100.12/24 dev eth0"),
        compute1("ip netns exec vm3 ip route add default via 192.168.100.1"),
        // What the routers learned of the two meanwhile.
        central("ovn-sbctl --all destroy MAC_Binding"),
      ],
    },
  },
];
