/**
 * What ovn-controller tells itself in the userdata of `controller` actions: an opcode, then operands. All numbers are big
 * endian. Learned from the flows that ovn-controller 26.03 installs.
 */
import { codeFor } from "@weft/openflow";
import { openflowField } from "../match/compile.ts";
import type { FieldRef } from "../match/expression.ts";

export const OPCODES = {
  arp: 0,
  put_arp: 1,
  put_dhcp_opts: 2,
  nd_na: 3,
  put_nd: 4,
  put_dhcpv6_opts: 5,
  dns_lookup: 6,
  log: 7,
  put_nd_ra_opts: 8,
  nd_ns: 9,
  icmp: 10,
  tcp_reset: 11,
  nd_na_router: 12,
  icmp4_error: 14,
  event: 15,
  igmp: 16,
  bind_vport: 17,
  handle_svc_check: 18,
  handle_dhcpv6_reply: 19,
  icmp6_error: 20,
  reject: 22,
  bfd: 23,
  sctp_abort: 24,
  put_fdb: 25,
  activation_strategy: 26,
  dhcp_relay_req_chk: 28,
  dhcp_relay_resp_chk: 29,
} as const;

export type Opcode = keyof typeof OPCODES;

/** OpenFlow wire version in which ovn-controller writes field headers and nested actions. */
export const USERDATA_VERSION = 6;

export class ByteWriter {
  readonly #bytes: number[] = [];

  u8(value: number): this {
    this.#bytes.push(value & 0xff);
    return this;
  }

  u16(value: number): this {
    return this.u8(value >>> 8).u8(value);
  }

  u32(value: number): this {
    return this.u16(value >>> 16).u16(value);
  }

  /** The low `length` bytes of `value`, the most significant first. */
  uint(value: bigint, length: number): this {
    for (let i = length - 1; i >= 0; i--) this.u8(Number((value >> BigInt(8 * i)) & 0xffn));
    return this;
  }

  text(value: string): this {
    return this.bytes(new TextEncoder().encode(value));
  }

  bytes(value: Iterable<number>): this {
    for (const byte of value) this.#bytes.push(byte);
    return this;
  }

  get length(): number {
    return this.#bytes.length;
  }

  done(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

/** Starts userdata with an opcode. */
export function userdata(opcode: Opcode): ByteWriter {
  return new ByteWriter().u32(OPCODES[opcode]).u32(0);
}

/** Where a paused action puts its result: the field's header in OXM form and the bit. */
export function writeResultField(writer: ByteWriter, dst: FieldRef): ByteWriter {
  const field = openflowField(dst.symbol);
  const code = codeFor(field, USERDATA_VERSION)!; // registers can all be sent
  return writer
    .u16(code.class)
    .u8(code.field << 1)
    .u8(field.bytes)
    .u32(dst.symbol.offset + dst.low);
}
