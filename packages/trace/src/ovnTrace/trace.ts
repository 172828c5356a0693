/** Follows a packet through the logical networks (ovn-trace(8)). */
import { evaluateNode, formatActions, type LogicalAction, type Pipeline } from "@weft/logical";
import { execute } from "./actions.ts";
import type { TraceDatapath, TracePort } from "./datapath.ts";
import { type ExtendedOptions, Learned } from "./extended.ts";
import type { TraceFlow } from "./flows.ts";
import type { TraceModel } from "./model.ts";
import { append, type TraceNode } from "./node.ts";
import { copyPacket, get, type Packet, set } from "./packet.ts";

export interface TraceOptions {
  /** ct_state of successive connection tracking actions; after the last: established and tracked. */
  readonly ctStates: readonly number[];
  readonly lbDestination?: { readonly family: 4 | 6; readonly ip: bigint; readonly port: number };
  readonly selectId?: number;
  readonly friendlyNames: boolean;
  /** Carries out what ovn-trace(8) leaves out; undefined: the reference's text. */
  readonly extended?: ExtendedOptions;
  /** A number in [0, bound), for choices that the options leave open. */
  choose(bound: number): number;
  /** The OpenFlow flows of a logical flow, as lines, for --ovs. */
  openflow?(cookie: number): readonly string[];
}

/** Tables that a packet may be looked up in before the trace is given up: logical networks can have loops without an end. */
const MAX_LOOKUPS = 200_000;
/** Actions that a packet may be within, each of which makes another packet. */
const MAX_NESTED = 300;
const GIVEN_UP = "*** the trace is given up: the packet seems to go in a loop";

/** One pass through a datapath's pipeline. */
export interface Context {
  readonly datapath: TraceDatapath;
  readonly pipeline: Pipeline;
  readonly table: number;
  readonly packet: Packet;
}

/** Where a packet goes on. The last action of a flow leaves that to the one who looked the flow up, so that long ways need no deep stack. */
export interface Continuation {
  readonly context: Context;
  readonly out: TraceNode[];
}

export class Tracer {
  readonly model: TraceModel;
  readonly options: TraceOptions;
  readonly learned = new Learned();
  #ctUsed = 0;
  #lookups = 0;
  #nested = 0;

  constructor(model: TraceModel, options: TraceOptions) {
    this.model = model;
    this.options = options;
  }

  /** The trace of a packet that enters `datapath` through its ingress pipeline. */
  run(datapath: TraceDatapath, packet: Packet): TraceNode[] {
    const root: TraceNode[] = [];
    this.follow(this.ingress(datapath, packet, root));
    return root;
  }

