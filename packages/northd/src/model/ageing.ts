/** After how long what was learned is forgotten: ovn-nb(5), mac_binding_age_threshold and fdb_age_threshold. */
import { parseIpv4, parseIpv6 } from "@weft/packet";

const MOST_SECONDS = 0xffff_ffff;

/** Addresses of one family that begin with the same bits. */
interface Network {
  /** Bits of an address of the family: 32 or 128. */
  readonly bits: number;
  readonly address: bigint;
  readonly length: number;
  readonly seconds: number;
}

/** Thresholds of a router, in seconds; 0: not by age. */
export interface Thresholds {
  readonly networks: readonly Network[];
  /** For addresses of none of the networks. */
  readonly otherwise: number;
}

const NEVER: Thresholds = { networks: [], otherwise: 0 };

/** Undefined where the text is no number of seconds. */
export function parseSeconds(text: string): number | undefined {
  const seconds = /^\d+$/.test(text) ? Number(text) : undefined;
  return seconds === undefined || seconds > MOST_SECONDS ? undefined : seconds;
}

/** An address as a number, with the number of its bits. */
function parseAddress(text: string): { readonly bits: number; readonly address: bigint } | undefined {
  const v4 = parseIpv4(text);
  if (v4 !== undefined) return { bits: 32, address: BigInt(v4) };
  const v6 = parseIpv6(text);
  return v6 === undefined ? undefined : { bits: 128, address: v6 };
}

function parseNetwork(text: string): Omit<Network, "seconds"> | undefined {
  const [base, length, ...more] = text.split("/");
  const at = parseAddress(base!);
  const bits = length === undefined ? at?.bits : parseSeconds(length);
  return at === undefined || bits === undefined || bits > at.bits || more.length > 0 ? undefined : { ...at, length: bits };
}

/** "[CIDR:]SECONDS[;...]"; of several without CIDR the last counts. Undefined where it is something else. */
export function parseThresholds(text: string | undefined): Thresholds | undefined {
  if (text === undefined) return NEVER;
  const networks: Network[] = [];
  let otherwise = 0;
  for (const entry of text.split(";").filter((part) => part !== "")) {
    const colon = entry.lastIndexOf(":");
    const seconds = parseSeconds(entry.slice(colon + 1));
    const network = colon < 0 ? undefined : parseNetwork(entry.slice(0, colon));
    if (seconds === undefined || (colon >= 0 && network === undefined)) return undefined;
    if (network === undefined) otherwise = seconds;
    else networks.push({ ...network, seconds });
  }
  return { networks, otherwise };
}

/** Seconds for an address: those of the longest network that it is in. */
export function thresholdOf({ networks, otherwise }: Thresholds, ip: string): number {
  const at = parseAddress(ip);
  let best: Network | undefined;
  for (const network of networks) {
    if (network.bits !== at?.bits || network.length <= (best?.length ?? -1)) continue;
    const rest = BigInt(network.bits - network.length);
    if (at.address >> rest === network.address >> rest) best = network;
  }
  return best?.seconds ?? otherwise;
}

/** The least number of seconds but 0: chassis refresh what is used at its pace. Undefined where nothing ages. */
export function lowestThreshold({ networks, otherwise }: Thresholds): number | undefined {
  const all = [otherwise, ...networks.map(({ seconds }) => seconds)].filter((seconds) => seconds > 0);
  return all.length === 0 ? undefined : Math.min(...all);
}
