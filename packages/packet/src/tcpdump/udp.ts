/** UDP as tcpdump prints it, and the choice of the printer of what it carries. */
import { get16 } from "../bytes.ts";
import { finishSum, sumBytes } from "../checksum.ts";
import { printBfd } from "./bfd.ts";
import { printDhcp } from "./dhcp.ts";
import { printDhcpv6 } from "./dhcpv6.ts";
import { printDns } from "./dns.ts";
import { addresses, type IpPlace, placeSum, putPorts } from "./place.ts";
import { Cut, type Text } from "./text.ts";
import { printGeneve, printVxlan } from "./tunnels.ts";

function hex4(value: number): string {
  return value.toString(16).padStart(4, "0");
}

export function printUdp(t: Text, start: number, given: number, ip: IpPlace): void {
  t.protocol = "udp";
  if (!t.has(start, 4)) {
    if (ip.version === 4 || t.u8(ip.start + 6) === 17) {
      const [src, dst] = addresses(t, ip);
      t.put(`${src} > ${dst}: `);
    }
    throw new Cut();
  }
  putPorts(t, start, ip, "udp", 17);
  if (!t.has(start, 8)) {
    throw new Cut();
  }
  const src = t.u16(start);
  const dst = t.u16(start + 2);
  const declared = t.u16(start + 4);
  if (given < 8) {
    t.put(`truncated-udp ${given}`);
    return;
  }
  if (declared < 8) {
    t.put(`truncated-udplength ${declared}`);
    return;
  }
  const length = Math.min(declared - 8, given - 8);
  if (t.verbose > (ip.version === 4 ? 1 : 0) && !ip.fragment) {
    const field = get16(t.bytes, start + 6);
    if (field === 0 && ip.version === 4) t.put("[no cksum] ");
    else if (t.has(start, declared)) {
      const sum = sumBytes(t.bytes, start, start + declared, placeSum(t, ip, 17, declared));
      if (finishSum(sum) === 0) t.put("[udp sum ok] ");
      else t.put(`[bad udp cksum 0x${hex4(field)} -> 0x${hex4(finishSum(sum - field))}!] `);
    }
  }
  if (t.quiet) {
    t.put(`UDP, length ${declared - 8}`);
    return;
  }
  const at = start + 8;
  const either = (port: number): boolean => src === port || dst === port;
  if (either(53)) printDns(t, at, length, false);
  else if (either(67) || either(68)) printDhcp(t, at, length);
  else if (either(5353)) printDns(t, at, length, true);
  else if (either(546) || either(547)) printDhcpv6(t, at, length);
  else if (either(3784)) printBfd(t, at, length);
  else if (either(4789)) printVxlan(t, at, length);
  else if (either(6081)) printGeneve(t, at, length);
  else if (declared > given && !ip.fragment) t.put(`UDP, bad length ${declared - 8} > ${given - 8}`);
  else t.put(`UDP, length ${declared - 8}`);
}
