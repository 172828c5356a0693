/**
 * The control sockets of our daemons under the reference's ovs-appctl, beside those of the reference: the same commands with
 * the same usage, and the same answers and exit codes where these do not depend on what is inside.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { find } from "@weft/packet";
import { messageOf } from "@weft/runtime";
import { describe, expect, it } from "vitest";
import { programsOf } from "./reference/cloud.ts";
import {
  type Answer,
  askDaemon,
  controlClouds,
  controller,
  daemons,
  northd,
  ovsdb,
  type Side,
  sides,
  vswitchd,
} from "./reference/controlClouds.ts";
import type { Control } from "./reference/daemons.ts";

const clouds = controlClouds();
const ask = (side: Side, daemon: string, args: readonly string[]): Answer => askDaemon(clouds.get(side)!, daemon, args);

describe.each(daemons)("%s", (daemon) => {
  it("has the reference's commands", () => {
    expect(ask("weft", daemon, ["list-commands"])).toEqual(ask("reference", daemon, ["list-commands"]));
    const json = ask("reference", daemon, ["--format=json", "list-commands"]);
    expect(ask("weft", daemon, ["--format=json", "list-commands"])).toEqual(json);
  });
});

/** Every line a command and its arguments, in the order in which they are asked. */
const questions: Readonly<Record<string, readonly (readonly string[])[]>> = {
  [northd]: [
    ["status"],
    ["is-paused"],
    ["pause"],
    ["is-paused"],
    ["status"],
    ["resume"],
    ["is-paused"],
    ["pause", "1"],
    ["nb-connection-status"],
    ["sb-connection-status"],
    ["nb-cluster-state-reset"],
    ["sb-cluster-state-reset"],
    ["debug/chassis-features-list"],
    ["parallel-build/get-n-threads"],
    ["parallel-build/set-n-threads", "0"],
    ["parallel-build/set-n-threads", "x"],
    ["parallel-build/set-n-threads", "257"],
    ["parallel-build/set-n-threads"],
  ],
  [controller]: [
    ["connection-status"],
    ["sb-cluster-state-reset"],
    ["debug/status"],
    ["debug/pause"],
    ["debug/status"],
    ["debug/resume"],
    ["debug/status"],
    ["debug/delay-nb-cfg-report"],
    ["debug/delay-nb-cfg-report", "2"],
    ["debug/delay-nb-cfg-report", "0"],
    ["debug/delay-nb-cfg-report", "x"],
    ["debug/dump-local-bindings"],
    ["group-table-list"],
    ["meter-table-list"],
    ["recompute"],
    ["flush-lflow-cache"],
    ["lflow-cache/flush"],
    ["inject-pkt"],
    ["inject-pkt", "nonsense=="],
    ["inject-pkt", "ip4 && foo == 1"],
    ["inject-pkt", 'inport == "nope" && ip4'],
    ["inject-pkt", 'inport == "p2" && ip4'],
    ["inject-pkt", "ip4"],
    ["inject-pkt", 'inport == "p1" && (ip4 || ip6)'],
  ],
};

