/** Geneve (RFC 8926), and the option that OVN sends in it (ovn-architecture(7), "Tunnel Encapsulations"). */
import { get32, put16, put24, put32 } from "../bytes.ts";
import { badValue, MalformedError, TruncatedError } from "../errors.ts";
import { bits, flag, layout, u8, u16, u24 } from "../layout.ts";
import type { Codec, HeaderBase } from "./codec.ts";
import { etherTypeOf, kindOfEtherType } from "./numbers.ts";

export const GENEVE_PORT = 6081;

export const GENEVE = layout("Geneve header", 8, {
  version: bits(0, 1, 6, 2),
  /** In 32-bit words. */
  optionWords: bits(0, 1, 0, 6),
  control: flag(1, 7),
  critical: flag(1, 6),
  reserved: bits(1, 1, 0, 6),
  protocol: u16(2),
  vni: u24(4),
  reserved2: u8(7),
});
export const GENEVE_OPTION = layout("Geneve option", 4, {
  class: u16(0),
  type: u8(2),
  flags: bits(3, 1, 5, 3),
  words: bits(3, 1, 0, 5),
});

/** The option class of OVN and its one type, critical (0x80 is the critical bit itself). */
export const OVN_GENEVE_CLASS = 0x0102;
export const OVN_GENEVE_TYPE = 0x80;

export interface GeneveOption {
  readonly class: number;
  /** With the critical bit 0x80. */
  readonly type: number;
  /** The three reserved bits beside the length. 0 unless given. */
  readonly flags?: number | undefined;
  /** A multiple of 4 bytes, at most 124. */
  readonly data: Uint8Array;
}

export interface Geneve extends HeaderBase {
  readonly kind: "geneve";
  /** 24 bits: OVN's logical datapath. */
  readonly vni: number;
  readonly options: readonly GeneveOption[];
  readonly control?: boolean | undefined;
  /** Absent: as the options' types say. */
  readonly critical?: boolean | undefined;
  /** Absent: derived; 0x6558 is an Ethernet frame. */
  readonly protocol?: number | undefined;
}

/** The option with logical ingress port (15 bits) and egress port (16 bits). */
export function ovnGeneveOption(ingress: number, egress: number): GeneveOption {
  const data = new Uint8Array(4);
  put32(data, 0, (((ingress & 0x7fff) << 16) | (egress & 0xffff)) >>> 0);
  return { class: OVN_GENEVE_CLASS, type: OVN_GENEVE_TYPE, data };
}

/** Logical ingress and egress port keys of OVN's option, undefined where it is absent. */
export function ovnPorts(header: Geneve): { readonly ingress: number; readonly egress: number } | undefined {
  for (const option of header.options) {
    if (option.class !== OVN_GENEVE_CLASS || option.type !== OVN_GENEVE_TYPE || option.data.length !== 4) continue;
    const word = get32(option.data, 0);
    return { ingress: (word >>> 16) & 0x7fff, egress: word & 0xffff };
  }
  return undefined;
}

const hasCritical = (options: readonly GeneveOption[]): boolean => options.some((option) => (option.type & 0x80) !== 0);

export const geneveCodec: Codec<Geneve> = {
  length(header) {
    let length = GENEVE.length;
    for (const { data } of header.options) {
      if (data.length % 4 !== 0 || data.length > 124) throw badValue("Geneve option", `${data.length} bytes of data`);
      length += GENEVE_OPTION.length + data.length;
    }
    if (length - GENEVE.length > 252) throw badValue("Geneve options", `${length - GENEVE.length} bytes do not fit into 252`);
    return length;
  },
  parse(bytes, start, end) {
    const v = GENEVE.view(bytes, start, end);
    if (v.version !== 0) throw new MalformedError("Geneve header", `version ${v.version}`, start);
    const payload = start + GENEVE.length + v.optionWords * 4;
    if (payload > end)
      throw new TruncatedError("Geneve options", start + GENEVE.length, v.optionWords * 4, end - start - GENEVE.length);
    const options: GeneveOption[] = [];
    for (let at = start + GENEVE.length; at < payload; ) {
      const option = GENEVE_OPTION.view(bytes, at, payload);
      const behind = at + GENEVE_OPTION.length + option.words * 4;
      if (behind > payload) throw new MalformedError("Geneve option", "reaches beyond the options", at);
      const flags = option.flags === 0 ? {} : { flags: option.flags };
      options.push({ class: option.class, type: option.type, ...flags, data: bytes.subarray(at + GENEVE_OPTION.length, behind) });
      at = behind;
    }
    const { vni, control, critical, protocol } = v;
    const header: Geneve = {
      kind: "geneve",
      vni,
      options,
      control,
      protocol,
      ...(critical === hasCritical(options) ? {} : { critical }),
    };
    return { header, payload, end, next: kindOfEtherType(protocol) };
  },
  emit(header, bytes, start, _end, _under, next) {
    let at = start + GENEVE.length;
    for (const { class: optionClass, type, flags, data } of header.options) {
      put16(bytes, at, optionClass);
      bytes[at + 2] = type;
      bytes[at + 3] = ((flags ?? 0) << 5) | (data.length / 4);
      bytes.set(data, at + GENEVE_OPTION.length);
      at += GENEVE_OPTION.length + data.length;
    }
    bytes[start] = (at - start - GENEVE.length) / 4;
    bytes[start + 1] = (header.control ? 0x80 : 0) | ((header.critical ?? hasCritical(header.options)) ? 0x40 : 0);
    put16(bytes, start + 2, header.protocol ?? etherTypeOf(next) ?? 0x6558);
    put24(bytes, start + 4, header.vni);
    bytes[start + 7] = 0;
  },
};
