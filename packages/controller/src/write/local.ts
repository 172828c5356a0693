/** Writes to the local database: bridges, tunnels, patch ports, BFD, ovn-installed. */
import { each, type Read } from "@weft/incremental";
import type { Transaction, Uuid } from "@weft/ovsdb";
import type { VsSchema } from "@weft/schemas";
import { claimOf, mismatch } from "../model/binding.ts";
import { config, integrationBridge, openVSwitchUuid } from "../model/config.ts";
import { isLocalDatapath } from "../model/datapaths.ts";
import { bridgesByName, installed, type LocalRow, portsByName, portsByType, sb, vs } from "../model/inputs.ts";
import { portsWithBridge } from "../model/interfaces.ts";
import { writeTunnels } from "./tunnels.ts";
import { mutateMap, type VsWrite } from "./writes.ts";

type Inserted = ReturnType<Transaction<VsSchema>["insert"]>;

/** Makes the integration bridge where it is missing, and keeps its settings. */
export function writeBridge(read: Read, transaction: Transaction<VsSchema>): void {
  const own = read(config, 0);
  const root = openVSwitchUuid(read);
  const row = root === undefined ? undefined : read(vs.Open_vSwitch, root);
  if (own === undefined || row === undefined) return;
  const uuid = read(integrationBridge, 0);
  if (uuid === undefined) {
    const iface = transaction.insert("Interface", { name: own.bridge, type: "internal" });
    const port = transaction.insert("Port", { name: own.bridge, interfaces: [iface] });
    const bridge = transaction.insert("Bridge", {
      name: own.bridge,
      ports: [port],
      fail_mode: "secure",
      other_config: [["disable-in-band", "true"]],
      ...(own.bridgeDatapathType === undefined ? {} : { datapath_type: own.bridgeDatapathType }),
    });
    transaction.comment(`ovn-controller: creating integration bridge '${own.bridge}'`);
    transaction.mutate("Open_vSwitch", row._uuid, "bridges", { insert: [bridge] });
    return;
  }
  const bridge = read(vs.Bridge, uuid);
  if (bridge === undefined) return;
  if (bridge.fail_mode !== "secure") transaction.update("Bridge", uuid, { fail_mode: "secure" });
  const datapathType = own.bridgeDatapathType ?? (bridge.datapath_type === "" ? "system" : bridge.datapath_type);
  if (bridge.datapath_type !== datapathType) transaction.update("Bridge", uuid, { datapath_type: datapathType });
  writeInUse(read, transaction, row);
}

/** The key by which several controllers on one host know of each other; and the switch's VLAN limit, which OVN lifts. */
function writeInUse(read: Read, transaction: Transaction<VsSchema>, row: LocalRow<"Open_vSwitch">): void {
  const own = read(config, 0);
  if (own === undefined) return;
  const wanted: [string, string][] = [
    [`ovn-chassis-idx-${own.chassis}`, row.other_config.get(`ovn-chassis-idx-${own.chassis}`) ?? ""],
    ["vlan-limit", "0"],
  ];
  const missing = wanted.filter(([key, value]) => row.other_config.get(key) !== value);
  if (missing.length > 0) {
    transaction.mutate("Open_vSwitch", row._uuid, "other_config", {
      delete: missing.map(([key]) => key).filter((key) => row.other_config.has(key)),
      insert: missing,
    });
  }
}

export interface Pair {
  readonly key: "ovn-localnet-port" | "ovn-l2gateway-port";
  readonly port: string;
  readonly bridge: Uuid;
}

/** Localnet ports of local datapaths and l2gateway ports of ours, with the bridge of their physical network. */
export function wantedPatches(read: Read): readonly Pair[] {
  const own = read(config, 0);
  const pairs: Pair[] = [];
  for (const type of ["localnet", "l2gateway"] as const) {
    for (const uuid of read(portsByType, type)) {
      const row = read(sb.Port_Binding, uuid);
      if (row === undefined) continue;
      if (type === "localnet" ? !read(isLocalDatapath, row.datapath) : read(claimOf, uuid) === undefined) continue;
      const name = own?.bridgeMappings.get(row.options.get("network_name") ?? "");
      const bridge = name === undefined ? undefined : read(bridgesByName, name)[0];
      if (bridge !== undefined) pairs.push({ key: `ovn-${type}-port`, port: row.logical_port, bridge });
    }
  }
  return pairs;
}

