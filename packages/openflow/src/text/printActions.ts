/** Printers of the longer actions. */
import { formatIpv4, formatIpv6, ipv4Of, ipv6Of } from "@weft/packet";
import type { ActionOf, ActionType, LearnSource, LearnSpec, Subfield } from "../action/types.ts";
import { OFPP } from "../ports.ts";
import { formatPort, formatTable, type Names } from "./names.ts";
import { formatSubfield } from "./subfield.ts";
import { formatFieldValue, hex } from "./value.ts";

function dotted(bytes: Uint8Array): string {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join(".");
}

function plainHex(bytes: Uint8Array): string {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

function isValue(source: LearnSource): source is { readonly value: bigint } {
  return "value" in source;
}

function formatSource(source: LearnSource): string {
  return isValue(source) ? hex(source.value) : formatSubfield(source);
}

function formatSpec(spec: LearnSpec, names: Names): string {
  switch (spec.kind) {
    case "output":
      return `output:${formatSubfield(spec.src)}`;
    case "load":
      return `load:${formatSource(spec.src)}->${formatSubfield(spec.dst)}`;
    case "match": {
      const { src, dst } = spec;
      if (!isValue(src))
        return src.field === dst.field && src.offset === dst.offset
          ? formatSubfield(dst)
          : `${formatSubfield(dst)}=${formatSubfield(src)}`;
      return dst.offset === 0 && dst.bits === dst.field.bits
        ? `${dst.field.name}=${formatFieldValue(dst.field, src.value, undefined, names)}`
        : `${formatSubfield(dst)}=${hex(src.value)}`;
    }
  }
}

function formatLearn(action: ActionOf<"learn">, names: Names): string {
  const parts = [`table=${formatTable(action.table, names)}`];
  if (action.idleTimeout !== 0) parts.push(`idle_timeout=${action.idleTimeout}`);
  if (action.hardTimeout !== 0) parts.push(`hard_timeout=${action.hardTimeout}`);
  if (action.finIdleTimeout !== 0) parts.push(`fin_idle_timeout=${action.finIdleTimeout}`);
  if (action.finHardTimeout !== 0) parts.push(`fin_hard_timeout=${action.finHardTimeout}`);
  if (action.priority !== 32768) parts.push(`priority=${action.priority}`);
  if (action.sendFlowRemoved) parts.push("send_flow_rem");
  if (action.deleteLearned) parts.push("delete_learned");
  if (action.cookie !== 0n) parts.push(`cookie=0x${action.cookie.toString(16)}`);
  if (action.limit !== 0) parts.push(`limit=${action.limit}`);
  if (action.resultDst !== undefined) parts.push(`result_dst=${formatSubfield(action.resultDst)}`);
  for (const spec of action.specs) parts.push(formatSpec(spec, names));
  return `learn(${parts.join(",")})`;
}

function formatNat(action: ActionOf<"nat">): string {
  if (action.direction === undefined) return "nat";
  let text: string = action.direction;
  const { ipv4, ipv6, ports } = action;
  if (ipv4 !== undefined || ipv6 !== undefined || ports !== undefined) text += "=";
  if (ipv4 !== undefined) {
    text += formatIpv4(ipv4Of(ipv4.min));
    if (ipv4.max !== ipv4.min) text += `-${formatIpv4(ipv4Of(ipv4.max))}`;
  } else if (ipv6 !== undefined) {
    const one = (ip: bigint) => (ports === undefined ? formatIpv6(ipv6Of(ip)) : `[${formatIpv6(ipv6Of(ip))}]`);
    text += one(ipv6.min);
    if (ipv6.max !== ipv6.min) text += `-${one(ipv6.max)}`;
  }
  if (ports !== undefined) text += `:${ports.min}${ports.max === ports.min ? "" : `-${ports.max}`}`;
  if (action.persistent) text += ",persistent";
  if (action.hash) text += ",hash";
  if (action.random) text += ",random";
  return `nat(${text})`;
}

function formatController(action: ActionOf<"controller">): string {
  const parts: string[] = [];
  if (action.reason !== "action") parts.push(`reason=${action.reason}`);
  if (action.maxLen !== 0xffff) parts.push(`max_len=${action.maxLen}`);
  if (action.controllerId !== 0) parts.push(`id=${action.controllerId}`);
  if (action.userdata.length > 0) parts.push(`userdata=${dotted(action.userdata)}`);
  if (action.pause) parts.push("pause");
  if (action.meter !== undefined) parts.push(`meter_id=${action.meter}`);
  return parts.length === 0 ? `CONTROLLER:${action.maxLen}` : `controller(${parts.join(",")})`;
}

function observed(value: number | Subfield): string {
  return typeof value === "number" ? String(value) : formatSubfield(value);
}

function formatEncap(action: ActionOf<"encap">): string {
  const names = new Map([
    [0, "ethernet"],
    [0x1894f, "nsh"],
    [0x18847, "mpls"],
    [0x18848, "mpls_mc"],
  ]);
  const name = names.get(action.packetType) ?? `packet_type=(${action.packetType >>> 16},${hex(action.packetType & 0xffff)})`;
  if (action.properties.length === 0) return `encap(${name})`;
  const properties = action.properties.map((property) =>
    property.kind === "md_type"
      ? `md_type=${property.mdType}`
      : `tlv(0x${property.tlvClass.toString(16).padStart(4, "0")},${property.tlvType},0x${plainHex(property.data)})`,
  );
  return `encap(${name}(${properties.join(",")}))`;
}

type MoreTypes =
  | "learn"
  | "nat"
  | "controller"
  | "bundle"
  | "fin_timeout"
  | "multipath"
  | "note"
  | "sample"
  | "check_pkt_larger"
  | "delete_field"
  | "encap"
  | "decap";

export const PRINT_MORE: { readonly [T in MoreTypes & ActionType]: (action: ActionOf<T>, names: Names) => string } = {
  learn: formatLearn,
  nat: formatNat,
  controller: formatController,
  bundle: (action, names) => {
    const dst = action.dst === undefined ? "" : `${formatSubfield(action.dst)},`;
    const ports = action.ports.map((port) => formatPort(port, names)).join(",");
    return `${action.dst === undefined ? "bundle" : "bundle_load"}(${action.fields},${action.basis},${action.algorithm},ofport,${dst}members:${ports})`;
  },
  fin_timeout: ({ idleTimeout, hardTimeout }) => {
    const parts: string[] = [];
    if (idleTimeout !== 0) parts.push(`idle_timeout=${idleTimeout}`);
    if (hardTimeout !== 0) parts.push(`hard_timeout=${hardTimeout}`);
    return `fin_timeout(${parts.join(",")})`;
  },
  multipath: (a) => `multipath(${a.fields},${a.basis},${a.algorithm},${a.links},${a.arg},${formatSubfield(a.dst)})`,
  note: ({ data }) => `note:${dotted(data)}`,
  sample: (a, names) => {
    let text = `sample(probability=${a.probability},collector_set_id=${a.collectorSet},obs_domain_id=${observed(a.obsDomain)},obs_point_id=${observed(a.obsPoint)}`;
    if (a.samplingPort !== OFPP.NONE) text += `,sampling_port=${formatPort(a.samplingPort, names)}`;
    if (a.direction !== "default") text += `,${a.direction}`;
    return `${text})`;
  },
  check_pkt_larger: ({ length, dst }) => `check_pkt_larger(${length})->${formatSubfield(dst)}`,
  delete_field: ({ field }) => `delete_field:${field.name}`,
  encap: formatEncap,
  decap: ({ packetType }) =>
    packetType === undefined ? "decap()" : `decap(packet_type(ns=${packetType >>> 16},type=${hex(packetType & 0xffff)}))`,
};
