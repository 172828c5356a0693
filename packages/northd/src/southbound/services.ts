/** Meters and DNS records, taken over from the northbound database. */
import { each, type Read, relation } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { aclId, listOfSwitch, nb } from "../model/nb.ts";
import { Owned, type Row, row } from "../output/row.ts";
import { datapathRef } from "./datapaths.ts";

/** ACLs that log through a meter, by its name. */
const aclsOfMeter = relation("aclsOfMeter", nb.ACL, (_uuid, acl) => (acl.log && acl.meter !== undefined ? [acl.meter] : []));

export const meters = each("northd/meters", nb.Meter, function* (_uuid, meter, read): Iterable<Row> {
  const bands = meter.bands.flatMap((uuid) => {
    const band = read(nb.Meter_Band, uuid);
    return band === undefined ? [] : [{ action: band.action, rate: band.rate, burst_size: band.burst_size }];
  });
  const make = (name: string): Row => row("Meter", name, { name, unit: meter.unit, bands: new Owned("Meter_Band", bands) });
  yield make(meter.name);
  if (meter.fair !== true) return;
  for (const acl of read(aclsOfMeter, meter.name)) yield make(`${meter.name}__${acl}`);
});

export const templateVariables = each(
  "northd/templateVariables",
  nb.Chassis_Template_Var,
  (_uuid, { chassis, variables }): Row[] => [row("Chassis_Template_Var", chassis, { chassis, variables })],
);

export const aclIds = each("northd/aclIds", aclId, (uuid, id): Row[] => [{ ...row("ACL_ID", uuid, { id }), uuid }]);

const switchesOfDns = relation("switchesOfDns", nb.Logical_Switch, (_uuid, ls) => ls.dns_records);

/** Whether a switch answers DNS: some of its records are not empty. */
export function hasDns(datapath: Uuid, read: Read): boolean {
  return read(listOfSwitch.dns_records, datapath).some((uuid) => (read(nb.DNS, uuid)?.records.size ?? 0) > 0);
}

export const dns = each("northd/dns", nb.DNS, function* (uuid, record, read): Iterable<Row> {
  const switches = read(switchesOfDns, uuid);
  if (switches.length === 0) return;
  const options = new Map([["ovn-owned", String(record.options.get("ovn-owned") === "true")]]);
  const datapaths = switches.map((datapath) => datapathRef(datapath as Uuid));
  yield { ...row("DNS", uuid, { records: record.records, datapaths, options, external_ids: new Map() }), uuid };
});
