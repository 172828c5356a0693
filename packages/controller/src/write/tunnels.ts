/** Writes the tunnel ports of the integration bridge: to other chassis, and those that EVPN's packets come in by. */
import type { Read } from "@weft/incremental";
import { sameContent } from "@weft/incremental";
import type { Transaction, Uuid } from "@weft/ovsdb";
import type { VsSchema } from "@weft/schemas";
import { type Config, config, integrationBridge, openVSwitchUuid, ownChassis } from "../model/config.ts";
import { globalOptions } from "../model/globalOptions.ts";
import { membersOf } from "../model/ha.ts";
import { sb, vs } from "../model/inputs.ts";
import { portsWithBridge, tunnelIdOf } from "../model/interfaces.ts";
import { encapsOf, flowTunnelId, isRemote, tunnelId, tunnelTypes } from "../model/tunnels.ts";

type Inserted = ReturnType<Transaction<VsSchema>["insert"]>;

/** The transport zones of two chassis have one in common, or both have none. */
function reachable(a: readonly string[], b: readonly string[]): boolean {
  return a.length === 0 && b.length === 0 ? true : a.some((zone) => b.includes(zone));
}

export interface WantedTunnel {
  /** See tunnelIdOf. */
  readonly id: string;
  /** The port's name, or how it begins where the first free number makes it whole. */
  readonly name: string;
  readonly numbered: boolean;
  /** external_ids of the port. */
  readonly marks: ReadonlyMap<string, string>;
  readonly type: string;
  readonly options: ReadonlyMap<string, string>;
  readonly bfd: ReadonlyMap<string, string>;
}

/** The tunnels that there should be, by their ids. */
export function wantedTunnels(read: Read): ReadonlyMap<string, WantedTunnel> {
  const own = read(config, 0);
  const us = read(ownChassis, 0);
  if (own === undefined || us === undefined) return new Map();
  const tunnels = [...(own.encap.flowBased ? sharedTunnels(own) : tunnelsToOthers(read, own, us)), ...evpnTunnels(own)];
  return new Map(tunnels.map((tunnel) => [tunnel.id, tunnel]));
}

/** Options of all our tunnels. */
function commonOptions({ encap: { tos, df } }: Config): [string, string][] {
  const options: [string, string][] = [["key", "flow"]];
  if (tos !== undefined) options.push(["tos", tos]);
  if (df !== undefined) options.push(["df_default", df]);
  return options;
}

/** Addresses that flows set. */
const BY_FLOWS = [
  ["local_ip", "flow"],
  ["remote_ip", "flow"],
] as const;
const UNWATCHED: ReadonlyMap<string, string> = new Map();

/** One port for each type of flow-based tunnels. */
function* sharedTunnels(own: Config): Iterable<WantedTunnel> {
  for (const type of tunnelTypes) {
    if (!own.encap.types.includes(type)) continue;
    yield {
      id: flowTunnelId(type),
      name: `ovn-${type}`,
      numbered: false,
      marks: new Map([
        ["ovn-chassis-id", "flow"],
        ["ovn-tunnel-type", type],
      ]),
      type,
      options: new Map([...commonOptions(own), ...BY_FLOWS]),
      bfd: UNWATCHED,
    };
  }
}

/** One port for each UDP port that EVPN's VXLAN packets come in by. */
function* evpnTunnels({ evpnPorts }: Config): Iterable<WantedTunnel> {
  for (const port of evpnPorts) {
    yield {
      id: `evpn ${port}`,
      name: `ovn-evpn-${port}`,
      numbered: false,
      marks: new Map([["ovn-evpn-tunnel", "true"]]),
      type: "vxlan",
      options: new Map([["dst_port", port], ["key", "flow"], ...BY_FLOWS]),
      bfd: UNWATCHED,
    };
  }
}

function* tunnelsToOthers(read: Read, own: Config, us: Uuid): Iterable<WantedTunnel> {
  const bfd = bfdPeers(read);
  const watched = bfdColumn(read);
  for (const uuid of read.keys(sb.Chassis)) {
    const chassis = read(sb.Chassis, uuid);
    if (chassis === undefined || uuid === us || chassis.name === own.chassis) continue;
    if (!reachable(own.transportZones, chassis.transport_zones)) continue;
    if (isRemote(chassis) && !own.interconnect) continue;
    for (const encap of read(encapsOf, uuid)) {
      for (const local of own.encap.ips) {
        const options = new Map([
          ...commonOptions(own),
          ["csum", encap.options.get("csum") ?? "true"],
          ["local_ip", local],
          ["remote_ip", encap.ip],
        ]);
        const id = tunnelId(chassis.name, encap.ip, local);
        const name = `ovn-${chassis.name.slice(0, 6)}-`;
        const marks = new Map([["ovn-chassis-id", id]]);
        yield { id, name, numbered: true, marks, type: encap.type, options, bfd: bfd.has(uuid) ? watched : UNWATCHED };
      }
    }
  }
}

