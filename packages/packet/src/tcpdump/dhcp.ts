/** BOOTP and DHCP as tcpdump prints them. */
import { DHCP_COOKIE } from "../wire/dhcp.ts";
import { Cut, safeText, type Text } from "./text.ts";

/** How an option's data print: text, addresses, address pairs, booleans, dotted bytes, 16 and 32 bits numbers, or specially. */
type Form = "text" | "ip" | "pairs" | "boolean" | "bytes" | "u16" | "u32" | "special";

const OPTIONS = new Map<number, readonly [string, Form]>([
  [1, ["Subnet-Mask", "ip"]],
  [2, ["Time-Zone", "u32"]],
  [3, ["Default-Gateway", "ip"]],
  [4, ["Time-Server", "ip"]],
  [5, ["IEN-Name-Server", "ip"]],
  [6, ["Domain-Name-Server", "ip"]],
  [7, ["LOG", "ip"]],
  [8, ["CS", "ip"]],
  [9, ["LPR-Server", "ip"]],
  [10, ["IM", "ip"]],
  [11, ["RL", "ip"]],
  [12, ["Hostname", "text"]],
  [13, ["BS", "u16"]],
  [14, ["DP", "text"]],
  [15, ["Domain-Name", "text"]],
  [16, ["SS", "ip"]],
  [17, ["RP", "text"]],
  [18, ["EP", "text"]],
  [19, ["IPF", "boolean"]],
  [20, ["SRT", "boolean"]],
  [21, ["PF", "pairs"]],
  [22, ["RSZ", "u16"]],
  [23, ["TTL", "bytes"]],
  [24, ["MTU-Timeout", "u32"]],
  [25, ["MTU-Table", "u16"]],
  [26, ["MTU", "u16"]],
  [27, ["LSN", "boolean"]],
  [28, ["BR", "ip"]],
  [29, ["MD", "boolean"]],
  [30, ["MS", "boolean"]],
  [31, ["Router-Discovery", "boolean"]],
  [32, ["RSA", "ip"]],
  [33, ["Static-Route", "pairs"]],
  [34, ["UT", "boolean"]],
  [35, ["AT", "u32"]],
  [36, ["IE", "boolean"]],
  [37, ["TT", "bytes"]],
  [38, ["KI", "u32"]],
  [39, ["KG", "boolean"]],
  [40, ["YD", "text"]],
  [41, ["YS", "ip"]],
  [42, ["NTP", "ip"]],
  [43, ["Vendor-Option", "bytes"]],
  [44, ["Netbios-Name-Server", "ip"]],
  [45, ["WDD", "ip"]],
  [46, ["Netbios-Node", "special"]],
  [47, ["Netbios-Scope", "text"]],
  [48, ["XFS", "ip"]],
  [49, ["XDM", "ip"]],
  [50, ["Requested-IP", "ip"]],
  [51, ["Lease-Time", "u32"]],
  [52, ["OO", "special"]],
  [53, ["DHCP-Message", "special"]],
  [54, ["Server-ID", "ip"]],
  [55, ["Parameter-Request", "special"]],
  [56, ["MSG", "text"]],
  [57, ["MSZ", "u16"]],
  [58, ["RN", "u32"]],
  [59, ["RB", "u32"]],
  [60, ["Vendor-Class", "text"]],
  [61, ["Client-ID", "special"]],
  [64, ["N+D", "u16"]],
  [65, ["N+S", "ip"]],
  [66, ["TFTP", "text"]],
  [67, ["BF", "text"]],
  [68, ["MH", "ip"]],
  [69, ["SMTP", "ip"]],
  [70, ["POP3", "ip"]],
  [71, ["NNTP", "ip"]],
  [72, ["WWW", "ip"]],
  [73, ["FG", "ip"]],
  [74, ["IRC", "ip"]],
  [75, ["STS", "ip"]],
  [76, ["STDA", "ip"]],
  [77, ["User-Class", "special"]],
  [78, ["SLP-DA", "bytes"]],
  [79, ["SLP-SCOPE", "bytes"]],
  [80, ["SLP-NA", "text"]],
  [81, ["FQDN", "special"]],
  [82, ["Agent-Information", "special"]],
  [83, ["ARMT", "bytes"]],
  [88, ["TZSTR", "text"]],
  [89, ["FQDNS", "bytes"]],
  [90, ["AUTH", "bytes"]],
  [91, ["Last-Transaction-Time", "u32"]],
  [92, ["Associated-IP", "ip"]],
  [93, ["ARCH", "u16"]],
  [94, ["NDI", "bytes"]],
  [95, ["LDAP", "text"]],
  [97, ["GUID", "bytes"]],
  [98, ["UAP", "text"]],
  [100, ["POSIX-TZ", "text"]],
  [101, ["TZ-Name", "text"]],
  [112, ["NI", "ip"]],
  [113, ["NITAG", "text"]],
  [114, ["URL", "text"]],
  [116, ["NOAUTO", "boolean"]],
  [117, ["NSSEARCH", "u16"]],
  [118, ["SUBNET", "ip"]],
  [121, ["Classless-Static-Route", "special"]],
  [150, ["TFTP-Server-Address", "ip"]],
  [161, ["MUD-URL", "text"]],
]);

