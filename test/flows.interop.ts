/**
 * Random networks on two chassis. For the same southbound database, the flows of our controller carry packets as those of the
 * reference's do, both in the reference's switch; and the reference's flows do in our switch what they do in the reference's.
 * Packets come from VIFs, out of tunnels, and from a physical network.
 */
import { Core } from "@weft/controller";
import { flowMod, Match, type Message, OFPG, OFPP, OpenFlowConnection, TlvMap } from "@weft/openflow";
import { createReplica, type Replica } from "@weft/ovsdb";
import { parseIpv4, parseMac } from "@weft/packet";
import { messageOf, nodeRuntime } from "@weft/runtime";
import { openVSwitch, ovnSouthbound, type SbSchema, type VsSchema } from "@weft/schemas";
import { type Bridge, type Datapath, FlowMods, MemorySwitch, type TunnelConfig, traceCommand } from "@weft/vswitch";
import { afterAll, beforeAll, expect, it } from "vitest";
import { wordsOf } from "./northdPair.ts";
import { gatewayEdits } from "./random/gateways.ts";
import { randomLoadBalancers } from "./random/loadBalancers.ts";
import { Chance, type Microflow, microflows, type Services, servicesOf } from "./random/microflow.ts";
import { RandomNetwork } from "./random/network.ts";
import * as xorshift from "./random/xorshift.ts";
import { Daemons, schemaFiles } from "./reference/daemons.ts";
import { datapathActions, traced } from "./reference/traced.ts";

const first = Number(process.env["SEED"] ?? 1);
const networks = Number(process.env["NETWORKS"] ?? 200);
const packets = 24;
const runtime = nodeRuntime();
const daemons = new Daemons();
const control = (name: string, ...words: readonly string[]) => daemons.control(name).call(words[0]!, ...words.slice(1));
const nbctl = (...words: readonly string[]) => control("nbctl", "run", "--timeout=30", ...words);

/** A chassis of the reference, and a second switch with the same ports for the flows of our controller. */
class Node {
  readonly name: string;
  readonly number: number;
  readonly local: Replica<VsSchema>;
  ports: readonly string[] = [];
  /** What the second switch has. */
  readonly playerPorts: Record<"br-int" | "br-phys", readonly string[]> = { "br-int": [], "br-phys": ["phys"] };
  readonly #connections = new Map<string, OpenFlowConnection>();

  constructor(name: string, number: number, local: Replica<VsSchema>) {
    this.name = name;
    this.number = number;
    this.local = local;
  }

  vsctl(which: "live" | "player", ...words: readonly string[]): string {
    const name = which === "live" ? this.name : `${this.name}p`;
    return daemons.run("ovs-vsctl", [`--db=${daemons.socket(`${name}-db`)}`, ...words]);
  }

  /** A connection to br-int of one of the switches. */
  async openflow(which: "live" | "player"): Promise<OpenFlowConnection> {
    const open = this.#connections.get(which);
    if (open !== undefined) return open;
    const stream = await runtime.net.connect(`unix:${daemons.dir}/${which === "live" ? this.name : `${this.name}p`}/br-int.mgmt`);
    const connection = await new Promise<OpenFlowConnection>((resolve) => {
      const made = new OpenFlowConnection(stream, { versions: 1 << 6, onReady: () => resolve(made) });
    });
    this.#connections.set(which, connection);
    return connection;
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close();
  }
}

/** The flow of br-phys. It does not flood, for in which order a switch does is open. */
const PHYSICAL = "priority=0,actions=output:1,LOCAL";

/** The hardware address of a bridge of the node at an index. */
function macOf(bridge: string, index: number): string {
  return `02:00:00:00:0${index}:0${bridge === "br-phys" ? 1 : 2}`;
}

const nodes: Node[] = [];
let southbound: Replica<SbSchema>;

