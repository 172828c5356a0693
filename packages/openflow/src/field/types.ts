/** What a row of the field table says. Source: ovs-fields(7). */

/** How values are written. */
export type FieldFormat =
  | "decimal"
  | "hexadecimal"
  | "ethernet"
  | "ipv4"
  | "ipv6"
  | "ofp10-port"
  | "ofp11-port"
  | "frag"
  | "tunnel-flags"
  | "tcp-flags"
  | "ct-state"
  | "packet-type";

/** What must hold of a packet for the field to be there. */
export type Prerequisite =
  | "none"
  | "ethernet"
  | "vlan-vid"
  | "arp"
  | "ipv4"
  | "ipv6"
  | "ip"
  | "mpls"
  | "nsh"
  | "ct"
  | "tcp"
  | "udp"
  | "sctp"
  | "icmpv4"
  | "icmpv6"
  | "nd"
  | "nd-solicit"
  | "nd-advert";

/** One code point of a field in NXM or OXM. */
export interface OxmCode {
  /** E.g. "NXM_NX_REG0", "OXM_OF_METADATA". */
  readonly name: string;
  /** 0x0000 NXM_OF, 0x0001 NXM_NX, 0x1000 ERICOXM, 0x8000 OXM_OF, 0x8001 packet registers, 0xffff experimenter. */
  readonly class: number;
  /** Experimenter id, with class 0xffff; otherwise 0. */
  readonly vendor: number;
  readonly field: number;
  /** OpenFlow wire version (1 to 6) from which on this code is the one to send; 0 for NXM codes. */
  readonly since: number;
}

/** How OpenFlow 1.0 or 1.1 match structures carry the field. */
export type LegacySupport = "no" | "exact" | "cidr" | "mask";

export interface Field {
  /** Index in FIELDS; stable within one version of the package only. */
  readonly id: number;
  /** The name that `set_field` prints: "eth_src", "ip_src", "reg0". */
  readonly name: string;
  /** Other accepted names: "dl_src", "nw_src". */
  readonly aliases: readonly string[];
  /** Bytes in NXM/OXM. tun_metadata: the most there can be, 124. */
  readonly bytes: number;
  /** Bits that may be nonzero. */
  readonly bits: number;
  /** tun_metadata: the width depends on the TLV table map. */
  readonly variable: boolean;
  readonly maskable: boolean;
  readonly format: FieldFormat;
  readonly prerequisite: Prerequisite;
  readonly writable: boolean;
  /** Code points, NXM first. Empty: cannot be sent in NXM or OXM. */
  readonly codes: readonly OxmCode[];
  readonly of10: LegacySupport;
  readonly of11: LegacySupport;
  /** Word offset in the flow key; tun_metadata: the virtual place of matches (see TUN_METADATA_VIRTUAL). */
  readonly word: number;
  /** Number of words. */
  readonly words: number;
  /** Bits that the field's least significant bit is above the last word's. Zero unless the field is a part of a word. */
  readonly shift: number;
  /** The word's part that is the field, for fields of one word; -1 (all bits) for wider ones. */
  readonly wordMask: number;
  /** For tun_metadata fields: which one. */
  readonly metadataIndex: number | undefined;
}
