/** Where a packet goes, from one guest to another and back, and why it does not arrive. */
import { decode, find, formatIpv4, formatIpv6, toHex } from "@weft/packet";
import type { Cloud, Hypervisor } from "../cloud/cloud.ts";
import { integrationBridgeOf } from "../cloud/cloud.ts";
import { desiredState } from "../cloud/desired.ts";
import { CloudCopy } from "../copy/cloudCopy.ts";
import { whatIf } from "../copy/whatIf.ts";
import { TraceModel } from "../ovnTrace/model.ts";
import { traceText } from "../ovnTrace/run.ts";
import { Provenance } from "../provenance/provenance.ts";
import { candidatesFor } from "../remedy/candidates.ts";
import type { Finding } from "../verify/findings.ts";
import { verifyFlows } from "../verify/flows.ts";
import { type Attachment, type Endpoint, TraceQuestionError } from "./endpoint.ts";
import { type Question, questionOf, replyTo } from "./question.ts";
import type { Cause, FlowStep, Leg, Remedy, Station, TraceReport } from "./steps.ts";
import { causeOf } from "./verdict.ts";
import { type Arrival, briefText, packetText, type Walk, walk } from "./walk.ts";

export interface TraceQuestion {
  readonly from: string;
  /** A port, or an IP address. */
  readonly to: string;
  /** What is to be otherwise than usual, as a match of ovn-sb(5). */
  readonly packet?: string;
  /** Bytes behind the transport header; default 56, as ping's. */
  readonly size?: number;
  /** What a DNS query asks for. */
  readonly name?: string;
}

/** Or a frame as it is, into a device of a hypervisor. */
export interface FrameQuestion {
  readonly node: string;
  readonly device: string;
  readonly frame: Uint8Array;
}

export async function tracePacket(cloud: Cloud, question: TraceQuestion): Promise<TraceReport> {
  return withUnknown(cloud, await followed(cloud, question));
}

/** With what could not be asked of the hypervisors that the packet has passed. */
function withUnknown(cloud: Cloud, report: TraceReport): TraceReport {
  const passed = new Set([...report.there.stations, ...(report.back?.stations ?? [])].map(({ node }) => node));
  const unknown = cloud.hypervisors
    .filter(({ name }) => passed.has(name))
    .flatMap(({ name, learned, links }) => [
      ...(learned === undefined ? [`${name}: its connections, and what its bridges have learned (--control)`] : []),
      ...(links === undefined ? [`${name}: the MTU of its devices`] : []),
    ]);
  return unknown.length === 0 ? report : { ...report, unknown };
}

async function followed(cloud: Cloud, question: TraceQuestion): Promise<TraceReport> {
  const { sb } = cloud;
  if (sb === undefined) throw new TraceQuestionError("a trace needs the southbound database");
  const provenance = new Provenance(sb, cloud.nb);
  const asked = questionOf(cloud, question.from, question.to, question);
  const logical = logicalTrace(cloud, asked);
  const missing = notAttached(cloud, asked.from);
  if (missing !== undefined) {
    const there = { from: question.from, to: question.to, ...shown(asked.frame), delivered: false, stations: [] };
    return {
      outcome: "not-delivered",
      verdict: missing.text,
      cause: missing,
      there,
      ...(logical === undefined ? {} : { logical }),
    };
  }
  const copy = await CloudCopy.of(cloud);
  try {
    const trial = (changed: CloudCopy): Walk | undefined => send(changed, provenance, asked);
    const went = trial(copy);
    if (went === undefined) throw new TraceQuestionError(`${asked.from.name}: the switch has no port for its device`);
    const arrival = arrivalAt(went, asked, cloud);
    const there = legOf(question.from, question.to, asked.frame, went, arrival);
    if (arrival === undefined) {
      const { cause, findings } = await explain(cloud, provenance, asked, went, trial);
      return {
        outcome: "not-delivered",
        verdict: `${question.from} does not reach ${question.to}: ${cause.text}${answerText(went, asked)}`,
        cause,
        there,
        ...(logical === undefined ? {} : { logical }),
        ...(findings.length === 0 ? {} : { findings }),
      };
    }
    return await withReply({ cloud, provenance, copy, question, asked, there, arrival, logical });
  } finally {
    await copy.stop();
  }
}

