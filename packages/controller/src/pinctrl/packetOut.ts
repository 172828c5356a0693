import { type Action, MatchBuilder, type Message, OFPP } from "@weft/openflow";

const FROM_CONTROLLER = new MatchBuilder().set("in_port", OFPP.CONTROLLER).build();

/** A packet of the controller's, for the switch to do these actions with. */
export function packetOut(packet: Uint8Array, actions: readonly Action[]): Message {
  return { type: "packet_out", buffer: 0xffffffff, packet, metadata: FROM_CONTROLLER, actions: [...actions] };
}
