/** What logical actions do to a traced packet. */
import { formatActions, formatField, formatInteger, type LogicalAction, type LogicalActionOf, subfieldOf } from "@weft/logical";
import { clearConnection, executeCt, executeSelect } from "./conntrack.ts";
import { carryOut, look } from "./extended.ts";
import { executeNested } from "./nested.ts";
import { append, type TraceNode } from "./node.ts";
import { formatPacket, formatValue, get, isRegister, read, set, setBits, write } from "./packet.ts";
import { inPortSecurity, outPortSecurity } from "./portSecurity.ts";
import type { Context, Continuation, Tracer } from "./trace.ts";

/** Executes one action; returns where the packet goes on if it does. */
export function execute(tracer: Tracer, action: LogicalAction, context: Context, out: TraceNode[]): Continuation | undefined {
  const { packet, datapath } = context;
  const { extended } = tracer.options;
  switch (action.kind) {
    case "output":
      return tracer.output(context, out);
    case "next":
      return next(tracer, action, context, out);
    case "load":
      load(tracer, action, context, out);
      break;
    case "move": {
      const value = read(packet, action.src);
      if (!isRegister(action.dst)) append(out, "modify", `${formatField(action.dst)} = ${formatValue(value, action.src)}`);
      write(packet, action.dst, value);
      break;
    }
    case "exchange": {
      const [a, b] = [read(packet, action.a), read(packet, action.b)];
      write(packet, action.a, b);
      write(packet, action.b, a);
      if (!isRegister(action.a)) append(out, "modify", `${formatField(action.a)} = ${formatValue(b, action.b)}`);
      if (!isRegister(action.b)) append(out, "modify", `${formatField(action.b)} = ${formatValue(a, action.a)}`);
      break;
    }
    case "dec_ttl": {
      const ttl = get(packet, "nw_ttl");
      if (ttl === 0n) append(out, "error", "*** TTL underflow");
      else {
        set(packet, "nw_ttl", ttl - 1n);
        append(out, "modify", "ip.ttl--");
      }
      break;
    }
    case "push": {
      const value = read(packet, action.field);
      packet.stack.push({ value });
      append(out, "modify", `push(${formatField(action.field)}) -> 0x${value.toString(16)}`);
      break;
    }
    case "pop": {
      const top = packet.stack.pop();
      const what = top === undefined ? "/* empty stack */" : `0x${top.value.toString(16)}`;
      if (top !== undefined) write(packet, action.field, top.value);
      append(out, "modify", `pop(${formatField(action.field)}) <- ${what}`);
      break;
    }
    case "nested":
      executeNested(tracer, action, context, out);
      break;
    case "ct_next":
    case "ct_commit_to_zone":
    case "ct_commit_nat":
    case "ct_nat":
    case "ct_lb":
      return executeCt(tracer, action, context, out);
    case "select":
      return executeSelect(tracer, action, context, out);
    case "plain":
      if (action.name === "ct_clear") clearConnection(packet);
      else if (action.name === "flood_remote") append(out, "output", "/* Flood to all remote chassis */");
      else if (extended !== undefined) return carryOut(tracer, extended, action, context, out);
      break;
    case "query":
      query(tracer, action, context, out);
      break;
    case "get_mac":
    case "lookup_mac":
    case "lookup_ip":
      neighbour(tracer, action, context, out);
      break;
    case "get_fdb": {
      if (action.name === "get_remote_fdb") {
        append(out, "output", "/* The remote FDB table is different per each chassis. */");
        break;
      }
      const mac = formatInteger(read(packet, action.mac), "ethernet");
      write(packet, action.dst, BigInt(tracer.fdb(datapath, mac) ?? 0));
      break;
    }
    case "lookup_fdb": {
      const mac = formatInteger(read(packet, action.mac), "ethernet");
      const found = tracer.fdb(datapath, mac) === Number(read(packet, action.port));
      write(packet, action.dst, found ? 1n : 0n);
      const seen = formatInteger(get(packet, "eth_dst"), "ethernet");
      const remark = found ? `MAC lookup for ${seen} found in FDB.` : "lookup mac failed in mac learning table.";
      append(out, "action", `/* ${remark} */`);
      break;
    }
    case "put_opts":
      putOptions(action, context, out);
      break;
    case "dhcp_relay":
      dhcpRelay(action, context, out);
      break;
    case "log": {
      const direction = context.pipeline === "ingress" ? "IN" : "OUT";
      const { verdict, severity } = action;
      const name = action.name ?? "<unnamed>";
      append(
        out,
        "transformation",
        `LOG: ACL name=${name}, direction=${direction}, verdict=${verdict}, severity=${severity}, packet="${formatPacket(packet)}"`,
      );
      break;
    }
    case "mirror":
      mirror(tracer, action, context, out);
      break;
    case "ct_commit":
    case "put_mac":
    case "put_fdb":
    case "check_pkt_larger":
    case "fwd_group":
    case "commit_ecmp_nh":
    case "commit_lb_aff":
    case "trigger_event":
    case "bind_vport":
    case "handle_svc_check":
    case "set_queue":
    case "set_meter":
    case "sample":
      if (extended !== undefined) return carryOut(tracer, extended, action, context, out);
      break;
  }
  return undefined;
}

