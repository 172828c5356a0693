/** Actions nested in userdata, as OpenFlow 1.5 writes them. */
import type { Action } from "@weft/openflow";

export function wire(_actions: readonly Action[]): Uint8Array {
  return new Uint8Array(0);
}

export function unwire(_bytes: Uint8Array): Action[] {
  return [];
}
