/** For tests: a small cloud with some of everything: two hypervisors, a physical network with a host, routers, ACLs, port security. */
export const smallCloud = `
name: verified
networks: { underlay: {}, provider: {} }
nodes:
  central:
    nics: { eth1: { network: underlay, address: 192.0.2.10/24, mtu: 1600 } }
    services: [ovn-central]
  hv1: 
    nics:
      eth1: { network: underlay, address: 192.0.2.11/24, mtu: 1600 }
      eth2: { network: provider }
    services: [ovn-host]
    provision: |
      ovs-vsctl set open . external_ids:system-id=hv1 external_ids:ovn-remote=tcp:192.0.2.10:6642 external_ids:ovn-encap-type=geneve external_ids:ovn-encap-ip=192.0.2.11
      ovs-vsctl add-br br-ex -- set open . external_ids:ovn-bridge-mappings=physnet1:br-ex
      ovs-vsctl add-port br-ex eth2
      ovs-vsctl add-port br-int vm1 -- set Interface vm1 type=internal external_ids:iface-id=vm1
      ovs-vsctl add-port br-int in1 -- set Interface in1 type=internal external_ids:iface-id=in1
      ip link set vm1 address 00:00:00:00:01:01
      ip netns add vm1
      ip link set vm1 netns vm1
      ip netns exec vm1 ip link set vm1 up
      ip netns exec vm1 ip addr add 10.0.0.1/24 dev vm1
      ip netns exec vm1 ip route add default via 10.0.0.254
      ip link set in1 address 00:00:00:00:02:11
      ip netns add in1
      ip link set in1 netns in1
      ip netns exec in1 ip link set in1 up
      ip netns exec in1 ip addr add 10.0.1.11/24 dev in1
      ip netns exec in1 ip route add default via 10.0.1.254
  hv2:
    nics:
      eth1: { network: underlay, address: 192.0.2.12/24, mtu: 1600 }
      eth2: { network: provider }
    services: [ovn-host]
    provision: |
      ovs-vsctl set open . external_ids:system-id=hv2 external_ids:ovn-remote=tcp:192.0.2.10:6642 external_ids:ovn-encap-type=geneve external_ids:ovn-encap-ip=192.0.2.12
      ovs-vsctl add-br br-ex -- set open . external_ids:ovn-bridge-mappings=physnet1:br-ex
      ovs-vsctl add-port br-ex eth2
      ovs-vsctl add-port br-int vm2 -- set Interface vm2 type=internal external_ids:iface-id=vm2
      ovs-vsctl add-port br-int in2 -- set Interface in2 type=internal external_ids:iface-id=in2
      ip link set vm2 address 00:00:00:00:01:02
      ip netns add vm2
      ip link set vm2 netns vm2
      ip netns exec vm2 ip link set vm2 up
      ip netns exec vm2 ip addr add 10.0.0.2/24 dev vm2
      ip netns exec vm2 ip route add default via 10.0.0.254
      ip link set in2 address 00:00:00:00:02:12
      ip netns add in2
      ip link set in2 netns in2
      ip netns exec in2 ip link set in2 up
      ip netns exec in2 ip addr add 10.0.1.12/24 dev in2
      ip netns exec in2 ip route add default via 10.0.1.254
  outside:
    nics: { eth1: { network: provider, address: 10.0.0.77/24 } }
    gateway: 10.0.0.254
setup:
  - node: central
    run: |
      ovn-nbctl ls-add sw0
      ovn-nbctl lsp-add sw0 vm1 -- lsp-set-addresses vm1 "00:00:00:00:01:01 10.0.0.1 fd00::1" -- lsp-set-port-security vm1 "00:00:00:00:01:01 10.0.0.1 fd00::1"
      ovn-nbctl lsp-add sw0 vm2 -- lsp-set-addresses vm2 "00:00:00:00:01:02 10.0.0.2"
      ovn-nbctl lsp-add-localnet-port sw0 ln0 physnet1
      ovn-nbctl lr-add lr0 -- lrp-add lr0 lr0-sw0 00:00:00:00:ff:01 10.0.0.254/24 -- lsp-add-router-port sw0 sw0-lr0 lr0-sw0
      ovn-nbctl acl-add sw0 to-lport 1001 "ip4.src == {10.0.0.1, 10.0.0.7} && tcp.dst == {22, 80}" drop
      ovn-nbctl ls-add sw1 -- lrp-add lr0 lr0-sw1 00:00:00:00:ff:02 10.0.1.254/24 -- lsp-add-router-port sw1 sw1-lr0 lr0-sw1
      ovn-nbctl lsp-add sw1 in1 -- lsp-set-addresses in1 "00:00:00:00:02:11 10.0.1.11"
      ovn-nbctl lsp-add sw1 in2 -- lsp-set-addresses in2 "00:00:00:00:02:12 10.0.1.12"
      ovn-nbctl lsp-add sw1 db1 -- lsp-set-addresses db1 "00:00:00:00:02:01 10.0.1.1"
      ovn-nbctl --wait=hv sync
`;
