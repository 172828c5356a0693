/** What --extended carries out, and that nothing of it shows without. */
import { memoryReplica } from "@weft/ovsdb";
import { ovnSouthbound } from "@weft/schemas";
import { expect, test } from "vitest";
import { TraceModel } from "./model.ts";
import { parseLbDestination } from "./request.ts";
import { traceText } from "./run.ts";
import type { TraceOptions } from "./trace.ts";

type Flow = readonly [table: number, priority: number, match: string, actions: string];

/** A switch with ports a (1), b (2) and c (3), these ingress flows, and an egress that delivers. */
async function switchWith(flows: readonly Flow[]): Promise<TraceModel> {
  const replica = memoryReplica(ovnSouthbound);
  const db = replica.transaction();
  const datapath = db.insert("Datapath_Binding", { tunnel_key: 1, external_ids: [["name", "ls"]], type: "logical-switch" });
  for (const [index, logical_port] of ["a", "b", "c"].entries())
    db.insert("Port_Binding", { logical_port, datapath, tunnel_key: index + 1 });
  const add = (pipeline: "ingress" | "egress", [table_id, priority, match, actions]: Flow) =>
    db.insert("Logical_Flow", { logical_datapath: datapath, pipeline, table_id, priority, match, actions });
  for (const flow of flows) add("ingress", flow);
  add("egress", [0, 0, "1", "output;"]);
  await db.commit();
  return new TraceModel(replica, () => {});
}

const PACKET = `inport == "a" && eth.src == 00:00:00:00:00:0a && ip4.src == 10.0.0.1 && ip4.dst == 10.0.0.100 && tcp.src == 5 && tcp.dst == 80`;

function trace(model: TraceModel, extended?: TraceOptions["extended"], microflow = PACKET): string {
  const options = {
    forms: ["summary"],
    ctStates: [],
    friendlyNames: true,
    choose: () => 1,
    datapath: "ls",
    microflow,
  } as const;
  return traceText(model, { ...options, ...(extended === undefined ? {} : { extended }) })
    .split("\n")
    .slice(2)
    .map((line) => line.trim())
    .join("\n");
}

test("check_pkt_larger goes by --packet-size", async () => {
  const model = await switchWith([
    [0, 1, "1", "reg9[1] = check_pkt_larger(1400); next;"],
    [1, 2, "reg9[1]", 'outport = "b"; output;'],
    [1, 1, "1", 'outport = "c"; output;'],
  ]);
  expect(trace(model)).not.toContain('output to "b"');
  expect(trace(model, { packetSize: 1400 })).toContain("/* 1400 bytes are not larger than 1400 (see --packet-size) */");
  expect(trace(model, { packetSize: 1401 })).toContain('output to "b"');
});

test("fwd_group sends to one of its child ports", async () => {
  const model = await switchWith([[0, 1, "1", 'fwd_group(liveness="true", childports="b", "c");']]);
  expect(trace(model)).not.toContain("output to");
  expect(trace(model, { packetSize: 84 })).toContain('/* child port "c" */');
  expect(trace(model, { packetSize: 84 })).toContain('output to "c"');
});

test("neighbours and FDB entries are learned on the way", async () => {
  const model = await switchWith([
    [0, 1, "1", "put_arp(inport, ip4.src, eth.src); put_fdb(inport, eth.src); next;"],
    [1, 1, "1", "get_arp(inport, ip4.src); outport = get_fdb(eth.src); reg0[0] = lookup_arp(inport, ip4.src, eth.src); next;"],
    [2, 1, 'eth.dst == 00:00:00:00:00:0a && outport == "a" && reg0[0]', 'outport = "b"; output;'],
  ]);
  expect(trace(model)).toContain("/* No MAC binding. */");
  const text = trace(model, { packetSize: 84 });
  expect(text).toContain("/* learned 10.0.0.1 at 00:00:00:00:00:0a */");
  expect(text).toContain('/* learned 00:00:00:00:00:0a at "a" */');
  expect(text).toContain('output to "b"');
});

