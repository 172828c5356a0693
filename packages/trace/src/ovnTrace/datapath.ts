/** Datapaths, ports and groups as a trace sees them. A datapath's contents are read when they are first asked for. */
import type { Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";

export interface TracePort {
  readonly row: SbRow<"Port_Binding">;
  readonly name: string;
  readonly friendly: string;
  readonly type: string;
  readonly tunnelKey: number;
  readonly datapath: TraceDatapath;
}

export interface TraceGroup {
  readonly name: string;
  readonly tunnelKey: number;
  readonly ports: readonly TracePort[];
}

/** What a datapath has. */
export interface Contents {
  readonly ports: ReadonlyMap<string, TracePort>;
  readonly portsByKey: ReadonlyMap<number, TracePort>;
  readonly groups: ReadonlyMap<string, TraceGroup>;
  readonly groupsByKey: ReadonlyMap<number, TraceGroup>;
}

export class TraceDatapath {
  readonly uuid: Uuid;
  /** The uuid of the northbound switch or router; that of the datapath where it is not known. */
  readonly name: string;
  readonly friendly: string;
  readonly names: readonly string[];
  readonly tunnelKey: number;
  readonly #read: (datapath: TraceDatapath) => Contents;
  #contents: Contents | undefined;

  constructor(row: SbRow<"Datapath_Binding">, read: (datapath: TraceDatapath) => Contents) {
    const ids = row.external_ids;
    const north = row.nb_uuid ?? ids.get("logical-switch") ?? ids.get("logical-router");
    this.uuid = row._uuid;
    this.name = north ?? row._uuid;
    this.friendly = ids.get("name2") ?? ids.get("name") ?? north ?? row._uuid;
    this.names = [ids.get("name2"), ids.get("name")].filter((name) => name !== undefined);
    this.tunnelKey = Number(row.tunnel_key);
    this.#read = read;
  }

  get contents(): Contents {
    this.#contents ??= this.#read(this);
    return this.#contents;
  }

  get ports(): ReadonlyMap<string, TracePort> {
    return this.contents.ports;
  }

  get portsByKey(): ReadonlyMap<number, TracePort> {
    return this.contents.portsByKey;
  }

  get groups(): ReadonlyMap<string, TraceGroup> {
    return this.contents.groups;
  }

  get groupsByKey(): ReadonlyMap<number, TraceGroup> {
    return this.contents.groupsByKey;
  }

  /** Centralised on one chassis: has a port of type l3gateway. */
  get isGateway(): boolean {
    return [...this.ports.values()].some(({ type }) => type === "l3gateway");
  }
}
