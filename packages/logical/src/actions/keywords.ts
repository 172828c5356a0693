/** Which word begins which action, and how its operands are read. One row each. */
import type { FieldRef } from "../match/expression.ts";
import type { TokenReader } from "../reader.ts";
import { operand, Prerequisites, useField } from "./operands.ts";
import type { ParseActionsOptions } from "./parse.ts";
import { readCtCommitNat, readCtCommitToZone, readCtLb, readCtNat, readCtNext, readSelect } from "./parseConntrack.ts";
import { readDhcpRelay, readPutDhcp, readPutNdRa } from "./parseOptions.ts";
import {
  readCommitEcmp,
  readCommitLbAffinity,
  readForwardGroup,
  readLog,
  readSample,
  readTriggerEvent,
} from "./parseServices.ts";
import { TABLES } from "./tables.ts";
import type { LogicalAction, NestedName, Pipeline, PlainName, QueryName } from "./types.ts";

/** What an action's reader knows of its surroundings. */
export interface ActionScope {
  readonly options: ParseActionsOptions;
  readonly needed: Prerequisites;
  /** The table after the flow's own. */
  readonly next: number;
  /** Reads `{ actions }`; their prerequisites go to `own`. */
  block(reader: TokenReader, own: Prerequisites): LogicalAction[];
  /** Reads the assignments of ct_commit { }. */
  commit(reader: TokenReader): LogicalAction[];
}

export type KeywordReader = (reader: TokenReader, scope: ActionScope) => LogicalAction;
/** `dst` and the offset of its name. */
export type AssignedReader = (reader: TokenReader, scope: ActionScope, dst: FieldRef, offset: number) => LogicalAction;

const keywords = new Map<string, KeywordReader>();
const assigned = new Map<string, AssignedReader>();

/** Actions by the word that they begin with. */
export const KEYWORDS: ReadonlyMap<string, KeywordReader> = keywords;
/** Actions of the form `field = word(...)`. */
export const ASSIGNED: ReadonlyMap<string, AssignedReader> = assigned;

keywords.set("output", () => ({ kind: "output" }));
keywords.set("next", readNext);

function readNext(reader: TokenReader, { options }: ActionScope): LogicalAction {
  const from = { pipeline: options.pipeline, table: options.table };
  let pipeline: Pipeline = options.pipeline;
  let table = options.table + 1;
  if (reader.accept("(")) {
    const { token } = reader;
    if (token.kind === "integer") table = reader.smallInteger();
    else {
      do {
        if (reader.acceptId("pipeline")) {
          reader.expect("=");
          if (reader.acceptId("ingress")) pipeline = "ingress";
          else if (reader.acceptId("egress")) pipeline = "egress";
          else throw reader.expected('"ingress" or "egress"');
        } else if (reader.acceptId("table")) {
          reader.expect("=");
          table = reader.smallInteger();
        } else throw reader.expected('"pipeline" or "table"');
      } while (reader.accept(","));
    }
    reader.expect(")");
  }
  const tables = TABLES[pipeline];
  if (table >= tables) throw reader.type(`"next" action cannot advance beyond table ${tables}.`);
  return { kind: "next", to: { pipeline, table }, from };
}

for (const kind of ["push", "pop"] as const) {
  keywords.set(kind, (reader, { needed }) => {
    reader.expect("(");
    const { offset } = reader.token;
    const field = reader.field();
    useField(reader, field, field.width, kind === "pop", needed, offset);
    reader.expect(")");
    return { kind, field };
  });
}

/** Actions without operands: the prerequisites, and whether empty parentheses follow. */
const PLAIN: Readonly<Record<PlainName, { readonly needs?: string; readonly parentheses?: boolean }>> = {
  ct_clear: {},
  ct_snat_to_vip: {},
  igmp: {},
  handle_dhcpv6_reply: {},
  handle_bfd_msg: { parentheses: true },
  mac_cache_use: {},
  flood_remote: {},
};

for (const [name, { parentheses }] of Object.entries(PLAIN)) {
  keywords.set(name, (reader) => {
    if (parentheses === true) {
      reader.expect("(");
      reader.expect(")");
    }
    return { kind: "plain", name: name as PlainName }; // a key of PLAIN
  });
}

