/** For tests: a Southbound and a local database in memory with a core that follows them. */

import { formatActions, formatMatch } from "@weft/openflow";
import { type MemoryReplica, memoryReplica, type Replica, type Uuid } from "@weft/ovsdb";
import { openVSwitch, ovnSouthbound, type SbSchema, type VsSchema } from "@weft/schemas";
import { Core } from "../core.ts";
import type { DesiredFlow } from "../physical/flow.ts";

export interface TestCloud {
  readonly sb: MemoryReplica<SbSchema>;
  readonly ovs: MemoryReplica<VsSchema>;
  readonly core: Core;
  /** Errors that evaluations have thrown. */
  readonly errors: unknown[];
}

export const SETTINGS = { systemId: undefined, hostname: "host", rundir: "/run", startTime: 0 };

export function newCore(errors: unknown[] = []): Core {
  const core = new Core({ settings: SETTINGS, onError: ({ error }) => errors.push(error) });
  core.begin();
  return core;
}

/** Feeds everything that is in two databases now. */
export function follow(core: Core, sb: Replica<SbSchema>, ovs: Replica<VsSchema>): void {
  for (const name of Object.keys(ovnSouthbound.tables) as (keyof SbSchema["tables"])[])
    core.feed(
      "sb",
      [...sb.table(name).rows()].map((after) => ({ table: name, uuid: after._uuid, after })),
    );
  for (const name of Object.keys(openVSwitch.tables) as (keyof VsSchema["tables"])[])
    core.feed(
      "ovs",
      [...ovs.table(name).rows()].map((after) => ({ table: name, uuid: after._uuid, after })),
    );
}

/** Chassis "hv1" (ours) and "hv2", br-int with a tunnel between them at OpenFlow port 1. */
export function newCloud(): TestCloud {
  const sb = memoryReplica(ovnSouthbound, { integrity: false });
  const ovs = memoryReplica(openVSwitch, { integrity: false });
  const errors: unknown[] = [];
  const core = newCore(errors);
  sb.onChange(({ changes }) => core.feed("sb", changes));
  ovs.onChange(({ changes }) => core.feed("ovs", changes));
  const bridge = ovs.insert("Bridge", { name: "br-int", ports: [] });
  ovs.insert("Open_vSwitch", {
    bridges: [bridge],
    external_ids: [
      ["system-id", "hv1"],
      ["hostname", "hv1"],
      ["ovn-encap-type", "geneve"],
      ["ovn-encap-ip", "10.9.0.1"],
      ["ovn-bridge-mappings", "physnet1:br-phys"],
    ],
  });
  sb.insert("SB_Global", { options: [["arp_ns_explicit_output", "true"]] });
  addChassis(sb, "hv1", "10.9.0.1");
  addChassis(sb, "hv2", "10.9.0.2");
  addPort(ovs, "ovn-hv2-0", 1, { port: { "ovn-chassis-id": "hv2@10.9.0.2%10.9.0.1" } });
  return { sb, ovs, core, errors };
}

export function addChassis(sb: MemoryReplica<SbSchema>, name: string, ip: string): Uuid {
  return sb.insert("Chassis", {
    name,
    hostname: name,
    encaps: [sb.insert("Encap", { type: "geneve", ip, chassis_name: name, options: [["csum", "true"]] })],
  });
}

/** A port of br-int. `ids` are the interface's external_ids, or with `port` the port's. */
export function addPort(
  ovs: MemoryReplica<VsSchema>,
  name: string,
  ofport: number,
  ids: { readonly iface?: Record<string, string>; readonly port?: Record<string, string> } = {},
): { readonly port: Uuid; readonly iface: Uuid } {
  const iface = ovs.insert("Interface", { name, ofport, external_ids: Object.entries(ids.iface ?? {}) });
  const port = ovs.insert("Port", { name, interfaces: [iface], external_ids: Object.entries(ids.port ?? {}) });
  for (const bridge of ovs.table("Bridge").rows())
    if (bridge.name === "br-int") ovs.update("Bridge", bridge._uuid, { ports: [...bridge.ports, port] });
  return { port, iface };
}

export function addVif(ovs: MemoryReplica<VsSchema>, id: string, ofport: number) {
  return addPort(ovs, id, ofport, { iface: { "iface-id": id } });
}

export function addDatapath(sb: MemoryReplica<SbSchema>, name: string, key: number, type: "switch" | "router" = "switch"): Uuid {
  return sb.insert("Datapath_Binding", {
    tunnel_key: key,
    external_ids: [
      [`logical-${type}`, name],
      ["name", name],
    ],
    type: `logical-${type}`,
  });
}

export function flowText(flow: DesiredFlow): string {
  const cookie = flow.cookie === 0 ? "" : `cookie=0x${flow.cookie.toString(16)}, `;
  const match = formatMatch(flow.match);
  return `${cookie}table=${flow.table}, priority=${flow.priority}${match === "" ? "" : `,${match}`} actions=${formatActions(flow.actions) || "drop"}`;
}

/** The flows of some tables as sorted text, without cookies. */
export function flowsOf({ core }: TestCloud, ...tables: number[]): string[] {
  core.commit(true);
  core.takeFlows();
  const texts: string[] = [];
  for (const flow of core.flows.flows())
    if (tables.length === 0 || tables.includes(flow.table)) texts.push(flowText({ ...flow, cookie: 0 }));
  return texts.sort();
}
