/** Reading the operands of connection tracking and load balancing actions. */
import { fieldNamed } from "@weft/openflow";
import type { TokenReader } from "../reader.ts";
import type { AssignedReader, KeywordReader } from "./keywords.ts";
import { addressOf, portNumber, useField } from "./operands.ts";
import type { Backend, LoadBalanceName, LogicalAction, NatName } from "./types.ts";

export const readCtNext: KeywordReader = (reader, scope) => {
  scope.needed.add("ip");
  let zone: "dnat" | "snat" = "dnat";
  if (reader.accept("(")) {
    zone = zoneOperand(reader, "ct_next");
    reader.expect(")");
  }
  return { kind: "ct_next", zone, next: scope.next };
};

function zoneOperand(reader: TokenReader, action: string): "dnat" | "snat" {
  if (reader.acceptId("dnat")) return "dnat";
  if (reader.acceptId("snat")) return "snat";
  throw reader.type(`"${action}" action accepts only "dnat" or "snat" parameter.`);
}

export const readCtCommitToZone: KeywordReader = (reader, scope) => {
  scope.needed.add("ip");
  reader.expect("(");
  const zone = zoneOperand(reader, "ct_commit_to_zone");
  reader.expect(")");
  return { kind: "ct_commit_to_zone", zone, next: scope.next };
};

export const readCtCommitNat: KeywordReader = (reader, scope) => {
  scope.needed.add("ip");
  let zone: "dnat" | "snat" = "dnat";
  if (reader.accept("(")) {
    zone = zoneOperand(reader, "ct_commit_nat");
    reader.expect(")");
  }
  return { kind: "ct_commit_nat", zone, next: scope.next };
};

export function readCtNat(name: NatName): KeywordReader {
  return (reader, scope) => {
    scope.needed.add("ip");
    const plain = { kind: "ct_nat", name, next: scope.next } as const;
    if (!reader.accept("(")) return plain;
    const address = addressOf(reader);
    if (address === undefined) throw reader.expected("IPv4 or IPv6 address");
    reader.take();
    if (!reader.accept(",")) {
      reader.expect(")");
      return { ...plain, address };
    }
    if (reader.token.kind !== "integer") throw reader.expected("Integer for port range");
    const lowToken = reader.token;
    const low = portNumber(reader, "port number");
    if (low === 0) throw reader.type(`Syntax error at \`${lowToken.text}' range can't be 0.`, lowToken.offset);
    let high: number | undefined;
    if (reader.accept("-")) {
      const highToken = reader.token;
      high = portNumber(reader, "port number");
      if (high <= low) {
        throw reader.type(`Syntax error at \`${highToken.text}' range high should be greater than range low.`, highToken.offset);
      }
    }
    reader.expect(")");
    return { ...plain, address, ports: { low, high } };
  };
}

export function readCtLb(name: LoadBalanceName): KeywordReader {
  return (reader, scope) => {
    scope.needed.add("ip");
    const plain = { kind: "ct_lb", name, next: scope.next, hashFields: undefined, flag: undefined } as const;
    if (!reader.accept("(")) return { ...plain, backends: undefined };
    if (reader.accept(")")) return { ...plain, backends: undefined };
    if (!reader.acceptId("backends")) throw reader.expected("backends");
    reader.expect("=");
    const backends: Backend[] = [];
    while (!reader.is(";") && !reader.is(")")) {
      backends.push(name === "ct_lb_mark_local" ? localBackend(reader) : backend(reader));
      reader.accept(",");
    }
    let hashFields: string | undefined;
    let flag: "skip_snat" | "force_snat" | undefined;
    while (reader.accept(";")) {
      if (reader.acceptId("hash_fields")) hashFields = hashOperand(reader);
      else if (reader.acceptId("skip_snat")) flag = "skip_snat";
      else if (reader.acceptId("force_snat")) flag = "force_snat";
      else throw reader.expected("`;'");
    }
    reader.expect(")");
    return { ...plain, backends: backends.length === 0 ? undefined : backends, hashFields, flag };
  };
}

function backend(reader: TokenReader): Backend {
  if (reader.accept("[")) {
    const ip = addressOf(reader);
    if (ip?.family !== 6) throw reader.expected("IPv6 address");
    reader.take();
    reader.expect("]");
    reader.expect(":");
    return { ip, port: portNumber(reader) };
  }
  const ip = addressOf(reader);
  if (ip === undefined) throw reader.expected("IP address");
  reader.take();
  return { ip, port: ip.family === 4 && reader.accept(":") ? portNumber(reader) : 0 };
}

function localBackend(reader: TokenReader): Backend {
  const token = reader.token;
  if (token.kind !== "string") throw reader.expected("logical port name for distributed load balancer");
  reader.take();
  reader.expect(":");
  return { ...backend(reader), logicalPort: token.value };
}

/** `="ip_src,ip_dst"`: names of OpenFlow fields; the switch ignores others. */
function hashOperand(reader: TokenReader): string {
  reader.expect("=");
  const token = reader.token;
  if (token.kind !== "string") throw reader.syntax("invalid hash_fields");
  for (const name of token.value.split(",")) {
    if (name !== "" && fieldNamed(hashFieldName(name)) === undefined) throw reader.syntax("invalid hash_fields");
  }
  reader.take();
  return token.value;
}

/** What northd calls the protocol field. */
export function hashFieldName(name: string): string {
  const trimmed = name.trim();
  return trimmed === "ip_proto" ? "nw_proto" : trimmed;
}

export const readSelect: AssignedReader = (reader, scope, dst, offset): LogicalAction => {
  useField(reader, dst, dst.width, true, scope.needed, offset);
  if (dst.width < 16) {
    const name = `${dst.symbol.name}[${dst.low}..${dst.low + dst.width - 1}]`;
    throw reader.type(`cannot use ${dst.width}-bit field ${name} for "select", which requires at least 16 bits.`, offset);
  }
  reader.expect("(");
  const listed = reader.isId("values");
  if (listed) {
    reader.take();
    reader.expect("=");
    reader.expect("(");
  }
  const values: { value: number; weight: number }[] = [];
  while (!reader.accept(")")) {
    const value = small(reader, "id");
    let weight = 100;
    if (reader.accept("=")) {
      weight = small(reader, "weight");
      if (weight === 0) throw reader.syntax("weight can't be 0");
    }
    values.push({ value, weight });
    if (!reader.is(")")) reader.expect(",");
  }
  if (values.length < 2) throw reader.expected("at least 2 group members");
  let hashFields: string | undefined;
  if (listed) {
    reader.expect(";");
    reader.expectId("hash_fields");
    hashFields = hashOperand(reader);
    reader.expect(")");
  }
  return { kind: "select", dst, next: scope.next, values, hashFields };
};

function small(reader: TokenReader, what: string): number {
  const token = reader.token;
  if (token.kind !== "integer" || token.format !== "decimal" || token.value > 65535n) throw reader.expected(what);
  return reader.smallInteger();
}