/** Actions with a block: what they need of the packet, and whether what the block needs counts as well. */
const NESTED: Readonly<Record<NestedName, { readonly needs?: string; readonly inner?: boolean }>> = {
  clone: { inner: true },
  arp: { needs: "ip" },
  icmp4: { needs: "ip4" },
  icmp4_error: { needs: "ip4" },
  icmp6: { needs: "ip6" },
  icmp6_error: { needs: "ip6" },
  tcp_reset: { needs: "tcp" },
  sctp_abort: { needs: "sctp" },
  reject: { inner: true },
  nd_ns: { needs: "ip" },
  nd_na: { needs: "nd_ns" },
  nd_na_router: { needs: "nd_ns" },
};

for (const [name, { needs, inner }] of Object.entries(NESTED)) {
  keywords.set(name, (reader, scope) => {
    const actions = scope.block(reader, inner === true ? scope.needed : new Prerequisites());
    if (needs !== undefined) scope.needed.add(needs);
    return { kind: "nested", name: name as NestedName, actions }; // a key of NESTED
  });
}

/** Width of the result, and what is needed of the packet. */
const QUERIES: Readonly<Record<QueryName, { readonly width: number; readonly needs?: string }>> = {
  dns_lookup: { width: 1, needs: "udp" },
  chk_lb_hairpin: { width: 1 },
  chk_lb_hairpin_reply: { width: 1 },
  check_in_port_sec: { width: 1 },
  check_out_port_sec: { width: 1 },
  chk_ecmp_nh_mac: { width: 1 },
  chk_ecmp_nh: { width: 1 },
  chk_lb_aff: { width: 1 },
  ct_nw_dst: { width: 32 },
  ct_ip6_dst: { width: 128 },
  ct_tp_dst: { width: 16 },
  ct_proto: { width: 8 },
  ct_state_save: { width: 8 },
};

for (const [name, { width, needs }] of Object.entries(QUERIES)) {
  assigned.set(name, (reader, { needed }, dst, offset) => {
    reader.expect("(");
    if (!reader.accept(")")) throw reader.type(`${name} doesn't take any parameters`);
    useField(reader, dst, width, true, needed, offset);
    if (needs !== undefined) needed.add(needs);
    return { kind: "query", name: name as QueryName, dst }; // a key of QUERIES
  });
}

// ---- connection tracking

keywords.set("ct_next", readCtNext);
keywords.set("ct_commit", (reader, scope) => {
  scope.needed.add("ip");
  return { kind: "ct_commit", actions: reader.is("{") ? scope.commit(reader) : [] };
});
keywords.set("ct_commit_to_zone", readCtCommitToZone);
keywords.set("ct_commit_nat", readCtCommitNat);
for (const name of ["ct_dnat", "ct_snat", "ct_dnat_in_czone", "ct_snat_in_czone"] as const) keywords.set(name, readCtNat(name));
for (const name of ["ct_lb", "ct_lb_mark", "ct_lb_mark_local"] as const) keywords.set(name, readCtLb(name));
assigned.set("select", readSelect);

// ---- neighbours and forwarding database

const IP_WIDTH = { arp: 32, nd: 128 } as const;

for (const version of ["arp", "nd"] as const) {
  const width = IP_WIDTH[version];
  keywords.set(`get_${version}`, (reader, { needed }) => {
    reader.expect("(");
    const port = operand(reader, 0, false, needed);
    reader.expect(",");
    const ip = operand(reader, width, false, needed);
    reader.expect(")");
    return { kind: "get_mac", name: `get_${version}`, port, ip };
  });
  keywords.set(`put_${version}`, (reader, { needed }) => {
    const { port, ip, mac } = portIpMac(reader, width, needed);
    return { kind: "put_mac", name: `put_${version}`, port, ip, mac };
  });
  assigned.set(`lookup_${version}`, (reader, { needed }, dst, offset) => {
    useField(reader, dst, 1, true, needed, offset);
    const { port, ip, mac } = portIpMac(reader, width, needed);
    return { kind: "lookup_mac", name: `lookup_${version}`, dst, port, ip, mac };
  });
  assigned.set(`lookup_${version}_ip`, (reader, { needed }, dst, offset) => {
    useField(reader, dst, 1, true, needed, offset);
    reader.expect("(");
    const port = operand(reader, 0, false, needed);
    reader.expect(",");
    const ip = operand(reader, width, false, needed);
    reader.expect(")");
    return { kind: "lookup_ip", name: `lookup_${version}_ip`, dst, port, ip };
  });
}

function portIpMac(reader: TokenReader, width: number, needed: Prerequisites): Record<"port" | "ip" | "mac", FieldRef> {
  reader.expect("(");
  const port = operand(reader, 0, false, needed);
  reader.expect(",");
  const ip = operand(reader, width, false, needed);
  reader.expect(",");
  const mac = operand(reader, 48, false, needed);
  reader.expect(")");
  return { port, ip, mac };
}

