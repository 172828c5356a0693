/** Rates of ports: what both switches take from the tables QoS and Queue, and say of it. The reference has them on a veth, by tc; ours anywhere. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startOurs, startReference, type TestSwitch } from "./switches.ts";

const REFERENCE = process.env.OVN_REFERENCE ?? "/opt/ovn-reference/sid";
const PORT = "v0";
const FRAME = "50540000000250540000000108004500001c000000004011ffff0a0000010a000002000100020008ffff".padEnd(200, "0");

const QUEUES = `queues:0=@zero queues:7=@seven queues:9=@nine \
-- --id=@zero create Queue external_ids:is=zero \
-- --id=@seven create Queue other_config:min-rate=2000000 other_config:max-rate=5000000 other_config:burst=100000 other_config:priority=3 \
-- --id=@nine create Queue other_config:min-rate=100 other_config:max-rate=50000000000`;
const qos = (settings: string): string => `-- set port ${PORT} qos=@qos -- --id=@qos create QoS ${settings}`;

/** What is set, with ovs-vsctl's words, and what is asked of the switch then. */
const STEPS: readonly { readonly set: string; readonly ask: readonly string[] }[] = [
  { set: "", ask: [`appctl qos/show ${PORT}`, "appctl qos/show none", "appctl qos/show-types none"] },
  {
    set: qos(`type=linux-htb other_config:max-rate=10000000 ${QUEUES}`),
    ask: [
      `ofctl packet-out br0 in_port=none,packet=${FRAME},actions=1,1,1`,
      `appctl qos/show ${PORT}`,
      `ofctl -O OpenFlow10 queue-stats br0 ${PORT} 7`,
      `ofctl -O OpenFlow13 queue-stats br0 ${PORT} 0`,
      `ofctl -O OpenFlow10 queue-stats br0 ${PORT} 8`,
      `ofctl -O OpenFlow10 queue-get-config br0 ${PORT}`,
      `ofctl -O OpenFlow13 queue-get-config br0 ${PORT}`,
      `ofctl -O OpenFlow14 queue-get-config br0 ${PORT}`,
      `ofctl -O OpenFlow14 queue-get-config br0 ${PORT} 7`,
      `ofctl -O OpenFlow14 queue-get-config br0 ${PORT} 8`,
    ],
  },
  { set: qos("type=linux-htb other_config:max-rate=5"), ask: [`appctl qos/show ${PORT}`] },
  { set: qos("type=linux-htb other_config:max-rate=13"), ask: [`appctl qos/show ${PORT}`] },
  {
    set: qos(
      "type=linux-htb queues:1=@one -- --id=@one create Queue other_config:min-rate=9000000 other_config:max-rate=7000000 other_config:burst=7",
    ),
    ask: [`appctl qos/show ${PORT}`],
  },
  {
    set: qos(
      "type=linux-htb other_config:max-rate=x queues:1=@one -- --id=@one create Queue other_config:min-rate=y other_config:max-rate=0",
    ),
    ask: [`appctl qos/show ${PORT}`],
  },
  { set: qos("type=linux-noop"), ask: [`appctl qos/show ${PORT}`] },
  { set: qos("type=nonsense"), ask: [`appctl qos/show ${PORT}`] },
];

const addBridge = (type: string): string =>
  `add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure -- add-port br0 ${PORT} -- set interface ${PORT} ofport_request=1 ${type}`;

/** Without what changes from run to run. */
const plain = (text: string): string =>
  text
    .replace(/xid=0x[0-9a-f]+/g, "xid")
    .replace(/duration=[\d.]+s/g, "duration")
    .trimEnd();