/** Of the switch: what is there, in a fixed order, and what is wrong. */
const switchQuestions: readonly (readonly string[])[] = [
  ...["bond/list", "bond/show", "bfd/show", "cfm/show", "lacp/show", "lacp/show-stats", "stp/show", "rstp/show"].map((name) => [
    name,
  ]),
  ...["bond/show", "bfd/show", "cfm/show", "lacp/show", "lacp/show-stats", "stp/show", "rstp/show"].map((name) => [name, "nope"]),
  ["bond/hash"],
  ["bfd/set-forwarding", "x"],
  ["bfd/set-forwarding", "normal"],
  ["bfd/set-forwarding", "br-int", "normal"],
  ["cfm/set-fault", "br-int", "normal"],
  ["stp/tcn"],
  ["stp/tcn", "br-int"],
  ["rstp/tcn"],
  ["rstp/tcn", "br-int"],
  ["autoattach/status"],
  ["bridge/dump-flows", "nope"],
  ["bridge/reconnect", "nope"],
  ["bridge/reconnect", "br-phys"],
  ["fdb/show", "nope"],
  ["fdb/show", "br-int"],
  ["fdb/flush", "nope"],
  ["fdb/add", "br-phys", "nope", "0", "50:54:00:00:00:55"],
  ["fdb/del", "br-phys", "0", "50:54:00:00:00:56"],
  ["fdb/stats-show", "nope"],
  ["mdb/show", "br-int"],
  ["mdb/show", "nope"],
  ["ofproto/list"],
  ["ofproto/list-tunnels"],
  ["ofproto/trace", "nope", "in_port=1"],
  ["dpctl/dump-dps"],
  ["dpctl/show", "nope"],
  ["dpctl/dump-flows", "nope"],
  ["dpif/dump-dps"],
  ["dpif/dump-flows", "nope"],
  ["dpif/show-dp-features", "nope"],
  ["qos/show", "nope"],
  ["qos/show", "p1"],
  ["upcall/set-flow-limit", "x"],
  ["upcall/set-flow-limit", "1000"],
  ["tnl/neigh/set", "br-phys", "x", "50:54:00:00:00:99"],
  ["tnl/neigh/aging"],
  ["tnl/neigh/aging", "x"],
  ["tnl/ports/show"],
  ["tnl/egress_port_range"],
  ["tnl/egress_port_range"],
  ["ovs/route/lookup", "10.9.0.5"],
  ["ovs/route/lookup", "x"],
  ["ovs/route/add", "x", "br-phys"],
  ["ovs/route/del", "10.8.0.0/16"],
  ["tnl/neigh/set", "br-phys", "10.9.0.77", "50:54:00:00:00:77"],
  ["ovs/route/add", "10.8.0.0/16", "br-phys", "10.9.0.77"],
  ["ovs/route/lookup", "10.8.0.1"],
  ["ovs/route/del", "10.8.0.0/16"],
  ["ovs/route/lookup", "10.8.0.1"],
  // Beside the routes that follow from addresses, which those by hand go before.
  ["ovs/route/add", "10.9.0.0/24", "br-phys", "10.9.0.77"],
  ["ovs/route/lookup", "10.9.0.5"],
  ["ovs/route/add", "10.9.0.7/24", "br-phys", "10.9.0.78"],
  ["ovs/route/lookup", "10.9.0.5"],
  ["ovs/route/lookup", "10.9.0.1"],
  ["ovs/route/add", "10.7.0.0/16", "br-phys", "10.9.0.77", "pkt_mark=4"],
  ["ovs/route/add", "10.7.0.0/16", "br-phys", "10.9.0.78"],
  ["ovs/route/lookup", "10.7.0.1", "pkt_mark=4"],
  ["ovs/route/lookup", "10.7.0.1"],
  ["ovs/route/del", "10.7.0.0/16", "pkt_mark=4"],
  ["ovs/route/show"],
  ["--format=json", "ovs/route/show"],
  ["ovs/route/del", "10.7.0.0/16"],
  ["ovs/route/del", "10.9.0.0/24"],
  ["ovs/route/del", "10.9.0.0/24"],
  ["ovs/route/add", "10.9.0.1/24", "br-phys"],
  ["fdb/flush"],
  ["fdb/flush", "br-phys"],
  ["fdb/show", "br-phys"],
  ["--format=json", "fdb/show", "br-phys"],
  ["netdev-dummy/set-admin-state", "p1", "down"],
  ["netdev-dummy/set-admin-state", "p1", "up"],
  ["netdev-dummy/set-admin-state", "nope", "down"],
  ["netdev-dummy/receive", "nope", "00"],
  ["netdev-dummy/ip4addr", "nope", "1.2.3.4/24"],
  ["netdev-dummy/conn-state"],
  ["netdev-dummy/conn-state", "nope"],
  ["coverage/read-counter", "nope"],
  ["nonsense"],
];