beforeAll(async () => {
  daemons.database("nb", schemaFiles.nb);
  daemons.database("sb", schemaFiles.sb);
  daemons.start("ovn-nbctl", "nbctl", [`--db=${daemons.socket("nb")}`]);
  daemons.start("ovn-northd", "northd", [
    "--monitor",
    `--ovnnb-db=${daemons.socket("nb")}`,
    `--ovnsb-db=${daemons.socket("sb")}`,
  ]);
  southbound = createReplica({ runtime, schema: ovnSouthbound, remotes: [daemons.socket("sb")] });
  await Promise.all([southbound.ready(), nbctl("init")]);
  for (const [index, name] of ["w1", "w2"].entries()) {
    const ip = `10.9.0.${index + 1}`;
    for (const which of [name, `${name}p`]) {
      daemons.database(`${which}-db`, schemaFiles.vs);
      daemons.run("ovs-vsctl", [`--db=${daemons.socket(`${which}-db`)}`, "--no-wait", "init"]);
      daemons.start("ovs-vswitchd", `${which}-switch`, ["--enable-dummy=system", daemons.socket(`${which}-db`)], which);
    }
    const local = createReplica({ runtime, schema: openVSwitch, remotes: [daemons.socket(`${name}-db`)] });
    await local.ready();
    const node = new Node(name, index + 1, local);
    nodes.push(node);
    const bridges = [
      "add-br",
      "br-phys",
      "--",
      "set",
      "Bridge",
      "br-phys",
      "fail-mode=secure",
      "--",
      "add-port",
      "br-phys",
      "phys",
      "--",
      "set",
      "Interface",
      "phys",
      "ofport_request=1",
    ];
    bridges.push("--", "add-br", "br-int", "--", "set", "Bridge", "br-int", "fail-mode=secure");
    for (const bridge of ["br-phys", "br-int"])
      bridges.push("--", "set", "Bridge", bridge, `other-config:hwaddr=${JSON.stringify(macOf(bridge, index))}`);
    node.vsctl("player", ...bridges);
    node.vsctl("live", ...bridges);
    for (const which of [name, `${name}p`]) {
      daemons.run("ovs-ofctl", ["add-flow", `unix:${daemons.dir}/${which}/br-phys.mgmt`, PHYSICAL]);
    }
    const settings = [`system-id=${name}`, `hostname=${name}`, `ovn-remote=${daemons.socket("sb")}`, "ovn-encap-type=geneve"];
    settings.push(`ovn-encap-ip=${ip}`, "ovn-bridge-mappings=physnet1:br-phys");
    node.vsctl("live", "set", "Open_vSwitch", ".", ...settings.map((setting) => `external_ids:${setting}`));
    daemons.start("ovn-controller", `${name}-controller`, [daemons.socket(`${name}-db`)], name);
  }
  for (const { name } of nodes) {
    const bridge = `unix:${daemons.dir}/${name}p/br-int.mgmt`;
    daemons.run("ovs-ofctl", ["add-tlv-map", bridge, "{class=0x102,type=0x80,len=4}->tun_metadata0"]);
  }
});

afterAll(async () => {
  await southbound?.close();
  for (const node of nodes) {
    node.close();
    await node.local.close();
  }
  await daemons.stop();
});

/** How each switch reaches the other chassis. What is set by hand ages, and goes when devices of the host change. */
async function reach(): Promise<void> {
  for (const [index, { name }] of nodes.entries()) {
    // Nobody answers the probes that gateways are watched by.
    await control(`${name}-switch`, "bfd/set-forwarding", "true");
    for (const which of [`${name}-switch`, `${name}p-switch`]) {
      const ip = `10.9.0.${index + 1}`;
      await control(which, "netdev-dummy/ip4addr", "br-phys", `${ip}/24`);
      await control(which, "ovs/route/add", `${ip}/24`, "br-phys");
      await control(which, "tnl/neigh/set", "br-phys", `10.9.0.${2 - index}`, macOf("br-phys", 1 - index));
    }
  }
}

/** Until the databases have settled and nobody has changed them for `rounds` times 50 ms. */
async function settled(rounds: number): Promise<void> {
  for (let quiet = 0; quiet < rounds; quiet++) {
    let changed = false;
    const forget = [southbound, ...nodes.map(({ local }) => local)].map((replica) => replica.onChange(() => (changed = true)));
    await runtime.clock.sleep(50);
    for (const one of forget) one();
    if (changed) quiet = 0;
  }
}

/** Where a guest's interface is: the same for a child as for its parent. */
function nodeOf(parent: string): Node {
  return nodes[[...parent].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % nodes.length]!;
}

