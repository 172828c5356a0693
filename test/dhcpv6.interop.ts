/** DHCPv6 by our controller and by the reference's: the same answers, byte for byte. */
import { concat, emit, fromHex, parseIpv6, parseMac } from "@weft/packet";
import { expect, test } from "vitest";
import { controllerPair } from "./reference/controllerPair.ts";

/** An option set for ovn-nbctl's `--id=@NAME create`. */
function options(name: string, values: Readonly<Record<string, string>>): string {
  const map = Object.entries({ server_id: "50:54:00:00:00:fe", ...values }).map(([key, value]) => `"${key}"="${value}"`);
  return `-- --id=@${name} create dhcp_options cidr='"fd00::/64"' options='${map.join(" ")}'`;
}

const string = (value: string) => String.raw`\"${value}\"`;

const PORTS = ["full", "plain", "ipxe", "other", "bare", "less"] as const;
type Port = (typeof PORTS)[number];

const SETS: Readonly<Record<Port, Readonly<Record<string, string>>>> = {
  full: {
    dns_server: "{fd00::53,fd00::54}",
    domain_search: string("a.example,b.a.example"),
    fqdn: string("one.a.example"),
    bootfile_name: string("http://x/y"),
    bootfile_name_alt: string("z"),
  },
  plain: { dns_server: "fd00::53", fqdn: string("two..example.") },
  ipxe: { bootfile_name: string("http://x/y") },
  other: { bootfile_name_alt: string("z") },
  bare: {},
  less: { dhcpv6_stateless: "true", dns_server: "fd00::53", domain_search: string("a.example") },
};
const last = (port: Port) => PORTS.indexOf(port) + 1;

const pair = controllerPair(
  `ovn-nbctl ls-add s -- set logical_switch s other_config:ipv6_prefix="fd00::" ${PORTS.map(
    (port) => `${options(port, SETS[port])} -- lsp-add s ${port} \
      -- lsp-set-addresses ${port} "50:54:00:00:00:0${last(port)} 10.0.0.${last(port)} fd00::${last(port)}" \
      -- set logical_switch_port ${port} dhcpv6_options=@${port}`,
  ).join(" ")} >/dev/null`,
  PORTS,
);

const CLIENT = "0001000a00030001505400000001";
const IA = "0003000c0000000a0000000000000000";

function request(port: Port, type: number, ...options: readonly string[]): Uint8Array {
  return emit([
    { kind: "ethernet", dst: parseMac("33:33:00:01:00:02")!, src: parseMac(`50:54:00:00:00:0${last(port)}`)! },
    { kind: "ipv6", src: parseIpv6(`fe80::5254:ff:fe00:${last(port)}`)!, dst: parseIpv6("ff02::1:2")!, hopLimit: 64 },
    { kind: "udp", srcPort: 546, dstPort: 547 },
    { kind: "payload", bytes: concat(Uint8Array.of(type, 0x12, 0x34, 0x56), fromHex(options.join(""))!) },
  ]);
}

/** One of everything that goes before it: a type with options. */
const CASES: readonly (readonly [name: string, type: number, ...options: string[]])[] = [
  ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13].flatMap((type) => [
    [`type ${type}`, type, CLIENT, IA] as const,
    [`type ${type} without IA`, type, CLIENT] as const,
    [`type ${type} without client`, type, IA] as const,
    [`type ${type} without anything`, type] as const,
  ]),
  ["the IA first", 1, IA, CLIENT],
  ["an IA_TA", 1, CLIENT, "000400040000000b"],
  ["two IAs", 1, CLIENT, IA, "0003000c0000000b0000000000000000"],
  ["two clients", 1, CLIENT, IA, "0001000a00030001505400000002"],
  ["a server's identity", 3, CLIENT, IA, "0002000a00030001505400000099"],
  [
    "an IA with another address",
    3,
    CLIENT,
    "000300280000000a000000000000000000050018fd000000000000000000000000000009ffffffffffffffff",
  ],
  ["an empty client identity", 1, "00010000", IA],
  ["a short IA", 1, CLIENT, "000300040000000a"],
  ["a whole IA and a short one", 1, CLIENT, IA, "000300040000000b"],
  ["an option that is cut off at the end", 1, CLIENT, IA, "00060014"],
  ["an option without length", 1, CLIENT, IA, "00"],
  ["a client that is cut off", 1, CLIENT.slice(0, 12), IA],
  ["an option that is cut off first", 1, CLIENT, "00650064", IA],
  ["asked-for options", 1, CLIENT, IA, "0006000600170018003b"],
  ["rapid commit", 1, CLIENT, IA, "000e0000"],
  ["iPXE", 1, CLIENT, IA, "000f0006000469505845"],
  ["a longer class", 1, CLIENT, IA, "000f000700056950584530"],
  ["iPXE as the second class", 1, CLIENT, IA, "000f0009000161000469505845"],
  ["iPXE without the length", 1, CLIENT, IA, "000f000469505845"],
  ["iPXE and another class", 1, CLIENT, IA, "000f0006000469505845", "000f00020000"],
  ["an empty name", 1, CLIENT, IA, "00270000"],
  ["a name, S", 1, CLIENT, IA, "00270005010361626300"],
  ["a name, O", 1, CLIENT, IA, "00270005020361626300"],
  ["two names", 1, CLIENT, IA, "0027000103", "0027000100"],
  ["a name and an empty one", 1, CLIENT, IA, "0027000103", "00270000"],
  ["a release with a name", 8, CLIENT, IA, "0027000103"],
];

test.each(PORTS)("%s", async (port) => {
  for (const [name, type, ...options] of CASES) {
    const { reference, weft } = await pair.answers(port, request(port, type, ...options));
    expect({ name, answers: weft }).toEqual({ name, answers: reference });
  }
  const whole = request(port, 1, CLIENT, IA);
  for (let length = 60; length < whole.length; length += 3) await pair.same(port, whole.subarray(0, length));
  expect(await pair.same(port, whole)).toHaveLength(1);
});
