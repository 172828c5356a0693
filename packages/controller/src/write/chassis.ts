/** Our own rows in the Southbound: Chassis, Encap, Chassis_Private. */
import { derive, type Read, sameContent } from "@weft/incremental";
import type { Transaction, Uuid } from "@weft/ovsdb";
import type { SbRow, SbSchema } from "@weft/schemas";
import { config, integrationBridge, openVSwitchUuid, optionOf, ownChassisRow } from "../model/config.ts";
import { sb, vs } from "../model/inputs.ts";

/** Features of this controller, as northd reads them from Chassis.other_config. */
const features: readonly (readonly [string, string])[] = [
  ["ct-commit-nat-v2", "true"],
  ["ct-commit-to-zone", "true"],
  ["ct-label-flush", "true"],
  ["ct-next-zone", "true"],
  ["ct-no-masked-label", "true"],
  ["ct-state-save", "true"],
  ["fdb-timestamp", "true"],
  ["ls-dpg-column", "true"],
  ["mac-binding-timestamp", "true"],
  ["ovn-ct-lb-related", "true"],
  ["ovn-sample-with-registers", "true"],
  ["port-up-notif", "true"],
];

/** Configuration that is shown in Chassis.other_config as it is; "" where it is not set. */
const shown: readonly (readonly [string, string])[] = [
  ["ovn-bridge-mappings", ""],
  ["ovn-chassis-mac-mappings", ""],
  ["ovn-cms-options", ""],
  ["ovn-enable-lflow-cache", "true"],
  ["ovn-evpn-local-ip", ""],
  ["ovn-evpn-vxlan-ports", ""],
  ["ovn-limit-lflow-cache", ""],
  ["ovn-memlimit-lflow-cache-kb", ""],
  ["ovn-monitor-all", "false"],
  ["ovn-trim-limit-lflow-cache", ""],
  ["ovn-trim-timeout-ms", ""],
  ["ovn-trim-wmark-perc-lflow-cache", ""],
];

type EncapType = SbRow<"Encap">["type"];
const encapTypes: readonly EncapType[] = ["geneve", "vxlan"];

export interface DesiredChassis {
  readonly name: string;
  readonly hostname: string;
  readonly otherConfig: ReadonlyMap<string, string>;
  readonly transportZones: readonly string[];
  readonly encaps: readonly { readonly type: EncapType; readonly ip: string; readonly options: ReadonlyMap<string, string> }[];
}

export const desiredChassis = derive<0, DesiredChassis | undefined>(
  "desiredChassis",
  (_key, read) => {
    const own = read(config, 0);
    const uuid = openVSwitchUuid(read);
    const row = uuid === undefined ? undefined : read(vs.Open_vSwitch, uuid);
    if (own === undefined || row === undefined || own.encap.types.length === 0 || own.encap.ips.length === 0) return undefined;
    const bridge = read(integrationBridge, 0);
    const other = new Map<string, string>(features);
    for (const [key, fallback] of shown) other.set(key, optionOf(row.external_ids, own.chassis, key) ?? fallback);
    other.set("datapath-type", (bridge === undefined ? undefined : read(vs.Bridge, bridge)?.datapath_type) ?? "");
    other.set("iface-types", row.iface_types.join(","));
    other.set("is-interconn", String(own.interconnect));
    const encaps: { type: EncapType; ip: string; options: Map<string, string> }[] = [];
    for (const type of encapTypes.filter((one) => own.encap.types.includes(one))) {
      for (const ip of own.encap.ips) {
        const options = new Map([["csum", own.encap.csum]]);
        if (own.encap.ips.length > 1 && ip === own.encap.defaultIp) options.set("is_default", "true");
        encaps.push({ type, ip, options });
      }
    }
    return {
      name: own.chassis,
      hostname: own.hostname,
      otherConfig: other,
      transportZones: own.transportZones.toSorted(),
      encaps,
    };
  },
  { equals: sameContent },
);

/** Writes what differs. */
export function writeChassis(read: Read, transaction: Transaction<SbSchema>, desired: DesiredChassis): void {
  const row = ownChassisRow(read);
  if (row === undefined) {
    transaction.comment(`ovn-controller: registering chassis '${desired.name}'`);
    const chassis = transaction.insert("Chassis", {
      name: desired.name,
      hostname: desired.hostname,
      other_config: desired.otherConfig,
      transport_zones: desired.transportZones,
      encaps: desired.encaps.map((encap) => transaction.insert("Encap", { ...encap, chassis_name: desired.name })),
    });
    writePrivate(read, transaction, desired.name, chassis);
    return;
  }
  const columns = {
    ...(row.hostname === desired.hostname ? {} : { hostname: desired.hostname }),
    ...(sameContent(row.other_config, merged(row.other_config, desired.otherConfig))
      ? {}
      : { other_config: merged(row.other_config, desired.otherConfig) }),
    ...(sameContent(row.transport_zones, desired.transportZones) ? {} : { transport_zones: desired.transportZones }),
  };
  if (Object.keys(columns).length > 0) {
    transaction.comment(`ovn-controller: updating chassis '${desired.name}'`);
    transaction.update("Chassis", row._uuid, columns);
  }
  writeEncaps(read, transaction, row, desired);
  writePrivate(read, transaction, desired.name, row._uuid);
}

/** Keys of others (the CMS) stay. */
function merged(before: ReadonlyMap<string, string>, ours: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...before, ...ours]);
}

function writeEncaps(read: Read, transaction: Transaction<SbSchema>, row: SbRow<"Chassis">, desired: DesiredChassis): void {
  const there = row.encaps.map((uuid) => read(sb.Encap, uuid)).filter((encap) => encap !== undefined);
  const kept: (Uuid | ReturnType<Transaction<SbSchema>["insert"]>)[] = [];
  let changed = there.length !== desired.encaps.length;
  for (const encap of desired.encaps) {
    const old = there.find((one) => one.type === encap.type && one.ip === encap.ip);
    if (old === undefined) {
      changed = true;
      kept.push(transaction.insert("Encap", { ...encap, chassis_name: desired.name }));
      continue;
    }
    kept.push(old._uuid);
    if (!sameContent(old.options, encap.options)) transaction.update("Encap", old._uuid, { options: encap.options });
  }
  if (changed) transaction.update("Chassis", row._uuid, { encaps: kept });
}

/** Our Chassis_Private row. */
export const ownPrivate = derive<0, Uuid | undefined>("ownChassisPrivate", (_key, read) => {
  const name = read(config, 0)?.chassis;
  return read.keys(sb.Chassis_Private).find((uuid) => read(sb.Chassis_Private, uuid)?.name === name);
});

function writePrivate(
  read: Read,
  transaction: Transaction<SbSchema>,
  name: string,
  chassis: Uuid | ReturnType<Transaction<SbSchema>["insert"]>,
): void {
  const uuid = read(ownPrivate, 0);
  if (uuid === undefined) transaction.insert("Chassis_Private", { name, chassis });
  else if (read(sb.Chassis_Private, uuid)?.chassis !== chassis) transaction.update("Chassis_Private", uuid, { chassis });
}

/** Removes our rows from the Southbound. References of ports to them are weak, and go with them. */
export function deleteChassis(read: Read, transaction: Transaction<SbSchema>): void {
  const row = ownChassisRow(read);
  const own = read(ownPrivate, 0);
  if (own !== undefined) transaction.delete("Chassis_Private", own);
  if (row === undefined) return;
  for (const encap of row.encaps) transaction.delete("Encap", encap);
  transaction.delete("Chassis", row._uuid);
  transaction.comment(`ovn-controller: unregistering chassis '${row.name}'`);
}
