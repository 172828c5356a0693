/** A tunnel that works one way only, as behind a firewall that knows one direction. */
import { decode, find } from "@weft/packet";
import { WeftError } from "@weft/runtime";
import type { Lab } from "../lab.ts";
import type { Device } from "../machine/device.ts";
import type { Undo } from "./fault.ts";

const GENEVE_PORT = 6081;

export async function blockedTunnel(lab: Lab): Promise<Undo> {
  const segment = lab.segments.get("underlay");
  const [source, sink] = ["compute1", "compute2"].map((name) => lab.node(name).machine.root.device("eth1"));
  if (!segment || !source || !sink) throw new WeftError("lab.no-fault", "the lab has no underlay between compute1 and compute2");
  const filter = (frame: Uint8Array, from: Device, to: Device) =>
    from !== source || to !== sink || find(decode(frame), "udp")?.dstPort !== GENEVE_PORT;
  segment.filters.add(filter);
  return async () => void segment.filters.delete(filter);
}
