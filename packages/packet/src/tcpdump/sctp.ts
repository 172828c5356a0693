/** SCTP as tcpdump prints it. */
import { type IpPlace, putPorts } from "./place.ts";
import { hexAsciiLines, type Text } from "./text.ts";

const CHUNKS = new Map<number, string>([
  [0, "DATA"],
  [1, "INIT"],
  [2, "INIT ACK"],
  [3, "SACK"],
  [4, "HB REQ"],
  [5, "HB ACK"],
  [6, "ABORT"],
  [7, "SHUTDOWN"],
  [8, "SHUTDOWN ACK"],
  [9, "OP ERR"],
  [10, "COOKIE ECHO"],
  [11, "COOKIE ACK"],
  [12, "ECN ECHO"],
  [13, "CWR"],
  [14, "SHUTDOWN COMPLETE"],
  [0x81, "REL REQ"],
  [0x82, "REL ACK"],
]);

export function printSctp(t: Text, start: number, length: number, ip: IpPlace): void {
  t.protocol = "sctp";
  if (length < 12) {
    t.put(`[length ${length} < 12]`);
    t.invalid();
    return;
  }
  t.need(start, 12);
  putPorts(t, start, ip, "sctp", 132);
  t.put("sctp");
  let at = start + 12;
  let rest = length - 12;
  for (let count = 1; rest > 0; count++) {
    if (rest < 4) {
      t.put(`[chunk length ${rest} < 4]`);
      t.invalid();
      return;
    }
    const type = t.u8(at);
    const flags = t.u8(at + 1);
    const size = t.u16(at + 2);
    if (size < 4) {
      t.put(`[Bad chunk length ${size}, < size of chunk header]`);
      t.invalid();
      return;
    }
    if (size > rest) {
      t.put(`[Bad chunk length ${size}, > remaining data in packet]`);
      t.invalid();
      return;
    }
    t.need(at, size);
    const padding = (4 - (size % 4)) % 4;
    if (t.verbose > 1) t.put(`\n\t${count}) `);
    else t.put(`${count > 1 ? "," : ""} (${count}) `);
    t.put(`[${CHUNKS.get(type) ?? `Unknown chunk type: 0x${type.toString(16)}`}] `);
    printChunk(t, type, flags, at, size);
    if (padding > rest - size) return;
    t.need(at + size, padding);
    at += size + padding;
    rest -= size + padding;
  }
}

function printChunk(t: Text, type: number, flags: number, at: number, size: number): void {
  switch (type) {
    case 0: {
      const unordered = (flags & 4) !== 0;
      if (unordered) t.put("(U)");
      if (flags & 2) t.put("(B)");
      if (flags & 1) t.put("(E)");
      if (flags & 7) t.put(" ");
      t.put(`[TSN: ${t.u32(at + 4)}] [SID: ${t.u16(at + 8)}] [SSEQ ${t.u16(at + 10)}] [PPID 0x${t.u32(at + 12).toString(16)}] `);
      if (t.verbose > 1) t.put(`[Payload:${hexAsciiLines(t.bytes, at + 16, at + size, "\t")}]`);
      break;
    }
    case 1:
    case 2:
      t.put(
        `[init tag: ${t.u32(at + 4)}] [rwnd: ${t.u32(at + 8)}] [OS: ${t.u16(at + 12)}] [MIS: ${t.u16(at + 14)}] [init TSN: ${t.u32(at + 16)}] `,
      );
      break;
    case 3: {
      const gaps = t.u16(at + 12);
      const duplicates = t.u16(at + 14);
      t.put(`[cum ack ${t.u32(at + 4)}] [a_rwnd ${t.u32(at + 8)}] [#gap acks ${gaps}] [#dup tsns ${duplicates}] `);
      break;
    }
  }
}
