/**
 * Random networks with everything that northd makes flows of, and random packets from every kind of port: the text of a trace is
 * the reference's, letter by letter, in every form. Both read one southbound database; the reference's ovn-trace is
 * a daemon, which reads the database once, so that every network has its own.
 */
import { createNorthd } from "@weft/northd";
import { createReplica, type Replica } from "@weft/ovsdb";
import { nodeRuntime } from "@weft/runtime";
import { ovnNorthbound, ovnSouthbound, type SbSchema } from "@weft/schemas";
import {
  formsOf,
  parseCtState,
  parseLbDestination,
  parseSelectId,
  TraceModel,
  type TraceRequest,
  traceText,
  traceTextFetching,
} from "@weft/trace";
import { afterAll, beforeAll, expect, it } from "vitest";
import { wordsOf } from "./northdPair.ts";
import { gatewayEdits } from "./random/gateways.ts";
import { randomLoadBalancers } from "./random/loadBalancers.ts";
import { RandomNetwork } from "./random/network.ts";
import { randomServices } from "./random/services.ts";
import { TracedPackets } from "./random/tracedPacket.ts";
import { Chance } from "./random/xorshift.ts";
import { Daemons, schemaFiles } from "./reference/daemons.ts";

const first = Number(process.env["SEED"] ?? 1);
const networks = Number(process.env["NETWORKS"] ?? 200);
const packets = 20;
const runtime = nodeRuntime();
const daemons = new Daemons();
let southbound: Replica<SbSchema>;

const nbctl = (...words: readonly string[]) => daemons.control("nbctl").call("run", "--timeout=30", ...words);

beforeAll(async () => {
  daemons.database("nb", schemaFiles.nb);
  daemons.database("sb", schemaFiles.sb);
  const [nb, sb] = [daemons.socket("nb"), daemons.socket("sb")];
  daemons.start("ovn-nbctl", "nbctl", [`--db=${nb}`]);
  daemons.start("ovn-northd", "northd", ["--monitor", `--ovnnb-db=${nb}`, `--ovnsb-db=${sb}`]);
  southbound = createReplica({ runtime, schema: ovnSouthbound, remotes: [sb] });
  await Promise.all([southbound.ready(), nbctl("init")]);
  for (const n of [1, 2, 3]) daemons.run("ovn-sbctl", [`--db=${sb}`, "chassis-add", `ch${n}`, "geneve", `127.0.0.${n}`]);
});

afterAll(async () => {
  await southbound?.close();
  await daemons.stop();
});

/** Makes a network, and has guests and neighbours show up. */
async function become(seed: number): Promise<void> {
  const tables = ["Logical_Switch", "Logical_Router", "Port_Group", "Address_Set", "Load_Balancer", "Load_Balancer_Group"];
  const rest = ["DHCP_Options", "DNS", "Copp", "BFD", "Logical_Router_Policy"];
  const clear = [...tables, ...rest].flatMap((table) => ["--", "--all", "destroy", table]);
  const reset = ["--", "remove", "NB_Global", ".", "options", "use_ct_inv_match", "ignore_lsp_down", "default_acl_drop"];
  await nbctl(...clear, ...reset);
  const network = new RandomNetwork(seed);
  const chance = new Chance(seed);
  await nbctl(...network.build(20 + chance.below(50)).flatMap((edit) => ["--", ...edit]));
  if (chance.percent(60)) for (const edit of gatewayEdits(network, seed, 8)) await nbctl("--", ...edit);
  const names = (list: readonly { readonly name: string }[]): string[] => list.map(({ name }) => name);
  const holders = { switches: names(network.switches), routers: names(network.routers) };
  if (chance.percent(50)) for (const line of randomLoadBalancers(chance, holders, 3)) await nbctl("--", ...wordsOf(line));
  for (const line of randomServices(chance, network)) await nbctl("--", ...wordsOf(line));
  await nbctl("--wait=sb", "sync");
  await arrived();
  await southboundLearns(chance);
  await nbctl("--wait=sb", "sync");
  await arrived();
}

