/** The five databases of OVN 26.03 and Open vSwitch 4.0, and the types of their rows. */
import type { RowOf, TableName } from "@weft/ovsdb";
import type { ovnIcNorthbound } from "./icNorthbound.ts";
import type { ovnIcSouthbound } from "./icSouthbound.ts";
import type { ovnNorthbound } from "./northbound.ts";
import type { openVSwitch } from "./openVSwitch.ts";
import { ovnSouthbound as southbound } from "./southbound.ts";

export { ovnIcNorthbound } from "./icNorthbound.ts";
export { ovnIcSouthbound } from "./icSouthbound.ts";
export { ovnNorthbound } from "./northbound.ts";
export { openVSwitch } from "./openVSwitch.ts";
export { ovnSouthbound } from "./southbound.ts";

/** The OVN whose behaviour is reproduced. */
export const ovnVersion = "26.03.1";

/**
 * What northd writes to the options of NB_Global and SB_Global and a controller compares when it is told to
 * (ovn-match-northd-version): program version, southbound schema version, and two counts of the flow language.
 */
export const ovnInternalVersion = `${ovnVersion}-${southbound.version}-82.14`;

export type NbSchema = typeof ovnNorthbound;
export type SbSchema = typeof southbound;
export type IcNbSchema = typeof ovnIcNorthbound;
export type IcSbSchema = typeof ovnIcSouthbound;
export type VsSchema = typeof openVSwitch;

/** A row as programs read it, by the table's name: `NbRow<"Logical_Switch_Port">`. */
export type NbRow<T extends TableName<NbSchema>> = RowOf<NbSchema, T>;
export type SbRow<T extends TableName<SbSchema>> = RowOf<SbSchema, T>;
export type IcNbRow<T extends TableName<IcNbSchema>> = RowOf<IcNbSchema, T>;
export type IcSbRow<T extends TableName<IcSbSchema>> = RowOf<IcSbSchema, T>;
export type VsRow<T extends TableName<VsSchema>> = RowOf<VsSchema, T>;
