/** Packets that wait for their neighbour's MAC: paused in the switch, resumed with the MAC when it is known. */
import type { PacketIn } from "@weft/openflow";
import { type Mac, writeMac } from "@weft/packet";
import type { Clock } from "@weft/runtime";

/** Neighbours waited for at once, packets kept for each (the latest), and how long (ms). */
const NEIGHBOURS = 1000;
const PACKETS = 4;
const PATIENCE = 10_000;

export interface Neighbour {
  /** Tunnel keys of the datapath and of the port that the neighbour is behind. */
  readonly datapath: number;
  readonly port: number;
  readonly ip: string;
}

interface Waiting {
  readonly packets: PacketIn[];
  readonly until: number;
}

export class BufferedPackets {
  readonly #clock: Clock;
  readonly #waiting = new Map<string, Waiting>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(neighbour: Neighbour, packet: PacketIn): void {
    const now = this.#clock.now();
    const key = keyOf(neighbour);
    for (const [old, { until }] of this.#waiting) if (until < now) this.#waiting.delete(old);
    let waiting = this.#waiting.get(key);
    if (waiting === undefined) {
      if (this.#waiting.size >= NEIGHBOURS) return;
      waiting = { packets: [], until: now + PATIENCE };
      this.#waiting.set(key, waiting);
    }
    if (waiting.packets.length >= PACKETS) waiting.packets.shift();
    waiting.packets.push(packet);
  }

  get empty(): boolean {
    return this.#waiting.size === 0;
  }

  /** Takes the packets for a neighbour whose MAC is known now, with that MAC in them. */
  take(neighbour: Neighbour, mac: Mac): { readonly packetIn: PacketIn; readonly packet: Uint8Array }[] {
    const key = keyOf(neighbour);
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return [];
    this.#waiting.delete(key);
    if (waiting.until < this.#clock.now()) return [];
    return waiting.packets.map((packetIn) => {
      const packet = packetIn.packet.slice();
      writeMac(packet, 0, mac);
      return { packetIn, packet };
    });
  }
}

function keyOf({ datapath, port, ip }: Neighbour): string {
  return `${datapath} ${port} ${ip}`;
}
