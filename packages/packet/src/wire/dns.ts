/** DNS messages (RFC 1035, RFC 3596, RFC 2782), also of multicast DNS. */
import { type Ipv4, type Ipv6, readIpv4, readIpv6, writeIpv4, writeIpv6 } from "../address.ts";
import { get16, get32 } from "../bytes.ts";
import { badValue, MalformedError, TruncatedError } from "../errors.ts";
import { bits, flag, layout, u16 } from "../layout.ts";
import type { Codec, HeaderBase } from "./codec.ts";

export const DNS = layout("DNS header", 12, {
  id: u16(0),
  flags: u16(2),
  response: flag(2, 7),
  opcode: bits(2, 1, 3, 4),
  authoritative: flag(2, 2),
  truncated: flag(2, 1),
  recursionDesired: flag(2, 0),
  recursionAvailable: flag(3, 7),
  rcode: bits(3, 1, 0, 4),
  questions: u16(4),
  answers: u16(6),
  authorities: u16(8),
  additionals: u16(10),
});

export const DNS_TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  HTTPS: 65,
  ANY: 255,
} as const;
export const DNS_RCODE = { noError: 0, formatError: 1, serverFailure: 2, nameError: 3, notImplemented: 4, refused: 5 } as const;
export const DNS_FLAG = {
  response: 0x8000,
  authoritative: 0x400,
  truncated: 0x200,
  recursionDesired: 0x100,
  recursionAvailable: 0x80,
} as const;

export interface DnsQuestion {
  /** Labels joined by dots, no dot at the end; "" is the root. Dots and backslashes within a label are escaped by a backslash. */
  readonly name: string;
  readonly type: number;
  /** 1 unless given; the upper bit asks for a unicast answer in multicast DNS. */
  readonly class?: number | undefined;
}

export type DnsData =
  | { readonly type: "A"; readonly address: Ipv4 }
  | { readonly type: "AAAA"; readonly address: Ipv6 }
  | { readonly type: "name"; readonly name: string }
  /** Any other type: the data as on the wire. */
  | { readonly type: "other"; readonly bytes: Uint8Array };

export interface DnsRecord {
  readonly name: string;
  readonly type: number;
  readonly class?: number | undefined;
  /** Seconds. */
  readonly ttl: number;
  /** "name" for NS, CNAME and PTR. */
  readonly data: DnsData;
}

export interface Dns extends HeaderBase {
  readonly kind: "dns";
  readonly id: number;
  /** The whole second word: DNS_FLAG, opcode << 11, rcode. */
  readonly flags: number;
  readonly questions: readonly DnsQuestion[];
  readonly answers?: readonly DnsRecord[] | undefined;
  readonly authorities?: readonly DnsRecord[] | undefined;
  readonly additionals?: readonly DnsRecord[] | undefined;
}

const isNameType = (type: number): boolean => type === DNS_TYPE.NS || type === DNS_TYPE.CNAME || type === DNS_TYPE.PTR;

/**
 * Reads a name at `at`; compression pointers count from `message`. Returns it with the offset behind it. Pointers must go
 * backwards, so that this ends.
 */
export function readDnsName(
  bytes: Uint8Array,
  message: number,
  at: number,
  end: number,
): { readonly name: string; readonly next: number } {
  const labels: string[] = [];
  let here = at;
  let next = -1;
  let lowest = at;
  let size = 0;
  for (;;) {
    if (here >= end) throw new TruncatedError("DNS name", here, 1, 0);
    const length = bytes[here]!;
    if (length >= 0xc0) {
      if (here + 1 >= end) throw new TruncatedError("DNS name", here, 2, 1);
      if (next < 0) next = here + 2;
      const target = message + (get16(bytes, here) & 0x3fff);
      if (target >= lowest) throw new MalformedError("DNS name", "compression pointer does not go backwards", here);
      lowest = target;
      here = target;
      continue;
    }
    if (length > 63) throw new MalformedError("DNS name", `label type 0x${(length >>> 6).toString(16)}`, here);
    if (length === 0) break;
    if (here + 1 + length > end) throw new TruncatedError("DNS name", here + 1, length, end - here - 1);
    size += length + 1;
    if (size > 254) throw new MalformedError("DNS name", "longer than 255 bytes", here);
    let label = "";
    for (let i = here + 1; i <= here + length; i++) {
      const char = String.fromCharCode(bytes[i]!);
      label += char === "." || char === "\\" ? "\\" + char : char;
    }
    labels.push(label);
    here += 1 + length;
  }
  return { name: labels.join("."), next: next < 0 ? here + 1 : next };
}

/** The labels of a name in text. Throws "packet.bad-value" for empty or overlong labels. */
export function dnsLabels(name: string): string[] {
  if (name === "" || name === ".") return [];
  const labels: string[] = [""];
  for (let i = 0; i < name.length; i++) {
    const char = name[i]!;
    if (char === "." && i < name.length - 1) labels.push("");
    else if (char === ".") break;
    else labels[labels.length - 1] += char === "\\" && i + 1 < name.length ? name[++i]! : char;
  }
  if (labels.some((label) => label.length === 0 || label.length > 63)) throw badValue("DNS name", `bad label in "${name}"`);
  return labels;
}

/** Collects a message's bytes; names are compressed against all earlier ones. */
class Writer {
  readonly out: number[] = [];
  readonly names = new Map<string, number>();

  u16(value: number): void {
    this.out.push((value >>> 8) & 255, value & 255);
  }

