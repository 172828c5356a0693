/** ip address (ip-address(8)): show, add, delete, flush. */
import { ipv4Of } from "@weft/packet";
import type { Device } from "../../machine/device.ts";
import {
  equalIp,
  formatIp,
  formatNetwork,
  type Ip,
  ip4,
  type Network,
  networkOf,
  parseIp,
  parseNetwork,
} from "../../machine/ip.ts";
import type { CommandContext } from "../../machine/machine.ts";
import type { Address, Namespace } from "../../machine/namespace.ts";
import { briefName, findDevice, linkJson, linkLines, selectDevices } from "./link.ts";
import { type IpOptions, jsonText, lines } from "./output.ts";
import { abbreviated, IpError, Words } from "./words.ts";

function addressesOf(namespace: Namespace, device: Device, options: IpOptions): Address[] {
  const own = namespace.addresses.filter((address) => address.device === device);
  const four = own.filter(({ network }) => network.address.family === 4);
  const six = own.filter(({ network }) => network.address.family === 6);
  // The kernel's order: primary before secondary, then wider scopes before narrower ones.
  return [
    ...four.filter((address) => !isSecondary(address, four)),
    ...four.filter((address) => isSecondary(address, four)),
    ...six.filter(({ scope }) => scope !== "link"),
    ...six.filter(({ scope }) => scope === "link"),
  ].filter(({ network }) => options.family === undefined || network.address.family === options.family);
}

/** A second address of the same network shows as secondary. */
function isSecondary(address: Address, all: readonly Address[]): boolean {
  const { network } = address;
  if (network.address.family !== 4) return false;
  const first = all.find(
    (other) => other.network.length === network.length && equalIp(networkOf(other.network), networkOf(network)),
  );
  return first !== undefined && first !== address;
}

function addressLines(address: Address, all: readonly Address[]): string[] {
  const { network, scope, device, broadcast } = address;
  const { valid, preferred } = secondsLeft(address);
  const text = (seconds: number) => (seconds === FOREVER ? "forever" : `${seconds}sec`);
  const lifetime = `       valid_lft ${text(valid)} preferred_lft ${text(preferred)}`;
  const flags = address.advertised ? "dynamic mngtmpaddr " : valid === FOREVER ? "" : "dynamic ";
  if (network.address.family === 6) return [`    inet6 ${formatNetwork(network)} scope ${scope} ${flags}`, lifetime];
  return [
    `    inet ${formatNetwork(network)}${broadcast ? ` brd ${formatIp(broadcast)}` : ""} scope ${scope} ${isSecondary(address, all) ? "secondary " : ""}${flags}${device.name}`,
    lifetime,
  ];
}

/** The kernel's number for a lifetime without end. */
const FOREVER = 4294967295;

function secondsLeft({ lifetime, device }: Address): { valid: number; preferred: number } {
  const now = device.namespace?.clock.now() ?? 0;
  const seconds = (until = Number.POSITIVE_INFINITY) =>
    Number.isFinite(until) ? Math.max(0, Math.ceil((until - now) / 1000)) : FOREVER;
  return { valid: seconds(lifetime?.valid), preferred: seconds(lifetime?.preferred) };
}

function addressJson(address: Address, all: readonly Address[]): Record<string, unknown> {
  const { network, scope, device, broadcast } = address;
  return {
    family: network.address.family === 4 ? "inet" : "inet6",
    local: formatIp(network.address),
    prefixlen: network.length,
    ...(broadcast ? { broadcast: formatIp(broadcast) } : {}),
    scope,
    ...(isSecondary(address, all) ? { secondary: true } : {}),
    ...(network.address.family === 4 ? { label: device.name } : {}),
    ...(address.lifetime && Number.isFinite(address.lifetime.valid) ? { dynamic: true } : {}),
    valid_life_time: secondsLeft(address).valid,
    preferred_life_time: secondsLeft(address).preferred,
  };
}

