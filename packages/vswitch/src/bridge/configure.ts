/**
 * Making bridges, ports and interfaces what the Open_vSwitch database says (ovs-vswitchd.conf.db(5)). One run takes the switch from
 * whatever it is to the present contents; runs follow one another, never overlap.
 */
import { OFPP, PORT_CONFIG } from "@weft/openflow";
import type { Replica, Uuid } from "@weft/ovsdb";
import { formatMac, macOf, parseMac } from "@weft/packet";
import { type Logger, messageOf, type Runtime, WeftError } from "@weft/runtime";
import type { VsSchema } from "@weft/schemas";
import type { Datapath } from "../datapath/datapath.ts";
import type { HostRoutes, Netdev } from "../netdev.ts";
import { Bridge } from "../ofproto/bridge.ts";
import { FlowMods } from "../ofproto/flow-mods.ts";
import type { Bundle, MirrorConfig, OfPort, TunnelConfig } from "../ofproto/port.ts";
import { OpenFlowServer } from "../openflow/server.ts";
import { formatAddress, type IpAddress, parsePrefix } from "../tunnel/address.ts";
import {
  type BridgeRow,
  datapathIdOf,
  flagOf,
  formatDatapathId,
  hwaddrOf,
  type InterfaceRow,
  integerOf,
  type PortRow,
  vlanOf,
} from "./desired.ts";
import type { Devices } from "./devices.ts";
import type { ManagedBridge, ManagedInterface } from "./managed.ts";
import { configureQos } from "./qos.ts";
import { knownDatapathType, logRefusal, logUnknownDatapath } from "./refusals.ts";
import { isTunnelType, sameTunnel, type TunnelType, tunnelConfig, tunnelDeviceName, tunnelMatchText } from "./tunnel-options.ts";

export interface ConfigureContext {
  readonly runtime: Runtime;
  readonly db: Replica<VsSchema>;
  readonly datapath: Datapath;
  readonly devices: Devices;
  readonly log: Logger;
  /** Where BRIDGE.mgmt and BRIDGE.snoop are; undefined: no sockets. */
  readonly runDir: string | undefined;
  /** Bridges of datapath type "system" are not made. */
  readonly disableSystem: boolean;
  readonly hostRoutes?: HostRoutes | undefined;
  /** Opens the host's socket of a tunnel protocol, where tunnels go through the host. */
  readonly bindTunnel?: ((dpPort: number, config: TunnelConfig) => void) | undefined;
  readonly unbindTunnel?: ((dpPort: number) => void) | undefined;
  /** A device's state changed. */
  onDeviceChange(iface: ManagedInterface): void;
}

/** The row's value as a plain map; columns of maps read so already, this only names the type. */
const optionsOf = (row: InterfaceRow): ReadonlyMap<string, string> => row.options;

function sameOptions(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  if (a.size !== b.size) return false;
  for (const [key, value] of a) if (b.get(key) !== value) return false;
  return true;
}

const refused = (text: string): WeftError => new WeftError("vswitch.interface", text, { blame: "caller" });

function checkPatch({ name, options }: ManagedInterface): void {
  const fail = (text: string): WeftError => new WeftError("vswitch.patch-options", `${name}: ${text}`, { blame: "caller" });
  const peer = options.get("peer") ?? "";
  if (options.size > 1 || (options.size === 1 && !options.has("peer"))) throw fail("patch type takes only a 'peer' argument");
  if (peer === "") throw fail("patch type requires valid 'peer' argument");
  if (peer === name) throw fail("patch peer must not be self");
}

function addressesOf(held: ManagedBridge): { readonly address: IpAddress; readonly length: number }[] {
  const addresses = held.bridge.local?.netdev?.addresses ?? [];
  return addresses.map((text) => parsePrefix(text)).filter((prefix) => prefix !== undefined);
}

export class Configuration {
  readonly bridges = new Map<string, ManagedBridge>();
  readonly #c: ConfigureContext;
  /** Flows of a former run are being restored; undefined: nothing was configured yet. */
  #restoring: boolean | undefined;

