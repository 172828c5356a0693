/** tcpdump's lines: the time, the packet's text, the bytes. */
import { LINK_TYPE, type Timestamp } from "../pcap/packet.ts";
import { TcpConversations } from "./conversations.ts";
import { printEthernet, printEtherType } from "./ethernet.ts";
import { printIpv4 } from "./ipv4.ts";
import { printIpv6 } from "./ipv6.ts";
import { Cut, hexAsciiLines, hexLines, type Printers, type PrintOptions, Text } from "./text.ts";

/** All of what a line may have; without any, it is what tcpdump prints without options. */
export interface PrinterOptions extends PrintOptions {
  /**
   * none (-t), clock (the default of tcpdump: "12:00:00.000000"), epoch (-tt), delta since the previous packet (-ttt), date
   * and clock (-tttt), delta since the first packet (-ttttt).
   */
  readonly time?: "none" | "clock" | "epoch" | "delta" | "date" | "since-first" | undefined;
  /** Minutes east of UTC for clock and date. Default 0. */
  readonly utcOffset?: number | undefined;
  /** Nine digits of the second's fraction instead of six (--nano). */
  readonly nanoseconds?: boolean | undefined;
  /** -x, -xx (with the link-level header), -X, -XX (with characters). */
  readonly hex?: "x" | "xx" | "X" | "XX" | undefined;
  /** -A: the bytes as characters. */
  readonly ascii?: boolean | undefined;
  /** -#: count packets. */
  readonly number?: boolean | undefined;
}

/** What is printed. */
export interface PrintedPacket {
  readonly bytes: Uint8Array;
  /** Length on the wire where the capture is cut. */
  readonly length?: number;
  readonly time?: Timestamp;
  readonly linkType?: number;
}

const PRINTERS: Printers = {
  ethernet: (t, start, length) => printEthernet(t, start, length),
  etherType: printEtherType,
  ipv4: printIpv4,
  ipv6: printIpv6,
};

/** Prints the packets of one capture in order: it remembers conversations for relative sequence numbers, and times for deltas. */
export class PacketPrinter {
  private readonly options: PrinterOptions;
  private readonly conversations = new TcpConversations();
  private first: Timestamp | undefined;
  private previous: Timestamp | undefined;
  private count = 0;

  constructor(options: PrinterOptions = {}) {
    this.options = options;
  }

  /** The packet's lines, without a newline at the end. Never throws for any bytes. */
  print(packet: PrintedPacket): string {
    this.count++;
    if (packet.bytes.length === 0) return "[Invalid header: caplen==0]";
    const options = this.options;
    const linkType = packet.linkType ?? options.linkType ?? LINK_TYPE.ethernet;
    const length = packet.length ?? packet.bytes.length;
    const time = packet.time ? this.time(packet.time) : "";
    const number = options.number ? `${String(this.count).padStart(5)}  ` : "";
    const text = new Text(packet.bytes, options, this.conversations, PRINTERS, options.hex === undefined && !options.ascii);
    printLink(text, linkType, length);
    return `${number}${time}${text.out}${this.dump(packet.bytes, text.header)}`;
  }

  private dump(bytes: Uint8Array, header: number): string {
    const { hex, ascii } = this.options;
    switch (hex) {
      case "x":
        return hexLines(bytes, header, bytes.length, "\t");
      case "xx":
        return hexLines(bytes, 0, bytes.length, "\t");
      case "X":
        return hexAsciiLines(bytes, header, bytes.length, "\t");
      case "XX":
        return hexAsciiLines(bytes, 0, bytes.length, "\t");
    }
    return ascii ? `\n${asciiText(bytes, header)}` : "";
  }

  private time(time: Timestamp): string {
    const { time: form = "clock", nanoseconds = false, utcOffset = 0 } = this.options;
    const fraction = (value: number): string =>
      nanoseconds ? String(value).padStart(9, "0") : String(Math.floor(value / 1000)).padStart(6, "0");
    this.first ??= time;
    const before = form === "delta" ? (this.previous ?? time) : this.first;
    this.previous = time;
    switch (form) {
      case "none":
        return "";
      case "epoch":
        return `${time.seconds}.${fraction(time.nanoseconds)} `;
      case "clock":
        return `${clock(time.seconds + utcOffset * 60)}.${fraction(time.nanoseconds)} `;
      case "date":
        return `${date(time.seconds + utcOffset * 60)} ${clock(time.seconds + utcOffset * 60)}.${fraction(time.nanoseconds)} `;
      case "delta":
      case "since-first": {
        const unit = nanoseconds ? 1 : 1000;
        // tcpdump subtracts whole microseconds
        let seconds = time.seconds - before.seconds;
        let rest = Math.floor(time.nanoseconds / unit) - Math.floor(before.nanoseconds / unit);
        const negative = seconds < 0 || (seconds === 0 && rest < 0);
        if (negative) {
          seconds = -seconds;
          rest = -rest;
        }
        if (rest < 0) {
          seconds--;
          rest += 1e9 / unit;
        }
        return `${negative ? "-" : " "}${clock(seconds)}.${String(rest).padStart(nanoseconds ? 9 : 6, "0")} `;
      }
    }
  }
}

/** Prints one packet by itself: sequence numbers as in a conversation's first packet. Lines without a newline at the end. */
export function printPacket(frame: Uint8Array, options: PrinterOptions & { readonly at?: Timestamp } = {}): string {
  return new PacketPrinter(options).print({ bytes: frame, ...(options.at ? { time: options.at } : {}) });
}

function printLink(text: Text, linkType: number, length: number): void {
  try {
    if (linkType === LINK_TYPE.ethernet) printEthernet(text, 0, length);
    else if (linkType === LINK_TYPE.raw) printRaw(text, length);
    else text.put(`unsupported link type ${linkType}, length ${length}`);
  } catch (error) {
    if (!(error instanceof Cut)) throw error;
    text.put(` [|${text.protocol}]`);
    // tcpdump gets no header length from a printer that broke off: -x shows the frame from its beginning
    text.header = 0;
  }
}

/** LINK_TYPE.raw: an IP header first. */
function printRaw(text: Text, length: number): void {
  const version = text.u8(0) >>> 4;
  if (version === 4) {
    text.put("IP ");
    printIpv4(text, 0, length);
  } else if (version === 6) {
    text.put("IP6 ");
    printIpv6(text, 0, length);
  } else text.put(`unknown IP ${version}`);
}

function clock(seconds: number): string {
  const day = ((seconds % 86400) + 86400) % 86400;
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${two(Math.floor(day / 3600))}:${two(Math.floor((day % 3600) / 60))}:${two(day % 60)}`;
}

function date(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 10);
}

/** -A: printable characters and line ends as they are, others as dots. */
function asciiText(bytes: Uint8Array, start: number): string {
  let text = "";
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === 13) continue;
    text += byte === 10 || byte === 9 || (byte >= 0x20 && byte < 0x7f) ? String.fromCharCode(byte) : ".";
  }
  return text;
}
