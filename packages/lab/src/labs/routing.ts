/** The lab of the post on routing: two networks, a distributed router between them, a guest on each worker. */
export const routing = `
name: routing
description: Routing. vm1 (network1) on worker1 and vm2 (network2) on worker2, joined by router1.
networks:
  underlay: {}
nodes:
  central:
    nics: { eth1: { network: underlay, address: 192.168.50.10/24, mtu: 1600 } }
    services: [ovn-central, ovn-host]
    provision: |
      ovs-vsctl set open . external-ids:system-id=central external-ids:ovn-remote=tcp:192.168.50.10:6642 external-ids:ovn-encap-type=geneve external-ids:ovn-encap-ip=192.168.50.10
      ovn-nbctl ls-add network1
      ovn-nbctl ls-add network2
      ovn-nbctl lsp-add network1 vm1
      ovn-nbctl lsp-add network2 vm2
      ovn-nbctl lsp-set-addresses vm1 "40:44:00:00:00:01 192.168.0.11"
      ovn-nbctl lsp-set-addresses vm2 "40:44:00:00:00:02 192.168.1.11"

      ovn-nbctl lr-add router1
      ovn-nbctl lrp-add router1 router1-net1 40:44:00:00:00:03 192.168.0.1/24
      ovn-nbctl lsp-add network1 net1-router1
      ovn-nbctl lsp-set-addresses net1-router1 40:44:00:00:00:03
      ovn-nbctl lsp-set-type net1-router1 router
      ovn-nbctl lsp-set-options net1-router1 router-port=router1-net1

      ovn-nbctl lrp-add router1 router1-net2 40:44:00:00:00:04 192.168.1.1/24
      ovn-nbctl lsp-add network2 net2-router1
      ovn-nbctl lsp-set-addresses net2-router1 40:44:00:00:00:04
      ovn-nbctl lsp-set-type net2-router1 router
      ovn-nbctl lsp-set-options net2-router1 router-port=router1-net2
  worker1:
    nics: { eth1: { network: underlay, address: 192.168.50.100/24, mtu: 1600 } }
    services: [ovn-host]
    provision: |
      ovs-vsctl set open . external-ids:system-id=worker1 external-ids:ovn-remote=tcp:192.168.50.10:6642 external-ids:ovn-encap-type=geneve external-ids:ovn-encap-ip=192.168.50.100
      ovs-vsctl add-port br-int vm1 -- set Interface vm1 type=internal -- set Interface vm1 external_ids:iface-id=vm1
      ip netns add vm1
      ip link set vm1 netns vm1
      ip netns exec vm1 ip link set vm1 address 40:44:00:00:00:01
      ip netns exec vm1 ip addr add 192.168.0.11/24 dev vm1
      ip netns exec vm1 ip link set vm1 up
      ip netns exec vm1 ip route add default via 192.168.0.1
  worker2:
    nics: { eth1: { network: underlay, address: 192.168.50.101/24, mtu: 1600 } }
    services: [ovn-host]
    provision: |
      ovs-vsctl set open . external-ids:system-id=worker2 external-ids:ovn-remote=tcp:192.168.50.10:6642 external-ids:ovn-encap-type=geneve external-ids:ovn-encap-ip=192.168.50.101
      ovs-vsctl add-port br-int vm2 -- set Interface vm2 type=internal -- set Interface vm2 external_ids:iface-id=vm2
      ip netns add vm2
      ip link set vm2 netns vm2
      ip netns exec vm2 ip link set vm2 address 40:44:00:00:00:02
      ip netns exec vm2 ip addr add 192.168.1.11/24 dev vm2
      ip netns exec vm2 ip link set vm2 up
      ip netns exec vm2 ip route add default via 192.168.1.1
setup:
  - { node: central, run: ovn-nbctl --wait=hv sync }
`;
