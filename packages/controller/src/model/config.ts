/**
 * The configuration in the local database (ovn-controller(8) "CONFIGURATION"): external_ids of the Open_vSwitch row.
 * A key with the chassis' name behind it ("ovn-encap-ip-hv2") wins over the key alone.
 */
import { derive, type Read, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";
import { bridgesByName, chassisByName, type LocalRow, sb, settings, vs } from "./inputs.ts";

export interface EncapConfig {
  readonly types: readonly string[];
  /** The first is the default one. */
  readonly ips: readonly string[];
  readonly defaultIp: string | undefined;
  /** As it is written: others take it for an interface's option. */
  readonly csum: string;
  readonly tos: string | undefined;
  readonly df: string | undefined;
  /** One tunnel port for each type, and the addresses set by flows. */
  readonly flowBased: boolean;
}

export interface Config {
  /** The name in the Chassis table. */
  readonly chassis: string;
  readonly hostname: string;
  readonly remote: string | undefined;
  readonly bridge: string;
  readonly bridgeDatapathType: string | undefined;
  readonly bridgeRemote: string | undefined;
  readonly encap: EncapConfig;
  /** Physical network to bridge. */
  readonly bridgeMappings: ReadonlyMap<string, string>;
  /** Physical network to this chassis' own MAC on it. */
  readonly chassisMacs: ReadonlyMap<string, string>;
  readonly transportZones: readonly string[];
  /** UDP ports that EVPN's tunnels come in by. */
  readonly evpnPorts: readonly string[];
  readonly interconnect: boolean;
  readonly monitorAll: boolean;
  readonly zoneRange: readonly [number, number];
  readonly probeInterval: number | undefined;
  /** Silence of the switch after which it is asked whether it lives (ms); 0: never. */
  readonly bridgeProbeInterval: number;
  /** Stand still beside a northd of another version. */
  readonly matchNorthdVersion: boolean;
  readonly cleanupOnExit: boolean | undefined;
  /** Longest pause between announcements (ms). */
  readonly garpMaxTimeout: number | undefined;
  /** Longest pause between requests to next hops (ms). */
  readonly nexthopMaxTimeout: number | undefined;
}

/** As ovs-vswitchd(8) has it for OpenFlow connections (ms). */
const SHORTEST_BRIDGE_PROBE = 5000;

/** `a:b,c:d` as pairs; what has no colon is left out. */
export function pairs(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const part of text.split(",")) {
    const colon = part.indexOf(":");
    if (colon > 0 && colon < part.length - 1) found.set(part.slice(0, colon), part.slice(colon + 1));
  }
  return found;
}

/** `a:b,c:d` as pairs up to what is no pair, and whether there is such. */
export function mappings(text: string): { readonly pairs: ReadonlyMap<string, string>; readonly valid: boolean } {
  const words = list(text);
  const bad = words.findIndex((word) => !/^[^:]+:./.test(word));
  const good = bad < 0 ? words : words.slice(0, bad);
  return { pairs: pairs(good.join(",")), valid: bad < 0 };
}

/** UDP ports that a text names, and what of it names none. */
export function udpPorts(text: string | undefined): { readonly ports: readonly string[]; readonly others: readonly string[] } {
  const words = [...new Set(list(text))];
  const isPort = (word: string): boolean => /^[1-9]\d{0,4}$/.test(word) && Number(word) <= 65535;
  return { ports: words.filter(isPort), others: words.filter((word) => !isPort(word)) };
}

function list(text: string | undefined): string[] {
  return (text ?? "").split(",").filter((word) => word !== "");
}

export function openVSwitchUuid(read: Read): Uuid | undefined {
  return read.keys(vs.Open_vSwitch)[0];
}

/** One external_ids key with the chassis-specific override. */
export function optionOf(externalIds: ReadonlyMap<string, string>, chassis: string, name: string): string | undefined {
  return externalIds.get(`${name}-${chassis}`) ?? externalIds.get(name);
}

/** The configuration, or undefined as long as there is no system-id. */
export const config = derive<0, Config | undefined>(
  "config",
  (_key, read) => {
    const uuid = openVSwitchUuid(read);
    const row = uuid === undefined ? undefined : read(vs.Open_vSwitch, uuid);
    return row === undefined ? undefined : configOf(row, read(settings, 0));
  },
  { equals: sameContent },
);

