/** TCP as tcpdump prints it, with sequence numbers relative to the conversation's beginning. */
import { get16 } from "../bytes.ts";
import { finishSum, sumBytes } from "../checksum.ts";
import { TCP_FLAG, TCP_OPTION } from "../wire/tcp.ts";
import { printHttp } from "./http.ts";
import { addresses, type IpPlace, placeSum, putPorts } from "./place.ts";
import { safeText, type Text } from "./text.ts";

const FLAGS = [
  [TCP_FLAG.fin, "F"],
  [TCP_FLAG.syn, "S"],
  [TCP_FLAG.rst, "R"],
  [TCP_FLAG.psh, "P"],
  [TCP_FLAG.ack, "."],
  [TCP_FLAG.urg, "U"],
  [TCP_FLAG.ece, "E"],
  [TCP_FLAG.cwr, "W"],
] as const;

function hex4(value: number): string {
  return value.toString(16).padStart(4, "0");
}

export function printTcp(t: Text, start: number, given: number, ip: IpPlace): void {
  t.protocol = "tcp";
  if (!t.has(start, 4)) {
    const [src, dst] = addresses(t, ip);
    t.put(`${src} > ${dst}: [|tcp]`);
    return;
  }
  putPorts(t, start, ip, "tcp", 6);
  if (!t.has(start, 20)) {
    // ports, but no whole header
    t.put(" [|tcp]");
    return;
  }
  const header = (t.u8(start + 12) >>> 4) * 4;
  if (header < 20) {
    t.put(` tcp ${given - header} [bad hdr length ${header} - too short, < 20]`);
    return;
  }
  let seq = t.u32(start + 4);
  let ack = t.u32(start + 8);
  if (t.quiet) {
    t.put(`tcp ${given - header}`);
    if (header > given) t.put(` [bad hdr length ${header} - too long, > ${given}]`);
    return;
  }
  const flags = t.u8(start + 13);
  const length = given - header;
  let sackBase = 0;
  if (!t.absoluteSequence && flags & TCP_FLAG.ack) {
    const [src, dst] = addresses(t, ip);
    const from = `${src}.${t.u16(start)}`;
    const to = `${dst}.${t.u16(start + 2)}`;
    const base = t.conversations.base(from, to, seq, ack, (flags & TCP_FLAG.syn) !== 0);
    sackBase = base.ack;
    if (base.known) {
      seq = (seq - base.seq) >>> 0;
      ack = (ack - base.ack) >>> 0;
    }
  }
  const names = FLAGS.filter(([bit]) => flags & bit).map(([, name]) => name);
  t.put(`Flags [${names.length > 0 ? names.join("") : "none"}]`);
  if (header > given) {
    t.put(` [bad hdr length ${header} - too long, > ${given}]`);
    return;
  }
  if (t.verbose > 0 && !ip.fragment && t.has(start, given)) {
    const field = get16(t.bytes, start + 16);
    const sum = sumBytes(t.bytes, start, start + given, placeSum(t, ip, 6, given));
    t.put(`, cksum 0x${hex4(field)}`);
    if (finishSum(sum) === 0) t.put(" (correct)");
    else t.put(` (incorrect -> 0x${hex4(finishSum(sum - field))})`);
  }
  if (length > 0 || t.verbose > 1 || flags & (TCP_FLAG.syn | TCP_FLAG.fin | TCP_FLAG.rst)) {
    t.put(`, seq ${seq}`);
    if (length > 0) t.put(`:${(seq + length) >>> 0}`);
  }
  if (flags & TCP_FLAG.ack) t.put(`, ack ${ack}`);
  t.put(`, win ${t.u16(start + 14)}`);
  if (flags & TCP_FLAG.urg) t.put(`, urg ${t.u16(start + 18)}`);
  if (header > 20) {
    t.put(", options [");
    if (!printOptions(t, start + 20, start + header, sackBase)) return;
    t.put("]");
  }
  t.put(`, length ${length}`);
  if (length <= 0) return;
  if (flags & TCP_FLAG.rst && t.verbose > 0) {
    const end = Math.min(start + given, t.end);
    t.put(` [${end < start + given ? "!" : ""}RST ${safeText(t.bytes, start + header, end)}]`);
    return;
  }
  const ports = [t.u16(start), t.u16(start + 2)];
  if (ports.some((port) => port === 80 || port === 8080 || port === 3128)) {
    t.put(": ");
    printHttp(t, start + header, length);
  }
}

const OPTIONS = new Map<number, string>([
  [0, "eol"],
  [1, "nop"],
  [2, "mss"],
  [3, "wscale"],
  [4, "sackOK"],
  [5, "sack"],
  [6, "echo"],
  [7, "echoreply"],
  [8, "TS"],
  [11, "cc"],
  [12, "ccnew"],
  [13, "ccecho"],
  [19, "md5"],
  [20, "scps"],
  [28, "uto"],
  [29, "tcp-ao"],
  [30, "mptcp"],
  [34, "tfo"],
  [253, "exp"],
  [254, "exp"],
]);

/** Lengths of option data, where fixed. */
const SIZES = new Map<number, number>([
  [2, 2],
  [3, 1],
  [4, 0],
  [8, 8],
  [6, 4],
  [7, 4],
  [11, 4],
  [12, 4],
  [13, 4],
  [28, 2],
]);

function printOptions(t: Text, start: number, end: number, sackBase: number): boolean {
  let separator = "";
  for (let at = start; at < end; ) {
    t.put(separator);
    separator = ",";
    const type = t.u8(at);
    const name = OPTIONS.get(type) ?? `unknown-${type}`;
    if (type <= 1) {
      t.put(name);
      if (type === 0) return true;
      at++;
      continue;
    }
    // without room for a length, or with one that cannot be, the rest is not readable
    const length = at + 1 < end ? t.u8(at + 1) : 0;
    const size = SIZES.get(type);
    const data = size ?? length - 2;
    if (length < 2 || at + length > end || at + 2 + data > end) {
      t.put(length < 2 ? "[bad opt]" : "[bad opt]]");
      return false;
    }
    t.put(name);
    if (type !== TCP_OPTION.maxSegment && !t.has(at, 2 + data)) {
      if (type === TCP_OPTION.sack && data >= 8 && data % 8 === 0) t.put(` ${data / 8} `);
      t.put(" [|tcp]>");
      return false;
    }
    printOption(t, type, at + 2, data, sackBase);
    // tcpdump goes on behind the length that the option should have
    if (length !== 2 + data) t.put(`[len ${length}]`);
    at += 2 + data;
  }
  return true;
}

function printOption(t: Text, type: number, at: number, length: number, sackBase: number): void {
  switch (type) {
    case 2:
      t.put(` ${t.u16(at)}`);
      break;
    case 3:
      t.put(` ${t.u8(at)}`);
      break;
    case 4:
      break;
    case 5:
      if (length < 8 || length % 8 !== 0) {
        t.put(` malformed sack`);
        break;
      }
      t.put(` ${length / 8} `);
      for (let i = at; i < at + length; i += 8) t.put(`{${(t.u32(i) - sackBase) >>> 0}:${(t.u32(i + 4) - sackBase) >>> 0}}`);
      break;
    case 6:
    case 7:
    case 11:
    case 12:
    case 13:
      t.put(` ${t.u32(at)}`);
      break;
    case 8:
      t.put(` val ${t.u32(at)} ecr ${t.u32(at + 4)}`);
      break;
    case 28: {
      const value = t.u16(at);
      t.put(` 0x${value.toString(16)}`);
      break;
    }
    default:
      if (length > 0) t.put(` 0x${t.hex(at, length)}`);
  }
}
