/** OpenFlow 1.0 to 1.5 with Nicira extensions: fields, matches, actions, messages, and the text of ovs-ofctl. */
export * from "./action/types.ts";
export * from "./field/access.ts";
export { FLOW_WORDS, newFlowKey, TUN_METADATA_FIELDS, TUN_METADATA_VIRTUAL, WORD } from "./field/layout.ts";
export { codeFor, field, fieldNamed, fieldOfCode, oxmNamed } from "./field/lookup.ts";
export { FIELDS } from "./field/table.ts";
export { TLV_SPACE, TlvMap, type TlvMapping } from "./field/tlvMap.ts";
export type * from "./field/types.ts";
export { MatchBuilder, VLAN_PRESENT } from "./match/builder.ts";
export { denseOf, type FieldMatch, Match, matchOfKey } from "./match/match.ts";
export { addPrerequisites, applicable, ETH_TYPE, etherTypeOf, IP_PROTO, ipProtoOf, meets } from "./match/prerequisites.ts";
export * from "./message/config.ts";
export * from "./message/flow.ts";
export * from "./message/packet.ts";
export * from "./message/types.ts";
export * from "./ports.ts";
