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

export class NeighbourTable {
  readonly #entries = new Map<string, Entry>();
  /** tnl/neigh/aging. */
  agingMs = 900_000;

  lookup(bridge: string, address: IpAddress, now: number): Mac | undefined {
    const entry = this.#entries.get(key(bridge, address));
    return entry === undefined || entry.expires <= now ? undefined : entry.mac;
  }

  /** Returns whether something changed. */
  set(bridge: string, address: IpAddress, mac: Mac, now: number): boolean {
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
    return any;
  }

  expire(now: number): boolean {
    let changed = false;
    for (const [k, entry] of this.#entries) {
      if (entry.expires > now) continue;
      this.#entries.delete(k);
      changed = true;
    }
    return changed;
  }

  /** The table of tnl/neigh/show. */
  format(now: number): string {
    const rule = "=".repeat(74);
    const lines = [...this.#entries.values()].map(
      (entry) =>
        `${formatAddress(entry.address).padEnd(45)} ${formatMac(entry.mac)}   ${entry.bridge}${entry.expires <= now ? " STALE" : ""}`,
    );
    return ["IP                                            MAC                 Bridge", rule, ...lines].join("\n");
  }
}

const key = (bridge: string, address: IpAddress): string => `${bridge} ${address128(address)}`;
