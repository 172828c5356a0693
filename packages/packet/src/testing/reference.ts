/** Runs the system's tcpdump over packets, for differential tests. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { concat } from "../bytes.ts";
import { PcapWriter } from "../pcap/classic.ts";
import type { CapturedPacket } from "../pcap/packet.ts";

export interface TcpdumpResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The packet as tests make it; the time is the packet's number in seconds unless given. */
export type TestPacket = Pick<CapturedPacket, "bytes" | "length"> & Partial<CapturedPacket>;

export function captureOf(packets: readonly TestPacket[], linkType = 1): Uint8Array {
  const writer = new PcapWriter({ linkType });
  const records = packets.map((packet, i) =>
    writer.record(packet.time ?? { seconds: 1700000000 + i, nanoseconds: 250000000 }, packet.bytes, packet.length),
  );
  return concat(writer.header(), ...records);
}

/** A folder for captures that tcpdump reads again and again; call `close` at the end. */
export class Tcpdump {
  private readonly dir = mkdtempSync(join(tmpdir(), "weft-tcpdump-"));

  write(name: string, packets: readonly TestPacket[], linkType = 1): string {
    const file = join(this.dir, name);
    writeFileSync(file, captureOf(packets, linkType));
    return file;
  }

  run(file: string, args: readonly string[]): TcpdumpResult {
    const run = spawnSync("tcpdump", ["-r", file, ...args], {
      encoding: "latin1",
      env: { ...process.env, TZ: "UTC" },
      maxBuffer: 1 << 28,
    });
    if (run.error) throw run.error;
    return { status: run.status ?? -1, stdout: run.stdout, stderr: run.stderr };
  }

  version(): string {
    return execFileSync("tcpdump", ["--version"], { encoding: "utf8" });
  }

  close(): void {
    rmSync(this.dir, { recursive: true });
  }
}
