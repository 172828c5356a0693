/**
 * What ovn-trace(8) leaves out, carried out on demand (--extended): actions that depend on the packet's size, on chance, or on
 * state that a switch learns. Such state is made by the trace itself, as it goes, and forgotten with it. Source: ovn-sb(5).
 */
import { formatInteger, type LogicalAction, type LogicalActionOf, subfieldOf } from "@weft/logical";
import { ETH_TYPE } from "@weft/openflow";
import type { TraceDatapath, TracePort } from "./datapath.ts";
import { append, type TraceNode } from "./node.ts";
import { copyPacket, get, type Packet, read, set, setBits, write } from "./packet.ts";
import type { Context, Continuation, Tracer } from "./trace.ts";

export interface ExtendedOptions {
  /** Of the whole packet behind its Ethernet header, in bytes: what check_pkt_larger looks at. */
  readonly packetSize: number;
  /** The backend that a client is bound to, where load balancers keep clients. */
  readonly affinity?: { readonly family: 4 | 6; readonly ip: bigint; readonly port: number };
}

/** What the switches have learned on the packet's way. */
export class Learned {
  readonly #macs = new Map<string, string>();
  readonly #fdb = new Map<string, number>();
  readonly #nextHops = new Set<string>();
  readonly #affinities: { readonly client: string; readonly commit: LogicalActionOf<"commit_lb_aff"> }[] = [];
  readonly #marks = new Map<string, readonly [mark: bigint, label: bigint]>();

  mac({ name }: TracePort, ip: string): string | undefined {
    return this.#macs.get(`${name} ${ip}`);
  }

  fdb({ uuid }: TraceDatapath, mac: string): number | undefined {
    return this.#fdb.get(`${uuid} ${mac}`);
  }

  learnMac(port: string, ip: string, mac: string): void {
    this.#macs.set(`${port} ${ip}`, mac);
  }

  learnFdb({ uuid }: TraceDatapath, mac: string, port: number): void {
    this.#fdb.set(`${uuid} ${mac}`, port);
  }

  learnNextHop(keys: readonly string[]): void {
    for (const key of keys) this.#nextHops.add(key);
  }

  hasNextHop(key: string): boolean {
    return this.#nextHops.has(key);
  }

  bind(client: string, commit: LogicalActionOf<"commit_lb_aff">): void {
    this.#affinities.push({ client, commit });
  }

  /** The backend that a client has been bound to for a virtual address. */
  boundTo(client: string, ip: bigint, port: bigint): LogicalActionOf<"commit_lb_aff"> | undefined {
    const fits = ({ vip, vipPort }: LogicalActionOf<"commit_lb_aff">): boolean =>
      vip.value === ip && (vipPort === 0 || BigInt(vipPort) === port);
    return this.#affinities.findLast((one) => one.client === client && fits(one.commit))?.commit;
  }

  commit({ uuid }: TraceDatapath, packet: Packet): void {
    this.#marks.set(uuid, [get(packet, "ct_mark"), get(packet, "ct_label")]);
  }

  /** Gives a packet the mark and label of its connection in a datapath's zone. */
  restore({ uuid }: TraceDatapath, packet: Packet): void {
    const [mark, label] = this.#marks.get(uuid) ?? [];
    if (mark === undefined || label === undefined) return;
    set(packet, "ct_mark", mark);
    set(packet, "ct_label", label);
  }
}

/** Carries out an action that a trace otherwise passes over. Returns where the packet goes on if it does. */
export function carryOut(
  tracer: Tracer,
  extended: ExtendedOptions,
  action: LogicalAction,
  context: Context,
  out: TraceNode[],
): Continuation | undefined {
  const { packet, datapath } = context;
  const { learned } = tracer;
  const remark = (text: string): void => void append(out, "action", `/* ${text} */`);
  switch (action.kind) {
    case "check_pkt_larger": {
      const larger = extended.packetSize > action.length;
      write(packet, action.dst, larger ? 1n : 0n);
      remark(`${extended.packetSize} bytes are ${larger ? "" : "not "}larger than ${action.length} (see --packet-size)`);
      break;
    }
    case "fwd_group": {
      const port = action.ports[action.ports.length === 1 ? 0 : tracer.options.choose(action.ports.length)]!;
      set(packet, "reg15", tracer.model.keyOf(datapath, port) ?? 0);
      remark(`child port "${port}"`);
      return tracer.output(context, out);
    }
    case "put_mac": {
      const port = datapath.portsByKey.get(Number(read(packet, action.port)));
      const ip = formatInteger(read(packet, action.ip), action.name === "put_arp" ? "ipv4" : "ipv6");
      const mac = formatInteger(read(packet, action.mac), "ethernet");
      if (port !== undefined) learned.learnMac(port.name, ip, mac);
      remark(`learned ${ip} at ${mac}`);
      break;
    }
    case "put_fdb": {
      const mac = formatInteger(read(packet, action.mac), "ethernet");
      const key = Number(read(packet, action.port));
      learned.learnFdb(datapath, mac, key);
      remark(`learned ${mac} at "${tracer.keyName(datapath, key)}"`);
      break;
    }
    case "commit_ecmp_nh":
      learned.learnNextHop([hop(context, true, true), hop(context, false, false)]);
      remark("the way back is remembered");
      break;
    case "commit_lb_aff":
      learned.bind(clientOf(context), action);
      remark(`bound to ${backendText(action.backend.family, action.backend.value, action.backendPort)}`);
      break;
    case "ct_commit": {
      const connection = copyPacket(packet);
      for (const one of action.actions) {
        if (one.kind === "move") write(connection, one.dst, read(packet, one.src));
        else if (one.kind === "load" && one.value.kind !== "string")
          setBits(connection, subfieldOf(one.dst), one.value.value, one.value.mask);
      }
      learned.commit(datapath, connection);
      break;
    }
    case "plain":
      if (action.name === "ct_snat_to_vip") return toVip(context, out);
      remark(TAKEN[action.name] ?? action.name);
      break;
    case "trigger_event":
      remark(`event ${action.event}: ${action.options.map(({ name, value }) => `${name}=${value}`).join(", ")}`);
      break;
    case "bind_vport": {
      const parent = Number(read(packet, action.parent));
      remark(`virtual port "${action.port}" is bound to "${tracer.keyName(datapath, parent)}"`);
      break;
    }
    case "handle_svc_check":
      remark(
        `ovn-controller takes it as the answer of a service at "${tracer.keyName(datapath, Number(read(packet, action.port)))}"`,
      );
      break;
    case "set_queue":
      remark(`queue ${action.queue}`);
      break;
    case "set_meter":
      remark(`dropped beyond ${action.rate} kbps${action.burst === 0 ? "" : `, bursts of ${action.burst} kb`}`);
      break;
    case "sample":
      remark(`sampled with a probability of ${action.probability} in 65535 for collector set ${action.collectorSet}`);
      break;
    default:
      break;
  }
  return undefined;
}

