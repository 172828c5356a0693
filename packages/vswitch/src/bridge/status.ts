/** What the switch writes into the database: numbers, states, counters (the "Status" columns of ovs-vswitchd.conf.db(5)). */
import type { Replica, Transaction } from "@weft/ovsdb";
import { formatMac, macOf } from "@weft/packet";
import type { VsSchema } from "@weft/schemas";
import type { Datapath } from "../datapath/datapath.ts";
import type { OfPort } from "../ofproto/port.ts";
import type { Configuration } from "./configure.ts";
import { formatDatapathId, type InterfaceRow } from "./desired.ts";
import type { Devices } from "./devices.ts";
import type { ManagedBridge, ManagedInterface } from "./managed.ts";
import { isTunnelType } from "./tunnel-options.ts";

export interface StatusContext {
  readonly db: Replica<VsSchema>;
  readonly datapath: Datapath;
  readonly devices: Devices;
  readonly configuration: Configuration;
}

function counters({ datapath }: StatusContext, iface: ManagedInterface): Map<string, number> {
  const { netdev, port } = iface;
  if (port === undefined) return new Map();
  if (netdev === undefined) {
    const c = port.counters;
    return new Map([
      ["rx_bytes", c.rxBytes],
      ["rx_packets", c.rxPackets],
      ["tx_bytes", c.txBytes],
      ["tx_packets", c.txPackets],
    ]);
  }
  const s = netdev.statistics;
  const found = new Map<string, number>([
    ["rx_bytes", s.rx_bytes],
    ["rx_packets", s.rx_packets],
    ["tx_bytes", s.tx_bytes],
    ["tx_packets", s.tx_packets],
  ]);
  const drops = port.dpPort === undefined ? undefined : datapath.ports.get(port.dpPort)?.drops;
  const isCounted = !netdev.type.startsWith("dummy");
  if (isCounted || drops !== undefined) {
    found.set("rx_dropped", s.rx_dropped + (drops?.rx ?? 0));
    found.set("tx_dropped", s.tx_dropped + (drops?.tx ?? 0));
  }
  if (isCounted) {
    found.set("rx_errors", s.rx_errors);
    found.set("tx_errors", s.tx_errors);
  }
  for (const [name, value] of Object.entries(netdev.moreStatistics ?? {})) found.set(name, value);
  return found;
}

/** Sets columns that differ; a transaction of nothing is not sent. */
function writeInterface(
  c: StatusContext,
  tx: Transaction<VsSchema>,
  row: InterfaceRow,
  iface: ManagedInterface | undefined,
  statistics: boolean,
): void {
  const port = iface?.port;
  if (iface === undefined || port === undefined) {
    tx.update("Interface", row._uuid, {
      ofport: -1,
      error: iface?.error,
      admin_state: undefined,
      link_state: undefined,
      mac_in_use: undefined,
      mtu: undefined,
      ifindex: undefined,
      link_speed: undefined,
      duplex: undefined,
      link_resets: undefined,
      statistics: new Map(),
      status: new Map(),
      bfd_status: new Map(),
      lacp_current: undefined,
    });
    return;
  }
  const { netdev } = iface;
  const seen = netdev?.elsewhere !== true;
  tx.update("Interface", row._uuid, {
    ofport: port.ofport,
    error: iface.error ?? peerError(c, port),
    admin_state: port.up ? "up" : "down",
    link_state: port.carrier && port.up ? "up" : port.carrier ? "up" : "down",
    mac_in_use: seen ? formatMac(macOf(port.mac)) : undefined,
    mtu: seen ? netdev?.mtu : undefined,
    ifindex: netdev?.ifindex ?? 0,
    link_speed: netdev?.speed,
    duplex: netdev?.fullDuplex === undefined ? undefined : netdev.fullDuplex ? "full" : "half",
    link_resets: iface.linkResets,
    status: statusOf(c, iface),
    bfd_status: port.bfd?.status ?? new Map(),
    lacp_current: port.bundle?.lacp?.current(port.name),
  });
  if (statistics) tx.update("Interface", row._uuid, { statistics: seen ? counters(c, iface) : new Map() });
}

/** A patch port without its other end is one, and says what it lacks. */
function peerError({ datapath }: StatusContext, port: OfPort): string | undefined {
  if (port.kind !== "patch" || datapath.peerOf(port) !== undefined) return undefined;
  return `No usable peer '${port.peerName}' exists in '${datapath.type}' datapath.`;
}

function statusOf(c: StatusContext, iface: ManagedInterface): ReadonlyMap<string, string> {
  const { port, netdev } = iface;
  if (netdev !== undefined) return netdev.status ?? new Map();
  if (port?.tunnel === undefined || !isTunnelType(iface.type) || port.tunnel.remoteIp === "flow") return new Map();
  const device = c.datapath.egressDevice(port.tunnel.remoteIp);
  return device === undefined
    ? new Map()
    : new Map([
        ["tunnel_egress_iface", device],
        ["tunnel_egress_iface_carrier", "up"],
      ]);
}

/** What changed in a reconfiguration: numbers and states of everything. `statistics` says whether counters are due too. */
export function writeStatus(c: StatusContext, tx: Transaction<VsSchema>, statistics: boolean): void {
  const [root] = c.db.table("Open_vSwitch").rows();
  if (root === undefined) return;
  tx.update("Open_vSwitch", root._uuid, {
    datapath_types: ["dummy", "netdev", "system"],
    iface_types: c.devices.types,
    dpdk_initialized: false,
    dpdk_version: "none",
  });
  for (const held of c.configuration.bridges.values()) writeBridge(c, tx, held, statistics);
  // Interfaces of bridges that could not be made stand with -1.
  for (const row of c.db.table("Interface").rows()) {
    const known = [...c.configuration.bridges.values()].some((held) => held.interfaces.get(row.name)?.uuid === row._uuid);
    if (!known && row.ofport !== undefined && Number(row.ofport) !== -1) tx.update("Interface", row._uuid, { ofport: -1 });
  }
}

function writeBridge(c: StatusContext, tx: Transaction<VsSchema>, held: ManagedBridge, statistics: boolean): void {
  const row = c.db.table("Bridge").get(held.uuid);
  if (row === undefined) return;
  tx.update("Bridge", held.uuid, {
    datapath_id: formatDatapathId(held.bridge.datapathId),
    datapath_version: "<built-in>",
  });
  for (const portUuid of row.ports) {
    const port = c.db.table("Port").get(portUuid);
    if (port !== undefined)
      tx.update("Port", portUuid, { bond_active_slave: held.bridge.bundles.get(port.name)?.bond?.activeMac });
    for (const uuid of port?.interfaces ?? []) {
      const iface = c.db.table("Interface").get(uuid);
      if (iface !== undefined) writeInterface(c, tx, iface, held.interfaces.get(iface.name), statistics);
    }
  }
  for (const status of held.server.statuses()) {
    if (c.db.table("Controller").get(status.uuid) === undefined) continue;
    tx.update("Controller", status.uuid, { is_connected: status.connected, role: status.role, status: status.status });
  }
  if (!statistics) return;
  for (const uuid of row.mirrors) {
    const mirror = c.db.table("Mirror").get(uuid);
    const config = held.bridge.mirrors.find((m) => m.name === mirror?.name);
    if (mirror === undefined || config === undefined) continue;
    tx.update("Mirror", uuid, {
      statistics: new Map([
        ["tx_packets", config.packets],
        ["tx_bytes", config.bytes],
      ]),
    });
  }
}
