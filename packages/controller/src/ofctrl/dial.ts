import { type Runtime, WeftError } from "@weft/runtime";
import type { Dial } from "./link.ts";
export function dialSwitch(_runtime: Runtime): Dial {
  return () => Promise.reject(new WeftError("x", "no dial yet"));
}
