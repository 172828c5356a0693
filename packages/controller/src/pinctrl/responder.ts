/**
 * What a controller does with the packets of its switch, without the rest of it: for those who follow a packet through a copy
 * of a switch. What it would write to the Southbound is told to the listener instead.
 */
import { type Message, OF15, type PacketIn } from "@weft/openflow";
import type { Replica } from "@weft/ovsdb";
import type { Mac } from "@weft/packet";
import type { Runtime } from "@weft/runtime";
import type { SbSchema } from "@weft/schemas";
import { Exchange } from "../ofctrl/exchange.ts";
import { Activations } from "./activations.ts";
import { BfdBook } from "./bfd.ts";
import { BufferedPackets, type Neighbour } from "./buffered.ts";
import { Events } from "./events.ts";
import { Lookup } from "./lookup.ts";
import type { LearnedAddress } from "./macBindings.ts";
import { PacketIns } from "./pinctrl.ts";
import { PrefixDelegation } from "./prefixDelegation.ts";
import { ServiceMonitors } from "./serviceMonitors.ts";
import { Snooping } from "./snooping.ts";
import { VirtualPorts } from "./virtualPorts.ts";

export interface ResponderOptions {
  readonly runtime: Runtime;
  readonly sb: Replica<SbSchema>;
  /** To the switch: packet_out and resume. */
  send(message: Message): void;
  learned(entry: LearnedAddress): void;
}

export interface PacketResponder {
  hear(packetIn: PacketIn): void;
  /** A neighbour's address is known: lets the packets go on that wait for it. */
  resolved(neighbour: Neighbour, mac: Mac): void;
}

export function createResponder({ runtime, sb, send, learned }: ResponderOptions): PacketResponder {
  const { clock, random, log } = runtime;
  const exchange = new Exchange({
    send(message) {
      send(message);
      return 0;
    },
    nextXid: () => 0,
    batch: (run) => run(),
  });
  const buffered = new BufferedPackets(clock);
  const lookup = new Lookup(sb);
  const packetIns = new PacketIns({
    exchange,
    log: log.logger("pinctrl"),
    aclLog: log.logger("acl_log"),
    macBindings: { learn: learned },
    buffered,
    serviceMonitors: new ServiceMonitors(clock, random),
    bfd: new BfdBook(clock, random),
    snooping: new Snooping(clock),
    prefixDelegation: new PrefixDelegation(clock, random),
    virtualPorts: new VirtualPorts(clock, log.logger("pinctrl")),
    events: new Events(),
    activations: new Activations(),
    lookup: () => lookup,
    learned: () => undefined,
  });
  return {
    hear: (packetIn) => packetIns.hear({ version: OF15, xid: 0, message: packetIn }),
    resolved(neighbour, mac) {
      for (const { packetIn, packet } of buffered.take(neighbour, mac)) packetIns.resume(packetIn, packet);
    },
  };
}
