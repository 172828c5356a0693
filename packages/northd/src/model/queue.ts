/** The queues of ports with rates: numbers of their own, which chassis know from the port bindings (ovn-nb(5), qos_max_rate). */
import { derive, type Read } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { nb, portQueue } from "./nb.ts";
import { type SwitchPort, switchPorts } from "./switchPort.ts";

const rates = ["qos_max_rate", "qos_min_rate", "qos_burst"];

export function hasRates(options: ReadonlyMap<string, string>): boolean {
  return rates.some((name) => options.has(name));
}

/** The queue of a port: as allocated, or as configured. */
export function queueOf(port: SwitchPort, read: Read): string | undefined {
  const given = read(portQueue, port.uuid);
  return given === undefined ? port.options.get("qdisc_queue_id") : String(given);
}

/** The physical network that a switch is on. */
export const physicalNetwork = derive("physicalNetwork", (datapath: Uuid, read): string | undefined => {
  const localnet = read(switchPorts, datapath).find(({ type }) => type === "localnet");
  return localnet === undefined ? undefined : read(nb.Logical_Switch_Port, localnet.uuid)?.options.get("network_name");
});
