/**
 * A switch without database, devices or connections: bridges with ports by name, and flows in ovs-ofctl's syntax. For tests, and for
 * tracing the flows of a switch elsewhere.
 */
import { type GroupDescription, type MeterConfig, OFPP, parseFlowMod } from "@weft/openflow";
import type { Clock, Logger } from "@weft/runtime";
import { Datapath, type DatapathOptions } from "./datapath/datapath.ts";
import { Bridge } from "./ofproto/bridge.ts";
import { FlowMods } from "./ofproto/flow-mods.ts";
import { groupMod } from "./ofproto/group.ts";
import { meterMod } from "./ofproto/meter.ts";
import { type Bundle, newBundle, type OfPort, type TunnelConfig } from "./ofproto/port.ts";
import { bridgeNames } from "./xlate/text.ts";

export interface MemoryPort {
  readonly name: string;
  readonly ofport: number;
  /** Name of the patch port on the other side. */
  readonly peer?: string;
  readonly tunnel?: TunnelConfig;
  /** The datapath's number; allocated by default. */
  readonly dpPort?: number | undefined;
  readonly vlanMode?: Bundle["vlanMode"];
  readonly tag?: number;
  readonly trunks?: readonly number[];
  readonly mac?: number | undefined;
}

export interface MemoryBridge {
  readonly name: string;
  /** The datapath's number of its LOCAL port; allocated by default. */
  readonly dpPort?: number | undefined;
  readonly mac?: number | undefined;
  readonly ports: readonly MemoryPort[];
  readonly failMode?: Bridge["failMode"];
}

/** What leaves by a datapath port. */
export type OnSend = (port: string, frame: Uint8Array) => void;

export class MemorySwitch {
  readonly datapath: Datapath;

  constructor(options: {
    readonly clock: Clock;
    readonly log: Logger;
    readonly onSend?: OnSend;
    readonly nativeTunnels?: boolean;
    readonly datapath?: Partial<DatapathOptions>;
  }) {
    this.datapath = new Datapath({
      clock: options.clock,
      log: options.log,
      dummy: true,
      nativeTunnels: options.nativeTunnels ?? true,
      ...options.datapath,
    });
    const { onSend } = options;
    if (onSend !== undefined) {
      const { datapath } = this;
      datapath.send = (port, frame) => onSend(datapath.portName(port), frame);
    }
  }

  addBridge(spec: MemoryBridge): Bridge {
    const { datapath } = this;
    const bridge = new Bridge(datapath, spec.name, spec.name);
    bridge.failMode = spec.failMode ?? "secure";
    datapath.bridges.set(spec.name, bridge);
    const { name, dpPort, mac } = spec;
    this.addPort(bridge, { name, ofport: OFPP.LOCAL, dpPort, mac });
    for (const port of spec.ports) this.addPort(bridge, port);
    return bridge;
  }

  addPort(bridge: Bridge, spec: MemoryPort): OfPort {
    const { datapath } = this;
    const kind =
      spec.ofport === OFPP.LOCAL ? "local" : spec.peer !== undefined ? "patch" : spec.tunnel !== undefined ? "tunnel" : "device";
    let dpPort: number | undefined;
    if (kind === "tunnel" && spec.tunnel !== undefined) {
      const { protocol, dstPort } = spec.tunnel;
      dpPort = spec.dpPort ?? (dstPort === 0 ? datapath.allocatePort(`${protocol}_sys`) : dstPort);
      if (!datapath.ports.has(dpPort)) {
        const name = dstPort === 0 ? `${protocol}_sys` : `${protocol === "geneve" ? "genev" : "vxlan"}_sys_${dstPort}`;
        datapath.addPort({ number: dpPort, name, type: protocol, netdev: undefined, tunnel: { protocol, udpPort: dstPort } });
      }
    } else if (kind !== "patch") {
      dpPort = datapath.allocatePort(spec.name, spec.dpPort);
      datapath.addPort({ number: dpPort, name: spec.name, type: "dummy", netdev: undefined, tunnel: undefined });
    }
    const bundle: Bundle = {
      ...newBundle(spec.name, bridge),
      vlanMode: spec.vlanMode ?? (spec.tag === undefined ? "trunk" : "access"),
      tag: spec.tag ?? 0,
      trunks: spec.trunks === undefined ? undefined : new Set(spec.trunks),
    };
    const port: OfPort = {
      bridge,
      name: spec.name,
      ofport: spec.ofport,
      kind,
      netdev: undefined,
      dpPort,
      tunnel: spec.tunnel,
      peerName: spec.peer,
      mac: spec.mac ?? 0,
      config: 0,
      up: true,
      carrier: true,
      bundle,
      bfd: undefined,
      counters: { rxPackets: 0, rxBytes: 0, txPackets: 0, txBytes: 0 },
      created: datapath.now(),
      type: kind,
      options: new Map(),
    };
    bundle.ports = [port];
    bridge.bundles.set(spec.name, bundle);
    bridge.addPort(port);
    datapath.bind(port);
    return port;
  }

  /** Adds flows in ovs-ofctl's syntax, one a line; empty lines and comments are skipped. Throws what the parser or the table throws. */
  addFlows(bridge: Bridge, text: string): void {
    const names = bridgeNames(bridge);
    const mods = new FlowMods(bridge);
    for (const line of text.split("\n")) {
      const flow = line.replace(/#.*/, "").trim();
      if (flow === "") continue;
      mods.apply(parseFlowMod(flow, "add", { names }));
    }
  }

  addGroup(bridge: Bridge, group: GroupDescription): void {
    groupMod(bridge, { type: "group_mod", command: "add", commandBucket: 0, ...group }, this.datapath.now(), () => undefined);
  }

  addMeter(bridge: Bridge, meter: MeterConfig): void {
    meterMod(bridge, { type: "meter_mod", command: "add", ...meter }, this.datapath.now(), () => undefined);
  }
}
