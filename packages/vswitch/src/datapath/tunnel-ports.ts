/** Where tunnels end: the addresses of the switch's own bridges, with each tunnel protocol's port. */

import { MatchBuilder } from "@weft/openflow";
import { formatMac, macOf } from "@weft/packet";
import { Classifier, type ClassifierRule, type KeyLayout, type KeyMatch } from "../classifier/classifier.ts";
import { ETH_IP, ETH_IPV6, IP_UDP, KEY_LAYOUT, keyMatch, WORD } from "../flow/key.ts";
import type { IpAddress } from "../tunnel/address.ts";
import { formatAddress } from "../tunnel/address.ts";

export interface TunnelEnd {
  readonly dpPort: number;
  readonly name: string;
  readonly mac: number;
  readonly address: IpAddress;
  /** IP protocol, and UDP port (0 for GRE). */
  readonly protocol: number;
  readonly udpPort: number;
}

interface EndRule extends ClassifierRule {
  readonly end: TunnelEnd;
}

/** Addresses are looked at as a whole: there are few, and all of one length. */
const LAYOUT: KeyLayout = { ...KEY_LAYOUT, prefixes: [] };

export class TunnelPortMap {
  #classifier = new Classifier<EndRule>(LAYOUT);
  #ends: readonly TunnelEnd[] = [];
  /** Names of the protocols' ports, whether or not there is an address for them. */
  protocols: readonly { readonly dpPort: number; readonly name: string }[] = [];

  get any(): boolean {
    return this.protocols.length > 0;
  }

  set(ends: readonly TunnelEnd[]): void {
    this.#ends = ends;
    this.#classifier = new Classifier<EndRule>(LAYOUT);
    for (const end of ends) this.#classifier.insert({ match: matchOf(end), priority: 0, end });
  }

  /** The port whose tunnel the packet belongs to; what was looked at goes into `wc`. */
  lookup(key: Int32Array, wc: Int32Array): number | undefined {
    return this.#classifier.lookup(key, wc)?.end.dpPort;
  }

  /** The lines of tnl/ports/show -v. */
  format(): string[] {
    return this.#ends.map((end) => {
      const type = end.address.family === 4 ? 0x0800 : 0x86dd;
      const ip = end.address.family === 4 ? "ipv4" : "ipv6";
      const udp = end.udpPort === 0 ? "" : `,udp(dst=${end.udpPort})`;
      return (
        `${end.name} (${end.dpPort}) : eth(dst=${formatMac(macOf(end.mac))}),eth_type(0x${type.toString(16).padStart(4, "0")}),` +
        `${ip}(dst=${formatAddress(end.address)},proto=${end.protocol},frag=no)${udp}`
      );
    });
  }
}

function matchOf(end: TunnelEnd): KeyMatch {
  const b = new MatchBuilder();
  b.setWord(WORD.eth_dst, Math.floor(end.mac / 2 ** 32), 0xffff);
  b.setWord(WORD.eth_dst + 1, end.mac | 0, -1);
  // Tunnels end at untagged packets.
  b.setWord(WORD.vlan_tci, 0, 0xffff);
  b.setWord(WORD.eth_type, end.address.family === 4 ? ETH_IP : ETH_IPV6, 0xffff);
  if (end.address.family === 4) b.setWord(WORD.nw_dst, end.address.ip | 0, -1);
  else
    for (let i = 3, rest: bigint = end.address.ip; i >= 0; i--, rest >>= 32n)
      b.setWord(WORD.ipv6_dst + i, Number(BigInt.asIntN(32, rest)), -1);
  b.setWord(WORD.nw_proto, end.protocol, 0xff);
  b.setWord(WORD.nw_frag, 0, 3);
  if (end.protocol === IP_UDP) b.setWord(WORD.tp_dst, end.udpPort, 0xffff);
  return keyMatch(b.build());
}
