/**
 * The way of a packet through a cloud, station by station. These types are what `weft trace --json` prints;
 * docs/trace.schema.json is their schema.
 */
export interface NorthboundRef {
  readonly table: string;
  readonly uuid: string;
  readonly text: string;
}

/** A flow that a packet met in a table of a bridge. */
export interface FlowStep {
  readonly bridge: string;
  readonly table: number;
  /** As `ovs-ofctl dump-flows` prints it, without statistics; absent: no flow matched. */
  readonly flow?: string;
  readonly cookie?: string;
  /** The logical flow's stage, and what it is for: its match and whose it is. */
  readonly stage?: string;
  readonly logicalFlow?: string;
  readonly origin?: string;
  readonly northbound?: NorthboundRef;
  /** Actions of the flow that change the packet itself. */
  readonly changes: readonly string[];
  /** Where a packet was dropped: flows that would have matched but for one field. */
  readonly nearMisses?: readonly NearMiss[];
}

export interface NearMiss {
  readonly flow: string;
  readonly field: string;
  readonly packet: string;
  readonly wanted: string;
  readonly origin?: string;
}

/** `packet` is tcpdump's text, without the time. */
export type Station =
  /** A guest, or a wire, sends it into a device. */
  | { readonly kind: "enters"; readonly node: string; readonly device: string; readonly port?: string; readonly packet: string }
  /** A switch passes it through its tables. `resumed`: after connection tracking or a change of headers. */
  | {
      readonly kind: "switch";
      readonly node: string;
      readonly resumed: boolean;
      readonly flows: readonly FlowStep[];
      readonly datapathActions: string;
      readonly error?: string;
    }
  | {
      readonly kind: "tunnel";
      readonly node: string;
      /** The hypervisor that has the destination address; absent: nobody whom we can look into. */
      readonly to?: string;
      readonly source: string;
      readonly destination: string;
      readonly protocol: "geneve" | "vxlan";
      readonly vni: number;
      /** Logical ingress and egress port keys of Geneve's option. */
      readonly ports?: { readonly ingress: number; readonly egress: number };
      /** Bytes of the outer IP packet. */
      readonly size: number;
    }
  | {
      readonly kind: "physical";
      readonly node: string;
      readonly device: string;
      readonly network: string;
      readonly packet: string;
    }
  | {
      readonly kind: "delivered";
      readonly node: string;
      readonly device: string;
      readonly port?: string;
      readonly packet: string;
    }
  | { readonly kind: "controller"; readonly node: string; readonly bridge: string; readonly by?: FlowStep }
  | { readonly kind: "dropped"; readonly node: string; readonly reason: string; readonly by?: FlowStep };
