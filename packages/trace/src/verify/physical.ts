/** Do bridge mappings and physical networks meet, and does the underlay carry what the guests send? */
import { type Cloud, type Hypervisor, settingOf } from "../cloud/cloud.ts";
import type { Finding } from "./findings.ts";
import { portInterfaces } from "./ports.ts";

/** external_ids:ovn-bridge-mappings (ovn-controller(8)): bridges by physical network. */
export function bridgeMappings(hypervisor: Hypervisor): ReadonlyMap<string, string> {
  const mappings = new Map<string, string>();
  for (const mapping of (settingOf(hypervisor, "ovn-bridge-mappings") ?? "").split(",")) {
    const [network = "", bridge = ""] = mapping.split(":");
    if (network !== "" && bridge !== "") mappings.set(network.trim(), bridge.trim());
  }
  return mappings;
}

export function* verifyPhysicalNetworks({ sb, hypervisors }: Cloud): Generator<Finding> {
  if (sb === undefined) return;
  const ports = [...sb.table("Port_Binding").rows()];
  const localnets = ports.filter(({ type }) => type === "localnet");
  const names = new Set(ports.flatMap(({ options }) => options.get("network_name") ?? []));
  const datapaths = new Map(ports.map(({ logical_port, datapath }) => [logical_port, datapath]));
  for (const hypervisor of hypervisors) {
    const { name: node, ovs } = hypervisor;
    const mappings = bridgeMappings(hypervisor);
    const bridges = new Set([...ovs.table("Bridge").rows()].map(({ name }) => name));
    for (const [network, bridge] of mappings) {
      const subject = `bridge mapping ${network}:${bridge}`;
      if (!bridges.has(bridge)) {
        const detail = `there is no bridge ${bridge} (bridges: ${[...bridges].sort().join(", ")})`;
        yield { code: "mapping-without-bridge", node, subject, detail };
      }
      if (!names.has(network)) {
        const detail = `no port has options:network_name=${network} (those that there are: ${[...names].sort().join(", ") || "none"})`;
        yield { code: "mapping-without-network", node, subject, detail };
      }
    }
    const local = new Set(portInterfaces(hypervisor).flatMap(({ port }) => datapaths.get(port) ?? []));
    for (const { logical_port, options, datapath, _uuid } of localnets) {
      const network = options.get("network_name");
      if (network === undefined || mappings.has(network) || !local.has(datapath)) continue;
      yield {
        code: "network-without-mapping",
        node,
        subject: `localnet port ${logical_port}`,
        detail: `its network ${network} is not in external_ids:ovn-bridge-mappings (${[...mappings].map((pair) => pair.join(":")).join(",") || "empty"})`,
        rows: [`Port_Binding ${_uuid}`],
      };
    }
  }
}

/** Bytes that a tunnel adds: outer Ethernet is not counted by an MTU, the inner one is. Geneve with OVN's option, VXLAN without. */
const OVERHEAD = { geneve: 14 + 8 + 8 + 8, vxlan: 14 + 8 + 8 } as const;
const IP_HEADER = { 4: 20, 6: 40 } as const;

export function* verifyMtu({ sb, hypervisors }: Cloud): Generator<Finding> {
  if (sb === undefined) return;
  const chassis = new Map([...sb.table("Chassis").rows()].map((row) => [row.name, row]));
  if (chassis.size < 2) return;
  for (const hypervisor of hypervisors) {
    const encaps = chassis.get(hypervisor.systemId)?.encaps.flatMap((uuid) => sb.table("Encap").get(uuid) ?? []) ?? [];
    for (const { ip, type } of encaps) {
      const link = hypervisor.links?.find(({ addresses }) => addresses.includes(ip));
      if (link === undefined || (type !== "geneve" && type !== "vxlan")) continue;
      const room = link.mtu - OVERHEAD[type] - IP_HEADER[ip.includes(":") ? 6 : 4];
      const large = guestMtus(hypervisor).filter(({ mtu }) => mtu > room);
      if (large.length === 0) continue;
      const shown = large.map(({ port, mtu }) => `${port} ${mtu}`).join(", ");
      yield {
        code: "mtu-too-small",
        node: hypervisor.name,
        subject: `device ${link.name}`,
        detail: `MTU ${link.mtu} leaves ${room} bytes for guests' packets in ${type}; guests' MTUs: ${shown}`,
      };
    }
  }
}

function guestMtus(hypervisor: Hypervisor): { readonly port: string; readonly mtu: number }[] {
  const interfaces = new Map([...hypervisor.ovs.table("Interface").rows()].map((row) => [row.name, row]));
  return portInterfaces(hypervisor).flatMap(({ name, port }) => {
    const mtu = interfaces.get(name)?.mtu;
    return mtu === undefined ? [] : [{ port, mtu: Number(mtu) }];
  });
}
