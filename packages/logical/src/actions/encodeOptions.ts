/** DHCP, DHCPv6 and router advertisement options as bytes. Sources: RFC 2132, 3397, 3442, 8415, 4861, 4191, 8106. */
import { parseIpv6 } from "@weft/packet";
import type { Constant } from "../match/expression.ts";
import type { OptionValue } from "./types.ts";
import { ByteWriter } from "./userdata.ts";

function integer(value: Constant | undefined): bigint {
  return value?.kind === "integer" ? value.value : 0n;
}

function string(value: Constant | undefined): string {
  return value?.kind === "string" ? value.value : "";
}

const DHCP_SIZES: Readonly<Record<string, number>> = { bool: 1, uint8: 1, uint16: 2, uint32: 4, ipv4: 4, ipv6: 16, mac: 6 };
const LISTS: ReadonlySet<string> = new Set(["ipv4", "ipv6"]);

function optionData({ type, values }: OptionValue): Uint8Array {
  const data = new ByteWriter();
  const size = DHCP_SIZES[type];
  if (size !== undefined) {
    for (const value of LISTS.has(type) ? values : values.slice(0, 1)) data.uint(integer(value), size);
  } else if (type === "static_routes") {
    for (let i = 0; i + 1 < values.length; i += 2) staticRoute(data, values[i]!, values[i + 1]!);
  } else if (type === "domains") {
    domainList(data, string(values[0]));
  } else if (type === "domain") {
    // like the reference, empty labels too: one more at a dot at the end
    for (const label of string(values[0]).split(".")) data.u8(label.length).text(label);
    data.u8(0);
  } else if (values[0]?.kind === "integer") data.uint(integer(values[0]), 4);
  else data.text(string(values[0]));
  return data.done();
}

/** RFC 3442: prefix length, as many octets of the destination as it says, the router. */
function staticRoute(data: ByteWriter, destination: Constant, router: Constant): void {
  const mask = destination.kind === "integer" ? (destination.mask ?? 0xffff_ffffn) : 0n;
  const prefix = mask.toString(2).replaceAll("0", "").length;
  data.u8(prefix);
  const octets = Math.ceil(prefix / 8);
  data.uint(integer(destination) >> BigInt(32 - 8 * octets), octets).uint(integer(router), 4);
}

function labels(data: ByteWriter, name: string): ByteWriter {
  for (const label of name.split(".")) if (label !== "") data.u8(label.length).text(label);
  return data;
}

/** RFC 3397: names one after the other, with pointers to suffixes that were written before. */
function domainList(data: ByteWriter, text: string): void {
  const written = new Map<string, number>();
  for (const name of text.split(",")) {
    let rest = name.trim().replace(/\.$/, "");
    let pointed = false;
    while (rest !== "") {
      const known = written.get(rest);
      if (known !== undefined) {
        data.u16(0xc000 | known);
        pointed = true;
        break;
      }
      written.set(rest, data.length);
      const dot = rest.indexOf(".");
      const label = dot < 0 ? rest : rest.slice(0, dot);
      data.u8(label.length).text(label);
      rest = dot < 0 ? "" : rest.slice(dot + 1);
    }
    if (!pointed) data.u8(0);
  }
}

const BOOTFILE_NAME = 67;
const BOOTFILE_NAME_ALT = 254;
const NEXT_SERVER = 253;
const OFFER_IP = 0;

/** The offered address, the boot file and its server, and then the other options as given. */
export function encodeDhcpOptions(writer: ByteWriter, options: readonly OptionValue[]): void {
  const write = (option: OptionValue): void => {
    const data = optionData(option);
    writer.u8(option.code).u8(data.length).bytes(data);
  };
  writer.uint(integer(options.find(({ code }) => code === OFFER_IP)?.values[0]), 4);
  const first = [BOOTFILE_NAME, BOOTFILE_NAME_ALT, NEXT_SERVER];
  for (const code of first) {
    const option = options.find((one) => one.code === code);
    if (option !== undefined) write(option);
  }
  for (const option of options) if (option.code !== OFFER_IP && !first.includes(option.code)) write(option);
}

export function encodeDhcpv6Options(writer: ByteWriter, options: readonly OptionValue[]): void {
  for (const option of options) {
    const data = optionData(option);
    writer.u16(option.code).u16(data.length).bytes(data);
  }
}

