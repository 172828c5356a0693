/** A cloud as it is found: both databases, and of each hypervisor its database and what its bridges have installed. */
import { createReplica, type Replica, type SchemaJson } from "@weft/ovsdb";
import { messageOf, type Runtime, WeftError } from "@weft/runtime";
import {
  type NbSchema,
  openVSwitch,
  ovnNorthbound,
  ovnSouthbound,
  type SbSchema,
  type VsRow,
  type VsSchema,
} from "@weft/schemas";
import { type InstalledState, readInstalled } from "./bridge.ts";
import type { CloudPlaces, DatabasePlace, HypervisorPlace, KnownHost, Link } from "./places.ts";

/** A hypervisor that answered. */
export interface Hypervisor {
  /** As its place is called. */
  readonly name: string;
  /** external_ids:system-id, which is the name of its Chassis row; "" where it has none. */
  readonly systemId: string;
  readonly place: HypervisorPlace;
  readonly ovs: Replica<VsSchema>;
  /** By bridge name; those that could be read. */
  readonly bridges: ReadonlyMap<string, InstalledState>;
  readonly links: readonly Link[] | undefined;
  /** What the switch has learned, where its control socket is in reach. */
  readonly learned: LearnedState | undefined;
  /** What of it could not be read, and why. */
  readonly problems: readonly string[];
}

export interface LearnedState {
  /** Of bridges that learn: fdb/show (ovs-vswitchd(8)). */
  readonly macs: readonly { readonly bridge: string; readonly port: string; readonly vlan: number; readonly mac: string }[];
  /** Lines of dpctl/dump-conntrack. */
  readonly connections: readonly string[];
}

export interface Cloud {
  readonly nb: Replica<NbSchema> | undefined;
  readonly sb: Replica<SbSchema> | undefined;
  readonly hypervisors: readonly Hypervisor[];
  /** There are no others; see {@link CloudPlaces}. */
  readonly complete: boolean;
  readonly hosts: readonly KnownHost[];
  /** What could not be read at all, and why. */
  readonly problems: readonly string[];
  close(): Promise<void>;
}

/** The integration bridge's name unless external_ids:ovn-bridge says another. */
const INTEGRATION_BRIDGE = "br-int";

/** The only row of the hypervisor's table Open_vSwitch. */
export function rootOf(hypervisor: Pick<Hypervisor, "ovs">): VsRow<"Open_vSwitch"> | undefined {
  return [...hypervisor.ovs.table("Open_vSwitch").rows()][0];
}

/** A setting of ovn-controller(8), where the one for this chassis (ovn-KEY-SYSTEM_ID) stands before the common one. */
export function settingOf(hypervisor: Hypervisor, key: string): string | undefined {
  const ids = rootOf(hypervisor)?.external_ids;
  return ids?.get(`${key}-${hypervisor.systemId}`) ?? ids?.get(key);
}

export function integrationBridgeOf(hypervisor: Hypervisor): string {
  return settingOf(hypervisor, "ovn-bridge") ?? INTEGRATION_BRIDGE;
}

/**
 * Reads all of it. What cannot be reached is told in `problems`; only a southbound database that is given and cannot be
 * reached is an error.
 */
export async function readCloud(places: CloudPlaces): Promise<Cloud> {
  const opened: { close(): Promise<void> }[] = [];
  const problems: string[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(opened.map((one) => one.close()));
  };
  try {
    const [nb, sb] = await Promise.all([
      openDatabase(places.northbound, ovnNorthbound, opened).catch((error: unknown) => {
        problems.push(messageOf(error));
        return undefined;
      }),
      openDatabase(places.southbound, ovnSouthbound, opened),
    ]);
    const hypervisors: Hypervisor[] = [];
    for (const place of places.hypervisors) {
      try {
        hypervisors.push(await readHypervisor(place, opened));
      } catch (error) {
        problems.push(`${place.name}: ${messageOf(error)}`);
      }
    }
    const hosts = places.hosts?.() ?? [];
    return { nb, sb, hypervisors, complete: places.complete === true, hosts, problems, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openDatabase<const S extends SchemaJson>(
  place: DatabasePlace | undefined,
  schema: S,
  opened: { close(): Promise<void> }[],
): Promise<Replica<S> | undefined> {
  if (place === undefined) return undefined;
  const { runtime, remotes, tls, leaderOnly } = place;
  return openReplica(runtime, schema, remotes, opened, {
    ...(tls === undefined ? {} : { tls }),
    ...(leaderOnly === undefined ? {} : { leaderOnly }),
  });
}

async function openReplica<const S extends SchemaJson>(
  runtime: Runtime,
  schema: S,
  remotes: readonly string[],
  opened: { close(): Promise<void> }[],
  options: Pick<DatabasePlace, "tls" | "leaderOnly"> = {},
): Promise<Replica<S>> {
  const replica = createReplica({ runtime, schema, remotes, once: true, ...options });
  opened.push(replica);
  try {
    await replica.ready();
  } catch (error) {
    throw new WeftError("trace.unreachable", `${remotes.join(",")}: cannot read ${schema.name}: ${messageOf(error)}`);
  }
  return replica;
}

async function readHypervisor(place: HypervisorPlace, opened: { close(): Promise<void> }[]): Promise<Hypervisor> {
  const { runtime, tls } = place;
  const ovs = await openReplica(runtime, openVSwitch, [place.database], opened, tls === undefined ? {} : { tls });
  const problems: string[] = [];
  const bridges = new Map<string, InstalledState>();
  for (const { name } of ovs.table("Bridge").rows()) {
    try {
      bridges.set(name, await readInstalled(runtime, place.bridge(name), tls));
    } catch (error) {
      problems.push(`bridge ${name}: ${messageOf(error)}`);
    }
  }
  const [root] = ovs.table("Open_vSwitch").rows();
  const learned = await readLearned(place, [...bridges.keys()]).catch((error: unknown) => {
    problems.push(`what the switch has learned: ${messageOf(error)}`);
    return undefined;
  });
  return {
    name: place.name,
    systemId: root?.external_ids.get("system-id") ?? "",
    place,
    ovs,
    bridges,
    links: await place.links?.(),
    learned,
    problems,
  };
}

async function readLearned(place: HypervisorPlace, bridges: readonly string[]): Promise<LearnedState | undefined> {
  if (place.control === undefined) return undefined;
  const macs: { bridge: string; port: string; vlan: number; mac: string }[] = [];
  for (const bridge of bridges) {
    const table = await place.control("ovs-vswitchd", "fdb/show", bridge);
    for (const [, port = "", vlan = "", mac = ""] of table.matchAll(/^ *(\S+) +(\d+) +((?:[0-9a-f]{2}:){5}[0-9a-f]{2})/gm))
      macs.push({ bridge, port, vlan: Number(vlan), mac });
  }
  const connections = await place.control("ovs-vswitchd", "dpctl/dump-conntrack");
  return { macs, connections: connections.split("\n").filter((line) => line !== "") };
}