function namesOn(read: Read, bridge: Uuid): Set<string> {
  const names = new Set<string>();
  for (const uuid of read(vs.Bridge, bridge)?.ports ?? []) {
    const name = read(vs.Port, uuid)?.name;
    if (name !== undefined) names.add(name);
  }
  return names;
}

/** Brings tunnel ports in line. Those to one other chassis are ovn-CHASSIS-N, N counting from 0 up to the first free name. */
export function writeTunnels(read: Read, transaction: Transaction<VsSchema>, tunnels: ReadonlyMap<string, WantedTunnel>): void {
  const bridge = read(integrationBridge, 0);
  if (bridge === undefined) return;
  const wanted = new Map(tunnels);
  const gone: Uuid[] = [];
  for (const [port, on] of portsWithBridge(read, "tunnels")) {
    const id = tunnelIdOf(port);
    if (id === undefined || on !== bridge) continue;
    const want = wanted.get(id);
    const iface = port.interfaces[0] === undefined ? undefined : read(vs.Interface, port.interfaces[0]);
    if (want === undefined || iface === undefined) {
      gone.push(port._uuid);
      continue;
    }
    wanted.delete(id);
    if (iface.type !== want.type) transaction.update("Interface", iface._uuid, { type: want.type });
    if (!sameContent(iface.options, want.options)) transaction.update("Interface", iface._uuid, { options: want.options });
    if (!sameContent(iface.bfd, want.bfd)) transaction.update("Interface", iface._uuid, { bfd: want.bfd });
  }
  const added = wanted.size === 0 ? [] : insertTunnels(transaction, wanted.values(), namesOn(read, bridge));
  if (gone.length > 0 || added.length > 0) transaction.mutate("Bridge", bridge, "ports", { delete: gone, insert: added });
  removeLeftTunnels(read, transaction);
}

/** `names`: those that are taken, until the transaction has gone through. */
function insertTunnels(transaction: Transaction<VsSchema>, wanted: Iterable<WantedTunnel>, names: Set<string>): Inserted[] {
  const added: Inserted[] = [];
  for (const want of wanted) {
    const name = want.numbered ? numbered(want.name, names) : want.name;
    if (name === undefined) continue;
    names.add(name);
    const iface = transaction.insert("Interface", { name, type: want.type, options: want.options });
    added.push(transaction.insert("Port", { name, interfaces: [iface], external_ids: want.marks }));
  }
  return added;
}

/** Tunnels on a bridge that was the integration bridge before and is nobody's now: names are free for the new one's. */
function removeLeftTunnels(read: Read, transaction: Transaction<VsSchema>): void {
  const root = openVSwitchUuid(read);
  const ids = (root === undefined ? undefined : read(vs.Open_vSwitch, root))?.external_ids;
  if (ids === undefined) return;
  // Of several controllers on one machine each has its own key "ovn-bridge-CHASSIS".
  const named = new Set([...ids].filter(([key]) => key.startsWith("ovn-bridge-")).map(([, name]) => name));
  named.add(ids.get("ovn-bridge") ?? "br-int");
  for (const [port, bridge] of portsWithBridge(read, "tunnels")) {
    if (named.has(read(vs.Bridge, bridge)?.name ?? "")) continue;
    transaction.mutate("Bridge", bridge, "ports", { delete: [port._uuid] });
  }
}

/** Interface names have at most 15 characters. */
function numbered(prefix: string, taken: ReadonlySet<string>): string | undefined {
  for (let i = 0; i < 65536; i++) {
    const name = prefix + i.toString(16);
    if (!taken.has(name)) return name;
  }
  return undefined;
}

/** Chassis that we watch by BFD: the other members of our HA groups of several, and whoever is to reach such a group. */
export function bfdPeers(read: Read): Set<Uuid> {
  const peers = new Set<Uuid>();
  const us = read(ownChassis, 0);
  if (us === undefined) return peers;
  for (const uuid of read.keys(sb.HA_Chassis_Group)) {
    const group = read(sb.HA_Chassis_Group, uuid);
    const members = read(membersOf, uuid);
    if (group === undefined || group.ha_chassis.length < 2) continue;
    const others: readonly Uuid[] = members.includes(us)
      ? [...members, ...group.ref_chassis]
      : group.ref_chassis.includes(us)
        ? members
        : [];
    for (const chassis of others) if (chassis !== us) peers.add(chassis);
  }
  return peers;
}

function bfdColumn(read: Read): Map<string, string> {
  const column = new Map([
    ["check_tnl_key", "true"],
    ["enable", "true"],
  ]);
  const options = read(globalOptions, 0);
  for (const [from, to] of [
    ["bfd-min-rx", "min_rx"],
    ["bfd-min-tx", "min_tx"],
    ["bfd-decay-min-rx", "decay_min_rx"],
    ["bfd-mult", "mult"],
  ] as const) {
    const value = options.get(from);
    if (value !== undefined) column.set(to, value);
  }
  return column;
}
