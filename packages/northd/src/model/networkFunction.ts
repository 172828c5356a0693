/** Network functions, and the groups of them that ACLs send traffic through (ovn-nb(5), Network_Function_Group). */
import { derive, index, type Read, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { NbRow } from "@weft/schemas";
import { serviceKey, serviceStatus } from "./backends.ts";
import { globals } from "./globals.ts";
import { nb } from "./nb.ts";
import { type SwitchPort, switchPort } from "./switchPort.ts";

export interface NetworkFunction {
  readonly uuid: Uuid;
  /** 1 to 255. */
  readonly id: number;
  readonly inport: Uuid;
  readonly outport: Uuid;
}

export interface NetworkFunctionGroup {
  /** 1 to 255. */
  readonly id: number;
  readonly failOpen: boolean;
  /** The function that traffic goes through. */
  readonly active: NetworkFunction | undefined;
}

export const networkFunctionGroup = derive(
  "networkFunctionGroup",
  (uuid: Uuid, read): NetworkFunctionGroup | undefined => {
    const row = read(nb.Network_Function_Group, uuid);
    if (row === undefined) return undefined;
    const active = activeOf(row, read);
    return { id: row.id, failOpen: row.fallback === "fail-open", active: active === undefined ? undefined : parsed(active) };
  },
  { equals: sameContent },
);

function parsed({ _uuid, id, inport, outport }: NbRow<"Network_Function">): NetworkFunction {
  return { uuid: _uuid, id, inport, outport };
}

/** The one that was active before stays so, as long as it is healthy; of several it may be any. */
function activeOf(group: NbRow<"Network_Function_Group">, read: Read): NbRow<"Network_Function"> | undefined {
  const healthy = group.network_function
    .flatMap((uuid) => read(nb.Network_Function, uuid) ?? [])
    .filter((row) => row.health_check === undefined || isOnline(row, read));
  return healthy.find(({ _uuid }) => _uuid === group.network_function_active) ?? healthy[0];
}

function isOnline(row: NbRow<"Network_Function">, read: Read): boolean {
  const key = probeKey(row, read);
  return key !== undefined && read(serviceStatus, key) === "online";
}

/** Which row of Service_Monitor tells of a function: a ping that is sent in by its one port, and has to come out of the other. */
export function probeKey({ outport }: NbRow<"Network_Function">, read: Read): string | undefined {
  const port = read(nb.Logical_Switch_Port, outport)?.name;
  const { svcMonitorIpDst } = read(globals, "");
  return port === undefined || svcMonitorIpDst === undefined ? undefined : serviceKey(port, svcMonitorIpDst, 0, "icmp");
}

/** Ports of containers, by the name of the port that they are behind. */
const childPorts = index("childPorts", nb.Logical_Switch_Port, ({ parent_name }) =>
  parent_name === undefined || parent_name === "" ? [] : [parent_name],
);

/** The port of a network function on a switch: the port itself, or one of its children. */
export function portOn(datapath: Uuid, port: Uuid, read: Read): SwitchPort | undefined {
  const own = read(switchPort, port);
  if (own === undefined || own.datapath === datapath) return own;
  return read(childPorts, own.name)
    .map((child) => read(switchPort, child))
    .find((child) => child?.datapath === datapath);
}
