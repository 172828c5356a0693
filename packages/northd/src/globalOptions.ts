/** Options that northd itself keeps in NB_Global (ovn-nb(5)) and passes on to SB_Global. */
import { sameContent } from "@weft/incremental";
import { formatMac, macOf, parseMac } from "@weft/packet";
import type { Random } from "@weft/runtime";
import { ovnInternalVersion } from "@weft/schemas";
import type { DatapathKeys } from "./allocate/datapathKeys.ts";
import { type Settings, settingsOf } from "./model/globals.ts";

const NONE: ReadonlyMap<string, string> = new Map();
/** Beside the northbound options: what this northd's flows rely on. */
const PROMISES = [
  ["arp_ns_explicit_output", "true"],
  ["register_consolidation", "true"],
] as const;

/** The order in which databases show options. */
function byName([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A random unicast address with the "locally administered" bit. */
function randomMac(random: Random): string {
  const bytes = random.bytes(6);
  let value = ((bytes[0]! | 0x02) & 0xfe) * 0x100_0000_0000;
  for (let i = 1; i < 6; i++) value += bytes[i]! * 256 ** (5 - i);
  return formatMac(macOf(value));
}

const HEX = "[0-9a-f]{1,2}";
/** The first three octets of an address; what follows does not count. */
const OUI = new RegExp(`^(${HEX}:${HEX}:${HEX})(?![0-9a-f])`, "i");

/** The prefix of dynamic MAC addresses as OVS prints it ("0a:00:27"); undefined when it is malformed or zero. */
function macPrefixOf(text: string): string | undefined {
  const octets = OUI.exec(text)?.[1];
  const mac = octets === undefined ? undefined : parseMac(`${octets}:00:00:00`);
  return mac === undefined || mac === 0 ? undefined : formatMac(mac).slice(0, 8);
}

function monitorMac(text: string): string | undefined {
  return parseMac(text) === undefined ? undefined : text;
}

/** What the databases should have, and what they say to northd itself. */
export interface GlobalOptions {
  readonly settings: Settings;
  /** Those that were given, where nothing is missing or malformed. */
  readonly northbound: ReadonlyMap<string, string>;
  readonly southbound: ReadonlyMap<string, string>;
}

/** The options of one northbound database; what was made up once stays. Computed when those that are given are others. */
export class KeptOptions {
  readonly #random: Random;
  readonly #made = new Map<string, string>();
  #given: ReadonlyMap<string, string> | undefined;
  #settings: Settings = settingsOf(NONE);
  #max = 0;
  #options: GlobalOptions = { settings: this.#settings, northbound: NONE, southbound: NONE };

  constructor(random: Random) {
    this.#random = random;
  }

  /** The settings come first: they say which keys there are. */
  settings(given: ReadonlyMap<string, string> | undefined): Settings {
    this.#take(given ?? NONE);
    return this.#settings;
  }

  all(given: ReadonlyMap<string, string> | undefined, { max }: DatapathKeys): GlobalOptions {
    this.#take(given ?? NONE);
    if (max !== this.#max) {
      this.#max = max;
      const wanted = this.#wanted(given ?? NONE, max);
      const northbound = given !== undefined && sameContent(given, wanted) ? given : wanted;
      this.#options = { settings: this.#settings, northbound, southbound: new Map([...wanted, ...PROMISES].sort(byName)) };
    }
    return this.#options;
  }

  #take(given: ReadonlyMap<string, string>): void {
    if (given === this.#given) return;
    this.#given = given;
    this.#settings = settingsOf(given);
    this.#max = 0;
  }

  #wanted(given: ReadonlyMap<string, string>, max: number): ReadonlyMap<string, string> {
    const options = new Map(given);
    const keep = (name: string, valid: (text: string) => string | undefined, make: () => string) => {
      const text = options.get(name);
      options.set(name, (text === undefined ? undefined : valid(text)) ?? this.#once(name, make));
    };
    keep("mac_prefix", macPrefixOf, () => randomMac(this.#random).slice(0, 8));
    keep("svc_monitor_mac", monitorMac, () => randomMac(this.#random));
    keep("svc_monitor_mac_dst", monitorMac, () => randomMac(this.#random));
    options.set("max_tunid", String(max));
    options.set("northd_internal_version", ovnInternalVersion);
    return new Map([...options].sort(byName));
  }

  #once(name: string, make: () => string): string {
    const value = this.#made.get(name) ?? make();
    this.#made.set(name, value);
    return value;
  }
}
