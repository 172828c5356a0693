/** Options of tunnel interfaces (ovs-vswitchd.conf.db(5), "Tunnel Options"). */
import { WeftError } from "@weft/runtime";
import type { ErspanConfig, TunnelConfig } from "../ofproto/port.ts";
import { parseAddress } from "../tunnel/address.ts";
import { GENEVE_PORT, VXLAN_PORT } from "../tunnel/header.ts";

export const TUNNEL_TYPES = ["geneve", "vxlan", "gre", "ip6gre", "erspan", "ip6erspan"] as const;
export type TunnelType = (typeof TUNNEL_TYPES)[number];

export const isTunnelType = (type: string): type is TunnelType => (TUNNEL_TYPES as readonly string[]).includes(type);

function refuse(name: string, text: string): WeftError {
  return new WeftError("vswitch.tunnel-options", `${name}: ${text}`, { blame: "caller" });
}

function number(name: string, option: string, text: string, most: number): number {
  const value = Number(text);
  if (!/^(0x[0-9a-f]+|\d+)$/i.test(text) || value > most) throw refuse(name, `bad value "${text}" of option ${option}`);
  return value;
}

function keyOf(name: string, text: string | undefined, bits: number): "flow" | bigint | undefined {
  if (text === undefined) return undefined;
  if (text === "flow") return "flow";
  if (!/^(0x[0-9a-f]+|\d+)$/i.test(text)) throw refuse(name, `bad tunnel key "${text}"`);
  const key = BigInt(text);
  return BigInt.asUintN(bits, key) === key ? key : undefined;
}

/** The protocol of a type; some have two, for IPv4 and for IPv6. */
const PROTOCOLS = { geneve: "geneve", vxlan: "vxlan", gre: "gre", ip6gre: "gre", erspan: "erspan", ip6erspan: "erspan" } as const;
const KEY_BITS = { geneve: 24, vxlan: 24, gre: 32, erspan: 32 } as const;
const UDP_PORTS = { geneve: GENEVE_PORT, vxlan: VXLAN_PORT, gre: undefined, erspan: undefined } as const;

function erspanConfig(name: string, options: ReadonlyMap<string, string>): ErspanConfig {
  const version = options.get("erspan_ver") ?? "0";
  if (!["0", "1", "2", "flow"].includes(version)) throw refuse(name, `invalid erspan version: ${version}`);
  const value = (option: string, what: string, most: number, base = 16): "flow" | number => {
    const text = options.get(option) ?? (version === "flow" ? version : "0");
    if (text === "flow") return text;
    const number = /^(0x)?[0-9a-f]+$/i.test(text) ? Number.parseInt(text, base) : Number.NaN;
    if (!(number <= most)) throw refuse(name, `invalid erspan ${what}: ${text}`);
    return number;
  };
  return {
    version: version === "flow" ? version : version === "1" ? 1 : version === "2" ? 2 : undefined,
    index: value("erspan_idx", "index", 0xfffff),
    hardware: value("erspan_hwid", "hardware ID", 0x3f),
    direction: value("erspan_dir", "direction", 1, 10),
  };
}

/** The options of an ERSPAN tunnel as Open vSwitch shows them. */
export function erspanOptions({ version, index, direction, hardware }: ErspanConfig): ReadonlyMap<string, string> {
  const hex = (value: "flow" | number): string => (value === "flow" ? value : `0x${value.toString(16)}`);
  const shown = new Map([["erspan_ver", String(version ?? 0)]]);
  if (version === 1 || version === "flow") shown.set("erspan_idx", hex(index));
  if (version === 2 || version === "flow") shown.set("erspan_dir", String(direction)).set("erspan_hwid", hex(hardware));
  return shown;
}

/** Throws a WeftError whose message is what the Interface's `error` column shows. */
export function tunnelConfig(name: string, type: TunnelType, options: ReadonlyMap<string, string>): TunnelConfig {
  const remoteIp = options.get("remote_ip");
  if (remoteIp === undefined || (remoteIp !== "flow" && parseAddress(remoteIp) === undefined))
    throw refuse(name, `${type} type requires valid 'remote_ip' argument`);
  const localIp = options.get("local_ip");
  if (localIp !== undefined && localIp !== "flow" && parseAddress(localIp) === undefined)
    throw refuse(name, `bad ${type} 'local_ip'`);
  if (localIp === "flow" && remoteIp !== "flow")
    throw refuse(name, `${type} type requires 'remote_ip=flow' with 'local_ip=flow'`);
  const protocol = PROTOCOLS[type];
  const bits = KEY_BITS[protocol];
  const udpPort = UDP_PORTS[protocol];
  const tos = options.get("tos");
  const ttl = options.get("ttl");
  const dstPort = options.get("dst_port");
  const mark = options.get("egress_pkt_mark");
  return {
    protocol,
    remoteIp,
    localIp,
    inKey: keyOf(name, options.get("in_key") ?? options.get("key"), bits),
    outKey: keyOf(name, options.get("out_key") ?? options.get("key"), bits),
    dstPort: udpPort === undefined ? 0 : dstPort === undefined ? udpPort : number(name, "dst_port", dstPort, 65535),
    csum: options.get("csum") === "true",
    tos: tos === "inherit" ? "inherit" : tos === undefined ? 0 : number(name, "tos", tos, 255),
    ttl: ttl === "inherit" ? "inherit" : ttl === undefined ? 64 : number(name, "ttl", ttl, 255),
    df: options.get("df_default") !== "false",
    egressPktMark: mark === undefined ? undefined : number(name, "egress_pkt_mark", mark, 0xffffffff),
    ...(protocol === "erspan" ? { erspan: erspanConfig(name, options) } : {}),
  };
}

/** The name of the datapath's port that all tunnels of a type and UDP port share. */
export function tunnelDeviceName(type: TunnelType, { dstPort }: TunnelConfig): string {
  return dstPort === 0 ? `${type}_sys` : `${type === "geneve" ? "genev" : type}_sys_${dstPort}`;
}
