/** The router advertisement that the options of a port ask for (ovn-sb(5), Port_Binding:options ipv6_ra_*). */
import { type IntegerConstant, type OptionValue, routerAdvertisementMessage } from "@weft/logical";
import { emit, get32, parseIpv6, parseMac } from "@weft/packet";
import { WeftError } from "@weft/runtime";

const ALL_NODES = parseIpv6("ff02::1")!;
const ALL_NODES_MAC = parseMac("33:33:00:00:00:01")!;
const ONES = (1n << 128n) - 1n;

function invalid(what: string, text: string | undefined): WeftError {
  return new WeftError("controller.router-advertisement", `Invalid ${what} ${text ?? ""}`, { blame: "peer" });
}

function parsed<T>(value: T | undefined, what: string, text: string | undefined): T {
  if (value === undefined) throw invalid(what, text);
  return value;
}

function integer(value: number | bigint, format: IntegerConstant["format"], mask?: bigint): IntegerConstant {
  return { kind: "integer", value: BigInt(value), format, ...(mask === undefined ? {} : { mask }) };
}

function prefixOf(text: string): IntegerConstant {
  const [address = "", length] = text.split("/");
  const bits = length !== undefined && /^\d{1,3}$/.test(length) ? Number(length) : 129;
  if (bits > 128) throw invalid("IPv6 prefix", text);
  return integer(parsed(parseIpv6(address), "IPv6 prefix", text), "ipv6", ONES ^ (ONES >> BigInt(bits)));
}

/**
 * The frame, from the port to all hosts. Throws a WeftError that names the option which is wrong.
 *
 * @param options without the prefix "ipv6_ra_"
 */
export function advertisement(options: ReadonlyMap<string, string>): Uint8Array {
  const mac = parsed(parseMac(options.get("src_eth") ?? ""), "source MAC", options.get("src_eth"));
  const src = parsed(parseIpv6(options.get("src_addr") ?? ""), "source address", options.get("src_addr"));
  const values: OptionValue[] = [];
  const add = (name: string, code: number, value: OptionValue["values"][number]): void => {
    values.push({ name, code, type: "", values: [value] });
  };
  const text = (name: string, code: number, option: string): void => {
    const value = options.get(option);
    if (value !== undefined) add(name, code, { kind: "string", value });
  };
  text("addr_mode", 0, "address_mode");
  text("router_preference", 0, "prf");
  add("slla", 1, integer(mac, "ethernet"));
  const mtu = options.get("mtu");
  if (mtu !== undefined && /^\d+$/.test(mtu)) add("mtu", 5, integer(BigInt(mtu), "decimal"));
  for (const prefix of (options.get("prefixes") ?? "").split(" ")) if (prefix !== "") add("prefix", 3, prefixOf(prefix));
  const server = options.get("rdnss");
  if (server !== undefined) add("rdnss", 25, integer(parsed(parseIpv6(server), "RDNSS source", server), "ipv6"));
  text("dnssl", 31, "dnssl");
  text("route_info", 24, "route_info");

  const message = routerAdvertisementMessage(values);
  return emit([
    { kind: "ethernet", dst: ALL_NODES_MAC, src: mac },
    { kind: "ipv6", src, dst: ALL_NODES, hopLimit: 255 },
    { kind: "icmpv6", type: message[0]!, code: message[1]!, rest: get32(message, 4) },
    { kind: "payload", bytes: message.subarray(8) },
  ]);
}
