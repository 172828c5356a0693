/** `weft` as a command of a lab's machines: what looks at the whole cloud, of which every part is within reach. */
import { formatIp, type Lab, type LabNode } from "@weft/lab";
import { formatMac } from "@weft/packet";
import type { Host, Program } from "@weft/runtime";
import type { CloudPlaces, HypervisorPlace, KnownHost, TappedFrame } from "@weft/trace";
import { controlSocketOf, sendControl } from "../appctl.ts";
import { type CloudFinder, cloudCommands, cloudProgram } from "../cloud/commands.ts";

const NORTHBOUND = "/var/run/ovn/ovnnb_db.sock";
const SOUTHBOUND = "/var/run/ovn/ovnsb_db.sock";
const SWITCH_RUN = "/var/run/openvswitch";

export function weftOf(lab: Lab, commands = cloudCommands): Program {
  return async (args, host) => {
    const [name = "", ...rest] = args;
    const load = commands[name];
    if (load === undefined) {
      await host.stderr.write(`weft: ${name} is no command of a lab's machine (${Object.keys(commands).join(", ")})\n`);
      return 2;
    }
    const finder: CloudFinder = { rows: [], help: "", find: () => labPlaces(lab, host) };
    return cloudProgram(name, await load(), finder)(rest, host);
  };
}

export async function labPlaces(lab: Lab, host: Host): Promise<CloudPlaces> {
  const nodes = [...lab.nodes.values()].filter(({ power }) => power.on);
  const having = async (path: string): Promise<LabNode[]> => {
    const found = await Promise.all(nodes.map(async (node) => ((await node.machine.runtime.files.exists(path)) ? [node] : [])));
    return found.flat();
  };
  const database = async (path: string) => {
    const [node] = await having(path);
    return node === undefined ? undefined : { runtime: node.machine.runtime, remotes: [`unix:${path}`] };
  };
  const [northbound, southbound, switches] = await Promise.all([
    database(NORTHBOUND),
    database(SOUTHBOUND),
    having(`${SWITCH_RUN}/db.sock`),
  ]);
  return {
    northbound,
    southbound,
    hypervisors: switches.map((node) => hypervisorOf(node, host)),
    complete: true,
    hosts: () => hostsOf(lab),
    tap: (listener) => tapDevices(lab, listener),
  };
}

function hostsOf(lab: Lab): KnownHost[] {
  return [...lab.nodes.values()].flatMap(({ name, machine }) =>
    [machine.root, ...machine.namespaces.values()].flatMap((namespace) =>
      namespace.sortedDevices.map((device) => ({
        machine: namespace.name === "" ? name : `${name}, ${namespace.name}`,
        device: device.name,
        mac: formatMac(device.mac),
        ips: namespace.addresses.filter((address) => address.device === device).map(({ network }) => formatIp(network.address)),
      })),
    ),
  );
}

function tapDevices(lab: Lab, listener: (tapped: TappedFrame) => void): () => void {
  const { clock } = lab.runtime;
  const undo: (() => void)[] = [];
  for (const { name: node, machine } of lab.nodes.values()) {
    for (const { name: namespace, sortedDevices } of [machine.root, ...machine.namespaces.values()]) {
      for (const device of sortedDevices) {
        const tap = (frame: Uint8Array, direction: "in" | "out"): void =>
          listener({ time: clock.wall(), node, namespace, device: device.name, direction, frame });
        device.taps.add(tap);
        undo.push(() => void device.taps.delete(tap));
      }
    }
  }
  return () => {
    for (const one of undo) one();
  };
}

function hypervisorOf({ name, machine }: LabNode, host: Host): HypervisorPlace {
  const { runtime } = machine;
  return {
    name,
    runtime,
    database: `unix:${SWITCH_RUN}/db.sock`,
    bridge: (bridge) => `unix:${SWITCH_RUN}/${bridge}.mgmt`,
    async control(target, command, ...args) {
      const there: Host = { ...host, runtime, env: {} };
      const socket = await controlSocketOf(there, target === "ovs-vswitchd" ? "ovs" : "ovn", target);
      return sendControl(there, socket, command, args);
    },
    links: () =>
      [...machine.root.devices.values()].map((device) => ({
        name: device.name,
        mtu: device.mtu,
        addresses: machine.root.addresses
          .filter((address) => address.device === device)
          .map(({ network }) => formatIp(network.address)),
      })),
  };
}
