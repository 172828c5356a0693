/** Neighbours of the switch's own tunnels, per bridge: static, or learned from ARP and ND that passes through (ovs-appctl tnl/neigh/...). */
import { formatMac, type Mac } from "@weft/packet";
import { address128, formatAddress, type IpAddress } from "./address.ts";

interface Entry {
  readonly address: IpAddress;
  readonly bridge: string;
  mac: Mac;
  /** Monotonic ms. */
  expires: number;
}

/** A neighbour that was asked for and has not answered. */
interface Incomplete {
  readonly address: IpAddress;
  readonly bridge: string;
  /** Monotonic ms. */
  readonly expires: number;
}

/** What is asked again comes a little earlier than what it waits for, which must not be missed by a moment. */
const ASK_AHEAD = 0.9;

export class NeighbourTable {
  readonly #entries = new Map<string, Entry>();
  readonly #incomplete = new Map<string, Incomplete>();
  /** tnl/neigh/aging. */
  agingMs = 900_000;
  /** tnl/neigh/retrans_time: between two requests for a neighbour that does not answer, ms. */
  retransMs = 1000;

  lookup(bridge: string, address: IpAddress, now: number): Mac | undefined {
    const entry = this.#entries.get(key(bridge, address));
    return entry === undefined || entry.expires <= now ? undefined : entry.mac;
  }

  /** Notes that a neighbour is asked for. False: it was a moment ago, and is not to be asked again. */
  ask(bridge: string, address: IpAddress, now: number): boolean {
    const id = key(bridge, address);
    if ((this.#incomplete.get(id)?.expires ?? now) > now) return false;
    this.#incomplete.set(id, { address, bridge, expires: now + ASK_AHEAD * this.retransMs });
    return true;
  }

  /** Returns whether something changed. */
  set(bridge: string, address: IpAddress, mac: Mac, now: number): boolean {
    this.#incomplete.delete(key(bridge, address));
    const old = this.#entries.get(key(bridge, address));
    if (old !== undefined && old.mac === mac && old.expires > now) {
      old.expires = now + this.agingMs;
      return false;
    }
    this.#entries.set(key(bridge, address), { address, bridge, mac, expires: now + this.agingMs });
    return true;
  }

  /** Packets go to it: it stays for as long as they do. */
  used(bridge: string, address: IpAddress, now: number): void {
    const entry = this.#entries.get(key(bridge, address));
    if (entry !== undefined && entry.expires > now) entry.expires = now + this.agingMs;
  }

  flush(): boolean {
    const any = this.#entries.size > 0;
    this.#entries.clear();
    this.#incomplete.clear();
    return any;
  }

  expire(now: number): boolean {
    let changed = false;
    for (const [k, entry] of this.#entries) {
      if (entry.expires > now) continue;
      this.#entries.delete(k);
      changed = true;
    }
    for (const [k, { expires }] of this.#incomplete) if (expires <= now) this.#incomplete.delete(k);
    return changed;
  }

  /** The table of tnl/neigh/show. */
  format(now: number): string {
    const rule = "=".repeat(74);
    const lines = [...this.#entries.values()].map(
      (entry) =>
        `${formatAddress(entry.address).padEnd(45)} ${formatMac(entry.mac)}   ${entry.bridge}${entry.expires <= now ? " STALE" : ""}`,
    );
    for (const { address, bridge, expires } of this.#incomplete.values())
      if (expires > now) lines.push(`${formatAddress(address).padEnd(66)}${bridge} INCOMPLETE`);
    return ["IP                                            MAC                 Bridge", rule, ...lines].join("\n");
  }
}

const key = (bridge: string, address: IpAddress): string => `${bridge} ${address128(address)}`;
