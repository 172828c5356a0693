/** LLDP as tcpdump prints it. */
import { Cut, hexLines, safeText, type Text } from "./text.ts";

const TLVS = new Map<number, string>([
  [0, "End"],
  [1, "Chassis ID"],
  [2, "Port ID"],
  [3, "Time to Live"],
  [4, "Port Description"],
  [5, "System Name"],
  [6, "System Description"],
  [7, "System Capabilities"],
  [8, "Management Address"],
  [127, "Organization specific"],
]);
const CHASSIS = [
  "Reserved",
  "Chassis component",
  "Interface alias",
  "Port component",
  "MAC address",
  "Network address",
  "Interface name",
  "Local",
];
const PORT = [
  "Reserved",
  "Interface alias",
  "Port component",
  "MAC address",
  "Network address",
  "Interface Name",
  "Agent circuit ID",
  "Local",
];

export function printLldp(t: Text, start: number, length: number): void {
  t.protocol = "lldp";
  t.put(`LLDP, length ${length}`);
  for (let at = start; start + length - at >= 2; ) {
    const word = t.u16(at);
    const type = word >>> 9;
    const size = word & 0x1ff;
    at += 2;
    if (t.verbose > 0) t.put(`\n\t${TLVS.get(type) ?? "Unknown"} TLV (${type}), length ${size}`);
    if (size > start + length - at) throw new Cut();
    t.need(at, size);
    if (type === 0) return;
    if (t.verbose > 0) printTlv(t, type, at, size);
    else if (type === 5) t.put(`: ${safeText(t.bytes, at, at + size)}`);
    if (t.verbose > 1) t.put(hexLines(t.bytes, at, at + size, "\t  "));
    at += size;
  }
}

function printTlv(t: Text, type: number, at: number, size: number): void {
  const text = (from: number): string => safeText(t.bytes, from, at + size);
  switch (type) {
    case 1:
    case 2: {
      const subtype = size > 0 ? t.u8(at) : 0;
      const names = type === 1 ? CHASSIS : PORT;
      t.put(`\n\t  Subtype ${names[subtype] ?? "Unknown"} (${subtype}): `);
      const isMac = subtype === (type === 1 ? 4 : 3);
      const isNetwork = subtype === (type === 1 ? 5 : 4);
      if (isMac && size >= 7) t.put(t.mac(at + 1));
      else if (isNetwork && size >= 6 && t.u8(at + 1) === 1) t.put(`AFI IPv4 (1): ${t.ip4(at + 2)}`);
      else t.put(text(at + 1));
      break;
    }
    case 3:
      t.put(`: TTL ${t.u16(at)}s`);
      break;
    case 4:
    case 5:
      t.put(`: ${text(at)}`);
      break;
    case 6:
      t.put(`\n\t  ${text(at)}`);
      break;
  }
}
