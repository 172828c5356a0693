/** What ovn-detrace says of the northbound rows that a logical flow came of. */
import type { Replica, RowOf, Uuid } from "@weft/ovsdb";
import type { NbSchema } from "@weft/schemas";
import { literal } from "./python.ts";
import { Records } from "./records.ts";

type Describe = { readonly [T in keyof NbSchema["tables"]]?: (row: RowOf<NbSchema, T>) => string };

const describe = {
  ACL: (row) => `ACL: ${row.direction}, priority=${row.priority}, match=(${row.match}), ${row.action}${row.log ? " (log)" : ""}`,
  DHCP_Options: (row) => `DHCP Options: cidr ${row.cidr} options (${literal(row.options)})`,
  Forwarding_Group: (row) =>
    `Forwarding Group: name ${row.name} vip ${row.vip} vmac ${row.vmac} liveness ${literal(row.liveness)} child ports (${literal(row.child_port)})`,
  Load_Balancer: (row) =>
    `Load Balancer: ${row.name} protocol ${literal(row.protocol, true)} vips ${literal(row.vips)} ip_port_mappings ${literal(row.ip_port_mappings)}`,
  Logical_Router_Policy: (row) =>
    `Logical Router Policy: priority ${row.priority} match ${row.match} action ${row.action} nexthop ${literal(row.nexthop, true)}`,
  Logical_Router_Port: (row) =>
    `Logical Router Port: ${row.name} mac ${row.mac} networks ${literal(row.networks)} ipv6_ra_configs ${literal(row.ipv6_ra_configs)}`,
  Logical_Router_Static_Route: (row) =>
    `Route: ${row.ip_prefix} via ${row.nexthop} (port ${literal(row.output_port, true)}), policy=${literal(row.policy, true)}`,
  // the reference does not close its bracket
  Logical_Switch_Port: (row) =>
    `Logical Switch Port: ${row.name} type ${row.type} (addresses ${literal(row.addresses)}, dynamic addresses ${literal(row.dynamic_addresses, true)}, security ${literal(row.port_security)}`,
  NAT: (row) =>
    `NAT: external IP ${row.external_ip} external_mac ${literal(row.external_mac, true)} logical_ip ${row.logical_ip} logical_port ${literal(row.logical_port, true)} type ${row.type}`,
  QoS: (row) =>
    `QoS: priority ${row.priority} direction ${row.direction} match ${row.match} action ${literal(row.action)} bandwidth ${literal(row.bandwidth)}`,
} satisfies Describe;

type Told = keyof typeof describe;
const TABLES = Object.keys(describe) as Told[]; // the keys of an object are its keys

export class NorthboundRecords {
  readonly #records: Records<NbSchema>;

  constructor(replica: Replica<NbSchema>) {
    this.#records = new Records(replica, TABLES);
  }

  read(hints: Iterable<string>): Promise<void> {
    return this.#records.read(hints);
  }

  of(hint: string): string[] {
    return this.#records.find(hint).map(([table, uuid]) => this.#describe(table as Told, uuid));
  }

  #describe<T extends Told>(table: T, uuid: Uuid): string {
    const row = this.#records.get(table, uuid)!;
    return (describe[table] as (row: RowOf<NbSchema, T>) => string)(row); // by the table's own entry
  }
}
