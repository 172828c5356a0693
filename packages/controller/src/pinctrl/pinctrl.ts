/**
 * What the switch sends to the controller: packets that a logical flow could not finish by itself. The userdata says
 * what to do (an opcode and its operands), the metadata where in the pipeline the packet was.
 */
import { OPCODES, type Opcode } from "@weft/logical";
import {
  type Action,
  type Envelope,
  type Field,
  field,
  fieldOfCode,
  type Match,
  MatchBuilder,
  type PacketIn,
} from "@weft/openflow";
import { formatIpv4, formatIpv6, formatMac, get16, get32, type Ipv4, type Ipv6, ipv4Of, ipv6Of, readMac } from "@weft/packet";
import { type Logger, messageOf, WeftError } from "@weft/runtime";
import { unwire } from "../lflow/wire.ts";
import type { Exchange } from "../ofctrl/exchange.ts";
import { aclLogLine } from "./aclLog.ts";
import type { Activations } from "./activations.ts";
import {
  arpRequest,
  fragMtu,
  type IpPacket,
  icmpError,
  ipPacketOf,
  neighbourAdvertisement,
  neighbourSolicitation,
  refusal,
  routerAdvertisement,
  sctpAbort,
  tcpReset,
} from "./answers.ts";
import type { BfdBook } from "./bfd.ts";
import type { BufferedPackets } from "./buffered.ts";
import { type DhcpAnswer, dhcpAnswer } from "./dhcp.ts";
import { relayedRequest, relayedResponse } from "./dhcpRelay.ts";
import { dhcpv6Answer } from "./dhcpv6.ts";
import { type DnsRow, dnsAnswer } from "./dns.ts";
import type { Events } from "./events.ts";
import type { Lookup } from "./lookup.ts";
import type { MacBindingBook } from "./macBindings.ts";
import { packetOut } from "./packetOut.ts";
import type { PrefixDelegation } from "./prefixDelegation.ts";
import type { ServiceMonitors } from "./serviceMonitors.ts";
import type { Snooping } from "./snooping.ts";
import type { VirtualPorts } from "./virtualPorts.ts";

/** Bytes of opcode and padding before the operands in userdata. */
const OPCODE_LENGTH = 8;

const names = new Map<number, Opcode>();
// the keys of OPCODES are exactly the opcodes
for (const name of Object.keys(OPCODES) as Opcode[]) names.set(OPCODES[name], name);

/** The registers and the datapath of a packet, as the pipeline had them. */
export class PipelineState {
  readonly #metadata: Match;

  constructor(metadata: Match) {
    this.#metadata = metadata;
  }

  number(name: string): number {
    return Number(this.#metadata.valueOf(field(name)));
  }

  wide(name: string): bigint {
    return this.#metadata.valueOf(field(name));
  }

  get datapath(): number {
    return this.number("metadata");
  }

  get inport(): number {
    return this.number("reg14");
  }

  get outport(): number {
    return this.number("reg15");
  }

  /** Actions that put a packet back where this one was. */
  restore(): Action[] {
    const actions: Action[] = [];
    for (const name of RESTORED) {
      const f = field(name);
      const value = this.#metadata.valueOf(f);
      if (value !== 0n) actions.push({ type: "set_field", field: f, value, mask: undefined });
    }
    return actions;
  }
}

const RESTORED = [...Array.from({ length: 16 }, (_, i) => `reg${i}`), "metadata"];

/** One packet-in with its operands, and the ways to answer it. */
interface Request {
  readonly packetIn: PacketIn;
  readonly state: PipelineState;
  readonly operands: Uint8Array;
  readonly ip: IpPacket | undefined;
}

export interface PacketInOptions {
  readonly exchange: Exchange;
  readonly log: Logger;
  /** For packets that ACLs log. */
  readonly aclLog: Logger;
  readonly macBindings: Pick<MacBindingBook, "learn">;
  readonly buffered: BufferedPackets;
  readonly serviceMonitors: ServiceMonitors;
  readonly bfd: BfdBook;
  readonly snooping: Snooping;
  readonly prefixDelegation: PrefixDelegation;
  readonly virtualPorts: VirtualPorts;
  readonly events: Events;
  readonly activations: Activations;
  /** Undefined while there is no Southbound. */
  readonly lookup: () => Lookup | undefined;
  /** Called when something is to be written to the Southbound. */
  readonly learned: () => void;
}

type Handler = (this: PacketIns, request: Request) => void;

export class PacketIns {
  readonly #options: PacketInOptions;
  readonly #unsupported = new Set<string>();

  constructor(options: PacketInOptions) {
    this.#options = options;
  }