/** What is too few, too many, unknown or malformed, and what there is none of; one command a line, in the order in which they are asked. */
const mistakes = `
  fdb/show
  fdb/show nope
  fdb/show nope br-int
  fdb/show br-int br-phys
  dpctl/cache-get-size
  dpctl/cache-get-size nope
  dpctl/cache-get-size system@ovs-system
  dpctl/cache-get-size system@ovs-system x
  dpctl/cache-set-size system@ovs-system x 5
  dpctl/cache-set-size system@ovs-system x y
  dpctl/cache-set-size nope x 5
  dpctl/offload-stats-show
  dpctl/offload-stats-show nope
  dpctl/offload-stats-show system@ovs-system
  dpctl/offload-stats-show -m
  dpif-netdev/bond-show
  dpif-netdev/bond-show nope
  dpif-netdev/bond-show ovs-system
  dpif-netdev/bond-show system@ovs-system
  dpif-netdev/pmd-perf-log-set
  dpif-netdev/pmd-perf-log-set off -b 3
  dpif-netdev/pmd-perf-log-set x
  dpif-netdev/pmd-stats-show -pmd 0
  dpif-netdev/pmd-stats-show -pmd 0 ovs-system
  dpif-netdev/pmd-stats-clear
  dpif-netdev/pmd-stats-clear nope
  dpif-netdev/pmd-stats-clear ovs-system
  dpif-netdev/pmd-rxq-rebalance
  dpif-netdev/pmd-rxq-rebalance nope
  dpif-netdev/pmd-rxq-rebalance ovs-system
  dpif-netdev/pmd-rxq-show
  dpif-netdev/pmd-rxq-show nope
  dpif-netdev/pmd-rxq-show -secs 5
  dpif-netdev/pmd-rxq-show -secs x
  dpif-netdev/pmd-sleep-show
  dpif-netdev/pmd-sleep-show nope
  dpif-netdev/subtable-lookup-info-get
  dpif/set-dp-features
  dpif/set-dp-features nope
  dpif/set-dp-features --force br-int ufid true
  mdb/flush
  mdb/flush nope
  mdb/flush br-int
  mdb/show br-int
  ovs/route/show
  ovs/route/show table=5
  ovs/route/show table=x
  ovs/route/show x
  ovs/route/add 10.99.0.0/16 br-phys 10.9.0.9 table=x
  ovs/route/add 10.99.0.0/16 br-phys 10.9.0.9 x
  ovs/route/add 10.99.0.0/16 br-phys 10.9.0.9 pkt_mark=x
  ovs/route/add 10.99.0.0/16 br-phys 10.9.0.9 src=x
  ovs/route/add 10.99.0.0/16 br-phys x
  ovs/route/add 10.99.0.0/16 nope
  ovs/route/add 10.99.0.0/16 br-phys 10.9.0.9 src=1.2.3.4
  ovs/route/show
  ovs/route/del 10.99.0.0/16 x
  ovs/route/lookup 10.99.0.1 x
  ovs/route/lookup 10.99.0.1 pkt_mark=x
  ovs/route/lookup 10.99.0.1 src=x
  ovs/route/lookup 10.9.0.5 src=10.9.0.1
  qos/show-types x
  tnl/neigh/retrans_time
  tnl/neigh/retrans_time x
  tnl/neigh/retrans_time 100
  tnl/neigh/retrans_time 99
  tnl/neigh/retrans_time 20000
  tnl/neigh/retrans_time 5000
  tnl/neigh/retrans_time
  tnl/neigh/retrans_time 1000
  tnl/egress_port_range x
  tnl/egress_port_range x x
  tnl/egress_port_range 10 5
  tnl/egress_port_range 0 5
  tnl/egress_port_range 5 0
  tnl/egress_port_range 5 70000
  tnl/egress_port_range 10
  tnl/egress_port_range 10 x
  tnl/egress_port_range
  tnl/egress_port_range 32768 61000
  tnl/neigh/set nope 10.9.0.77 50:54:00:00:00:77
  tnl/neigh/set br-phys 10.9.0.77 x
  tnl/neigh/set br-phys fe80::1 50:54:00:00:00:78
  tnl/neigh/aging 0
  tnl/neigh/aging 4000
  tnl/neigh/aging 3600
  tnl/neigh/aging
  tnl/ports/show x
  upcall/disable-ufid
  upcall/enable-ufid
  upcall/enable-ufid x
  bfd/set-forwarding x x
  bfd/set-forwarding nope true
  cfm/set-fault x x
  cfm/set-fault nope true
  bond/hash x
  bond/hash x 1
  bond/hash x 1 x
  bond/hash 50:54:00:00:00:01
  bond/hash 50:54:00:00:00:01 5
  bond/hash 50:54:00:00:00:01 4095 7
  bond/hash fe:dc:ba:98:76:54 4096 4294967295
  bond/hash 50:54:00:00:00:01 x
  bond/hash 50:54:00:00:00:01 5x -1
  bond/hash 50:54:00:00:00:01 10000000000 1
  --format=json fdb/show nope
  --format=json fdb/show br-phys nope
  --format=json ovs/route/show
  --format=json ovs/route/show table=5
  --format=json ovs/route/show table=x
  bond/disable-member x x
  bond/enable-member x x
  bond/set-active-member x x
  bond/migrate x x x
  dpctl/dump-flows filter=BAD
  dpctl/dump-flows filter=ip,BAD
  dpctl/dump-flows filter=nw_src=1.2.3.4
  dpctl/dump-flows filter=ip,nw_src=x
  dpctl/dump-flows type=x
  dpctl/dump-flows type=ovs
  dpctl/dump-flows type=offloaded
  dpctl/dump-flows type=tc,dpdk
  dpctl/dump-flows pmd=x
  dpctl/dump-flows pmd=0
  dpctl/dump-flows pmd=-1
  dpctl/dump-flows filter=ip filter=arp
  dpctl/dump-flows -x
  dpctl/dump-flows --names system@ovs-system
  dpctl/dump-flows ovs-system
  dpctl/dump-flows system@nope
  dpctl/dump-flows netdev@ovs-system
  dpctl/list-commands
  dpctl/ct-get-nconns nope
  dpctl/ct-get-nconns nope@x
  dpctl/ct-get-nconns ovs-system
  dpctl/ct-bkts nope
  dpctl/ct-del-limits nope
  dpctl/ct-set-limits nope
  dpctl/ct-get-limits nope
  dpctl/ct-get-limits nope zone=1
  dpctl/ct-stats-show nope
  dpctl/dump-conntrack nope
  dpctl/ipf-get-status x
  dpctl/ipf-get-status x x
  dpctl/show nope@x
  dpctl/show system@nope
  dpctl/show -s x
  dpctl/get-flow x
  dpctl/get-flow ufid:x
  dpctl/get-flow ufid:00000000-0000-0000-0000-000000000001
  dpctl/get-flow nope ufid:00000000-0000-0000-0000-000000000001
  ofproto/detrace x
  ofproto/detrace ufid:00000000-0000-0000-0000-000000000001
  ofproto/detrace ufid:00000000-0000-0000-0000-000000000001 pmd=x
  ofproto/detrace ufid:00000000-0000-0000-0000-000000000001 x
  netdev-dummy/ip4addr x x
  netdev-dummy/ip4addr x 1.2.3.4/24
  netdev-dummy/ip6addr x x
  netdev-dummy/ip6addr x fe80::1
  netdev-dummy/ip6addr x fe80::1/64
  netdev-dummy/receive x x
  netdev-dummy/receive x 00
  netdev-dummy/receive p1 x
  netdev-dummy/receive p1 00
  netdev-dummy/set-admin-state p1 x
  netdev-dummy/set-admin-state x x
  netdev-dummy/conn-state x
  bridge/dump-flows
  bridge/dump-flows --offload-stats
  bridge/dump-flows --offload-stats nope
  bridge/dump-flows br-phys nope
  autoattach/show-isid br-int
  autoattach/statistics nope
  autoattach/status nope
  autoattach/status br-int
  ofproto/trace
  ofproto/trace x
  ofproto/trace br-int x
  ofproto/trace br-int in_port=x
  ofproto/trace br-int in_port=1 -x
  ofproto/trace br-int in_port=1 00
  ofproto/trace-packet-out x y
  ofproto/trace-packet-out br-int in_port=1 nope
  ofproto/trace-packet-out br-int in_port=1 output:x
  upcall/set-flow-limit
  upcall/set-flow-limit -5
  upcall/set-flow-limit 99999999999
  revalidator/wait
  revalidator/purge
  revalidator/wait x
  coverage/read-counter
  netdev-dummy/conn-state p1
`
  .trim()
  .split("\n")
  .map((line) => line.trim().split(" "));

