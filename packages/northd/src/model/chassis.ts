/** Chassis of the southbound database, and which of northd's flows their controllers understand. */
import { derive, index, input, type Read } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";
import { globals } from "./globals.ts";

/**
 * What a controller says of itself in Chassis:other_config, by the name that debug/chassis-features-list prints. A feature
 * is used where every chassis of this zone has it.
 */
const registered = {
  mac_binding_timestamp: "mac-binding-timestamp",
  fdb_timestamp: "fdb-timestamp",
  ls_dpg_column: "ls-dpg-column",
  ct_commit_nat_v2: "ct-commit-nat-v2",
  ct_commit_to_zone: "ct-commit-to-zone",
  sample_with_reg: "ovn-sample-with-registers",
  ct_next_zone: "ct-next-zone",
  ct_label_flush: "ct-label-flush",
  ct_state_save: "ct-state-save",
} as const;

export type ChassisFeature = keyof typeof registered;
export const chassisFeatureNames = Object.keys(registered) as ChassisFeature[];

export interface ChassisFacts {
  readonly name: string;
  readonly hostname: string;
  /** It is of another availability zone: ovn-ic tells of it. */
  readonly remote: boolean;
  /** Features that its controller does not have. */
  readonly lacking: readonly ChassisFeature[];
}

export function chassisFacts({ name, hostname, other_config }: SbRow<"Chassis">): ChassisFacts {
  const remote = other_config.get("is-remote") === "true";
  return {
    name,
    hostname,
    remote,
    lacking: remote ? [] : chassisFeatureNames.filter((feature) => other_config.get(registered[feature]) !== "true"),
  };
}

export const chassis = input<Uuid, ChassisFacts>("sb.Chassis", {
  equals: (a, b) =>
    a.name === b.name && a.hostname === b.hostname && a.remote === b.remote && a.lacking.join() === b.lacking.join(),
});

export const chassisByName = index("chassisByName", chassis, ({ name, hostname }) => [name, hostname]);

const chassisByOnlyName = index("chassisByOnlyName", chassis, ({ name }) => [name]);

export function chassisNamed(name: string, read: Read): Uuid | undefined {
  return read(chassisByOnlyName, name)[0];
}

/** The chassis of another zone that a port asks for, by name or host name (options:requested-chassis). */
export function remoteChassis(name: string | undefined, read: Read): Uuid | undefined {
  const uuid = name === undefined || name === "" ? undefined : read(chassisByName, name)[0];
  return uuid !== undefined && read(chassis, uuid)?.remote === true ? uuid : undefined;
}

const chassisLacking = index("chassisLacking", chassis, ({ lacking }) => lacking);

/** Whether every chassis of this zone has a feature; so it is where there is none, or where that is not to count. */
export const chassisFeature = derive(
  "chassisFeature",
  (feature: ChassisFeature, read): boolean =>
    read(globals, "").ignoreChassisFeatures || read(chassisLacking, feature).length === 0,
);