interface Arrived {
  readonly cloud: Cloud;
  readonly provenance: Provenance;
  readonly copy: CloudCopy;
  readonly question: TraceQuestion;
  readonly asked: Question;
  readonly there: Leg;
  readonly arrival: Arrival;
  readonly logical: TraceReport["logical"] | undefined;
}

/** The answer goes back through the same copies, whose connection tracking knows the packet by now. */
async function withReply({ cloud, provenance, copy, question, asked, there, arrival, logical }: Arrived): Promise<TraceReport> {
  const shared = { there, ...(logical === undefined ? {} : { logical }) };
  const answer = replyTo(arrival.frame);
  const { from, to } = question;
  if (asked.from.attachments.some((at) => isAt(arrival, at)) && asked.to === undefined)
    return {
      outcome: "delivered",
      verdict: `the cloud itself answers ${from} for ${to}: ${briefText(arrival.frame)}`,
      ...shared,
    };
  if (answer === undefined) return { outcome: "delivered", verdict: `${from} reaches ${to}; it answers nothing`, ...shared };
  const went = walk(copy, provenance, arrival.node, arrival.device, answer);
  if (went === undefined) return { outcome: "delivered", verdict: `${from} reaches ${to}`, ...shared };
  const reverse: Question = { from: asked.to ?? asked.from, to: asked.from, expression: asked.expression, frame: answer };
  const returned = arrivalAt(went, reverse, cloud);
  const back = legOf(to, from, answer, went, returned);
  if (returned !== undefined)
    return { outcome: "delivered", verdict: `${from} reaches ${to}, and the answer comes back`, ...shared, back };
  // The answer needs the state that the packet has left: it is tried after the packet.
  const again = (changed: CloudCopy): Walk | undefined => {
    send(changed, provenance, asked);
    return walk(changed, provenance, arrival.node, arrival.device, answer);
  };
  const { cause, findings } = await explain(cloud, provenance, reverse, went, again);
  return {
    outcome: "one-way",
    verdict: `${from} reaches ${to}, but the answer does not come back: ${cause.text}`,
    cause,
    ...shared,
    back,
    ...(findings.length === 0 ? {} : { findings }),
  };
}

/** What ovn-controller answers in place of the destination, and whether the sender hears it. */
function answerText({ stations, arrivals }: Walk, { from }: Question): string {
  const sent = stations.findLast((station) => station.kind === "controller-sends" && station.of === "answer");
  if (sent?.kind !== "controller-sends") return "";
  const back = arrivals.find((arrival) => arrival.role === "answer" && from.attachments.some((place) => isAt(arrival, place)));
  if (back !== undefined)
    return `; ovn-controller on ${sent.node} answers, which comes back to ${from.name}: ${briefText(back.frame)}`;
  const lost = causeOf(stations.filter(({ of }) => of === "answer"));
  return `; ovn-controller on ${sent.node} answers (${sent.packet}), which does not come back to ${from.name}${lost === undefined ? "" : `: ${lost.text}`}`;
}

