/**
 * Flows that say what one packet has, as ofproto/trace takes them (ovs-vswitchd(8)): ovs-ofctl's names, every value exact, and each
 * field only behind what says that the packet has it ("udp,udp_dst=53", not the other way round).
 */
import {
  type Field,
  fieldByOvsName,
  fieldMask,
  items,
  MatchBuilder,
  meets,
  type Names,
  OFPP,
  parseFieldValue,
  placeOf,
  protocolNamed,
  readField,
  type TlvMap,
  writeField,
} from "@weft/openflow";
import { messageOf, WeftError } from "@weft/runtime";
import { FLOW_WORDS, VLAN_CFI, WORD } from "../flow/key.ts";

function bad(text: string, why: string): WeftError {
  return new WeftError("vswitch.trace", `Bad openflow flow syntax: ${text}: ${why}`, { blame: "caller", place: { text } });
}

const VLAN_HEADERS = [
  [WORD.vlan_tci, WORD.vlan_tpid],
  [WORD.vlan_tci1, WORD.vlan_tpid1],
] as const;

/**
 * The key of the packet that `text` describes; in_port is an OpenFlow port. `masks`: fields may have masks, which are checked and then
 * ignored. Throws a WeftError with the reference's words.
 */
export function parseExactFlow(text: string, names: Names, tlv: TlvMap, masks = false): Int32Array {
  const key = new Int32Array(FLOW_WORDS);
  for (const { key: name, value, delimiter } of items(text, true)) {
    const protocol = protocolNamed(name);
    if (protocol !== undefined) {
      if (key[WORD.eth_type] !== 0) throw bad(text, "Ethernet type set multiple times");
      key[WORD.eth_type] = protocol.ethType;
      key[WORD.nw_proto] = protocol.ipProto ?? 0;
      continue;
    }
    const field = fieldByOvsName(name);
    if (field === undefined) throw bad(text, `unknown field ${name}`);
    if (!meets(exactWords(key), field.prerequisite)) throw bad(text, `prerequisites not met for setting ${name}`);
    if (isSet(key, field, tlv)) throw bad(text, `field ${name} set multiple times`);
    try {
      setField(key, field, exactValue(field, delimiter === "" ? "" : value, names, masks), tlv);
    } catch (error) {
      throw bad(text, `bad value for ${name} (${messageOf(error)})`);
    }
  }
  if (key[WORD.in_port] === 0) key[WORD.in_port] = OFPP.NONE;
  // It is found out, never told.
  key[WORD.conj_id] = 0;
  // A flow's text does not say what kind of VLAN header it has.
  for (const [tci, tpid] of VLAN_HEADERS) if (((key[tci] as number) & VLAN_CFI) !== 0) key[tpid] ||= 0x8100;
  return key;
}

/** What prerequisites look at, where all of a packet is known. */
function exactWords(key: Int32Array): { wordValue(at: number): number; wordMask(at: number): number } {
  return { wordValue: (at) => key[at] ?? 0, wordMask: () => -1 };
}

/** Bits of fields that share their word with others, where they are not the field table's. */
const SHARED: ReadonlyMap<string, number> = new Map([
  ["dl_vlan", 0xfff],
  ["vlan_vid", 0x1fff],
  ["dl_vlan_pcp", 0xe000],
  ["vlan_pcp", 0xe000],
  ["nw_tos", 0xfc],
]);

function isSet(key: Int32Array, field: Field, tlv: TlvMap): boolean {
  const bits = SHARED.get(field.name);
  return bits === undefined ? readField(key, field, tlv) !== 0n : ((key[field.word] as number) & bits) !== 0;
}

/** A value of which no bit is left open. Throws a TextError or a WeftError. */
function exactValue(field: Field, text: string, names: Names, masks: boolean): bigint {
  if (FLAGS.has(field.format) && text === "") return 0n;
  const { value, mask } = parseFieldValue(field, text, names);
  if (!masks && mask !== undefined && !isExact(field, text, mask))
    throw new WeftError("vswitch.trace", `${text}: wildcards not allowed here`, { blame: "caller", place: { text } });
  return value;
}

const FLAGS: ReadonlySet<Field["format"]> = new Set(["tcp-flags", "tunnel-flags", "ct-state"]);

/** Whether the mask that a value was read with leaves nothing open: of numbers all bits of the bytes that they take count. */
function isExact(field: Field, text: string, mask: bigint): boolean {
  if (FLAGS.has(field.format)) return !/^[+-]|[/*]/.test(text);
  const whole = field.format === "decimal" || field.format === "hexadecimal" ? 8 * field.bytes : field.bits;
  return mask === (1n << BigInt(whole)) - 1n;
}

function setField(key: Int32Array, field: Field, value: bigint, tlv: TlvMap): void {
  if (SHARED.has(field.name)) {
    const match = new MatchBuilder().set(
      field,
      field.name === "dl_vlan" && value === 0xffffn ? value : value & sharedMask(field),
    );
    const mask = match.wordMask(field.word);
    key[field.word] = ((key[field.word] as number) & ~mask) | (match.wordValue(field.word) & mask);
    return;
  }
  if (field.metadataIndex !== undefined) {
    if (placeOf(field, tlv) === undefined) return;
    const word = WORD.tun_metadata_present + (field.metadataIndex >> 5);
    key[word] = (key[word] as number) | (1 << (field.metadataIndex & 31));
  }
  writeField(key, field, value, tlv);
}

/** The values that a field takes: those that are longer lose what is beyond it. vlan_vid has the bit that says that there is a header. */
function sharedMask(field: Field): bigint {
  return field.name === "vlan_vid" ? 0x1fffn : fieldMask(field);
}
