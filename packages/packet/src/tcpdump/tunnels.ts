/** Geneve and VXLAN as tcpdump prints them, with the packet inside. */

import { ETHERTYPE_NAMES } from "./names.ts";
import { bitNames, type Text } from "./text.ts";

const GENEVE_FLAGS = [
  [0x80, "O"],
  [0x40, "C"],
] as const;

/** Option classes as registered with IANA, in tcpdump's words. */
function className(value: number): string {
  if (value <= 0x00ff) return "Unassigned";
  const names = new Map<number, string>([
    [0x0100, "Linux"],
    [0x0101, "Open vSwitch (OVS)"],
    [0x0102, "Open Virtual Networking (OVN)"],
    [0x0103, "In-band Network Telemetry (INT)"],
    [0x0104, "VMware"],
    [0x0105, "Amazon.com, Inc."],
    [0x0106, "Cisco Systems, Inc."],
    [0x0107, "Oracle Corporation"],
    [0x0110, "Amazon.com, Inc."],
    [0x0118, "Infoblox"],
  ]);
  return names.get(value) ?? (value >= 0xff00 ? "Experimental" : "Unknown");
}

export function printGeneve(t: Text, start: number, length: number): void {
  t.protocol = "geneve";
  t.put("Geneve");
  if (length < 8) {
    t.put(` ${length} (< 8)`);
    t.invalid();
    return;
  }
  t.need(start, 8);
  const first = t.u8(start);
  const version = first >>> 6;
  if (version !== 0) {
    t.put(` ERROR: unknown-version ${version}`);
    return;
  }
  const flags = t.u8(start + 1);
  t.put(`, Flags [${bitNames(flags & 0xc0, GENEVE_FLAGS, "", flags & 0x3f ? "" : "none")}${flags & 0x3f ? "R" : ""}]`);
  const vni = t.u24(start + 4);
  t.put(`, vni 0x${vni.toString(16)}`);
  const reserved = t.u8(start + 7);
  if (reserved !== 0) t.put(`, rsvd 0x${reserved.toString(16)}`);
  const protocol = t.u16(start + 2);
  if (t.link) t.put(`, proto ${ETHERTYPE_NAMES.get(protocol) ?? "unknown"} (0x${protocol.toString(16).padStart(4, "0")})`);
  const options = (first & 0x3f) * 4;
  if (length - 8 < options) {
    t.put(` truncated-geneve - ${options - (length - 8)} bytes missing!`);
    t.invalid();
    return;
  }
  t.need(start + 8, options);
  if (options > 0) {
    t.put(", options [");
    if (t.verbose > 0) {
      if (!printGeneveOptions(t, start + 8, options)) {
        t.invalid();
        return;
      }
    } else t.put(`${options} bytes`);
    t.put("]");
  }
  t.put(t.verbose > 0 ? "\n\t" : ": ");
  const at = start + 8 + options;
  const rest = length - 8 - options;
  if (++t.depth > 16) t.put(`length ${rest}`);
  else if (protocol === 0x6558) t.printers.ethernet(t, at, rest);
  else if (!t.printers.etherType(t, protocol, at, rest)) {
    t.put(`geneve-proto-0x${protocol.toString(16)}`);
  }
  t.depth--;
}

function printGeneveOptions(t: Text, start: number, size: number): boolean {
  let separator = "";
  for (let at = start; at < start + size; ) {
    t.put(separator);
    separator = ", ";
    if (start + size - at < 4) {
      t.put(`[remaining options length ${start + size - at} < 4]`);
      return false;
    }
    const optionClass = t.u16(at);
    const type = t.u8(at + 2);
    const length = 4 + (t.u8(at + 3) & 0x1f) * 4;
    t.put(
      `class ${className(optionClass)} (0x${optionClass.toString(16)}) type 0x${type.toString(16)}${type & 0x80 ? "(C)" : ""} len ${length}`,
    );
    if (at + length > start + size) {
      t.put(" [bad option length]");
      return false;
    }
    if (length > 4 && t.verbose > 1) {
      t.put(" data");
      for (let i = at + 4; i < at + length; i += 4) t.put(` ${t.hex(i, 4)}`);
    }
    at += length;
  }
  return true;
}

export function printVxlan(t: Text, start: number, length: number): void {
  t.protocol = "vxlan";
  t.put("VXLAN");
  if (length < 8) {
    t.put(` ${length} (< 8)`);
    t.invalid();
    return;
  }
  const flags = t.u8(start);
  t.put(`, flags [${flags & 8 ? "I" : "."}] (0x${flags.toString(16).padStart(2, "0")})`);
  t.put(", ");
  t.put(`vni ${t.u24(start + 4)}\n`);
  t.need(start, 8);
  if (++t.depth > 16) t.put(`length ${length - 8}`);
  else t.printers.ethernet(t, start + 8, length - 8);
  t.depth--;
}
