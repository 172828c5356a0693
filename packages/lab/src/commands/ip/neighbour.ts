/** ip neighbour (ip-neighbour(8)): show, add, replace, delete, flush. */
import { formatMac, type Mac } from "@weft/packet";
import type { Device } from "../../machine/device.ts";
import { formatIp, type Ip, parseIp } from "../../machine/ip.ts";
import type { CommandContext } from "../../machine/machine.ts";
import type { Neighbour, NeighbourState } from "../../machine/neighbours.ts";
import { findDevice, macArgument } from "./link.ts";
import { type IpOptions, jsonText } from "./output.ts";
import { abbreviated, IpError, Words } from "./words.ts";

function neighbourText({ ip, device, mac, state, isRouter }: Neighbour, withDevice: boolean): string {
  return [
    formatIp(ip),
    ...(withDevice ? ["dev", device.name] : []),
    ...(mac === undefined || state === "INCOMPLETE" || state === "FAILED" ? [] : ["lladdr", formatMac(mac)]),
    ...(isRouter ? ["router"] : []),
    state,
    "",
  ].join(" ");
}

function show(words: Words, { namespace }: CommandContext, options: IpOptions): string {
  let neighbours = [...namespace.stack.neighbours.all].filter(
    ({ ip }) => options.family === undefined || ip.family === options.family,
  );
  let withDevice = true;
  while (!words.done) {
    const word = words.next();
    if (word === "dev") {
      const device = findDevice(namespace, words.next());
      neighbours = neighbours.filter((entry) => entry.device === device);
      withDevice = false;
    } else if (word === "nud") {
      const state = words.next().toUpperCase();
      if (state !== "ALL") neighbours = neighbours.filter((entry) => entry.state === state);
    } else {
      const ip = parseIp(word === "to" ? words.next() : word);
      neighbours = neighbours.filter((entry) => ip !== undefined && entry.ip.family === ip.family && entry.ip.value === ip.value);
    }
  }
  if (options.json) {
    return jsonText(
      neighbours.map(({ ip, device, mac, state }) => ({
        dst: formatIp(ip),
        dev: device.name,
        ...(mac === undefined ? {} : { lladdr: formatMac(mac) }),
        state: [state],
      })),
      options,
    );
  }
  return neighbours.map((entry) => `${neighbourText(entry, withDevice)}\n`).join("");
}

const states: Readonly<Record<string, NeighbourState>> = {
  permanent: "PERMANENT",
  reachable: "REACHABLE",
  stale: "STALE",
  delay: "DELAY",
  probe: "PROBE",
  failed: "FAILED",
};

function given(words: Words, context: CommandContext): { ip: Ip; device: Device; mac: Mac | undefined; state: NeighbourState } {
  let ip: Ip | undefined;
  let name: string | undefined;
  let mac: Mac | undefined;
  let state: NeighbourState = "PERMANENT";
  while (!words.done) {
    const word = words.next();
    if (word === "dev") name = words.next();
    else if (word === "lladdr") mac = macArgument(words.next());
    else if (word === "nud") {
      const text = words.next();
      const found = states[text];
      if (!found) throw new IpError(`Error: argument "${text}" is wrong: nud state is bad\n`);
      state = found;
    } else {
      const text = word === "to" ? words.next() : word;
      ip = parseIp(text);
      if (!ip) throw new IpError(`Error: any valid address is expected rather than "${text}".`, 1);
    }
  }
  if (!ip || name === undefined) throw new IpError("Device and destination are required arguments.");
  return { ip, device: findDevice(context.namespace, name), mac, state };
}

function set(words: Words, context: CommandContext, exclusive: boolean): string {
  const { ip, device, mac, state } = given(words, context);
  const { neighbours } = context.namespace.stack;
  if (exclusive && neighbours.find(device, ip)) throw new IpError("RTNETLINK answers: File exists", 2);
  if (mac === undefined) throw new IpError("RTNETLINK answers: Invalid argument", 2);
  neighbours.set(device, ip, mac, state);
  return "";
}

function remove(words: Words, context: CommandContext): string {
  const { ip, device } = given(words, context);
  if (!context.namespace.stack.neighbours.delete(device, ip))
    throw new IpError("RTNETLINK answers: No such file or directory", 2);
  return "";
}

function flush(words: Words, { namespace }: CommandContext, options: IpOptions): string {
  if (words.done) throw new IpError("Flush requires arguments.");
  let device: Device | undefined;
  while (!words.done) {
    const word = words.next();
    if (word === "dev") device = findDevice(namespace, words.next());
    else if (word !== "all") throw new IpError(`Error: any valid prefix is expected rather than "${word}".`, 1);
  }
  const { neighbours } = namespace.stack;
  for (const entry of [...neighbours.all]) {
    if (
      entry.state !== "PERMANENT" &&
      (device === undefined || entry.device === device) &&
      (options.family === undefined || entry.ip.family === options.family)
    ) {
      neighbours.delete(entry.device, entry.ip);
    }
  }
  return "";
}

const subcommands = [
  ["add", (words: Words, context: CommandContext) => set(words, context, true)],
  ["change", (words: Words, context: CommandContext) => set(words, context, false)],
  ["replace", (words: Words, context: CommandContext) => set(words, context, false)],
  ["delete", remove],
  ["show", show],
  ["list", show],
  ["flush", flush],
] as const;

export function ipNeighbour(words: readonly string[], context: CommandContext, options: IpOptions): string {
  if (words.length === 0) return show(new Words([]), context, options);
  const run = abbreviated<(words: Words, context: CommandContext, options: IpOptions) => string>(subcommands, words[0]!);
  if (!run) throw new IpError(`Command "${words[0]}" is unknown, try "ip neigh help".`);
  return run(new Words(words.slice(1)), context, options);
}
