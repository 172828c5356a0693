/**
 * A switch in memory that has the configuration, the flows and the groups of one elsewhere: our own switch, with its database
 * copied, devices that only tell what is sent, and a recorder of every translation.
 */
import { flowMod, type Message, OF15, OFPP, type PacketIn, TlvMap } from "@weft/openflow";
import { type MemoryReplica, memoryReplica, type Uuid } from "@weft/ovsdb";
import { parseMac } from "@weft/packet";
import { ConfigurableLogBook, type Runtime } from "@weft/runtime";
import { openVSwitch, type VsSchema } from "@weft/schemas";
import {
  type BridgeEvents,
  Continuations,
  createSwitch,
  FlowMods,
  formatDpActions,
  groupMod,
  metadataInto,
  meterMod,
  type Netdev,
  type NetdevProvider,
  NO_STATISTICS,
  packetInMessage,
  type Rule,
  restoreConnection,
  type Switch,
  type Translation,
  type TunnelHost,
} from "@weft/vswitch";
import type { InstalledState } from "../cloud/bridge.ts";
import type { Hypervisor } from "../cloud/cloud.ts";

/** What the outside of a copied switch hears. */
export interface CopyEvents {
  /** `actions`: the datapath's, as text with the devices' names. */
  translated(bridge: string | undefined, made: Translation | undefined, actions: string): void;
  /** A frame leaves by a device; the array is the listener's. */
  sent(device: string, frame: Uint8Array): void;
  toController(bridge: string, packetIn: PacketIn): void;
}

type TunnelReceiver = Parameters<TunnelHost["bindTunnel"]>[1];
export type OuterHeader = Parameters<Awaited<ReturnType<TunnelHost["bindTunnel"]>>["send"]>[1];

export class SwitchCopy {
  readonly hypervisor: Hypervisor;
  readonly #switch: Switch;
  readonly #devices: CopiedDevices;
  readonly #receivers: Map<number, TunnelReceiver>;
  readonly #continuations = new Continuations();

  private constructor(hypervisor: Hypervisor, made: Switch, devices: CopiedDevices, receivers: Map<number, TunnelReceiver>) {
    this.hypervisor = hypervisor;
    this.#switch = made;
    this.#devices = devices;
    this.#receivers = receivers;
  }

  /** `installed`: by bridge. `sendTunnel` is given UDP payloads (Geneve or VXLAN header first). */
  static async of(
    hypervisor: Hypervisor,
    installed: ReadonlyMap<string, InstalledState>,
    events: CopyEvents,
    sendTunnel: (udpPort: number, payload: Uint8Array, outer: OuterHeader) => void,
  ): Promise<SwitchCopy> {
    const { runtime: real } = hypervisor.place;
    // What it would log is not of the switch that it stands for.
    const runtime: Runtime = { ...real, log: new ConfigurableLogBook(real.clock, "trace") };
    const devices = new CopiedDevices((device, frame) => events.sent(device, frame));
    const receivers = new Map<number, TunnelReceiver>();
    const tunnelHost: TunnelHost = {
      async bindTunnel(udpPort, receive) {
        receivers.set(udpPort, receive);
        return {
          send: (payload, outer) => sendTunnel(udpPort, payload, outer),
          close: () => void receivers.delete(udpPort),
        };
      },
    };
    const db = copyDatabase(hypervisor);
    const made = createSwitch({ world: { runtime, providers: [devices], tunnelHost }, db });
    await made.start();
    for (const [name, state] of installed) load(made, name, state);
    recall(made, hypervisor);
    made.datapath.flushFlows();
    made.datapath.recorder = (bridge, translation) =>
      events.translated(bridge?.name, translation, formatDpActions(translation?.actions ?? [], made.datapath.portName));
    const copy = new SwitchCopy(hypervisor, made, devices, receivers);
    for (const bridge of made.bridges.values()) {
      const silent = (): void => undefined;
      bridge.events = {
        flowAdded: silent,
        flowModified: silent,
        flowRemoved: silent,
        portChanged: silent,
        packetIn: (event) => {
          const { frozen, datapathPort } = event;
          const continuation = frozen && copy.#continuations.put(frozen, OF15, datapathPort);
          events.toController(bridge.name, packetInMessage(event, bridge, "nxt_packet_in2", OF15, continuation));
        },
      } satisfies BridgeEvents;
    }
    return copy;
  }

  /** A frame arrives by a device, as from the guest or the wire behind it. False: there is no such device. */
  receive(device: string, frame: Uint8Array): boolean {
    const netdev = this.#devices.opened.get(device);
    if (netdev?.onReceive === undefined) return false;
    netdev.onReceive(frame);
    return true;
  }

  /** A tunnel's UDP payload arrives. False: no tunnel has that port here. */
  receiveTunnel(udpPort: number, payload: Uint8Array, outer: Parameters<TunnelReceiver>[1]): boolean {
    const receive = this.#receivers.get(udpPort);
    receive?.(payload, outer);
    return receive !== undefined;
  }

  /** Does what a controller of a bridge asks for: packets that it sends or lets go on. */
  perform(name: string, message: Message): void {
    const bridge = this.#switch.bridges.get(name);
    if (bridge === undefined) return;
    if (message.type === "packet_out") {
      const { packet, actions, metadata } = message;
      bridge.datapath.runActions(bridge, packet.slice(), actions, (key) => metadataInto(metadata, key, bridge));
    } else if (message.type === "resume") {
      const frozen = this.#continuations.get(message.continuation);
      if (frozen === undefined) return;
      bridge.datapath.resume(frozen, message.packet.slice(), (key) => metadataInto(message.metadata, key, bridge));
    }
  }

