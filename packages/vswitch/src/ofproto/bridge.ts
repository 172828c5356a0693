/**
 * A bridge's OpenFlow switch ("ofproto"): flow tables, groups, meters, ports, MAC learning and mirrors. It knows nothing of
 * databases, connections or packets; {@link Datapath} carries packets, `flow-mods.ts` changes the tables.
 */
import { type Action, type FlowRemovedReason, OFPP, TlvMap } from "@weft/openflow";
import type { Datapath } from "../datapath/datapath.ts";
import { FlowTable } from "./flow-table.ts";
import type { Group } from "./group.ts";
import { MacTable } from "./mac-table.ts";
import type { Meter } from "./meter.ts";
import type { Bundle, MirrorConfig, OfPort } from "./port.ts";
import type { Rule } from "./rule.ts";

/** Tables 0 to 253 are the controller's, 254 is the switch's own; 255 means "all". */
export const TABLES = 255;
export const HIDDEN_TABLE = 254;

/** What the owner of a bridge (its OpenFlow connections) hears of. */
export interface BridgeEvents {
  /** `before`: the actions that it, or the one that it replaces, had. */
  flowAdded(rule: Rule, before: readonly Action[] | undefined): void;
  flowModified(rule: Rule, before: readonly Action[]): void;
  flowRemoved(rule: Rule, reason: FlowRemovedReason): void;
  packetIn(event: PacketInEvent): void;
  portChanged(port: OfPort, reason: "add" | "delete" | "modify"): void;
}

/** A packet for controllers, before the format of a connection is known. */
export interface PacketInEvent {
  readonly packet: Uint8Array;
  readonly maxLen: number;
  /** OFPR_ number as in OpenFlow 1.5. */
  readonly reason: number;
  readonly table: number;
  readonly cookie: bigint;
  /** The packet's key when it was sent: metadata and registers. */
  readonly key: Int32Array;
  readonly userdata: Uint8Array;
  readonly controllerId: number;
  /** The pipeline stops here until a controller resumes it. */
  readonly frozen: import("../xlate/freeze.ts").FrozenState | undefined;
  /** Where the packet came in, as the datapath numbers its ports. */
  readonly datapathPort: number;
}

export class Bridge {
  readonly name: string;
  readonly datapath: Datapath;
  readonly uuid: string;
  readonly tables: readonly FlowTable[];
  readonly groups = new Map<number, Group>();
  readonly meters = new Map<number, Meter>();
  readonly ports = new Map<number, OfPort>();
  readonly portsByName = new Map<string, OfPort>();
  readonly bundles = new Map<string, Bundle>();
  mirrors: MirrorConfig[] = [];
  readonly macs = new MacTable<Bundle>();
  tlv: TlvMap = TlvMap.EMPTY;
  /** 64 bits. */
  datapathId = 0n;
  failMode: "secure" | "standalone" = "standalone";
  /** BPDU and other reserved multicast are forwarded by NORMAL only if asked (other-config:forward-bpdu). */
  forwardBpdu = false;
  fragments: "normal" | "drop" | "reassemble" | "nx-match" = "normal";
  invalidTtlToController = false;
  missSendLength = 0;
  /** A controller of OpenFlow below 1.3 is connected, so that table misses go to it. */
  wantsMisses = false;
  events: BridgeEvents | undefined;

  constructor(datapath: Datapath, name: string, uuid: string) {
    this.datapath = datapath;
    this.name = name;
    this.uuid = uuid;
    this.tables = Array.from({ length: TABLES }, (_, id) => new FlowTable(id));
  }

  get local(): OfPort | undefined {
    return this.ports.get(OFPP.LOCAL);
  }

  /** Forwarding may have changed: cached flows must be looked at again. */
  changed(): void {
    this.datapath.invalidate();
  }

  addPort(port: OfPort): void {
    this.ports.set(port.ofport, port);
    this.portsByName.set(port.name, port);
    this.changed();
    this.events?.portChanged(port, "add");
  }

  removePort(port: OfPort): void {
    this.ports.delete(port.ofport);
    this.portsByName.delete(port.name);
    this.changed();
    this.events?.portChanged(port, "delete");
  }

  /** The number of a port by OpenFlow name, "LOCAL" or number; undefined for none. */
  portName(ofport: number): string | undefined {
    return this.ports.get(ofport)?.name;
  }
}
