/** Options of tunnel interfaces (ovs-vswitchd.conf.db(5), "Tunnel Options"). */
import { WeftError } from "@weft/runtime";
import type { ErspanConfig, TunnelConfig } from "../ofproto/port.ts";
import { parseAddress } from "../tunnel/address.ts";
import { GENEVE_PORT, type TunnelProtocol, VXLAN_PORT } from "../tunnel/header.ts";

export const TUNNEL_TYPES = ["geneve", "vxlan", "gre", "ip6gre", "erspan", "ip6erspan"] as const;
export type TunnelType = (typeof TUNNEL_TYPES)[number];

export const isTunnelType = (type: string): type is TunnelType => (TUNNEL_TYPES as readonly string[]).includes(type);

function refuse(name: string, text: string): WeftError {
  return new WeftError("vswitch.tunnel-options", `${name}: ${text}`, { blame: "caller" });
}

/** What is wrong with an option that is made do with, by option. */
type Problems = Map<string, string>;

/**
 * A number as Open vSwitch reads it: as much of the text as is one (else 0), in the base that it says, and of that the lowest bits.
 * Other text than the number's own is a problem.
 */
function looseNumber(options: ReadonlyMap<string, string>, option: string, bits: number, problems: Problems): bigint | undefined {
  const text = options.get(option);
  if (text === undefined) return undefined;
  const [, sign, digits = "0"] = /^\s*([-+]?)(0x[0-9a-f]+|\d+)/i.exec(text) ?? [];
  const octal = /^0[0-7]+$/.test(digits);
  const value = BigInt(octal ? `0o${digits.slice(1)}` : digits.replace(/^0+(?=\d)/, "")) * (sign === "-" ? -1n : 1n);
  const taken = BigInt.asUintN(bits, value);
  if (!/^(0x[0-9a-f]+|\d+)$/i.test(text) || taken !== value) problems.set(option, `'${option}' ${text} counts as ${taken}`);
  return taken;
}

function keyOf(options: ReadonlyMap<string, string>, own: string, problems: Problems): "flow" | bigint | undefined {
  const option = options.has(own) ? own : "key";
  return options.get(option) === "flow" ? "flow" : looseNumber(options, option, 64, problems);
}

const COMMON_OPTIONS =
  "remote_ip local_ip key in_key out_key tos ttl df_default egress_pkt_mark packet_type psk remote_cert remote_name".split(" ");
/** Others that whoever does not know them passes over. */
const OTHERS_OPTIONS = /^(ipsec|erspan|srv6)_/;
const OWN_OPTIONS = {
  geneve: ["csum", "dst_port"],
  vxlan: ["csum", "dst_port", "exts"],
  gre: ["csum", "seq"],
  erspan: [],
} as const satisfies Record<TunnelProtocol, readonly string[]>;
const PACKET_TYPES = ["legacy_l2", "legacy_l3", "ptap"];

function findUnknown(type: TunnelType, options: ReadonlyMap<string, string>, problems: Problems): void {
  const known: readonly string[] = [...COMMON_OPTIONS, ...OWN_OPTIONS[PROTOCOLS[type]]];
  for (const option of options.keys())
    if (!known.includes(option) && !OTHERS_OPTIONS.test(option)) problems.set(option, `unknown ${type} argument '${option}'`);
  for (const extension of type === "vxlan" ? (options.get("exts") ?? "").split(/[, ]/) : [])
    if (!["", "gbp", "gpe"].includes(extension)) problems.set("exts", `unknown extension '${extension}'`);
}

/** The protocol of a type; some have two, for IPv4 and for IPv6. */
const PROTOCOLS = { geneve: "geneve", vxlan: "vxlan", gre: "gre", ip6gre: "gre", erspan: "erspan", ip6erspan: "erspan" } as const;
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

/** An option that must be "flow", an address or absent; undefined also where it is none of these. */
function addressOf(
  type: TunnelType,
  options: ReadonlyMap<string, string>,
  option: string,
  problems: Problems,
): string | undefined {
  const text = options.get(option);
  if (text === undefined || text === "flow" || parseAddress(text) !== undefined) return text;
  problems.set(option, `bad ${type} '${option}'`);
  return undefined;
}

function isMulticast(text: string): boolean {
  const address = parseAddress(text);
  if (address === undefined) return false;
  return address.family === 4 ? (address.ip & 0xf0000000) >>> 0 === 0xe0000000 : address.ip >> 120n === 0xffn;
}

function tosOf(options: ReadonlyMap<string, string>, problems: Problems): "inherit" | number {
  const text = options.get("tos") ?? "0";
  if (text === "inherit") return text;
  if (/^(0x[0-9a-f]+|\d+)$/i.test(text) && Number(text) <= 255) return Number(text);
  problems.set("tos", `invalid TOS ${text}`);
  return 0;
}

const DEFAULT_TTL = 64;

/**
 * What the options of a tunnel say, and what is wrong with them but not so that there could be no tunnel: lines for the log. Throws a
 * WeftError whose message is what the Interface's `error` column shows.
 */
