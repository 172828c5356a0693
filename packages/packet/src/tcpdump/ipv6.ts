/** IPv6 and its extension headers as tcpdump prints them. */
import { printIpPayload } from "./ipPayload.ts";
import { IP_PROTOCOL_NAMES } from "./names.ts";
import type { IpPlace } from "./place.ts";
import type { Text } from "./text.ts";

const MAX_DEPTH = 16;
const HEADER = 40;

export function printIpv6(t: Text, start: number, given: number): void {
  t.protocol = "ip6";
  t.need(start, HEADER);
  if (!t.link) t.put("IP6 ");
  const version = t.u8(start) >>> 4;
  if (version !== 6) {
    t.put(`version error: ${version} != 6`);
    return;
  }
  if (given < HEADER) {
    t.put(`truncated-ip6 ${given}`);
    return;
  }
  const payload = t.u16(start + 4);
  const length = payload + HEADER;
  if (given < length) {
    t.put(`truncated-ip6 - ${length - given} bytes missing!`);
  }
  const end = t.end;
  t.end = Math.min(end, start + length);
  if (++t.depth > MAX_DEPTH) t.put(`length ${length}`);
  else printBody(t, start, length, payload);
  t.depth--;
  t.end = end;
}

function printBody(t: Text, start: number, length: number, payload: number): void {
  const next = t.u8(start + 6);
  if (t.verbose > 0) {
    const word = t.u32(start);
    t.put("(");
    if ((word >>> 20) & 0xff) t.put(`class 0x${((word >>> 20) & 0xff).toString(16).padStart(2, "0")}, `);
    if (word & 0xfffff) t.put(`flowlabel 0x${(word & 0xfffff).toString(16).padStart(5, "0")}, `);
    t.put(`hlim ${t.u8(start + 7)}, next-header ${nextName(next)} (${next}) payload length: ${payload}) `);
  }
  printChain(t, start, next, start + HEADER, start + length);
}

/** tcpdump's table of verbose names leaves out the destination options. */
function nextName(next: number): string {
  return IP_PROTOCOL_NAMES.get(next) ?? "unknown";
}

function printChain(t: Text, start: number, first: number, from: number, end: number): void {
  let next = first;
  let at = from;
  let hidden = false;
  let fragment = false;
  let finalDestination: number | undefined;
  const addresses = (): void => {
    if (!hidden) t.put(`${t.ip6(start + 8)} > ${t.ip6(start + 24)}: `);
    hidden = true;
  };
  // transport printers say the addresses with their ports; a header before them says them first
  if (next !== 6 && next !== 17 && next !== 132) addresses();
  for (let headers = 0; headers < 64; headers++) {
    if (at > t.end) return;
    switch (next) {
      case 0:
      case 60: {
        t.protocol = next === 0 ? "hbhopt" : "dstopt";
        const length = (t.u8(at + 1) + 1) * 8;
        t.need(at, length);
        t.put(next === 0 ? "HBH " : "DSTOPT ");
        if (t.verbose > 0) {
          printOptions(t, at + 2, at + length);
          t.put(" ");
        }
        next = t.u8(at);
        at += length;
        continue;
      }
      case 43: {
        const length = printRouting(t, at);
        if (length < 0) return;
        if (t.u8(at + 2) === 0 || t.u8(at + 2) === 2) finalDestination = at + length - 16;
        next = t.u8(at);
        at += length;
        continue;
      }
      case 44: {
        t.protocol = "frag6";
        const word = t.u16(at + 2);
        const offset = word & 0xfff8;
        const size = end - at - 8;
        if (t.verbose > 0) t.need(at + 4, 4);
        t.put("frag (");
        if (t.verbose > 0) t.put(`0x${t.hex(at + 4, 4)}:`);
        t.put(`${offset}|${size})`);
        if (offset !== 0) return;
        t.put(" ");
        fragment = true;
        next = t.u8(at);
        at += 8;
        if (at >= t.end) return;
        continue;
      }
      case 59:
        t.put("no next header");
        return;
      default: {
        const place: IpPlace = { version: 6, start, fragment, hopLimit: t.u8(start + 7), finalDestination };
        // the addresses are printed already for anything behind an extension header
        printIpPayload(t, next, at, end - at, place);
        return;
      }
    }
  }
}

function printOptions(t: Text, start: number, end: number): void {
  for (let at = start; at < end; ) {
    const type = t.u8(at);
    if (type === 0) {
      t.put("(pad1)");
      at++;
      continue;
    }
    if (end - at < 2) {
      t.put("(padn: trunc)");
      return;
    }
    const length = t.u8(at + 1);
    if (at + 2 + length > end) {
      t.put(type === 1 ? "(padn: trunc)" : "(opt_type trunc)");
      t.invalid();
      return;
    }
    if (type === 1) t.put("(padn)");
    else if (type === 5) {
      if (length !== 2) {
        t.put(`(rtalert: invalid len ${length})`);
        t.invalid();
        return;
      }
      t.put(`(rtalert: 0x${t.hex(at + 2, 2)}) `);
    } else t.put(`(opt_type 0x${type.toString(16).padStart(2, "0")}: len=${length})`);
    at += 2 + length;
  }
}

/** Returns the header's length, or -1 where the packet's text ends with it. */
function printRouting(t: Text, at: number): number {
  t.need(at, 1);
  t.protocol = "rt6";
  t.put("RT6");
  const units = t.u8(at + 1);
  t.put(` (len=${units}`);
  const type = t.u8(at + 2);
  t.put(`, type=${type}`);
  t.put(`, segleft=${t.u8(at + 3)}`);
  if (type !== 0 && type !== 2) {
    t.put(" (unknown type)");
    t.invalid();
    return -1;
  }
  const reserved = t.u32(at + 4);
  if (reserved !== 0 || t.verbose > 0) t.put(`, rsv=0x${reserved.toString(16)}`);
  if (units % 2 === 1) {
    t.put(" (invalid length)");
    t.invalid();
    return -1;
  }
  for (let i = 0; i < units / 2; i++) t.put(`, [${i}]${t.ip6(at + 8 + 16 * i)}`);
  t.put(") ");
  return (units + 1) * 8;
}
