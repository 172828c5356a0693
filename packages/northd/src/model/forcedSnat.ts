/** Addresses that a gateway router gives as source to what it has translated otherwise (ovn-nb(5), dnat_force_snat_ip). */
import { derive, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { parseIpv4, parseIpv6 } from "@weft/packet";
import { routerOptions } from "./config.ts";

export interface ForcedSnat {
  readonly ip4: string | undefined;
  readonly ip6: string | undefined;
}

/** "IPv4 IPv6", each of which may be left out; what follows other punctuation is not read. */
export function parseForcedSnat(text: string | undefined): ForcedSnat {
  const [read = ""] = (text ?? "").split(",");
  const words = read.trim().split(/\s+/);
  return {
    ip4: words.find((word) => parseIpv4(word) !== undefined),
    ip6: words.find((word) => parseIpv6(word) !== undefined),
  };
}

/** For what was sent to a DNAT address. */
export const forcedSnat = derive(
  "forcedSnat",
  (router: Uuid, read): ForcedSnat => parseForcedSnat(read(routerOptions, router).get("dnat_force_snat_ip")),
  { equals: sameContent },
);
