/**
 * Random features for a random network, as commands of ovn-nbctl (words as in wordsOf): what the network of network.ts, its
 * gateways and its load balancers leave out.
 */
import type { RandomNetwork } from "./network.ts";
import { routerFeatures } from "./routerFeatures.ts";
import { switchFeatures } from "./switchFeatures.ts";
import type { Chance } from "./xorshift.ts";

export interface FeatureSite {
  readonly chassis: readonly string[];
  /** The physical network of a port of an edit with this number. */
  networkName(number: number): string;
  /** Whether what needs meters is wanted. */
  readonly meters: boolean;
}

/** Commands that add a feature; `number` is no other feature's. Undefined where the network has nothing to add it to. */
export type Feature = (network: RandomNetwork, chance: Chance, number: number, site: FeatureSite) => string[] | undefined;

/** Edits, each the commands of one transaction, one a line. The same chance gives the same edits for the same network. */
export function randomFeatures(network: RandomNetwork, chance: Chance, count: number, site: FeatureSite): string[] {
  const kinds = [...switchFeatures, ...routerFeatures];
  return Array.from({ length: count }, (_, i) =>
    chance
      .pick(kinds)(network, chance, i + 1, site)
      ?.join("\n"),
  ).filter((edit) => edit !== undefined);
}