keywords.set("put_fdb", (reader, { needed }) => {
  reader.expect("(");
  const port = operand(reader, 0, false, needed);
  reader.expect(",");
  const mac = operand(reader, 48, false, needed);
  reader.expect(")");
  return { kind: "put_fdb", port, mac };
});
for (const name of ["get_fdb", "get_remote_fdb"] as const) {
  assigned.set(name, (reader, { needed }, dst, offset) => {
    if (dst.symbol.width !== 0) useField(reader, dst, 32, true, needed, offset);
    else useField(reader, dst, 0, true, needed, offset);
    reader.expect("(");
    const mac = operand(reader, 48, false, needed);
    reader.expect(")");
    return { kind: "get_fdb", name, dst, mac };
  });
}
assigned.set("lookup_fdb", (reader, { needed }, dst, offset) => {
  useField(reader, dst, 1, true, needed, offset);
  reader.expect("(");
  const port = operand(reader, 0, false, needed);
  reader.expect(",");
  const mac = operand(reader, 48, false, needed);
  reader.expect(")");
  return { kind: "lookup_fdb", dst, port, mac };
});

// ---- answers and notices by the controller

assigned.set("put_dhcp_opts", readPutDhcp("put_dhcp_opts"));
assigned.set("put_dhcpv6_opts", readPutDhcp("put_dhcpv6_opts"));
assigned.set("put_nd_ra_opts", readPutNdRa);
assigned.set("dhcp_relay_req_chk", readDhcpRelay("dhcp_relay_req_chk"));
assigned.set("dhcp_relay_resp_chk", readDhcpRelay("dhcp_relay_resp_chk"));
keywords.set("log", readLog);
keywords.set("trigger_event", readTriggerEvent);
keywords.set("bind_vport", (reader, { needed }) => {
  reader.expect("(");
  const port = portName(reader);
  reader.expect(",");
  const parent = operand(reader, 0, false, needed);
  reader.expect(")");
  return { kind: "bind_vport", port, parent };
});
keywords.set("handle_svc_check", (reader, { needed }) => {
  reader.expect("(");
  const port = operand(reader, 0, false, needed);
  reader.expect(")");
  return { kind: "handle_svc_check", port };
});
keywords.set("mirror", (reader) => {
  reader.expect("(");
  const port = portName(reader);
  reader.expect(")");
  return { kind: "mirror", port };
});

function portName(reader: TokenReader): string {
  const token = reader.token;
  if (token.kind !== "string") throw reader.expected("port name string");
  reader.take();
  return token.value;
}

// ---- quality of service, sampling, groups

keywords.set("set_queue", (reader) => {
  reader.expect("(");
  if (reader.token.kind !== "integer") throw reader.expected("`;'");
  const queue = reader.smallInteger();
  if (queue > MAX_QUEUE) throw reader.type(`Queue ID ${queue} for set_queue is not in valid range 0 to ${MAX_QUEUE}.`);
  reader.expect(")");
  return { kind: "set_queue", queue };
});
keywords.set("set_meter", (reader) => {
  reader.expect("(");
  const rate = meterNumber(reader);
  if (rate === 0) throw reader.type(`Rate ${rate} for set_meter is not in valid.`);
  const burst = reader.accept(",") ? meterNumber(reader) : 0;
  reader.expect(")");
  return { kind: "set_meter", rate, burst };
});
assigned.set("check_pkt_larger", (reader, { needed }, dst, offset) => {
  useField(reader, dst, 1, true, needed, offset);
  reader.expect("(");
  if (reader.token.kind !== "integer") throw reader.expected("`;'");
  // 16 bits on the wire
  const length = reader.smallInteger() & 0xffff;
  reader.expect(")");
  return { kind: "check_pkt_larger", dst, length };
});
keywords.set("sample", readSample);
keywords.set("fwd_group", readForwardGroup);
keywords.set("commit_ecmp_nh", readCommitEcmp);
keywords.set("commit_lb_aff", readCommitLbAffinity);

const MAX_QUEUE = 61440;

/** A rate or burst: 32 bits, as OpenFlow meters have them. */
function meterNumber(reader: TokenReader): number {
  const token = reader.token;
  if (token.kind !== "integer" || token.format !== "decimal" || token.mask !== undefined || token.value > 0xffff_ffffn) {
    throw reader.expected("rate");
  }
  reader.take();
  return Number(token.value);
}