/** What the chassis of this test are to gateways. */
const SITE = { chassis: ["w1", "w2"], networkName: () => "physnet1" };

/** Gateways for every other network, load balancers for every other pair of networks, as arguments of ovn-nbctl. */
function extras(network: RandomNetwork, seed: number): (readonly string[])[] {
  const names = (list: readonly { readonly name: string }[]): string[] => list.map(({ name }) => name);
  const holders = { switches: names(network.switches), routers: names(network.routers) };
  const gateways = seed % 2 === 0 ? gatewayEdits(network, seed, 12, SITE) : [];
  const balancers = seed % 4 < 2 ? randomLoadBalancers(new xorshift.Chance(seed), holders, 4).map(wordsOf) : [];
  return [...gateways, ...balancers];
}

/** Makes a network on both chassis; returns what packets may be sent to besides guests and routers. */
async function become(network: RandomNetwork, seed: number): Promise<Services> {
  const tables = ["Logical_Switch", "Logical_Router", "Port_Group", "Address_Set", "Load_Balancer", "Load_Balancer_Group"];
  const clear = tables.flatMap((table) => ["--", "--all", "destroy", table]);
  const reset = ["--", "remove", "NB_Global", ".", "options", "use_ct_inv_match", "ignore_lsp_down", "default_acl_drop"];
  await nbctl(...clear, ...reset);
  await nbctl(...network.build(60).flatMap((edit) => ["--", ...edit]));
  const extra = extras(network, seed);
  for (const edit of extra) await nbctl("--", ...edit);
  const vifs = network.switches.flatMap(({ ports }) => ports.filter(({ kind }) => kind === "vif" || kind === "localport"));
  for (const node of nodes) {
    const here = vifs.filter(({ name, kind }) => kind === "localport" || nodeOf(name) === node).map(({ name }) => name);
    const words = node.ports.flatMap((port) => ["--", "del-port", "br-int", port]);
    for (const [index, port] of here.entries())
      words.push(
        "--",
        "add-port",
        "br-int",
        port,
        "--",
        "set",
        "Interface",
        port,
        `external_ids:iface-id=${port}`,
        `ofport_request=${100 + index}`,
      );
    node.vsctl("live", ...words);
    node.ports = here;
  }
  await nbctl("--wait=hv", "sync");
  await settled(2);
  // What the reference does incrementally may differ from what it computes from scratch, which is what counts.
  await daemons.insist("northd", "inc-engine/recompute");
  for (const { name } of nodes) await control(`${name}-controller`, "inc-engine/recompute");
  await nbctl("--wait=hv", "sync");
  await settled(4);
  return servicesOf(extra);
}

interface LivePort {
  readonly name: string;
  readonly ofport: number;
  readonly type: string;
  readonly options: ReadonlyMap<string, string>;
}