  /** Takes away the flows of the bridges that `select` chooses. Returns how many. */
  removeFlows(select: (rule: Rule) => boolean): number {
    let removed = 0;
    for (const bridge of this.#switch.bridges.values()) {
      const mods = new FlowMods(bridge);
      for (const rule of bridge.tables.flatMap((table) => [...table.rules()]).filter(select)) {
        const { table, priority, wire: match } = rule;
        mods.apply(flowMod({ command: "delete_strict", table, priority, match }));
        removed++;
      }
    }
    this.#switch.datapath.flushFlows();
    return removed;
  }

  /** The flows of a table. */
  rules(bridge: string, table: number): Iterable<Rule> {
    return this.#switch.bridges.get(bridge)?.tables[table]?.rules() ?? [];
  }

  stop(): Promise<void> {
    return this.#switch.stop();
  }
}

function load(made: Switch, name: string, { flows, groups, meters, tlv }: InstalledState): void {
  const bridge = made.bridges.get(name);
  if (bridge === undefined) return;
  bridge.tlv = TlvMap.of(tlv);
  const now = made.datapath.now();
  for (const meter of meters) meterMod(bridge, { type: "meter_mod", command: "add", ...meter }, now, () => undefined);
  for (const group of groups)
    groupMod(bridge, { type: "group_mod", command: "add", commandBucket: 0, ...group }, now, () => undefined);
  const mods = new FlowMods(bridge);
  // Without flows of its own a bridge that is no fail-safe forwards as NORMAL: what is installed says all.
  mods.apply(flowMod({ command: "delete" }));
  for (const { table, priority, match, actions, cookie } of flows)
    mods.apply(flowMod({ command: "add", table, priority, match, actions, newCookie: cookie }));
}

/** Gives the copy what the switch has learned: Ethernet addresses and connections. */
function recall({ bridges, datapath }: Switch, { learned }: Hypervisor): void {
  const now = datapath.now();
  for (const { bridge: name, port, vlan, mac } of learned?.macs ?? []) {
    const bridge = bridges.get(name);
    const bundle = bridge?.ports.get(port === "LOCAL" ? OFPP.LOCAL : Number(port))?.bundle;
    const address = parseMac(mac);
    if (bundle !== undefined && address !== undefined) bridge?.macs.learn(vlan, address, bundle, now);
  }
  // The windows of TCP connections are not known.
  datapath.conntracker.sequenceChecks = false;
  for (const line of learned?.connections ?? []) restoreConnection(datapath.conntracker, line, now);
}

/** The hypervisor's database, but for those who would be connected to. */
function copyDatabase({ ovs }: Hypervisor): MemoryReplica<VsSchema> {
  const copy = memoryReplica(openVSwitch, { integrity: false });
  copy.edit((transaction) => {
    for (const table of Object.keys(openVSwitch.tables) as (keyof VsSchema["tables"] & string)[]) {
      if (table === "Controller" || table === "Manager" || table === "SSL") continue;
      for (const row of ovs.table(table).rows()) {
        const { _uuid: uuid, ...columns } = row;
        for (const away of ["controller", "manager_options", "ssl", "netflow", "sflow", "ipfix"])
          Reflect.deleteProperty(columns, away);
        // The flows of the one that it stands for are restored.
        if (table === "Open_vSwitch") {
          const settings = new Map(Reflect.get(row, "other_config") as ReadonlyMap<string, string>);
          settings.delete("flow-restore-wait");
          Reflect.set(columns, "other_config", settings);
        }
        // A copy has nobody to talk BFD to: what is alive now stays so.
        if (Reflect.get(columns, "bfd") !== undefined && isAlive(row)) Reflect.deleteProperty(columns, "bfd");
        transaction.insert(table, columns, uuid as Uuid);
      }
    }
  });
  return copy;
}

/** Whether packets may be sent by an interface, by its own word (ovs-vswitchd.conf.db(5), Interface.bfd_status). */
function isAlive(row: object): boolean {
  const status: unknown = Reflect.get(row, "bfd_status");
  return !(status instanceof Map) || status.get("forwarding") !== "false";
}

/** Devices of whatever name: each is there, is up, and tells what is sent. */
class CopiedDevices implements NetdevProvider {
  readonly types = [
    "system",
    "internal",
    "tap",
    "dummy",
    "dummy-internal",
    "dpdk",
    "dpdkvhostuser",
    "dpdkvhostuserclient",
    "afxdp",
  ];
  readonly opened = new Map<string, Netdev>();
  readonly #sent: (device: string, frame: Uint8Array) => void;

  constructor(sent: (device: string, frame: Uint8Array) => void) {
    this.#sent = sent;
  }

  open(name: string, type: string): Netdev {
    const sent = this.#sent;
    const netdev: Netdev = {
      name,
      type,
      mac: "00:00:00:00:00:00",
      mtu: 65535,
      up: true,
      carrier: true,
      statistics: NO_STATISTICS,
      ifindex: 0,
      setMac: () => undefined,
      setMtu: () => undefined,
      setUp: () => undefined,
      transmit: (frame) => sent(name, frame),
      onReceive: undefined,
      onChange: undefined,
      configure: () => undefined,
      close: () => void this.opened.delete(name),
    };
    this.opened.set(name, netdev);
    return netdev;
  }
}
