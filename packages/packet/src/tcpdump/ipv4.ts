/** IPv4 as tcpdump prints it. */
import { get16 } from "../bytes.ts";
import { internetChecksum } from "../checksum.ts";
import { printIpPayload } from "./ipPayload.ts";
import { IP_PROTOCOL_NAMES, protocolName } from "./names.ts";
import { bitNames, type Text } from "./text.ts";

const FLAGS = [
  [0x2000, "+"],
  [0x4000, "DF"],
  [0x8000, "rsvd"],
] as const;
const ECN = ["", ",ECT(1)", ",ECT(0)", ",CE"];
const OPTIONS = new Map<number, string>([
  [0, "EOL"],
  [1, "NOP"],
  [7, "RR"],
  [68, "timestamp"],
  [130, "security"],
  [131, "LSRR"],
  [137, "SSRR"],
  [148, "RA"],
  [152, "upstream multicast"],
]);
const MAX_DEPTH = 16;

export function printIpv4(t: Text, start: number, given: number): void {
  t.protocol = "ip";
  let length = given;
  t.need(start, 1);
  if (t.u8(start) >>> 4 !== 4) {
    if (t.u8(start) >>> 4 === 6) t.put("IP6, wrong link-layer encapsulation");
    else t.put(`IP${t.u8(start) >>> 4}`);
    t.invalid();
    return;
  }
  if (!t.link) t.put("IP ");
  if (!t.has(start, 20)) {
    t.put(" [|ip]");
    return;
  }
  if (length < 20) {
    t.put(`truncated-ip ${length}`);
    return;
  }
  const header = (t.u8(start) & 15) * 4;
  if (header < 20) {
    t.put(`bad-hlen ${header}`);
    return;
  }
  const total = t.u16(start + 2);
  if (length < total) {
    t.put(`truncated-ip - ${total - length} bytes missing! `);
  }
  if (total < header) {
    t.put(`bad-len ${total}`);
    return;
  }
  length = total;
  const end = t.end;
  t.end = Math.min(end, start + total);
  if (++t.depth > MAX_DEPTH) {
    t.put(`length ${total}`);
  } else printHeader(t, start, header, length);
  t.depth--;
  t.end = end;
}

function printHeader(t: Text, start: number, header: number, length: number): void {
  const word = t.u16(start + 6);
  const offset = (word & 0x1fff) * 8;
  const protocol = t.u8(start + 9);
  const ttl = t.u8(start + 8);
  if (t.verbose > 0) {
    const tos = t.u8(start + 1);
    t.put(`(tos 0x${tos.toString(16)}${ECN[tos & 3]}`);
    if (ttl >= 1) t.put(`, ttl ${ttl}`);
    t.put(`, id ${t.u16(start + 4)}, offset ${offset}, flags [${bitNames(word, FLAGS)}]`);
    t.put(`, proto ${IP_PROTOCOL_NAMES.get(protocol) ?? "unknown"} (${protocol}), length ${t.u16(start + 2)}`);
    if (header > 20) {
      t.put(", options (");
      if (!printOptions(t, start + 20, start + header)) return;
      t.put(")");
    }
    if (t.has(start, header)) {
      const sum = internetChecksum(t.bytes, start, start + header);
      if (sum !== 0)
        t.put(
          `, bad cksum ${get16(t.bytes, start + 10).toString(16)} (->${rightChecksum(t.bytes, start, header).toString(16)})!`,
        );
    }
    t.put(")\n    ");
  }
  if (offset === 0) {
    // these three print the addresses with their ports
    if (protocol !== 6 && protocol !== 17 && protocol !== 132) putAddresses(t, start);
    const place = { version: 4, start, fragment: (word & 0x2000) !== 0, hopLimit: ttl } as const;
    if (!t.has(start, header)) {
      if (t.verbose === 0) t.put(` [remaining caplen(${t.end - start}) < header length(${header})]`);
      t.put(" [|ip]");
      return;
    }
    printIpPayload(t, protocol, start + header, length - header, place);
    return;
  }
  if (t.quiet && t.verbose > 1) return;
  putAddresses(t, start);
  t.put(protocolName(protocol, t.numeric));
}

/** The checksum that the header should have. */
function rightChecksum(bytes: Uint8Array, start: number, header: number): number {
  const copy = bytes.slice(start, start + header);
  copy[10] = 0;
  copy[11] = 0;
  return internetChecksum(copy);
}

function putAddresses(t: Text, start: number): void {
  t.put(`${t.ip4(start + 12)} > ${t.ip4(start + 16)}: `);
}

/** False where the captured bytes or the option's length end the text. */
function printOptions(t: Text, start: number, end: number): boolean {
  let separator = "";
  for (let at = start; at < end; ) {
    t.put(separator);
    separator = ",";
    if (!t.has(at, 1)) {
      t.put(" [|ip]");
      return false;
    }
    const type = t.u8(at);
    t.put(OPTIONS.get(type) ?? `unknown ${type}`);
    if (type <= 1) {
      if (type === 0) return true;
      at++;
      continue;
    }
    if (!t.has(at, 2)) {
      t.put(" [|ip]");
      return false;
    }
    const length = t.u8(at + 1);
    if (length < 2) {
      t.put(" [|ip]");
      return false;
    }
    if (!t.has(at, length)) {
      t.put(" [truncated-option]");
      return true;
    }
    if (type === 7 || type === 131 || type === 137) printRoute(t, at, length);
    else if (type === 148 && length === 4) {
      if (t.u16(at + 2) !== 0) t.put(` value ${t.u16(at + 2)}`);
    } else if (type === 148) t.put(" [bad length]");
    at += length;
  }
  return true;
}

function printRoute(t: Text, at: number, length: number): void {
  if (length < 3) {
    t.put(` [bad length ${length}]`);
    return;
  }
  if ((length + 1) & 3) t.put(` [bad length ${length}]`);
  const pointer = t.u8(at + 2) - 1;
  if (pointer < 3 || (pointer + 1) & 3) t.put(` [bad ptr ${t.u8(at + 2)}]`);
  for (let i = 3; i < length; i += 4) t.put(` ${i + 4 <= length ? t.ip4(at + i) : ""}${pointer > i ? "," : ""}`);
}