/** A frame as it is, wherever it goes. */
export async function traceFrame(cloud: Cloud, { node, device, frame }: FrameQuestion): Promise<TraceReport> {
  const hypervisor = cloud.hypervisors.find(({ name, systemId }) => name === node || systemId === node);
  if (hypervisor === undefined)
    throw new TraceQuestionError(`there is no hypervisor ${node} (${cloud.hypervisors.map(({ name }) => name).join(", ")})`);
  const provenance = cloud.sb === undefined ? undefined : new Provenance(cloud.sb, cloud.nb);
  const copy = await CloudCopy.of(cloud);
  try {
    const went = walk(copy, provenance, hypervisor, device, frame);
    if (went === undefined) throw new TraceQuestionError(`${node} has no interface ${device} on any bridge`);
    const arrivals = went.arrivals.filter(({ role }) => role !== "neighbour");
    const ends = arrivals.map((arrival) => `${arrival.device} on ${arrival.node.name}`);
    const cause = ends.length > 0 ? undefined : causeOf(went.stations.filter(({ of }) => of === undefined));
    const there = { from: `${node}:${device}`, to: ends.join(", "), ...shown(frame), delivered: ends.length > 0 };
    return withUnknown(cloud, {
      outcome: "traced",
      verdict:
        ends.length > 0 ? `it leaves by ${ends.join(", ")}` : `it leaves by no device: ${cause?.text ?? "nothing became of it"}`,
      ...(cause === undefined ? {} : { cause }),
      there: { ...there, stations: went.stations },
    });
  } finally {
    await copy.stop();
  }
}

function send(copy: CloudCopy, provenance: Provenance, { from, frame }: Question): Walk | undefined {
  const [at] = from.attachments;
  return at === undefined ? undefined : walk(copy, provenance, at.node, at.device, frame);
}

/** Why a guest cannot send at all. */
function notAttached({ sb, hypervisors }: Cloud, { name, row, attachments }: Endpoint): Cause | undefined {
  if (attachments.length > 0) return undefined;
  const chassis = row.chassis === undefined ? undefined : sb?.table("Chassis").get(row.chassis)?.name;
  const known = chassis !== undefined && hypervisors.some(({ systemId }) => systemId === chassis);
  const text =
    chassis === undefined
      ? `${name} is on no hypervisor: it is bound to no chassis, and no interface has external_ids:iface-id=${row.parent_port || name}`
      : known
        ? `${name} is bound to ${chassis}, where no interface has external_ids:iface-id=${row.parent_port || name}`
        : `${name} is bound to ${chassis}, which cannot be looked into (--hypervisor)`;
  return { code: "port-unbound", node: chassis ?? "", text };
}

/**
 * An address without a port is reached where the packet leaves by a physical network, for somebody who is there if it is known who
 * is; or where the cloud itself answers.
 */
function arrivalAt({ arrivals, departures }: Walk, { from, to, forAnswer }: Question, cloud: Cloud): Arrival | undefined {
  const at = (arrival: Arrival, end: Endpoint): boolean => end.attachments.some((place) => isAt(arrival, place));
  if (to !== undefined) return arrivals.find((arrival) => arrival.role === "packet" && at(arrival, to));
  if (forAnswer === true) return arrivals.find((arrival) => arrival.role === "answer" && at(arrival, from));
  return [...departures, ...arrivals].find(
    (arrival) =>
      (arrival.role !== "neighbour" && at(arrival, from)) || (arrival.role === "packet" && isSomebody(cloud, arrival.frame)),
  );
}

/** Whether a frame is for many, or for a machine that is known; true where none are known. */
function isSomebody({ hosts }: Cloud, frame: Uint8Array): boolean {
  return hosts.length === 0 || ((frame[0] ?? 0) & 1) === 1 || hosts.some(({ mac }) => mac === destinationOf(frame));
}

