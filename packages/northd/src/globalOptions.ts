/** Options that northd itself keeps in NB_Global (ovn-nb(5)) and passes on to SB_Global. */
import type { Replica } from "@weft/ovsdb";
import { formatMac, macOf } from "@weft/packet";
import type { Random } from "@weft/runtime";
import { type NbSchema, ovnInternalVersion } from "@weft/schemas";

/** A random unicast address with the "locally administered" bit. */
function randomMac(random: Random): string {
  const bytes = random.bytes(6);
  let value = ((bytes[0]! | 0x02) & 0xfe) * 0x100_0000_0000;
  for (let i = 1; i < 6; i++) value += bytes[i]! * 256 ** (5 - i);
  return formatMac(macOf(value));
}

const made = new WeakMap<object, Map<string, string>>();

/** The options as they should be: those of the database, and what is missing. What was made up once stays for this replica. */
export function globalOptions(nb: Replica<NbSchema>, random: Random, vxlan: boolean): ReadonlyMap<string, string> {
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
  const keep = (name: string, make: () => string) => {
    if (options.has(name)) return;
    let value = own.get(name);
    if (value === undefined) {
      value = make();
      own.set(name, value);
    }
    options.set(name, value);
  };
  keep("mac_prefix", () => randomMac(random).slice(0, 8));
  keep("svc_monitor_mac", () => randomMac(random));
  keep("svc_monitor_mac_dst", () => randomMac(random));
  options.set("max_tunid", vxlan ? "4095" : "16711680");
  options.set("northd_internal_version", ovnInternalVersion);
  return options;
}

/** Beside the northbound options: what this northd's flows rely on. */
export function southboundOptions(options: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...options, ["arp_ns_explicit_output", "true"], ["register_consolidation", "true"]]);
}