  constructor(context: ConfigureContext) {
    this.#c = context;
  }

  async apply(): Promise<void> {
    const { db, datapath } = this.#c;
    const [root] = db.table("Open_vSwitch").rows();
    const wanted = new Map<string, BridgeRow>();
    for (const uuid of root?.bridges ?? []) {
      const row = db.table("Bridge").get(uuid);
      if (row === undefined || wanted.has(row.name)) continue;
      if (knownDatapathType(row.datapath_type, this.#c.disableSystem)) wanted.set(row.name, row);
      else logUnknownDatapath(this.#c.runtime.log, row.name, row.datapath_type);
    }
    // Only who starts with it waits (ovs-vswitchd.conf.db(5), flow-restore-wait).
    if (root !== undefined && this.#restoring !== false) this.#restoring = flagOf(root.other_config, "flow-restore-wait");
    datapath.restoring ||= this.#restoring === true;
    if (root !== undefined) {
      datapath.flowLimit = integerOf(root.other_config, "flow-limit") ?? 200_000;
      const vlans = integerOf(root.other_config, "vlan-limit");
      datapath.vlanHeaders = vlans === undefined ? 1 : vlans === 0 ? 2 : Math.min(2, vlans);
    }
    for (const [name, held] of [...this.bridges]) {
      const row = wanted.get(name);
      if (row === undefined || row._uuid !== held.uuid) await this.#removeBridge(held);
    }
    // Ports that go free their devices and numbers before others want them.
    for (const [name, row] of wanted) {
      const held = this.bridges.get(name);
      if (held !== undefined) await this.#removeInterfaces(held, row);
    }
    for (const [name, row] of [...wanted].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const held = this.bridges.get(name) ?? this.#addBridge(row);
      await this.#configureBridge(held, row);
    }
    this.updateAddresses();
    datapath.restoring = this.#restoring === true;
  }

  /** `keep`: the devices that were made stay. */
  async close(keep: boolean): Promise<void> {
    for (const held of [...this.bridges.values()]) await this.#removeBridge(held, keep);
  }

  /** Tunnel ends and routes follow the addresses of the bridges' own devices and the host's routes. */
  updateAddresses(): void {
    const { datapath, hostRoutes } = this.#c;
    if (hostRoutes !== undefined) datapath.routes.setHost(hostRoutes.all());
    for (const held of this.bridges.values()) {
      const parsed = addressesOf(held);
      datapath.addresses.set(
        held.name,
        parsed.map((prefix) => prefix.address),
      );
      if (hostRoutes === undefined) datapath.routes.setConnected(held.name, parsed);
    }
    datapath.updateTunnelEnds();
  }

  /** The host's addresses or routes may have changed; cached flows must not suffer when they have not. */
  hostChanged(): void {
    const { datapath, hostRoutes } = this.#c;
    const same = [...this.bridges.values()].every(
      (held) =>
        addressesOf(held)
          .map((prefix) => formatAddress(prefix.address))
          .join() === (datapath.addresses.get(held.name) ?? []).map(formatAddress).join(),
    );
    const sameRoutes = hostRoutes === undefined || !datapath.routes.setHost(hostRoutes.all());
    if (!same || !sameRoutes) this.updateAddresses();
  }

  // Bridges.

  #addBridge(row: BridgeRow): ManagedBridge {
    const { datapath, runtime, runDir } = this.#c;
    const bridge = new Bridge(datapath, row.name, row._uuid);
    datapath.bridges.set(row.name, bridge);
    const bytes = runtime.random.bytes(6);
    // Locally administered, unicast.
    bytes[0] = ((bytes[0] as number) & 0xfc) | 2;
    const defaultMac = bytes.reduce((mac, byte) => mac * 256 + byte, 0);
    const mods = new FlowMods(bridge);
    const held: ManagedBridge = {
      name: row.name,
      uuid: row._uuid,
      bridge,
      mods,
      interfaces: new Map(),
      server: new OpenFlowServer({ runtime, bridge, mods, runDir }),
      nextPort: 1,
      defaultMac,
      mac: 0,
    };
    this.bridges.set(row.name, held);
    return held;
  }

  async #removeBridge(held: ManagedBridge, keep = false): Promise<void> {
    const { datapath } = this.#c;
    await held.server.close();
    for (const iface of [...held.interfaces.values()]) this.#removeInterface(held, iface, keep);
    datapath.flushFlows();
    datapath.recirc.forgetBridge(held.bridge);
    datapath.bridges.delete(held.name);
    datapath.addresses.delete(held.name);
    datapath.routes.setConnected(held.name, []);
    for (const meter of held.bridge.meters.values()) datapath.releaseMeter(meter.dpId);
    this.bridges.delete(held.name);
    datapath.invalidate();
  }

  async #configureBridge(held: ManagedBridge, row: BridgeRow): Promise<void> {
    const { bridge } = held;
    bridge.failMode = row.fail_mode === "secure" ? "secure" : "standalone";
    bridge.forwardBpdu = flagOf(row.other_config, "forward-bpdu");
    bridge.macs.idleMs = (integerOf(row.other_config, "mac-aging-time") ?? 300) * 1000;
    bridge.macs.maxEntries = Math.max(10, integerOf(row.other_config, "mac-table-size") ?? 8192);
    bridge.macs.floodVlans = new Set(row.flood_vlans.map(Number));
    this.#configureTables(bridge, row);
    for (const iface of this.#wantedInterfaces(row)) await this.#configureInterface(held, iface.row, row.datapath_type);
    this.#followMtu(held);
    this.#configureBundles(held, row);
    configureQos(this.#c, held, row);
    this.#chooseMac(held, row);
    this.#configureMirrors(held, row);
    await held.server.configure(this.#c.db, row, this.#restoring === true);
    bridge.changed();
  }

  #configureTables(bridge: Bridge, row: BridgeRow): void {
    for (const table of bridge.tables) {
      const uuid = row.flow_tables.get(table.id);
      const config = uuid === undefined ? undefined : this.#c.db.table("Flow_Table").get(uuid);
      table.name = config?.name ?? "";
      table.limit = config?.flow_limit === undefined ? undefined : Number(config.flow_limit);
      table.evict = config?.overflow_policy === "evict";
    }
  }

  // Interfaces.

  #wantedInterfaces(row: BridgeRow): { row: InterfaceRow; port: PortRow }[] {
    const { db } = this.#c;
    const found: { row: InterfaceRow; port: PortRow }[] = [];
    for (const portUuid of row.ports) {
      const port = db.table("Port").get(portUuid);
      for (const uuid of port?.interfaces ?? []) {
        const iface = db.table("Interface").get(uuid);
        if (port !== undefined && iface !== undefined) found.push({ row: iface, port });
      }
    }
    // The LOCAL port first, then those that ask for a number, so that others do not take it.
    const rank = (entry: { row: InterfaceRow }): number =>
      entry.row.name === row.name ? 0 : entry.row.ofport_request !== undefined ? 1 : entry.row.ofport !== undefined ? 2 : 3;
    found.sort((a, b) => rank(a) - rank(b) || (a.row.name < b.row.name ? -1 : 1));
    return found;
  }

  async #removeInterfaces(held: ManagedBridge, row: BridgeRow): Promise<void> {
    const wanted = new Map<string, InterfaceRow>();
    for (const iface of this.#wantedInterfaces(row)) wanted.set(iface.row.name, iface.row);
    for (const iface of [...held.interfaces.values()]) {
      const now = wanted.get(iface.name);
      if (now === undefined || this.#mustRecreate(held, iface, now)) this.#removeInterface(held, iface);
    }
  }

  #mustRecreate(held: ManagedBridge, iface: ManagedInterface, row: InterfaceRow): boolean {
    if (iface.uuid !== row._uuid || iface.type !== this.#typeOf(held, row)) return true;
    const requested = row.ofport_request;
    if (
      requested !== undefined &&
      iface.port !== undefined &&
      iface.port.ofport !== Number(requested) &&
      iface.port.kind !== "local"
    )
      return !held.bridge.ports.has(Number(requested));
    if (iface.error !== undefined || iface.netdev?.gone === true) return true;
    return (isTunnelType(iface.type) || iface.type === "patch") && !sameOptions(iface.options, optionsOf(row));
  }

  #typeOf(held: ManagedBridge, row: InterfaceRow): string {
    return row.name === held.name ? "internal" : row.type;
  }

  async #configureInterface(held: ManagedBridge, row: InterfaceRow, datapathType: string): Promise<void> {
    const known = held.interfaces.get(row.name);
    if (known !== undefined) {
      if (known.netdev !== undefined && !sameOptions(known.options, optionsOf(row))) {
        try {
          known.netdev.configure(optionsOf(row));
          known.error = undefined;
        } catch (error) {
          known.error = messageOf(error);
        }
      }
      known.options = new Map(optionsOf(row));
      this.#configureDevice(known, row);
      return;
    }
    const iface: ManagedInterface = {
      name: row.name,
      uuid: row._uuid,
      type: this.#typeOf(held, row),
      options: new Map(optionsOf(row)),
      netdev: undefined,
      port: undefined,
      error: undefined,
      linkResets: 0,
      wasUp: false,
    };
    held.interfaces.set(row.name, iface);
    try {
      await this.#create(held, iface, row, datapathType);
    } catch (error) {
      iface.error = messageOf(error);
      logRefusal(this.#c.runtime.log, held.name, iface, error);
    }
  }

  async #create(held: ManagedBridge, iface: ManagedInterface, row: InterfaceRow, datapathType: string): Promise<void> {
    const { datapath, devices, runtime } = this.#c;
    const isLocal = row.name === held.name;
    let dpPort: number | undefined;
    let tunnel: TunnelConfig | undefined;
    let netdev: Netdev | undefined;
    let kind: OfPort["kind"] = isLocal ? "local" : "device";
    if (isTunnelType(iface.type)) {
      kind = "tunnel";
      tunnel = this.#tunnelConfig(iface, iface.type);
      dpPort = this.#tunnelPort(iface.type, tunnel);
    } else if (iface.type === "patch") {
      kind = "patch";
      checkPatch(iface);
    } else {
      netdev = await devices.open(iface.name, iface.type, iface.options, datapathType);
      iface.netdev = netdev;
      dpPort = datapath.allocatePort(iface.name);
      datapath.addPort({ number: dpPort, name: iface.name, type: netdev.type, netdev, tunnel: undefined });
      iface.wasUp = netdev.up && netdev.carrier;
    }
    const ofport = isLocal ? OFPP.LOCAL : this.#pickNumber(held, row);
    const randomMac = (): number => {
      const bytes = runtime.random.bytes(6);
      bytes[0] = ((bytes[0] as number) & 0xfc) | 2;
      return bytes.reduce((mac, byte) => mac * 256 + byte, 0);
    };
    const ofPort: OfPort = {
      bridge: held.bridge,
      name: iface.name,
      ofport,
      kind,
      netdev,
      dpPort,
      tunnel,
      peerName: kind === "patch" ? iface.options.get("peer") : undefined,
      mac: netdev === undefined ? randomMac() : (parseMac(netdev.mac) ?? 0),
      config: netdev?.up === false ? PORT_CONFIG.PORT_DOWN : 0,
      up: netdev?.up ?? true,
      carrier: netdev?.carrier ?? true,
      bundle: undefined,
      bfd: undefined,
      counters: { rxPackets: 0, rxBytes: 0, txPackets: 0, txBytes: 0 },
      created: runtime.clock.now(),
      type: iface.type,
      options: iface.options,
    };
    iface.port = ofPort;
    held.bridge.addPort(ofPort);
    datapath.bind(ofPort);
    if (netdev !== undefined) {
      netdev.onChange = () => this.#deviceChanged(held, iface);
      this.#configureDevice(iface, row);
    }
    this.#c.log.info(`bridge ${held.name}: added interface ${iface.name} on port ${ofport}`);
  }

  #configureDevice(iface: ManagedInterface, row: InterfaceRow): void {
    const { netdev, port } = iface;
    if (netdev === undefined || port === undefined) return;
    if (row.mac !== undefined && port.kind !== "local") {
      netdev.setMac(row.mac);
      port.mac = parseMac(netdev.mac) ?? port.mac;
    }
    if (row.mtu_request !== undefined && Number(row.mtu_request) !== netdev.mtu) netdev.setMtu(Number(row.mtu_request));
  }

