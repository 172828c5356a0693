/** Carrying out datapath actions on a packet. A list is compiled once into a chain of closures, one for each action. */
import { extract } from "../flow/extract.ts";
import { END_PACKET_WORD, FIRST_PACKET_WORD, WORD } from "../flow/key.ts";
import type { Packet } from "../flow/packet.ts";
import {
  popMpls,
  popVlan,
  pushMpls,
  pushVlan,
  writeArp,
  writeEth,
  writeIcmp,
  writeIpv4,
  writeIpv6,
  writeMpls,
  writeNd,
  writePorts,
} from "../flow/write.ts";
import { stampErspan } from "../tunnel/erspan.ts";
import { encapsulate } from "../tunnel/header.ts";
import { datapathHash } from "../xlate/hash.ts";
import type { CtAction, DpAction, SlowReason, TunnelKey } from "./actions.ts";
import type { Conntrack } from "./conntrack.ts";
import type { DpGroupName } from "./fields.ts";

/** Does its work on the packet; false stops the list (the packet is gone). */
export type Run = (packet: Packet) => boolean;

/** What executed actions need of the datapath. */
export interface Executor {
  readonly vlanHeaders: number;
  readonly portRange: { readonly min: number; readonly max: number };
  /** Sends a frame, by a queue of the port; the array is the receiver's. */
  send(port: number, frame: Uint8Array, tunnel: TunnelKey | undefined, queue: number): void;
  toController(packet: Packet, action: Extract<DpAction, { type: "controller" }>): void;
  recirculate(packet: Packet): void;
  /** As {@link Conntrack.track}. */
  conntrack(packet: Packet, action: CtAction): readonly Packet[] | undefined;
  clearConntrack(packet: Packet): void;
  meter(id: number, bytes: number): boolean;
  /** Takes the outer headers off and handles what is inside as received on the tunnel's port. */
  popTunnel(packet: Packet, port: number): void;
  /** Gives a packet to the protocol of the switch's own that it is of. */
  slowPath(packet: Packet, reason: SlowReason): void;
  /** For headers that number their frames. */
  nextSequence(): number;
  /** Monotonic ms. */
  now(): number;
}

const WRITERS: Readonly<Record<DpGroupName, (packet: Packet) => void>> = {
  eth: writeEth,
  mpls: writeMpls,
  ipv4: writeIpv4,
  ipv6: writeIpv6,
  arp: writeArp,
  tcp: writePorts,
  udp: writePorts,
  sctp: writePorts,
  icmp: writeIcmp,
  icmpv6: writeIcmp,
  nd: writeNd,
  nd_ext: writeNd,
};

/** Compiles a list. `ends` says that the packet is not needed afterwards, so that its last user may keep it. */
export function compile(executor: Executor, actions: readonly DpAction[], ends = true): Run {
  const steps: Run[] = [];
  // State that lives between the actions of one list: a truncation, the tunnel of the next output.
  const state: { truncate: number; tunnel: TunnelKey | undefined } = { truncate: 0, tunnel: undefined };
  actions.forEach((action, i) => {
    // What is left of the list, for packets that connection tracking releases.
    const rest: Run = (packet) => runFrom(steps, i + 1, packet);
    steps.push(compileOne(executor, action, ends && i === actions.length - 1, state, rest));
  });
  if (steps.length === 0) return () => true;
  if (steps.length === 1) return steps[0] as Run;
  return (packet) => {
    state.truncate = 0;
    state.tunnel = undefined;
    return runFrom(steps, 0, packet);
  };
}

function runFrom(steps: readonly Run[], first: number, packet: Packet): boolean {
  for (let i = first; i < steps.length; i++) {
    if (!(steps[i] as Run)(packet)) return false;
  }
  return true;
}