export function tunnelConfig(
  name: string,
  type: TunnelType,
  options: ReadonlyMap<string, string>,
): { readonly config: TunnelConfig; readonly problems: readonly string[] } {
  const problems: Problems = new Map();
  const lines = (): string[] => [...problems].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => `${name}: ${text}`);
  const fail = (text: string): WeftError =>
    new WeftError("vswitch.tunnel-options", [...lines(), `${name}: ${text}`].join("\n"), { blame: "caller" });
  const packetType = options.get("packet_type") ?? "legacy_l2";
  if (!PACKET_TYPES.includes(packetType)) throw fail(`unknown packet_type '${packetType}'`);
  const remoteIp = addressOf(type, options, "remote_ip", problems);
  const localIp = addressOf(type, options, "local_ip", problems);
  if (remoteIp !== undefined && isMulticast(remoteIp)) throw fail(`multicast remote_ip=${remoteIp} not allowed`);
  findUnknown(type, options, problems);
  if (remoteIp === undefined) throw fail(`${type} type requires valid 'remote_ip' argument`);
  if (localIp === "flow" && remoteIp !== "flow") throw fail(`${type} type requires 'remote_ip=flow' with 'local_ip=flow'`);
  const protocol = PROTOCOLS[type];
  const udpPort = UDP_PORTS[protocol];
  const number = (option: string, bits: number): number | undefined => {
    const value = looseNumber(options, option, bits, problems);
    return value === undefined ? undefined : Number(value);
  };
  const config: TunnelConfig = {
    protocol,
    remoteIp,
    localIp,
    inKey: keyOf(options, "in_key", problems),
    outKey: keyOf(options, "out_key", problems),
    dstPort: udpPort === undefined ? 0 : (number("dst_port", 16) ?? udpPort),
    csum: protocol !== "erspan" && options.get("csum") === "true",
    tos: tosOf(options, problems),
    ttl: options.get("ttl") === "inherit" ? "inherit" : number("ttl", 8) || DEFAULT_TTL,
    df: options.get("df_default") !== "false",
    egressPktMark: number("egress_pkt_mark", 32),
    ...(protocol === "erspan" ? { erspan: erspanConfig(name, options) } : {}),
  };
  return { config, problems: lines() };
}

/** The options of an ERSPAN tunnel as Open vSwitch shows them. */
function erspanOptions({ version, index, direction, hardware }: ErspanConfig): (readonly [string, string])[] {
  const hex = (value: "flow" | number): string => (value === "flow" ? value : `0x${value.toString(16)}`);
  const shown: [string, string][] = [["erspan_ver", String(version ?? 0)]];
  if (version === 1 || version === "flow") shown.push(["erspan_idx", hex(index)]);
  if (version === 2 || version === "flow") shown.push(["erspan_dir", String(direction)], ["erspan_hwid", hex(hardware)]);
  return shown;
}

/** The options of a tunnel as Open vSwitch shows them: those that are not what they are without being given. */
export function tunnelOptions(config: TunnelConfig, given: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const { protocol, remoteIp, localIp, inKey, outKey, dstPort, csum, tos, ttl, df, egressPktMark, erspan } = config;
  const keys = inKey === outKey ? [["key", inKey] as const] : [["in_key", inKey] as const, ["out_key", outKey] as const];
  const shown: (readonly [string, string | number | bigint | undefined])[] = [
    ["remote_ip", remoteIp],
    ["local_ip", localIp],
    ...keys,
    ["dst_port", dstPort === 0 || dstPort === UDP_PORTS[protocol] ? undefined : dstPort],
    ["csum", csum ? "true" : undefined],
    ["df_default", df ? undefined : "false"],
    ["tos", tos === 0 ? undefined : tos === "inherit" ? tos : `0x${tos.toString(16)}`],
    ["ttl", ttl === DEFAULT_TTL ? undefined : ttl],
    ["egress_pkt_mark", egressPktMark],
    ["seq", protocol === "gre" && given.get("seq") === "true" ? "true" : undefined],
    ["packet_type", given.get("packet_type") === "legacy_l2" ? undefined : given.get("packet_type")],
    ...(erspan === undefined ? [] : erspanOptions(erspan)),
  ];
  return new Map(shown.flatMap(([option, value]) => (value === undefined ? [] : [[option, String(value)]])));
}

/** What packets of a tunnel have in common, as Open vSwitch's ofproto/list-tunnels and log tell it. */
export function tunnelMatchText({ localIp, remoteIp, inKey }: TunnelConfig, packetType: string, dpPort: number): string {
  const key = inKey === undefined || inKey === 0n ? "0" : inKey === "flow" ? inKey : `0x${inKey.toString(16)}`;
  return `${localIp ?? "::"}->${remoteIp}, key=${key}, ${packetType}, dp port=${dpPort}`;
}

/** Whether one packet could be of both. */
export function sameTunnel(a: TunnelConfig, b: TunnelConfig): boolean {
  return (
    a.localIp === b.localIp &&
    a.remoteIp === b.remoteIp &&
    (a.inKey ?? 0n) === (b.inKey ?? 0n) &&
    a.egressPktMark === b.egressPktMark
  );
}

/** The name of the datapath's port that all tunnels of a type and UDP port share. */
export function tunnelDeviceName(type: TunnelType, { dstPort, protocol }: TunnelConfig): string {
  return UDP_PORTS[protocol] === undefined ? `${type}_sys` : `${type === "geneve" ? "genev" : type}_sys_${dstPort}`;
}
