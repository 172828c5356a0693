import type { Action } from "@weft/openflow";
export function wire(_actions: readonly Action[]): Uint8Array {
  return new Uint8Array(0);
}
