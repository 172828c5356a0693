import type { Command } from "../machine/machine.ts";

/** Commands about the network or the services of the computer they run on, which machines of a lab do not have. */
const NAMES = [
  "arp",
  "arptables",
  "bridge",
  "conntrack",
  "ethtool",
  "ifconfig",
  "ip6tables",
  "iptables",
  "journalctl",
  "netstat",
  "nft",
  "nmcli",
  "route",
  "service",
  "ss",
  "sysctl",
  "systemctl",
  "tc",
  "tracepath",
  "traceroute",
];

const refuse =
  (name: string): Command =>
  async (_args, { host }) => {
    await host.stderr.write(`${name}: not a command of a lab's machines; your own would tell of this computer\n`);
    return 127;
  };

/** They say so, lest the user's own shell runs its own and answers for another network. */
export const absentCommands: readonly (readonly [string, Command])[] = NAMES.map((name) => [name, refuse(name)]);
