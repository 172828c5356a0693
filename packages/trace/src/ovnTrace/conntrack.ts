/** Connection tracking in a trace: its state is not in the database, so that it is assumed, as ovn-trace(8) says. */
import { formatField, formatInteger, type LogicalActionOf } from "@weft/logical";
import { ETH_TYPE } from "@weft/openflow";
import { append, type TraceNode } from "./node.ts";
import { copyPacket, get, type Packet, set, write } from "./packet.ts";
import type { Context, Continuation, Tracer } from "./trace.ts";

export const CT_NAMES = ["new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"] as const;
const CT_TRACKED = 0x20;
const CT_SNAT = 0x40;
const CT_DNAT = 0x80;

type CtAction =
  | LogicalActionOf<"ct_next">
  | LogicalActionOf<"ct_commit_to_zone">
  | LogicalActionOf<"ct_commit_nat">
  | LogicalActionOf<"ct_nat">
  | LogicalActionOf<"ct_lb">;

/** "est|trk". */
export function formatCtState(state: number): string {
  return CT_NAMES.filter((_, i) => ((state >> i) & 1) === 1).join("|");
}

/** The next table sees the packet with its connection's state; actions that follow see it without. */
export function executeCt(tracer: Tracer, action: CtAction, context: Context, out: TraceNode[]): Continuation | undefined {
  if (action.kind === "ct_nat" && isGatewaySnat(action, context)) {
    return undefined;
  }
  const packet = copyPacket(context.packet);
  const known = Number(get(packet, "ct_state"));
  // translation keeps the state of a packet that has been tracked
  const keeps = (action.kind === "ct_nat" || action.kind === "ct_commit_nat") && (known & CT_TRACKED) !== 0;
  rememberTuple(packet);
  let more = 0;
  let name: string;
  switch (action.kind) {
    case "ct_next":
      name = "ct_next";
      break;
    case "ct_commit_to_zone":
      name = `ct_commit_to_zone(${action.zone})`;
      break;
    case "ct_commit_nat":
      name = "ct_commit_nat /* assuming no un-nat entry, so no change */";
      break;
    case "ct_nat":
      name = natName(action);
      more = translate(action, packet);
      break;
    case "ct_lb":
      name = action.name;
      more = known | balance(tracer, action, packet, out);
      break;
  }
  const { state, comment } = keeps ? { state: known, comment: "" } : tracer.nextCtState();
  set(packet, "ct_state", BigInt(state | more));
  tracer.learned.restore(context.datapath, packet);
  const text = action.kind === "ct_next" ? `ct_next(ct_state=${formatCtState(state)}${comment})` : `${name}${comment}`;
  const node = append(out, "transformation", text);
  return { context: { ...context, packet, table: action.next }, out: node.children };
}

/** The original direction of the connection: that of the packet that is tracked. */
function rememberTuple(packet: Packet): void {
  const six = get(packet, "eth_type") === BigInt(ETH_TYPE.ipv6);
  for (const side of ["src", "dst"]) {
    set(packet, six ? `ct_ipv6_${side}` : `ct_nw_${side}`, get(packet, six ? `ipv6_${side}` : `ip_${side}`));
    set(packet, `ct_tp_${side}`, get(packet, `tcp_${side}`));
  }
  set(packet, "ct_nw_proto", get(packet, "nw_proto"));
}

const TUPLE = ["ct_nw_src", "ct_nw_dst", "ct_ipv6_src", "ct_ipv6_dst", "ct_nw_proto", "ct_tp_src", "ct_tp_dst"] as const;

/** Forgets all that connection tracking found. */
export function clearConnection(packet: Packet): void {
  for (const name of ["ct_state", "ct_mark", "ct_label", ...TUPLE]) set(packet, name, 0n);
}

/** Does nothing in the reference (ovn-trace(8)): the packet's way ends there. */
function isGatewaySnat({ name, address }: LogicalActionOf<"ct_nat">, { datapath }: Context): boolean {
  return name === "ct_snat" && address === undefined && datapath.isGateway;
}

/** "ct_dnat(ip4.dst=10.0.0.1)". Without its underscore before "in_czone", as the reference has it. */
function natName({ name, address }: LogicalActionOf<"ct_nat">): string {
  const direction = name.startsWith("ct_dnat") ? "dnat" : "snat";
  const prefix = `ct_${direction}${name.endsWith("_in_czone") ? "in_czone" : ""}`;
  if (address === undefined) return `${prefix} /* assuming no un-${direction} entry, so no change */`;
  const side = direction === "dnat" ? "dst" : "src";
  const ip = formatInteger(address.value, address.family === 4 ? "ipv4" : "ipv6");
  return `${prefix}(ip${address.family}.${side}=${ip})`;
}

function translate({ name, address }: LogicalActionOf<"ct_nat">, packet: Packet): number {
  if (address === undefined) return 0;
  const dnat = name.startsWith("ct_dnat");
  set(packet, `${address.family === 4 ? "ip" : "ipv6"}_${dnat ? "dst" : "src"}`, address.value);
  return dnat ? CT_DNAT : CT_SNAT;
}

/** Sends the packet to a backend. Returns the state bits that this adds. */
function balance(tracer: Tracer, action: LogicalActionOf<"ct_lb">, packet: Packet, out: TraceNode[]): number {
  const family = get(packet, "eth_type") === 0x800n ? 4 : 6;
  const asked = tracer.options.lbDestination;
  let chosen: { readonly ip: bigint; readonly port: number } | undefined;
  if (action.backends === undefined) {
    if (asked?.family !== family) return 0;
    chosen = asked;
  } else {
    const fit = action.backends.filter(({ ip }) => ip.family === family).map(({ ip, port }) => ({ ip: ip.value, port }));
    if (fit.length === 0) {
      append(out, "error", "*** no load balancing destination (use --lb-dst)");
      return 0;
    }
    chosen = fit.find(({ ip, port }) => asked?.family === family && ip === asked.ip && port === asked.port);
    chosen ??= fit[fit.length === 1 ? 0 : tracer.options.choose(fit.length)];
  }
  if (chosen === undefined) return 0;
  set(packet, family === 4 ? "ip_dst" : "ipv6_dst", chosen.ip);
  // one place in the key for the ports of all transports
  if (chosen.port !== 0) set(packet, "tcp_dst", chosen.port);
  return CT_DNAT;
}

export function executeSelect(
  tracer: Tracer,
  action: LogicalActionOf<"select">,
  context: Context,
  out: TraceNode[],
): Continuation {
  // without the option, the reference takes 0 to have been asked for
  const asked = action.values.find(({ value }) => value === (tracer.options.selectId ?? 0))?.value;
  const value = asked ?? action.values[tracer.options.choose(action.values.length)]!.value;
  const remark = asked === undefined ? " /* Randomly selected. Use --select-id to specify. */" : "";
  const packet = copyPacket(context.packet);
  write(packet, action.dst, BigInt(value));
  const node = append(out, "transformation", `select: ${formatField(action.dst)} = ${value}${remark}`);
  return { context: { ...context, packet, table: action.next }, out: node.children };
}
