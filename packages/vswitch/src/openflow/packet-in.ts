/** Packet-ins as connections want them, and the continuations that paused packets are resumed by. */
import {
  EncodeError,
  encodeContinuation,
  type Match,
  MatchBuilder,
  NO_BUFFER,
  OFPP,
  type PacketIn,
  type PacketInFormat,
  type PacketInReason,
  TUN_METADATA_FIELDS,
  TUN_METADATA_VIRTUAL,
  WORD,
} from "@weft/openflow";
import { ETH_IP, FLOW_WORDS } from "../flow/key.ts";
import type { Bridge, PacketInEvent } from "../ofproto/bridge.ts";
import { REASONS, reasonName } from "../xlate/controller.ts";
import type { FrozenState } from "../xlate/freeze.ts";

/** The part of a key that goes along with a packet: in_port, tunnel, registers, metadata, marks, connection tracking. */
export function metadataMatch(key: Int32Array, bridge: Bridge): Match {
  const b = new MatchBuilder();
  const group = (word: number, words: number, mask = -1): void => {
    for (let i = 0; i < words; i++) {
      if (key[word + i] === 0) continue;
      for (let j = 0; j < words; j++) b.setWord(word + j, key[word + j] as number, mask);
      return;
    }
  };
  if (key[WORD.in_port] !== OFPP.NONE || key[WORD.in_port] === 0) b.setWord(WORD.in_port, key[WORD.in_port] as number, -1);
  group(WORD.tun_id, 2);
  group(WORD.tun_src, 1);
  group(WORD.tun_dst, 1);
  group(WORD.tun_ipv6_src, 4);
  group(WORD.tun_ipv6_dst, 4);
  group(WORD.tun_gbp_id, 1, 0xffff);
  group(WORD.tun_gbp_flags, 1, 0xff);
  for (let index = 0; index < TUN_METADATA_FIELDS; index++) {
    const place = bridge.tlv.place(index);
    const present = ((key[WORD.tun_metadata_present + (index >> 5)] as number) >>> (index & 31)) & 1;
    if (place === undefined || present === 0) continue;
    // The field as matches carry it, where it does not depend on the TLV table map.
    const end = TUN_METADATA_VIRTUAL + 32 * index + 32;
    for (let i = 0; i < place.words; i++) b.setWord(end - place.words + i, key[place.word + i] as number, -1);
  }
  group(WORD.metadata, 2);
  for (let r = 0; r < 32; r++) group(WORD.reg + r, 1);
  group(WORD.pkt_mark, 1);
  group(WORD.ct_state, 1);
  group(WORD.ct_zone, 1, 0xffff);
  group(WORD.ct_mark, 1);
  group(WORD.ct_label, 4);
  if (key[WORD.ct_state] !== 0) {
    group(WORD.eth_type, 1, 0xffff);
    if (key[WORD.eth_type] === ETH_IP) {
      group(WORD.ct_nw_src, 1);
      group(WORD.ct_nw_dst, 1);
    } else {
      group(WORD.ct_ipv6_src, 4);
      group(WORD.ct_ipv6_dst, 4);
    }
    group(WORD.ct_nw_proto, 1, 0xff);
    group(WORD.ct_tp_src, 1, 0xffff);
    group(WORD.ct_tp_dst, 1, 0xffff);
  }
  return b.build();
}

/** Puts a metadata match's words into a key; tun_metadata by the bridge's map. */
export function metadataInto(match: Match, key: Int32Array, bridge: Bridge): void {
  const placed = match.place(bridge.tlv) ?? match;
  for (let i = 0; i < placed.size; i++) {
    const word = placed.offset(i);
    if (word < FLOW_WORDS) key[word] = ((key[word] as number) & ~placed.mask(i)) | placed.value(i);
  }
  for (let index = 0; index < TUN_METADATA_FIELDS; index++) {
    const place = bridge.tlv.place(index);
    if (place === undefined) continue;
    for (let i = 0; i < place.words; i++) {
      if (placed.wordMask(place.word + i) === 0) continue;
      const word = WORD.tun_metadata_present + (index >> 5);
      key[word] = (key[word] as number) | (1 << (index & 31));
    }
  }
}

