/** Options of tunnel interfaces (ovs-vswitchd.conf.db(5), "Tunnel Options"). */
import { WeftError } from "@weft/runtime";
import type { TunnelConfig } from "../ofproto/port.ts";
import { parseAddress } from "../tunnel/address.ts";
import { GENEVE_PORT, VXLAN_PORT } from "../tunnel/header.ts";

export const TUNNEL_TYPES = ["geneve", "vxlan", "gre"] as const;
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
  const bits = type === "gre" ? 32 : 24;
  const tos = options.get("tos");
  const ttl = options.get("ttl");
  const dstPort = options.get("dst_port");
  const mark = options.get("egress_pkt_mark");
  return {
    protocol: type,
    remoteIp,
    localIp,
    inKey: keyOf(name, options.get("in_key") ?? options.get("key"), bits),
    outKey: keyOf(name, options.get("out_key") ?? options.get("key"), bits),
    dstPort:
      type === "gre"
        ? 0
        : dstPort === undefined
          ? type === "geneve"
            ? GENEVE_PORT
            : VXLAN_PORT
          : number(name, "dst_port", dstPort, 65535),
    csum: options.get("csum") === "true",
    tos: tos === "inherit" ? "inherit" : tos === undefined ? 0 : number(name, "tos", tos, 255),
    ttl: ttl === "inherit" ? "inherit" : ttl === undefined ? 64 : number(name, "ttl", ttl, 255),
    df: options.get("df_default") !== "false",
    egressPktMark: mark === undefined ? undefined : number(name, "egress_pkt_mark", mark, 0xffffffff),
  };
}

/** The name of the datapath's port that all tunnels of a protocol and UDP port share. */
export function tunnelDeviceName(config: TunnelConfig): string {
  return config.protocol === "gre" ? "gre_sys" : `${config.protocol === "geneve" ? "genev" : "vxlan"}_sys_${config.dstPort}`;
}