/** Options that the reference's daemon takes only when it starts. */
function randomOptions(chance: Chance): string[] {
  const options: string[] = [];
  if (chance.percent(25)) options.push("--no-friendly-names");
  const backends = [...southbound.table("Logical_Flow").rows()].flatMap(
    ({ actions }) => actions.match(/(?<=backends=)[^;)]*/) ?? [],
  );
  if (backends.length > 0 && chance.percent(70)) options.push(`--lb-dst=${chance.pick(chance.pick(backends.sort()).split(","))}`);
  if (chance.percent(50)) options.push(`--select-id=${1 + chance.below(2)}`);
  return options;
}

/** Until our replica has what northd has written. */
async function arrived(): Promise<void> {
  const wanted = Number(await nbctl("get", "NB_Global", ".", "nb_cfg"));
  const here = () => [...southbound.table("SB_Global").rows()][0]?.nb_cfg === wanted;
  for (let waited = 0; !here(); waited++) {
    if (waited > 2000) throw new Error("the southbound database does not follow");
    await runtime.clock.sleep(5);
  }
}

/** What chassis write: where most guests are, MAC bindings and FDB entries. */
async function southboundLearns(chance: Chance): Promise<void> {
  const db = southbound.transaction();
  for (const table of ["MAC_Binding", "FDB"] as const)
    for (const { _uuid } of southbound.table(table).rows()) db.delete(table, _uuid);
  const ports = [...southbound.table("Port_Binding").rows()].sort((a, b) => (a.logical_port < b.logical_port ? -1 : 1));
  const chassis = [...southbound.table("Chassis").rows()].find(({ name }) => name === "ch1")!._uuid;
  for (const { _uuid, type } of ports)
    if ((type === "" || type === "localport") && chance.percent(85)) db.update("Port_Binding", _uuid, { chassis, up: true });
  for (const port of ports.filter(({ type }) => type === "patch" || type === "l3gateway").slice(0, 12)) {
    const network = port.mac[0]?.split(" ").find((word) => /^\d+\./.test(word));
    if (network === undefined || !chance.percent(70)) continue;
    const ip = network.replace(/\.\d+(?:\/.*)?$/, `.${chance.pick([60, 61, 77])}`);
    const mac = `0c:00:00:00:00:${10 + chance.below(80)}`;
    db.insert("MAC_Binding", { logical_port: port.logical_port, ip, mac, datapath: port.datapath });
  }
  const seen = new Set<string>();
  for (const port of ports.filter(({ type }) => type === "" || type === "localnet").slice(0, 8)) {
    const dp_key = southbound.table("Datapath_Binding").get(port.datapath)!.tunnel_key;
    const mac = /^(?:..:){5}../.exec(port.mac[0] ?? "")?.[0] ?? "0a:99:99:99:99:99";
    if (seen.has(`${dp_key} ${mac}`) || !chance.percent(50)) continue;
    seen.add(`${dp_key} ${mac}`);
    db.insert("FDB", { mac, dp_key, port_key: port.tunnel_key });
  }
  const { status } = await db.commit();
  expect(["success", "unchanged"]).toContain(status);
}

interface Line {
  readonly options: readonly string[];
  readonly datapath: string | undefined;
  readonly microflow: string;
}

const FORMS = [["--all"], ["--all"], ["--all"], [], ["--summary"], ["--minimal", "--detailed"], ["--minimal"]];
const STATES = ["new", "est", "new,trk", "est,rpl", "inv", "rel", "est,rpl,dnat", "rpl,est,snat", "est,trk"];

function linesOf(seed: number): Line[] {
  const chance = new Chance(seed * 7919);
  const sets = [[], randomOptions(chance)];
  const source = new TracedPackets(southbound, chance);
  return Array.from({ length: packets }, () => {
    const { datapath, microflow } = source.next();
    const options = [...chance.pick(FORMS), ...chance.pick(sets)];
    if (chance.percent(30)) for (let i = chance.below(3); i >= 0; i--) options.push(`--ct=${chance.pick(STATES)}`);
    return { options, microflow, datapath: chance.percent(90) ? datapath : undefined };
  });
}

