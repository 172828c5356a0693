/** Do the daemons keep up, and can the chassis reach the southbound database and each other? */
import { type Cloud, type Hypervisor, integrationBridgeOf, settingOf } from "../cloud/cloud.ts";
import type { Finding } from "./findings.ts";

export function* verifyProgress({ nb, sb, hypervisors }: Cloud): Generator<Finding> {
  if (sb === undefined) return;
  const [global] = sb.table("SB_Global").rows();
  const [wanted] = nb?.table("NB_Global").rows() ?? [];
  if (wanted !== undefined && global !== undefined && global.nb_cfg < wanted.nb_cfg) {
    const detail = `NB_Global.nb_cfg is ${wanted.nb_cfg}, SB_Global.nb_cfg ${global.nb_cfg}`;
    yield { code: "northd-lags", subject: "ovn-northd", detail, rows: [`SB_Global ${global._uuid}`] };
  }
  const nodes = new Map(hypervisors.map((hypervisor) => [hypervisor.systemId, hypervisor.name]));
  for (const row of sb.table("Chassis_Private").rows()) {
    if (global === undefined || row.nb_cfg >= global.nb_cfg) continue;
    const node = nodes.get(row.name);
    yield {
      code: "chassis-lags",
      ...(node === undefined ? {} : { node }),
      subject: `chassis ${row.name}`,
      detail: `it has carried out change ${row.nb_cfg} of ${global.nb_cfg} (Chassis_Private.nb_cfg, SB_Global.nb_cfg)`,
      rows: [`Chassis_Private ${row._uuid}`],
    };
  }
}

/** Whether the controller of a hypervisor is connected, by its own word. */
export async function* verifyConnections({ hypervisors }: Cloud): AsyncGenerator<Finding> {
  for (const hypervisor of hypervisors) {
    const { place, name } = hypervisor;
    if (place.control === undefined || place.controls?.includes("ovn-controller") === false) continue;
    if (settingOf(hypervisor, "ovn-remote") === undefined) continue;
    let status: string;
    try {
      status = (await place.control("ovn-controller", "connection-status")).trim();
    } catch (error) {
      status = `no answer: ${error instanceof Error ? error.message : String(error)}`;
    }
    if (status === "connected") continue;
    const detail = `external_ids:ovn-remote is ${settingOf(hypervisor, "ovn-remote")}; ovn-controller: ${status}`;
    yield { code: "chassis-unreachable", node: name, subject: "ovn-controller", detail };
  }
}

export function* verifyChassis({ sb, hypervisors, complete }: Cloud): Generator<Finding> {
  if (sb === undefined) return;
  const rows = new Map([...sb.table("Chassis").rows()].map((row) => [row.name, row]));
  const answering = new Set(hypervisors.map(({ systemId }) => systemId));
  for (const { name, hostname, _uuid } of complete ? rows.values() : []) {
    if (answering.has(name)) continue;
    const bound = [...sb.table("Port_Binding").rows()].filter(({ chassis }) => chassis === _uuid);
    const ports = bound.map(({ logical_port }) => logical_port).join(", ");
    const detail = `host ${hostname}; ${ports === "" ? "no port is" : `${ports} ${bound.length === 1 ? "is" : "are"}`} bound there`;
    yield { code: "chassis-down", subject: `chassis ${name}`, detail, rows: [`Chassis ${_uuid}`] };
  }
  for (const hypervisor of hypervisors) {
    const { name, systemId, links } = hypervisor;
    const row = rows.get(systemId);
    if (row === undefined) {
      // A machine with a switch that is not meant to be a chassis has no remote.
      if (settingOf(hypervisor, "ovn-remote") === undefined) continue;
      const detail = systemId === "" ? "external_ids:system-id is not set" : `no Chassis row is named ${systemId}`;
      yield { code: "chassis-missing", node: name, subject: `chassis ${systemId}`, detail };
      continue;
    }
    for (const uuid of row.encaps) {
      const encap = sb.table("Encap").get(uuid);
      if (encap === undefined || links === undefined) continue;
      if (links.some(({ addresses }) => addresses.includes(encap.ip))) continue;
      const detail = `${encap.type} at ${encap.ip}; the host has ${links.flatMap(({ addresses }) => addresses).join(", ")}`;
      yield { code: "encap-not-local", node: name, subject: `chassis ${systemId}`, detail, rows: [`Encap ${uuid}`] };
    }
    const encaps = [...rows.values()].flatMap((other) => {
      const zones = transportZones(row);
      const theirs = transportZones(other);
      const shared = (zones.length === 0 && theirs.length === 0) || zones.some((zone) => theirs.includes(zone));
      if (other.name === systemId || !shared) return [];
      return [{ chassis: other.name, ips: other.encaps.flatMap((encap) => sb.table("Encap").get(encap)?.ip ?? []) }];
    });
    yield* verifyTunnels(hypervisor, encaps);
  }
}

/** Packets that may be on their way, or not counted yet, and the part of all that may. */
const UNCOUNTED = 10;
const UNCOUNTED_PART = 0.2;

