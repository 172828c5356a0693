/**
 * Connections that another one announces: the data connections of FTP (RFC 959, 2428) and the transfers of TFTP (RFC 1350), which
 * ct(alg=...) looks for. One that is expected counts as related, has its parent's mark and label, and shows its parent's tuple.
 */
import { parseIpv4, parseIpv6 } from "@weft/packet";
import { copyTuple, newTuple, type Tuple } from "./table.ts";

export interface Expectation {
  readonly family: 4 | 6;
  /** What the first packet will have; its source port may be any, and is 0 here. */
  readonly tuple: Tuple;
  /** Which of its addresses is translated as the parent's are: its source, or its destination with this port. */
  readonly translates: "source" | "destination";
  /** Words of the translated address. */
  readonly address: Int32Array;
  readonly port: number;
  /** The connection that announced it, and the tuple of that. */
  readonly parent: number;
  readonly parentTuple: Tuple;
  readonly mark: number;
  readonly label: Int32Array;
}

const keyOf = ({ head, ports, addresses }: Tuple): string => `${head} ${ports & 0xffff} ${addresses.join(" ")}`;

export class Expectations {
  readonly #byKey = new Map<string, Expectation>();

  get size(): number {
    return this.#byKey.size;
  }

  [Symbol.iterator](): IterableIterator<Expectation> {
    return this.#byKey.values();
  }

  find(tuple: Tuple): Expectation | undefined {
    return this.#byKey.size === 0 ? undefined : this.#byKey.get(keyOf(tuple));
  }

  add(expectation: Expectation): void {
    const key = keyOf(expectation.tuple);
    if (!this.#byKey.has(key)) this.#byKey.set(key, expectation);
  }

  /** Forgets what a connection announced that is gone. */
  forget(family: 4 | 6, parent: number): void {
    for (const [key, one] of this.#byKey) if (one.family === family && one.parent === parent) this.#byKey.delete(key);
  }
}

/** A data connection of FTP, as a message of the control connection announces it. */
export interface Announced {
  /** The client listens (active mode), or the server does. */
  readonly active: boolean;
  readonly port: number;
  /** The address in the message, as text; absent where it has none. */
  readonly address: string | undefined;
}

/** Longest message that is looked at. */
const MAX_MESSAGE = 512;

/** What a segment of an FTP control connection says; `reply`: it is the server's. */
export function announcedBy(b: Uint8Array, from: number, end: number, reply: boolean): Announced | undefined {
  if (end - from < 6) return undefined;
  let text = "";
  for (let at = from; at < end && at < from + MAX_MESSAGE; at++) text += String.fromCharCode(b[at] as number);
  const plain = reply ? /^227\D.*?(\d+(?:,\d+){5})/s.exec(text) : /^PORT +(\d+(?:,\d+){5})/i.exec(text);
  if (plain !== null) {
    const numbers = (plain[1] as string).split(",").map(Number) as [number, number, number, number, number, number];
    if (numbers.some((n) => n > 255)) return undefined;
    return portOf(!reply, numbers[4] * 256 + numbers[5], numbers.slice(0, 4).join("."));
  }
  if (reply) {
    const extended = /^229\D.*?\(\|\|\|(\d+)\|\)/s.exec(text);
    return extended === null ? undefined : portOf(false, Number(extended[1]), undefined);
  }
  const extended = /^EPRT +\|[12]\|([^|]+)\|(\d+)\|/i.exec(text);
  return extended === null ? undefined : portOf(true, Number(extended[2]), extended[1]);
}

function portOf(active: boolean, port: number, address: string | undefined): Announced | undefined {
  return port === 0 || port > 0xffff ? undefined : { active, port, address };
}

/** Is an address in text the one of these words? */
export function isAddress(text: string, family: 4 | 6, words: Int32Array, at: number): boolean {
  if (family === 4) {
    const ip = parseIpv4(text);
    return ip !== undefined && (ip | 0) === words[at];
  }
  const ip = parseIpv6(text);
  return ip !== undefined && [96n, 64n, 32n, 0n].every((shift, i) => Number(BigInt.asIntN(32, ip >> shift)) === words[at + i]);
}

/** The tuple with the addresses of `tuple`, to a port, from any. */
export function expectedTuple(tuple: Tuple, port: number): Tuple {
  const made = newTuple();
  copyTuple(tuple, made);
  made.ports = port;
  return made;
}
