/** ip link (ip-link(8)): show, set, add, delete. */
import { formatMac, isMacMulticast, type Mac, macOf, parseMac } from "@weft/packet";
import { BridgeDevice, Device, VethDevice, VlanDevice } from "../../machine/device.ts";
import type { CommandContext } from "../../machine/machine.ts";
import type { Namespace } from "../../machine/namespace.ts";
import { type IpOptions, jsonText, lines } from "./output.ts";
import { abbreviated, IpError, Words } from "./words.ts";

export function flagsOf(device: Device): string[] {
  const flags = device.kind === "loopback" ? ["LOOPBACK"] : ["BROADCAST", "MULTICAST"];
  if (device.up && !device.carrier && !(device.kind === "veth" && device.link?.up === false)) flags.unshift("NO-CARRIER");
  if (device.up) flags.push("UP");
  if (device.running) flags.push("LOWER_UP");
  if ((device.kind === "veth" || device.kind === "vlan") && device.link && !device.link.up) flags.push("M-DOWN");
  return flags;
}

/** RFC 2863 operational state as ip(8) prints it. */
export function stateOf(device: Device): string {
  if (!device.up) return "DOWN";
  if (!device.carrier) return device.link && !device.link.up ? "LOWERLAYERDOWN" : "DOWN";
  return device.kind === "loopback" || device.kind === "openvswitch" || device.kind === "dummy" || device.kind === "geneve"
    ? "UNKNOWN"
    : "UP";
}

function qdiscOf(device: Device): string {
  if (!device.up) return "noop";
  if (device.kind === "loopback") return "noqueue";
  return device.kind === "ether" ? "fq_codel" : "noqueue";
}

/** "child1@vm1" for a device that stands on another; "@ifN" when that one is in another namespace. */
export function fullName(device: Device): string {
  const { link } = device;
  if (!link) return device.name;
  return `${device.name}@${link.namespace === device.namespace ? link.name : `if${link.ifindex}`}`;
}

/** Linux's default transmit queue length, in packets. */
const queueLength = 1000;

/** The first lines of a device in `ip link` and `ip addr`; the former adds the link mode. Without `addresses`, only the first. */
export function linkLines(device: Device, options: IpOptions, mode: boolean, addresses = true): string[] {
  const link = device.kind === "loopback" ? "loopback" : "ether";
  const broadcast = device.kind === "loopback" ? macOf(0) : macOf(0xffff_ffff_ffff);
  const first = [
    `${device.ifindex}: ${fullName(device)}: <${flagsOf(device).join(",")}> mtu ${device.mtu} qdisc ${qdiscOf(device)}`,
    ...(device.master ? [`master ${device.master.name}`] : []),
    `state ${stateOf(device)}`,
    ...(mode ? ["mode DEFAULT"] : []),
    `group default qlen ${queueLength}`,
  ].join(" ");
  let second = `    link/${link} ${formatMac(device.mac)} brd ${formatMac(broadcast)}`;
  if (device.link && device.link.namespace !== device.namespace) second += ` link-netns ${device.link.namespace?.name ?? ""}`;
  // Asked for the addresses of one family, ip shows nothing of the link's own.
  if (!addresses) return [first];
  const text = [first, second];
  if (options.details) {
    text[1] += ` promiscuity ${device.attached || device.taps.size > 0 ? 1 : 0}  allmulti 0 minmtu ${device.kind === "loopback" || device.kind === "vlan" ? 0 : 68} maxmtu ${device.kind === "loopback" ? 0 : 65535} `;
    const kind = kindDetails(device);
    const common = `addrgenmode eui64 numtxqueues 1 numrxqueues 1 gso_max_size 65536 gso_max_segs 65535 tso_max_size ${tsoSize(device)} tso_max_segs 65535 gro_max_size 65536 `;
    // A device of no kind has no line for it.
    if (kind === "") text[1] += common;
    else text.push(`    ${kind}${common}`);
  }
  if (options.statistics) {
    const { rxBytes, rxPackets, rxDropped, txBytes, txPackets, txDropped } = device.statistics;
    const row = (...cells: (string | number)[]) =>
      cells.map((cell, i) => String(cell).padStart([10, 8, 6, 7, 7, 7][i]!)).join(" ");
    text.push(
      `    RX: ${"bytes".padStart(6)} ${["packets", "errors", "dropped", " missed", "  mcast"].join(" ")}           `,
      `    ${row(rxBytes, rxPackets, 0, rxDropped, 0, 0)} `,
      `    TX: ${"bytes".padStart(6)} ${["packets", "errors", "dropped", "carrier", "collsns"].join(" ")}           `,
      `    ${row(txBytes, txPackets, 0, txDropped, 0, 0)} `,
    );
  }
  return text;
}

