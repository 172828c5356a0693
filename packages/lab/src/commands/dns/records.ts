/** DNS records and questions as the BIND tools print them. */
import { DNS_TYPE, type DnsRecord, formatIpv4, formatIpv6, get16, readDnsName } from "@weft/packet";
import { UsageError } from "../getopt.ts";

const typeNames = new Map<number, string>(Object.entries(DNS_TYPE).map(([name, number]) => [number, name]));

export function typeName(type: number): string {
  return typeNames.get(type) ?? `TYPE${type}`;
}

/** Undefined for a word that is no type. */
export function typeNumber(name: string): number | undefined {
  const upper = name.toUpperCase();
  const number = /^TYPE(\d{1,5})$/.exec(upper)?.[1];
  return number === undefined ? (DNS_TYPE as Readonly<Record<string, number>>)[upper] : Number(number);
}

const rcodes = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH"];

export function rcodeName(flags: number): string {
  const code = flags & 15;
  return rcodes[code] ?? `RESERVED${code}`;
}

/** A name as a zone file has it. */
export function absolute(name: string): string {
  return name.endsWith(".") ? name : `${name}.`;
}

/** The data of a record, in a zone file's form. */
export function dataText({ type, data }: DnsRecord): string {
  switch (data.type) {
    case "A":
      return formatIpv4(data.address);
    case "AAAA":
      return formatIpv6(data.address);
    case "name":
      return absolute(data.name);
    case "other":
      if (type === DNS_TYPE.TXT) return strings(data.bytes);
      if (type === DNS_TYPE.MX && data.bytes.length > 2)
        return `${get16(data.bytes, 0)} ${absolute(readDnsName(data.bytes, 0, 2, data.bytes.length).name)}`;
      return `\\# ${data.bytes.length} ${[...data.bytes].map((byte) => byte.toString(16).padStart(2, "0").toUpperCase()).join("")}`;
  }
}

function strings(bytes: Uint8Array): string {
  const texts: string[] = [];
  for (let at = 0; at < bytes.length; at += 1 + bytes[at]!)
    texts.push(JSON.stringify(new TextDecoder("latin1").decode(bytes.subarray(at + 1, at + 1 + bytes[at]!))));
  return texts.join(" ");
}

/** The name that holds an address's PTR record (RFC 1035 3.5, RFC 3596 2.5). Throws UsageError for what is no address. */
export function reverseName(text: string): string {
  const four = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (four) return `${four.slice(1).reverse().join(".")}.in-addr.arpa`;
  const groups = text.split("::");
  const expand = (part = "") => (part === "" ? [] : part.split(":").map((group) => group.padStart(4, "0")));
  const [head, tail] = [expand(groups[0]), expand(groups[1])];
  const missing = 8 - head.length - tail.length;
  if (!text.includes(":") || groups.length > 2 || missing < 0) throw new UsageError(`Invalid IP address ${text}`);
  const digits = [...head, ...Array.from({ length: missing }, () => "0000"), ...tail].join("");
  return `${[...digits].reverse().join(".")}.ip6.arpa`;
}
