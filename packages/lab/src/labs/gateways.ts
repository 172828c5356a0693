/** A way out through gateway nodes: SNAT, a floating IP, and a gateway that takes over when the other one dies. */
export const gateways = `
name: gateways
description: Gateways. Guests on three hypervisors, gateway nodes gw1 and gw2, and a host on the provider network outside.
networks:
  underlay: {}
  provider: {}
nodes:
  central:
    nics: { eth1: { network: underlay, address: 192.168.50.10/24, mtu: 1600 } }
    services: [ovn-central]
    provision: |
      ovn-nbctl ls-add net1
      ovn-nbctl lsp-add net1 vm1 -- lsp-set-addresses vm1 "40:44:00:00:01:11 192.168.1.11" -- lsp-set-port-security vm1 "40:44:00:00:01:11 192.168.1.11"
      ovn-nbctl lsp-add net1 vm2 -- lsp-set-addresses vm2 "40:44:00:00:01:12 192.168.1.12" -- lsp-set-port-security vm2 "40:44:00:00:01:12 192.168.1.12"
      ovn-nbctl ls-add net2
      ovn-nbctl lsp-add net2 vm3 -- lsp-set-addresses vm3 "40:44:00:00:02:13 192.168.2.13" -- lsp-set-port-security vm3 "40:44:00:00:02:13 192.168.2.13"

      ovn-nbctl lr-add router
      ovn-nbctl lrp-add router router-net1 40:44:00:00:01:01 192.168.1.1/24
      ovn-nbctl lsp-add-router-port net1 net1-router router-net1
      ovn-nbctl lrp-add router router-net2 40:44:00:00:02:01 192.168.2.1/24
      ovn-nbctl lsp-add-router-port net2 net2-router router-net2

      ovn-nbctl ls-add public
      ovn-nbctl lsp-add-localnet-port public provnet provider
      ovn-nbctl lrp-add router router-public 40:44:00:00:00:01 172.24.100.1/24
      ovn-nbctl lsp-add-router-port public public-router router-public -- lsp-set-options public-router router-port=router-public nat-addresses=router
      ovn-nbctl lrp-set-gateway-chassis router-public gw1 20
      ovn-nbctl lrp-set-gateway-chassis router-public gw2 10
      ovn-nbctl lr-route-add router 0.0.0.0/0 172.24.100.200

      ovn-nbctl lr-nat-add router snat 172.24.100.1 192.168.0.0/16
      ovn-nbctl lr-nat-add router dnat_and_snat 172.24.100.50 192.168.1.11
  worker1:
    nics: { eth1: { network: underlay, address: 192.168.50.101/24, mtu: 1600 } }
    services: [ovn-host]
    provision: |
      ovs-vsctl set open . external-ids:system-id=worker1 external-ids:ovn-remote=tcp:192.168.50.10:6642 external-ids:ovn-encap-type=geneve external-ids:ovn-encap-ip=192.168.50.101
      ovs-vsctl add-port br-int vm1 -- set Interface vm1 type=internal -- set Interface vm1 external_ids:iface-id=vm1
      ip netns add vm1
      ip link set vm1 netns vm1
      ip netns exec vm1 ip link set vm1 address 40:44:00:00:01:11
      ip netns exec vm1 ip link set lo up
      ip netns exec vm1 ip addr add 192.168.1.11/24 dev vm1
      ip netns exec vm1 ip link set vm1 up
      ip netns exec vm1 ip route add default via 192.168.1.1
  worker2:
    nics: { eth1: { network: underlay, address: 192.168.50.102/24, mtu: 1600 } }
    services: [ovn-host]
    provision: |
      ovs-vsctl set open . external-ids:system-id=worker2 external-ids:ovn-remote=tcp:192.168.50.10:6642 external-ids:ovn-encap-type=geneve external-ids:ovn-encap-ip=192.168.50.102
      ovs-vsctl add-port br-int vm2 -- set Interface vm2 type=internal -- set Interface vm2 external_ids:iface-id=vm2
      ip netns add vm2
      ip link set vm2 netns vm2
      ip netns exec vm2 ip link set vm2 address 40:44:00:00:01:12
      ip netns exec vm2 ip link set lo up
      ip netns exec vm2 ip addr add 192.168.1.12/24 dev vm2
      ip netns exec vm2 ip link set vm2 up
      ip netns exec vm2 ip route add default via 192.168.1.1
  worker3:
    nics: { eth1: { network: underlay, address: 192.168.50.103/24, mtu: 1600 } }
    services: [ovn-host]
    provision: |
      ovs-vsctl set open . external-ids:system-id=worker3 external-ids:ovn-remote=tcp:192.168.50.10:6642 external-ids:ovn-encap-type=geneve external-ids:ovn-encap-ip=192.168.50.103
      ovs-vsctl add-port br-int vm3 -- set Interface vm3 type=internal -- set Interface vm3 external_ids:iface-id=vm3
      ip netns add vm3
      ip link set vm3 netns vm3
      ip netns exec vm3 ip link set vm3 address 40:44:00:00:02:13
      ip netns exec vm3 ip link set lo up
      ip netns exec vm3 ip addr add 192.168.2.13/24 dev vm3
      ip netns exec vm3 ip link set vm3 up
      ip netns exec vm3 ip route add default via 192.168.2.1
  gw1:
    nics: { eth1: { network: underlay, address: 192.168.50.111/24, mtu: 1600 }, eth2: { network: provider } }
    services: [ovn-host]
    provision: |
      ovs-vsctl add-br br-ex -- add-port br-ex eth2
      ip link set br-ex up
      ovs-vsctl set open . external-ids:system-id=gw1 external-ids:ovn-remote=tcp:192.168.50.10:6642 external-ids:ovn-encap-type=geneve external-ids:ovn-encap-ip=192.168.50.111 external-ids:ovn-bridge-mappings=provider:br-ex
  gw2:
    nics: { eth1: { network: underlay, address: 192.168.50.112/24, mtu: 1600 }, eth2: { network: provider } }
    services: [ovn-host]
    provision: |
      ovs-vsctl add-br br-ex -- add-port br-ex eth2
      ip link set br-ex up
      ovs-vsctl set open . external-ids:system-id=gw2 external-ids:ovn-remote=tcp:192.168.50.10:6642 external-ids:ovn-encap-type=geneve external-ids:ovn-encap-ip=192.168.50.112 external-ids:ovn-bridge-mappings=provider:br-ex
  outside:
    nics: { eth1: { network: provider, address: 172.24.100.200/24 } }
    files:
      /srv/www/index.html: |
        This is the Internet.
    provision: |
      ip addr add 203.0.113.9/32 dev lo
      python3 -m http.server 80 --directory /srv/www &
setup:
  - { node: central, run: ovn-nbctl --wait=hv sync }
`;