/** ICMPv6 type of a router advertisement. */
const ROUTER_ADVERTISEMENT = 134;
const FOREVER = 0xffff_ffff;
const PREFERENCE: Readonly<Record<string, number>> = { HIGH: 0x08, MEDIUM: 0x00, LOW: 0x18 };
const ADDRESS_MODE: Readonly<Record<string, number>> = { slaac: 0x00, dhcpv6_stateful: 0x80, dhcpv6_stateless: 0x40 };

/** A whole router advertisement message without checksum, then its options. */
export function encodeRouterAdvertisement(writer: ByteWriter, options: readonly OptionValue[]): void {
  const first = (name: string): Constant | undefined => options.find((option) => option.name === name)?.values[0];
  const mode = ADDRESS_MODE[string(first("addr_mode"))] ?? 0;
  const preference = PREFERENCE[string(first("router_preference"))] ?? 0;
  writer.u8(ROUTER_ADVERTISEMENT).u8(0).u16(0);
  writer
    .u8(255)
    .u8(mode | preference)
    .u16(0xffff);
  writer.u32(0).u32(0);
  for (const option of options) routerOption(writer, option, mode);
}

/** A whole router advertisement (RFC 4861 section 4.2) with these options of put_nd_ra_opts, without its checksum. */
export function routerAdvertisementMessage(options: readonly OptionValue[]): Uint8Array {
  const writer = new ByteWriter();
  encodeRouterAdvertisement(writer, options);
  return writer.done();
}

function routerOption(writer: ByteWriter, { name, code, values }: OptionValue, mode: number): void {
  const [value] = values;
  switch (name) {
    case "slla":
      writer.u8(code).u8(1).uint(integer(value), 6);
      break;
    case "mtu":
      writer.u8(code).u8(1).u16(0).uint(integer(value), 4);
      break;
    case "prefix":
      prefixOption(writer, code, value, mode);
      break;
    case "rdnss":
      writer
        .u8(code)
        .u8(1 + 2 * values.length)
        .u16(0)
        .u32(FOREVER);
      for (const address of values) writer.uint(integer(address), 16);
      break;
    case "dnssl":
      searchList(writer, code, string(value));
      break;
    case "route_info":
      for (const route of string(value).split(",")) routeOption(writer, code, route.trim());
      break;
  }
}

/** RFC 4861 section 4.6.2; on-link always, autonomous unless addresses come from DHCPv6. */
function prefixOption(writer: ByteWriter, code: number, value: Constant | undefined, mode: number): void {
  const mask = value?.kind === "integer" ? (value.mask ?? 0n) : 0n;
  const length = mask.toString(2).replaceAll("0", "").length;
  const flags = mode === ADDRESS_MODE.dhcpv6_stateful ? 0x80 : 0xc0;
  writer.u8(code).u8(4).u8(length).u8(flags).u32(FOREVER).u32(FOREVER).u32(0).uint(integer(value), 16);
}

/** RFC 8106 section 5.2. */
function searchList(writer: ByteWriter, code: number, text: string): void {
  const names = new ByteWriter();
  for (const name of text.split(",")) labels(names, name.trim()).u8(0);
  const units = Math.ceil(names.length / 8);
  writer
    .u8(code)
    .u8(1 + units)
    .u16(0)
    .u32(FOREVER)
    .bytes(names.done());
  for (let i = names.length; i < 8 * units; i++) writer.u8(0);
}

/** RFC 4191 section 2.3, from "HIGH-fd00::/64". */
function routeOption(writer: ByteWriter, code: number, text: string): void {
  const parts = /^([A-Z]+)-([0-9a-fA-F:.]+)\/(\d{1,3})$/.exec(text);
  const prefix = parts === null ? undefined : parseIpv6(parts[2]!);
  if (parts === null || prefix === undefined) return;
  const length = Number(parts[3]);
  const units = length === 0 ? 1 : length <= 64 ? 2 : 3;
  const masked = length === 0 ? 0n : (prefix >> BigInt(128 - length)) << BigInt(128 - length);
  writer
    .u8(code)
    .u8(units)
    .u8(length)
    .u8(PREFERENCE[parts[1]!] ?? 0)
    .u32(FOREVER);
  if (units > 1) writer.uint(masked >> BigInt(128 - 64 * (units - 1)), 8 * (units - 1));
}