/** Of a property that holds a number: Open vSwitch has none such. */
const NUMBER_PROPERTY = 0xfff0;
const KEPT = 16384;
/** No version of OpenFlow has them as actions in a list. */
const UNSAID: ReadonlySet<string> = new Set(["write_actions", "clear_actions"]);

/**
 * The frozen states of paused packets, found again by the continuation that tells of them. What cannot be told in full is told
 * apart by a number.
 */
export class Continuations {
  readonly #states = new Map<string, FrozenState>();
  #next = 1;

  /** The continuation for a connection of OpenFlow `version`. */
  put(state: FrozenState, version: number, datapathPort: number): Uint8Array {
    const said = !state.actions.some(({ type }) => UNSAID.has(type));
    const bytes = said ? this.#encode(state, version, datapathPort) : this.#numbered(state, version, datapathPort);
    const key = keyOf(bytes);
    this.#states.delete(key);
    this.#states.set(key, state);
    if (this.#states.size > KEPT) {
      const [oldest] = this.#states.keys();
      if (oldest !== undefined) this.#states.delete(oldest);
    }
    return bytes;
  }

  /** The state, if it is one of ours and not too old. */
  get(bytes: Uint8Array): FrozenState | undefined {
    return this.#states.get(keyOf(bytes));
  }

  #encode(state: FrozenState, version: number, datapathPort: number): Uint8Array {
    const { bridge, stack, mirrors, conntracked, actions, actionSet } = state;
    const top = stack.toReversed();
    try {
      return encodeContinuation(
        { bridge: bridge.uuid, stack: top, mirrors, conntracked, actions, actionSet, datapathPort },
        version,
      );
    } catch (error) {
      if (!(error instanceof EncodeError)) throw error;
      return this.#numbered(state, version, datapathPort);
    }
  }

  #numbered(state: FrozenState, version: number, datapathPort: number): Uint8Array {
    const told = this.#encode({ ...state, actions: [], actionSet: [] }, version, datapathPort);
    const bytes = new Uint8Array(told.length + 8);
    bytes.set(told);
    const view = new DataView(bytes.buffer, told.length);
    view.setUint16(0, NUMBER_PROPERTY);
    view.setUint16(2, 8);
    view.setUint32(4, this.#next++);
    return bytes;
  }
}

const keyOf = (bytes: Uint8Array): string => new TextDecoder("latin1").decode(bytes);

/**
 * A reason as versions know it: from 1.4 on they all have names of their own; 1.3 tells of table-miss flows as of misses, and
 * earlier ones as of actions.
 */
function toldReason(reason: PacketInReason, version: number): PacketInReason {
  switch (reason) {
    case "action_set":
    case "group":
    case "packet_out":
      return version < 5 ? "action" : reason;
    case "explicit_miss":
      return version < 4 ? "action" : "no_match";
    case "implicit_miss":
      return "no_match";
    default:
      return reason;
  }
}

/** The bit of a connection's masks that asks for packets of a reason, or none: misses are told to versions before 1.3 only. */
export function packetInBit(reason: PacketInReason, version: number): number | undefined {
  if (reason === "explicit_miss") return REASONS.no_match;
  if (reason === "implicit_miss") return version < 4 ? REASONS.no_match : undefined;
  return REASONS[toldReason(reason, version)];
}

/** The whole packet goes: it is buffered nowhere, so that lengths that actions or connections name do not count. */
export function packetInMessage(
  event: PacketInEvent,
  bridge: Bridge,
  format: PacketInFormat,
  version: number,
  continuation: Uint8Array | undefined,
): PacketIn {
  return {
    type: "packet_in",
    format,
    packet: event.packet,
    totalLength: event.packet.length,
    reason: toldReason(reasonName(event.reason), version),
    buffer: NO_BUFFER,
    table: event.table,
    cookie: event.cookie,
    metadata: metadataMatch(event.key, bridge),
    userdata: event.userdata,
    continuation,
  };
}