/** Devices of software alone cut nothing in hardware, and have no limit to it but the kernel's. */
function tsoSize(device: Device): number {
  return device.kind === "ether" ? 65536 : 524280;
}

function kindDetails(device: Device): string {
  if (device instanceof VlanDevice) return `vlan protocol 802.1Q id ${device.vid} <REORDER_HDR> `;
  return device.kind === "loopback" || device.kind === "ether" ? "" : `${device.kind} `;
}

export function linkJson(device: Device, options: IpOptions, mode: boolean, addresses = true): Record<string, unknown> {
  return {
    ifindex: device.ifindex,
    ...(device.link
      ? device.link.namespace === device.namespace
        ? { link: device.link.name }
        : { link_index: device.link.ifindex }
      : {}),
    ifname: device.name,
    flags: flagsOf(device),
    mtu: device.mtu,
    qdisc: qdiscOf(device),
    ...(device.master ? { master: device.master.name } : {}),
    operstate: stateOf(device),
    ...(mode ? { linkmode: "DEFAULT" } : {}),
    group: "default",
    txqlen: queueLength,
    ...(addresses
      ? {
          link_type: device.kind === "loopback" ? "loopback" : "ether",
          address: formatMac(device.mac),
          broadcast: device.kind === "loopback" ? "00:00:00:00:00:00" : "ff:ff:ff:ff:ff:ff",
        }
      : {}),
    ...(options.details && kindDetails(device) !== ""
      ? {
          linkinfo: {
            info_kind: device.kind,
            ...(device instanceof VlanDevice
              ? { info_data: { protocol: "802.1Q", id: device.vid, flags: ["REORDER_HDR"] } }
              : {}),
          },
        }
      : {}),
  };
}

export function findDevice(namespace: Namespace, name: string): Device {
  const device = namespace.device(name);
  if (!device) throw new IpError(`Cannot find device "${name}"`, 1);
  return device;
}

/** The devices that a `show` names: all, `dev X` or `X`, `up`, `type T`, `master M`. */
export function selectDevices(namespace: Namespace, words: Words): Device[] {
  let devices = namespace.sortedDevices;
  while (!words.done) {
    if (words.accept("up")) devices = devices.filter(({ up }) => up);
    else if (words.accept("type")) {
      const kind = words.next();
      devices = devices.filter((device) => device.kind === kind);
    } else if (words.accept("master")) {
      const master = words.next();
      devices = devices.filter((device) => device.master?.name === master);
    } else {
      words.accept("dev");
      const name = words.next();
      const device = namespace.device(name);
      if (!device) throw new IpError(`Device "${name}" does not exist.`, 1);
      devices = [device];
    }
  }
  return devices;
}

function show(words: Words, context: CommandContext, options: IpOptions): string {
  const devices = selectDevices(context.namespace, words);
  if (options.json)
    return jsonText(
      devices.map((device) => linkJson(device, options, true)),
      options,
    );
  if (options.brief)
    return devices.map((device) => `${briefName(device)}${formatMac(device.mac)} <${flagsOf(device).join(",")}> \n`).join("");
  return devices.map((device) => lines(linkLines(device, options, true), options)).join("");
}

