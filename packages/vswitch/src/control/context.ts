/** What the control commands act on. */
import { type ControlCommand, type Runtime, WeftError } from "@weft/runtime";
import type { BfdSessions } from "../bfd/sessions.ts";
import type { Bonds } from "../bond/bonds.ts";
import type { Configuration } from "../bridge/configure.ts";
import type { Datapath } from "../datapath/datapath.ts";
import type { DummyProvider } from "../netdev/dummy.ts";
import type { Bridge } from "../ofproto/bridge.ts";

export interface ControlContext {
  readonly datapath: Datapath;
  readonly configuration: Configuration;
  readonly dummies: DummyProvider;
  readonly bfd: BfdSessions;
  readonly bonds: Bonds;
  readonly runtime: Runtime;
  /** Values that are held of the database (memory/show). */
  databaseCells(): number;
}

/** An error whose message is the command's reply. */
export function refuse(message: string): WeftError {
  return new WeftError("vswitch.control", message, { blame: "caller" });
}

export function command(
  name: string,
  usage: string,
  minArgs: number,
  maxArgs: number,
  run: ControlCommand["run"],
): ControlCommand {
  return { name, usage, minArgs, maxArgs, run };
}

export function bridgeNamed(context: ControlContext, name: string | undefined, error = "no such bridge"): Bridge {
  const bridge = name === undefined ? undefined : context.datapath.bridges.get(name);
  if (bridge === undefined) throw refuse(error);
  return bridge;
}

/** The name under which the datapath is listed. */
export const datapathName = (context: ControlContext): string => `${context.datapath.type}@ovs-${context.datapath.type}`;

/** Whether it is the datapath's name, TYPE@NAME; without a type it is one of type "system". */
export function isDatapath(context: ControlContext, name: string): boolean {
  return (name.includes("@") ? name : `system@${name}`) === datapathName(context);
}
