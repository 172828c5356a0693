/** Options that northd itself keeps in NB_Global (ovn-nb(5)) and passes on to SB_Global. */
import type { Replica } from "@weft/ovsdb";
import { formatMac, macOf, parseMac } from "@weft/packet";
import type { Random } from "@weft/runtime";
import { type NbSchema, ovnInternalVersion } from "@weft/schemas";
import type { DatapathKeys } from "./allocate/datapathKeys.ts";

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

const made = new WeakMap<object, Map<string, string>>();

/** The options as they should be: those of the database, and what is missing or malformed. What was made up once stays for this replica. */
export function globalOptions(nb: Replica<NbSchema>, random: Random, { max }: DatapathKeys): ReadonlyMap<string, string> {
  let own = made.get(nb);
  if (own === undefined) {
    own = new Map();
    made.set(nb, own);
  }
  let options = new Map<string, string>();
  for (const row of nb.table("NB_Global").rows()) {
    options = new Map(row.options);
    break;
  }
  const keep = (name: string, valid: (text: string) => string | undefined, make: () => string) => {
    const given = options.get(name);
    const kept = given === undefined ? undefined : valid(given);
    if (kept !== undefined) {
      options.set(name, kept);
      return;
    }
    let value = own.get(name);
    if (value === undefined) {
      value = make();
      own.set(name, value);
    }
    options.set(name, value);
  };
  keep("mac_prefix", macPrefixOf, () => randomMac(random).slice(0, 8));
  keep("svc_monitor_mac", monitorMac, () => randomMac(random));
  keep("svc_monitor_mac_dst", monitorMac, () => randomMac(random));
  options.set("max_tunid", String(max));
  options.set("northd_internal_version", ovnInternalVersion);
  return options;
}

/** Beside the northbound options: what this northd's flows rely on. */
export function southboundOptions(options: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...options, ["arp_ns_explicit_output", "true"], ["register_consolidation", "true"]]);
}
