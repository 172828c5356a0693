/** Actions nested in userdata, as OpenFlow 1.5 writes them. */
import { type Action, ByteWriter, decodeActionList, encodeActionList, OF15 } from "@weft/openflow";

export function wire(actions: readonly Action[]): Uint8Array {
  const out = new ByteWriter(256);
  encodeActionList(actions, out, OF15);
  return out.slice();
}

/** Throws a DecodeError. */
export function unwire(bytes: Uint8Array): Action[] {
  return decodeActionList(bytes, OF15);
}
