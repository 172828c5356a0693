/** Is what is installed what the databases ask for, and do the databases agree with themselves? */
import { type Cloud, integrationBridgeOf } from "../cloud/cloud.ts";
import { desiredState } from "../cloud/desired.ts";
import { Provenance } from "../provenance/provenance.ts";
import { verifyAddresses } from "./addresses.ts";
import { type TunnelCounters, verifyChassis, verifyConnections, verifyProgress, verifyTunnelCounters } from "./chassis.ts";
import type { Finding } from "./findings.ts";
import { verifyFloatingIps } from "./floatingIps.ts";
import { verifyFlows } from "./flows.ts";
import { verifyLogicalFlows } from "./logical.ts";
import { verifyMtu, verifyPhysicalNetworks } from "./physical.ts";
import { verifyPorts } from "./ports.ts";

/**
 * All findings: those of the databases first. `node`: only of one hypervisor, by its place's name or system-id. `before`: what tunnels
 * had counted some seconds ago; without it they are not looked at.
 */
export async function verify(cloud: Cloud, node?: string, before?: TunnelCounters): Promise<Finding[]> {
  const { sb, nb } = cloud;
  const found: Finding[] = [...cloud.problems].map((detail) => ({ code: "not-read", subject: "cloud", detail }));
  const keep = cloud.hypervisors.filter(({ name, systemId }) => node === undefined || name === node || systemId === node);
  for (const { name, problems } of keep)
    for (const detail of problems) found.push({ code: "not-read", node: name, subject: name, detail });
  if (sb === undefined) return found;
  const provenance = new Provenance(sb, nb);
  if (node === undefined)
    found.push(...verifyLogicalFlows(cloud, provenance), ...verifyAddresses(cloud), ...verifyFloatingIps(cloud));
  const all: Finding[] = [
    ...verifyProgress(cloud),
    ...verifyChassis(cloud),
    ...(before === undefined ? [] : verifyTunnelCounters(cloud, before)),
    ...verifyPorts(cloud),
    ...verifyPhysicalNetworks(cloud),
    ...verifyMtu(cloud),
  ];
  for await (const finding of verifyConnections(cloud)) all.push(finding);
  for (const hypervisor of keep) {
    const installed = hypervisor.bridges.get(integrationBridgeOf(hypervisor));
    if (installed === undefined || hypervisor.systemId === "") continue;
    all.push(...verifyFlows(hypervisor.name, installed, desiredState(sb, hypervisor.ovs, hypervisor.systemId), provenance));
  }
  const names = new Set(keep.map(({ name }) => name));
  found.push(...all.filter((finding) => node === undefined || (finding.node !== undefined && names.has(finding.node))));
  return found;
}
