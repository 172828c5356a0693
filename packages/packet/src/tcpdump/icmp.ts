/** ICMP as tcpdump prints it. */
import { get16 } from "../bytes.ts";
import { finishSum, internetChecksum, sumBytes } from "../checksum.ts";
import type { IpPlace } from "./place.ts";
import type { Text } from "./text.ts";

const TYPES = new Map<number, string>([
  [0, "echo reply"],
  [3, "unreachable"],
  [4, "source quench"],
  [5, "redirect"],
  [8, "echo request"],
  [9, "router advertisement"],
  [10, "router solicitation"],
  [11, "time exceeded"],
  [12, "parameter problem"],
  [13, "time stamp request"],
  [14, "time stamp reply"],
  [15, "information request"],
  [16, "information reply"],
  [17, "address mask request"],
  [18, "address mask reply"],
]);

/** Types that quote no packet. */
const INFORMATIONAL = new Set([0, 8, 9, 10, 13, 14, 15, 16, 17, 18]);

export function printIcmp(t: Text, start: number, length: number, ip: IpPlace): void {
  t.protocol = "icmp";
  const type = t.u8(start);
  const code = t.u8(start + 1);
  let text: string;
  switch (type) {
    case 0:
    case 8:
      text = `${TYPES.get(type)}, id ${t.u16(start + 4)}, seq ${t.u16(start + 6)}`;
      break;
    case 3:
      text = unreachable(t, start, code);
      break;
    case 5:
      text = redirect(t, start, code);
      break;
    case 9:
      text = routerAdvertisement(t, start);
      break;
    case 11:
      t.need(start + 24, 4);
      text = code === 0 ? "time exceeded in-transit" : code === 1 ? "ip reassembly time exceeded" : `time exceeded-#${code}`;
      break;
    case 12:
      text = code ? `parameter problem - code ${code}` : `parameter problem - octet ${t.u8(start + 4)}`;
      break;
    case 17:
      text = "address mask request";
      break;
    case 18:
      text = `address mask is 0x${t
        .u32(start + 4)
        .toString(16)
        .padStart(8, "0")}`;
      break;
    case 13:
      text = `time stamp query id ${t.u16(start + 4)} seq ${t.u16(start + 6)}`;
      break;
    case 14: {
      const stamps = [8, 12, 16].map((offset) => clock(t.u32(start + offset)));
      text = `time stamp reply id ${t.u16(start + 4)} seq ${t.u16(start + 6)}: org ${stamps[0]}, recv ${stamps[1]}, xmit ${stamps[2]}`;
      break;
    }
    default:
      text = TYPES.get(type) ?? `type-#${type}`;
  }
  t.put(`ICMP ${text}, length ${length}`);
  if (t.verbose === 0) return;
  if (!ip.fragment && t.has(start, length)) {
    if (internetChecksum(t.bytes, start, start + length) !== 0) {
      const field = get16(t.bytes, start + 2);
      // the sum without the field is the field's right value
      const right = finishSum(sumBytes(t.bytes, start, start + length) - field);
      t.put(` (wrong icmp cksum ${field.toString(16)} (->${right.toString(16)})!)`);
    }
  }
  if (INFORMATIONAL.has(type)) return;
  t.need(start, 8);
  t.put("\n\t");
  quoted(t, start + 8, length - 8);
}

/** The quoted packet, as far as it is there: it is a whole packet to its own header, which is no reason for a notice. */
function quoted(t: Text, start: number, length: number): void {
  const declared = t.has(start, 4) ? get16(t.bytes, start + 2) : 0;
  t.printers.ipv4(t, start, Math.max(declared, length));
}

function clock(milliseconds: number): string {
  const s = Math.floor(milliseconds / 1000);
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${two(Math.floor(s / 3600))}:${two(Math.floor((s % 3600) / 60))}:${two(s % 60)}.${String(milliseconds % 1000).padStart(3, "0")}`;
}

function unreachable(t: Text, start: number, code: number): string {
  t.need(start + 24, 4);
  const dst = t.ip4(start + 24);
  switch (code) {
    case 2:
      return `${dst} protocol ${t.u8(start + 17)} unreachable`;
    case 3: {
      const header = (t.u8(start + 8) & 15) * 4;
      const protocol = t.u8(start + 17);
      const port = t.u16(start + 8 + header + 2);
      if (protocol === 6) return `${dst} tcp port ${t.port("tcp", port)} unreachable`;
      if (protocol === 17) return `${dst} udp port ${t.port("udp", port)} unreachable`;
      return `${dst} protocol ${protocol} port ${port} unreachable`;
    }
    case 4: {
      const mtu = t.u16(start + 6);
      return mtu ? `${dst} unreachable - need to frag (mtu ${mtu})` : `${dst} unreachable - need to frag`;
    }
  }
  const texts: Record<number, string> = {
    0: `net ${dst} unreachable`,
    1: `host ${dst} unreachable`,
    5: `${dst} unreachable - source route failed`,
    6: `net ${dst} unreachable - unknown`,
    7: `host ${dst} unreachable - unknown`,
    8: `${dst} unreachable - source host isolated`,
    9: `net ${dst} unreachable - admin prohibited`,
    10: `host ${dst} unreachable - admin prohibited`,
    11: `net ${dst} unreachable - tos prohibited`,
    12: `host ${dst} unreachable - tos prohibited`,
    13: `host ${dst} unreachable - admin prohibited filter`,
    14: `host ${dst} unreachable - host precedence violation`,
    15: `host ${dst} unreachable - precedence cutoff`,
  };
  return texts[code] ?? `${dst} unreachable - #${code}`;
}

function redirect(t: Text, start: number, code: number): string {
  const dst = t.ip4(start + 24);
  const gateway = t.ip4(start + 4);
  const kinds = ["to net", "to host", "to-tos-net", "to-tos-host"];
  if (code >= kinds.length) return `redirect-#${code} ${dst} to ${gateway}`;
  const kind = kinds[code]!;
  return code < 2 ? `redirect ${dst} ${kind} ${gateway}` : `redirect-tos ${dst} ${code === 2 ? "to net" : "to host"} ${gateway}`;
}

function routerAdvertisement(t: Text, start: number): string {
  const lifetime = t.u16(start + 6);
  let text = "router advertisement lifetime ";
  if (lifetime < 60) text += `${lifetime}`;
  else if (lifetime < 3600) text += `${Math.floor(lifetime / 60)}:${String(lifetime % 60).padStart(2, "0")}`;
  else {
    const minutes = Math.floor((lifetime % 3600) / 60);
    text += `${Math.floor(lifetime / 3600)}:${String(minutes).padStart(2, "0")}:${String(lifetime % 60).padStart(2, "0")}`;
  }
  const count = t.u8(start + 4);
  text += ` ${count}:`;
  const size = t.u8(start + 5);
  if (size !== 2) return `${text} [size ${size}]`;
  for (let i = 0; i < count; i++) text += ` {${t.ip4(start + 8 + 8 * i)} ${t.u32(start + 12 + 8 * i)}}`;
  return text;
}
