/**
 * The state of printing one packet: the bytes that were captured, how far the current protocol reaches, the text so far. Reading
 * behind the captured bytes throws Cut, which ends the packet's text with "[|protocol]".
 */
import { formatIpv4, formatIpv6, formatMac, readIpv4, readIpv6, readMac } from "../address.ts";
import { get16, get24, get32 } from "../bytes.ts";
import type { TcpConversations } from "./conversations.ts";
import { ouiName, portName } from "./names.ts";

/** What to print, in tcpdump(8)'s terms. */
export interface PrintOptions {
  /** -e: the link-level header. */
  readonly link?: boolean | undefined;
  /** -n: addresses and ports as numbers. */
  readonly numeric?: boolean | undefined;
  /** How many -v. */
  readonly verbose?: number | undefined;
  /** -q */
  readonly quiet?: boolean | undefined;
  /** -S: TCP sequence numbers as they are. */
  readonly absoluteSequence?: boolean | undefined;
  /** Link type of the frame (LINK_TYPE); Ethernet unless given. */
  readonly linkType?: number | undefined;
}

/** The printers that packets within packets come back to. */
export interface Printers {
  ethernet(t: Text, start: number, length: number): void;
  /** False where there is no printer for what the type announces. */
  etherType(t: Text, type: number, start: number, length: number): boolean;
  ipv4(t: Text, start: number, length: number): void;
  ipv6(t: Text, start: number, length: number): void;
}

/** Thrown where the captured bytes end. */
export class Cut extends Error {}

export class Text {
  readonly bytes: Uint8Array;
  readonly verbose: number;
  readonly link: boolean;
  readonly numeric: boolean;
  readonly quiet: boolean;
  readonly absoluteSequence: boolean;
  /** Payloads without a printer show as bytes, unless all bytes are shown anyway. */
  readonly dump: boolean;
  readonly conversations: TcpConversations;
  readonly printers: Printers;
  /** The end of the bytes that may be looked at. */
  end: number;
  /** Named in "[|name]". */
  protocol = "ether";
  out = "";
  /** Length of the outermost link-level header, tags and LLC included: where -x begins. */
  header = 0;
  /** Tunnels and quoted packets nest; beyond a bound only the length is said. */
  depth = 0;

  constructor(bytes: Uint8Array, options: PrintOptions, conversations: TcpConversations, printers: Printers, dump: boolean) {
    this.bytes = bytes;
    this.end = bytes.length;
    this.verbose = options.verbose ?? 0;
    this.link = options.link ?? false;
    this.numeric = options.numeric ?? false;
    this.quiet = options.quiet ?? false;
    this.absoluteSequence = options.absoluteSequence ?? false;
    this.printers = printers;
    this.dump = dump;
    this.conversations = conversations;
  }

  put(text: string): void {
    this.out += text;
  }

  has(at: number, length: number): boolean {
    return at + length <= this.end;
  }

  need(at: number, length: number): void {
    if (at + length > this.end) throw new Cut();
  }

  u8(at: number): number {
    this.need(at, 1);
    return this.bytes[at]!;
  }

  u16(at: number): number {
    this.need(at, 2);
    return get16(this.bytes, at);
  }

  u24(at: number): number {
    this.need(at, 3);
    return get24(this.bytes, at);
  }

  u32(at: number): number {
    this.need(at, 4);
    return get32(this.bytes, at);
  }

  ip4(at: number): string {
    this.need(at, 4);
    return formatIpv4(readIpv4(this.bytes, at));
  }

  ip6(at: number): string {
    this.need(at, 16);
    return formatIpv6(readIpv6(this.bytes, at));
  }

  /** A MAC as tcpdump prints it: with its vendor unless -n. */
  mac(at: number): string {
    if (!this.numeric && this.plainMac(at) === "ff:ff:ff:ff:ff:ff") return "Broadcast";
    return this.numeric ? this.plainMac(at) : `${this.plainMac(at)} (oui ${ouiName(this.u24(at))})`;
  }

  plainMac(at: number): string {
    this.need(at, 6);
    return formatMac(readMac(this.bytes, at));
  }

  /** Bytes as hexadecimal without separators. */
  hex(at: number, length: number): string {
    this.need(at, length);
    let text = "";
    for (let i = at; i < at + length; i++) text += this.bytes[i]!.toString(16).padStart(2, "0");
    return text;
  }

  port(protocol: "tcp" | "udp" | "sctp", port: number): string {
    return this.numeric ? String(port) : (portName(protocol, port) ?? String(port));
  }

  invalid(): void {
    this.put(" (invalid)");
  }

  /** Calls `run` with the readable bytes ending at `end` at most. */
  within(end: number, run: () => void): void {
    const before = this.end;
    this.end = Math.min(before, end);
    run();
    this.end = before;
  }
}

/** "0x0000:  4500 0054 ..." lines of bytes[start, end), each after a newline and `indent`. */
export function hexLines(bytes: Uint8Array, start: number, end: number, indent: string): string {
  let text = "";
  for (let line = start; line < end; line += 16) {
    text += `\n${indent}0x${(line - start).toString(16).padStart(4, "0")}: ${hexWords(bytes, line, Math.min(line + 16, end))}`;
  }
  return text;
}

function hexWords(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end; at++) text += ((at - start) % 2 === 0 ? " " : "") + bytes[at]!.toString(16).padStart(2, "0");
  return text;
}

/** As hexLines, with the printable characters at the right. */
export function hexAsciiLines(bytes: Uint8Array, start: number, end: number, indent: string): string {
  let text = "";
  for (let line = start; line < end; line += 16) {
    const last = Math.min(line + 16, end);
    const words = hexWords(bytes, line, last).padEnd(40);
    let chars = "";
    for (let at = line; at < last; at++) chars += printable(bytes[at]!);
    text += `\n${indent}0x${(line - start).toString(16).padStart(4, "0")}: ${words}  ${chars}`;
  }
  return text;
}

function printable(byte: number): string {
  return byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".";
}

/** Text from the wire: other than printable characters as "^X" and "M-X". */
export function safeText(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end; at++) text += safeChar(bytes[at]!);
  return text;
}

export function safeChar(byte: number): string {
  const low = byte & 0x7f;
  const meta = byte & 0x80 ? "M-" : "";
  return meta + (low < 0x20 || low === 0x7f ? `^${String.fromCharCode(low ^ 0x40)}` : String.fromCharCode(low));
}

/** Names of the set bits joined by `separator`, or `none`. */
export function bitNames(value: number, names: readonly (readonly [number, string])[], separator = ", ", none = "none"): string {
  const set = names.filter(([bit]) => (value & bit) !== 0).map(([, name]) => name);
  return set.length > 0 ? set.join(separator) : none;
}