/** What every daemon answers: levels, patterns and facilities, right and wrong. */
const logging: readonly (readonly string[])[] = [
  ["vlog/list"],
  ["vlog/list", "x"],
  ...[
    "",
    ":",
    "nope",
    "nope:dbg",
    "file:nope",
    "unixctl:nope",
    "unixctl:file:nope",
    "any:any:nope",
    "dbg:info",
    "file:console:dbg",
    "unixctl:vlog:dbg",
    "unixctl:file:warn:dbg",
    "any:unixctl:warn",
    "UNIXCTL:FILE:ERR",
    "unixctl,file,info",
    "vlog syslog dbg",
    "PATTERN",
    "PATTERN:",
    "PATTERN:nope:x",
    "PATTERN::x",
    "pattern:console:%p:%m",
    "PATTERN console  %m",
    "PATTERN:syslog::%m",
    "PATTERNS:file:x",
    "FACILITY",
    "FACILITY:nope",
    "FACILITY:user:x",
    "FACILITY:local8",
    "facility LOCAL7",
    "FACILITY:daemon",
    "--x",
  ].map((spec) => ["vlog/set", spec]),
  ["vlog/set", "unixctl:err", "nope", "vlog:err"],
  ["vlog/list-pattern"],
  ["vlog/list"],
  ["vlog/set", "PATTERN:any", "info"],
  ["vlog/list-pattern"],
  ["vlog/set"],
  ["vlog/disable-rate-limit", "nope"],
  ["vlog/disable-rate-limit", "unixctl:dbg"],
  ["vlog/disable-rate-limit", "UNIXCTL", "nope"],
  ["vlog/disable-rate-limit", "any", "nope"],
  ["vlog/list"],
  ["vlog/enable-rate-limit", "any"],
  ["vlog/disable-rate-limit"],
  ["vlog/enable-rate-limit", "vlog"],
  ["vlog/list"],
  ["vlog/enable-rate-limit"],
  ["vlog/set", "PATTERN:file:%D{%Y-%m-%dT%H:%M:%S.###Z}|%05N|%c%T|%p|%m"],
  ["vlog/set", "info", "console:off"],
  ["set-options"],
  ["set-options", "--format"],
  ["set-options", "--format", "x"],
  ["set-options", "--nope", "json"],
  ["set-options", "--format", "json", "x"],
  ["version"],
  ["--format=json", "version"],
];