function next(tracer: Tracer, { to }: LogicalActionOf<"next">, context: Context, out: TraceNode[]): Continuation {
  const { datapath, packet } = context;
  const target = { datapath, packet, ...to };
  if (to.pipeline === context.pipeline) return { context: target, out };
  const side = to.pipeline === "ingress" ? "inport" : "outport";
  const key = Number(get(packet, to.pipeline === "ingress" ? "reg14" : "reg15"));
  const text = `${to.pipeline}(dp="${tracer.datapathName(datapath)}", ${side}="${tracer.keyName(datapath, key)}")`;
  return { context: target, out: append(out, "pipeline", text).children };
}

function load(tracer: Tracer, action: LogicalActionOf<"load">, context: Context, out: TraceNode[]): void {
  const { dst, value } = action;
  if (!(dst.symbol.kind !== "ovn-field" && isRegister(dst))) append(out, "modify", formatActions([action]).slice(0, -1));
  if (dst.symbol.kind === "ovn-field") return;
  if (value.kind === "string") write(context.packet, dst, BigInt(tracer.model.keyOf(context.datapath, value.value) ?? 0));
  else setBits(context.packet, subfieldOf(dst), value.value, value.mask);
}

const CT_TRACKED = 0x20n;

function query(tracer: Tracer, action: LogicalActionOf<"query">, context: Context, out: TraceNode[]): void {
  const { name, dst } = action;
  const { packet, datapath } = context;
  const { extended } = tracer.options;
  const assign = (value: bigint): void => write(packet, dst, value);
  const show = (value: bigint): void => {
    assign(value);
    append(out, "modify", `${formatField(dst)} = ${value}`);
  };
  const tracked = (get(packet, "ct_state") & CT_TRACKED) !== 0n;
  switch (name) {
    case "dns_lookup":
      // The words of the original, which looks up no name either.
      if (extended === undefined) append(out, "error", "*** dns_lookup action not implemented");
      else {
        append(out, "action", "/* a microflow carries no question: no name is looked up */");
        show(0n);
      }
      break;
    case "chk_lb_hairpin":
    case "chk_lb_hairpin_reply":
      show(extended !== undefined && look(tracer, extended, action, context) ? 1n : 0n);
      break;
    case "ct_tp_dst":
      show(tracked ? get(packet, "tcp_dst") : 0n);
      break;
    case "ct_proto":
      show(tracked ? get(packet, "ct_nw_proto") : 0n);
      break;
    case "check_in_port_sec": {
      const port = datapath.portsByKey.get(Number(get(packet, "reg14")));
      assign(port !== undefined && !inPortSecurity(port.row.port_security, packet) ? 1n : 0n);
      break;
    }
    case "check_out_port_sec": {
      const port = datapath.portsByKey.get(Number(get(packet, "reg15")));
      assign(port !== undefined && !outPortSecurity(port.row.port_security, packet) ? 1n : 0n);
      break;
    }
    case "ct_state_save": {
      const state = get(packet, "ct_state") & 0xffn;
      assign(state);
      append(out, "action", `/* ${formatField(dst)} = ${state}; */`);
      break;
    }
    // Learned flows and original tuples are not in the database: without the trace's own memory nothing changes.
    case "chk_ecmp_nh":
    case "chk_ecmp_nh_mac":
    case "chk_lb_aff":
      if (extended !== undefined) show(look(tracer, extended, action, context) ? 1n : 0n);
      break;
    case "ct_nw_dst":
    case "ct_ip6_dst": {
      if (extended === undefined) break;
      const value = tracked ? get(packet, name === "ct_nw_dst" ? "ct_nw_dst" : "ct_ipv6_dst") : 0n;
      assign(value);
      append(out, "modify", `${formatField(dst)} = ${formatInteger(value, name === "ct_nw_dst" ? "ipv4" : "ipv6")}`);
      break;
    }
  }
}