/** What becomes of packets that actions without operands give to somebody. */
const TAKEN: Readonly<Record<string, string>> = {
  igmp: "ovn-controller takes note of the report",
  handle_bfd_msg: "ovn-controller takes it for a BFD session",
  handle_dhcpv6_reply: "ovn-controller takes it as the answer to its request for a prefix",
  mac_cache_use: "the neighbour is in use: its MAC binding does not age",
};

/** Hides a backend that a load balancer sends to itself behind the address that it called: the one before translation. */
function toVip(context: Context, out: TraceNode[]): Continuation {
  const packet = copyPacket(context.packet);
  const six = isSix(packet);
  const vip = get(packet, six ? "ct_ipv6_dst" : "ct_nw_dst");
  set(packet, address(packet, "src"), vip);
  const text = `ct_snat_to_vip(ip${six ? 6 : 4}.src=${formatInteger(vip, six ? "ipv6" : "ipv4")})`;
  const node = append(out, "transformation", text);
  return { context: { ...context, packet, table: context.table + 1 }, out: node.children };
}

/** chk_ecmp_nh, chk_ecmp_nh_mac, chk_lb_aff and chk_lb_hairpin: whether something was learned, and what. */
export function look(tracer: Tracer, extended: ExtendedOptions, action: LogicalActionOf<"query">, context: Context): boolean {
  const { packet } = context;
  switch (action.name) {
    case "chk_ecmp_nh_mac":
      return tracer.learned.hasNextHop(hop(context, true, true));
    case "chk_ecmp_nh":
      return tracer.learned.hasNextHop(hop(context, true, false));
    case "chk_lb_aff":
      return useAffinity(tracer, extended, context);
    case "chk_lb_hairpin":
      return (
        (get(packet, "ct_state") & CT_DNAT) !== 0n && get(packet, address(packet, "src")) === get(packet, address(packet, "dst"))
      );
    default:
      return false;
  }
}

const CT_DNAT = 0x80n;

/** Sets the registers that a load balancer's next flow compares with its backends. */
function useAffinity(tracer: Tracer, { affinity }: ExtendedOptions, context: Context): boolean {
  const { packet } = context;
  const bound = tracer.learned.boundTo(clientOf(context), get(packet, address(packet, "dst")), get(packet, "tcp_dst"));
  const backend =
    bound === undefined
      ? affinity
      : { family: bound.backend.family, ip: bound.backend.value, port: bound.proto === undefined ? 0 : bound.backendPort };
  if (backend === undefined || backend.family !== (isSix(packet) ? 6 : 4)) return false;
  set(packet, backend.family === 6 ? "xxreg0" : "reg4", backend.ip);
  if (backend.port !== 0) set(packet, "reg8", (get(packet, "reg8") & ~0xffffn) | BigInt(backend.port));
  return true;
}

/** A packet of a connection, as the switch learns it: `there`, or its answer; with the neighbour that it came from, or without. */
function hop({ datapath, packet }: Context, there: boolean, withMac: boolean): string {
  const [src, dst] = there ? (["src", "dst"] as const) : (["dst", "src"] as const);
  const fields = [get(packet, "nw_proto"), get(packet, address(packet, src)), get(packet, address(packet, dst))];
  const ports = [get(packet, `tcp_${src}`), get(packet, `tcp_${dst}`)];
  return [datapath.uuid, withMac ? get(packet, "eth_src") : "", ...fields, ...ports].join();
}

function clientOf({ datapath, packet }: Context): string {
  return `${datapath.uuid} ${get(packet, address(packet, "src"))}`;
}

function backendText(family: 4 | 6, ip: bigint, port: number): string {
  const text = formatInteger(ip, family === 4 ? "ipv4" : "ipv6");
  if (port === 0) return text;
  return family === 4 ? `${text}:${port}` : `[${text}]:${port}`;
}

function isSix(packet: Packet): boolean {
  return get(packet, "eth_type") === BigInt(ETH_TYPE.ipv6);
}

function address(packet: Packet, side: "src" | "dst"): string {
  return `${isSix(packet) ? "ipv6" : "ip"}_${side}`;
}
