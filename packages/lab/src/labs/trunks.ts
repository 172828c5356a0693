/** The lab of the post on trunk ports: two guests that carry a nested one each, on a VLAN of their own. */
export const trunks = `
name: trunks
description: Trunk ports. child1 (VLAN 30) lives inside vm1 on worker1, child2 (VLAN 50) inside vm2 on worker2.
networks:
  underlay: {}
nodes:
  central:
    nics: { eth1: { network: underlay, address: 192.168.50.10/24, mtu: 1600 } }
    services: [ovn-central, ovn-host]
    provision: |
      ovs-vsctl set open . external-ids:system-id=central external-ids:ovn-remote=tcp:192.168.50.10:6642 external-ids:ovn-encap-type=geneve external-ids:ovn-encap-ip=192.168.50.10
      ovn-nbctl ls-add network1
      ovn-nbctl lsp-add network1 vm1
      ovn-nbctl lsp-add network1 vm2
      ovn-nbctl lsp-set-addresses vm1 "40:44:00:00:00:01 192.168.0.11"
      ovn-nbctl lsp-set-addresses vm2 "40:44:00:00:00:02 192.168.0.12"
      ovn-nbctl ls-add network2
      ovn-nbctl lsp-add network2 child1 vm1 30
      ovn-nbctl lsp-add network2 child2 vm2 50
      ovn-nbctl lsp-set-addresses child1 "40:44:00:00:00:03 192.168.1.13"
      ovn-nbctl lsp-set-addresses child2 "40:44:00:00:00:04 192.168.1.14"
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
      ip netns exec vm1 ip link add link vm1 name child1 type vlan id 30
      ip netns exec vm1 ip link set child1 address 40:44:00:00:00:03
      ip netns exec vm1 ip addr add 192.168.1.13/24 dev child1
      ip netns exec vm1 ip link set child1 up
  worker2:
    nics: { eth1: { network: underlay, address: 192.168.50.101/24, mtu: 1600 } }
    services: [ovn-host]
    provision: |
      ovs-vsctl set open . external-ids:system-id=worker2 external-ids:ovn-remote=tcp:192.168.50.10:6642 external-ids:ovn-encap-type=geneve external-ids:ovn-encap-ip=192.168.50.101
      ovs-vsctl add-port br-int vm2 -- set Interface vm2 type=internal -- set Interface vm2 external_ids:iface-id=vm2
      ip netns add vm2
      ip link set vm2 netns vm2
      ip netns exec vm2 ip link set vm2 address 40:44:00:00:00:02
      ip netns exec vm2 ip addr add 192.168.0.12/24 dev vm2
      ip netns exec vm2 ip link set vm2 up
      ip netns exec vm2 ip link add link vm2 name child2 type vlan id 50
      ip netns exec vm2 ip link set child2 address 40:44:00:00:00:04
      ip netns exec vm2 ip addr add 192.168.1.14/24 dev child2
      ip netns exec vm2 ip link set child2 up
setup:
  - { node: central, run: ovn-nbctl --wait=hv sync }
`;
