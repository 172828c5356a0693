/** Reading the operands that many actions share. */

import { parseIpv4, parseIpv6 } from "@weft/packet";
import type { FieldRef } from "../match/expression.ts";
import type { TokenReader } from "../reader.ts";
import type { LogicalSymbol } from "../symbols.ts";
import type { IpAddress } from "./types.ts";

/** Collects what the actions imply of the packets that a flow matches. */
export class Prerequisites {
  readonly texts = new Set<string>();

  add(text: string): void {
    this.texts.add(text);
  }

  addOf(symbol: LogicalSymbol): void {
    if (symbol.prerequisites !== undefined) this.texts.add(symbol.prerequisites);
  }
}

/**
 * Checks a field as operand: `width` 0 asks for a string field; `write` for one that may be assigned. Adds its
 * prerequisites.
 */
export function useField(
  reader: TokenReader,
  field: FieldRef,
  width: number,
  write: boolean,
  needed: Prerequisites,
  offset: number,
): void {
  const { symbol } = field;
  if (symbol.kind === "predicate") throw reader.type(`Predicate symbol ${symbol.name} used where lvalue required.`, offset);
  if (width === 0 ? symbol.width !== 0 : symbol.width === 0) {
    const [is, wanted] = width === 0 ? ["numeric", "string"] : ["string", "numeric"];
    throw reader.type(`Cannot use ${is} field ${symbol.name} where ${wanted} field is required.`, offset);
  }
  if (width > 0 && field.width !== width) {
    const bits = `${symbol.name}[${field.low}..${field.low + field.width - 1}]`;
    throw reader.type(`Cannot use ${field.width}-bit field ${bits} where ${width}-bit field is required.`, offset);
  }
  if (symbol.kind === "ovn-field") throw reader.type(`Field ${symbol.name} may only be assigned a constant.`, offset);
  if (write && !symbol.writable) throw reader.type(`Field ${symbol.name} is not modifiable.`, offset);
  needed.addOf(symbol);
}

/** Reads a field and checks it as {@link useField} does. */
export function operand(reader: TokenReader, width: number, write: boolean, needed: Prerequisites): FieldRef {
  const { offset } = reader.token;
  const field = reader.field();
  useField(reader, field, width, write, needed, offset);
  return field;
}

/** A port of an address: 1 to 65535 (or 0 where `zero`). */
export function portNumber(reader: TokenReader, what = "port number"): number {
  const token = reader.token;
  const port = reader.smallInteger(what);
  if (port > 65535) throw reader.type(`Syntax error at \`${token.text}' expecting ${what}.`, token.offset);
  return port;
}

/** An IPv4 or IPv6 address token without mask. */
export function addressOf(reader: TokenReader): IpAddress | undefined {
  const token = reader.token;
  if (token.kind !== "integer" || token.mask !== undefined) return undefined;
  if (token.format === "ipv4") return { family: 4, value: token.value };
  if (token.format === "ipv6") return { family: 6, value: token.value };
  return undefined;
}

/** "10.0.0.1:80", "10.0.0.1", "[fd00::1]:80", "fd00::1". Undefined when malformed. */
export function parseEndpoint(text: string): { readonly ip: IpAddress; readonly port: number } | undefined {
  const bracket = /^\[(.*)\](?::(\d{1,5}))?$/.exec(text);
  const colon = bracket === null ? /^([0-9.]+):(\d{1,5})$/.exec(text) : null;
  const host = bracket?.[1] ?? colon?.[1] ?? text;
  const port = Number(bracket?.[2] ?? colon?.[2] ?? 0);
  const ip = ipOf(host);
  return ip === undefined || port > 65535 ? undefined : { ip, port };
}

function ipOf(text: string): IpAddress | undefined {
  const ip4 = parseIpv4(text);
  if (ip4 !== undefined) return { family: 4, value: BigInt(ip4) };
  const ip6 = parseIpv6(text);
  return ip6 === undefined ? undefined : { family: 6, value: ip6 };
}
