/** brctl(8) of an emulated machine, with the output of bridge-utils': bridges, their ports, and the addresses behind them. */
import { formatMac, MAC_ZERO, type Mac, macOf } from "@weft/packet";
import { AGEING, BridgeDevice, type Device } from "../machine/device.ts";
import type { Command, CommandContext } from "../machine/machine.ts";
import { UsageError } from "./getopt.ts";

const usage = `Usage: brctl [commands]
commands:
	addbr     	<bridge>		add bridge
	delbr     	<bridge>		delete bridge
	addif     	<bridge> <device>	add interface to bridge
	delif     	<bridge> <device>	delete interface from bridge
	show      	[ <bridge> ]		show a list of bridges
	showmacs  	<bridge>		show a list of mac addrs
`;

function bridgeNamed({ namespace }: CommandContext, name: string, absent: string): BridgeDevice {
  const bridge = namespace.device(name);
  if (!(bridge instanceof BridgeDevice)) throw new UsageError(absent);
  return bridge;
}

/** A bridge goes by the lowest address of its ports. */
function lowestMac({ ports }: BridgeDevice): string {
  return formatMac([...ports].reduce((least, { mac }) => (least === 0 || mac < least ? mac : least), MAC_ZERO));
}

function show(context: CommandContext, name: string | undefined): string {
  const bridges =
    name === undefined
      ? context.namespace.sortedDevices.filter((device) => device instanceof BridgeDevice)
      : [bridgeNamed(context, name, `bridge ${name} does not exist!`)];
  const rows = bridges.map((bridge) => {
    const ports = [...bridge.ports].map((port) => port.name).sort();
    const id = `8000.${lowestMac(bridge).replaceAll(":", "")}`;
    return `${bridge.name}\t\t${id}\tno\t\t${ports.join("\n\t\t\t\t\t\t\t")}\n`;
  });
  return `bridge name\tbridge id\t\tSTP enabled\tinterfaces\n${rows.join("")}`;
}

function showMacs(context: CommandContext, name: string): string {
  const bridge = bridgeNamed(context, name, "read of forward table failed: No such device");
  const now = context.machine.runtime.clock.now();
  const ports = [...bridge.ports];
  const own: [Device, Mac, number | undefined][] = ports.map((port) => [port, port.mac, undefined]);
  const learned = [...bridge.addresses].filter(([, { seen }]) => now - seen <= AGEING);
  const rows = [...own, ...learned.map(([mac, { port, seen }]): [Device, Mac, number] => [port, mac, (now - seen) / 1000])];
  const text = rows
    .sort(([, a], [, b]) => a - b)
    .map(([port, mac, age]) => {
      const number = String(ports.indexOf(port) + 1).padStart(3);
      return `${number}\t${formatMac(mac)}\t${age === undefined ? "yes" : "no"}\t\t${(age ?? 0).toFixed(2).padStart(7)}\n`;
    });
  return `port no\tmac addr\t\tis local?\tageing timer\n${text.join("")}`;
}

function addBridge({ namespace, machine }: CommandContext, name: string): string {
  if (namespace.device(name)) throw new UsageError(`device ${name} already exists; can't create bridge with the same name`);
  const { random, clock } = machine.runtime;
  const mac = macOf(((random.below(0x10000) & 0xfcff) | 0x0200) * 2 ** 32 + random.uint32());
  namespace.addDevice(new BridgeDevice(clock, name, mac));
  return "";
}

function deleteBridge(context: CommandContext, name: string): string {
  const bridge = bridgeNamed(context, name, `bridge ${name} doesn't exist; can't delete it`);
  if (bridge.up) throw new UsageError(`bridge ${name} is still up; can't delete it`);
  context.namespace.removeDevice(bridge);
  return "";
}

function addInterface(context: CommandContext, name: string, device: string): string {
  const port = context.namespace.device(device);
  if (!port) throw new UsageError(`interface ${device} does not exist!`);
  const bridge = bridgeNamed(context, name, `bridge ${name} does not exist!`);
  if (port.master || port.attached)
    throw new UsageError(`device ${device} is already a member of a bridge; can't add it to bridge ${name}.`);
  bridge.addPort(port);
  return "";
}

function deleteInterface(context: CommandContext, name: string, device: string): string {
  const bridge = bridgeNamed(context, name, `bridge ${name} does not exist!`);
  const port = context.namespace.device(device);
  if (!port || !bridge.ports.has(port)) throw new UsageError(`device ${device} is not a port of ${name}`);
  bridge.removePort(port);
  return "";
}

/** The commands, with the number of words that each needs. */
const commands: Readonly<Record<string, readonly [number, (context: CommandContext, ...words: string[]) => string]>> = {
  addbr: [1, addBridge],
  delbr: [1, deleteBridge],
  addif: [2, addInterface],
  delif: [2, deleteInterface],
  show: [0, show],
  showmacs: [1, showMacs],
};

export const brctl: Command = async ([name, ...words], context) => {
  const { stdout, stderr } = context.host;
  const command = name === undefined ? undefined : Object.entries(commands).find(([key]) => key === name)?.[1];
  if (name === undefined || !command) {
    if (name !== undefined) await stderr.write(`never heard of command [${name}]\n`);
    await stdout.write(usage);
    return 1;
  }
  const [needed, run] = command;
  if (words.length < needed) {
    await stderr.write("Incorrect number of arguments for command\n");
    return 1;
  }
  try {
    await stdout.write(run(context, ...words));
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    await stderr.write(`${error.message}\n`);
    return 1;
  }
};
