/** Actions that make another packet from the one at hand and run actions on it (ovn-sb(5)). */
import type { LogicalActionOf } from "@weft/logical";
import { ETH_TYPE, IP_PROTO } from "@weft/openflow";
import { append, type TraceNode } from "./node.ts";
import { copyPacket, get, type Packet, set } from "./packet.ts";
import type { Context, Tracer } from "./trace.ts";

export function executeNested(
  tracer: Tracer,
  { name, actions }: LogicalActionOf<"nested">,
  context: Context,
  out: TraceNode[],
): void {
  const packet = copyPacket(context.packet);
  if (name === "reject" && isRejection(packet)) return;
  const title = name === "reject" ? reject(packet) : replace(name, packet);
  const node = append(out, "transformation", title);
  tracer.runActions(actions, { ...context, packet }, node.children);
}

type Replaceable = Exclude<LogicalActionOf<"nested">["name"], "reject">;

/** Turns the packet into the one that the action sends; returns what the trace calls it. */
function replace(name: Replaceable, packet: Packet): string {
  switch (name) {
    case "clone":
      return name;
    case "arp":
      arp(packet);
      return name;
    case "icmp4":
    case "icmp4_error":
      icmp4(packet);
      return "icmp4";
    case "icmp6":
    case "icmp6_error":
      icmp6(packet);
      return "icmp6";
    case "tcp_reset":
      reset(packet);
      return name;
    case "sctp_abort":
      // the key has no place of its own for what marks an abort
      reset(packet);
      return name;
    case "nd_ns":
      solicitation(packet);
      return name;
    case "nd_na":
    case "nd_na_router":
      advertisement(packet);
      return name;
  }
}

const TTL = 255;
const ICMP_UNREACHABLE = 3;
const ICMPV6_UNREACHABLE = 1;
const ND_NS = 135;
const ND_NA = 136;

function arp(packet: Packet): void {
  const [src, dst] = [get(packet, "ip_src"), get(packet, "ip_dst")];
  clearNetwork(packet);
  set(packet, "eth_type", ETH_TYPE.arp);
  set(packet, "arp_op", 1);
  set(packet, "arp_sha", get(packet, "eth_src"));
  set(packet, "arp_tha", 0);
  set(packet, "arp_spa", src);
  set(packet, "arp_tpa", dst);
}

/** Fields that IP packets have and others do not. */
function clearNetwork(packet: Packet): void {
  for (const name of ["nw_proto", "ip_dscp", "nw_ecn", "nw_ttl", "nw_frag", "tcp_src", "tcp_dst", "tcp_flags"])
    set(packet, name, 0);
}

// Type and code are in the key where the ports are that the packet may have had.

function icmp4(packet: Packet): void {
  set(packet, "nw_proto", IP_PROTO.icmp);
  set(packet, "nw_frag", 0);
  set(packet, "nw_ttl", TTL);
  set(packet, "tcp_src", ICMP_UNREACHABLE);
  set(packet, "tcp_dst", 1);
}

function icmp6(packet: Packet): void {
  set(packet, "nw_proto", IP_PROTO.icmpv6);
  set(packet, "nw_ttl", TTL);
  set(packet, "tcp_src", ICMPV6_UNREACHABLE);
  set(packet, "tcp_dst", 1);
}

const TCP_RST = 4;

function reset(packet: Packet): void {
  set(packet, "nw_ttl", TTL);
  set(packet, "tcp_flags", TCP_RST);
}

function swap(packet: Packet, a: string, b: string): void {
  const value = get(packet, a);
  set(packet, a, get(packet, b));
  set(packet, b, value);
}

/** A rejection is not rejected in turn. */
function isRejection(packet: Packet): boolean {
  const proto = Number(get(packet, "nw_proto"));
  if (proto === IP_PROTO.tcp || proto === IP_PROTO.sctp) return get(packet, "tcp_flags") === BigInt(TCP_RST);
  if (proto === IP_PROTO.icmp) return get(packet, "icmp_type") === BigInt(ICMP_UNREACHABLE);
  return proto === IP_PROTO.icmpv6 && get(packet, "icmpv6_type") === BigInt(ICMPV6_UNREACHABLE);
}

/** TCP is reset, SCTP aborted, everything else gets an ICMP error; back to the sender. */
function reject(packet: Packet): string {
  const ip4 = get(packet, "eth_type") === BigInt(ETH_TYPE.ip);
  swap(packet, "eth_src", "eth_dst");
  if (ip4) swap(packet, "ip_src", "ip_dst");
  else swap(packet, "ipv6_src", "ipv6_dst");
  const proto = Number(get(packet, "nw_proto"));
  if (proto === IP_PROTO.tcp) return replace("tcp_reset", packet);
  if (proto === IP_PROTO.sctp) return replace("sctp_abort", packet);
  return replace(ip4 ? "icmp4" : "icmp6", packet);
}

function solicitation(packet: Packet): void {
  const mac = get(packet, "eth_dst");
  set(packet, "eth_dst", 0x3333_ff00_0000n | (get(packet, "ipv6_dst") & 0xff_ffffn));
  set(packet, "tcp_src", ND_NS);
  set(packet, "arp_sha", 0);
  set(packet, "arp_tha", mac);
}

function advertisement(packet: Packet): void {
  const mac = get(packet, "eth_dst");
  swap(packet, "eth_src", "eth_dst");
  set(packet, "ipv6_dst", get(packet, "ipv6_src"));
  set(packet, "ipv6_src", get(packet, "nd_target"));
  set(packet, "tcp_src", ND_NA);
  set(packet, "arp_sha", 0);
  set(packet, "arp_tha", mac);
}
