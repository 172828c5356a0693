/** ARP requests and neighbour solicitations for the switch's own tunnels (RFC 826, RFC 4861 section 4.3). */
import { internetChecksum, type Mac, pseudoSum6 } from "@weft/packet";
import type { IpAddress } from "./address.ts";

function put(bytes: Uint8Array, at: number, value: bigint, length: number): void {
  for (let i = length - 1, rest = value; i >= 0; i--, rest >>= 8n) bytes[at + i] = Number(rest & 0xffn);
}

export function neighbourRequest(smac: Mac, source: IpAddress, target: IpAddress): Uint8Array {
  return source.family === 4 && target.family === 4
    ? arpRequest(smac, source.ip, target.ip)
    : solicitation(smac, BigInt(source.ip), BigInt(target.ip));
}

export function arpRequest(smac: Mac, source: number, target: number): Uint8Array {
  return arp(1, smac, source, 0, target, 0xffff_ffff_ffff);
}

/** An ARP frame of operation `op`, without padding. */
export function arp(op: number, sha: number, spa: number, tha: number, tpa: number, dst: number): Uint8Array {
  const bytes = new Uint8Array(42);
  put(bytes, 0, BigInt(dst), 6);
  put(bytes, 6, BigInt(sha), 6);
  put(bytes, 12, 0x0806_0001_0800_0604n, 8);
  put(bytes, 20, BigInt(op), 2);
  put(bytes, 22, BigInt(sha), 6);
  put(bytes, 28, BigInt(spa), 4);
  put(bytes, 32, BigInt(tha), 6);
  put(bytes, 38, BigInt(tpa), 4);
  return bytes;
}

function solicitation(smac: Mac, source: bigint, target: bigint): Uint8Array {
  const bytes = new Uint8Array(14 + 40 + 32);
  const group = (0xff02n << 112n) | 0x1_ff00_0000n | (target & 0xffffffn);
  put(bytes, 0, 0x3333_0000_0000n | (group & 0xffffffffn), 6);
  put(bytes, 6, BigInt(smac), 6);
  put(bytes, 12, 0x86ddn, 2);
  bytes[14] = 0x60;
  put(bytes, 18, 32n, 2);
  bytes[20] = 58;
  bytes[21] = 255;
  put(bytes, 22, source, 16);
  put(bytes, 38, group, 16);
  bytes[54] = 135;
  put(bytes, 62, target, 16);
  bytes[78] = 1;
  bytes[79] = 1;
  put(bytes, 80, BigInt(smac), 6);
  // Source and group are 128-bit numbers by construction.
  const sum = pseudoSum6(source as Parameters<typeof pseudoSum6>[0], group as Parameters<typeof pseudoSum6>[1], 58, 32);
  put(bytes, 56, BigInt(internetChecksum(bytes, 54, bytes.length, sum)), 2);
  return bytes;
}
