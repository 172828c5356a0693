/** ICMPv6, neighbour discovery and MLD as tcpdump prints them. */
import { formatIpv6, readIpv6 } from "../address.ts";
import { get16 } from "../bytes.ts";
import { finishSum, sumBytes } from "../checksum.ts";
import { isDnsPointer } from "./dns.ts";
import { type IpPlace, placeSum6 } from "./place.ts";
import { bitNames, Cut, hexLines, type Text } from "./text.ts";

const TYPES = new Map<number, string>([
  [1, "destination unreachable"],
  [2, "packet too big"],
  [3, "time exceeded in-transit"],
  [4, "parameter problem"],
  [128, "echo request"],
  [129, "echo reply"],
  [130, "multicast listener query"],
  [131, "multicast listener report"],
  [132, "multicast listener done"],
  [133, "router solicitation"],
  [134, "router advertisement"],
  [135, "neighbor solicitation"],
  [136, "neighbor advertisement"],
  [137, "redirect"],
  [138, "router renumbering"],
  [139, "node information query"],
  [140, "node information reply"],
  [141, "inverse neighbor solicitation"],
  [142, "inverse neighbor advertisement"],
  [143, "multicast listener report v2"],
  [144, "dhaad request"],
  [145, "dhaad reply"],
  [146, "mobile router solicitation"],
  [147, "mobile router advertisement"],
]);
const UNREACHABLE = ["unreachable route", "unreachable prohibited", "beyond scope", "unreachable address", "unreachable port"];
const RA_FLAGS = [
  [0x80, "managed"],
  [0x40, "other stateful"],
  [0x20, "home agent"],
] as const;
const NA_FLAGS = [
  [0x80, "router"],
  [0x40, "solicited"],
  [0x20, "override"],
] as const;
const PREFERENCES = ["medium", "high", "reserved", "low"];
const RECORDS = ["", "is_in", "is_ex", "to_in", "to_ex", "allow", "block"];

export function printIcmpv6(t: Text, start: number, length: number, ip: IpPlace): void {
  t.protocol = "icmp6";
  t.need(start, 1);
  if (t.verbose > 0 && !ip.fragment) {
    if (t.has(start, length)) {
      const field = get16(t.bytes, start + 2);
      const sum = sumBytes(t.bytes, start, start + length, placeSum6(t, ip, 58, length));
      if (finishSum(sum) !== 0) {
        t.put(`[bad icmp6 cksum 0x${hex4(field)} -> 0x${hex4(finishSum(sum - field))}!] `);
      } else t.put("[icmp6 sum ok] ");
    }
  }
  const type = t.u8(start);
  t.put(`ICMP6, ${TYPES.get(type) ?? `unknown icmp6 type (${type})`}`);
  const code = t.has(start, 2) ? t.u8(start + 1) : 0;
  // in verbose text these say their length later, or not at all
  const length6 = (): void => t.put(`, length ${length}`);
  if (t.verbose > 0 && (type === 133 || type === 134 || type === 135 || type === 136 || type === 137)) length6();
  if (type !== 3) t.need(start, 2);
  switch (type) {
    case 1:
      t.put(`, ${UNREACHABLE[code] ?? `unknown code (${code})`}`);
      if (code === 4) printPort(t, start + 8);
      else if (code < 4) t.put(` ${t.ip6(start + 32)}`);
      break;
    case 2:
      t.put(`, mtu ${t.u32(start + 4)}`);
      break;
    case 3:
      if (code === 0) {
        t.put(` for ${t.ip6(start + 32)}`);
      } else if (code === 1) t.put(" (reassembly)");
      else t.put(`, unknown code (${code})`);
      break;
    case 4:
      t.need(start + 8, 40);
      if (code === 0) t.put(`, erroneous - octet ${t.u32(start + 4)}`);
      else if (code === 1) t.put(`, next header - octet ${t.u32(start + 4)}`);
      else if (code === 2) t.put(`, option - octet ${t.u32(start + 4)}`);
      else t.put(`, code-#${code}`);
      break;
    case 128:
    case 129:
      t.put(`, id ${t.u16(start + 4)}, seq ${t.u16(start + 6)}`);
      break;
    case 130:
      if (length === 24) printMld(t, start);
      else if (length >= 28) printMldQuery2(t, start, length);
      break;
    case 131:
    case 132:
      printMld(t, start);
      break;
    case 133:
      if (t.verbose > 0) printNdOptions(t, start + 8, start + length);
      break;
    case 134:
      if (t.verbose > 0) {
        t.need(start, 16);
        const flags = t.u8(start + 5);
        t.put(`\n\thop limit ${t.u8(start + 4)}, Flags [${bitNames(flags, RA_FLAGS)}], pref ${PREFERENCES[(flags >>> 3) & 3]}`);
        t.put(
          `, router lifetime ${t.u16(start + 6)}s, reachable time ${t.u32(start + 8)}ms, retrans timer ${t.u32(start + 12)}ms`,
        );
        printNdOptions(t, start + 16, start + length);
      }
      break;
    case 135:
      t.put(`, who has ${t.ip6(start + 8)}`);
      if (t.verbose > 0) printNdOptions(t, start + 24, start + length);
      break;
    case 136:
      t.put(`, tgt is ${t.ip6(start + 8)}`);
      if (t.verbose > 0) {
        t.put(`, Flags [${bitNames(t.u8(start + 4), NA_FLAGS)}]`);
        printNdOptions(t, start + 24, start + length);
      }
      break;
    case 137:
      t.put(`, ${t.ip6(start + 24)} to ${t.ip6(start + 8)}`);
      if (t.verbose > 0) printNdOptions(t, start + 40, start + length);
      break;
    case 143:
      printMldReport2(t, start, length);
      break;
    default:
      length6();
      if (t.verbose > 1) return;
      t.need(start, length);
      t.put(hexLines(t.bytes, start, Math.min(start + length, t.end), "\t"));
      return;
  }
  if (t.verbose === 0) length6();
}

