/** Bidirectional forwarding detection control packets (RFC 5880), as carried over UDP port 3784. */
import { put32 } from "../bytes.ts";
import { MalformedError, TruncatedError } from "../errors.ts";
import { bits, layout, u8, u32 } from "../layout.ts";
import type { Codec, HeaderBase } from "./codec.ts";

export const BFD = layout("BFD control packet", 24, {
  version: bits(0, 1, 5, 3),
  diagnostic: bits(0, 1, 0, 5),
  state: bits(1, 1, 6, 2),
  flags: bits(1, 1, 0, 6),
  detectMultiplier: u8(2),
  length: u8(3),
  myDiscriminator: u32(4),
  yourDiscriminator: u32(8),
  desiredMinTx: u32(12),
  requiredMinRx: u32(16),
  requiredMinEchoRx: u32(20),
});

export const BFD_STATE = { adminDown: 0, down: 1, init: 2, up: 3 } as const;
export type BfdState = (typeof BFD_STATE)[keyof typeof BFD_STATE];
/** Those diagnostics of RFC 5880 section 4.1 that are told here. */
export const BFD_DIAGNOSTIC = { none: 0, expired: 1, neighbourDown: 3, pathDown: 6, reversePathDown: 8 } as const;
export const BFD_FLAG = { poll: 32, final: 16, controlPlaneIndependent: 8, authentication: 4, demand: 2, multipoint: 1 } as const;

/** Intervals in microseconds. */
export interface Bfd extends HeaderBase {
  readonly kind: "bfd";
  /** 1 unless given. */
  readonly version?: number | undefined;
  readonly diagnostic: number;
  readonly state: number;
  readonly flags: number;
  readonly detectMultiplier: number;
  readonly myDiscriminator: number;
  readonly yourDiscriminator: number;
  readonly desiredMinTx: number;
  readonly requiredMinRx: number;
  readonly requiredMinEchoRx: number;
  /** The authentication section, type first. */
  readonly authentication?: Uint8Array | undefined;
}

export const bfdCodec: Codec<Bfd> = {
  length: (header) => BFD.length + (header.authentication?.length ?? 0),
  parse(bytes, start, end) {
    const v = BFD.view(bytes, start, end);
    if (v.length < BFD.length) throw new MalformedError("BFD control packet", `length ${v.length}`, start + 3);
    if (end - start < v.length) throw new TruncatedError("BFD control packet", start, v.length, end - start);
    const { version, diagnostic, state, flags, detectMultiplier, myDiscriminator, yourDiscriminator } = v;
    const { desiredMinTx, requiredMinRx, requiredMinEchoRx } = v;
    const behind = start + v.length;
    const header: Bfd = {
      kind: "bfd",
      version,
      diagnostic,
      state,
      flags,
      detectMultiplier,
      myDiscriminator,
      yourDiscriminator,
      desiredMinTx,
      requiredMinRx,
      requiredMinEchoRx,
      ...(v.length > BFD.length ? { authentication: bytes.subarray(start + BFD.length, behind) } : {}),
    };
    return { header, payload: behind, end };
  },
  emit(header, bytes, start) {
    bytes[start] = ((header.version ?? 1) << 5) | (header.diagnostic & 31);
    bytes[start + 1] = (header.state << 6) | (header.flags & 63);
    bytes[start + 2] = header.detectMultiplier;
    bytes[start + 3] = BFD.length + (header.authentication?.length ?? 0);
    put32(bytes, start + 4, header.myDiscriminator);
    put32(bytes, start + 8, header.yourDiscriminator);
    put32(bytes, start + 12, header.desiredMinTx);
    put32(bytes, start + 16, header.requiredMinRx);
    put32(bytes, start + 20, header.requiredMinEchoRx);
    if (header.authentication) bytes.set(header.authentication, start + BFD.length);
  },
};
