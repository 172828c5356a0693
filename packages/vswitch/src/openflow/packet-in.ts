/** Packet-ins as connections want them, and the continuations that paused packets are resumed by. */
import {
  type Match,
  MatchBuilder,
  NO_BUFFER,
  OFPP,
  type PacketIn,
  type PacketInFormat,
  TUN_METADATA_FIELDS,
  TUN_METADATA_VIRTUAL,
  WORD,
} from "@weft/openflow";
import { ETH_IP, FLOW_WORDS } from "../flow/key.ts";
import type { Bridge, PacketInEvent } from "../ofproto/bridge.ts";
import { reasonName } from "../xlate/controller.ts";
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

/** A continuation holds a number by which the switch finds the frozen state: a property (type, length) around it. */
const CONTINUATION_TYPE = 0xfff0;
const KEPT = 16384;

export class Continuations {
  readonly #states = new Map<number, FrozenState>();
  #next = 1;

  put(state: FrozenState): Uint8Array {
    const id = this.#next++;
    this.#states.set(id, state);
    if (this.#states.size > KEPT) {
      const [oldest] = this.#states.keys();
      if (oldest !== undefined) this.#states.delete(oldest);
    }
    const bytes = new Uint8Array(8);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, CONTINUATION_TYPE);
    view.setUint16(2, 8);
    view.setUint32(4, id);
    return bytes;
  }

  /** The state, if it is one of ours and not too old. */
  get(bytes: Uint8Array): FrozenState | undefined {
    if (bytes.length < 8) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (view.getUint16(0) !== CONTINUATION_TYPE) return undefined;
    return this.#states.get(view.getUint32(4));
  }
}

export function packetInMessage(
  event: PacketInEvent,
  bridge: Bridge,
  format: PacketInFormat,
  version: number,
  missSendLength: number,
  continuation: Uint8Array | undefined,
): PacketIn {
  // Where packets are not buffered the original sends the whole packet, whatever length the action names.
  const limit = event.miss && missSendLength > 0 ? missSendLength : 0xffff;
  const whole = continuation !== undefined;
  const packet = !whole && event.packet.length > limit ? event.packet.subarray(0, limit) : event.packet;
  let reason = reasonName(event.reason);
  // Reasons that a version does not know are sent as the nearest one that it does.
  if (version < 5 && (reason === "action_set" || reason === "group" || reason === "packet_out")) reason = "action";
  if (version >= 4 && event.miss && reason === "no_match") reason = "no_match";
  return {
    type: "packet_in",
    format,
    packet,
    totalLength: event.packet.length,
    reason,
    buffer: NO_BUFFER,
    table: event.table,
    cookie: event.cookie,
    metadata: metadataMatch(event.key, bridge),
    userdata: event.userdata,
    continuation,
  };
}
