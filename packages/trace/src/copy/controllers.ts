/**
 * The controllers of copied switches: they do with a packet that is given to them what our ovn-controller does, by its own code,
 * as long as it is packets that come of it. What they would write to the southbound is known at once to all of them.
 */
import { createResponder, type LearnedAddress, type PacketResponder } from "@weft/controller";
import { OPCODES, type Opcode } from "@weft/logical";
import type { Message, PacketIn } from "@weft/openflow";
import { parseMac } from "@weft/packet";
import { ConfigurableLogBook, type Runtime } from "@weft/runtime";
import type { Cloud, Hypervisor } from "../cloud/cloud.ts";

type Southbound = NonNullable<Cloud["sb"]>;

/** Names by number: the first word of a packet-in's userdata (ovn-sb(5) says what they do). */
const NAMES: ReadonlyMap<number, Opcode> = new Map(Object.entries(OPCODES).map(([name, number]) => [number, name as Opcode]));

/** What a flow asks of ovn-controller; undefined: nothing that is known. */
export function opcodeOf({ userdata }: PacketIn): Opcode | undefined {
  if (userdata.length < 4) return undefined;
  return NAMES.get(new DataView(userdata.buffer, userdata.byteOffset).getUint32(0));
}

export interface ControllerEvents {
  learned(hypervisor: Hypervisor, entry: LearnedAddress): void;
  /** A line for the log. */
  said(hypervisor: Hypervisor, text: string): void;
}

export class Controllers {
  readonly #sb: Southbound;
  readonly #events: ControllerEvents;
  readonly #responders = new Map<Hypervisor, PacketResponder>();

  constructor(sb: Southbound, events: ControllerEvents) {
    this.#sb = sb;
    this.#events = events;
  }

  add(hypervisor: Hypervisor, send: (message: Message) => void): void {
    const real = hypervisor.place.runtime;
    const log = new ConfigurableLogBook(real.clock, "trace");
    log.onRecord(({ text }) => this.#events.said(hypervisor, text));
    const runtime: Runtime = { ...real, log };
    const learned = (entry: LearnedAddress): void => {
      this.#events.learned(hypervisor, entry);
      this.#resolve(entry);
    };
    this.#responders.set(hypervisor, createResponder({ runtime, sb: this.#sb, send, learned }));
  }

  hear(hypervisor: Hypervisor, packetIn: PacketIn): void {
    this.#responders.get(hypervisor)?.hear(packetIn);
  }

  /** Packets for a gateway elsewhere wait with its chassisredirect port as their way out. */
  #resolve({ datapath, port, mac: text, ip }: LearnedAddress): void {
    const mac = parseMac(text);
    if (mac === undefined || ip === undefined) return;
    const ports = [...this.#sb.table("Port_Binding").rows()];
    const network = [...this.#sb.table("Datapath_Binding").rows()].find(({ tunnel_key }) => tunnel_key === datapath)?._uuid;
    const name = ports.find((row) => row.datapath === network && row.tunnel_key === port)?.logical_port;
    const redirect = ports.find((row) => row.datapath === network && row.logical_port === `cr-${name}`)?.tunnel_key;
    for (const responder of this.#responders.values())
      for (const key of [port, redirect]) if (key !== undefined) responder.resolved({ datapath, port: key, ip }, mac);
  }
}
