/** Random services for a random network, as ovn-nbctl commands: DHCP, DNS, ACLs that log and sample, multicast, policies, forwarding groups. */
import type { RandomNetwork } from "./network.ts";
import type { Chance } from "./xorshift.ts";

/** Edits, each the commands of one transaction. */
export function randomServices(chance: Chance, network: RandomNetwork): string[] {
  const lines: string[] = [];
  const { guests, routers } = network;
  const vifs = guests.filter(({ kind }) => kind === "vif");
  for (const port of chance.some(vifs, 25)) {
    if (port.ip4 !== undefined && chance.percent(60)) {
      const server = port.ip4.replace(/\.\d+$/, ".254");
      lines.push(
        `--id=@d create DHCP_Options cidr=${server}/24 options='"server_id"="${server}" "server_mac"="00:00:00:00:ff:01" "lease_time"="3600" "router"="${server}" "mtu"="1400"' -- set Logical_Switch_Port ${port.name} dhcpv4_options=@d`,
      );
    }
    if (port.ip6 !== undefined && chance.percent(60)) {
      lines.push(
        `--id=@d create DHCP_Options cidr='"fd00::/64"' options='"server_id"="00:00:00:00:ff:01" "dns_server"="fd00::53"' -- set Logical_Switch_Port ${port.name} dhcpv6_options=@d`,
      );
    }
  }
  for (const { name, ports } of chance.some(network.switches, 30)) {
    const pick = chance.below(5);
    if (pick === 0) lines.push(`--id=@n create DNS records:vm1.ovn.org=10.0.0.4 -- set Logical_Switch ${name} dns_records=@n`);
    if (pick === 1)
      lines.push(
        `set Logical_Switch ${name} other_config:mcast_snoop=true other_config:mcast_querier=false other_config:mcast_flood_unregistered=${chance.percent(50)}`,
      );
    if (pick === 2)
      lines.push(
        `--log --name=logged --severity=warning acl-add ${name} ${chance.pick(["to-lport", "from-lport"])} 3000 ip4 ${chance.pick(["allow", "allow-related", "drop", "reject"])}`,
      );
    if (pick === 3)
      lines.push(
        `--tier=${chance.below(3)} acl-add ${name} ${chance.pick(["to-lport", "from-lport"])} 2999 ip ${chance.pick(["pass", "allow-related", "drop"])}`,
      );
    if (pick === 4 && ports.filter(({ kind }) => kind === "vif").length > 1) {
      const members = ports.filter(({ kind }) => kind === "vif").slice(0, 2);
      lines.push(
        `fwd-group-add ${name}-fwd ${name} 10.${chance.below(200)}.0.99 0e:00:00:00:01:01 ${members.map((port) => port.name).join(" ")}`,
      );
    }
  }
  for (const { name, ports } of chance.some(routers, 40)) {
    const nexthops = ports
      .flatMap(({ networks }) => networks.filter((text) => text.endsWith("/24")))
      .map((text) => text.replace(/\.\d+\/24$/, ".60"));
    const pick = chance.below(3);
    if (pick === 0 && nexthops.length > 1) lines.push(`lr-policy-add ${name} 31000 ip4 reroute ${nexthops.slice(0, 2).join()}`);
    if (pick === 1) lines.push(`lr-policy-add ${name} 31001 'ip4 && tcp' allow pkt_mark=7`);
    if (pick === 2) lines.push(`set Logical_Router ${name} options:mcast_relay=true`);
  }
  return lines;
}