/** Packets that tunnels have sent and received, by hypervisor and interface. */
export type TunnelCounters = ReadonlyMap<string, { readonly sent: number; readonly received: number }>;

export function tunnelCounters({ hypervisors }: Cloud): TunnelCounters {
  return new Map(
    hypervisors.flatMap((hypervisor) =>
      tunnelsOf(hypervisor).map(({ name, statistics }) => [
        `${hypervisor.name} ${name}`,
        { sent: Number(statistics.get("tx_packets") ?? 0), received: Number(statistics.get("rx_packets") ?? 0) },
      ]),
    ),
  );
}

function tunnelsOf({ ovs }: Hypervisor) {
  return [...ovs.table("Interface").rows()].filter(({ options }) => options.has("remote_ip"));
}

/** Whether the counters are such that it is worth looking at them again in some seconds. */
export function tunnelsMayLose(cloud: Cloud): boolean {
  return verifyTunnelCounters(cloud).next().done !== true;
}

/**
 * What one side of a tunnel has sent must be about what the other has received: since `before`, where packets were sent since then, else
 * since the tunnel is there.
 */
export function* verifyTunnelCounters(cloud: Cloud, before?: TunnelCounters): Generator<Finding> {
  const counters = tunnelCounters(cloud);
  const addressesOf = (hypervisor: Hypervisor): string[] => (settingOf(hypervisor, "ovn-encap-ip") ?? "").split(",");
  const all = cloud.hypervisors.flatMap((hypervisor) =>
    tunnelsOf(hypervisor).map(({ name, options }) => ({ hypervisor, name, remote: options.get("remote_ip") ?? "" })),
  );
  for (const { hypervisor, name, remote } of all) {
    const own = addressesOf(hypervisor);
    const other = all.find((one) => own.includes(one.remote) && addressesOf(one.hypervisor).includes(remote));
    const here = counters.get(`${hypervisor.name} ${name}`);
    const there = other === undefined ? undefined : counters.get(`${other.hypervisor.name} ${other.name}`);
    if (other === undefined || here === undefined || there === undefined) continue;
    const then = before?.get(`${hypervisor.name} ${name}`);
    const since = then !== undefined && here.sent > then.sent;
    const sent = here.sent - (since ? then.sent : 0);
    const received = there.received - (since ? (before?.get(`${other.hypervisor.name} ${other.name}`)?.received ?? 0) : 0);
    if (sent - received <= (since ? 0 : UNCOUNTED) + sent * UNCOUNTED_PART) continue;
    yield {
      code: since ? "tunnel-loses" : "tunnel-lost",
      node: hypervisor.name,
      subject: `tunnel ${name} to ${other.hypervisor.name}`,
      detail: `of ${sent} packets sent to ${remote} ${since ? "just now" : "until now"} ${received} arrived at ${other.name} on ${other.hypervisor.name}`,
    };
  }
}

const transportZones = ({ transport_zones: zones }: { readonly transport_zones: readonly string[] }): readonly string[] => zones;

function* verifyTunnels(
  hypervisor: Hypervisor,
  others: readonly { readonly chassis: string; readonly ips: readonly string[] }[],
): Generator<Finding> {
  const { ovs, name } = hypervisor;
  const bridge = [...ovs.table("Bridge").rows()].find((row) => row.name === integrationBridgeOf(hypervisor));
  const interfaces = (bridge?.ports ?? [])
    .flatMap((port) => ovs.table("Port").get(port)?.interfaces ?? [])
    .flatMap((uuid) => ovs.table("Interface").get(uuid) ?? [])
    .filter(({ options }) => options.has("remote_ip"));
  const remotes = new Set(interfaces.map(({ options }) => options.get("remote_ip")));
  // A flow-based tunnel reaches all; ports of EVPN, which look alike, have a UDP port of their own.
  const shared = interfaces.some(({ options }) => options.get("remote_ip") === "flow" && !options.has("dst_port"));
  for (const { chassis, ips } of others) {
    if (shared || ips.length === 0 || ips.some((ip) => remotes.has(ip))) continue;
    const detail = `no interface of ${bridge?.name ?? integrationBridgeOf(hypervisor)} has options:remote_ip=${ips.join(" or ")}`;
    yield { code: "tunnel-missing", node: name, subject: `tunnel to ${chassis}`, detail };
  }
  for (const { name: tunnel, options, bfd, bfd_status } of interfaces) {
    if (bfd.get("enable") !== "true" || bfd_status.get("state") === undefined || bfd_status.get("state") === "up") continue;
    const detail = `interface ${tunnel} to ${options.get("remote_ip")}: state ${bfd_status.get("state")}, the other side says ${bfd_status.get("remote_state") ?? "nothing"}`;
    yield { code: "tunnel-down", node: name, subject: `tunnel ${tunnel}`, detail };
  }
  for (const { name: tunnel, error, options } of interfaces) {
    if (error === undefined || error === "") continue;
    const detail = `interface ${tunnel} to ${options.get("remote_ip")}: ${error}`;
    yield { code: "tunnel-broken", node: name, subject: `tunnel ${tunnel}`, detail };
  }
}
