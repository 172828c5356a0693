/** A logical switch port, read and parsed. */
import { derive, type Read, relation, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { NbRow } from "@weft/schemas";
import { quoted } from "../flow.ts";
import { type PortAddress, parsePortAddress } from "./addresses.ts";
import { switchConfig } from "./config.ts";
import {
  dynamicAddresses,
  listOfSwitch,
  nb,
  routerOfPort,
  routerPortsByName,
  switchOfPort,
  switchPortsByName,
  switchPortsByPeer,
} from "./nb.ts";
import { routerPort } from "./routerPort.ts";

export interface SwitchPort {
  readonly uuid: Uuid;
  readonly name: string;
  /** The name as a string of the logical flow language. */
  readonly json: string;
  readonly type: string;
  readonly enabled: boolean;
  readonly datapath: Uuid;
  readonly addresses: readonly PortAddress[];
  readonly unknown: boolean;
  /** Has port security rules of which at least one has a valid address. */
  readonly secured: boolean;
  /** Is watched by mirrors. */
  readonly mirrored: boolean;
  readonly options: ReadonlyMap<string, string>;
  /** For a port of type router whose peer exists: the router port. */
  readonly peer: Uuid | undefined;
}

/** The first of several rows of one name: names are unique among ports that are in use. */
function only<T>(rows: readonly T[]): T | undefined {
  return rows[0];
}

/** A port's switch: undefined for a port that no switch holds, or two do. */
export function switchOf(port: Uuid, read: Read): Uuid | undefined {
  const switches = read(switchOfPort, port);
  return switches.length === 1 ? switches[0] : undefined;
}

export function routerOf(port: Uuid, read: Read): Uuid | undefined {
  const routers = read(routerOfPort, port);
  return routers.length === 1 ? routers[0] : undefined;
}

function peerOf(row: NbRow<"Logical_Switch_Port">, read: Read): Uuid | undefined {
  if (row.type !== "router") return undefined;
  const name = row.options.get("router-port");
  const port = name === undefined ? undefined : only(read(routerPortsByName, name));
  return port !== undefined && routerOf(port, read) !== undefined ? port : undefined;
}

/** The port's addresses as texts, dynamic ones filled in. */
export function addressTexts(row: NbRow<"Logical_Switch_Port">, read: Read): readonly string[] {
  const texts: string[] = [];
  for (const text of row.addresses) {
    if (isDynamic(text)) {
      const given = read(dynamicAddresses, row._uuid);
      if (given !== undefined) texts.push(given);
    } else texts.push(text);
  }
  return texts;
}

/** "dynamic", "dynamic 10.0.0.5", "MAC dynamic": addresses that IPAM completes. */
export function isDynamic(text: string): boolean {
  return /^dynamic(\s|$)/.test(text) || /^\S+\s+dynamic$/.test(text);
}

export const switchPort = derive(
  "switchPort",
  (uuid: Uuid, read): SwitchPort | undefined => {
    const row = read(nb.Logical_Switch_Port, uuid);
    const datapath = switchOf(uuid, read);
    if (row === undefined || datapath === undefined || read(switchPortsByName, row.name)[0] !== uuid) return undefined;
    const peer = peerOf(row, read);
    const addresses: PortAddress[] = [];
    let unknown = row.type === "switch";
    for (const text of addressTexts(row, read)) {
      if (text === "unknown") unknown = true;
      else if (text === "router") {
        const peerPort = peer === undefined ? undefined : read(routerPort, peer);
        if (peerPort !== undefined) addresses.push(peerPort.address);
      } else {
        const parsed = parsePortAddress(text);
        if (parsed !== undefined) addresses.push(parsed);
      }
    }
    return {
      uuid,
      name: row.name,
      json: quoted(row.name),
      type: row.type,
      enabled: row.enabled !== false,
      datapath,
      addresses,
      unknown,
      secured: row.port_security.some((text) => parsePortAddress(text) !== undefined),
      mirrored: row.mirror_rules.length > 0,
      options: row.options,
      peer,
    };
  },
  { equals: sameContent },
);

/** The ports of a switch that are there, by name. */
export const switchPorts = derive(
  "switchPorts",
  (uuid: Uuid, read): readonly SwitchPort[] => {
    const ports: SwitchPort[] = [];
    for (const port of read(listOfSwitch.ports, uuid)) {
      const parsed = read(switchPort, port);
      if (parsed !== undefined && parsed.datapath === uuid) ports.push(parsed);
    }
    return ports;
  },
  { equals: (a, b) => a.length === b.length && a.every((port, i) => port === b[i]) },
);

/** Router ports that are attached to a switch, through its ports of type router. */
export const routerPortsOfSwitch = relation("routerPortsOfSwitch", nb.Logical_Router_Port, (uuid, row, read) => {
  const groups: Uuid[] = [];
  for (const port of read(switchPortsByPeer, row.name)) {
    const parsed = read(switchPort, port);
    if (parsed?.peer === uuid) groups.push(parsed.datapath);
  }
  return groups;
});

/** Whether frames with VLAN tags pass a switch. */
export const vlanPassthru = derive(
  "vlanPassthru",
  (datapath: Uuid, read): boolean => read(switchConfig, datapath).get("vlan-passthru") === "true",
);