/** What every daemon of OVN answers. */
const common: readonly (readonly string[])[] = [
  ["nonsense"],
  ["coverage/read-counter"],
  ["coverage/read-counter", "nonsense"],
  ["stopwatch/show", "nonsense"],
  ["stopwatch/reset"],
  ["stopwatch/reset", "nonsense"],
  ["inc-engine/compute-log-timeout"],
  ["inc-engine/compute-log-timeout", "x"],
  ["inc-engine/compute-log-timeout", "100"],
  ["inc-engine/show-stats", "nonsense"],
  ["inc-engine/clear-stats"],
  ["inc-engine/recompute"],
  ["vlog/set", "file:dbg"],
  ["vlog/set", "file:info"],
  ["vlog/reopen"],
  ["vlog/close"],
  ["vlog/reopen"],
];

const asked = [
  ...[northd, controller].map((daemon) => ({ daemon, questions: [...(questions[daemon] ?? []), ...common] })),
  { daemon: vswitchd, questions: [...switchQuestions, ...mistakes] },
  ...daemons.map((daemon) => ({ daemon, questions: logging })),
];
const cases = asked.flatMap(({ daemon, questions }) => questions.map((args) => ({ daemon, args, line: args.join(" ") })));

/** By side and daemon. */
const controls = new Map<string, Control>();

