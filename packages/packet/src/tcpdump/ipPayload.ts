/** The choice of the printer of what an IP header carries. */
import { printIcmp } from "./icmp.ts";
import { printIcmpv6 } from "./icmpv6.ts";
import { printIgmp } from "./igmp.ts";
import { protocolName } from "./names.ts";
import type { IpPlace } from "./place.ts";
import { printSctp } from "./sctp.ts";
import { printTcp } from "./tcp.ts";
import type { Text } from "./text.ts";
import { printUdp } from "./udp.ts";

/** Prints what an IP header carries. */
export function printIpPayload(t: Text, protocol: number, at: number, length: number, ip: IpPlace): void {
  switch (protocol) {
    case 1:
      if (ip.version === 4) {
        printIcmp(t, at, length, ip);
        return;
      }
      t.put("[ICMP requires IPv4]");
      t.invalid();
      return;
    case 2:
      if (ip.version === 4) {
        printIgmp(t, at, length);
        return;
      }
      t.put("[IGMP requires IPv4]");
      t.invalid();
      return;
    case 4:
      t.printers.ipv4(t, at, length);
      return;
    case 6:
      printTcp(t, at, length, ip);
      return;
    case 17:
      printUdp(t, at, length, ip);
      return;
    case 41:
      t.printers.ipv6(t, at, length);
      return;
    case 58:
      if (ip.version === 6) {
        printIcmpv6(t, at, length, ip);
        return;
      }
      t.put("[ICMP6 requires IPv6]");
      t.invalid();
      return;
    case 132:
      printSctp(t, at, length, ip);
      return;
  }
  t.put(` ${protocolName(protocol, t.numeric)} ${length}`);
}