  hear({ message }: Envelope): void {
    if (message.type !== "packet_in" || message.userdata.length < OPCODE_LENGTH) return;
    const { userdata } = message;
    const opcode = new DataView(userdata.buffer, userdata.byteOffset, userdata.byteLength).getUint32(0);
    const name = names.get(opcode);
    const handler = name === undefined ? undefined : HANDLERS[name];
    if (handler === undefined) {
      this.#refuse(name ?? `opcode ${opcode}`, message);
      return;
    }
    try {
      handler.call(this, {
        packetIn: message,
        state: new PipelineState(message.metadata),
        operands: userdata.subarray(OPCODE_LENGTH),
        ip: ipPacketOf(message.packet),
      });
    } catch (error) {
      this.#options.log.warn(`packet-in ${name} from table ${message.table}: ${messageOf(error)}`);
    }
  }

  /** What cannot be done yet is said once, and a paused packet goes on as if the action had found nothing. */
  #refuse(name: string, message: PacketIn): void {
    if (!this.#unsupported.has(name)) {
      this.#unsupported.add(name);
      this.#options.log.err(`${name}: not supported; packets of this kind are not answered`);
    }
    if (message.continuation !== undefined) this.resume(message, message.packet);
  }

  /** Sends a packet into the pipeline where the request was, through the actions in the operands. */
  answer({ state, operands }: Request, packet: Uint8Array | undefined): void {
    if (packet === undefined) return;
    const actions = [...state.restore(), ...unwire(operands)];
    this.#options.exchange.send(packetOut(packet, actions));
  }

  /** Lets a paused packet go on. */
  resume({ metadata, userdata, continuation }: PacketIn, packet: Uint8Array): void {
    if (continuation === undefined) return;
    this.#options.exchange.send({ type: "resume", packet, metadata, userdata, continuation });
  }

  /**
   * Lets a paused packet go on with another in its place, and with the bit set that says so; without one, as it was and
   * with the bit clear.
   */
  complete({ packetIn, operands }: Request, packet: Uint8Array | undefined): void {
    const result = resultOf(operands);
    const metadata = new MatchBuilder(packetIn.metadata).set(result.field, packet === undefined ? 0n : result.bit, result.bit);
    this.resume({ ...packetIn, metadata: metadata.build() }, packet ?? packetIn.packet);
  }

  /** The DNS rows of a datapath, by its tunnel key. */
  dnsRows(datapath: number): readonly DnsRow[] {
    return this.#options.lookup()?.dnsRows(datapath) ?? [];
  }

  note(answer: { readonly notes: readonly string[]; readonly warning?: string }): void {
    if (answer.warning !== undefined) this.#options.log.warn(answer.warning);
    for (const line of answer.notes) this.#options.log.info(line);
  }

  hold(request: Request, ip: string): void {
    const { packetIn, state } = request;
    if (packetIn.continuation === undefined) return;
    this.#options.buffered.add({ datapath: state.datapath, port: state.outport, ip }, packetIn);
  }

  logAcl(line: string): void {
    this.#options.aclLog.info(line);
  }

  snoop({ state, packetIn }: Request): void {
    const { exchange, learned, lookup, snooping } = this.#options;
    const rows = lookup();
    const place = { datapath: state.datapath, port: state.inport };
    if (rows !== undefined && snooping.hear(packetIn.packet, place, rows, exchange)) learned();
  }

  prefixAnswer({ ip, state }: Request): void {
    const { exchange, learned, prefixDelegation } = this.#options;
    if (ip !== undefined && prefixDelegation.hear(ip, state.datapath, exchange)) learned();
  }

  bindVirtualPort({ state, operands }: Request): void {
    if (operands.length < 4) throw malformed("no port");
    const { datapath, inport: parent } = state;
    this.#options.virtualPorts.bind({ datapath, port: get32(operands, 0), parent });
    this.#options.learned();
  }

  activate({ state }: Request): void {
    this.#options.activations.activate({ datapath: state.datapath, port: state.inport });
    this.#options.learned();
  }