/** The same answer without a process for each: options of appctl itself need one. */
async function answer(side: Side, daemon: string, args: readonly string[]): Promise<Answer> {
  const [name = "", ...params] = args;
  if (name.startsWith("-")) return ask(side, daemon, args);
  const cloud = clouds.get(side)!;
  const key = `${side} ${daemon}`;
  const control = controls.get(key) ?? cloud.control(daemon);
  controls.set(key, control);
  return control.call(name, ...params).then(
    (text) => ({ code: 0, text: text.trimEnd() }),
    (error: unknown) => ({ code: 2, text: messageOf(error).trimEnd() }),
  );
}

it.each(cases)("$daemon $line", async ({ daemon, args }) => {
  expect(await answer("weft", daemon, args)).toEqual(await answer("reference", daemon, args));
});

it("old names of commands, and those for tests, are known but not listed", () => {
  const many = Array.from({ length: 12 }, () => "x");
  const hidden = ["bond/disable-slave", "bond/enable-slave", "bond/set-active-slave", "dpif-netdev/pmd-stats-show"];
  for (const name of hidden) expect(ask("weft", vswitchd, [name, ...many])).toEqual(ask("reference", vswitchd, [name, ...many]));
  for (const daemon of daemons) {
    for (const side of sides) expect(ask(side, daemon, ["vlog/message", "hello"])).toEqual({ code: 0, text: "" });
    for (const side of sides) {
      const log = () => readFileSync(join(clouds.get(side)!.dir, `${daemon}.log`), "utf8");
      expect(log()).toContain("|vlog|INFO|user-message: hello\n");
    }
  }
});

it("memory/show has the reference's keys but for those of parts that are not there", () => {
  const keys = (side: Side, daemon: string) =>
    [...ask(side, daemon, ["memory/show"]).text.matchAll(/([^\s:][^:]*):\d+/g)].map(([, key]) => key!);
  const missing = (daemon: string) => keys("reference", daemon).filter((key) => !keys("weft", daemon).includes(key));
  expect(keys("weft", vswitchd)).toEqual(keys("reference", vswitchd));
  expect(keys("weft", northd).filter((key) => key !== "engine-cells")).toEqual(keys("reference", northd));
  // Of the insides of the original: caches, and estimates of what structures take.
  expect(missing(ovsdb).filter((key) => key !== "json-caches")).toEqual([]);
  expect(missing(controller).filter((key) => !/^(lflow-cache-|.*_usage-KB$)/.test(key))).toEqual([]);
});

it("flows, their limit and what the threads have done are shown in the reference's form", () => {
  /** Without what depends on time and on the thread's number. */
  const shown = (side: Side, ...args: string[]) =>
    ask(side, vswitchd, args)
      .text.replace(/Time: .*|duration: .*|\d+(?=: \(keys)|\d+(?=\))|\d+ms|\(avg \d+\)/g, "N")
      .replace(/(max|limit) \d+/g, "$1 N");
  for (const side of sides) ask(side, vswitchd, ["dpctl/del-flows"]);
  for (const args of [
    ["upcall/show"],
    ["dpif-netdev/pmd-stats-clear"],
    ["dpif-netdev/pmd-stats-show"],
    ["dpif-netdev/pmd-perf-show"],
  ])
    expect(shown("weft", ...args)).toBe(shown("reference", ...args));
});

