/** tshark as an independent reader of OpenFlow: what it says of messages, each in a TCP connection of its own. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Said } from "./recorder.ts";

const PORT = 6653;
const LINKTYPE_RAW = 101;
/** Of TCP payload in a packet; an IPv4 packet has at most 65535 bytes. */
const SEGMENT = 60_000;

function packetOf({ from }: Said, payload: Uint8Array, connection: number, sequence: number): Buffer {
  const packet = Buffer.alloc(40 + payload.length);
  packet.writeUInt8(0x45, 0);
  packet.writeUInt16BE(packet.length, 2);
  packet.writeUInt8(64, 8);
  packet.writeUInt8(6, 9);
  const client = 0x0a010000 + (connection >> 14);
  const clientPort = 20_000 + (connection & 0x3fff);
  const server = 0x0a000001;
  const [src, srcPort, dst, dstPort] =
    from === "client" ? [client, clientPort, server, PORT] : [server, PORT, client, clientPort];
  packet.writeUInt32BE(src, 12);
  packet.writeUInt32BE(dst, 16);
  packet.writeUInt16BE(srcPort, 20);
  packet.writeUInt16BE(dstPort, 22);
  packet.writeUInt32BE(sequence, 24);
  packet.writeUInt8(0x50, 32);
  packet.writeUInt8(0x18, 33);
  packet.writeUInt16BE(0xffff, 34);
  packet.set(payload, 40);
  return packet;
}

/** A capture file (pcap) of the messages, and for each message the number of the packet that completes it. */
function capture(messages: readonly Said[]): { readonly file: Buffer; readonly frames: readonly number[] } {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(0x40000, 16);
  header.writeUInt32LE(LINKTYPE_RAW, 20);
  const parts: Buffer[] = [header];
  let frame = 0;
  const frames = messages.map((message, connection) => {
    for (let at = 0; at < message.bytes.length; at += SEGMENT) {
      const packet = packetOf(message, message.bytes.subarray(at, at + SEGMENT), connection, 1 + at);
      const record = Buffer.alloc(16);
      record.writeUInt32LE(frame++, 0);
      record.writeUInt32LE(packet.length, 8);
      record.writeUInt32LE(packet.length, 12);
      parts.push(record, packet);
    }
    return frame;
  });
  return { file: Buffer.concat(parts), frames };
}

/** For each message what tshark has against it: that it is malformed, what it does not know; "" for nothing. */
export function complaints(messages: readonly Said[]): string[] {
  const dir = mkdtempSync(join(tmpdir(), "weft-tshark-"));
  try {
    const { file, frames } = capture(messages);
    const path = join(dir, "openflow.pcap");
    writeFileSync(path, file);
    const fields = ["frame.number", "frame.protocols", "_ws.malformed", "_ws.expert.message"].flatMap((name) => ["-e", name]);
    const text = execFileSync("tshark", ["-n", "-r", path, "-d", `tcp.port==${PORT},openflow`, "-T", "fields", ...fields], {
      encoding: "utf8",
      maxBuffer: 1 << 28,
      stdio: ["ignore", "pipe", "ignore"],
      env: { ...process.env, HOME: dir },
    });
    const told = new Map<number, string>();
    for (const line of text.split("\n").filter((one) => one !== "")) {
      const [number, protocols = "", malformed = "", expert = ""] = line.split("\t");
      const words = `${malformed},${expert}`.replace(/\d+/g, "N").split(",");
      if (!/openflow/.test(protocols)) words.push("not taken for OpenFlow");
      const serious = words.filter((word) => word !== "" && !/^Connection|TCP|window/.test(word));
      told.set(Number(number), [...new Set(serious)].sort().join("; "));
    }
    return frames.map((frame) => told.get(frame) ?? "not there");
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
