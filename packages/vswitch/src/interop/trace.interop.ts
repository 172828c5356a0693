/** ofproto/trace and ofproto/trace-packet-out against the reference, whole texts and errors. */
import { messageOf } from "@weft/runtime";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addBridge, startOurs, startReference, type TestSwitch } from "./switches.ts";

let reference: TestSwitch;
let ours: TestSwitch;

beforeAll(async () => {
  [reference, ours] = await Promise.all([startReference(), startOurs()]);
  for (const one of [reference, ours]) {
    await addBridge(one);
    await one.vsctl(..."add-port br0 tun -- set interface tun type=geneve options:remote_ip=flow options:key=flow".split(" "));
    await one.vsctl(..."set interface tun ofport_request=8".split(" "));
    await one.appctl("netdev-dummy/ip4addr", "br0", "10.9.0.1/24");
    await one.ofctl("add-tlv-map", "br0", "{class=0x102,type=0x80,len=4}->tun_metadata0");
  }
});

afterAll(async () => {
  await Promise.all([reference?.stop(), ours?.stop()]);
});

/** Numbers of recirculations, and the order in which the flows of a conjunctive match are told, are a switch's own. */
const clean = (text: string): string =>
  text
    .replace(/\b(recirc(?:_id)?[(=])(?:0x[0-9a-f]+|[1-9]\d*)/g, "$1ID")
    .replace(/(?:^ *-> conj\. .*\n)+/gm, (lines) => lines.split("\n").sort().join("\n"));

async function told(on: TestSwitch, command: string, words: readonly string[]): Promise<string> {
  try {
    return clean(await on.appctl(command, ...words));
  } catch (error) {
    // The reference's command adds where the answer came from.
    const text = error instanceof Error && "stderr" in error ? String(error.stderr) : messageOf(error);
    return (text.split("\n")[0] ?? "").trim();
  }
}

/** Gives both switches these groups and flows. */
async function configure(flows: readonly string[], groups: readonly string[] = []): Promise<void> {
  for (const one of [reference, ours]) {
    await one.ofctl("-O", "OpenFlow15", "del-flows", "br0");
    await one.ofctl("-O", "OpenFlow15", "del-groups", "br0");
    for (const group of groups) await one.ofctl("-O", "OpenFlow15", "add-group", "br0", group);
    for (const flow of flows) await one.ofctl("-O", "OpenFlow15", "add-flow", "br0", flow);
  }
}

const same = async (words: readonly string[], command = "ofproto/trace"): Promise<void> => {
  const [expected, got] = await Promise.all([reference, ours].map((one) => told(one, command, words)));
  expect(got, words.join(" ")).toBe(expected);
};

describe("what is translated and looked at", () => {
  const set = (n: number): string => `set_field:00:00:00:00:00:0${n}->eth_src`;
  const tunnelled = "in_port=8,tun_dst=1.1.1.1,tun_id=5";
  const cases: readonly (readonly [what: string, flows: readonly string[], packets: readonly string[]])[] = [
    [
      "clones put into effect what is pending, unless they are the last",
      [`ip,actions=${set(9)},clone(${set(7)},output:2),${set(8)},output:3`, `arp,actions=${set(9)},clone(${set(7)},output:2)`],
      ["in_port=1,ip", "in_port=1,arp"],
    ],
    [
      "a pause within clones",
      [`ip,actions=${set(9)},output:3,clone(${set(7)},clone(${set(6)},controller(pause),output:2),output:1)`],
      ["in_port=1,ip"],
    ],
    ["an output of a part", [`ip,actions=${set(9)},output(port=2,max_len=100),output:3`], ["in_port=1,ip", "in_port=2,ip"]],
    [
      "TTLs that end, and that do not",
      ["ip,actions=dec_ttl,output:2", "ipv6,actions=dec_ttl(1,2),output:2"],
      ["in_port=1,tcp,nw_ttl=1", "in_port=1,tcp,nw_ttl=2", "in_port=1,udp6,nw_ttl=1"],
    ],
    [
      "VLAN headers that come and go",
      ["dl_vlan=5,actions=pop_vlan,push_vlan:0x8100,set_field:4101->vlan_vid,output:2", "actions=push_vlan:0x8100,output:2"],
      ["in_port=1,dl_vlan=5,dl_vlan_pcp=0", "in_port=1,dl_vlan=5,dl_vlan_pcp=3", "in_port=1,dl_vlan=6", "in_port=1"],
    ],
    [
      "marks and labels that a packet is tracked with",
      [
        "table=0,tcp,actions=ct(commit,table=1,exec(set_field:0x2/0x2->ct_mark,set_field:0x7/0xff->ct_label))",
        "table=1,tcp,ct_mark=2/2,actions=ct(commit,table=2,exec(set_field:0x4/0x4->ct_mark))",
        "table=1,tcp,actions=ct(table=2,nat)",
        "table=2,actions=output:2",
        "table=0,udp,actions=ct(commit,exec(set_field:5->ct_mark)),ct(table=1,zone=5)",
      ],
      ["in_port=1,tcp", "in_port=1,tcp,ct_state=trk|new,ct_mark=9,ct_label=3", "in_port=1,udp"],
    ],
    [
      "branches by size",
      [
        "table=0,tcp,actions=check_pkt_larger(100)->NXM_NX_REG0[0],output:2",
        "table=0,udp,actions=check_pkt_larger(100)->NXM_NX_REG0[0],resubmit(,1)",
        "table=0,icmp,actions=resubmit(,2),output:3",
        "table=0,arp,actions=resubmit(,2),set_field:0->reg3",
        "table=0,sctp,actions=clone(set_field:1->reg1,resubmit(,2)),output:3",
        "table=0,tcp6,actions=clone(set_field:1->reg1,resubmit(,2))",
        "table=0,udp6,actions=output:3,resubmit(,2)",
        "table=0,icmp6,actions=check_pkt_larger(100)->NXM_NX_REG0[0],check_pkt_larger(50)->NXM_NX_REG0[1],resubmit(,1)",
        "table=1,reg0=1/1,actions=output:2",
        "table=1,actions=output:1,set_field:9->reg5,output:4",
        "table=2,actions=check_pkt_larger(100)->NXM_NX_REG0[0],resubmit(,1)",
      ],
      ["tcp", "udp", "icmp", "arp", "sctp", "tcp6", "udp6", "icmp6"].map((kind) => `in_port=4,${kind}`),
    ],
    [
      "clones of what cannot be undone",
      [
        "table=0,tcp,actions=clone(resubmit(,2)),output:3",
        "table=0,udp,actions=clone(check_pkt_larger(100)->NXM_NX_REG0[0],output:2),output:3",
        "table=0,sctp,actions=clone(check_pkt_larger(100)->NXM_NX_REG0[0],resubmit(,3)),output:3",
        "table=0,icmp,actions=clone(output(port=2,max_len=100)),output:3",
        "table=0,tcp6,actions=clone(output:2,clone(set_field:00:00:00:00:00:09->eth_src,resubmit(,3))),output:3",
        "table=0,udp6,actions=clone(clone(set_field:00:00:00:00:00:09->eth_src,resubmit(,3)),output:2),output:3",
        "table=0,icmp6,actions=clone(ct(commit)),output:3",
        "table=0,arp,actions=clone(set_field:00:00:00:00:00:09->eth_src,clone(output:2)),output:3",
        "table=0,sctp6,actions=ct(table=4)",
        "table=0,udp,nw_tos=16,actions=clone(resubmit(,9)),output:3",
        "table=9,udp,actions=check_pkt_larger(100)->NXM_NX_REG0[0],set_field:00:00:00:00:00:09->eth_src,controller(pause)",
        "table=0,udp,nw_tos=4,actions=resubmit(,7),output:3",
        "table=7,udp,actions=check_pkt_larger(100)->NXM_NX_REG0[0],set_field:00:00:00:00:00:09->eth_src,clone(resubmit(,80))",
        "table=0,udp,nw_tos=8,actions=resubmit(,8),output:3",
        "table=8,udp,actions=check_pkt_larger(100)->NXM_NX_REG0[0],clone(resubmit(,3))",
        "table=0,icmp,nw_tos=4,actions=resubmit(,5),output:3",
        "table=0,icmp,nw_tos=8,actions=clone(resubmit(,5)),output:3",
        "table=0,icmp,nw_tos=16,actions=clone(check_pkt_larger(100)->NXM_NX_REG0[0],clone(ct(commit))),output:3",
        "table=5,icmp,actions=output:1,clone(resubmit(,6))",
        "table=6,icmp,actions=output:1,clone(resubmit(,3))",
        "table=2,tcp,actions=ct(table=4,nat)",
        "table=3,reg0=1/1,actions=output:4",
        "table=3,ip,actions=ct(commit,exec(set_field:5->ct_mark))",
        "table=3,ipv6,actions=output:4,ct(commit)",
        "table=4,actions=clone(ct_clear,output:2),output:3",
      ],
      [
        "tcp",
        "udp",
        "sctp",
        "udp,nw_tos=4",
        "udp,nw_tos=8",
        "udp,nw_tos=16",
        "icmp,nw_tos=4",
        "icmp,nw_tos=8",
        "icmp,nw_tos=16",
        "icmp",
        "tcp6",
        "udp6",
        "icmp6",
        "arp",
        "sctp6",
      ].map((kind) => `in_port=4,${kind}`),
    ],
    [
      "tunnels and their options",
      [
        "priority=2,tun_metadata0=1/3,actions=output:2",
        "priority=1,dl_type=0x1234,actions=set_field:7->tun_metadata0,output:1",
        "priority=0,actions=move:NXM_NX_REG0[0..3]->NXM_NX_TUN_METADATA0[0..3],move:NXM_NX_TUN_METADATA0[1..6]->NXM_NX_REG0[0..5]",
      ],
      [tunnelled, `${tunnelled},tun_metadata0=0x60005`, `${tunnelled},dl_type=0x1234`, "in_port=1,tun_metadata0=5", "in_port=1"],
    ],
    [
      "packets to a bridge where tunnels end",
      ["actions=LOCAL"],
      [
        "in_port=1,arp,arp_op=1,arp_sha=00:00:00:00:00:01,arp_spa=1.1.1.1,arp_tpa=2.2.2.2",
        "in_port=1,arp,arp_op=2,arp_sha=00:00:00:00:00:01,arp_spa=1.1.1.1,arp_tpa=10.9.0.1",
        "in_port=1,arp,arp_op=1,arp_sha=00:00:00:00:00:01,arp_spa=1.1.1.1,arp_tpa=1.1.1.1",
        "in_port=1,udp,dl_dst=02:00:00:00:00:b0,nw_dst=10.9.0.1,udp_dst=6081",
        "in_port=1,udp,dl_dst=02:00:00:00:00:b0,nw_dst=10.9.0.2,udp_dst=6081",
        "in_port=1,udp,dl_dst=02:00:00:00:00:b0,nw_dst=10.9.0.1,udp_dst=6081,dl_vlan=5",
        "in_port=1,icmp6,icmpv6_type=136,nd_target=fd00::1,nd_tll=00:00:00:00:00:01",
      ],
    ],
    [
      "conjunctive matches, and flows of the same match behind them",
      [
        "priority=180,in_port=1,vlan_tci=0/0x1000,actions=conjunction(100,1/2)",
        "priority=180,conj_id=100,in_port=1,vlan_tci=0/0x1000,actions=output:2",
        "priority=180,dl_src=00:00:00:00:00:01,actions=conjunction(100,2/2)",
        "priority=100,in_port=1,vlan_tci=0/0x1000,actions=output:3",
        "priority=100,in_port=1,actions=output:4",
      ],
      ["in_port=1", "in_port=1,dl_src=00:00:00:00:00:01", "in_port=2"],
    ],
    [
      "of several conjunctions that are satisfied the one that is complete first",
      [
        "priority=50,in_port=1,actions=conjunction(100,1/2),conjunction(90,1/2)",
        "priority=50,dl_src=00:00:00:00:00:01,actions=conjunction(100,2/2),conjunction(90,2/2)",
        "priority=50,conj_id=90,actions=output:3",
        "priority=1,actions=output:4",
      ],
      ["in_port=1,dl_src=00:00:00:00:00:01", "in_port=1"],
    ],
  ];

  it.each(cases)("%s", async (_what, flows, packets) => {
    await configure(flows);
    for (const packet of packets) await same(["br0", packet]);
  });

  it.each([
    "ip_src),selection_method_param=7",
    "ip_src,udp_dst),selection_method_param=4294967303",
    "ip_src,udp_dst",
    "udp_dst",
    "tcp_src,tcp_dst",
    "ipv6_src,tcp_src",
    "eth_src,eth_dst,ip_src,ip_dst,tcp_dst",
    "ip_proto,sctp_src",
    "ip_src=255.255.0.0,tcp_dst=0xff00",
    "arp_spa,eth_type",
    "icmp_type",
    "nd_target,ip_frag",
  ])("a group that hashes %s", async (fields) => {
    const buckets = [0, 1, 2].map((id) => `bucket=bucket_id:${id},actions=output:2`).join(",");
    const how = `selection_method=hash,fields(${fields}${fields.includes(")") ? "" : ")"}`;
    await configure(["actions=group:1"], [`group_id=1,type=select,${how},${buckets}`]);
    const ip4 = "dl_src=00:00:00:00:01:02,nw_src=10.2.0.40,nw_dst=10.0.0.111";
    const ip6 = "ipv6_src=fd00::5,ipv6_dst=fd00::6";
    for (const packet of [
      `tcp,${ip4},tcp_src=4242,tcp_dst=443`,
      `udp,${ip4},udp_src=4242,udp_dst=443`,
      `sctp,${ip4},sctp_src=4242,sctp_dst=443`,
      `icmp,${ip4},icmp_type=8`,
      `tcp6,${ip6},tcp_src=4242,tcp_dst=443`,
      `udp6,${ip6},udp_src=4242,udp_dst=443`,
      "arp,arp_spa=10.0.0.1,arp_tpa=10.0.0.2",
      "dl_vlan=5,dl_vlan_pcp=1,dl_type=0x1234",
      "icmp6,icmpv6_type=135,icmpv6_code=0,nd_target=fd00::9",
    ])
      await same(["br0", `in_port=1,${packet}`]);
  });

  it.each(["", ",selection_method=dp_hash", `,selection_method=dp_hash,selection_method_param=${0x1_0000_0007}`])(
    "select groups%s",
    async (method) => {
      const buckets = "bucket=weight:1,actions=output:2,bucket=weight:2,actions=output:3";
      await configure(["actions=group:1"], [`group_id=1,type=select${method},${buckets}`]);
      for (const packet of ["in_port=1,tcp", "in_port=1,arp", "in_port=1,tcp,dp_hash=7"]) await same(["br0", packet]);
    },
  );
});

describe("arguments", () => {
  beforeAll(async () => {
    await configure([
      "table=0,udp,actions=ct(table=1,zone=5)",
      "table=0,tcp,actions=ct(commit,table=1,zone=5,nat(dst=1.2.3.4:80))",
      "table=0,tcp6,actions=ct(commit,table=1,zone=5,nat(src=fd00::1))",
      "table=0,icmp,actions=ct(table=1,nat)",
      "table=1,ct_state=+new,udp,actions=ct(commit,table=2)",
      "table=1,ct_state=+est,actions=output:2",
      "table=2,actions=output:4",
    ]);
  });

  const udp = "in_port=1,udp";
  const hex = "00000000000200000000000108004500002100010000401100000a0000010a00000204d20035000d000068656c6c6f";
  const dpFlow = "in_port(1),eth(src=00:00:00:00:00:01,dst=00:00:00:00:00:02),eth_type(0x1234)";
  const lists: readonly (readonly string[])[] = [
    ["br0", udp],
    ["br0", "in_port=1,tcp,tcp_src=5,tcp_dst=6"],
    ["br0", "in_port=1,tcp6"],
    ["br0", "in_port=1,icmp"],
    ["--names", "br0", "in_port=p1,udp"],
    ["br0", "in_port=99,udp"],
    ["br0", "udp"],
    ...["trk,est", "est", "foo", "", "trk,rel,rpl,inv", "trk,new,est", "trk,new,rpl", "trk,inv", "trk, snat"].map((state) => [
      "--ct-next",
      state,
      "br0",
      udp,
    ]),
    ["--ct-next", "trk,new", "--ct-next", "trk,est", "br0", udp],
    ["br0", udp, "--ct-next"],
    ["br0", "in_port=1", hex],
    ["br0", udp, `${hex}zz`],
    ["br0", udp, "00"],
    ["br0", udp, "-generate"],
    ["br0", udp, "-generate", hex],
    ["br0", udp, "--l7", "hello"],
    ["br0", udp, "-generate", "--l7", "68656c6c6f"],
    ["br0", udp, "--foo"],
    ["br0", udp, "-consistent"],
    ["br0", udp, "a", "b", "c"],
    ["br9", udp],
    ["br0"],
    ["br0", "foo=1"],
    [dpFlow],
    ["ovs-system", dpFlow],
    ["no-system", dpFlow],
    ["in_port(p1)"],
    ["in_port(77)"],
    ["eth_typo(0x1234)"],
  ];

  it.each(lists.map((words) => [words]))("ofproto/trace %j", async (words) => {
    await same(words);
  });

  const out: readonly (readonly string[])[] = [
    ["br0", udp, "output:2"],
    ["br0", udp, hex, "resubmit(,1),output:2"],
    ["br0", udp, "--names", "output:p2"],
    ["br0", "udp", "in_port"],
    ["br0", "udp", "group:9"],
    ["br0", udp, "drop"],
    ["-consistent", "br0", udp, "output:2"],
    ["br0", udp, "foo"],
    [dpFlow, "output:3"],
  ];

  /** Actions that fit some packets, in some versions, or are not for packet-outs. */
  const actions = [
    "mod_tp_dst:5",
    "set_field:5->tcp_dst",
    "push_vlan:0x8100,set_field:4101->vlan_vid,2",
    "pop_mpls:0x0800",
    "set_mpls_label:5",
    "set_vlan_vid:7,2",
    "strip_vlan,output:2",
    "controller",
    "goto_table:0",
    "write_actions(output:2)",
    "clear_actions",
    "clone(goto_table:1)",
    "ct(commit)",
    "conjunction(1,1/2)",
    "enqueue:1:2",
    "pop:NXM_NX_REG0[]",
    "delete_field:tun_metadata0",
    "move:NXM_OF_TCP_SRC[]->NXM_NX_REG0[]",
    "learn(table=1,in_port=1,NXM_OF_TCP_DST[])",
  ];

  it.each(actions)("ofproto/trace-packet-out: whether %s is for the packet", async (action) => {
    for (const option of [[], ["-consistent"], ["--consistent"]])
      for (const packet of ["in_port=1,udp,nw_src=1.1.1.1", "in_port=1,dl_vlan=5", "in_port=1,tcp,tcp_src=5"])
        await same([...option, "br0", packet, action], "ofproto/trace-packet-out");
  });

  it.each(out.map((words) => [words]))("ofproto/trace-packet-out %j", async (words) => {
    await same(words, "ofproto/trace-packet-out");
  });
});
