import type { Uuid } from "@weft/ovsdb";

/** Our row of Chassis, in whose name rows are written. */
export interface OwnChassis {
  readonly uuid: Uuid;
  readonly name: string;
}
