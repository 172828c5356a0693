/** Chassis that routers' gateway ports are on: HA_Chassis_Group, and Port_Binding of type chassisredirect (ovn-architecture(7)). */
import { derive, each, type Read } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { NbRow } from "@weft/schemas";
import { balancesEverywhere } from "../model/balancers.ts";
import { behindVtep, centralised } from "../model/centralised.ts";
import { chassisNamed } from "../model/chassis.ts";
import { dynamicOptions } from "../model/dynamicRouting.ts";
import { gatewayRoutersOf, haGroupUsed } from "../model/haGroups.ts";
import { nats } from "../model/nat.ts";
import { nb, portKey, redirectId } from "../model/nb.ts";
import { chassisAround } from "../model/reach.ts";
import { redirectName, routerPort } from "../model/routerPort.ts";
import { switchPort } from "../model/switchPort.ts";
import { Owned, Ref, type Row, row } from "../output/row.ts";
import { datapathRef } from "./datapaths.ts";

interface Member {
  readonly chassis: string;
  readonly priority: number;
}

/** `routers`: those with a gateway port on the group. Chassis around them watch whether its members live, if there is a choice. */
function group(name: string, members: readonly Member[], routers: readonly Uuid[], read: Read): Row {
  const rows = members.map(({ chassis, priority }) => ({
    chassis: chassisNamed(chassis, read),
    priority,
    external_ids: new Map([["chassis-name", chassis]]),
  }));
  const watching = new Set(members.length < 2 ? [] : routers.flatMap((router) => [...chassisAround(router, read)]));
  const refs = [...watching].sort().flatMap((chassis) => chassisNamed(chassis, read) ?? []);
  return row("HA_Chassis_Group", name, { name, ha_chassis: new Owned("HA_Chassis", rows), ref_chassis: refs });
}

/** The name of the southbound group of a gateway port. */
export function groupOf(lrp: NbRow<"Logical_Router_Port">, read: Read): string | undefined {
  if (lrp.ha_chassis_group !== undefined) return read(nb.HA_Chassis_Group, lrp.ha_chassis_group)?.name;
  return lrp.gateway_chassis.length === 0 ? undefined : lrp.name;
}

/** Gateway_Chassis of a port become a group that is called like the port. */
export const gatewayGroups = each("northd/gatewayGroups", nb.Logical_Router_Port, function* (uuid, lrp, read): Iterable<Row> {
  const port = read(routerPort, uuid);
  if (port?.isGateway !== true || lrp.ha_chassis_group !== undefined) return;
  const members = lrp.gateway_chassis.flatMap((id) => {
    const gateway = read(nb.Gateway_Chassis, id);
    return gateway === undefined ? [] : [{ chassis: gateway.chassis_name, priority: gateway.priority }];
  });
  yield group(lrp.name, members, [port.datapath], read);
});

/** Groups that some gateway port or external port names. */
export const haGroups = each("northd/haGroups", nb.HA_Chassis_Group, function* (uuid, { name, ha_chassis }, read): Iterable<Row> {
  if (!read(haGroupUsed, uuid)) return;
  const members = ha_chassis.flatMap((id) => {
    const member = read(nb.HA_Chassis, id);
    return member === undefined ? [] : [{ chassis: member.chassis_name, priority: member.priority }];
  });
  yield group(name, members, gatewayRoutersOf(uuid, read), read);
});

/** Routers with rules that are handled elsewhere than on the gateway chassis. */
const hasDistributedNat = derive("hasDistributedNat", (router: Uuid, read): boolean =>
  read(nats, router).rules.some(({ local }) => local !== undefined),
);

export const redirectBindings = each(
  "northd/redirectBindings",
  nb.Logical_Router_Port,
  function* (uuid, lrp, read): Iterable<Row> {
    const port = read(routerPort, uuid);
    if (port?.isGateway !== true) return;
    const groupName = groupOf(lrp, read);
    const make = (
      id: Uuid,
      name: string,
      datapath: Uuid,
      mac: readonly string[],
      options: ReadonlyMap<string, string>,
    ): Row[] => {
      const key = read(portKey, redirectId(id));
      if (key === undefined) return [];
      const columns = {
        datapath: datapathRef(datapath),
        logical_port: redirectName(name),
        tunnel_key: key,
        type: "chassisredirect",
        options: new Map([["distributed-port", name], ...options]),
        mac,
        ha_chassis_group: groupName === undefined ? undefined : new Ref("HA_Chassis_Group", groupName),
      };
      return [row("Port_Binding", redirectName(name), columns, { up: false })];
    };
    const options = new Map<string, string>();
    const redirect = port.options.get("redirect-type");
    if (redirect !== undefined) options.set("redirect-type", redirect);
    const distributed = read(hasDistributedNat, port.datapath) || read(balancesEverywhere, port.datapath);
    if (redirect !== "bridged" && !distributed && !read(behindVtep, uuid)) options.set("always-redirect", "true");
    for (const [name, value] of dynamicOptions(port, true, read)) options.set(name, value);
    yield* make(uuid, port.name, port.datapath, [[lrp.mac, ...lrp.networks].join(" ")], options);
    const outside = read(centralised, uuid);
    const attached = outside === undefined ? undefined : read(switchPort, outside);
    const lsp = outside === undefined ? undefined : read(nb.Logical_Switch_Port, outside);
    if (attached !== undefined && lsp !== undefined) {
      yield* make(attached.uuid, attached.name, attached.datapath, lsp.addresses, new Map());
    }
  },
);