function destinationOf(frame: Uint8Array): string {
  return [...frame.subarray(0, 6)].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

function isAt({ node, device, frame }: Arrival, at: Attachment): boolean {
  const tag = frame[12] === 0x81 && frame[13] === 0 ? (((frame[14] ?? 0) & 0xf) << 8) | (frame[15] ?? 0) : 0;
  return node === at.node && device === at.device && tag === at.tag;
}

function legOf(from: string, to: string, frame: Uint8Array, { stations }: Walk, arrival: Arrival | undefined): Leg {
  return { from, to, ...shown(frame), delivered: arrival !== undefined, stations };
}

const shown = (frame: Uint8Array): Pick<Leg, "packet" | "frame"> => ({ packet: packetText(frame), frame: toHex(frame) });

/** ovn-trace's answer: does the logical network deliver it? */
function logicalTrace({ sb }: Cloud, { from, to, expression }: Question): TraceReport["logical"] {
  if (sb === undefined || to === undefined) return undefined;
  const model = new TraceModel(sb, () => undefined);
  const text = traceText(model, {
    microflow: `inport == ${JSON.stringify(from.name)} && ${expression}`,
    forms: ["minimal"],
    friendlyNames: false,
    ctStates: [],
    choose: () => 0,
  });
  return { delivers: text.includes(`output(${JSON.stringify(to.name)})`), text };
}

/** Looks for the cause: in the flows that are installed, where other flows would deliver; else in what the databases say. */
async function explain(
  cloud: Cloud,
  provenance: Provenance,
  asked: Question,
  went: Walk,
  trial: (copy: CloudCopy) => Walk | undefined,
): Promise<{ readonly cause: Cause; readonly findings: readonly Finding[] }> {
  const own = went.stations.filter(({ of }) => of === undefined);
  const seen = strayed(cloud, went, asked) ?? causeOf(own) ?? elsewhere(went, asked);
  const differing = await flowsDiffer(cloud, provenance, asked, went, trial);
  if (differing !== undefined) {
    const cause: Cause = {
      code: "flows-differ",
      node: differing.node,
      text: `the databases ask for flows that deliver it; those that are installed on ${differing.node} do not (${differing.text})`,
      ...(seen.flow === undefined ? {} : { flow: seen.flow }),
      remedy: { text: "restart ovn-controller there, or mend the flows as `weft verify` says", tried: true },
    };
    return { cause, findings: differing.findings };
  }
  const remedy = await remedyFor(cloud, seen, asked, went, trial);
  return { cause: remedy === undefined ? seen : { ...seen, remedy }, findings: [] };
}

/** It left for an Ethernet address that no machine has. */
function strayed(cloud: Cloud, { departures, stations }: Walk, { to }: Question): Cause | undefined {
  const departure = departures.find(({ role, frame }) => role === "packet" && !isSomebody(cloud, frame));
  if (to !== undefined || departure === undefined) return undefined;
  const learned = stations
    .flatMap((station) => (station.kind === "switch" ? station.flows : []))
    .findLast(({ origin }) => origin?.startsWith("neighbour ") === true);
  const why = learned?.origin === undefined ? "" : ` (${learned.origin})`;
  return {
    code: "neighbour-wrong",
    node: departure.node.name,
    text: `it leaves by ${departure.device} for ${destinationOf(departure.frame)}${why}, which no machine has`,
    ...(learned === undefined ? {} : { flow: learned }),
  };
}

function elsewhere(went: Walk, { from, to, forAnswer }: Question): Cause {
  const own = went.stations.filter(({ of }) => of === undefined);
  const arrivals = went.arrivals.filter(({ role }) => role === "packet");
  const controller = own.findLast((station) => station.kind === "controller");
  const [arrival] = arrivals;
  const ends = [...new Set(arrivals.map(({ node, device }) => `${device} on ${node.name}`))].join(", ");
  if (forAnswer === true && controller === undefined)
    return {
      code: "unanswered",
      node: from.attachments[0]?.node.name ?? "",
      text: `ovn-controller does not answer it; ${ends === "" ? "nobody gets it" : `it goes to whoever is there (${ends})`}`,
    };
  if (arrival !== undefined)
    return {
      code: "delivered-elsewhere",
      node: arrival.node.name,
      text: `it is delivered to ${ends}`,
    };
  if (controller?.kind === "controller" && controller.by?.stage === "lr_in_arp_request")
    return {
      code: "neighbour-unknown",
      node: controller.node,
      text: `the router does not know the Ethernet address of the next hop: ovn-controller on ${controller.node} asks for it, and the packet waits for the answer`,
      flow: controller.by,
    };
  if (controller?.kind === "controller")
    return {
      code: "controller",
      node: controller.node,
      text: `it is given to ovn-controller on ${controller.node} (${controller.by?.origin ?? "no row has the flow"})`,
      ...(controller.by === undefined ? {} : { flow: controller.by }),
    };
  const wire = own.findLast((station) => station.kind === "physical");
  if (wire?.kind === "physical") {
    const frame = went.departures.findLast(({ role }) => role === "packet")?.frame;
    const whose = frame === undefined ? "" : ` for ${destinationOf(frame)}`;
    return {
      code: "delivered-elsewhere",
      node: wire.node,
      text: `it leaves by ${wire.device} on ${wire.node}${whose} to the physical network ${wire.network}, where ${to === undefined ? "it cannot be followed" : `${to.name} is not found`}`,
    };
  }
  return { code: "looped", node: "", text: "nothing became of it" };
}

/** Whether the flows that the databases ask for would deliver, where those that are installed do not. */
async function flowsDiffer(
  cloud: Cloud,
  provenance: Provenance,
  asked: Question,
  went: Walk,
  trial: (copy: CloudCopy) => Walk | undefined,
): Promise<{ readonly node: string; readonly text: string; readonly findings: readonly Finding[] } | undefined> {
  const { sb } = cloud;
  if (sb === undefined) return undefined;
  const asWanted = new Map<Hypervisor, Hypervisor["bridges"]>();
  const findings = cloud.hypervisors.flatMap((hypervisor) => {
    const bridge = integrationBridgeOf(hypervisor);
    const installed = hypervisor.bridges.get(bridge);
    if (installed === undefined || hypervisor.systemId === "") return [];
    const desired = desiredState(sb, hypervisor.ovs, hypervisor.systemId);
    const { groups, meters } = desired;
    const flows = desired.flows.map(({ cookie, ...flow }) => ({ ...flow, cookie: BigInt(cookie) }));
    asWanted.set(hypervisor, new Map(hypervisor.bridges).set(bridge, { flows, groups, meters, tlv: installed.tlv }));
    return [...verifyFlows(hypervisor.name, installed, desired, provenance)];
  });
  if (findings.length === 0) return undefined;
  const wanted = await CloudCopy.of(cloud, (hypervisor) => asWanted.get(hypervisor) ?? hypervisor.bridges);
  try {
    const would = trial(wanted);
    if (would === undefined || arrivalAt(would, asked, cloud) === undefined) return undefined;
    const parting = whereTheyPart(
      went.stations.filter(({ of }) => of === undefined),
      would.stations.filter(({ of }) => of === undefined),
    );
    const node = parting?.node ?? findings[0]?.node ?? "";
    const near = findings.filter((finding) => finding.node === node && concerns(finding, parting?.step));
    const text =
      parting === undefined
        ? "they part nowhere that is seen"
        : `they part in table ${parting.step.table} of ${parting.step.bridge}`;
    return { node, text, findings: near.length > 0 ? near : findings.filter((finding) => finding.node === node) };
  } finally {
    await wanted.stop();
  }
}

/** The first table in which two ways differ. */
function whereTheyPart(
  went: readonly Station[],
  would: readonly Station[],
): { readonly node: string; readonly step: FlowStep } | undefined {
  const steps = (stations: readonly Station[]) =>
    stations.flatMap((station) => (station.kind === "switch" ? station.flows.map((step) => ({ node: station.node, step })) : []));
  const [a, b] = [steps(went), steps(would)];
  const at = b.findIndex(({ step }, i) => comparable(a[i]?.step) !== comparable(step));
  return at < 0 ? undefined : b[at];
}

/** Numbers that a controller chooses for itself do not count. */
function comparable(step: FlowStep | undefined): string | undefined {
  return step === undefined
    ? undefined
    : `${step.bridge} ${step.table} ${(step.flow ?? "").replace(/conj_id=\d+/, "conj_id").replace(/group:\d+/, "group")}`;
}

function concerns({ subject, flows = [] }: Finding, step: FlowStep | undefined): boolean {
  return (
    step === undefined ||
    subject.startsWith(`table ${step.table},`) ||
    flows.some(({ flow }) => flow.includes(` table=${step.table},`))
  );
}

/** What would let it pass: only what has been done to a copy of the cloud, where the packet then arrived. */
async function remedyFor(
  cloud: Cloud,
  cause: Cause,
  asked: Question,
  went: Walk,
  trial: (copy: CloudCopy) => Walk | undefined,
): Promise<Remedy | undefined> {
  const attempt = attemptFor(cloud, cause);
  if (attempt !== undefined) {
    const copy = await CloudCopy.of(cloud);
    for (const hypervisor of copy.hypervisors)
      copy.copyOf(hypervisor)?.removeFlows(({ cookie, table }) => attempt.without(cookie, table));
    if (await arrives(copy, cloud, asked, trial)) return { text: attempt.text, tried: true };
  }
  const lost = went.stations.findLast((station) => station.kind === "dropped" && station.of === undefined);
  const towards = lost?.kind === "dropped" ? lost.towards?.port : undefined;
  const { destination } = endsOf(asked.frame);
  for (const { text, change } of candidatesFor({ cloud, cause, asked, destination, towards })) {
    const changed = await whatIf(cloud, change);
    if (changed === undefined) return undefined;
    const copy = await CloudCopy.of(changed.cloud, changed.installed);
    if (await arrives(copy, changed.cloud, asked, trial)) return { text, tried: true };
  }
  return undefined;
}

/** Sends the packet through a copy, which ends with it. */
async function arrives(
  copy: CloudCopy,
  cloud: Cloud,
  asked: Question,
  trial: (copy: CloudCopy) => Walk | undefined,
): Promise<boolean> {
  try {
    const went = trial(copy);
    return went !== undefined && arrivalAt(went, asked, cloud) !== undefined;
  } finally {
    await copy.stop();
  }
}

function endsOf(frame: Uint8Array): { readonly destination: string | undefined } {
  const layers = decode(frame);
  const [v4, v6] = [find(layers, "ipv4"), find(layers, "ipv6")];
  return { destination: v4 === undefined ? (v6 === undefined ? undefined : formatIpv6(v6.dst)) : formatIpv4(v4.dst) };
}

interface Attempt {
  readonly text: string;
  /** The flows that would not be there. */
  without(cookie: bigint, table: number): boolean;
}

function attemptFor({ sb }: Cloud, { code, northbound, flow }: Cause): Attempt | undefined {
  if (code === "foreign-flow" && flow?.cookie !== undefined) {
    const foreign = BigInt(flow.cookie);
    return {
      text: "delete that flow (ovs-ofctl del-flows --strict)",
      without: (cookie, table) => cookie === foreign && table === flow.table,
    };
  }
  if ((code === "acl" || code === "routing-policy") && northbound !== undefined && sb !== undefined) {
    const hint = northbound.uuid.slice(0, 8);
    const cookies = new Set(
      [...sb.table("Logical_Flow").rows()]
        .filter(({ external_ids }) => external_ids.get("stage-hint") === hint)
        .map(({ _uuid }) => BigInt(`0x${_uuid.slice(0, 8)}`)),
    );
    const what =
      code === "acl"
        ? "the ACL, or one of a higher priority or earlier tier that allows it"
        : "the policy, or one of a higher priority that allows it";
    return { text: `without it the packet passes: remove ${what}`, without: (cookie) => cookies.has(cookie) };
  }
  if (code === "port-security") {
    return {
      text: "without port security the packet passes: let the guest use its own addresses, or add these (ovn-nbctl lsp-set-port-security)",
      without: (_cookie, table) => table === 73 || table === 74 || table === 75,
    };
  }
  return undefined;
}
