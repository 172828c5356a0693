/** DHCPv6 as tcpdump prints it. */
import { parseName } from "./dns.ts";
import { safeText, type Text } from "./text.ts";

const MESSAGES = [
  "",
  "solicit",
  "advertise",
  "request",
  "confirm",
  "renew",
  "rebind",
  "reply",
  "release",
  "decline",
  "reconf",
  "inf-req",
  "relay-fwd",
  "relay-reply",
  "leasequery",
  "leasequery-reply",
  "leasequery-done",
  "leasequery-data",
  "reconfigure-request",
  "reconfigure-reply",
  "dhcpv4-query",
  "dhcpv4-response",
];
const OPTIONS = new Map<number, string>([
  [1, "client-ID"],
  [2, "server-ID"],
  [3, "IA_NA"],
  [4, "IA_TA"],
  [5, "IA_ADDR"],
  [6, "option-request"],
  [7, "preference"],
  [8, "elapsed-time"],
  [9, "relay-message"],
  [11, "authentication"],
  [12, "server-unicast"],
  [13, "status-code"],
  [14, "rapid-commit"],
  [15, "user-class"],
  [16, "vendor-class"],
  [17, "vendor-specific-info"],
  [18, "interface-ID"],
  [19, "reconfigure-message"],
  [20, "reconfigure-accept"],
  [21, "SIP-servers-domain"],
  [22, "SIP-servers-address"],
  [23, "DNS-server"],
  [24, "DNS-search-list"],
  [25, "IA_PD"],
  [26, "IA_PD-prefix"],
  [27, "NIS-server"],
  [28, "NISP-server"],
  [29, "NIS-domain-name"],
  [30, "NISP-domain-name"],
  [31, "SNTP-servers"],
  [32, "lifetime"],
  [33, "BCMCS-server"],
  [34, "BCMCS-domain-name"],
  [36, "geoconf-civic"],
  [37, "remote-ID"],
  [38, "subscriber-ID"],
  [39, "Client-FQDN"],
  [59, "Bootfile-URL"],
]);
const STATUS = ["success", "unspecified", "no-addrs-avail", "no-binding", "not-on-link", "use-multicast", "no-prefix-avail"];

export function printDhcpv6(t: Text, start: number, length: number): void {
  t.protocol = "dhcp6";
  t.put("dhcp6");
  t.need(start, Math.min(length, 4));
  const type = t.u8(start);
  t.put(` ${MESSAGES[type] || `msgtype-${type}`}`);
  if (t.verbose === 0) return;
  const end = start + length;
  if (type !== 12 && type !== 13) {
    t.need(start, 4);
    t.put(` (xid=${t.u24(start + 1).toString(16)}`);
    if (length > 4) printOptions(t, start + 4, end);
    t.put(")");
    return;
  }
  t.need(start, 34);
  t.put(` (linkaddr=${t.ip6(start + 2)} peeraddr=${t.ip6(start + 18)}`);
  printOptions(t, start + 34, end);
  t.put(")");
}

function printOptions(t: Text, start: number, end: number): void {
  for (let at = start; at < end && at < t.end; ) {
    if (end - at < 4 || !t.has(at, 4) || !t.has(at + 4, Math.min(t.u16(at + 2), end - at - 4))) {
      t.put(" [|dhcp6]");
      return;
    }
    const code = t.u16(at);
    const length = t.u16(at + 2);
    t.put(` (${OPTIONS.get(code) ?? `opt_${code}`}`);
    if (at + 4 + length > end) {
      t.put(" ?)");
      t.invalid();
      return;
    }
    t.need(at + 4, length);
    printOption(t, code, at + 4, length);
    t.put(")");
    at += 4 + length;
  }
}

function printOption(t: Text, code: number, at: number, length: number): void {
  switch (code) {
    case 1:
    case 2:
      printDuid(t, at, length);
      break;
    case 3:
    case 25:
      if (length < 12) t.put(" ?");
      else {
        t.put(` IAID:${t.u32(at)} T1:${t.u32(at + 4)} T2:${t.u32(at + 8)}`);
        if (length > 12) printOptions(t, at + 12, at + length);
      }
      break;
    case 4:
      if (length < 4) t.put(" ?");
      else {
        t.put(` IAID:${t.u32(at)}`);
        if (length > 4) printOptions(t, at + 4, at + length);
      }
      break;
    case 5:
      if (length < 24) t.put(" ?");
      else {
        t.put(` ${t.ip6(at)} pltime:${t.u32(at + 16)} vltime:${t.u32(at + 20)}`);
        if (length > 24) printOptions(t, at + 24, at + length);
      }
      break;
    case 6:
      if (length % 2) t.put(" ?");
      else for (let i = 0; i < length; i += 2) t.put(` ${OPTIONS.get(t.u16(at + i)) ?? `opt_${t.u16(at + i)}`}`);
      break;
    case 7:
      t.put(length === 1 ? ` ${t.u8(at)}` : " ?");
      break;
    case 8:
      t.put(length === 2 ? ` ${t.u16(at)}` : " ?");
      break;
    case 9: {
      t.put(" (");
      const before = t.protocol;
      printDhcpv6(t, at, length);
      t.protocol = before;
      t.put(")");
      break;
    }
    case 13:
      if (length < 2) t.put(" ?");
      else t.put(` ${STATUS[t.u16(at)] ?? `code${t.u16(at)}`}`);
      break;
    case 14:
    case 20:
      break;
    case 15:
    case 16:
    case 18:
    case 37:
    case 38:
      t.put(` ${hexPart(t, at, length)}`);
      break;
    case 22:
    case 23:
    case 27:
    case 28:
    case 31:
    case 33:
      if (length % 16) t.put(" ?");
      else for (let i = 0; i < length; i += 16) t.put(` ${t.ip6(at + i)}`);
      break;
    case 21:
    case 24: {
      for (let i = at; i < at + length; ) {
        const { text, next } = parseName(t, at, i);
        t.put(` ${text}`);
        if (next <= i) break;
        i = next;
      }
      break;
    }
    case 26:
      if (length < 25) t.put(" ?");
      else {
        t.put(` ${t.ip6(at + 9)}/${t.u8(at + 8)} pltime:${t.u32(at)} vltime:${t.u32(at + 4)}`);
        if (length > 25) printOptions(t, at + 25, at + length);
      }
      break;
    case 32:
      t.put(length === 4 ? ` ${t.u32(at)}` : " ?");
      break;
    case 59:
      t.put(` ${safeText(t.bytes, at, at + length)}`);
      break;
  }
}

function hexPart(t: Text, at: number, length: number): string {
  return length > 10 ? `${t.hex(at, 10)}...` : t.hex(at, length);
}

function printDuid(t: Text, at: number, length: number): void {
  if (length < 2) {
    t.put(" ?");
    return;
  }
  const type = t.u16(at);
  if (type === 1 && length >= 8) {
    t.put(` hwaddr/time type ${t.u16(at + 2)} time ${t.u32(at + 4)} ${t.hex(at + 8, length - 8)}`);
  } else if (type === 2 && length >= 8) t.put(` vid ${t.hex(at + 2, length - 2)}`);
  else if (type === 3 && length >= 4) t.put(` hwaddr type ${t.u16(at + 2)} ${t.hex(at + 4, length - 4)}`);
  else if (type === 4) t.put(` uuid ${t.hex(at + 2, length - 2)}`);
  else t.put(type >= 1 && type <= 3 ? " ?" : ` type ${type}`);
}
