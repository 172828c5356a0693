/** OpenFlow 1.0 to 1.5 with Nicira extensions: fields, matches, actions, messages, and the text of ovs-ofctl. */
export * from "./action/types.ts";
export { type ActionsCheck, checkActions, matchErrorOf } from "./check/actions.ts";
export { type ConnectionOptions, OpenFlowConnection, OpenFlowError, type Reply } from "./connection/connection.ts";
export { type Continuation, type ContinuedAction, decodeContinuation, encodeContinuation } from "./continuation/continuation.ts";
export * from "./field/access.ts";
export { FLOW_WORDS, newFlowKey, TUN_METADATA_FIELDS, TUN_METADATA_VIRTUAL, WORD } from "./field/layout.ts";
export { codeFor, field, fieldByOvsName, fieldNamed, fieldOfCode, oxmNamed } from "./field/lookup.ts";
export { FIELDS } from "./field/table.ts";
export { TLV_SPACE, TlvMap, type TlvMapping } from "./field/tlvMap.ts";
export type * from "./field/types.ts";
export { MatchBuilder, VLAN_PRESENT } from "./match/builder.ts";
export { denseOf, type FieldMatch, Match, matchOfKey } from "./match/match.ts";
export { normalizeMatch } from "./match/normalize.ts";
export { addPrerequisites, applicable, ETH_TYPE, etherTypeOf, IP_PROTO, ipProtoOf, meets } from "./match/prerequisites.ts";
export * from "./message/config.ts";
export * from "./message/flow.ts";
export * from "./message/packet.ts";
export * from "./message/types.ts";
export * from "./ports.ts";
export { formatGroup } from "./print/groups.ts";
export { hexDump } from "./print/hexdump.ts";
export { formatEnvelope, formatMessage, type PrintOptions } from "./print/message.ts";
export { flowOfPacket, formatPacket } from "./print/packet.ts";
export { formatPortDescription } from "./print/ports.ts";
export { formatTableFeatures } from "./print/tableFeatures.ts";
export { outputTo } from "./text/actionContext.ts";
export { formatAction, formatActions, parseActions } from "./text/actions.ts";
export { ALL_TUNNEL_FLAGS, CT_STATES, formatBits, formatMaskedBits, parseBits, TCP_FLAGS, TUNNEL_FLAGS } from "./text/bits.ts";
export { TextError } from "./text/error.ts";
export {
  type FlowFormat,
  formatDuration,
  formatFlow,
  formatFlowStats,
  formatPriorityMatch,
  parseFlow,
  parseFlowMod,
} from "./text/flow.ts";
export { parseBucketId, parseGroupId, parseGroupMod, takeGroupCommand } from "./text/group.ts";
export { fieldsOf, formatMatch, formatWholeFlow, parseMatch, protocolNamed } from "./text/match.ts";
export { parseMeterId, parseMeterMod } from "./text/meter.ts";
export { formatPort, formatTable, type Names, NO_NAMES, namesOf, parsePort, parseTable, quoteName } from "./text/names.ts";
export { formatOxms, matchOfOxms, matchToOxms, parseOxms } from "./text/oxm.ts";
export { parseCtFlush, parseCtTuple, parsePacketOut, parseTlvMappings } from "./text/packetOut.ts";
export { type Item, items, Scanner } from "./text/scan.ts";
export { formatSubfield, oxmName, parseSubfield } from "./text/subfield.ts";
export { formatFieldValue, parseFieldValue } from "./text/value.ts";
export { ActionLists } from "./wire/actionLists.ts";
export { ByteReader, ByteWriter } from "./wire/bytes.ts";
export { decode, encode, encodeInto, peekHeader } from "./wire/codec.ts";
export type { DecodeOptions, EncodeOptions } from "./wire/codecRow.ts";
export { DecodeError, EncodeError, ERROR_NAMES, errorCode, errorName } from "./wire/error.ts";
export { Framer } from "./wire/framer.ts";
export { decodeActionList, decodeInstructions, encodeActionList, instructionOrderProblem } from "./wire/instructions.ts";
export { fitsOf10, fitsOf11 } from "./wire/match.ts";