const MESSAGES = new Map<number, string>([
  [1, "Discover"],
  [2, "Offer"],
  [3, "Request"],
  [4, "Decline"],
  [5, "ACK"],
  [6, "NACK"],
  [7, "Release"],
  [8, "Inform"],
  [10, "LeaseQuery"],
  [11, "LeaseUnassigned"],
  [12, "LeaseUnknown"],
  [13, "LeaseActive"],
]);

const optionName = (code: number): string => OPTIONS.get(code)?.[0] ?? "Unknown";

export function printDhcp(t: Text, start: number, length: number): void {
  t.protocol = "bootp";
  const op = t.u8(start);
  const kind = op === 1 ? "Request" : op === 2 ? "Reply" : `unknown (0x${op.toString(16).padStart(2, "0")})`;
  t.put(`BOOTP/DHCP, ${kind}`);
  const hardware = t.u8(start + 1);
  const hardwareLength = t.u8(start + 2);
  if (hardware === 1 && hardwareLength === 6 && op === 1) t.put(` from ${t.mac(start + 28)}`);
  t.put(`, length ${length}`);
  if (t.verbose === 0) return;
  t.need(start + 8, 2);
  if (hardware !== 1) t.put(`, htype ${hardware}`);
  if (hardware === 1 && hardwareLength !== 6) t.put(`, hlen ${hardwareLength}`);
  if (t.u8(start + 3) !== 0) t.put(`, hops ${t.u8(start + 3)}`);
  if (t.u32(start + 4) !== 0) t.put(`, xid 0x${t.u32(start + 4).toString(16)}`);
  if (t.u16(start + 8) !== 0) t.put(`, secs ${t.u16(start + 8)}`);
  const flags = t.u16(start + 10);
  t.put(`, Flags [${flags & 0x8000 ? "Broadcast" : "none"}]`);
  if (t.verbose > 1) t.put(` (0x${flags.toString(16).padStart(4, "0")})`);
  for (const [at, name] of [
    [12, "Client-IP"],
    [16, "Your-IP"],
    [20, "Server-IP"],
    [24, "Gateway-IP"],
  ] as const)
    if (t.u32(start + at) !== 0) t.put(`\n\t  ${name} ${t.ip4(start + at)}`);
  if (hardware === 1 && hardwareLength === 6) t.put(`\n\t  Client-Ethernet-Address ${t.mac(start + 28)}`);
  for (const [at, size, name] of [
    [44, 64, "sname"],
    [108, 128, "file"],
  ] as const) {
    if (t.u8(start + at) === 0) continue;
    t.put(`\n\t  ${name} "`);
    putTerminated(t, start + at, size);
    t.put('"');
  }
  const area = start + 236;
  if (length - 236 <= 0) return;
  t.need(area, 4);
  const cookie = t.u32(area);
  if (cookie === DHCP_COOKIE) printOptions(t, area + 4, start + length);
  else if (cookie !== 0) t.put(`\n\t  Vendor-#0x${cookie.toString(16).padStart(8, "0")}`);
}

