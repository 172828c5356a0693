/** DHCP, DNS, a load balancer with health checks and security groups: what a cloud gives to its guests. */
export const services = `
name: services
description: Services. DHCP, DNS, a load balancer with health checks and security groups, for vm1 and two web servers.
networks:
  underlay: {}
nodes:
  central:
    nics: { eth1: { network: underlay, address: 192.168.50.10/24, mtu: 1600 } }
    services: [ovn-central, ovn-host]
    provision: |
      ovs-vsctl set open . external-ids:system-id=central external-ids:ovn-remote=tcp:192.168.50.10:6642 external-ids:ovn-encap-type=geneve external-ids:ovn-encap-ip=192.168.50.10
      ovn-nbctl ls-add net
      ovn-nbctl lr-add router
      ovn-nbctl lrp-add router router-net 40:44:00:00:00:01 10.1.0.1/24 fd01::1/64
      ovn-nbctl set Logical_Router_Port router-net ipv6_ra_configs:address_mode=slaac ipv6_ra_configs:mtu=1442
      ovn-nbctl lsp-add-router-port net net-router router-net

      ovn-nbctl lsp-add net vm1 -- lsp-set-addresses vm1 "40:44:00:00:00:05 10.1.0.5 fd01::4244:ff:fe00:5"
      ovn-nbctl lsp-add net web1 -- lsp-set-addresses web1 "40:44:00:00:00:11 10.1.0.11 fd01::11"
      ovn-nbctl lsp-add net web2 -- lsp-set-addresses web2 "40:44:00:00:00:12 10.1.0.12"
      ovn-nbctl lsp-set-port-security vm1 "40:44:00:00:00:05 10.1.0.5 fd01::4244:ff:fe00:5"
      ovn-nbctl lsp-set-port-security web1 "40:44:00:00:00:11 10.1.0.11 fd01::11"
      ovn-nbctl lsp-set-port-security web2 "40:44:00:00:00:12 10.1.0.12"

      ovn-nbctl -- --id=@dhcp create DHCP_Options cidr=10.1.0.0/24 options:lease_time=3600 options:router=10.1.0.1 options:server_id=10.1.0.1 options:server_mac='"40:44:00:00:00:01"' options:dns_server=10.1.0.1 options:mtu=1442 options:domain_name='"\\"lab.example\\""' -- set Logical_Switch_Port vm1 dhcpv4_options=@dhcp -- set Logical_Switch_Port web1 dhcpv4_options=@dhcp -- set Logical_Switch_Port web2 dhcpv4_options=@dhcp
      ovn-nbctl -- --id=@dhcp6 create DHCP_Options cidr="fd01\\:\\:/64" options:server_id='"40:44:00:00:00:01"' options:dns_server='"fd01::1"' -- set Logical_Switch_Port web1 dhcpv6_options=@dhcp6
      ovn-nbctl -- --id=@dns create DNS records='vm1.lab.example="10.1.0.5 fd01::4244:ff:fe00:5" web1.lab.example=10.1.0.11 web2.lab.example=10.1.0.12 www.lab.example=10.1.255.100' options:ovn-owned=true -- add Logical_Switch net dns_records @dns

      ovn-nbctl lb-add www 10.1.255.100:80 10.1.0.11:8000,10.1.0.12:8000
      ovn-nbctl ls-lb-add net www
      ovn-nbctl -- set Load_Balancer www ip_port_mappings:10.1.0.11=web1:10.1.0.2 ip_port_mappings:10.1.0.12=web2:10.1.0.2
      ovn-nbctl -- --id=@check create Load_Balancer_Health_Check vip="10.1.255.100\\:80" options:interval=2 options:timeout=1 options:failure_count=2 options:success_count=1 -- add Load_Balancer www health_check @check

      ovn-nbctl pg-add web web1 web2
      ovn-nbctl pg-add clients vm1
      ovn-nbctl --name=web-default acl-add web to-lport 1000 'outport == @web && ip' drop
      ovn-nbctl --name=web-http acl-add web to-lport 1001 'outport == @web && ip4.src == $clients_ip4 && tcp.dst == 8000' allow-related
      ovn-nbctl --name=web-icmp acl-add web to-lport 1001 'outport == @web && icmp4' allow-related
  worker1:
    nics: { eth1: { network: underlay, address: 192.168.50.100/24, mtu: 1600 } }
    services: [ovn-host]
    files:
      /srv/web1/index.html: |
        This is web1.
    provision: |
      ovs-vsctl set open . external-ids:system-id=worker1 external-ids:ovn-remote=tcp:192.168.50.10:6642 external-ids:ovn-encap-type=geneve external-ids:ovn-encap-ip=192.168.50.100
      ovs-vsctl add-port br-int vm1 -- set Interface vm1 type=internal -- set Interface vm1 external_ids:iface-id=vm1
      ovs-vsctl add-port br-int web1 -- set Interface web1 type=internal -- set Interface web1 external_ids:iface-id=web1
      ip netns add vm1
      ip link set vm1 netns vm1
      ip netns exec vm1 ip link set vm1 address 40:44:00:00:00:05
      ip netns exec vm1 ip link set lo up
      ip netns exec vm1 ip link set vm1 up
      ip netns add web1
      ip link set web1 netns web1
      ip netns exec web1 ip link set web1 address 40:44:00:00:00:11
      ovs-vsctl wait-until Interface web1 external_ids:ovn-installed=true
      ip netns exec web1 dhclient web1
      ip netns exec web1 python3 -m http.server 8000 --directory /srv/web1 &
  worker2:
    nics: { eth1: { network: underlay, address: 192.168.50.101/24, mtu: 1600 } }
    services: [ovn-host]
    files:
      /srv/web2/index.html: |
        This is web2.
    provision: |
      ovs-vsctl set open . external-ids:system-id=worker2 external-ids:ovn-remote=tcp:192.168.50.10:6642 external-ids:ovn-encap-type=geneve external-ids:ovn-encap-ip=192.168.50.101
      ovs-vsctl add-port br-int web2 -- set Interface web2 type=internal -- set Interface web2 external_ids:iface-id=web2
      ip netns add web2
      ip link set web2 netns web2
      ip netns exec web2 ip link set web2 address 40:44:00:00:00:12
      ovs-vsctl wait-until Interface web2 external_ids:ovn-installed=true
      ip netns exec web2 dhclient web2
      ip netns exec web2 python3 -m http.server 8000 --directory /srv/web2 &
setup:
  - { node: central, run: ovn-nbctl --wait=hv sync }
`;