/** The daemons that were started for this network, by their options. */
const running = new Map<string, string>();
let started = 0;

async function endTraceDaemons(): Promise<void> {
  for (const name of running.values()) await daemons.end(name);
  running.clear();
}

/** The reference's text; undefined if it has crashed. A daemon uses each `--ct` up, in whatever request comes first: such a line has one of its own. */
async function reference({ options, datapath, microflow }: Line): Promise<string | undefined> {
  const form = (option: string): boolean => !/^--(?:ct|lb-dst|select-id|no-friendly)/.test(option);
  const atStart = options.filter((option) => !form(option));
  const key = atStart.some((option) => option.startsWith("--ct")) ? `own ${started}` : atStart.join(" ");
  let name = running.get(key);
  if (name === undefined) {
    running.set(key, (name = `trace${++started}`));
    daemons.start("ovn-trace", name, [`--db=${daemons.socket("sb")}`, ...atStart]);
  }
  const words = [...options.filter(form), ...(datapath === undefined ? [] : [datapath]), microflow];
  try {
    return await daemons.control(name).call("trace", ...words);
  } catch (error) {
    if (!String(error).includes("closed its control socket")) throw error;
    await daemons.end(name);
    running.delete(key);
    return undefined;
  }
}

/** The same trace over a replica that follows nothing: it reads what it needs. Which of equal flows wins is another matter there. */
async function fetching(line: Line, whole: string): Promise<object | undefined> {
  const replica = createReplica({ runtime, schema: ovnSouthbound, remotes: [daemons.socket("sb")], monitor: {} });
  try {
    await replica.ready();
    const model = new TraceModel(replica, () => {}, { partial: true });
    const text = await traceTextFetching(
      model,
      requestOf(line, () => 0),
      () => {},
    );
    const at = commonLines(text, whole);
    const [left, right] = [text.split("\n"), whole.split("\n")];
    return text === whole || isTie(left[at] ?? "", right[at] ?? "") ? undefined : { line, fetching: left[at], whole: right[at] };
  } finally {
    await replica.close();
  }
}

/** Our text where the trace chooses as `choices` says, and how many there were to choose from each time. */
function ours(model: TraceModel, line: Line, choices: readonly number[]) {
  const bounds: number[] = [];
  const choose = (bound: number): number => {
    bounds.push(bound);
    return choices[bounds.length - 1] ?? 0;
  };
  return { text: traceText(model, requestOf(line, choose)), bounds };
}

function requestOf({ options, datapath, microflow }: Line, choose: (bound: number) => number): TraceRequest {
  const values = (name: string): string[] =>
    options.filter((option) => option.startsWith(`--${name}=`)).map((option) => option.slice(name.length + 3));
  const [lbDst] = values("lb-dst");
  const [selectId] = values("select-id");
  return {
    microflow,
    ...(datapath === undefined ? {} : { datapath }),
    forms: formsOf(new Set(options.map((option) => option.slice(2)))),
    friendlyNames: !options.includes("--no-friendly-names"),
    ctStates: values("ct").map(parseCtState),
    ...(lbDst === undefined ? {} : { lbDestination: parseLbDestination(lbDst) }),
    ...(selectId === undefined ? {} : { selectId: parseSelectId(selectId) }),
    choose,
  };
}

