/** The name server of dns_lookup: answers from the rows of DNS for the packet's switch. */
import { concat, DNS_TYPE, get16, parseIpv4, parseIpv6, put16, put32, writeIpv4, writeIpv6 } from "@weft/packet";
import type { SbRow } from "@weft/schemas";
import type { IpPacket } from "./answers.ts";
import { udpPayload, withPayload } from "./udp.ts";

/** Seconds. */
const TTL = 3600;
const IN = 1;
const HEADER = 12;
const RESPONSE = 0x8000;
const REFUSED = 5;

interface Question {
  /** In lower case, without a dot at the end. */
  readonly name: string;
  readonly type: number;
  /** The name as in the message, and where the question ends. */
  readonly wire: Uint8Array;
  readonly end: number;
}

function readQuestion(message: Uint8Array): Question | undefined {
  // Like the reference: whatever else the header says, the first question is answered.
  if (message.length < HEADER || (get16(message, 2) & RESPONSE) !== 0 || get16(message, 4) === 0) return undefined;
  const labels: string[] = [];
  let at = HEADER;
  for (;;) {
    const length = message[at];
    if (length === undefined || length > 63) return undefined;
    at++;
    if (length === 0) break;
    labels.push(String.fromCharCode(...message.subarray(at, at + length)));
    at += length;
  }
  if (at + 4 > message.length || get16(message, at + 2) !== IN) return undefined;
  return { name: labels.join(".").toLowerCase(), type: get16(message, at), wire: message.slice(HEADER, at), end: at + 4 };
}

function nameOnWire(name: string): Uint8Array {
  const labels = name.split(".").filter((label) => label !== "");
  return Uint8Array.from([...labels.flatMap((label) => [label.length, ...Buffer.from(label, "latin1")]), 0]);
}

function record(name: Uint8Array, type: number, data: Uint8Array): Uint8Array {
  const fixed = new Uint8Array(10);
  put16(fixed, 0, type);
  put16(fixed, 2, IN);
  put32(fixed, 4, TTL);
  put16(fixed, 8, data.length);
  return concat(name, fixed, data);
}

function addressRecords({ type, wire }: Question, value: string): Uint8Array[] {
  const four: Uint8Array[] = [];
  const six: Uint8Array[] = [];
  for (const text of value.split(/[\s,]+/)) {
    const ipv4 = parseIpv4(text);
    const ipv6 = ipv4 === undefined ? parseIpv6(text) : undefined;
    const data = new Uint8Array(ipv4 === undefined ? 16 : 4);
    if (ipv4 !== undefined) {
      writeIpv4(data, 0, ipv4);
      four.push(record(wire, DNS_TYPE.A, data));
    } else if (ipv6 !== undefined) {
      writeIpv6(data, 0, ipv6);
      six.push(record(wire, DNS_TYPE.AAAA, data));
    }
  }
  return [...(type === DNS_TYPE.AAAA ? [] : four), ...(type === DNS_TYPE.A ? [] : six)];
}

/** Undefined for types that rows of DNS do not have. */
function recordsFor(question: Question, value: string): Uint8Array[] | undefined {
  switch (question.type) {
    case DNS_TYPE.A:
    case DNS_TYPE.AAAA:
    case DNS_TYPE.ANY:
      return addressRecords(question, value);
    case DNS_TYPE.PTR:
      return [record(question.wire, DNS_TYPE.PTR, nameOnWire(value))];
    default:
      return undefined;
  }
}

export type DnsRow = Pick<SbRow<"DNS">, "records" | "options">;

/**
 * The answer, in the place of the question. Undefined: somebody else is to be asked. A name that OVN owns has no other
 * server: what it does not have is refused.
 */
export function dnsAnswer(packet: IpPacket, rows: readonly DnsRow[]): Uint8Array | undefined {
  const message = udpPayload(packet);
  const question = message === undefined ? undefined : readQuestion(message);
  if (message === undefined || question === undefined) return undefined;
  const row = rows.find(({ records }) => records.has(question.name));
  if (row === undefined) return undefined;
  const answers = recordsFor(question, row.records.get(question.name)!);
  const owned = row.options.get("ovn-owned") === "true";
  if (answers === undefined || (answers.length === 0 && !owned)) return undefined;

  const head = message.slice(0, question.end);
  put16(head, 2, get16(message, 2) | RESPONSE | (answers.length === 0 ? REFUSED : 0));
  put16(head, 6, answers.length);
  put16(head, 8, 0);
  put16(head, 10, 0);
  return withPayload(packet, concat(head, ...answers));
}