  trigger({ operands }: Request): void {
    if (!this.#options.events.trigger(operands)) throw malformed("unknown event");
    this.#options.learned();
  }

  bfdMessage({ packetIn }: Request): void {
    const { bfd, exchange, learned } = this.#options;
    bfd.hear(packetIn.packet, exchange);
    learned();
  }

  serviceAnswer({ state, packetIn }: Request): void {
    const { exchange, serviceMonitors, learned } = this.#options;
    if (serviceMonitors.hear(packetIn.packet, { datapath: state.datapath, port: state.inport }, exchange)) learned();
  }

  learn(entry: Parameters<MacBindingBook["learn"]>[0], alone: boolean): void {
    this.#options.macBindings.learn(entry, alone);
    this.#options.learned();
  }
}

/** Bytes of the result's place in front of the operands of an action that completes a packet. */
const RESULT_LENGTH = 8;

function malformed(what: string): WeftError {
  return new WeftError("controller.operands", what, { blame: "peer" });
}

/** Where such an action says whether it did. */
function resultOf(operands: Uint8Array): { readonly field: Field; readonly bit: bigint } {
  const found = fieldOfCode(get16(operands, 0), 0, operands[2]! >> 1)?.field;
  if (found === undefined) throw malformed("unknown result field");
  return { field: found, bit: 1n << BigInt(get32(operands, 4)) };
}

function needIp(make: (ip: IpPacket) => Uint8Array | undefined): Handler {
  return function (request) {
    if (request.ip !== undefined) this.answer(request, make(request.ip));
  };
}

/** The nested actions tell the MTU in a note, for no OpenFlow field is that part of the message. */
function tooBig(this: PacketIns, request: Request): void {
  if (request.ip !== undefined) this.answer(request, icmpError(request.ip, { mtu: fragMtu(unwire(request.operands)) }));
}

/** What turns one DHCP message into another, with the operands behind the place of the result. */
function exchange(make: (ip: IpPacket, operands: Uint8Array) => DhcpAnswer | undefined): Handler {
  return function (request) {
    const answer = request.ip === undefined ? undefined : make(request.ip, request.operands.subarray(RESULT_LENGTH));
    if (answer !== undefined) this.note(answer);
    this.complete(request, answer?.packet);
  };
}

/** Whether the frame was sent to one station. */
function isUnicast(packet: Uint8Array): boolean {
  return ((packet[0] ?? 1) & 1) === 0;
}

function sourceMac(packet: Uint8Array): string {
  return formatMac(readMac(packet, 6));
}

const HANDLERS: { readonly [O in Opcode]?: Handler } = {
  arp(request) {
    this.hold(request, formatIpv4(ipv4Of(request.state.number("reg0"))));
    if (request.ip !== undefined) this.answer(request, arpRequest(request.ip));
  },
  nd_ns(request) {
    this.hold(request, formatIpv6(ipv6Of(request.state.wide("xxreg0"))));
    if (request.ip !== undefined) this.answer(request, neighbourSolicitation(request.ip));
  },
  nd_na: needIp((ip) => neighbourAdvertisement(ip, false)),
  nd_na_router: needIp((ip) => neighbourAdvertisement(ip, true)),
  icmp: needIp((ip) => icmpError(ip)),
  icmp4_error: tooBig,
  icmp6_error: tooBig,
  tcp_reset: needIp((ip) => tcpReset(ip)),
  sctp_abort: needIp((ip) => sctpAbort(ip)),
  reject: needIp(refusal),
  put_arp({ packetIn, state }) {
    const ip: Ipv4 = ipv4Of(state.number("reg0"));
    const { datapath, inport: port } = state;
    this.learn({ datapath, port, mac: sourceMac(packetIn.packet), ip: formatIpv4(ip) }, isUnicast(packetIn.packet));
  },
  put_nd({ packetIn, state }) {
    const ip: Ipv6 = ipv6Of(state.wide("xxreg0"));
    const { datapath, inport: port } = state;
    this.learn({ datapath, port, mac: sourceMac(packetIn.packet), ip: formatIpv6(ip) }, isUnicast(packetIn.packet));
  },
  put_dhcp_opts: exchange(dhcpAnswer),
  put_dhcpv6_opts: exchange(dhcpv6Answer),
  dhcp_relay_req_chk: exchange(relayedRequest),
  dhcp_relay_resp_chk: exchange(relayedResponse),
  dns_lookup(request) {
    const { ip, state } = request;
    this.complete(request, ip === undefined ? undefined : dnsAnswer(ip, this.dnsRows(state.datapath)));
  },
  put_nd_ra_opts(request) {
    const { ip, operands } = request;
    this.complete(request, ip === undefined ? undefined : routerAdvertisement(ip, operands.subarray(RESULT_LENGTH)));
  },
  log({ packetIn, operands }) {
    this.logAcl(aclLogLine(operands, packetIn.table, packetIn.packet));
  },
  igmp(request) {
    this.snoop(request);
  },
  handle_dhcpv6_reply(request) {
    this.prefixAnswer(request);
  },
  activation_strategy(request) {
    this.activate(request);
  },
  bind_vport(request) {
    this.bindVirtualPort(request);
  },
  event(request) {
    this.trigger(request);
  },
  bfd(request) {
    this.bfdMessage(request);
  },
  handle_svc_check(request) {
    this.serviceAnswer(request);
  },
  put_fdb({ packetIn, state }) {
    const { datapath, inport: port } = state;
    this.learn({ datapath, port, mac: sourceMac(packetIn.packet), ip: undefined }, true);
  },
};
