/** DNS and multicast DNS as tcpdump prints them. */

import { relativeTime } from "./igmp.ts";
import { Cut, safeChar, type Text } from "./text.ts";

const TYPES = new Map<number, string>([
  [1, "A"],
  [2, "NS"],
  [3, "MD"],
  [4, "MF"],
  [5, "CNAME"],
  [6, "SOA"],
  [7, "MB"],
  [8, "MG"],
  [9, "MR"],
  [10, "NULL"],
  [11, "WKS"],
  [12, "PTR"],
  [13, "HINFO"],
  [14, "MINFO"],
  [15, "MX"],
  [16, "TXT"],
  [17, "RP"],
  [18, "AFSDB"],
  [28, "AAAA"],
  [29, "LOC"],
  [33, "SRV"],
  [35, "NAPTR"],
  [41, "OPT"],
  [43, "DS"],
  [46, "RRSIG"],
  [47, "NSEC"],
  [48, "DNSKEY"],
  [64, "SVCB"],
  [65, "HTTPS"],
  [250, "TSIG"],
  [251, "IXFR"],
  [252, "AXFR"],
  [255, "ANY"],
]);
const CLASSES = new Map<number, string>([
  [1, "IN"],
  [3, "CHAOS"],
  [4, "HS"],
  [255, "ANY"],
]);
const OPCODES = [" [b2&3=0x%x]", " inv_q", " stat", " op3", " notify", " update"];
const RCODES = new Map<number, string>([
  [1, " FormErr"],
  [2, " ServFail"],
  [3, " NXDomain"],
  [4, " NotImp"],
  [5, " Refused"],
  [6, " YXDomain"],
  [7, " YXRRSet"],
  [8, " NXRRSet"],
  [9, " NotAuth"],
  [10, " NotZone"],
]);

export function isDnsPointer(length: number): boolean {
  return length >= 0xc0;
}

/** A name as tcpdump writes it, ending in a dot; `next` is behind it, or -1 where it cannot be read on. */
export function parseName(t: Text, message: number, start: number): { readonly text: string; readonly next: number } {
  let text = "";
  let at = start;
  let next = -1;
  let jumps = 0;
  for (;;) {
    const length = t.u8(at);
    if (isDnsPointer(length)) {
      const target = message + (t.u16(at) & 0x3fff);
      if (next < 0) next = at + 2;
      // a pointer that does not go back would never end
      if (target >= at || ++jumps > 64) return { text: `${text}<BAD PTR>`, next: -1 };
      at = target;
      continue;
    }
    if (length === 0) break;
    if (length > 63) return { text: `${text}<LABEL BAD>`, next: -1 };
    t.need(at + 1, length);
    for (let i = at + 1; i <= at + length; i++) text += safeChar(t.u8(i));
    text += ".";
    at += 1 + length;
  }
  return { text: text === "" ? "." : text, next: next < 0 ? at + 1 : next };
}

/** As parseName, with an offset of -1 also where the captured bytes end. */
function nameOrCut(t: Text, message: number, at: number): { readonly text: string; readonly next: number } {
  try {
    return parseName(t, message, at);
  } catch (error) {
    if (!(error instanceof Cut)) throw error;
    return { text: "", next: -1 };
  }
}

export function printDns(t: Text, start: number, length: number, multicast: boolean): void {
  t.protocol = "domain";
  if (length < 12) {
    t.put("[|domain]");
    return;
  }
  t.need(start, 12);
  const flags = t.u16(start + 2);
  const counts = [4, 6, 8, 10].map((offset) => t.u16(start + offset)) as [number, number, number, number];
  const opcode = (flags >>> 11) & 15;
  if (flags & 0x8000) printResponse(t, start, flags, counts, opcode, multicast);
  else printQuery(t, start, flags, counts, opcode, multicast);
  t.put(` (${length})`);
}

function opName(opcode: number): string {
  return opcode === 0 ? "" : (OPCODES[opcode] ?? ` op${opcode}`);
}

function printResponse(
  t: Text,
  start: number,
  flags: number,
  counts: [number, number, number, number],
  opcode: number,
  multicast: boolean,
): void {
  const [questions, answers, authorities, additionals] = counts;
  t.put(`${t.u16(start)}`);
  t.put(`${opName(opcode)}${(flags & 15) !== 0 ? (RCODES.get(flags & 15) ?? ` Resp${flags & 15}`) : ""}`);
  t.put(`${flags & 0x400 ? "*" : ""}${flags & 0x80 ? "" : "-"}${flags & 0x200 ? "|" : ""}${flags & 0x20 ? "$" : ""}`);
  if (questions !== 1) t.put(` [${questions}q]`);
  let at = start + 12;
  for (let i = 0; i < questions; i++) {
    if (t.verbose > 1) {
      t.put(i === 0 ? " q:" : ",");
      at = printQuestion(t, start, at, multicast);
    } else at = skipQuestion(t, start, at);
    if (at < 0) return;
  }
  t.put(` ${answers}/${authorities}/${additionals}`);
  const sections: readonly [number, string][] =
    t.verbose > 1
      ? [
          [answers, ""],
          [authorities, " ns:"],
          [additionals, " ar:"],
        ]
      : [[answers, ""]];
  for (const [index, [count, label]] of sections.entries()) {
    for (let i = 0; i < count; i++) {
      if (at >= t.end && (i > 0 || label !== "")) throw new Cut();
      t.put(i === 0 ? label : ",");
      at = printRecord(t, start, at, multicast);
      if (at < 0) {
        // tcpdump says nothing of the last record of all that it cannot read
        if (i < count - 1 || sections.slice(index + 1).some(([more]) => more > 0)) throw new Cut();
        return;
      }
    }
  }
}

