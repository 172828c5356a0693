/** ARP as tcpdump prints it. */
import { ETHERTYPE_NAMES } from "./names.ts";
import { Cut, hexAsciiLines, type Text } from "./text.ts";

/** IPv4 and the trailer encapsulation of old. */
const NETWORKS = new Set([0x0800, 0x1000]);
const HARDWARE = new Map<number, string>([
  [1, "Ethernet"],
  [6, "TokenRing"],
  [7, "ArcNet"],
  [15, "FrameRelay"],
  [17, "Strip"],
  [24, "IEEE 1394"],
  [32, "Infiniband"],
]);
const OPERATIONS = new Map<number, string>([
  [1, "Request"],
  [2, "Reply"],
  [3, "Reverse Request"],
  [4, "Reverse Reply"],
  [8, "Inverse Request"],
  [9, "Inverse Reply"],
  [10, "NACK Reply"],
]);

export function printArp(t: Text, start: number, length: number): void {
  t.protocol = "arp";
  t.need(start, 8);
  const hardware = t.u16(start);
  const protocol = t.u16(start + 2);
  const hardwareLength = t.u8(start + 4);
  const protocolLength = t.u8(start + 5);
  const operation = t.u16(start + 6);
  const sha = start + 8;
  const spa = sha + hardwareLength;
  const tha = spa + protocolLength;
  const tpa = tha + hardwareLength;
  if (!t.has(start, 8 + 2 * hardwareLength + 2 * protocolLength)) {
    throw new Cut();
  }
  if (!t.link) t.put("ARP, ");
  const usual = NETWORKS.has(protocol) && protocolLength === 4 && hardwareLength === 6;
  if (t.verbose > 0 || !usual) {
    t.put(`${HARDWARE.get(hardware) ?? `Unknown Hardware (${hardware})`} (len ${hardwareLength}), `);
    t.put(
      `${ETHERTYPE_NAMES.get(protocol) ?? `Unknown Protocol (0x${protocol.toString(16).padStart(4, "0")})`} (len ${protocolLength})`,
    );
    // addresses of other networks are not shown
    if (!NETWORKS.has(protocol)) {
      t.put(`, length ${length}`);
      return;
    }
    t.put(", ");
  }
  t.put(`${OPERATIONS.get(operation) ?? `Unknown (${operation})`} `);
  const link = (at: number): string =>
    hardwareLength === 6 ? t.mac(at) : Array.from({ length: hardwareLength }, (_, i) => t.hex(at + i, 1)).join(":");
  const ip = (at: number): string => (protocolLength === 4 ? t.ip4(at) : "<wrong proto type>");
  switch (operation) {
    case 1: {
      t.put(`who-has ${ip(tpa)}`);
      let known = false;
      for (let i = tha; i < tpa; i++) known ||= t.u8(i) !== 0;
      if (known) t.put(` (${link(tha)})`);
      t.put(` tell ${ip(spa)}`);
      break;
    }
    case 2:
      t.put(`${ip(spa)} is-at ${link(sha)}`);
      break;
    case 3:
      t.put(`who-is ${link(tha)} tell ${link(sha)}`);
      break;
    case 4:
      t.put(`${link(tha)} at ${ip(tpa)}`);
      break;
    case 8:
      t.put(`who-is ${link(tha)} tell ${link(sha)}`);
      break;
    case 9:
      t.put(`${link(sha)} at ${ip(spa)}`);
      break;
    default:
      t.put(hexAsciiLines(t.bytes, start, Math.min(t.end, start + length), "\t"));
      return;
  }
  t.put(`, length ${length}`);
}
