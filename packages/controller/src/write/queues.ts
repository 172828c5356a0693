/**
 * Rates of ports (ovn-nb(5), qos_max_rate): queues of the device by which a physical network is reached. Its Port gets a
 * QoS of type linux-htb, marked external_ids:ovn_qos, with a Queue for each of our ports of that network
 * (ovs-vswitchd.conf.db(5), QoS and Queue); northd's flows put the packets there by set_queue().
 */
import { index, type Read, sameContent } from "@weft/incremental";
import type { Transaction, Uuid } from "@weft/ovsdb";
import type { SbRow, VsSchema } from "@weft/schemas";
import { claimOf } from "../model/binding.ts";
import { config } from "../model/config.ts";
import { bridgesByName, type LocalRow, sb, vs } from "../model/inputs.ts";

/** The rate of the device itself, bit/s: the most that tc can express (2^32 - 1 bytes a second). */
const DEVICE_RATE = "34359738360";
const MOST = 2n ** 64n - 1n;

export interface WantedQueue {
  readonly port: string;
  readonly rates: ReadonlyMap<string, string>;
}

/** Queues by their numbers, by the Port of the device. */
export type WantedQueues = ReadonlyMap<Uuid, ReadonlyMap<number, WantedQueue>>;

const queuedPorts = index<"queued", Uuid, SbRow<"Port_Binding">>("queuedPorts", sb.Port_Binding, ({ options }) =>
  options.has("qdisc_queue_id") && options.has("qos_physical_network") ? ["queued"] : [],
);

/** QoS rows that are ours, "owned". */
const ownedQos = index<"owned", Uuid, LocalRow<"QoS">>("ownedQos", vs.QoS, ({ external_ids: ids }) =>
  ids.get("ovn_qos") === "true" ? ["owned"] : [],
);
const portsByQos = index<Uuid, Uuid, LocalRow<"Port">>("portsByQos", vs.Port, ({ qos }) => (qos === undefined ? [] : [qos]));

/** A rate in bit/s, or a burst in bits: 0, which is none, for what is no number of 64 bits. */
function rate(text: string | undefined): string {
  return text !== undefined && /^\d+$/.test(text) && BigInt(text) <= MOST ? String(BigInt(text)) : "0";
}

function queueOf({ logical_port: port, options }: SbRow<"Port_Binding">): WantedQueue | undefined {
  const [max, min, burst] = ["qos_max_rate", "qos_min_rate", "qos_burst"].map((name) => rate(options.get(name)));
  if (max === "0" && min === "0" && burst === "0") return undefined;
  return { port, rates: new Map(Object.entries({ "max-rate": max!, "min-rate": min!, burst: burst! })) };
}

/**
 * The Port through which the bridge reaches its network: one whose interface is marked external_ids:ovn-egress-iface, else
 * the system's. The reference takes any of these; ours the marked ones before the others, and then the first by name.
 */
function egressPort(read: Read, bridge: Uuid): Uuid | undefined {
  const found: { port: Uuid; rank: string }[] = [];
  for (const port of read(vs.Bridge, bridge)?.ports ?? []) {
    for (const uuid of read(vs.Port, port)?.interfaces ?? []) {
      const row = read(vs.Interface, uuid);
      if (row === undefined) continue;
      const marked = row.external_ids.get("ovn-egress-iface") === "true";
      if (marked || row.type === "") found.push({ port, rank: `${marked ? 0 : 1} ${row.name}` });
    }
  }
  return found.sort((a, b) => (a.rank < b.rank ? -1 : 1))[0]?.port;
}

/** The queues that there should be for the ports of this chassis. */
export function wantedQueues(read: Read): WantedQueues {
  const wanted = new Map<Uuid, Map<number, WantedQueue>>();
  for (const uuid of read(queuedPorts, "queued")) {
    const row = read(sb.Port_Binding, uuid);
    if (row === undefined || read(claimOf, uuid) === undefined) continue;
    const number = Number(row.options.get("qdisc_queue_id"));
    const queue = queueOf(row);
    const name = read(config, 0)?.bridgeMappings.get(row.options.get("qos_physical_network") ?? "");
    const bridge = name === undefined ? undefined : read(bridgesByName, name)[0];
    const port = bridge === undefined ? undefined : egressPort(read, bridge);
    if (port === undefined || queue === undefined || !(number > 0)) continue;
    let queues = wanted.get(port);
    if (queues === undefined) wanted.set(port, (queues = new Map()));
    queues.set(number, queue);
  }
  return wanted;
}

/** Brings QoS and Queue rows in line. A port that somebody else has given a QoS keeps that one. */
export function writeQueues(read: Read, transaction: Transaction<VsSchema>, wanted: WantedQueues): void {
  const ours = read(ownedQos, "owned").flatMap((uuid) => read(vs.QoS, uuid) ?? []);
  const served = new Set<Uuid>();
  for (const qos of ours) {
    const [port] = read(portsByQos, qos._uuid);
    const queues = port === undefined ? undefined : wanted.get(port);
    if (port !== undefined && queues !== undefined) {
      served.add(port);
      updateQueues(read, transaction, qos, queues);
      continue;
    }
    if (port !== undefined) transaction.update("Port", port, { qos: undefined });
    for (const queue of qos.queues.values()) transaction.delete("Queue", queue);
    transaction.delete("QoS", qos._uuid);
  }
  for (const [port, queues] of wanted) {
    if (served.has(port)) continue;
    const given = read(vs.Port, port)?.qos;
    if (given !== undefined && !ours.some(({ _uuid }) => _uuid === given)) continue;
    const qos = transaction.insert("QoS", {
      type: "linux-htb",
      other_config: [["max-rate", DEVICE_RATE]],
      external_ids: [["ovn_qos", "true"]],
      queues: [...queues].map(([number, queue]) => [number, insertQueue(transaction, queue)]),
    });
    transaction.update("Port", port, { qos });
  }
}

function insertQueue(
  transaction: Transaction<VsSchema>,
  { port, rates }: WantedQueue,
): ReturnType<Transaction<VsSchema>["insert"]> {
  return transaction.insert("Queue", { external_ids: [["ovn_port", port]], other_config: rates });
}

function updateQueues(
  read: Read,
  transaction: Transaction<VsSchema>,
  qos: LocalRow<"QoS">,
  wanted: ReadonlyMap<number, WantedQueue>,
): void {
  const gone = [...qos.queues].filter(([number]) => !wanted.has(number));
  const added = [...wanted].filter(([number]) => !qos.queues.has(number));
  if (gone.length > 0 || added.length > 0) {
    transaction.mutate("QoS", qos._uuid, "queues", {
      delete: gone.map(([number]) => number),
      insert: added.map(([number, queue]) => [number, insertQueue(transaction, queue)]),
    });
  }
  for (const [, uuid] of gone) transaction.delete("Queue", uuid);
  for (const [number, uuid] of qos.queues) {
    const queue = wanted.get(number);
    const row = read(vs.Queue, uuid);
    if (queue === undefined || row === undefined) continue;
    if (!sameContent(row.other_config, queue.rates)) transaction.update("Queue", uuid, { other_config: queue.rates });
    if (row.external_ids.get("ovn_port") !== queue.port)
      transaction.update("Queue", uuid, { external_ids: [["ovn_port", queue.port]] });
  }
}
