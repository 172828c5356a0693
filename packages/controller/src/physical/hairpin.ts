/**
 * Load balancer hairpins: a backend that reaches itself through its VIP. Table 68 recognises such packets and learns
 * (table 69) how replies look, table 70 gives them the VIP as their source.
 */
import { each } from "@weft/incremental";
import { type Action, field, type LearnSource, type LearnSpec, type Subfield } from "@weft/openflow";
import type { Uuid } from "@weft/ovsdb";
import { parseIpv4, parseIpv6 } from "@weft/packet";
import type { SbRow } from "@weft/schemas";
import { isSwitch } from "../model/datapaths.ts";
import { sb } from "../model/inputs.ts";
import { localDatapathsOf } from "../model/loadBalancers.ts";
import { expanded } from "../model/templates.ts";
import { flag, reg, tables as t } from "../tables.ts";
import { all, bits, cookieOf, type DesiredFlow, ETH, flow, IP, type MatchSpec, set } from "./flow.ts";

export interface Endpoint {
  readonly ip: number | bigint;
  readonly v6: boolean;
  readonly port: number | undefined;
}

/** "IP", "IP:PORT", "[IPv6]:PORT"; undefined where it is malformed. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(text);
  if (bracketed !== null) {
    const ip = parseIpv6(bracketed[1]!);
    return ip === undefined ? undefined : { ip, v6: true, port: bracketed[2] === undefined ? undefined : Number(bracketed[2]) };
  }
  const [address, port, ...more] = text.split(":");
  const v4 = parseIpv4(address ?? "");
  if (v4 !== undefined && more.length === 0) return { ip: v4, v6: false, port: port === undefined ? undefined : Number(port) };
  const v6 = parseIpv6(text);
  return v6 === undefined ? undefined : { ip: v6, v6: true, port: undefined };
}

const protocols = { tcp: IP.tcp, udp: IP.udp, sctp: IP.sctp } as const;

interface Family {
  readonly eth: number;
  readonly vip: string;
  readonly src: string;
  readonly dst: string;
  readonly nxSrc: Subfield;
}

const families: { readonly v4: Family; readonly v6: Family } = {
  v4: { eth: ETH.ip, vip: "reg4", src: "ip_src", dst: "ip_dst", nxSrc: all("ip_src") },
  v6: { eth: ETH.ipv6, vip: "xxreg1", src: "ipv6_src", dst: "ipv6_dst", nxSrc: all("ipv6_src") },
};

function same(dst: Subfield, src: LearnSource, count: number): LearnSpec {
  return { kind: "match", bits: count, dst, src };
}

export const hairpins = each<DesiredFlow, Uuid, SbRow<"Load_Balancer">>(
  "hairpins",
  sb.Load_Balancer,
  function* (uuid, row, read) {
    if (row.options.get("hairpin_orig_tuple") === "false") return;
    const datapaths = localDatapathsOf(read, row);
    if (datapaths.length === 0) return;
    const switches = datapaths.filter(isSwitch).map(({ tunnel_key }) => tunnel_key);
    const snat = (row.options.get("hairpin_snat_ip") ?? "").split(/[\s,]+/);
    for (const [key, value] of row.vips) {
      const vip = parseEndpoint(expanded(read, key) ?? "");
      if (vip === undefined) continue;
      const protocol = vip.port === undefined ? undefined : (row.protocol ?? "tcp");
      const backends = new Map<string, Endpoint>();
      for (const text of (expanded(read, value) ?? "").split(",")) {
        const backend = parseEndpoint(text);
        if (backend !== undefined && backend.v6 === vip.v6) backends.set(text, backend);
      }
      const source = hairpinSource(vip, snat);
      for (const backend of backends.values()) yield recognise(uuid, vip, protocol, backend, source ?? vip.ip);
      if (source === undefined) yield translate(uuid, vip, protocol, vip.ip);
      // The snat address is a load balancer's own, and its VIP may be another's too.
      else for (const datapath of switches) yield translate(uuid, vip, protocol, source, datapath);
    }
  },
);

/** The hairpin_snat_ip of the VIP's family: what a backend sees instead of its own address. Without it, that is the VIP. */
function hairpinSource(vip: Endpoint, snat: readonly string[]): number | bigint | undefined {
  for (const text of snat) {
    const ip = vip.v6 ? parseIpv6(text) : parseIpv4(text);
    if (ip !== undefined) return ip;
  }
  return undefined;
}