export function briefName(device: Device): string {
  return `${fullName(device).padEnd(16)} ${stateOf(device).padEnd(14)} `;
}

function set(words: Words, context: CommandContext): string {
  words.accept("dev");
  let device = findDevice(context.namespace, words.next());
  while (!words.done) {
    const word = words.next();
    switch (word) {
      case "up":
      case "down":
        device.setUp(word === "up");
        break;
      case "address":
        device.setMac(macArgument(words.next()));
        break;
      case "mtu":
        device.setMtu(numberArgument(words.next(), "mtu"));
        break;
      case "name":
        context.namespace.renameDevice(device, words.next());
        break;
      case "netns":
        moveDevice(device, words.next(), context);
        break;
      case "master": {
        const bridge = findDevice(context.namespace, words.next());
        if (!(bridge instanceof BridgeDevice)) throw new IpError("Error: Device does not allow enslaving.", 2);
        bridge.addPort(device);
        context.namespace.deviceChanged(device);
        break;
      }
      case "nomaster":
        device.master?.removePort(device);
        break;
      case "dev":
        device = findDevice(context.namespace, words.next());
        break;
      case "txqueuelen":
      case "qlen":
      case "alias":
      case "group":
        throw new IpError(`Error: setting ${word} is not supported by an emulated device.`, 2);
      case "promisc":
      case "multicast":
      case "allmulticast":
      case "arp":
        words.next();
        break;
      default:
        throw new IpError(`Error: either "dev" is duplicate, or "${word}" is a garbage.`);
    }
  }
  return "";
}

/** A namespace by its name, or 1 for that of the machine's first process. */
function namespaceArgument(target: string, { machine }: CommandContext): Namespace {
  const namespace = target === "1" ? machine.root : machine.namespaces.get(target);
  if (!namespace) throw new IpError(`Error: argument "${target}" is wrong: Invalid "netns" value\n`);
  return namespace;
}

function moveDevice(device: Device, target: string, context: CommandContext): void {
  const namespace = namespaceArgument(target, context);
  if (device.kind === "loopback" || device.kind === "bridge") throw new IpError("RTNETLINK answers: Invalid argument", 2);
  if (namespace.device(device.name)) throw new IpError("RTNETLINK answers: File exists", 2);
  device.namespace?.releaseDevice(device);
  namespace.addDevice(device);
}

function add(words: Words, context: CommandContext): string {
  const { namespace } = context;
  let name: string | undefined;
  let kind: string | undefined;
  let parent: Device | undefined;
  let mac: Mac | undefined;
  let mtu: number | undefined;
  while (!words.done && kind === undefined) {
    const word = words.next();
    if (word === "link") parent = findDevice(namespace, words.next());
    else if (word === "name" || word === "dev") name = words.next();
    else if (word === "type") kind = words.next();
    else if (word === "address") mac = macArgument(words.next());
    else if (word === "mtu") mtu = numberArgument(words.next(), "mtu");
    else if (name === undefined) name = word;
    else throw new IpError(`Error: either "dev" is duplicate, or "${word}" is a garbage.`);
  }
  if (kind === undefined) throw new IpError('Not enough information: "type" argument is required');
  const random = () => macOf(randomMac(context));
  const { clock } = context.machine.runtime;
  let device: Device;
  switch (kind) {
    case "vlan": {
      if (!parent) throw new IpError("RTNETLINK answers: Invalid argument", 2);
      let vid: number | undefined;
      while (!words.done) {
        const word = words.next();
        if (word === "id") vid = numberArgument(words.next(), "id");
        else if (word === "protocol" || word === "proto") words.next();
        else throw new IpError(`vlan: unknown command "${word}"?`);
      }
      if (vid === undefined || vid > 4095) throw new IpError('Error: argument "id" is required', 1);
      if (parent.vlans.has(vid)) throw new IpError("RTNETLINK answers: File exists", 2);
      required(name, namespace);
      device = new VlanDevice(name ?? `${parent.name}.${vid}`, parent, vid);
      break;
    }
    case "bridge":
      device = new BridgeDevice(clock, required(name, namespace), random());
      break;
    case "dummy":
      device = new Device("dummy", required(name, namespace), random());
      break;
    case "veth": {
      const peer = vethPeer(words, context);
      const first = new VethDevice(clock, required(name, namespace), random());
      const peerName = required(peer.name ?? freeName(peer.namespace, "veth"), peer.namespace);
      const second = new VethDevice(clock, peerName, peer.mac ?? random());
      VethDevice.join(first, second);
      peer.namespace.addDevice(second);
      device = first;
      break;
    }
    default:
      throw new IpError("Error: Unknown device type.", 2);
  }
  if (mac !== undefined) device.mac = mac;
  if (mtu !== undefined) device.setMtu(mtu);
  namespace.addDevice(device);
  return "";
}

