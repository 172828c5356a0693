/** Reading DHCP options, DHCPv6 options and router advertisement options. */
import type { Constant } from "../match/expression.ts";
import type { TokenReader } from "../reader.ts";
import type { ActionScope, AssignedReader } from "./keywords.ts";
import { useField } from "./operands.ts";
import type { OptionValue } from "./types.ts";

type OptionType = { readonly code: number; readonly type: string };

/** Options whose values are strings. */
const STRING_TYPES: ReadonlySet<string> = new Set(["str", "domains", "domain"]);

function readOptions(reader: TokenReader, what: string, lookup: (name: string) => OptionType | undefined): OptionValue[] {
  reader.expect("(");
  const options: OptionValue[] = [];
  while (!reader.accept(")")) {
    const token = reader.token;
    const found = token.kind === "id" ? lookup(token.text) : undefined;
    if (found === undefined) throw reader.expected(`${what} option name`);
    reader.take();
    reader.expect("=");
    const { offset } = reader.token;
    const { values } = reader.constants();
    const string = values[0]?.kind === "string";
    if (STRING_TYPES.has(found.type)) {
      if (!string) throw reader.type(`${what} option ${token.text} requires string value.`, offset);
    } else if (string && found.type !== "host_id") {
      throw reader.type(`${what} option ${token.text} requires numeric value.`, offset);
    }
    options.push({ name: token.text, code: found.code, type: found.type, values });
    reader.accept(",");
  }
  return options;
}

export function readPutDhcp(name: "put_dhcp_opts" | "put_dhcpv6_opts"): AssignedReader {
  return (reader, { options: given, needed }: ActionScope, dst, offset) => {
    useField(reader, dst, 1, true, needed, offset);
    if (name === "put_dhcpv6_opts") {
      const options = readOptions(reader, "DHCPv6", (text) => given.dhcpv6Option?.(text));
      return { kind: "put_opts", name, dst, options };
    }
    const options = readOptions(reader, "DHCPv4", (text) => given.dhcpOption?.(text));
    if (!options.some(({ code }) => code === 0)) throw reader.type("put_dhcp_opts requires offerip to be specified.");
    return { kind: "put_opts", name, dst, options };
  };
}

/** Router advertisement options by name; the codes are those of RFC 4861, 4191 and 8106, 0 for parts of the header. */
export const ND_RA_OPTIONS: ReadonlyMap<string, OptionType> = new Map([
  ["addr_mode", { code: 0, type: "str" }],
  ["router_preference", { code: 0, type: "str" }],
  ["slla", { code: 1, type: "mac" }],
  ["prefix", { code: 3, type: "ipv6" }],
  ["mtu", { code: 5, type: "uint32" }],
  ["rdnss", { code: 25, type: "ipv6" }],
  ["dnssl", { code: 31, type: "str" }],
  ["route_info", { code: 24, type: "str" }],
]);

export const readPutNdRa: AssignedReader = (reader, { needed }, dst, offset) => {
  useField(reader, dst, 1, true, needed, offset);
  const options = readOptions(reader, "IPv6 ND RA", (name) => ND_RA_OPTIONS.get(name));
  needed.add("ip6");
  let stateful = false;
  for (const { name, values } of options) {
    if (name === "addr_mode") stateful = addressMode(reader, values) === "dhcpv6_stateful";
    if (!validRouterOption(name, values)) throw reader.type(`Invalid value for "${name}" option`);
  }
  const has = (name: string): boolean => options.some((option) => option.name === name);
  if (!has("slla")) throw reader.type("slla option not present");
  if (!stateful && !has("prefix")) {
    throw reader.type("prefix option needs to be set when address mode is slaac/dhcpv6_stateless.");
  }
  return { kind: "put_opts", name: "put_nd_ra_opts", dst, options };
};

function addressMode(reader: TokenReader, values: readonly Constant[]): string {
  const [value] = values;
  if (value?.kind !== "string" || !["slaac", "dhcpv6_stateful", "dhcpv6_stateless"].includes(value.value)) {
    throw reader.type('Invalid value for "addr_mode" option');
  }
  return value.value;
}

function validRouterOption(name: string, values: readonly Constant[]): boolean {
  const [value] = values;
  if (value === undefined) return false;
  switch (name) {
    case "slla":
      return value.kind === "integer" && value.format === "ethernet";
    case "prefix":
      return value.kind === "integer" && value.format === "ipv6" && value.mask !== undefined;
    case "rdnss":
      return values.length === 1 && value.kind === "integer" && value.format === "ipv6" && value.mask === undefined;
    case "mtu":
      return value.kind === "integer" && value.format === "decimal";
    case "router_preference":
      return value.kind === "string" && ["HIGH", "MEDIUM", "LOW"].includes(value.value);
    default:
      return true;
  }
}

export function readDhcpRelay(name: "dhcp_relay_req_chk" | "dhcp_relay_resp_chk"): AssignedReader {
  return (reader, { needed }, dst, offset) => {
    useField(reader, dst, 1, true, needed, offset);
    reader.expect("(");
    const relay = ipv4(reader);
    reader.expect(",");
    const server = ipv4(reader);
    reader.expect(")");
    return { kind: "dhcp_relay", name, dst, relay, server };
  };
}

function ipv4(reader: TokenReader): number {
  const token = reader.token;
  if (token.kind !== "integer" || token.format !== "ipv4" || token.mask !== undefined) {
    throw reader.expected("IPv4 dhcp relay and server ips");
  }
  reader.take();
  return Number(token.value);
}
