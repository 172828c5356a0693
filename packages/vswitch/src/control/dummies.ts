/** netdev-dummy/...: what tests do to dummy devices (ovs-vswitchd --enable-dummy). */
import { fromHex } from "@weft/packet";
import type { ControlCommand } from "@weft/runtime";
import { messageOf } from "@weft/runtime";
import { parseDpFlow } from "../datapath/key-text.ts";
import { composeFrame } from "../flow/compose.ts";
import type { DummyNetdev } from "../netdev/dummy.ts";
import { parseAddress, parsePrefix } from "../tunnel/address.ts";
import { type ControlContext, command, refuse } from "./context.ts";

/** A frame from hexadecimal digits or from a flow in the datapath's syntax. */
export function frameOf(text: string, length: number | undefined): Uint8Array {
  const hex = /^[0-9a-f\s]+$/i.test(text) ? fromHex(text) : undefined;
  if (hex !== undefined && hex.length >= 14) return hex;
  let key: Int32Array;
  try {
    key = parseDpFlow(text);
  } catch (error) {
    throw refuse(messageOf(error));
  }
  const frame = composeFrame(key);
  if (length === undefined || length <= frame.length) return frame;
  return composeFrame(key, 64 + length - frame.length);
}

export function dummyCommands(c: ControlContext): ControlCommand[] {
  const { devices } = c.dummies;
  const device = (name: string | undefined, error: string): DummyNetdev => {
    const found = name === undefined ? undefined : devices.get(name);
    if (found === undefined) throw refuse(error);
    return found;
  };
  return [
    command("netdev-dummy/receive", "name [--qid queue_id] packet|flow [--len packet_len]", 2, 100, (args) => {
      const target = device(args[0], "no such dummy netdev");
      const frames: Uint8Array[] = [];
      for (let i = 1; i < args.length; i++) {
        const arg = args[i] as string;
        if (arg === "--qid") {
          i++;
          continue;
        }
        if (arg === "--len") continue;
        let length: number | undefined;
        if (args[i + 1] === "--len") {
          length = Number(args[i + 2]);
          i += 2;
          if (!Number.isInteger(length) || length < 60 || length > 65535)
            throw refuse("'--len' must be an integer of at least 60");
        }
        frames.push(frameOf(arg, length));
      }
      for (const frame of frames) target.receive(frame);
      return "";
    }),
    command("netdev-dummy/set-admin-state", "[netdev] up|down", 1, 2, (args) => {
      const state = args[args.length - 1];
      if (state !== "up" && state !== "down") throw refuse("Invalid Admin State");
      const targets = args.length === 2 ? [device(args[0], "Unknown Dummy Interface")] : [...devices.values()];
      for (const target of targets) target.setUp(state === "up");
      return "OK";
    }),
    command("netdev-dummy/conn-state", "[netdev]", 0, 1, ([name]) => {
      if (name !== undefined) return `${name}: ${devices.get(name)?.connection ?? "unknown"}`;
      return [...devices.values()]
        .filter((one) => one.connection !== "unknown")
        .map((one) => `${one.name}: ${one.connection}`)
        .join("\n");
    }),
    command("netdev-dummy/ip4addr", "[netdev] ipaddr/mask-prefix-len", 2, 2, ([name, text = ""]) => {
      const target = device(name, "Unknown Dummy Interface");
      const prefix = parsePrefix(text);
      if (prefix === undefined || prefix.address.family !== 4) throw refuse(`${text}: invalid IP address`);
      target.setAddresses([
        ...target.addresses.filter((address) => address.includes(":")),
        text.includes("/") ? text : `${text}/32`,
      ]);
      return "OK";
    }),
    command("netdev-dummy/ip6addr", "[netdev] ip6addr", 2, 2, ([name, text = ""]) => {
      const target = device(name, "Unknown Dummy Interface");
      const address = parseAddress(text.split("/")[0] ?? "");
      if (parsePrefix(text) === undefined || address?.family !== 6) throw refuse(`${text}: bad IPv6 address`);
      target.setAddresses([...target.addresses.filter((held) => !held.includes(":")), text.includes("/") ? text : `${text}/128`]);
      return "OK";
    }),
  ];
}