type Protocol = "tcp" | "udp" | "sctp";

function original(family: Family, vip: Endpoint, protocol: Protocol | undefined): MatchSpec {
  return {
    eth_type: family.eth,
    [family.vip]: vip.ip,
    ...(vip.port === undefined || protocol === undefined
      ? {}
      : { ip_proto: protocols[protocol], reg2: [vip.port, 0xffff] as const }),
  };
}

function recognise(
  uuid: Uuid,
  vip: Endpoint,
  protocol: Protocol | undefined,
  backend: Endpoint,
  source: number | bigint,
): DesiredFlow {
  const family = vip.v6 ? families.v6 : families.v4;
  const specs: LearnSpec[] = [
    same(all("metadata"), all("metadata"), 64),
    same(all("eth_type"), { value: BigInt(family.eth) }, 16),
    same(family.nxSrc, family.nxSrc, family.nxSrc.bits),
    same(all(family.dst), { value: BigInt(source) }, family.nxSrc.bits),
  ];
  const match: { [name: string]: MatchSpec[string] } = {
    ...original(family, vip, protocol),
    ct_mark: [2, 2],
    [family.src]: backend.ip,
    [family.dst]: backend.ip,
  };
  if (protocol === undefined) specs.push(same(all("nw_proto"), all("nw_proto"), 8));
  else {
    specs.push(same(all("nw_proto"), { value: BigInt(protocols[protocol]) }, 8));
    specs.push(same(all(`${protocol}_src`), all(`${protocol}_dst`), 16));
    if (backend.port !== undefined) match[`${protocol}_dst`] = backend.port;
  }
  specs.push({ kind: "load", bits: 1, dst: bits(reg.flags, 7, 1), src: { value: 1n } });
  const learn: Action = {
    type: "learn",
    idleTimeout: 0,
    hardTimeout: 0,
    priority: 32768,
    cookie: BigInt(cookieOf(uuid)),
    table: t.lbHairpinReply,
    finIdleTimeout: 0,
    finHardTimeout: 0,
    sendFlowRemoved: false,
    deleteLearned: true,
    limit: 0,
    resultDst: undefined,
    specs,
  };
  return flow({
    table: t.lbHairpin,
    priority: 100,
    match,
    actions: [set(reg.flags, flag.lookupLbHairpin, flag.lookupLbHairpin), learn],
    from: uuid,
  });
}

/** `datapath`: the tunnel key of the only one that it is for. */
function translate(
  uuid: Uuid,
  vip: Endpoint,
  protocol: Protocol | undefined,
  source: number | bigint,
  datapath?: number,
): DesiredFlow {
  const family = vip.v6 ? families.v6 : families.v4;
  return flow({
    table: t.ctSnatHairpin,
    priority: (protocol === undefined ? 90 : 100) + (datapath === undefined ? 0 : 100),
    match: { ...original(family, vip, protocol), ...(datapath === undefined ? {} : { metadata: datapath }) },
    actions: [
      {
        type: "ct",
        commit: true,
        force: false,
        zone: { field: field(reg.snatZone), offset: 0, bits: 16 },
        table: undefined,
        alg: undefined,
        actions: [
          {
            type: "nat",
            direction: "src",
            persistent: false,
            hash: false,
            random: false,
            ipv4: vip.v6 ? undefined : { min: Number(source), max: Number(source) },
            ipv6: vip.v6 ? { min: BigInt(source), max: BigInt(source) } : undefined,
            ports: undefined,
          },
        ],
      },
    ],
    from: uuid,
  });
}