function compileOne(
  executor: Executor,
  action: DpAction,
  last: boolean,
  state: { truncate: number; tunnel: TunnelKey | undefined },
  rest: Run,
): Run {
  switch (action.type) {
    case "output": {
      const { port } = action;
      return (packet) => {
        let frame = last && !packet.shared ? packet.bytes : packet.bytes.slice();
        if (state.truncate > 0) {
          if (frame.length > state.truncate) frame = frame.slice(0, state.truncate);
          state.truncate = 0;
        }
        executor.send(port, frame, state.tunnel, packet.key[WORD.skb_priority] as number);
        return true;
      };
    }
    case "trunc":
      return () => {
        state.truncate = action.max;
        return true;
      };
    case "controller":
      return (packet) => {
        executor.toController(packet, action);
        return true;
      };
    case "drop":
      return () => true;
    case "slow_path":
      return (packet) => {
        executor.slowPath(packet, action.reason);
        return true;
      };
    case "set": {
      const { words, values, masks } = action;
      const write = WRITERS[action.group];
      return (packet) => {
        const { key } = packet;
        for (let i = 0; i < words.length; i++) {
          const word = words[i] as number;
          key[word] = ((key[word] as number) & ~(masks[i] as number)) | (values[i] as number);
        }
        write(packet);
        return true;
      };
    }
    case "set_mark":
      return (packet) => {
        packet.key[WORD.pkt_mark] = ((packet.key[WORD.pkt_mark] as number) & ~action.mask) | action.value;
        return true;
      };
    case "set_priority":
      return (packet) => {
        packet.key[WORD.skb_priority] = action.value;
        return true;
      };
    case "set_tunnel":
      return () => {
        state.tunnel = action.tunnel;
        return true;
      };
    case "push_vlan":
      return (packet) => {
        pushVlan(packet, action.tpid, action.tci);
        extract(packet, executor.vlanHeaders);
        return true;
      };
    case "pop_vlan":
      return (packet) => {
        popVlan(packet);
        extract(packet, executor.vlanHeaders);
        return true;
      };
    case "push_mpls":
      return (packet) => {
        pushMpls(packet, action.ethType, action.lse);
        extract(packet, executor.vlanHeaders);
        return true;
      };
    case "pop_mpls":
      return (packet) => {
        popMpls(packet, action.ethType);
        extract(packet, executor.vlanHeaders);
        return true;
      };
    case "hash":
      return (packet) => {
        // Zero would mean that nobody has hashed.
        packet.key[WORD.dp_hash] = datapathHash(packet.key, action.algorithm, action.basis) | 0 || 1;
        return true;
      };
    case "recirc":
      return (packet) => {
        const again = last ? packet : packet.clone();
        again.key[WORD.recirc_id] = action.id;
        executor.recirculate(again);
        return true;
      };
    case "ct":
      return (packet) => {
        const released = executor.conntrack(packet, action);
        if (released === undefined) return true;
        for (const fragment of released) rest(fragment);
        return false;
      };
    case "ct_clear":
      return (packet) => {
        executor.clearConntrack(packet);
        return true;
      };
    case "clone": {
      const run = compile(executor, action.actions);
      return (packet) => {
        run(last ? packet : packet.clone());
        return true;
      };
    }
    case "sample": {
      const run = compile(executor, action.actions);
      return (packet) => {
        if (action.probability >= 0xffffffff) run(last ? packet : packet.clone());
        return true;
      };
    }
    case "check_pkt_len": {
      const gt = compile(executor, action.gt);
      const le = compile(executor, action.le);
      return (packet) => {
        const chosen = packet.bytes.length > action.size ? gt : le;
        chosen(last ? packet : packet.clone());
        return true;
      };
    }
    case "meter":
      return (packet) => executor.meter(action.meter, packet.bytes.length);
    case "tnl_push": {
      const { header } = action;
      const { erspan } = header;
      const erspanAt = header.src.family === 4 ? 34 : 54;
      return (packet) => {
        const hash = datapathHash(packet.key, "sym_l4", 0);
        const { min, max } = executor.portRange;
        const sourcePort = min + (hash % (max - min + 1));
        packet.bytes = encapsulate(header, packet.bytes, sourcePort);
        if (erspan !== undefined) stampErspan(packet.bytes, erspanAt, erspan, executor.nextSequence(), executor.now());
        packet.shared = false;
        packet.connection = -1;
        packet.key.fill(0, 0, FIRST_PACKET_WORD);
        packet.key.fill(0, END_PACKET_WORD);
        packet.tunnelOptions = undefined;
        extract(packet, executor.vlanHeaders);
        return true;
      };
    }
    case "tnl_pop":
      return (packet) => {
        executor.popTunnel(last ? packet : packet.clone(), action.port);
        return true;
      };
  }
}
