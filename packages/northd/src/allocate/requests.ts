/** Who needs numbers: datapaths and ports tunnel keys, child ports VLAN tags, ACLs whose connections persist, ports with rates. */
import { each } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { centralised } from "../model/centralised.ts";
import { mirrorPorts } from "../model/mirror.ts";
import { routerGroups, switchMulticast } from "../model/multicast.ts";
import { nb, redirectId, routers, switches } from "../model/nb.ts";
import { hasRates } from "../model/queue.ts";
import { redirectName, routerPort } from "../model/routerPort.ts";
import { switchOf, switchPort } from "../model/switchPort.ts";
import type { NumberRequest } from "./numbers.ts";

/** `existing` is filled in by whoever knows the southbound database: the name says which row there is meant. */
export interface KeyRequest extends NumberRequest {
  readonly name: string;
  /** Who may ask for a number, as the log calls it; the configuration has no numbers for others. */
  readonly asker?: { readonly kind: "switch" | "router"; readonly name: string };
}

function requestedKey(options: ReadonlyMap<string, string>): number | undefined {
  const text = options.get("requested-tnl-key");
  const key = text !== undefined && /^\d+$/.test(text) ? Number(text) : 0;
  return key > 0 ? key : undefined;
}

export const switchKeys = each("northd/switchKeys", switches, (uuid, row): KeyRequest[] => [
  {
    scope: "",
    id: uuid,
    requested: requestedKey(row.other_config),
    existing: undefined,
    name: uuid,
    asker: { kind: "switch", name: row.name },
  },
]);

export const routerKeys = each("northd/routerKeys", routers, (uuid, row): KeyRequest[] => [
  {
    scope: "",
    id: uuid,
    requested: requestedKey(row.options),
    existing: undefined,
    name: uuid,
    asker: { kind: "router", name: row.name },
  },
]);

export const switchPortKeys = each("northd/switchPortKeys", nb.Logical_Switch_Port, (uuid, row, read): KeyRequest[] => {
  const port = read(switchPort, uuid);
  if (port === undefined) return [];
  return [portRequest(port.datapath, "switch", row)];
});

export const routerPortKeys = each("northd/routerPortKeys", nb.Logical_Router_Port, (uuid, row, read): KeyRequest[] => {
  const port = read(routerPort, uuid);
  if (port === undefined) return [];
  return [portRequest(port.datapath, "router", row)];
});

interface PortRow {
  readonly _uuid: Uuid;
  readonly name: string;
  readonly options: ReadonlyMap<string, string>;
}

function portRequest(scope: Uuid, kind: "switch" | "router", { _uuid, name, options }: PortRow): KeyRequest {
  return { scope, id: _uuid, requested: requestedKey(options), existing: undefined, name, asker: { kind, name } };
}

/** Instances of ports on gateway chassis have keys of their own. */
export const redirectKeys = each("northd/redirectKeys", nb.Logical_Router_Port, (uuid, _row, read): KeyRequest[] => {
  const port = read(routerPort, uuid);
  if (port?.isGateway !== true) return [];
  const requests = [redirectRequest(port.datapath, uuid, port.name)];
  const outside = read(centralised, uuid);
  const attached = outside === undefined ? undefined : read(switchPort, outside);
  if (attached !== undefined) requests.push(redirectRequest(attached.datapath, attached.uuid, attached.name));
  return requests;
});

function redirectRequest(scope: Uuid, port: Uuid, name: string): KeyRequest {
  return { scope, id: redirectId(port), requested: undefined, existing: undefined, name: redirectName(name) };
}

export const mirrorPortKeys = each("northd/mirrorPortKeys", switches, (uuid, _row, read): KeyRequest[] =>
  read(mirrorPorts, uuid).map(({ name }) => ({ scope: uuid, id: name, requested: undefined, existing: undefined, name })),
);

/** Groups that chassis learned of have keys after those that every datapath may have. */
export const groupKeys = [
  each("northd/switchGroupKeys", switches, (uuid, _row, read) => keysOf(uuid, read(switchMulticast, uuid).groups)),
  each("northd/routerGroupKeys", routers, (uuid, _row, read) => keysOf(uuid, read(routerGroups, uuid))),
];

function keysOf(scope: Uuid, groups: ReadonlyMap<string, unknown>): KeyRequest[] {
  return [...groups.keys()].map((name) => ({
    scope,
    id: `${scope} ${name}`,
    requested: undefined,
    existing: undefined,
    name,
  }));
}

export const tagRequests = each("northd/tagRequests", nb.Logical_Switch_Port, (uuid, row, read): NumberRequest[] => {
  if (row.tag_request === undefined || switchOf(uuid, read) === undefined) return [];
  if (row.parent_name === undefined) {
    if (row.tag_request === 0) return [];
    return [{ scope: ` ${uuid}`, id: uuid, requested: row.tag_request, existing: undefined }];
  }
  const requested = row.tag_request === 0 ? undefined : row.tag_request;
  return [{ scope: row.parent_name, id: uuid, requested, existing: row.tag }];
});

export const queueRequests = each("northd/queueRequests", nb.Logical_Switch_Port, (uuid, row, read): KeyRequest[] => {
  if (row.type === "router" || !hasRates(row.options) || read(switchPort, uuid) === undefined) return [];
  return [{ scope: "", id: uuid, requested: undefined, existing: undefined, name: row.name }];
});

export const aclRequests = each("northd/aclRequests", nb.ACL, (uuid, row): KeyRequest[] => {
  if (row.action !== "allow-related" || row.options.get("persist-established") !== "true") return [];
  return [{ scope: "", id: uuid, requested: undefined, existing: undefined, name: uuid }];
});