function hex4(value: number): string {
  return value.toString(16).padStart(4, "0");
}

/** The port that a quoted packet went to, behind its extension headers. */
function printPort(t: Text, inner: number): void {
  const dst = t.ip6(inner + 24);
  let next = t.u8(inner + 6);
  let at = inner + 40;
  for (let i = 0; i < 16; i++) {
    if (next === 0 || next === 43 || next === 60) {
      next = t.u8(at);
      at += (t.u8(at + 1) + 1) * 8;
    } else if (next === 44) {
      if ((t.u16(at + 2) & 0xfff8) !== 0) return;
      next = t.u8(at);
      at += 8;
    } else break;
  }
  const port = t.u16(at + 2);
  if (next === 6) t.put(`, ${dst} tcp port ${t.port("tcp", port)}`);
  else if (next === 17) t.put(`, ${dst} udp port ${t.port("udp", port)}`);
  else throw new Cut();
}

function printMld(t: Text, start: number): void {
  if (!t.has(start, 24)) return;
  t.put(`max resp delay: ${t.u16(start + 4)} addr: ${t.ip6(start + 8)}`);
}

function printMldQuery2(t: Text, start: number, length: number): void {
  t.put(" v2");
  const code = t.u16(start + 4);
  const milliseconds = code < 32768 ? code : ((code & 0xfff) | 0x1000) << (((code >>> 12) & 7) + 3);
  if (t.verbose > 0) {
    t.put(` [max resp delay=${milliseconds}]`);
  }
  t.put(` [gaddr ${t.ip6(start + 8)}`);
  if (t.verbose > 0) {
    const flags = t.u8(start + 24);
    if (flags & 8) t.put(" sflag");
    if (flags & 7) t.put(` robustness=${flags & 7}`);
    const qqic = t.u8(start + 25);
    const interval = qqic < 128 ? qqic : ((qqic & 15) | 16) << (((qqic >>> 4) & 7) + 3);
    t.put(` qqi=${interval}`);
  }
  const sources = t.u16(start + 26);
  if (sources > 0) {
    if (length < 28 + 16 * sources) t.put(" [invalid number of sources]");
    else if (t.verbose > 1) {
      t.put(" {");
      for (let i = 0; i < sources; i++) t.put(` ${t.ip6(start + 28 + 16 * i)}`);
      t.put(" }");
    } else t.put(`, ${sources} source(s)`);
  }
  t.put("]");
}