/** What the configuration needs to know of where the controller runs. */
export interface Machine {
  /** In place of external_ids:system-id. */
  readonly systemId?: string | undefined;
  readonly hostname: string;
}

/** What a row says, for the controller of the machine that `own` describes. */
export function configOf(row: LocalRow<"Open_vSwitch">, own: Machine | undefined): Config | undefined {
  const ids = row.external_ids;
  const chassis = own?.systemId ?? ids.get("system-id");
  if (chassis === undefined || chassis === "") return undefined;
  const option = (name: string): string | undefined => optionOf(ids, chassis, name);
  const zoneRange = /^(\d+)-(\d+)$/.exec(option("ct-zone-range") ?? "");
  const ips = [...new Set(list(option("ovn-encap-ip")))];
  const defaultIp = option("ovn-encap-ip-default");
  const ordered = defaultIp !== undefined && ips.includes(defaultIp) ? [defaultIp, ...ips.filter((ip) => ip !== defaultIp)] : ips;
  const probe = Number(option("ovn-remote-probe-interval"));
  const bridgeProbe = Number(option("ovn-bridge-remote-probe-interval"));
  const nexthop = Number(option("arp-nd-max-timeout-sec"));
  const garp = Number(option("garp-max-timeout-sec"));
  return {
    chassis,
    hostname: option("hostname") ?? own?.hostname ?? "",
    remote: option("ovn-remote"),
    bridge: option("ovn-bridge") ?? "br-int",
    bridgeDatapathType: option("ovn-bridge-datapath-type"),
    bridgeRemote: option("ovn-bridge-remote"),
    encap: {
      types: [...new Set(list(option("ovn-encap-type")))],
      ips: ordered,
      defaultIp: defaultIp !== undefined && ips.includes(defaultIp) ? defaultIp : undefined,
      csum: option("ovn-encap-csum") ?? "true",
      tos: option("ovn-encap-tos"),
      df: option("ovn-encap-df_default"),
      flowBased: option("ovn-enable-flow-based-tunnels") === "true",
    },
    bridgeMappings: mappings(option("ovn-bridge-mappings") ?? "").pairs,
    chassisMacs: pairs(option("ovn-chassis-mac-mappings") ?? ""),
    transportZones: list(option("ovn-transport-zones")),
    evpnPorts: udpPorts(option("ovn-evpn-vxlan-ports")).ports,
    interconnect: option("ovn-is-interconn") === "true",
    monitorAll: option("ovn-monitor-all") === "true",
    zoneRange: zoneRange ? [Math.max(1, Number(zoneRange[1])), Math.min(65535, Number(zoneRange[2]))] : [1, 65535],
    probeInterval: Number.isFinite(probe) ? probe : undefined,
    bridgeProbeInterval: bridgeProbe > 0 ? Math.max(bridgeProbe, SHORTEST_BRIDGE_PROBE) : 0,
    garpMaxTimeout: garp > 0 ? garp * 1000 : undefined,
    nexthopMaxTimeout: nexthop > 0 ? nexthop * 1000 : undefined,
    matchNorthdVersion: option("ovn-match-northd-version") === "true",
    cleanupOnExit: flagOf(option("ovn-cleanup-on-exit")),
  };
}

function flagOf(text: string | undefined): boolean | undefined {
  return text === undefined ? undefined : text !== "false";
}

/** Our own row in the Chassis table. */
export const ownChassis = derive<0, Uuid | undefined>("ownChassis", (_key, read) => {
  const name = read(config, 0)?.chassis;
  return name === undefined ? undefined : read(chassisByName, name)[0];
});

export function ownChassisRow(read: Read): SbRow<"Chassis"> | undefined {
  const uuid = read(ownChassis, 0);
  return uuid === undefined ? undefined : read(sb.Chassis, uuid);
}

/** The integration bridge's row. */
export const integrationBridge = derive<0, Uuid | undefined>("integrationBridge", (_key, read) => {
  const name = read(config, 0)?.bridge ?? "br-int";
  return read(bridgesByName, name)[0];
});