test("a client stays with its backend: what is bound on the way, and --affinity", async () => {
  const model = await switchWith([
    [0, 1, "1", 'commit_lb_aff(vip = "10.0.0.100:80", backend = "10.0.0.9:8080", proto = tcp, timeout = 60); next;'],
    [1, 1, "1", "reg9[6] = chk_lb_aff(); next;"],
    [2, 2, "reg9[6] && reg4 == 10.0.0.9 && reg8[0..15] == 8080", 'outport = "b"; output;'],
    [2, 1, "reg9[6]", 'outport = "c"; output;'],
  ]);
  expect(trace(model)).not.toContain("output to");
  expect(trace(model, { packetSize: 84 })).toContain("/* bound to 10.0.0.9:8080 */");
  expect(trace(model, { packetSize: 84 })).toContain('output to "b"');
  const unbound = await switchWith([
    [0, 1, "1", "reg9[6] = chk_lb_aff(); next;"],
    [1, 1, "reg9[6] && reg4 == 10.0.0.7 && reg8[0..15] == 1", 'outport = "c"; output;'],
  ]);
  expect(trace(unbound, { packetSize: 84 })).not.toContain("output to");
  expect(trace(unbound, { packetSize: 84, affinity: parseLbDestination("10.0.0.7:1") })).toContain('output to "c"');
});

test("the way back of a connection is remembered", async () => {
  const model = await switchWith([
    [
      0,
      2,
      "ip4.src == 10.0.0.1",
      "commit_ecmp_nh(ipv6 = false, proto = tcp); reg9[1] = chk_ecmp_nh_mac(); ip4.src <-> ip4.dst; next;",
    ],
    [1, 1, "1", "tcp.src = 80; tcp.dst = 5; reg9[2] = chk_ecmp_nh(); next;"],
    [2, 1, "reg9[1..2] == 3", 'outport = "b"; output;'],
  ]);
  expect(trace(model)).not.toContain("output to");
  expect(trace(model, { packetSize: 84 })).toContain('output to "b"');
});

test("marks that were committed are there when the connection is looked at again", async () => {
  const flows: readonly Flow[] = [
    [0, 1, "1", "ct_commit { ct_mark.blocked = 1; ct_label = 5; }; ct_next;"],
    [1, 1, "ct_mark.blocked == 1 && ct_label == 5", 'outport = "b"; output;'],
  ];
  const model = await switchWith(flows);
  expect(trace(model)).not.toContain("output to");
  expect(trace(model, { packetSize: 84 })).toContain('output to "b"');
});

test("a backend that calls its own balancer is hidden behind the address that it called", async () => {
  const model = await switchWith([
    [0, 1, "1", "ct_lb_mark(backends=10.0.0.1:80);"],
    [1, 1, "1", "reg4 = ct_nw_dst(); reg0[6] = chk_lb_hairpin(); next;"],
    [2, 1, "reg0[6] == 1 && reg4 == 10.0.0.100", "ct_snat_to_vip;"],
    [3, 1, "ip4.src == 10.0.0.100 && ip4.dst == 10.0.0.1", 'outport = "a"; flags.loopback = 1; output;'],
  ]);
  expect(trace(model)).not.toContain("output to");
  const text = trace(model, { packetSize: 84 });
  expect(text).toContain("ct_snat_to_vip(ip4.src=10.0.0.100)");
  expect(text).toContain('output to "a"');
});

test.each([
  ["handle_bfd_msg();", "ovn-controller takes it for a BFD session"],
  ["igmp;", "ovn-controller takes note of the report"],
  ["mac_cache_use;", "the neighbour is in use: its MAC binding does not age"],
  ["reg0[0] = dns_lookup();", "a microflow carries no question: no name is looked up"],
  [
    'trigger_event(event = "empty_lb_backends", vip = "1.2.3.4:80", protocol = "tcp", load_balancer = "12345678-abcd-9876-fedc-11119f8e7d6c");',
    "event empty_lb_backends: vip=1.2.3.4:80, protocol=tcp, load_balancer=12345678-abcd-9876-fedc-11119f8e7d6c",
  ],
  ['bind_vport("c", inport);', 'virtual port "c" is bound to "a"'],
  ["handle_svc_check(inport);", 'ovn-controller takes it as the answer of a service at "a"'],
  ["set_queue(5);", "queue 5"],
  ["set_meter(100, 20);", "dropped beyond 100 kbps, bursts of 20 kb"],
  [
    "sample(probability=65535,collector_set=7,obs_domain=1,obs_point=2);",
    "sampled with a probability of 65535 in 65535 for collector set 7",
  ],
])("%s says what becomes of the packet", async (actions, remark) => {
  const model = await switchWith([[0, 1, "udp", `${actions} outport = "b"; output;`]]);
  const packet = PACKET.replaceAll("tcp", "udp");
  expect(trace(model, undefined, packet)).not.toContain(remark);
  expect(trace(model, { packetSize: 84 }, packet)).toContain(`/* ${remark} */`);
});
