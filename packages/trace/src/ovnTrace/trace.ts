/** Follows a packet through the logical networks (ovn-trace(8)). */
import { evaluateNode, formatActions, type LogicalAction, type Pipeline } from "@weft/logical";
import { execute } from "./actions.ts";
import type { TraceDatapath, TraceFlow, TraceModel, TracePort } from "./model.ts";
import { append, type TraceNode } from "./node.ts";
import { copyPacket, get, type Packet, set } from "./packet.ts";

export interface TraceOptions {
  /** ct_state of successive connection tracking actions; after the last: established and tracked. */
  readonly ctStates: readonly number[];
  readonly lbDestination?: { readonly family: 4 | 6; readonly ip: bigint; readonly port: number };
  readonly selectId?: number;
  readonly friendlyNames: boolean;
  /** A number in [0, bound), for choices that the options leave open. */
  choose(bound: number): number;
  /** The OpenFlow flows of a logical flow, as lines, for --ovs. */
  openflow?(cookie: number): readonly string[];
}

/** Pipelines that a packet may run through before a trace is given up: logical networks can have loops. */
const MAX_DEPTH = 64;

/** One pass through a datapath's pipeline. */
export interface Context {
  readonly datapath: TraceDatapath;
  readonly pipeline: Pipeline;
  readonly table: number;
  readonly packet: Packet;
}

export class Tracer {
  readonly model: TraceModel;
  readonly options: TraceOptions;
  #ctUsed = 0;
  #depth = 0;

  constructor(model: TraceModel, options: TraceOptions) {
    this.model = model;
    this.options = options;
  }

  /** The trace of a packet that enters `datapath` through its ingress pipeline. */
  run(datapath: TraceDatapath, packet: Packet): TraceNode[] {
    const root: TraceNode[] = [];
    this.ingress(datapath, packet, root);
    return root;
  }

  /** The next connection state, and what to say about where it is from. */
  nextCtState(): { readonly state: number; readonly comment: string } {
    const given = this.options.ctStates[this.#ctUsed];
    if (given === undefined) return { state: CT_DEFAULT, comment: " /* default (use --ct to customize) */" };
    this.#ctUsed++;
    return { state: given, comment: "" };
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
      const port = this.model.ports.get(name);
      return port === undefined ? whole : `"${port.friendly}"`;
    });
  }

  // ---- pipelines

  ingress(datapath: TraceDatapath, packet: Packet, out: TraceNode[]): void {
    const inport = this.keyName(datapath, Number(get(packet, "reg14")));
    const node = append(out, "pipeline", `ingress(dp="${this.datapathName(datapath)}", inport="${inport}")`);
    this.table({ datapath, pipeline: "ingress", table: 0, packet }, node.children);
  }

  /** The egress pipeline towards `outport`, from its first table on. */
  egress(datapath: TraceDatapath, packet: Packet, out: TraceNode[], indented = false): TraceNode {
    const inport = this.keyName(datapath, Number(get(packet, "reg14")));
    const outport = this.keyName(datapath, Number(get(packet, "reg15")));
    const text = `egress(dp="${this.datapathName(datapath)}", inport="${inport}", outport="${outport}")`;
    return append(out, "pipeline", text, indented);
  }

  /** Looks the packet up in a table and executes what it finds. */
  table(context: Context, out: TraceNode[]): void {
    if (this.#depth >= MAX_DEPTH * 40) {
      append(out, "error", "*** trace is too deep, perhaps a loop");
      return;
    }
    this.#depth++;
    const { datapath, pipeline, table, packet } = context;
    const flows = this.model.flows(datapath, pipeline, table);
    const scope = {
      lookupPort: (name: string) => this.model.keyOf(datapath, name),
      resident: (name: string) => this.model.resident(name),
    };
    const flow = flows.find(({ match }) => evaluateNode(match, packet.key, scope));
    const number = String(table).padStart(2);
    if (flow === undefined) {
      const stage = flows[0]?.row.external_ids.get("stage-name");
      append(out, "table", `${number}. ${stage === undefined ? "" : `${stage}: `}no match (implicit drop)`, true);
    } else if (isTrivial(flow, context)) this.table({ ...context, table: table + 1 }, out);
    else {
      const node = append(out, "table", this.#flowText(flow, number));
      this.#openflow(flow, node);
      this.runActions(flow.actions, context, node.children);
    }
    this.#depth--;
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
    for (const line of lines.length === 0 ? ["*** no OpenFlow flows"] : lines) append(node.children, "action", line);
  }

  /** Executes actions in turn; no actions are a drop. */
  runActions(actions: readonly LogicalAction[], context: Context, out: TraceNode[]): void {
    if (actions.length === 0) append(out, "action", "drop;");
    for (const action of actions) {
      append(out, "action", this.friendly(formatActions([action])));
      execute(this, action, context, out);
    }
  }

  // ---- delivery

  /** `output`: into the egress pipeline, or out of it. */
  output(context: Context, out: TraceNode[]): void {
    const { datapath, packet } = context;
    const key = Number(get(packet, "reg15"));
    if (key === 0) {
      append(out, "error", "*** output to null logical port");
      return;
    }
    if (context.pipeline === "egress") {
      this.#deliver(context, key, out);
      return;
    }
    const group = datapath.groupsByKey.get(key);
    if (group !== undefined) {
      const text = `multicast(dp="${this.datapathName(datapath)}", mcgroup="${group.name}")`;
      const node = append(out, "pipeline", text);
      for (const port of group.ports) {
        const copy = copyPacket(packet);
        set(copy, "reg15", port.tunnelKey);
        this.#toPort(datapath, copy, node.children, true);
      }
      return;
    }
    const port = datapath.portsByKey.get(key);
    if (port === undefined) {
      append(out, "error", `*** unknown port or multicast group (${key})`);
      return;
    }
    const copy = copyPacket(packet);
    if (port.distributed !== undefined) {
      const { name } = port.distributed;
      append(
        out,
        "output",
        `/* Replacing type "${port.type}" outport "${this.portName(port)}" with distributed port "${name}". */`,
      );
      set(copy, "reg15", port.distributed.tunnelKey);
    }
    this.#toPort(datapath, copy, out, false);
  }

  #toPort(datapath: TraceDatapath, packet: Packet, out: TraceNode[], multicast: boolean): void {
    const loops = get(packet, "reg14") === get(packet, "reg15") && (get(packet, "reg10") & 1n) === 0n;
    const omitted = "/* omitting output because inport == outport && !flags.loopback */";
    if (loops && !multicast) {
      append(out, "output", omitted);
      return;
    }
    const node = this.egress(datapath, packet, out, multicast && !loops);
    if (loops) {
      append(node.children, "output", omitted);
      return;
    }
    clearRegisters(packet);
    this.table({ datapath, pipeline: "egress", table: 0, packet }, node.children);
  }

  #deliver({ datapath, packet }: Context, key: number, out: TraceNode[]): void {
    const port = datapath.portsByKey.get(key);
    if (port === undefined) {
      append(out, "error", `*** unknown port ${key}`);
      return;
    }
    append(out, "output", `/* output to "${this.portName(port)}", type "${port.type}" */`);
    const { peer } = port;
    if (peer === undefined) {
      append(out, "modify", `output("${this.portName(port)}")`);
      return;
    }
    const copy = copyPacket(packet);
    clearRegisters(copy);
    for (const name of ["reg10", "reg15"]) set(copy, name, 0n);
    set(copy, "reg14", peer.tunnelKey);
    this.ingress(peer.datapath, copy, out);
  }
}

/** est|trk. */
const CT_DEFAULT = 0x22;

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