function livePorts({ local }: Node, bridgeName: string): LivePort[] {
  const bridge = [...local.table("Bridge").rows()].find(({ name }) => name === bridgeName)!;
  return bridge.ports
    .flatMap((port) => local.table("Port").get(port)!.interfaces)
    .map((uuid) => local.table("Interface").get(uuid)!)
    .filter(({ name }) => name !== bridgeName)
    .map(({ name, ofport, type, options }) => ({ name, ofport: Number(ofport ?? -1), type, options }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Our controller without connections, with what is in the databases now: conntrack zones are those that the reference has chosen. */
function controllerOf(node: Node): Core {
  const errors: unknown[] = [];
  const core = new Core({
    settings: { systemId: undefined, hostname: node.name, rundir: daemons.dir, startTime: 0 },
    onError: ({ error }) => errors.push(error),
  });
  core.begin();
  for (const table of Object.keys(ovnSouthbound.tables) as (keyof SbSchema["tables"])[])
    core.feed(
      "sb",
      [...southbound.table(table).rows()].map((after) => ({ table, uuid: after._uuid, after })),
    );
  for (const table of Object.keys(openVSwitch.tables) as (keyof VsSchema["tables"])[])
    core.feed(
      "ovs",
      [...node.local.table(table).rows()].map((after) => ({ table, uuid: after._uuid, after })),
    );
  core.commit(true);
  core.takeFlows();
  expect(errors).toEqual([]);
  return core;
}

/** Gives the second switch the ports of the first and the flows of our controller. */
async function play(node: Node): Promise<void> {
  const words: string[] = [];
  for (const bridge of ["br-int", "br-phys"] as const) {
    const ports = livePorts(node, bridge);
    for (const name of node.playerPorts[bridge]) words.push("--", "del-port", bridge, name);
    node.playerPorts[bridge] = ports.map(({ name }) => name);
    for (const { name, ofport, type, options } of ports) {
      words.push("--", "add-port", bridge, name, "--", "set", "Interface", name, `ofport_request=${ofport}`);
      if (type !== "") words.push(`type=${type}`);
      for (const [key, value] of options) words.push(`options:${key}=${JSON.stringify(value)}`);
    }
  }
  node.vsctl("player", ...words);
  const core = controllerOf(node);
  expect([...core.meters.entries()]).toEqual([]);
  const connection = await node.openflow("player");
  const bare = { type: "group_mod", groupType: "select", commandBucket: 0xffff_ffff } as const;
  const selection = { method: "", param: 0n, fields: [] };
  const refused = await connection.transact([
    flowMod({ command: "delete" }),
    { ...bare, command: "delete", group: OFPG.ALL, buckets: [], selection },
    ...[...core.groups.entries()].map(([, { request, number }]) => ({
      ...bare,
      command: "add" as const,
      group: number,
      ...request,
    })),
    ...[...core.flows.flows()].map(({ table, priority, match, actions, cookie }) =>
      flowMod({ command: "add", table, priority, match, actions, newCookie: BigInt(cookie) }),
    ),
  ]);
  expect(refused).toEqual([]);
}

/** The datapath's numbers of a switch's ports. */
async function datapathPorts(node: Node): Promise<ReadonlyMap<string, number>> {
  const shown = await control(`${node.name}-switch`, "dpif/show");
  return new Map([...shown.matchAll(/^ {4}(\S+) \d+\/(\d+):/gm)].map(([, name, number]) => [name!, Number(number)]));
}

const EVERY_FLOW: Message = {
  type: "flow_stats_request",
  match: Match.ANY,
  cookie: 0n,
  cookieMask: 0n,
  outPort: OFPP.NONE,
  outGroup: OFPG.ANY,
  table: 0xff,
};

/** Our switch with the reference's ports and flows. */
async function inMemory(node: Node): Promise<MemorySwitch> {
  const memory = new MemorySwitch({ clock: runtime.clock, log: runtime.log.logger("vswitch") });
  const numbers = await datapathPorts(node);
  const made = new Map<string, Bridge>();
  for (const name of ["br-phys", "br-int"]) {
    const ports = livePorts(node, name).map(({ name, ofport, type, options }) => ({
      name,
      ofport,
      dpPort: numbers.get(name),
      ...(type === "patch" ? { peer: options.get("peer")! } : {}),
      ...(type === "geneve" ? { tunnel: geneve(options) } : {}),
    }));
    const mac = parseMac(macOf(name, node.number - 1))!;
    made.set(name, memory.addBridge({ name, ports, failMode: "secure", dpPort: numbers.get(name), mac }));
  }
  const { datapath } = memory;
  const ip = (number: number) => ({ family: 4, ip: parseIpv4(`10.9.0.${number}`)! }) as const;
  datapath.addresses.set("br-phys", [ip(node.number)]);
  datapath.updateTunnelEnds();
  datapath.routes.setConnected("br-phys", [{ address: ip(node.number), length: 24 }]);
  datapath.neighbours.set("br-phys", ip(3 - node.number), parseMac(macOf("br-phys", 2 - node.number))!, runtime.clock.now());
  memory.addFlows(made.get("br-phys")!, PHYSICAL);
  const integration = made.get("br-int")!;
  integration.tlv = TlvMap.of([{ optionClass: 0x102, optionType: 0x80, length: 4, index: 0 }]);
  const connection = await node.openflow("live");
  for (const part of await connection.requestAll({ type: "group_desc_request", group: OFPG.ALL }))
    if (part.type === "group_desc_reply") for (const group of part.groups) memory.addGroup(integration, group);
  const mods = new FlowMods(integration);
  for (const part of await connection.requestAll(EVERY_FLOW))
    if (part.type === "flow_stats_reply")
      for (const { table, priority, match, actions, cookie } of part.flows)
        mods.apply(flowMod({ command: "add", table, priority, match, actions, newCookie: cookie }));
  return memory;
}

function geneve(options: ReadonlyMap<string, string>): TunnelConfig {
  return {
    protocol: "geneve",
    remoteIp: options.get("remote_ip")!,
    localIp: options.get("local_ip"),
    inKey: "flow",
    outKey: "flow",
    dstPort: 6081,
    csum: options.get("csum") === "true",
    tos: 0,
    ttl: 64,
    df: true,
    egressPktMark: undefined,
  };
}

interface Arrival {
  readonly node: Node;
  readonly flow: string;
}

/** Tunnel keys of a datapath's ports or groups by their names, so that who comes first does not depend on uuids. */
function tunnelKeys(table: "Port_Binding" | "Multicast_Group", datapath: string): readonly number[] {
  const named =
    table === "Port_Binding"
      ? [...southbound.table(table).rows()].map((row) => ({ ...row, name: row.logical_port }))
      : [...southbound.table(table).rows()];
  return named
    .filter((row) => row.datapath === datapath)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((row) => row.tunnel_key);
}

/** The ways in which a packet comes to a chassis. */
function arrivals(chance: Chance, { inport, flow }: Microflow): Arrival[] {
  const list: Arrival[] = [];
  const port = [...southbound.table("Port_Binding").rows()].find(({ logical_port }) => logical_port === inport);
  if (port === undefined) return [];
  const parent = port.parent_port ?? inport;
  const node = nodeOf(parent);
  const vif = livePorts(node, "br-int").find(({ name }) => name === parent);
  const tag = port.tag === undefined ? "" : `,dl_vlan=${port.tag},dl_vlan_pcp=0`;
  if (vif !== undefined) list.push({ node, flow: `in_port=${vif.ofport}${tag},${flow}` });
  const other = nodes.find((one) => one !== node)!;
  const tunnel = livePorts(other, "br-int").find(({ type }) => type === "geneve");
  const { tunnel_key: key } = southbound.table("Datapath_Binding").get(port.datapath)!;
  const groups = tunnelKeys("Multicast_Group", port.datapath);
  const out = chance.pick(chance.percent(25) && groups.length > 0 ? groups : tunnelKeys("Port_Binding", port.datapath));
  if (tunnel !== undefined) {
    const option = `0x${(port.tunnel_key * 0x10000 + out).toString(16)}`;
    const outer = `tun_id=${key},tun_src=10.9.0.${node.number},tun_dst=10.9.0.${other.number},tun_metadata0=${option}`;
    list.push({ node: other, flow: `in_port=${tunnel.ofport},${outer},${flow}` });
  }
  const patch = livePorts(other, "br-int").find(({ type }) => type === "patch");
  if (patch !== undefined && chance.percent(30)) {
    const vlan = chance.percent(50) ? `,dl_vlan=${1 + chance.below(4094)},dl_vlan_pcp=0` : "";
    list.push({ node: other, flow: `in_port=${patch.ofport}${vlan},${flow}` });
  }
  return list;
}

interface Counts {
  packets: number;
  /** Packets that something becomes of. */
  forwarded: number;
  /** Packets for which two flows of one table and priority match: which of them counts is open. */
  equals: number;
  /** Packets for which the reference's two switches look at different bits. */
  disputed: number;
}

interface Difference {
  readonly what: string;
  readonly got: string;
  readonly expected: string;
}

/** Sends packets through the flows that are there now; the first difference, if there is one. */
async function compare(
  network: RandomNetwork,
  seed: number,
  services: Services,
  counts: Counts,
): Promise<Difference | undefined> {
  for (const node of nodes) await play(node);
  const chance = new Chance(seed);
  const all = microflows(network, seed, packets, services).flatMap((microflow) => arrivals(chance, microflow));
  // All are asked at once, so that no daemon waits for another.
  const asked = all.map(({ node, flow }, i) => {
    const trace = (name: string, ...words: readonly string[]) => control(name, "ofproto/trace", ...words, "br-int", flow);
    const live = trace(`${node.name}-switch`, "--names");
    const numbers = i % 4 === 0 ? trace(`${node.name}-switch`) : undefined;
    return { node, flow, live, numbers, player: trace(`${node.name}p-switch`, "--names") };
  });
  const memories = new Map(await Promise.all(nodes.map(async (node) => [node, await inMemory(node)] as const)));
  for (const { node, flow, live, numbers, player } of asked) {
    const what = `network ${seed} on ${node.name}: ${flow}`;
    const expected = traced(await live);
    const actions = datapathActions(expected);
    const played = traced(await player);
    if (datapathActions(played).join("\n") !== actions.join("\n")) {
      if (!chooseAmongEquals(expected, played)) return { what: `our controller's flows, ${what}`, got: played, expected };
      counts.equals++;
    }
    // What was looked at depends on the order of flows and on flows that are gone, too: the reference's switches may differ.
    const settledLooks = megaflows(expected) === megaflows(played);
    const comparable = (text: string) => text.replace(MEGAFLOW, settledLooks ? withoutPassedOn : () => "");
    if (!settledLooks) counts.disputed++;
    const { datapath } = memories.get(node)!;
    const got = ourTrace(datapath, "--names", "br-int", flow);
    if (comparable(got) !== comparable(expected)) return { what: `our switch, ${what}`, got, expected };
    if (numbers !== undefined) {
      const expected = traced(await numbers);
      const got = ourTrace(datapath, "br-int", flow);
      if (comparable(got) !== comparable(expected)) return { what: `our switch, ${what}`, got, expected };
    }
    counts.packets++;
    if (actions.some((one) => one !== "drop")) counts.forwarded++;
  }
  return undefined;
}

/** Whether two traces part at flows of one table and priority. */
function chooseAmongEquals(one: string, another: string): boolean {
  const lines = another.split("\n");
  const [a, b] = one
    .split("\n")
    .map((line, i) => [line, lines[i] ?? ""] as const)
    .find(([line, other]) => line !== other) ?? ["", ""];
  const rank = (line: string) => /^ *(\d+)\. .*\bpriority (\d+)/.exec(line)?.slice(1).join();
  return rank(a) !== undefined && rank(a) === rank(b);
}

const MEGAFLOW = /^Megaflow: .*$/gm;

/** What goes on from one tunnel into another ours looks at, and the reference does not: it mixes frames up that differ in it. */
function withoutPassedOn(line: string): string {
  return line.includes(",tun_id=") ? line.replace(/,tun_metadata0=[^,]*/, "").replace("tun_flags=-oam", "tun_flags=") : line;
}

const megaflows = (trace: string) => trace.match(MEGAFLOW)?.join();

function ourTrace(datapath: Datapath, ...words: readonly string[]): string {
  try {
    return traced(traceCommand(datapath, words));
  } catch (error) {
    return messageOf(error);
  }
}

it(`${networks} random networks: packets go the same way`, { timeout: 30_000 * networks }, async () => {
  const counts = { packets: 0, forwarded: 0, equals: 0, disputed: 0 };
  for (let seed = first; seed < first + networks; seed++) {
    const network = new RandomNetwork(seed, { static: true });
    const services = await become(network, seed);
    for (let tries = 1; ; tries++) {
      // Announcements of ports teach the chassis addresses at any time; nothing of that while we look.
      for (const { name } of nodes) await control(`${name}-controller`, "debug/pause");
      await settled(2);
      await reach();
      const difference = await compare(network, seed, services, counts);
      for (const { name } of nodes) await control(`${name}-controller`, "debug/resume");
      if (difference === undefined) break;
      if (tries > 1) expect(difference.got, difference.what).toBe(difference.expected);
      await runtime.clock.sleep(1000);
      await nbctl("--wait=hv", "sync");
    }
  }
  process.stdout.write(`${JSON.stringify(counts)}\n`);
  expect(counts.packets).toBeGreaterThan(networks * 20);
  expect(counts.forwarded).toBeGreaterThan(counts.packets / 5);
  expect(counts.equals).toBeLessThan(counts.packets / 500);
  expect(counts.disputed).toBeLessThan(counts.packets / 10);
});