interface VethPeer {
  name: string | undefined;
  namespace: Namespace;
  mac: Mac | undefined;
}

/** `peer [name NAME] [netns NAMESPACE] [address MAC]` (ip-link(8), VETH Type Support). */
function vethPeer(words: Words, context: CommandContext): VethPeer {
  const peer: VethPeer = { name: undefined, namespace: context.namespace, mac: undefined };
  if (!words.accept("peer")) return peer;
  while (!words.done) {
    const word = words.next();
    if (word === "netns") peer.namespace = namespaceArgument(words.next(), context);
    else if (word === "address") peer.mac = macArgument(words.next());
    else if (word === "name") peer.name = words.next();
    else if (peer.name === undefined) peer.name = word;
    else throw new IpError(`Error: either "dev" is duplicate, or "${word}" is a garbage.`);
  }
  return peer;
}

function freeName(namespace: Namespace, prefix: string): string {
  let i = 0;
  while (namespace.device(`${prefix}${i}`)) i++;
  return `${prefix}${i}`;
}

function required(name: string | undefined, namespace: Namespace): string {
  if (name === undefined) return "";
  if (name.length > 15 || name === "" || /[\s/]/.test(name))
    throw new IpError(`Error: argument "${name}" is wrong: "name" not a valid ifname`);
  if (namespace.device(name)) throw new IpError("RTNETLINK answers: File exists", 2);
  return name;
}

/** A locally administered unicast address. */
function randomMac({ machine }: CommandContext): number {
  const { random } = machine.runtime;
  const high = (random.below(0x10000) & 0xfcff) | 0x0200;
  return high * 2 ** 32 + random.uint32();
}

export function macArgument(text: string): Mac {
  const mac = parseMac(text);
  if (mac === undefined) throw new IpError(`"${text}" is invalid lladdr.`, 1);
  if (isMacMulticast(mac)) throw new IpError("RTNETLINK answers: Cannot assign requested address", 2);
  return mac;
}

export function numberArgument(text: string, what: string): number {
  if (!/^\d+$/.test(text)) throw new IpError(`Error: argument "${text}" is wrong: Invalid "${what}" value\n`);
  return Number(text);
}

function remove(words: Words, context: CommandContext): string {
  words.accept("dev");
  const device = findDevice(context.namespace, words.next());
  if (device.kind === "loopback" || device.kind === "ether" || device.kind === "openvswitch")
    throw new IpError("RTNETLINK answers: Operation not supported", 2);
  context.namespace.removeDevice(device);
  return "";
}

const subcommands = [
  ["add", add],
  ["set", set],
  ["delete", remove],
  ["show", show],
  ["list", show],
  ["lst", show],
] as const;

export function ipLink(words: readonly string[], context: CommandContext, options: IpOptions): string {
  if (words.length === 0) return show(new Words([]), context, options);
  const run = abbreviated<(words: Words, context: CommandContext, options: IpOptions) => string>(subcommands, words[0]!);
  if (!run) throw new IpError(`Command "${words[0]}" is unknown, try "ip link help".`);
  return run(new Words(words.slice(1)), context, options);
}