/** The reference's answers, from a network of its own. */
function reference(): string[][] {
  const dir = mkdtempSync(join(tmpdir(), "weft-qos-"));
  const lines = STEPS.flatMap(({ set, ask }) => [
    ...(set === "" ? [] : [`vsctl ${set} > /dev/null`, "sleep 0.3"]),
    ...ask.map((words) => `${words} 2>&1; echo '---'`),
    "echo '==='",
  ]);
  const script = `
    export PATH=${REFERENCE}/bin:$PATH OVS_RUNDIR=${dir} OVS_DBDIR=${dir} OVS_LOGDIR=${dir} OVS_SYSCONFDIR=${dir}
    vsctl() { ovs-vsctl --timeout=10 --db=unix:${dir}/db.sock "$@"; }
    ofctl() { ovs-ofctl --timeout=5 "$@"; }
    appctl() { ovs-appctl -t ${dir}/v.ctl "$@" 2>&1 | grep -v 'server returned an error'; }
    echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6
    ip link add ${PORT} type veth peer name far; ip link set ${PORT} up; ip link set far up
    ovsdb-tool create ${dir}/conf.db ${REFERENCE}/share/openvswitch/vswitch.ovsschema
    ovsdb-server --remote=punix:${dir}/db.sock --unixctl=${dir}/db.ctl ${dir}/conf.db > /dev/null 2>&1 & server=$!
    until [ -S ${dir}/db.sock ]; do sleep 0.05; done
    vsctl --no-wait init
    ovs-vswitchd --enable-dummy -vconsole:off --unixctl=${dir}/v.ctl unix:${dir}/db.sock > /dev/null 2>&1 & switch=$!
    trap 'kill $switch $server; wait' EXIT
    vsctl ${addBridge("")}
    ${lines.join("\n")}`;
  try {
    const text = execFileSync("bash", ["-c", 'exec unshare -rn bash -c "$0"', script], { encoding: "utf8", timeout: 60_000 });
    return text
      .split("===\n")
      .slice(0, -1)
      .map((step) => step.split("---\n").slice(0, -1).map(plain));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function ours(on: TestSwitch): Promise<string[][]> {
  await on.vsctl(...addBridge("type=dummy").split(" "));
  const answers: string[][] = [];
  for (const { set, ask } of STEPS) {
    if (set !== "") await on.vsctl(...set.split(" "));
    const step: string[] = [];
    for (const words of ask) {
      const [program, ...args] = words.split(" ");
      const run = program === "appctl" ? on.appctl(args[0]!, ...args.slice(1)) : on.ofctl(...args);
      step.push(plain(await run.catch((error: unknown) => textOf(error))));
    }
    answers.push(step);
  }
  return answers;
}

/** Counters are compared in the first steps: the reference makes its queues anew where ours goes on with those that it has. */
const settings = (step: number, text: string): string => (step > 1 ? text.replace(/(tx_\w+): \d+/g, "$1") : text);

/** What a program printed before it failed, or a command's refusal. */
const textOf = (error: unknown): string => {
  const { stdout, stderr, message } = error as { stdout?: string; stderr?: string; message: string };
  return stderr === undefined ? message : `${stdout ?? ""}${stderr}`;
};

it("are taken and told as the reference does", async () => {
  const expected = reference();
  expect(expected).toHaveLength(STEPS.length);
  expect(expected[1]!.join("\n")).toContain("Queue 9:\n  burst: 12512\n");
  const on = await startOurs();
  try {
    const got = await ours(on);
    for (const [n, { set, ask }] of STEPS.entries())
      for (const [i, words] of ask.entries())
        expect(settings(n, got[n]![i]!), `${set}\n${words}`).toBe(settings(n, expected[n]![i]!));
  } finally {
    await on.stop();
  }
});

describe("DSCP of queues", () => {
  let switches: { reference: TestSwitch; ours: TestSwitch };
  const both = <T>(run: (on: TestSwitch) => Promise<T>): Promise<T[]> =>
    Promise.all([switches.reference, switches.ours].map(run));

  beforeAll(async () => {
    switches = { reference: await startReference(), ours: await startOurs() };
    await both(async (on) => {
      await on.vsctl(
        ..."add-br br0 -- set bridge br0 fail_mode=secure -- add-port br0 p1 -- set interface p1 type=dummy ofport_request=1 -- add-port br0 p2 -- set interface p2 type=dummy ofport_request=2 -- add-port br0 p3 -- set interface p3 type=dummy ofport_request=3 -- set port p2 qos=@q -- set port p3 qos=@q -- --id=@q create QoS type=linux-htb queues:0=@a queues:7=@b queues:9=@c -- --id=@a create Queue dscp=1 -- --id=@b create Queue dscp=40 -- --id=@c create Queue other_config:max-rate=5".split(
          " ",
        ),
      );
      await on.ofctl("add-flow", "br0", "in_port=1,tcp,actions=set_queue:7,2,set_queue:9,2,pop_queue,3,1");
      await on.ofctl("add-flow", "br0", "in_port=1,udp,actions=enqueue:2:7,3,set_queue:8,2");
      await on.ofctl("add-flow", "br0", "in_port=1,arp,actions=set_queue:7,2,3");
      await on.ofctl("add-flow", "br0", "in_port=1,icmp,actions=set_queue:7,mod_nw_tos:12,2,mod_nw_tos:16,3,in_port");
      await on.ofctl("add-flow", "br0", "in_port=1,icmp6,actions=set_queue:7,2,LOCAL,3");
      await on.ofctl("add-flow", "br0", "in_port=2,udp,actions=set_queue:7,2,3");
      await on.ofctl("add-flow", "br0", "in_port=3,ip,actions=mod_nw_tos:12,2");
    });
  });
  afterAll(() => both((on) => on.stop()));

  it.each([
    "in_port=1,tcp,nw_tos=4",
    "in_port=1,tcp,nw_tos=160,nw_ecn=1",
    "in_port=1,tcp6,nw_tos=4",
    "in_port=1,udp,nw_tos=4",
    "in_port=1,udp,skb_priority=7,nw_tos=4",
    "in_port=1,arp",
    "in_port=1,icmp,nw_tos=4,nw_ecn=3",
    "in_port=1,icmp6,nw_tos=4",
    "in_port=2,udp",
    "in_port=3,ip,nw_proto=17",
  ])("%s", async (flow) => {
    const [expected, got] = await both((on) => on.appctl("ofproto/trace", "br0", flow));
    expect(got).toBe(expected);
  });
});
