/**
 * Mirrors of ports (ovn-nb(5), Mirror): the switch copies what a guest sends or receives into a tunnel, or to an interface
 * here that is marked external_ids:mirror-id. They are Mirror rows of the integration bridge (ovs-vswitchd.conf.db(5)),
 * marked external_ids:ovn-owned. Mirrors of type lport are logical flows, and none of the switch's.
 */
import { derive, index, type Read, relation, sameContent } from "@weft/incremental";
import type { Transaction, Uuid } from "@weft/ovsdb";
import type { SbRow, VsSchema } from "@weft/schemas";
import { claimOf } from "../model/binding.ts";
import { integrationBridge } from "../model/config.ts";
import { type LocalRow, sb, vs } from "../model/inputs.ts";
import { integrationPortOf, interfacesByIfaceId } from "../model/interfaces.ts";

/** Where copies go: a Port that is there, or a tunnel of our own. */
type Sink = { readonly port: Uuid } | Tunnel;

interface Tunnel {
  readonly type: string;
  readonly options: ReadonlyMap<string, string>;
}

type Inserted = ReturnType<Transaction<VsSchema>["insert"]>;

export interface WantedMirror {
  readonly name: string;
  readonly sink: Sink;
  /** Ports whose guests' packets are copied: those that they send, and those that they receive. */
  readonly sources: readonly Uuid[];
  readonly destinations: readonly Uuid[];
}

const OWNED: [string, string][] = [["ovn-owned", "true"]];

const isOwned = ({ external_ids: ids }: { readonly external_ids: ReadonlyMap<string, string> }): boolean =>
  ids.get("ovn-owned") === "true";

/** Rows that are ours, "owned", of all bridges. */
const ownedPorts = index<"owned", Uuid, LocalRow<"Port">>("ownedPorts", vs.Port, (row) => (isOwned(row) ? ["owned"] : []));
const ownedMirrors = index<"owned", Uuid, LocalRow<"Mirror">>("ownedMirrors", vs.Mirror, (row) =>
  isOwned(row) ? ["owned"] : [],
);

/** Port bindings by the rows of their mirrors. */
const mirroredPorts = index<Uuid, Uuid, SbRow<"Port_Binding">>("mirroredPorts", sb.Port_Binding, (row) => row.mirror_rules);

/** Ports of the integration bridge by the mirror-id of their interfaces. */
const sinksById = relation<string, Uuid, LocalRow<"Interface">>("sinksById", vs.Interface, function* (uuid, row, read) {
  const id = row.external_ids.get("mirror-id");
  if (id !== undefined && read(integrationPortOf, uuid) !== undefined) yield id;
});

function sinkOf(read: Read, { type, sink, index: number }: SbRow<"Mirror">): Sink | undefined {
  if (type === "local") {
    const iface = read(sinksById, sink)[0];
    const port = iface === undefined ? undefined : read(integrationPortOf, iface);
    return port === undefined ? undefined : { port };
  }
  if (type !== "gre" && type !== "erspan") return undefined;
  const options = new Map([
    ["key", String(number)],
    ["remote_ip", sink],
  ]);
  if (type === "erspan") options.set("erspan_idx", String(number)).set("erspan_ver", "1");
  return { type: sink.includes(":") ? `ip6${type}` : type, options };
}

/** A mirror as the switch should have it, where one of its ports is on this chassis. */
const mirrorOf = derive<Uuid, WantedMirror | undefined>(
  "mirrorOf",
  (uuid, read) => {
    const row = read(sb.Mirror, uuid);
    const sink = row === undefined ? undefined : sinkOf(read, row);
    if (row === undefined || sink === undefined) return undefined;
    const ports: Uuid[] = [];
    for (const binding of read(mirroredPorts, uuid)) {
      const name = read(claimOf, binding) === undefined ? undefined : read(sb.Port_Binding, binding)?.logical_port;
      const iface = name === undefined ? undefined : read(interfacesByIfaceId, name)[0];
      const port = iface === undefined ? undefined : read(integrationPortOf, iface);
      if (port !== undefined) ports.push(port);
    }
    if (ports.length === 0) return undefined;
    ports.sort();
    return {
      name: row.name,
      sink,
      sources: row.filter === "to-lport" ? [] : ports,
      destinations: row.filter === "from-lport" ? [] : ports,
    };
  },
  { equals: sameContent },
);