it("ports and learned addresses are told as JSON in the reference's form", () => {
  const shown = (side: Side, ...args: string[]) =>
    ask(side, vswitchd, ["--format=json", ...args])
      .text.replace(/("(hit|missed|port_no)"):"\d+"/g, '$1:"N"')
      .replaceAll(clouds.get(side)!.dir, "DIR");
  expect(shown("weft", "dpif/show")).toBe(shown("reference", "dpif/show"));
  for (const side of sides) {
    ask(side, vswitchd, ["fdb/flush", "br-phys"]);
    ask(side, vswitchd, ["fdb/add", "br-phys", "br-phys", "5", "50:54:00:00:00:09"]);
  }
  const entries = (side: Side) =>
    (JSON.parse(shown(side, "fdb/show", "br-phys")) as { "br-phys": { mac: string }[] })["br-phys"].filter(({ mac }) =>
      mac.endsWith("09"),
    );
  expect(entries("weft")).toEqual(entries("reference"));
  expect(entries("reference")).toHaveLength(1);
  for (const side of sides) ask(side, vswitchd, ["fdb/del", "br-phys", "5", "50:54:00:00:00:09"]);
});

/** Lines in any order, without what is made up at random. */
function lines({ text }: Answer): string[] {
  return text
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "UUID")
    .replace(/start: \d+/, "start: N")
    .split("\n")
    .sort();
}

it.each([["debug/dump-lflow-conj-ids"], ["debug/dump-local-datapaths"], ["debug/dump-peer-ports"], ["debug/dump-related-ports"]])(
  "the controller's %s but for the order",
  (command) => {
    expect(lines(ask("weft", controller, [command]))).toEqual(lines(ask("reference", controller, [command])));
  },
);

it("ct-zone-list has a zone of its own for the same names", () => {
  const zones = (side: Side) => lines(ask(side, controller, ["ct-zone-list"])).map((line) => line.split(" "));
  expect(zones("weft").map(([name]) => name)).toEqual(zones("reference").map(([name]) => name));
  expect(new Set(zones("weft").map(([, zone]) => zone)).size).toBe(zones("weft").length);
});

it("inject-pkt sends a packet in by a logical port", async () => {
  const packet =
    'inport == "p1" && eth.src == 50:54:00:00:00:01 && eth.dst == 50:54:00:00:00:02 && ip4.src == 10.0.0.1 && ip4.dst == 10.0.0.2 && ip.ttl == 64 && udp.dst == 5';
  for (const side of sides) {
    const cloud = clouds.get(side)!;
    expect(ask(side, controller, ["inject-pkt", packet])).toEqual({ code: 0, text: "" });
    const sizes = () =>
      cloud
        .capture("w2", "p2")
        .flatMap((layers) => (find(layers, "udp")?.dstPort === 5 ? [layers.map(({ header }) => header)] : []));
    await expect
      .poll(sizes, { timeout: 20_000 })
      .toMatchObject([
        [
          { kind: "ethernet" },
          { kind: "ipv4", ttl: 64 },
          { kind: "udp", srcPort: 0 },
          { kind: "payload", bytes: { length: 64 } },
        ],
      ]);
  }
});