  /** Internal devices that nothing asks a size of take the smallest of their bridge's others (Interface column mtu_request). */
  #followMtu(held: ManagedBridge): void {
    const { db } = this.#c;
    const devices = [...held.interfaces.values()].filter((iface) => iface.netdev !== undefined);
    const follows = (iface: ManagedInterface): boolean =>
      iface.type === "internal" && db.table("Interface").get(iface.uuid)?.mtu_request === undefined;
    const mtu = Math.min(...devices.filter((iface) => !follows(iface)).map((iface) => iface.netdev?.mtu ?? 0));
    if (!Number.isFinite(mtu)) return;
    for (const iface of devices)
      if (follows(iface) && iface.netdev?.mtu !== mtu && iface.netdev?.elsewhere !== true) iface.netdev?.setMtu(mtu);
  }

  /** Whether a device that is missing has come, or one that was there is gone. */
  get outdated(): boolean {
    for (const held of this.bridges.values())
      for (const iface of held.interfaces.values())
        if (
          iface.netdev === undefined ? iface.error !== undefined && this.#c.devices.has(iface.name) : iface.netdev.gone === true
        )
          return true;
    return false;
  }

  #deviceChanged(held: ManagedBridge, iface: ManagedInterface): void {
    const { netdev, port } = iface;
    if (netdev === undefined || port === undefined) return;
    const up = netdev.up && netdev.carrier;
    if (up !== iface.wasUp) {
      iface.linkResets++;
      iface.wasUp = up;
    }
    port.up = netdev.up;
    port.config = (port.config & ~PORT_CONFIG.PORT_DOWN) | (netdev.up ? 0 : PORT_CONFIG.PORT_DOWN);
    port.carrier = netdev.carrier;
    port.mac = parseMac(netdev.mac) ?? port.mac;
    held.bridge.changed();
    held.bridge.events?.portChanged(port, "modify");
    this.#followMtu(held);
    if (port.kind === "local") this.updateAddresses();
    this.#c.onDeviceChange(iface);
  }

  /** ofport_request, or the number that the row has from before, or the next free one. */
  #pickNumber(held: ManagedBridge, row: InterfaceRow): number {
    const free = (n: number): boolean => n >= 1 && n < OFPP.MAX && !held.bridge.ports.has(n);
    if (row.ofport_request !== undefined && free(Number(row.ofport_request))) return Number(row.ofport_request);
    if (row.ofport !== undefined && free(Number(row.ofport))) return Number(row.ofport);
    for (let tries = 0; tries < OFPP.MAX; tries++) {
      const candidate = held.nextPort;
      held.nextPort = candidate + 1 >= OFPP.MAX ? 1 : candidate + 1;
      if (free(candidate)) return candidate;
    }
    throw refused(`${row.name}: no OpenFlow port number is free on ${held.name}`);
  }

  #tunnelConfig({ name, options }: ManagedInterface, type: TunnelType): TunnelConfig {
    const { datapath, runtime } = this.#c;
    const { config, problems } = tunnelConfig(name, type, options);
    if (problems.length > 0) runtime.log.logger("netdev_vport").warn(problems.join("\n"));
    const device = tunnelDeviceName(type, config);
    for (const other of datapath.tunnels) {
      if (other.tunnel === undefined || other.dpPort === undefined || datapath.portName(other.dpPort) !== device) continue;
      if (!sameTunnel(config, other.tunnel)) continue;
      const match = tunnelMatchText(config, options.get("packet_type") ?? "legacy_l2", other.dpPort);
      runtime.log
        .logger("tunnel")
        .warn(`${name}: attempting to add tunnel port with same config as port '${other.name}' (${match})`);
      throw new WeftError("vswitch.tunnel-exists", `could not add network device ${name} to ofproto (File exists)`, {
        blame: "caller",
      });
    }
    return config;
  }

  #tunnelPort(type: TunnelType, config: TunnelConfig): number {
    const { datapath } = this.#c;
    const name = tunnelDeviceName(type, config);
    for (const port of datapath.ports.values()) if (port.name === name) return port.number;
    const number = datapath.allocatePort(name, config.dstPort === 0 ? undefined : config.dstPort);
    datapath.addPort({
      number,
      name,
      type,
      netdev: undefined,
      tunnel: { protocol: config.protocol, udpPort: config.dstPort },
    });
    datapath.updateTunnelEnds();
    this.#c.bindTunnel?.(number, config);
    return number;
  }

  #removeInterface(held: ManagedBridge, iface: ManagedInterface, keep = false): void {
    const { datapath } = this.#c;
    held.interfaces.delete(iface.name);
    const { port } = iface;
    if (port !== undefined) {
      if (port.bundle !== undefined) {
        held.bridge.macs.forgetPort(port.bundle);
        port.bundle.ports = port.bundle.ports.filter((other) => other !== port);
      }
      datapath.unbind(port);
      held.bridge.removePort(port);
      if (port.kind === "tunnel") {
        if (port.dpPort !== undefined && ![...datapath.tunnels].some((other) => other.dpPort === port.dpPort)) {
          datapath.removePort(port.dpPort);
          datapath.updateTunnelEnds();
          this.#c.unbindTunnel?.(port.dpPort);
        }
      } else if (port.dpPort !== undefined) datapath.removePort(port.dpPort);
      this.#c.log.info(`bridge ${held.name}: deleted interface ${iface.name} on port ${port.ofport}`);
    }
    iface.netdev?.close(keep);
  }

  // Ports (bundles), addresses, mirrors.

  #configureBundles(held: ManagedBridge, row: BridgeRow): void {
    const { db } = this.#c;
    const { bridge } = held;
    const wanted = new Set<string>();
    const rows = row.ports.map((uuid) => db.table("Port").get(uuid)).filter((port) => port !== undefined);
    rows.sort((a, b) => (a.name === held.name ? -1 : b.name === held.name ? 1 : a.name < b.name ? -1 : 1));
    for (const port of rows) {
      wanted.add(port.name);
      const settings = vlanOf(port);
      const ports: OfPort[] = [];
      for (const uuid of port.interfaces) {
        const name = db.table("Interface").get(uuid)?.name;
        const ofPort = name === undefined ? undefined : held.interfaces.get(name)?.port;
        if (ofPort !== undefined) ports.push(ofPort);
      }
      let bundle = bridge.bundles.get(port.name);
      if (bundle === undefined) {
        bundle = { name: port.name, bridge, ports, ...settings, srcMirrors: 0, dstMirrors: 0, mirrorOut: 0 };
        bridge.bundles.set(port.name, bundle);
      } else {
        const before = `${bundle.vlanMode} ${bundle.tag} ${[...(bundle.trunks ?? [])].join()}`;
        Object.assign(bundle, settings, { ports });
        if (before !== `${bundle.vlanMode} ${bundle.tag} ${[...(bundle.trunks ?? [])].join()}`) bridge.macs.flush();
      }
      for (const ofPort of ports) ofPort.bundle = bundle;
    }
    for (const [name, bundle] of [...bridge.bundles]) {
      if (wanted.has(name)) continue;
      bridge.macs.forgetPort(bundle);
      bridge.bundles.delete(name);
    }
  }

  /** The bridge's address: asked for, or the lowest of its ports' that is globally administered, or a random one. */
  #chooseMac(held: ManagedBridge, row: BridgeRow): void {
    const local = held.bridge.local;
    let mac = hwaddrOf(row);
    if (mac === undefined) {
      for (const port of held.bridge.ports.values()) {
        if (port.kind !== "device" || port.mac === 0) continue;
        const first = Math.floor(port.mac / 2 ** 40);
        if ((first & 3) !== 0) continue;
        if (mac === undefined || port.mac < mac) mac = port.mac;
      }
      mac ??= held.defaultMac;
    }
    const localRow = [...this.#c.db.table("Interface").rows()].find((iface) => iface.name === held.name);
    const own = localRow?.mac === undefined ? undefined : parseMac(localRow.mac);
    held.mac = mac;
    const id = datapathIdOf(row) ?? BigInt(mac);
    if (id !== held.bridge.datapathId) this.#c.log.info(`bridge ${held.name}: using datapath ID ${formatDatapathId(id)}`);
    held.bridge.datapathId = id;
    if (local?.netdev !== undefined) {
      local.mac = own ?? mac;
      local.netdev.setMac(formatMac(macOf(local.mac)));
    }
  }

  #configureMirrors(held: ManagedBridge, row: BridgeRow): void {
    const { db } = this.#c;
    const { bridge } = held;
    const byUuid = new Map<Uuid, Bundle>();
    for (const uuid of row.ports) {
      const port = db.table("Port").get(uuid);
      const bundle = port === undefined ? undefined : bridge.bundles.get(port.name);
      if (bundle !== undefined) byUuid.set(uuid, bundle);
    }
    const old = bridge.mirrors;
    const mirrors: MirrorConfig[] = [];
    for (const bundle of bridge.bundles.values()) {
      bundle.srcMirrors = 0;
      bundle.dstMirrors = 0;
      bundle.mirrorOut = 0;
    }
    for (const uuid of row.mirrors) {
      const mirror = db.table("Mirror").get(uuid);
      if (mirror === undefined) continue;
      const index = mirrors.length;
      if (index >= 32) {
        this.#c.log.warn(`bridge ${held.name}: maximum of 32 port mirrors reached, cannot create ${mirror.name}`);
        continue;
      }
      const bit = 1 << index;
      const out = mirror.output_port === undefined ? undefined : byUuid.get(mirror.output_port);
      const outVlan = mirror.output_vlan === undefined ? undefined : Number(mirror.output_vlan);
      if (out === undefined && outVlan === undefined) {
        this.#c.log.err(`bridge ${held.name}: mirror ${mirror.name} does not specify output; ignoring`);
        continue;
      }
      const before = old.find((other) => other.name === mirror.name);
      mirrors.push({
        index,
        name: mirror.name,
        vlans: mirror.select_vlan.length > 0 ? new Set(mirror.select_vlan.map(Number)) : undefined,
        out,
        outVlan: out === undefined ? outVlan : undefined,
        snaplen: mirror.snaplen === undefined ? 0 : Number(mirror.snaplen),
        packets: before?.packets ?? 0,
        bytes: before?.bytes ?? 0,
      });
      const all =
        mirror.select_all ||
        (mirror.select_src_port.length === 0 && mirror.select_dst_port.length === 0 && mirror.select_vlan.length > 0);
      const src = new Set(mirror.select_src_port);
      const dst = new Set(mirror.select_dst_port);
      for (const [portUuid, bundle] of byUuid) {
        if (all || src.has(portUuid)) bundle.srcMirrors |= bit;
        if (all || dst.has(portUuid)) bundle.dstMirrors |= bit;
        if (bundle === out) bundle.mirrorOut |= bit;
      }
    }
    bridge.mirrors = mirrors;
  }
}