  u32(value: number): void {
    this.u16(value >>> 16);
    this.u16(value & 0xffff);
  }

  name(name: string): void {
    const labels = dnsLabels(name);
    for (let i = 0; i < labels.length; i++) {
      const suffix = labels
        .slice(i)
        .map((label) => `${label.length}:${label.toLowerCase()}`)
        .join("");
      const known = this.names.get(suffix);
      if (known !== undefined) {
        this.u16(0xc000 | known);
        return;
      }
      if (this.out.length < 0x4000) this.names.set(suffix, this.out.length);
      const label = labels[i]!;
      this.out.push(label.length);
      for (let c = 0; c < label.length; c++) this.out.push(label.charCodeAt(c) & 255);
    }
    this.out.push(0);
  }

  record(record: DnsRecord): void {
    this.name(record.name);
    this.u16(record.type);
    this.u16(record.class ?? 1);
    this.u32(record.ttl);
    const length = this.out.length;
    this.u16(0);
    this.data(record.data);
    const size = this.out.length - length - 2;
    if (size > 0xffff) throw badValue("DNS record", `${size} bytes of data`);
    this.out[length] = size >>> 8;
    this.out[length + 1] = size & 255;
  }

  private data(data: DnsData): void {
    if (data.type === "name") {
      this.name(data.name);
      return;
    }
    const bytes = data.type === "other" ? data.bytes : new Uint8Array(data.type === "A" ? 4 : 16);
    if (data.type === "A") writeIpv4(bytes, 0, data.address);
    else if (data.type === "AAAA") writeIpv6(bytes, 0, data.address);
    for (const byte of bytes) this.out.push(byte);
  }
}

/** The message's bytes. Names are compressed as far as possible. */
export function emitDns(message: Dns): Uint8Array {
  const writer = new Writer();
  const sections = [message.answers ?? [], message.authorities ?? [], message.additionals ?? []];
  writer.u16(message.id);
  writer.u16(message.flags);
  writer.u16(message.questions.length);
  for (const section of sections) writer.u16(section.length);
  for (const question of message.questions) {
    writer.name(question.name);
    writer.u16(question.type);
    writer.u16(question.class ?? 1);
  }
  for (const section of sections) for (const record of section) writer.record(record);
  return Uint8Array.from(writer.out);
}

function parseRecord(
  bytes: Uint8Array,
  message: number,
  at: number,
  end: number,
): { readonly record: DnsRecord; readonly next: number } {
  const { name, next } = readDnsName(bytes, message, at, end);
  if (end - next < 10) throw new TruncatedError("DNS record", next, 10, end - next);
  const type = get16(bytes, next);
  const length = get16(bytes, next + 8);
  const start = next + 10;
  const behind = start + length;
  if (behind > end) throw new TruncatedError("DNS record data", start, length, end - start);
  let data: DnsData;
  if (type === DNS_TYPE.A && length === 4) data = { type: "A", address: readIpv4(bytes, start) };
  else if (type === DNS_TYPE.AAAA && length === 16) data = { type: "AAAA", address: readIpv6(bytes, start) };
  else if (isNameType(type)) {
    const target = readDnsName(bytes, message, start, behind);
    if (target.next !== behind) throw new MalformedError("DNS record data", "bytes behind the name", target.next);
    data = { type: "name", name: target.name };
  } else data = { type: "other", bytes: bytes.subarray(start, behind) };
  return { record: { name, type, class: get16(bytes, next + 2), ttl: get32(bytes, next + 4), data }, next: behind };
}

/** Sizes of emitted messages, so that length and emit build a message once. */
const built = new WeakMap<Dns, Uint8Array>();

function buildOnce(message: Dns): Uint8Array {
  let bytes = built.get(message);
  if (!bytes) {
    bytes = emitDns(message);
    built.set(message, bytes);
  }
  return bytes;
}

export const dnsCodec: Codec<Dns> = {
  length: (header) => buildOnce(header).length,
  parse(bytes, start, end) {
    const v = DNS.view(bytes, start, end);
    const questions: DnsQuestion[] = [];
    let at = start + DNS.length;
    for (let i = 0; i < v.questions; i++) {
      const { name, next } = readDnsName(bytes, start, at, end);
      if (end - next < 4) throw new TruncatedError("DNS question", next, 4, end - next);
      questions.push({ name, type: get16(bytes, next), class: get16(bytes, next + 2) });
      at = next + 4;
    }
    const section = (count: number): DnsRecord[] => {
      const records: DnsRecord[] = [];
      for (let i = 0; i < count; i++) {
        const { record, next } = parseRecord(bytes, start, at, end);
        records.push(record);
        at = next;
      }
      return records;
    };
    const { id, flags } = v;
    const answers = section(v.answers);
    const authorities = section(v.authorities);
    const additionals = section(v.additionals);
    return { header: { kind: "dns", id, flags, questions, answers, authorities, additionals }, payload: at, end };
  },
  emit(header, bytes, start) {
    bytes.set(buildOnce(header), start);
  },
};

/** Bytes of a TXT record's strings, each at most 255 characters. */
export function dnsText(strings: readonly string[]): Uint8Array {
  const out: number[] = [];
  for (const text of strings) {
    if (text.length > 255) throw badValue("DNS text", `${text.length} characters do not fit into 255`);
    out.push(text.length);
    for (let i = 0; i < text.length; i++) out.push(text.charCodeAt(i) & 255);
  }
  return Uint8Array.from(out);
}