/** The mirrors that there should be, by name. */
export function wantedMirrors(read: Read): ReadonlyMap<string, WantedMirror> {
  const wanted = new Map<string, WantedMirror>();
  for (const uuid of read.keys(sb.Mirror)) {
    const mirror = read(mirrorOf, uuid);
    if (mirror !== undefined) wanted.set(mirror.name, mirror);
  }
  return wanted;
}

/** Brings the mirrors of the integration bridge in line, and the tunnels that they copy into. Others' rows stay as they are. */
export function writeMirrors(read: Read, transaction: Transaction<VsSchema>, wanted: ReadonlyMap<string, WantedMirror>): void {
  const uuid = read(integrationBridge, 0);
  const bridge = uuid === undefined ? undefined : read(vs.Bridge, uuid);
  if (bridge === undefined) return;
  const ports = read(ownedPorts, "owned").flatMap((one) => (bridge.ports.includes(one) ? (read(vs.Port, one) ?? []) : []));
  const mirrors = read(ownedMirrors, "owned").flatMap((one) =>
    bridge.mirrors.includes(one) ? (read(vs.Mirror, one) ?? []) : [],
  );
  const kept = new Set<Uuid>();
  const added: { readonly ports: Inserted[]; readonly mirrors: Inserted[] } = { ports: [], mirrors: [] };

  /** The Port that a mirror copies into, made or corrected where it is a tunnel. */
  const outputOf = ({ name, sink }: WantedMirror): Uuid | Inserted => {
    if ("port" in sink) return sink.port;
    const there = ports.find((port) => port.name === `ovn-${name}`);
    if (there !== undefined) {
      kept.add(there._uuid);
      correctTunnel(read, transaction, there, sink);
      return there._uuid;
    }
    const iface = transaction.insert("Interface", { name: `ovn-${name}`, ...sink });
    const port = transaction.insert("Port", { name: `ovn-${name}`, interfaces: [iface], external_ids: OWNED });
    added.ports.push(port);
    return port;
  };

  for (const mirror of wanted.values()) {
    const output = outputOf(mirror);
    const columns = { output_port: output, select_src_port: mirror.sources, select_dst_port: mirror.destinations };
    const there = mirrors.find(({ name }) => name === mirror.name);
    if (there === undefined) {
      added.mirrors.push(transaction.insert("Mirror", { name: mirror.name, external_ids: OWNED, ...columns }));
      continue;
    }
    kept.add(there._uuid);
    const now = [there.output_port, [...there.select_src_port].sort(), [...there.select_dst_port].sort()];
    if (!sameContent(now, [output, mirror.sources, mirror.destinations])) transaction.update("Mirror", there._uuid, columns);
  }
  const gone = (rows: readonly { readonly _uuid: Uuid }[]): Uuid[] =>
    rows.map(({ _uuid }) => _uuid).filter((one) => !kept.has(one));
  for (const [column, rows] of [
    ["ports", ports],
    ["mirrors", mirrors],
  ] as const) {
    const change = { delete: gone(rows), insert: added[column] };
    if (change.delete.length > 0 || change.insert.length > 0) transaction.mutate("Bridge", bridge._uuid, column, change);
  }
}

function correctTunnel(read: Read, transaction: Transaction<VsSchema>, port: LocalRow<"Port">, wanted: Tunnel): void {
  for (const uuid of port.interfaces) {
    const row = read(vs.Interface, uuid);
    if (row === undefined || sameContent([row.type, row.options], [wanted.type, wanted.options])) continue;
    transaction.update("Interface", uuid, { type: wanted.type, options: wanted.options });
  }
}