function printQuery(
  t: Text,
  start: number,
  flags: number,
  counts: [number, number, number, number],
  opcode: number,
  multicast: boolean,
): void {
  const [questions, answers, authorities, additionals] = counts;
  t.put(`${t.u16(start)}${opName(opcode)}${flags & 0x100 ? "+" : ""}${flags & 0x10 ? "%" : ""}`);
  if (opcode === 0 && (flags & 0x6cf) !== 0) t.put(` [b2&3=0x${flags.toString(16)}]`);
  if (answers) t.put(` [${answers}a]`);
  if (questions !== 1) t.put(` [${questions}q]`);
  if (authorities) t.put(` [${authorities}n]`);
  if (additionals) t.put(` [${additionals}au]`);
  let at = start + 12;
  for (let i = 0; i < questions; i++) {
    at = printQuestion(t, start, at, multicast);
    if (at < 0) return;
  }
  if (t.verbose > 1) {
    const sections: readonly [number, string][] = [
      [answers, " ans:"],
      [authorities, " ns:"],
      [additionals, " ar:"],
    ];
    for (const [count, label] of sections) {
      for (let i = 0; i < count; i++) {
        if (at >= t.end) throw new Cut();
        t.put(i === 0 ? label : ",");
        at = printRecord(t, start, at, multicast);
        if (at < 0) {
          if (i < count - 1) throw new Cut();
          return;
        }
      }
    }
  }
}

function skipQuestion(t: Text, start: number, at: number): number {
  const { next } = parseName(t, start, at);
  if (next < 0) throw new Cut();
  return next + 4;
}

function printQuestion(t: Text, start: number, at: number, multicast: boolean): number {
  const { text, next } = parseName(t, start, at);
  if (next < 0) throw new Cut();
  const type = t.u16(next);
  t.need(next, 4);
  t.put(` ${TYPES.get(type) ?? `Type${type}`}`);
  const klass = multicast ? t.u16(next + 2) & 0x7fff : t.u16(next + 2);
  const unicast = multicast && t.u16(next + 2) & 0x8000;
  if (klass !== 1) t.put(` ${CLASSES.get(klass) ?? `(Class ${klass})`}`);
  t.put(unicast ? " (QU)" : multicast ? " (QM)" : "");
  t.put(`? ${text}`);
  return next + 4;
}

/** Prints one record and returns the offset behind it, -1 where reading cannot go on. */
function printRecord(t: Text, start: number, at: number, multicast: boolean): number {
  if (t.verbose > 0) t.put(" ");
  const { text, next } = t.verbose > 0 ? parseName(t, start, at) : nameOrCut(t, start, at);
  if (t.verbose > 0) t.put(text);
  if (next < 0 || !t.has(next, 10)) return -1;
  const type = t.u16(next);
  const rawClass = t.u16(next + 2);
  const klass = multicast ? rawClass & 0x7fff : rawClass;
  if (type !== 41 && klass !== 1) t.put(` ${CLASSES.get(klass) ?? `(Class ${klass})`}`);
  if (multicast && rawClass & 0x8000 && type !== 41) t.put(" (Cache flush)");
  if (type !== 41 && t.verbose > 2) t.put(` [${relativeTime(t.u32(next + 4))}]`);
  t.put(` ${TYPES.get(type) ?? `Type${type}`}`);
  const length = t.u16(next + 8);
  const data = next + 10;
  const end = data + length;
  printData(t, start, type, data, length, next);
  return end;
}

function printData(t: Text, start: number, type: number, at: number, length: number, fixed: number): void {
  const name = (from: number): string => parseName(t, start, from).text;
  switch (type) {
    case 1:
      t.need(at, length);
      if (length === 4) t.put(` ${t.ip4(at)}`);
      break;
    case 28:
      t.need(at, length);
      if (length === 16) t.put(` ${t.ip6(at)}`);
      break;
    case 2:
    case 5:
    case 12:
      t.put(` ${name(at)}`);
      break;
    case 6: {
      if (t.verbose === 0) return;
      const primary = parseName(t, start, at);
      t.put(` ${primary.text}`);
      if (primary.next < 0) return;
      const mailbox = parseName(t, start, primary.next);
      t.put(` ${mailbox.text}`);
      if (mailbox.next < 0) return;
      for (let i = 0; i < 5; i++) t.put(` ${t.u32(mailbox.next + 4 * i)}`);
      break;
    }
    case 15:
      t.put(` ${name(at + 2)} ${t.u16(at)}`);
      break;
    case 16:
      for (let i = at; i < at + length; ) {
        const size = t.u8(i);
        t.need(i + 1, size);
        let text = "";
        for (let c = i + 1; c <= i + size; c++) text += safeChar(t.u8(c));
        t.put(` "${text}"`);
        i += 1 + size;
      }
      break;
    case 33:
      t.put(` ${name(at + 6)}:${t.u16(at + 4)} ${t.u16(at)} ${t.u16(at + 2)}`);
      break;
    case 41:
      t.put(` UDPsize=${t.u16(fixed + 2)}`);
      if (t.u32(fixed + 4) & 0x8000) t.put(" DO");
      break;
  }
}
