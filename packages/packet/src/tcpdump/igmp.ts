/** IGMP as tcpdump prints it. */
import { get16 } from "../bytes.ts";
import { internetChecksum } from "../checksum.ts";
import type { Text } from "./text.ts";

const RECORDS = ["", "is_in", "is_ex", "to_in", "to_ex", "allow", "block"];

export function printIgmp(t: Text, start: number, length: number): void {
  t.protocol = "igmp";
  if (t.quiet) {
    t.put("igmp");
    return;
  }
  const type = t.u8(start);
  switch (type) {
    case 0x11:
      t.put("igmp query");
      if (length >= 12) printQuery3(t, start, length);
      else if (t.u8(start + 1) !== 0) {
        t.put(" v2");
        if (t.u8(start + 1) !== 100) t.put(` [max resp time ${t.u8(start + 1)}]`);
      } else t.put(" v1");
      if (length < 12) {
        if (t.u32(start + 4) !== 0) t.put(` [gaddr ${t.ip4(start + 4)}]`);
        if (length !== 8) t.put(` [len ${length}]`);
      }
      break;
    case 0x12:
      t.put(`igmp v1 report ${t.ip4(start + 4)}`);
      if (length !== 8) t.put(` [len ${length}]`);
      break;
    case 0x16:
      t.put(`igmp v2 report ${t.ip4(start + 4)}`);
      break;
    case 0x17:
      t.put(`igmp leave ${t.ip4(start + 4)}`);
      break;
    case 0x22:
      printReport3(t, start, length);
      break;
    default:
      t.put(`igmp-${type}`);
  }
  if (t.verbose > 0 && t.has(start, length) && internetChecksum(t.bytes, start, start + length) !== 0)
    t.put(` bad igmp cksum ${get16(t.bytes, start + 2).toString(16)}!`);
}

function floatCode(code: number): number {
  return code < 128 ? code : ((code & 15) | 16) << (((code >>> 4) & 7) + 3);
}

function printQuery3(t: Text, start: number, length: number): void {
  t.put(" v3");
  const code = t.u8(start + 1);
  if (code !== 100) {
    const tenths = floatCode(code);
    t.put(
      ` [max resp time ${tenths < 600 ? `${Math.floor(tenths / 10)}.${tenths % 10}s` : relativeTime(Math.floor(tenths / 10))}`,
    );
    t.put("]");
  }
  const anyGroup = t.u32(start + 4) === 0;
  if (!anyGroup) t.put(` [gaddr ${t.ip4(start + 4)}`);
  const sources = t.u16(start + 10);
  if (sources > 0 && length < 12 + 4 * sources) {
    t.put(" [invalid number of sources]]");
    return;
  }
  if (anyGroup && sources === 0) return;
  if (anyGroup) t.put(` [gaddr ${t.ip4(start + 4)}`);
  if (sources > 0) {
    if (t.verbose > 1) {
      t.put(" {");
      for (let i = 0; i < sources; i++) t.put(` ${t.ip4(start + 12 + 4 * i)}`);
      t.put(" }");
    } else t.put(`, ${sources} source(s)`);
  }
  t.put("]");
}

/** Seconds as "1w2d3h4m5s". */
export function relativeTime(seconds: number): string {
  let rest = seconds;
  let text = "";
  for (const [unit, size] of [
    ["w", 604800],
    ["d", 86400],
    ["h", 3600],
    ["m", 60],
    ["s", 1],
  ] as const) {
    if (rest >= size) text += `${Math.floor(rest / size)}${unit}`;
    rest %= size;
  }
  return text === "" ? "0s" : text;
}

function printReport3(t: Text, start: number, length: number): void {
  t.put("igmp v3 report");
  if (length < 8) {
    t.put(` [invalid len ${length}]`);
    return;
  }
  const count = t.u16(start + 6);
  t.put(`, ${count} group record(s)`);
  if (t.verbose === 0) return;
  let at = start + 8;
  for (let i = 0; i < count; i++) {
    if (at + 8 > start + length) {
      t.put(" [invalid number of groups]");
      return;
    }
    const type = t.u8(at);
    t.put(` [gaddr ${t.ip4(at + 4)} ${RECORDS[type] || `[v3-report-#${type}]`}`);
    const sources = t.u16(at + 2);
    if (at + 8 + 4 * sources > start + length) {
      t.put(` [invalid number of sources ${sources}]`);
      return;
    }
    if (t.verbose > 1) {
      t.put(" {");
      for (let s = 0; s < sources; s++) t.put(` ${t.ip4(at + 8 + 4 * s)}`);
      t.put(" }");
    } else t.put(`, ${sources} source(s)`);
    at += 8 + 4 * sources;
    t.put("]");
  }
}