/** A pair of patch ports for each localnet and l2gateway port: patch-BRIDGE-to-PORT and patch-PORT-to-BRIDGE. */
export function writePatches(read: Read, transaction: Transaction<VsSchema>, pairs: readonly Pair[]): void {
  const integration = read(integrationBridge, 0);
  const name = integration === undefined ? undefined : read(vs.Bridge, integration)?.name;
  if (integration === undefined || name === undefined) return;
  const wanted = new Map<string, { bridge: Uuid; peer: string; pair: Pair }>();
  for (const pair of pairs) {
    const inner = `patch-${name}-to-${pair.port}`;
    const outer = `patch-${pair.port}-to-${name}`;
    wanted.set(`${integration} ${inner}`, { bridge: integration, peer: outer, pair });
    wanted.set(`${pair.bridge} ${outer}`, { bridge: pair.bridge, peer: inner, pair });
  }
  const changes = new Map<Uuid, { gone: Uuid[]; added: Inserted[] }>();
  const changeOf = (bridge: Uuid): { gone: Uuid[]; added: Inserted[] } => {
    let change = changes.get(bridge);
    if (change === undefined) {
      change = { gone: [], added: [] };
      changes.set(bridge, change);
    }
    return change;
  };
  for (const [port, bridge] of portsWithBridge(read, "patches")) {
    if (wanted.delete(`${bridge} ${port.name}`)) continue;
    if (port.name.endsWith(`-to-${name}`) || port.name.startsWith(`patch-${name}-to-`)) changeOf(bridge).gone.push(port._uuid);
  }
  for (const [key, { bridge, peer, pair }] of wanted) {
    const port = key.slice(key.indexOf(" ") + 1);
    const iface = transaction.insert("Interface", { name: port, type: "patch", options: [["peer", peer]] });
    changeOf(bridge).added.push(
      transaction.insert("Port", { name: port, interfaces: [iface], external_ids: [[pair.key, pair.port]] }),
    );
  }
  for (const [bridge, { gone, added }] of changes) transaction.mutate("Bridge", bridge, "ports", { delete: gone, insert: added });
}

/** The most useful first: an older switch's database holds fewer. */
const PREFIXES = ["ip_src", "ip_dst", "ipv6_src", "ipv6_dst"] as const;

/**
 * Makes the switch look at IP prefixes early, as OVN's flows profit from it. `most`: how many its database holds.
 * Returns those that it sets, none where they are set already.
 */
export function writePrefixes(read: Read, transaction: Transaction<VsSchema>, most: number): readonly string[] {
  const uuid = read(integrationBridge, 0);
  const row = uuid === undefined ? undefined : read(vs.Bridge, uuid);
  const prefixes = PREFIXES.slice(0, most);
  if (row === undefined || row.flow_tables.size > 0 || prefixes.length === 0) return [];
  const flows = transaction.insert("Flow_Table", { prefixes });
  const tables: [number, Inserted][] = [];
  for (let table = 0; table < 255; table++) tables.push([table, flows]);
  transaction.update("Bridge", row._uuid, { flow_tables: tables });
  return prefixes;
}

/** ovn-installed on interfaces whose port's flows are in the switch, and not on others. */
export const installedMarks = each<VsWrite, Uuid, LocalRow<"Interface">>(
  "installedMarks",
  vs.Interface,
  function* (uuid, row, read) {
    const id = row.external_ids.get("iface-id");
    const port = id === undefined ? undefined : read(portsByName, id)[0];
    const marked = row.external_ids.get("ovn-installed") === "true";
    const claimed = port !== undefined && read(sb.Port_Binding, port)?.type !== "localport" && read(claimOf, port) !== undefined;
    if (claimed && read(installed, port) === true) {
      if (marked) return;
      yield {
        name: `ovn-installed ${uuid}`,
        log: [`Setting lport ${id} ovn-installed in OVS`],
        apply: (transaction, wall) => {
          transaction.mutate("Interface", uuid, "external_ids", {
            delete: ["ovn-installed-ts"],
            insert: [
              ["ovn-installed", "true"],
              ["ovn-installed-ts", String(Math.floor(wall))],
            ],
          });
        },
      };
    } else if (marked && !claimed) {
      const write = mutateMap("Interface", uuid, "external_ids", row.external_ids, new Map([["ovn-installed", undefined]]), {
        log: [`Removing ${isOtherVersion(read, port, row) ? `lport ${id}` : `iface ${row.name}`} ovn-installed in OVS`],
      });
      if (write !== undefined) yield write;
    }
  },
);

/** Whether an interface lost its port since that asks for another version: the reference's log has other words for it. */
function isOtherVersion(read: Read, port: Uuid | undefined, { external_ids }: LocalRow<"Interface">): boolean {
  const binding = port === undefined ? undefined : read(sb.Port_Binding, port);
  return binding !== undefined && mismatch(binding, { version: external_ids.get("iface-id-ver") }) !== undefined;
}

/** Removes what the controller has made. Flows, zones and marks stay, as they do when the reference ends. */
export function cleanLocal(read: Read, transaction: Transaction<VsSchema>): void {
  writeTunnels(read, transaction, new Map());
  writePatches(read, transaction, []);
  const own = read(config, 0);
  const root = openVSwitchUuid(read);
  const row = root === undefined ? undefined : read(vs.Open_vSwitch, root);
  const key = `ovn-chassis-idx-${own?.chassis}`;
  if (row?.other_config.has(key)) transaction.mutate("Open_vSwitch", row._uuid, "other_config", { delete: [key] });
}