function printMldReport2(t: Text, start: number, length: number): void {
  if (length < 8) {
    t.invalid();
    return;
  }
  const count = t.u16(start + 6);
  t.put(`, ${count} group record(s)`);
  if (t.verbose === 0) return;
  let at = start + 8;
  for (let i = 0; i < count; i++) {
    if (at + 20 > start + length) {
      t.put(` [invalid number of groups]`);
      t.invalid();
      return;
    }
    t.put(` [gaddr ${t.ip6(at + 4)}`);
    const type = t.u8(at);
    t.put(` ${RECORDS[type] || `[v2-report-#${type}]`}`);
    const sources = t.u16(at + 2);
    if (at + 20 + 16 * sources > start + length) {
      t.put(` [invalid number of sources ${sources}]`);
      t.invalid();
      return;
    }
    if (t.verbose === 1) t.put(`, ${sources} source(s)`);
    else {
      t.put(" {");
      for (let s = 0; s < sources; s++) t.put(` ${t.ip6(at + 20 + 16 * s)}`);
      t.put(" }");
    }
    at += 20 + 16 * sources;
    t.put("]");
  }
}

const OPTIONS = new Map<number, string>([
  [1, "source link-address"],
  [2, "destination link-address"],
  [3, "prefix info"],
  [4, "redirected header"],
  [5, "mtu"],
  [7, "advertisement interval"],
  [8, "homeagent information"],
  [24, "route info"],
  [25, "rdnss"],
  [31, "dnssl"],
]);

const lifetime = (value: number): string => (value === 0xffffffff ? "infinity" : `${value}s`);

function printNdOptions(t: Text, start: number, end: number): void {
  for (let at = start; at < end && at < t.end; ) {
    t.need(at, 2);
    const type = t.u8(at);
    const units = t.u8(at + 1);
    const length = units * 8;
    if (at + length <= end) t.need(at, length);
    t.put(`\n\t  ${OPTIONS.get(type) ?? "unknown"} option (${type}), length ${length} (${units}): `);
    if (length === 0) {
      t.invalid();
      return;
    }
    if (at + length > end) {
      t.invalid();
      return;
    }
    t.need(at, length);
    printNdOption(t, type, at, length, start);
    if (t.verbose > 1) t.put(hexLines(t.bytes, at + 2, at + length, "\t    "));
    at += length;
  }
}

function printNdOption(t: Text, type: number, at: number, length: number, options: number): void {
  switch (type) {
    case 1:
    case 2: {
      const octets = Array.from({ length: length - 2 }, (_, i) => t.hex(at + 2 + i, 1));
      t.put(octets.join(":"));
      break;
    }
    case 3: {
      const flags = bitNames(
        t.u8(at + 3),
        [
          [0x80, "onlink"],
          [0x40, "auto"],
          [0x20, "router"],
        ],
        ", ",
      );
      t.put(`${t.ip6(at + 16)}/${t.u8(at + 2)}${length !== 32 ? "(invalid)" : ""}, Flags [${flags}]`);
      t.put(`, valid time ${lifetime(t.u32(at + 4))}, pref. time ${lifetime(t.u32(at + 8))}`);
      break;
    }
    case 4:
      // tcpdump dumps as many bytes from where the options begin
      t.put(hexLines(t.bytes, options, options + length, "\t    "));
      break;
    case 5:
      t.put(` ${t.u32(at + 4)}${length !== 8 ? ", (invalid)" : ""}`);
      break;
    case 24: {
      // tcpdump has room for a whole prefix and takes more for a cut packet.
      if (length > 24) throw new Cut();
      const prefix = new Uint8Array(16);
      prefix.set(t.bytes.subarray(at + 8, at + length));
      t.put(
        ` ${formatIpv6(readIpv6(prefix, 0))}/${t.u8(at + 2)}, pref=${PREFERENCES[(t.u8(at + 3) >>> 3) & 3]}, lifetime=${lifetime(t.u32(at + 4))}`,
      );
      break;
    }
    case 25:
      t.put(` lifetime ${lifetime(t.u32(at + 4))},`);
      for (let i = 8; i + 16 <= length; i += 16) t.put(` addr: ${t.ip6(at + i)}`);
      break;
    case 31: {
      t.put(` lifetime ${lifetime(t.u32(at + 4))}, domain(s):`);
      for (let i = at + 8; i < at + length && t.u8(i) !== 0; ) {
        let name = "";
        while (i < at + length && t.u8(i) !== 0) {
          const size = t.u8(i);
          if (isDnsPointer(size) || i + 1 + size > at + length) return;
          for (let c = i + 1; c <= i + size; c++) name += String.fromCharCode(t.u8(c));
          name += ".";
          i += 1 + size;
        }
        i++;
        t.put(` ${name}`);
      }
      break;
    }
  }
}