it("shows the datapath's ports, and of its flows those that are asked for", () => {
  const udp = "50540000000250540000000108004500001c00000000401165850a0000010a0000021388138800080000";
  for (const side of sides) for (let i = 0; i < 3; i++) ask(side, vswitchd, ["netdev-dummy/receive", "p1", udp]);
  /** Ports have numbers of their own: names, types and counters. */
  const ports = (side: Side): string[] =>
    ask(side, vswitchd, ["dpctl/show", "-s"])
      .text.split(/\n {2}port \d+: /)
      .slice(1)
      .map((port) => port.replace(/(packets|bytes):\d+/g, "$1:N").replaceAll(clouds.get(side)!.dir, ""))
      .sort();
  expect(ports("weft")).toEqual(ports("reference"));
  for (const side of sides) {
    const flows = (...args: string[]): string[] =>
      ask(side, vswitchd, ["dpctl/dump-flows", ...args])
        .text.split("\n")
        .filter((line) => line.includes("eth_type(0x0800)"));
    expect(flows().length, side).toBeGreaterThan(0);
    expect(flows("filter=ip"), side).toHaveLength(flows().length);
    expect(flows("filter=arp"), side).toEqual([]);
    for (const line of flows("-m")) expect(line, side).toMatch(/,ct_state\((0|0x[0-9a-f]+)\/(0|0x[0-9a-f]+)\),ct_zone\(/);
  }
});

it("ovn-trace and ovn-sbctl of both tell the same of our switch's flows (--ovs)", () => {
  const { dir } = clouds.get("weft")!;
  const databases = [`--db=unix:${dir}/central/sb.sock`, `--ovs=unix:${dir}/w1/br-int.mgmt`];
  const packet =
    'inport == "p1" && eth.src == 50:54:00:00:00:01 && eth.dst == 50:54:00:00:00:02 && ip4.src == 10.0.0.1 && tcp.dst == 2';
  const told = (side: Side, program: string, ...args: string[]): string => {
    const { status, stdout, stderr } = spawnSync(join(programsOf(side), program), [...databases, ...args], { encoding: "utf8" });
    return `${status}\n${stdout}${stderr}`.replace(/duration=[\d.]+s|(?:idle|hard)_age=\d+|n_(?:packets|bytes)=\d+/g, "");
  };
  for (const [program, ...args] of [
    ["ovn-trace", packet],
    ["ovn-trace", "--summary", packet],
    ["ovn-trace", "--minimal", packet],
    ["ovn-sbctl", "lflow-list", "a"],
  ] as const) {
    const text = told("reference", program, ...args);
    expect(text).toContain("0x");
    expect(told("weft", program, ...args)).toBe(text);
  }
});

it("counters, engine nodes, stopwatches and memory have the reference's form", () => {
  for (const side of sides) {
    const text = (...args: string[]) => ask(side, northd, args).text;
    expect(text("coverage/show")).toMatch(
      /^Event coverage, avg rate over last: 5 seconds, last minute, last hour, {2}hash=[0-9a-f]{8}:\n(\S+ +\d+\.\d\/sec +\d+\.\d{3}\/sec +\d+\.\d{4}\/sec {3}total: \d+\n)+\d+ events never hit\n$/,
    );
    expect(Number(text("coverage/read-counter", "northd_run"))).toBeGreaterThan(0);
    expect(text("inc-engine/show-stats")).toMatch(
      /^(Node: .*\n(?=.{25}\n)- recompute: +\d+\n(?=.{25}\n)- compute: +\d+\n(?=.{25}\n)- cancel: +\d+\n)+$/,
    );
    expect(text("stopwatch/show", "ovn-northd-loop")).toMatch(
      /^Statistics for 'ovn-northd-loop'\n {2}Total samples: [1-9]\d*\n {2}Maximum: \d+ msec\n {2}Minimum: \d+ msec\n {2}95th percentile: \d+\.\d{6} msec\n {2}Short term average: \d+\.\d{6} msec\n {2}Long term average: \d+\.\d{6} msec\n$/,
    );
    expect(text("inc-engine/list-stopwatches").split("\n")).toContain("northd");
    expect(text("memory/show")).toMatch(/\bidl-cells-OVN_Northbound:[1-9]\d* idl-cells-OVN_Southbound:[1-9]\d*/);
  }
});

/** Commands that end or stop a daemon, and one on which the original dies. */
const dangerous = /^(exit|time\/|vlog\/close|.*pause$|ovsdb-server\/set-sync-exclude-tables)/;

it("commands that only say why not are those of the documentation", async () => {
  const page = readFileSync(join(import.meta.dirname, "../docs/interop.md"), "utf8");
  const documented = [...page.matchAll(/^\| `([a-z/-]+)` \|/gm)].map(([, name]) => name);
  const refused: string[] = [];
  for (const daemon of daemons) {
    const [theirs, ours] = sides.map((side) => clouds.get(side)!.control(daemon));
    const refuses = (control: Control, name: string) =>
      control.call(name).then(
        () => false,
        () => true,
      );
    for (const line of (await theirs!.call("list-commands")).split("\n").slice(1)) {
      const name = line.trim().split(" ")[0]!;
      if (name === "" || dangerous.test(name)) continue;
      if ((await refuses(ours!, name)) !== (await refuses(theirs!, name))) refused.push(name);
    }
  }
  expect(new Set(refused)).toEqual(new Set(documented));
});