/** Text up to a zero or `size` characters. */
function putTerminated(t: Text, at: number, size: number): void {
  const last = Math.min(at + size, t.end);
  let i = at;
  for (; i < last && t.u8(i) !== 0; i++) t.put(safeText(t.bytes, i, i + 1));
  if (i === t.end && i < at + size) {
    t.put('"');
    throw new Cut();
  }
}

function printOptions(t: Text, start: number, end: number): void {
  t.put("\n\t  Vendor-rfc1048 Extensions\n\t    Magic Cookie 0x63825363");
  for (let at = start; at < end && at < t.end; ) {
    const code = t.u8(at);
    if (code === 0 && t.verbose < 3) {
      at++;
      continue;
    }
    if (code === 255 && t.verbose < 3) return;
    if (code === 0) {
      let count = 0;
      while (at + count < t.end && at + count < end && t.u8(at + count) === 0) count++;
      t.put(`\n\t    PAD (0), length 0${count > 1 ? `, occurs ${count}` : ""}`);
      at += count;
      continue;
    }
    if (code === 255) {
      t.put("\n\t    END (255), length 0");
      return;
    }
    const length = t.u8(at + 1);
    t.put(`\n\t    ${optionName(code)} (${code}), length ${length}${length > 0 ? ": " : ""}`);
    t.need(at + 2, length);
    if (length > 0) printOption(t, code, at + 2, length);
    at += 2 + length;
  }
}

function each(length: number, size: number, item: (i: number) => string): string {
  const items: string[] = [];
  for (let i = 0; i + size <= length; i += size) items.push(item(i));
  return items.join(",");
}

function printOption(t: Text, code: number, at: number, length: number): void {
  const form = OPTIONS.get(code)?.[1] ?? (length === 1 ? "bytes" : length % 2 === 1 ? "bytes" : length % 4 === 2 ? "u16" : "u32");
  switch (form) {
    case "text":
      t.put(`"${safeText(t.bytes, at, at + length)}"`);
      break;
    case "ip":
      t.put(each(length, 4, (i) => t.ip4(at + i)));
      break;
    case "pairs":
      t.put(each(length, 8, (i) => `(${t.ip4(at + i)}:${t.ip4(at + i + 4)})`));
      break;
    case "u16":
      t.put(each(length, 2, (i) => String(t.u16(at + i))));
      break;
    case "u32":
      t.put(each(length, 4, (i) => String(t.u32(at + i))));
      break;
    case "boolean":
      t.put(
        each(length, 1, (i) => {
          const value = t.u8(at + i);
          return value === 0 ? "N" : value === 1 ? "Y" : `${value}?`;
        }),
      );
      break;
    case "bytes":
      t.put(Array.from({ length }, (_, i) => t.u8(at + i)).join("."));
      break;
    case "special":
      printSpecial(t, code, at, length);
      break;
  }
}

