/** For tests: a switch that keeps what it is told and answers as Open vSwitch does, without bytes in between. */
import type { CtFlush, Envelope, FlowMod, GroupMod, Message, MeterMod, PacketOut, Resume, TlvMapping } from "@weft/openflow";
import { OF15 } from "@weft/openflow";
import type { Dial, LinkHandlers } from "../ofctrl/link.ts";
import { type DesiredFlow, desired } from "../physical/flow.ts";
import { flowText } from "./cloud.ts";

export class FakeSwitch {
  readonly flows = new Map<string, DesiredFlow>();
  readonly groups = new Map<number, GroupMod>();
  readonly meters = new Map<number, MeterMod>();
  mappings: TlvMapping[] = [];
  /** Every flow mod that was carried out. */
  readonly mods: FlowMod[] = [];
  readonly packets: (PacketOut | Resume)[] = [];
  readonly flushedZones: number[] = [];
  readonly flushedConnections: CtFlush[] = [];
  /** Flow mods for which this is true are refused. */
  refuse: (mod: FlowMod) => boolean = () => false;
  /** The connections end in front of a message for which this is true. */
  cutAt: (message: Message) => boolean = () => false;
  readonly #links = new Set<LinkHandlers>();
  readonly #bundles = new Map<number, Message[]>();

  readonly dial: Dial = async (_target, handlers) => {
    this.#links.add(handlers);
    let xid = 0;
    return {
      nextXid: () => ++xid,
      send: (message, given) => {
        const own = given ?? ++xid;
        // Answers never come within the call that asks.
        queueMicrotask(() => {
          if (!this.#links.has(handlers)) return;
          if (this.cutAt(message)) this.disconnect();
          else this.#hear(handlers, { version: OF15, xid: own, message });
        });
        return own;
      },
      batch: (run) => run(),
      probeEvery: () => {},
      close: () => this.#links.delete(handlers),
    };
  };

  /** Ends all connections, as a switch that restarts does. */
  disconnect(): void {
    for (const link of [...this.#links]) {
      this.#links.delete(link);
      link.onClose();
    }
  }

  /** Sends a message to every controller connection. */
  send(message: Message): void {
    for (const link of this.#links) link.onMessage({ version: OF15, xid: 0, message });
  }

  texts(): string[] {
    return [...this.flows.values()].map(flowText).sort();
  }

  #hear(link: LinkHandlers, { xid, message }: Envelope): void {
    const reply = (answer: Message): void => link.onMessage({ version: OF15, xid, message: answer });
    const fail = (error: string): void =>
      reply({ type: "error", error, errorType: 0, code: 0, vendor: 0, data: new Uint8Array(0) });
    switch (message.type) {
      case "barrier_request":
        reply({ type: "barrier_reply" });
        break;
      case "tlv_table_request":
        reply({ type: "tlv_table_reply", space: 256, fields: 64, mappings: this.mappings });
        break;
      case "tlv_table_mod":
        if (message.command === "add") this.mappings = [...this.mappings, ...message.mappings];
        break;
      case "flow_stats_request": {
        const flows = [...this.flows.values()].map((flow) => ({
          ...flow,
          cookie: BigInt(flow.cookie),
          idleTimeout: 0,
          hardTimeout: 0,
          flags: 0,
          importance: 0,
          durationSec: 0,
          durationNsec: 0,
          idleAge: -1,
          hardAge: -1,
          packets: 0n,
          bytes: 0n,
        }));
        reply({ type: "flow_stats_reply", flows: flows.slice(0, 10), more: flows.length > 10 });
        if (flows.length > 10) reply({ type: "flow_stats_reply", flows: flows.slice(10), more: false });
        break;
      }
      case "group_desc_request":
        reply({ type: "group_desc_reply", groups: [...this.groups.values()], more: false });
        break;
      case "meter_config_request":
        reply({ type: "meter_config_reply", meters: [...this.meters.values()], more: false });
        break;
      case "bundle_control": {
        const { bundle } = message;
        if (message.control === "open_request") {
          this.#bundles.set(bundle, []);
          reply({ ...message, control: "open_reply" });
        } else if (message.control === "commit_request") {
          const messages = this.#bundles.get(bundle) ?? [];
          this.#bundles.delete(bundle);
          if (messages.some((one) => one.type === "flow_mod" && this.refuse(one))) fail("OFPBFC_MSG_FAILED");
          else {
            for (const one of messages) this.#carryOut(one);
            reply({ ...message, control: "commit_reply" });
          }
        }
        break;
      }
      case "bundle_add":
        this.#bundles.get(message.bundle)?.push(message.message.message);
        break;
      case "flow_mod":
        if (this.refuse(message)) fail("OFPBAC_BAD_TYPE");
        else this.#carryOut(message);
        break;
      default:
        this.#carryOut(message);
    }
  }

  #carryOut(message: Message): void {
    switch (message.type) {
      case "flow_mod": {
        this.mods.push(message);
        const flow = desired(message.table, message.priority, message.match, message.actions, Number(message.newCookie));
        const place = `${flow.table} ${flow.priority} ${flow.match.key}`;
        const old = this.flows.get(place);
        if (message.command === "delete_strict") this.flows.delete(place);
        else if (message.command === "add") this.flows.set(place, flow);
        else if (old !== undefined) this.flows.set(place, { ...flow, cookie: old.cookie });
        break;
      }
      case "group_mod":
        if (message.command === "delete") this.groups.delete(message.group);
        else this.groups.set(message.group, message);
        break;
      case "meter_mod":
        if (message.command === "delete") this.meters.delete(message.meter);
        else this.meters.set(message.meter, message);
        break;
      case "packet_out":
      case "resume":
        this.packets.push(message);
        break;
      case "ct_flush_zone":
        this.flushedZones.push(message.zone);
        break;
      case "ct_flush":
        this.flushedConnections.push(message);
        break;
      default:
    }
  }
}
