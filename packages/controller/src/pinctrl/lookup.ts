/** Finds rows of the Southbound by what packets and flows carry. */
import type { Replica, Uuid } from "@weft/ovsdb";
import type { SbRow, SbSchema } from "@weft/schemas";
import { cookieOf } from "../physical/flow.ts";

export class Lookup {
  readonly sb: Replica<SbSchema>;

  constructor(sb: Replica<SbSchema>) {
    this.sb = sb;
  }

  datapath(key: number) {
    return this.sb
      .table("Datapath_Binding")
      .index("controller.key", (row) => [row.tunnel_key])
      .get(key)[0];
  }

  port(datapath: number, key: number) {
    const row = this.datapath(datapath);
    if (row === undefined) return undefined;
    return this.sb
      .table("Port_Binding")
      .index("controller.key", (port) => [`${port.datapath} ${port.tunnel_key}`])
      .get(`${row._uuid} ${key}`)[0];
  }

  portNamed(name: string) {
    return this.sb
      .table("Port_Binding")
      .index("controller.name", (row) => [row.logical_port])
      .get(name)[0];
  }

  dnsRows(key: number) {
    const datapath = this.datapath(key);
    if (datapath === undefined) return [];
    return this.sb
      .table("DNS")
      .index("controller.datapath", (row) => [...row.datapaths])
      .get(datapath._uuid);
  }

  macBinding(port: string, ip: string) {
    return this.sb
      .table("MAC_Binding")
      .index("controller.ip", (row) => [`${row.logical_port} ${row.ip}`])
      .get(`${port} ${ip}`)[0];
  }

  /** The tunnel key of a multicast group. */
  multicastGroup(datapath: Uuid, name: string): number | undefined {
    return this.sb
      .table("Multicast_Group")
      .index("controller.name", (row) => [`${row.datapath} ${row.name}`])
      .get(`${datapath} ${name}`)[0]?.tunnel_key;
  }

  /** What a chassis has heard of multicast groups. */
  groupsOf(datapath: Uuid, chassis: Uuid) {
    return this.sb
      .table("IGMP_Group")
      .index("controller.datapath", (row) => [`${row.datapath} ${row.chassis}`])
      .get(`${datapath} ${chassis}`);
  }

  /** What a chassis has told the CMS. */
  events(chassis: Uuid) {
    return this.sb
      .table("Controller_Event")
      .index("controller.chassis", (row) => (row.chassis === undefined ? [] : [row.chassis]))
      .get(chassis);
  }

  /** What was learned, by the cookie of its flows: that is the first bits of a uuid, which several rows may have. */
  learned(table: "MAC_Binding" | "FDB", cookie: number): readonly (SbRow<"MAC_Binding"> | SbRow<"FDB">)[] {
    const cookies = ({ _uuid }: { readonly _uuid: Uuid }): number[] => [cookieOf(_uuid)];
    return table === "FDB"
      ? this.sb.table("FDB").index("controller.cookie", cookies).get(cookie)
      : this.sb.table("MAC_Binding").index("controller.cookie", cookies).get(cookie);
  }

  fdb(datapath: number, mac: string) {
    return this.sb
      .table("FDB")
      .index("controller.mac", (row) => [`${row.dp_key} ${row.mac}`])
      .get(`${datapath} ${mac}`)[0];
  }
}