function printSpecial(t: Text, code: number, at: number, length: number): void {
  switch (code) {
    case 46: {
      const names = new Map([
        [1, "b-node"],
        [2, "p-node"],
        [4, "m-node"],
        [8, "h-node"],
      ]);
      t.put(names.get(t.u8(at)) ?? `Unknown (${t.u8(at)})`);
      break;
    }
    case 52: {
      const names = ["", "file", "sname", "file+sname"];
      t.put(names[t.u8(at)] || `Unknown (${t.u8(at)})`);
      break;
    }
    case 53:
      if (length === 1) t.put(MESSAGES.get(t.u8(at)) ?? `Unknown (${t.u8(at)})`);
      else t.put(Array.from({ length }, (_, i) => t.u8(at + i)).join("."));
      break;
    case 55:
      for (let i = 0; i < length; i++) {
        const separator = i % 4 === 0 ? "\n\t      " : ", ";
        t.put(`${separator}${optionName(t.u8(at + i))} (${t.u8(at + i)})`);
      }
      break;
    case 61: {
      const type = t.u8(at);
      const octets = Array.from({ length: length - 1 }, (_, i) => t.hex(at + 1 + i, 1)).join(":");
      if (type === 0) t.put(`"${safeText(t.bytes, at + 1, at + length)}"`);
      else if (type === 255 && length >= 7) t.put(octets);
      else t.put(`${type === 1 ? "ether" : `hardware-type ${type},`} ${octets}`);
      break;
    }
    case 77:
      printUserClass(t, at, length);
      break;
    case 81:
      printFqdn(t, at, length);
      break;
    case 82:
      printAgentInformation(t, at, length);
      break;
    case 121:
      printClasslessRoutes(t, at, length);
      break;
  }
}

function printUserClass(t: Text, start: number, size: number): void {
  let at = start;
  let rest = size;
  for (let instance = 1; rest > 0; instance++) {
    const length = t.u8(at++);
    rest--;
    t.put(`\n\t      instance#${instance}: `);
    if (length === 0 || rest < length) {
      t.put("[ERROR: invalid option]");
      return;
    }
    t.put(`"${safeText(t.bytes, at, at + length)}", length ${length}`);
    at += length;
    rest -= length;
  }
}

function printFqdn(t: Text, at: number, length: number): void {
  if (length < 3) {
    t.put("[ERROR: length < 3 bytes]");
    return;
  }
  const flags = t.u8(at);
  const names = [
    [1, "S"],
    [2, "O"],
    [4, "E"],
    [8, "N"],
  ] as const;
  const set = names.filter(([bit]) => flags & bit).map(([, name]) => name);
  t.put(flags ? `[${set.join("")}] ` : "");
  if (t.u8(at + 1) || t.u8(at + 2)) t.put(`${t.u8(at + 1)}/${t.u8(at + 2)} `);
  t.put(`"${safeText(t.bytes, at + 3, at + length)}"`);
}

function printAgentInformation(t: Text, start: number, size: number): void {
  const names = new Map([
    [1, "Circuit-ID"],
    [2, "Remote-ID"],
    [6, "Subscriber-ID"],
  ]);
  let at = start;
  let rest = size;
  while (rest >= 2) {
    const type = t.u8(at);
    const length = t.u8(at + 1);
    at += 2;
    rest -= 2;
    t.put(`\n\t      ${names.get(type) ?? "Unknown"} SubOption ${type}, length ${length}: `);
    if (length > rest) {
      t.put("length goes past end of option");
      return;
    }
    if (names.has(type)) t.put(safeText(t.bytes, at, at + length));
    at += length;
    rest -= length;
  }
}

function printClasslessRoutes(t: Text, start: number, size: number): void {
  if (size < 5) {
    t.put("[ERROR: length < 5 bytes]");
    return;
  }
  let at = start;
  let rest = size;
  for (let first = true; rest > 0; first = false) {
    if (!first) t.put(",");
    const width = t.u8(at);
    if (width > 32) {
      t.put(`[ERROR: Mask width (${width}) > 32]`);
      return;
    }
    const octets = Math.ceil(width / 8);
    if (rest < 5 + octets) {
      t.put(`[ERROR: Remaining length (${rest - 1}) < ${4 + octets} bytes]`);
      return;
    }
    const parts = Array.from({ length: 4 }, (_, i) => (i < octets ? t.u8(at + 1 + i) : 0));
    t.put(`(${width === 0 ? "default" : `${parts.join(".")}/${width}`}:${t.ip4(at + 1 + octets)})`);
    at += 5 + octets;
    rest -= 5 + octets;
  }
}
