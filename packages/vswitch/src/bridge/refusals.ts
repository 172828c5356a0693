/** How the log tells what rows cannot be used for, in the modules and words of Open vSwitch. */
import { type LogBook, messageOf, WeftError } from "@weft/runtime";
import type { ManagedInterface } from "./managed.ts";

const DATAPATH_TYPES: readonly string[] = ["", "system", "netdev", "dummy"];

/** Whether there are bridges of a datapath type. */
export function knownDatapathType(type: string, disableSystem: boolean): boolean {
  return DATAPATH_TYPES.includes(type) && !(disableSystem && (type === "" || type === "system"));
}

export function logUnknownDatapath(log: LogBook, bridge: string, type: string): void {
  const shown = type === "" ? "system" : type;
  const ofproto = log.logger("ofproto");
  ofproto.warn(`unknown datapath type ${shown}`);
  ofproto.warn(`could not create datapath ${bridge} of unknown type ${shown}`);
  log.logger("bridge").err(`failed to create bridge ${bridge}: Address family not supported by protocol`);
}

/** `error` is why the interface could not be made a port of the bridge. */
export function logRefusal(log: LogBook, bridge: string, { name, type }: ManagedInterface, error: unknown): void {
  const text = messageOf(error);
  const netdev = log.logger("netdev");
  switch (error instanceof WeftError ? error.code : "") {
    case "vswitch.tunnel-options":
      log.logger("netdev_vport").warn(text);
      netdev.warn(`${name}: could not set configuration (Invalid argument)`);
      return;
    case "vswitch.patch-options":
      log.logger("netdev_vport").err(text);
      netdev.warn(`${name}: could not set configuration (Invalid argument)`);
      return;
    case "vswitch.tunnel-exists":
      log.logger("ofproto").warn(`${bridge}: could not add port ${name} (File exists)`);
      break;
    case "netdev.no-type":
      netdev.warn(`could not create netdev ${name} of unknown type ${type}`);
      break;
  }
  log.logger("bridge").warn(text);
}