function show(words: Words, { namespace }: CommandContext, options: IpOptions): string {
  const devices = selectDevices(namespace, words).filter(
    (device) => options.family === undefined || addressesOf(namespace, device, options).length > 0,
  );
  if (options.json) {
    const rows = devices.map((device) => ({
      ...linkJson(device, options, false, options.family === undefined),
      addr_info: addressesOf(namespace, device, options).map((address, _, all) => addressJson(address, all)),
    }));
    return jsonText(rows, options);
  }
  if (options.brief) {
    return devices
      .map(
        (device) =>
          `${briefName(device)}${addressesOf(namespace, device, options)
            .map(({ network }) => `${formatNetwork(network)} `)
            .join("")}\n`,
      )
      .join("");
  }
  if (options.oneline) {
    // A line for each address, which says whose it is in few words.
    return devices
      .flatMap((device) => {
        const addresses = addressesOf(namespace, device, options);
        return addresses
          .map((address) => lines(addressLines(address, addresses), options))
          .map((line) => `${device.ifindex}: ${device.name}${line}`);
      })
      .join("");
  }
  return devices
    .map((device) => {
      const addresses = addressesOf(namespace, device, options);
      return lines(
        [
          ...linkLines(device, options, false, options.family === undefined),
          ...addresses.flatMap((address) => addressLines(address, addresses)),
        ],
        options,
      );
    })
    .join("");
}

interface Given {
  readonly network: Network;
  readonly device: Device;
  readonly scope: string | undefined;
  readonly broadcast: Ip | undefined;
}

function given(words: Words, { namespace }: CommandContext): Given {
  let network: Network | undefined;
  let name: string | undefined;
  let scope: string | undefined;
  let broadcast: string | undefined;
  while (!words.done) {
    const word = words.next();
    if (word === "dev") name = words.next();
    else if (word === "scope") scope = words.next();
    else if (word === "broadcast" || word === "brd") broadcast = words.next();
    else if (word === "label" || word === "metric") words.next();
    else if (word === "nodad" || word === "noprefixroute" || word === "home") continue;
    else if (network === undefined) {
      const text = word === "local" ? words.next() : word;
      network = parseNetwork(text);
      if (!network) throw new IpError(`Error: any valid prefix is expected rather than "${text}".`, 1);
    } else throw new IpError(`Error: either "local" is duplicate, or "${word}" is a garbage.`);
  }
  if (name === undefined) throw new IpError('Not enough information: "dev" argument is required.', 1);
  if (!network) throw new IpError("RTNETLINK answers: Operation not supported", 2);
  return { network, device: findDevice(namespace, name), scope, broadcast: broadcastOf(broadcast, network) };
}

/** "+" sets the host bits, "-" clears them. */
function broadcastOf(text: string | undefined, { address, length }: Network): Ip | undefined {
  if (text === undefined || address.family === 6) return undefined;
  const first = networkOf({ address, length });
  if (text === "-") return first;
  if (text === "+" && first.family === 4) return ip4(ipv4Of((first.value | (length === 32 ? 0 : 0xffffffff >>> length)) >>> 0));
  const given = parseIp(text);
  if (given?.family !== 4) throw new IpError(`Error: inet address is expected rather than "${text}".`, 1);
  return given;
}

function add(words: Words, context: CommandContext): string {
  const { network, device, scope, broadcast } = given(words, context);
  const local = network.address.family === 6 && network.address.value >> 118n === 0x3fan;
  context.namespace.addAddress(device, network, { scope: scope ?? (local ? "link" : "global"), broadcast });
  return "";
}

function remove(words: Words, context: CommandContext): string {
  const { network, device } = given(words, context);
  context.namespace.removeAddress(device, network);
  return "";
}

function flush(words: Words, context: CommandContext, options: IpOptions): string {
  if (words.done) throw new IpError("Flush requires arguments.");
  for (const device of selectDevices(context.namespace, words)) context.namespace.flushAddresses(device, options.family);
  return "";
}

const subcommands = [
  ["add", add],
  ["change", add],
  ["replace", add],
  ["delete", remove],
  ["show", show],
  ["list", show],
  ["lst", show],
  ["flush", flush],
] as const;

export function ipAddress(words: readonly string[], context: CommandContext, options: IpOptions): string {
  if (words.length === 0) return show(new Words([]), context, options);
  const run = abbreviated<(words: Words, context: CommandContext, options: IpOptions) => string>(subcommands, words[0]!);
  if (!run) throw new IpError(`Command "${words[0]}" is unknown, try "ip address help".`);
  return run(new Words(words.slice(1)), context, options);
}
