/** The lab of the post "OVN: Where is my packet?": a provider network as Neutron makes one, and a tenant's network beside it. */
export const whereIsMyPacket = `
name: where-is-my-packet
description: Faults to find. A provider network with a guest, metadata and an outside host; a tenant network with a floating IP.
networks:
  underlay: {}
  provider: {}
  transit: {}
nodes:
  central:
    nics: { eth1: { network: underlay, address: 192.168.50.10/24, mtu: 1600 } }
    services: [ovn-central]
    provision: |
      # The provider network, with the names that Neutron gives.
      ovn-nbctl ls-add neutron-aab27d39-a3c0-4666-81a0-aa4be26ec873 -- set Logical_Switch neutron-aab27d39-a3c0-4666-81a0-aa4be26ec873 external_ids:neutron\\\\:network_name=provider-flat
      ovn-nbctl lsp-add-localnet-port neutron-aab27d39-a3c0-4666-81a0-aa4be26ec873 provnet-64e303a9-af62-4833-b713-6b361cdd6ecd provider
      ovn-nbctl lsp-add neutron-aab27d39-a3c0-4666-81a0-aa4be26ec873 916eb7ea-4d64-4d9c-be28-b693af2e7ed3 -- lsp-set-type 916eb7ea-4d64-4d9c-be28-b693af2e7ed3 localport -- lsp-set-addresses 916eb7ea-4d64-4d9c-be28-b693af2e7ed3 "fa:16:3e:65:76:bd 172.24.100.2 2001:db8::f816:3eff:fe65:76bd"
      ovn-nbctl lsp-add neutron-aab27d39-a3c0-4666-81a0-aa4be26ec873 df8a80f8-0cbf-48af-8b32-78377f034797 -- set Logical_Switch_Port df8a80f8-0cbf-48af-8b32-78377f034797 external_ids:neutron\\\\:port_name=vm-provider-flat-port
      ovn-nbctl lsp-set-addresses df8a80f8-0cbf-48af-8b32-78377f034797 "fa:16:3e:1e:5a:0f 172.24.100.163 2001:db8::f816:3eff:fe1e:5a0f"
      ovn-nbctl lsp-set-port-security df8a80f8-0cbf-48af-8b32-78377f034797 "fa:16:3e:1e:5a:0f 172.24.100.163 2001:db8::f816:3eff:fe1e:5a0f"
      ovn-nbctl -- --id=@dhcp create DHCP_Options cidr=172.24.100.0/24 options:lease_time=43200 options:router=172.24.100.1 options:server_id=172.24.100.2 options:server_mac='"fa:16:3e:65:76:bd"' options:mtu=1500 options:classless_static_route='"{169.254.169.254/32,172.24.100.2, 0.0.0.0/0,172.24.100.1}"' -- set Logical_Switch_Port df8a80f8-0cbf-48af-8b32-78377f034797 dhcpv4_options=@dhcp

      # The tenant's network, its router, and a floating IP for vm2.
      ovn-nbctl ls-add private
      ovn-nbctl lsp-add private vm2 -- lsp-set-addresses vm2 "fa:16:3e:00:02:11 192.168.100.11" -- lsp-set-port-security vm2 "fa:16:3e:00:02:11 192.168.100.11"
      ovn-nbctl lsp-add private vm3 -- lsp-set-addresses vm3 "fa:16:3e:00:02:12 192.168.100.12" -- lsp-set-port-security vm3 "fa:16:3e:00:02:12 192.168.100.12"
      ovn-nbctl lr-add router1
      ovn-nbctl lrp-add router1 lrp-private fa:16:3e:00:02:01 192.168.100.1/24 -- lsp-add-router-port private private-router1 lrp-private
      ovn-nbctl lrp-add router1 lrp-f1d49ca3-0e9c-4387-8d5d-c833fc3b7943 fa:16:3e:00:01:09 172.24.100.9/24 -- lrp-set-gateway-chassis lrp-f1d49ca3-0e9c-4387-8d5d-c833fc3b7943 compute1 1
      ovn-nbctl lsp-add-router-port neutron-aab27d39-a3c0-4666-81a0-aa4be26ec873 f1d49ca3-0e9c-4387-8d5d-c833fc3b7943 lrp-f1d49ca3-0e9c-4387-8d5d-c833fc3b7943 -- lsp-set-options f1d49ca3-0e9c-4387-8d5d-c833fc3b7943 router-port=lrp-f1d49ca3-0e9c-4387-8d5d-c833fc3b7943 nat-addresses=router
      ovn-nbctl lr-route-add router1 0.0.0.0/0 172.24.100.1
      ovn-nbctl lr-nat-add router1 snat 172.24.100.9 192.168.100.0/24
      ovn-nbctl lr-nat-add router1 dnat_and_snat 172.24.100.50 192.168.100.11 vm2 fa:16:3e:00:01:50

      # Its security group: pings and port 80 from everywhere; in tier 1, behind the operator's own ACLs in tier 0.
      ovn-nbctl pg-add sg vm2 vm3
      ovn-nbctl --name=sg-ping --tier=1 acl-add sg to-lport 1002 'outport == @sg && icmp4' allow-related
      ovn-nbctl --name=sg-http --tier=1 acl-add sg to-lport 1002 'outport == @sg && tcp.dst == 80' allow-related
      ovn-nbctl --name=sg-default --tier=1 acl-add sg to-lport 1001 'outport == @sg && ip' drop
  compute1:
    nics: { eth1: { network: underlay, address: 192.168.50.101/24, mtu: 1600 }, eth2: { network: provider } }
    services: [ovn-host]
    files:
      /srv/metadata/index.html: |
        latest
      /srv/vm3/index.html: |
        This is vm3.
    provision: |
      ovs-vsctl add-br br-ex -- add-port br-ex eth2
      ip link set br-ex up
      ovs-vsctl set open . external-ids:system-id=compute1 external-ids:ovn-remote=tcp:192.168.50.10:6642 external-ids:ovn-encap-type=geneve external-ids:ovn-encap-ip=192.168.50.101 external-ids:ovn-bridge-mappings=provider:br-ex
      ip netns add vm
      ip link add tapdf8a80f8-0c type veth peer name eth0 netns vm
      ip link set tapdf8a80f8-0c up
      ip netns exec vm ip link set eth0 address fa:16:3e:1e:5a:0f
      ip netns exec vm ip link set lo up
      ip netns exec vm ip link set eth0 up
      ip netns exec vm ip addr add 172.24.100.163/24 dev eth0
      ip netns exec vm ip addr add 2001:db8::f816:3eff:fe1e:5a0f/64 dev eth0
      ip netns exec vm ip route add default via 172.24.100.1
      ip netns exec vm ip route add 169.254.169.254/32 via 172.24.100.2
      ip netns exec vm ip -6 route add default via fe80::b4c9:b9ff:fe6e:5048 dev eth0
      ovs-vsctl add-port br-int tapdf8a80f8-0c -- set Interface tapdf8a80f8-0c external_ids:iface-id=df8a80f8-0cbf-48af-8b32-78377f034797
      ip netns add ovnmeta-aab27d39
      ip link add tap916eb7ea-41 type veth peer name eth0 netns ovnmeta-aab27d39
      ip link set tap916eb7ea-41 up
      ip netns exec ovnmeta-aab27d39 ip link set eth0 address fa:16:3e:65:76:bd
      ip netns exec ovnmeta-aab27d39 ip link set eth0 up
      ip netns exec ovnmeta-aab27d39 ip addr add 172.24.100.2/24 dev eth0
      ip netns exec ovnmeta-aab27d39 ip addr add 169.254.169.254/32 dev eth0
      ip netns exec ovnmeta-aab27d39 python3 -m http.server 80 --directory /srv/metadata &
      ovs-vsctl add-port br-int tap916eb7ea-41 -- set Interface tap916eb7ea-41 external_ids:iface-id=916eb7ea-4d64-4d9c-be28-b693af2e7ed3
      ip netns add vm3
      ip link add tap-vm3 type veth peer name eth0 netns vm3
      ip link set tap-vm3 up
      ip netns exec vm3 ip link set eth0 address fa:16:3e:00:02:12
      ip netns exec vm3 ip link set lo up
      ip netns exec vm3 ip link set eth0 up
      ip netns exec vm3 ip addr add 192.168.100.12/24 dev eth0
      ip netns exec vm3 ip route add default via 192.168.100.1
      ip netns exec vm3 python3 -m http.server 80 --directory /srv/vm3 &
      ovs-vsctl add-port br-int tap-vm3 -- set Interface tap-vm3 external_ids:iface-id=vm3
  compute2:
    nics: { eth1: { network: underlay, address: 192.168.50.102/24, mtu: 1600 }, eth2: { network: provider } }
    services: [ovn-host]
    files:
      /srv/vm2/index.html: |
        This is vm2.
    provision: |
      ovs-vsctl add-br br-ex -- add-port br-ex eth2
      ip link set br-ex up
      ovs-vsctl set open . external-ids:system-id=compute2 external-ids:ovn-remote=tcp:192.168.50.10:6642 external-ids:ovn-encap-type=geneve external-ids:ovn-encap-ip=192.168.50.102 external-ids:ovn-bridge-mappings=provider:br-ex
      ip netns add vm2
      ip link add tap-vm2 type veth peer name eth0 netns vm2
      ip link set tap-vm2 up
      ip netns exec vm2 ip link set eth0 address fa:16:3e:00:02:11
      ip netns exec vm2 ip link set lo up
      ip netns exec vm2 ip link set eth0 up
      ip netns exec vm2 ip addr add 192.168.100.11/24 dev eth0
      ip netns exec vm2 ip route add default via 192.168.100.1
      ip netns exec vm2 python3 -m http.server 80 --directory /srv/vm2 &
      ovs-vsctl add-port br-int tap-vm2 -- set Interface tap-vm2 external_ids:iface-id=vm2
  leaf:
    nics:
      eth1: { network: provider, mac: "b6:c9:b9:6e:50:48", address: 172.24.100.1/24 }
      eth2: { network: transit, mac: "b6:c9:b9:6e:50:49", address: [203.0.113.1/24, "f00d:f00d:f00d:f00d:f00d:f00d:f00d:9/128"] }
    forwarding: true
    provision: |
      ip -6 route add 2001:db8::/64 dev eth1
      ip -6 route add f00d:f00d:f00d:4::/64 dev eth2
  outside:
    nics: { eth1: { network: transit, address: [203.0.113.9/24, "f00d:f00d:f00d:4::1/64"] } }
    gateway: 203.0.113.1
    files:
      /srv/www/index.html: |
        This is the Internet.
    provision: |
      ip -6 route add default via fe80::b4c9:b9ff:fe6e:5049 dev eth1
      python3 -m http.server 80 --directory /srv/www &
setup:
  - { node: central, run: ovn-nbctl --wait=hv sync }
`;