function neighbour(
  tracer: Tracer,
  action: LogicalActionOf<"get_mac"> | LogicalActionOf<"lookup_mac"> | LogicalActionOf<"lookup_ip">,
  { packet, datapath }: Context,
  out: TraceNode[],
): void {
  const port = datapath.portsByKey.get(Number(read(packet, action.port)));
  const ip = formatInteger(read(packet, action.ip), action.name.includes("arp") ? "ipv4" : "ipv6");
  const mac = port === undefined ? undefined : tracer.macBinding(port, ip);
  if (action.kind === "get_mac") {
    const text = mac ?? "00:00:00:00:00:00";
    append(out, "action", mac === undefined ? "/* No MAC binding. */" : `/* MAC binding to ${text}. */`);
    set(packet, "eth_dst", BigInt(`0x${text.replaceAll(":", "")}`));
    append(out, "modify", `eth.dst = ${text}`);
    return;
  }
  const found = action.kind === "lookup_ip" ? mac !== undefined : mac === formatInteger(read(packet, action.mac), "ethernet");
  write(packet, action.dst, found ? 1n : 0n);
  const seen = formatInteger(get(packet, "eth_dst"), "ethernet");
  const remark = !found
    ? "lookup failed - No MAC binding."
    : action.kind === "lookup_ip"
      ? "MAC binding found."
      : `MAC binding to ${seen} found.`;
  append(out, "action", `/* ${remark} */`);
}

function putOptions(action: LogicalActionOf<"put_opts">, { packet }: Context, out: TraceNode[]): void {
  if (action.name !== "put_nd_ra_opts") {
    append(out, "error", "/* We assume that this packet is DHCPDISCOVER or DHCPREQUEST. */");
  }
  const text = formatActions([action]);
  append(out, "modify", text.slice(text.indexOf(" = ") + 3, -1));
  write(packet, action.dst, 1n);
}

function dhcpRelay({ name, dst, relay }: LogicalActionOf<"dhcp_relay">, { packet }: Context, out: TraceNode[]): void {
  if (name === "dhcp_relay_req_chk") {
    append(out, "error", "/* We assume that this packet is DHCPDISCOVER or DHCPREQUEST. */");
    set(packet, "ip_src", BigInt(relay));
  } else {
    append(
      out,
      "error",
      "/* We assume that this packet is DHCPOFFER or DHCPACK and DHCP broadcast flag is set. Dest IP is set to broadcast. Dest MAC is set to broadcast but in real network this is unicast which is extracted from DHCP header. */",
    );
    set(packet, "ip_dst", 0xffff_ffffn);
    set(packet, "eth_dst", 0xffff_ffff_ffffn);
  }
  write(packet, dst, 1n);
}

function mirror(tracer: Tracer, { port }: LogicalActionOf<"mirror">, context: Context, out: TraceNode[]): void {
  const { datapath } = context;
  const key = tracer.model.keyOf(datapath, port);
  const node = append(out, "transformation", "clone");
  if (key === undefined) return;
  const packet = { key: Int32Array.from(context.packet.key), stack: [...context.packet.stack] };
  set(packet, "reg15", BigInt(key));
  tracer.follow({ context: { datapath, pipeline: "egress", table: 0, packet }, out: node.children });
}
