/** What NB_Global:options say: to the flows, and to northd itself. */
import { derive, sameContent } from "@weft/incremental";
import { formatMac, parseMac } from "@weft/packet";
import { globalRow, nb } from "./nb.ts";

/** A MAC address of an option as OVS prints it; undefined: there is none, or it is malformed. */
function macTextOf(text: string | undefined): string | undefined {
  const mac = text === undefined ? undefined : parseMac(text);
  return mac === undefined ? undefined : formatMac(mac);
}

/** A number of an option: decimal digits alone, 32 bits; 0 for anything else, as for an option that is not there. */
function numberOf(text: string | undefined): number {
  const number = /^\d+$/.test(text ?? "") ? Number(text) : 0;
  return number < 2 ** 32 ? number : 0;
}

export interface Globals {
  readonly ignoreLspDown: boolean;
  readonly useCtInvMatch: boolean;
  readonly defaultAclDrop: boolean;
  /** Distributed gateway ports translate both ways in one zone. */
  readonly useCommonZone: boolean;
  /** Load balancers of routers also work on the switches that are attached to them. */
  readonly switchLbFromRouter: boolean;
  readonly controllerEvent: boolean;
  /** ACLs match ports as connections have them. */
  readonly aclCtTranslation: boolean;
  /** What controllers are capable of does not count. */
  readonly ignoreChassisFeatures: boolean;
  readonly ecmpNexthopMonitor: boolean;
  readonly svcMonitorMac: string | undefined;
  /** What probes of network functions are sent to and from. */
  readonly svcMonitorMacDst: string | undefined;
  readonly svcMonitorIp: string | undefined;
  readonly svcMonitorIpDst: string | undefined;
}

/** What no derivation reads. */
export interface Settings {
  /** Tunnels of VXLAN make datapaths' keys short. */
  readonly vxlanKeys: boolean;
  /** Ms of silence of a database before it is probed; undefined: the default. */
  readonly probe: number | undefined;
  /** Rounds have pauses as long as they took themselves, up to this (ms): changes gather meanwhile. */
  readonly longestBackoff: number;
  /** Of samples of dropped packets. */
  readonly dropDomain: number;
  readonly dropCollectorSet: number;
}

export function settingsOf(options: ReadonlyMap<string, string>): Settings {
  const probe = options.get("northd_probe_interval") ?? "";
  return {
    vxlanKeys: options.get("vxlan_mode") !== "false",
    probe: /^\d+$/.test(probe) ? Number(probe) : undefined,
    longestBackoff: numberOf(options.get("northd-backoff-interval-ms")),
    dropDomain: numberOf(options.get("debug_drop_domain_id")),
    dropCollectorSet: numberOf(options.get("debug_drop_collector_set")),
  };
}

export const globals = derive(
  "globals",
  (_key: "", read): Globals => {
    const uuid = read(globalRow, "")[0];
    const options = (uuid === undefined ? undefined : read(nb.NB_Global, uuid)?.options) ?? new Map<string, string>();
    const flag = (name: string, fallback: boolean) => {
      const value = options.get(name);
      return value === undefined ? fallback : fallback ? value !== "false" : value === "true";
    };
    return {
      ignoreLspDown: flag("ignore_lsp_down", true),
      useCtInvMatch: flag("use_ct_inv_match", true),
      defaultAclDrop: flag("default_acl_drop", false),
      useCommonZone: flag("use_common_zone", false),
      switchLbFromRouter: flag("install_ls_lb_from_router", false),
      controllerEvent: flag("controller_event", false),
      aclCtTranslation: flag("acl_ct_translation", false),
      ignoreChassisFeatures: flag("ignore_chassis_features", false),
      ecmpNexthopMonitor: flag("ecmp_nexthop_monitor_enable", false),
      svcMonitorMac: macTextOf(options.get("svc_monitor_mac")),
      svcMonitorMacDst: macTextOf(options.get("svc_monitor_mac_dst")),
      svcMonitorIp: options.get("svc_monitor_ip"),
      svcMonitorIpDst: options.get("svc_monitor_ip_dst"),
    };
  },
  { equals: sameContent },
);
