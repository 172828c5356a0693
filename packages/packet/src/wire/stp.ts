/** Spanning tree BPDUs: configuration (802.1D), topology change notification, rapid (802.1w). */
import { get64, put16, put32, put64 } from "../bytes.ts";
import { MalformedError, TruncatedError } from "../errors.ts";
import { layout, u8, u16, u32 } from "../layout.ts";
import type { Codec, HeaderBase } from "./codec.ts";

export const STP = layout("BPDU", 4, { protocol: u16(0), version: u8(2), type: u8(3) });
export const STP_CONFIG = layout("configuration BPDU", 35, {
  flags: u8(4),
  rootPathCost: u32(13),
  port: u16(25),
  messageAge: u16(27),
  maxAge: u16(29),
  helloTime: u16(31),
  forwardDelay: u16(33),
});

export const STP_TYPE = { config: 0, rapid: 2, topologyChange: 0x80 } as const;

export interface Stp extends HeaderBase {
  readonly kind: "stp";
  readonly version: number;
  readonly type: number;
  /** Absent in a topology change notification. Times in 1/256 s. Bridge identifiers are 64 bits: priority and MAC. */
  readonly config?: StpConfig | undefined;
}

export interface StpConfig {
  readonly flags: number;
  readonly root: bigint;
  readonly rootPathCost: number;
  readonly bridge: bigint;
  readonly port: number;
  readonly messageAge: number;
  readonly maxAge: number;
  readonly helloTime: number;
  readonly forwardDelay: number;
}

export const stpCodec: Codec<Stp> = {
  length: (header) => (header.config ? STP_CONFIG.length : STP.length),
  parse(bytes, start, end) {
    const { protocol, version, type } = STP.view(bytes, start, end);
    if (protocol !== 0) throw new MalformedError("BPDU", `protocol identifier ${protocol}`, start);
    if (type === STP_TYPE.topologyChange) return { header: { kind: "stp", version, type }, payload: start + STP.length, end };
    if (type !== STP_TYPE.config && type !== STP_TYPE.rapid) throw new MalformedError("BPDU", `unknown type ${type}`, start + 3);
    if (end - start < STP_CONFIG.length) throw new TruncatedError("BPDU", start, STP_CONFIG.length, end - start);
    const v = STP_CONFIG.view(bytes, start, end);
    const config: StpConfig = {
      flags: v.flags,
      root: get64(bytes, start + 5),
      rootPathCost: v.rootPathCost,
      bridge: get64(bytes, start + 17),
      port: v.port,
      messageAge: v.messageAge,
      maxAge: v.maxAge,
      helloTime: v.helloTime,
      forwardDelay: v.forwardDelay,
    };
    return { header: { kind: "stp", version, type, config }, payload: start + STP_CONFIG.length, end };
  },
  emit(header, bytes, start) {
    put16(bytes, start, 0);
    bytes[start + 2] = header.version;
    bytes[start + 3] = header.type;
    const c = header.config;
    if (!c) return;
    bytes[start + 4] = c.flags;
    put64(bytes, start + 5, c.root);
    put32(bytes, start + 13, c.rootPathCost);
    put64(bytes, start + 17, c.bridge);
    put16(bytes, start + 25, c.port);
    put16(bytes, start + 27, c.messageAge);
    put16(bytes, start + 29, c.maxAge);
    put16(bytes, start + 31, c.helloTime);
    put16(bytes, start + 33, c.forwardDelay);
  },
};