/** Choices are open: the text of some of them has to be the reference's. */
function closest(model: TraceModel, line: Line, theirs: string): string {
  let best = "";
  let bestLength = -1;
  const tried: number[][] = [[]];
  for (let at = 0; at < tried.length && at < 500; at++) {
    const choices = tried[at]!;
    const { text, bounds } = ours(model, line, choices);
    if (text === theirs) return text;
    const same = commonLines(text, theirs);
    if (same > bestLength) [best, bestLength] = [text, same];
    for (let i = choices.length; i < bounds.length; i++)
      for (let value = 1; value < bounds[i]!; value++) {
        const next = Array.from({ length: i }, (_, j) => choices[j] ?? 0);
        tried.push([...next, value]);
      }
  }
  return best;
}

function commonLines(a: string, b: string): number {
  const [left, right] = [a.split("\n"), b.split("\n")];
  const at = left.findIndex((line, i) => line !== right[i]);
  return at < 0 ? left.length : at;
}

const FORM = /^--(?:all|detailed|summary|minimal)/;
const FLOW = /^ *(\d+)\. .*, priority (\d+), uuid/;

/** Both found flows of one priority that match: which of them wins is undefined (ovn-sb(5)). */
function isTie(a: string, b: string): boolean {
  const [left, right] = [FLOW.exec(a), FLOW.exec(b)];
  return left !== null && right !== null && left[1] === right[1] && left[2] === right[2];
}

/** What differs; undefined where nothing does, and "tie" where a flow was chosen that is as good as the reference's. */
async function compared(model: TraceModel, line: Line, theirs: string): Promise<object | "tie" | undefined> {
  const text = closest(model, line, theirs);
  if (text === theirs) return undefined;
  const [left, right] = [theirs.split("\n"), text.split("\n")];
  const at = commonLines(theirs, text);
  if (isTie(left[at] ?? "", right[at] ?? "")) return "tie";
  const detailed: Line = { ...line, options: [...line.options.filter((option) => !FORM.test(option)), "--detailed"] };
  // only this form shows which flow it was
  const again = FORM.test(line.options.join()) && line.options.every((option) => option !== "--all" && option !== "--detailed");
  if (again && (await compared(model, detailed, (await reference(detailed)) ?? "")) === "tie") return "tie";
  return { line, theirs: left.slice(Math.max(0, at - 2), at + 2), ours: right.slice(Math.max(0, at - 2), at + 2) };
}

async function traceNetworks(from: number, end: number): Promise<void> {
  const differing: object[] = [];
  const count = { equal: 0, ties: 0, crashes: 0 };
  for (let seed = from; seed < end; seed++) {
    await endTraceDaemons();
    await become(seed);
    const model = new TraceModel(southbound, () => {});
    const [sample, ...lines] = linesOf(seed);
    const detailed: Line = { ...sample!, options: ["--detailed"] };
    const found = await fetching(detailed, ours(model, detailed, []).text);
    if (found !== undefined) differing.push({ seed, ...found });
    for (const line of [sample!, ...lines]) {
      const theirs = await reference(line);
      const found = theirs === undefined ? "crash" : await compared(model, line, theirs);
      if (found === undefined) count.equal++;
      else if (found === "tie") count.ties++;
      else if (found === "crash") count.crashes++;
      else differing.push({ seed, ...found });
    }
  }
  expect(differing).toEqual([]);
  // a packet that routers send round and round brings the reference's daemon down
  expect(count.crashes + count.ties).toBeLessThan(Math.max(2, count.equal / 100));
}

const half = first + networks / 2;

/** Processes of the reference start by the hundred, which takes its time on a busy machine. */
const timeout = 900_000;

it("random packets in random networks of the reference's northd", { timeout }, () => traceNetworks(first, half));

it("random packets in random networks of our northd", { timeout }, async () => {
  await daemons.end("northd");
  const nb = createReplica({ runtime, schema: ovnNorthbound, remotes: [daemons.socket("nb")] });
  const sb = createReplica({ runtime, schema: ovnSouthbound, remotes: [daemons.socket("sb")] });
  const northd = createNorthd({ runtime, nb, sb });
  await northd.start();
  try {
    await traceNetworks(half, first + networks);
  } finally {
    await northd.stop();
    await Promise.all([nb.close(), sb.close()]);
  }
});