  /** The next connection state, and what to say about where it is from. */
  nextCtState(): { readonly state: number; readonly comment: string } {
    const given = this.options.ctStates[this.#ctUsed];
    if (given === undefined) return { state: CT_DEFAULT, comment: " /* default (use --ct to customize) */" };
    this.#ctUsed++;
    return { state: given, comment: "" };
  }

  // ---- neighbours: what the database has, and with `extended` what was learned on the way

  macBinding(port: TracePort, ip: string): string | undefined {
    return this.learned.mac(port, ip) ?? this.model.macBinding(port, ip);
  }

  fdb(datapath: TraceDatapath, mac: string): number | undefined {
    return this.learned.fdb(datapath, mac) ?? this.model.fdb(datapath, mac);
  }

  // ---- names

  datapathName(datapath: TraceDatapath): string {
    return this.options.friendlyNames ? datapath.friendly : datapath.name;
  }

  portName(port: TracePort): string {
    return this.options.friendlyNames ? port.friendly : port.name;
  }

  /** The name of a port or group by its key, "" for none; unknown keys as numbers. */
  keyName(datapath: TraceDatapath, key: number): string {
    if (key === 0) return "";
    const port = datapath.portsByKey.get(key);
    if (port !== undefined) return this.portName(port);
    return datapath.groupsByKey.get(key)?.name ?? `(0x${key.toString(16)})`;
  }

  /** Replaces the names of ports in quotes by friendlier ones. */
  friendly(text: string): string {
    if (!this.options.friendlyNames || !text.includes('"')) return text;
    return text.replace(/"([^"\\]+)"/g, (whole, name: string) => {
      const friendly = this.model.friendlyName(name);
      return friendly === undefined ? whole : `"${friendly}"`;
    });
  }

  // ---- pipelines

  ingress(datapath: TraceDatapath, packet: Packet, out: TraceNode[]): Continuation {
    const inport = this.keyName(datapath, Number(get(packet, "reg14")));
    const node = append(out, "pipeline", `ingress(dp="${this.datapathName(datapath)}", inport="${inport}")`);
    return { context: { datapath, pipeline: "ingress", table: 0, packet }, out: node.children };
  }

  /** The egress pipeline towards `outport`, from its first table on. */
  egress(datapath: TraceDatapath, packet: Packet, out: TraceNode[], indented = false): TraceNode {
    const inport = this.keyName(datapath, Number(get(packet, "reg14")));
    const outport = this.keyName(datapath, Number(get(packet, "reg15")));
    const text = `egress(dp="${this.datapathName(datapath)}", inport="${inport}", outport="${outport}")`;
    return append(out, "pipeline", text, indented);
  }

  /** Goes on from table to table until the packet's way ends. */
  follow(from: Continuation | undefined): void {
    for (let at = from; at !== undefined; ) at = this.#lookUp(at);
  }

  /** Looks the packet up in a table and executes what it finds. */
  #lookUp({ context, out }: Continuation): Continuation | undefined {
    if (++this.#lookups > MAX_LOOKUPS) {
      append(out, "error", GIVEN_UP);
      return undefined;
    }
    const { datapath, pipeline, table, packet } = context;
    const flows = this.model.flows(datapath, pipeline, table);
    const scope = {
      lookupPort: (name: string) => this.model.keyOf(datapath, name),
      resident: (name: string) => this.model.resident(name),
    };
    const flow = flows.find((one) => one.isFor((match) => evaluateNode(match, packet.key, scope)));
    const number = String(table).padStart(2);
    if (flow === undefined) {
      const stage = flows[0]?.row.external_ids.get("stage-name");
      append(out, "table", `${number}. ${stage === undefined ? "" : `${stage}: `}no match (implicit drop)`, true);
      return undefined;
    }
    if (isTrivial(flow, context)) return { context: { ...context, table: table + 1 }, out };
    const node = append(out, "table", this.#flowText(flow, number));
    this.#openflow(flow, node);
    return this.#actions(flow.actions, context, node.children);
  }

  #flowText({ row }: TraceFlow, number: string): string {
    const ids = row.external_ids;
    const stage = ids.get("stage-name");
    const source = ids.get("source");
    const where = `${stage ?? ""}${source === undefined ? "" : `${stage === undefined ? "" : " "}(${source})`}`;
    const match = this.friendly(row.match);
    const prefix = where === "" ? "" : `${where}: `;
    return `${number}. ${prefix}${match}, priority ${row.priority}, uuid ${row._uuid.slice(0, 8)}`;
  }

  #openflow({ row }: TraceFlow, node: TraceNode): void {
    const lines = this.options.openflow?.(Number.parseInt(row._uuid.slice(0, 8), 16));
    if (lines === undefined) return;
    for (const line of lines) append(node.children, "action", line);
    if (lines.length === 0) append(node.children, "error", "*** no OpenFlow flows");
  }

  /** Executes the actions of a nested list in turn, and what they lead to; no actions are a drop. */
  runActions(actions: readonly LogicalAction[], context: Context, out: TraceNode[]): void {
    if (this.#nested === MAX_NESTED) {
      append(out, "error", GIVEN_UP);
      return;
    }
    this.#nested++;
    this.follow(this.#actions(actions, context, out));
    this.#nested--;
  }

  #actions(actions: readonly LogicalAction[], context: Context, out: TraceNode[]): Continuation | undefined {
    if (actions.length === 0) append(out, "action", "drop;");
    let next: Continuation | undefined;
    for (const action of actions) {
      this.follow(next);
      append(out, "action", this.friendly(formatActions([action])));
      next = execute(this, action, context, out);
    }
    return next;
  }

  // ---- delivery

  /** `output`: into the egress pipeline, or out of it. */
  output(context: Context, out: TraceNode[]): Continuation | undefined {
    const { datapath, packet } = context;
    const key = Number(get(packet, "reg15"));
    if (key === 0) {
      append(out, "error", "*** output to null logical port");
      return undefined;
    }
    if (context.pipeline === "egress") return this.#deliver(context, key, out);
    const group = datapath.groupsByKey.get(key);
    // the members of a group share one copy: what one of them does to it, the next one sees
    const copy = copyPacket(packet);
    const loopback = (get(packet, "reg10") & 1n) === 1n;
    clearRegisters(copy);
    // flags are for the egress pipeline to set, whose flags the next datapath's ingress sees
    set(copy, "reg10", 0n);
    if (group !== undefined) {
      const text = `multicast(dp="${this.datapathName(datapath)}", mcgroup="${group.name}")`;
      const node = append(out, "pipeline", text);
      for (const port of group.ports) {
        set(copy, "reg15", port.tunnelKey);
        this.follow(this.#toPort(datapath, copy, loopback, node.children, true));
      }
      return undefined;
    }
    const port = datapath.portsByKey.get(key);
    if (port === undefined) {
      append(out, "error", `*** unknown port or multicast group (${key})`);
      return undefined;
    }
    const distributed = this.model.distributedOf(port);
    if (distributed !== undefined) {
      const { name } = distributed;
      append(
        out,
        "output",
        `/* Replacing type "${port.type}" outport "${this.portName(port)}" with distributed port "${name}". */`,
      );
      set(copy, "reg15", distributed.tunnelKey);
    }
    return this.#toPort(datapath, copy, loopback, out, false);
  }

  #toPort(
    datapath: TraceDatapath,
    packet: Packet,
    loopback: boolean,
    out: TraceNode[],
    multicast: boolean,
  ): Continuation | undefined {
    const loops = get(packet, "reg14") === get(packet, "reg15") && !loopback;
    const omitted = "/* omitting output because inport == outport && !flags.loopback */";
    if (loops && !multicast) {
      append(out, "output", omitted);
      return undefined;
    }
    const node = this.egress(datapath, packet, out, multicast && !loops);
    if (loops) {
      append(node.children, "output", omitted);
      return undefined;
    }
    return { context: { datapath, pipeline: "egress", table: 0, packet }, out: node.children };
  }

  #deliver({ datapath, packet }: Context, key: number, out: TraceNode[]): Continuation | undefined {
    const port = datapath.portsByKey.get(key);
    if (port === undefined) {
      append(out, "error", `*** unknown port ${key}`);
      return undefined;
    }
    append(out, "output", `/* output to "${this.portName(port)}", type "${port.type}" */`);
    const peer = this.model.peerOf(port);
    if (peer === undefined) {
      append(out, "modify", `output("${this.portName(port)}")`);
      return undefined;
    }
    const copy = copyPacket(packet);
    clearRegisters(copy);
    set(copy, "reg15", 0n);
    set(copy, "reg14", peer.tunnelKey);
    return this.ingress(peer.datapath, copy, out);
  }
}

/** est|trk. */
const CT_DEFAULT = 0x22;

/** Registers do not outlive a pipeline. */
function clearRegisters(packet: Packet): void {
  for (let i = 0; i < 10; i++) set(packet, `reg${i}`, 0n);
}

/** Flows that match everything and go on to the next table are not worth a line. */
function isTrivial({ always, actions }: TraceFlow, { pipeline, table }: Context): boolean {
  const [action] = actions;
  return (
    always && actions.length === 1 && action?.kind === "next" && action.to.pipeline === pipeline && action.to.table === table + 1
  );
}
