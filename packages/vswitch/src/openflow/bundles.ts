/** Bundles: messages that take effect together or not at all (OpenFlow 1.4 section 6.9). */
import { BUNDLE_FLAG, type Envelope, type MessageOf } from "@weft/openflow";
import { OpenFlowRefusal } from "../ofproto/errors.ts";
import type { Undo } from "../ofproto/flow-mods.ts";
import type { Group } from "../ofproto/group.ts";
import type { Session } from "./session.ts";

interface Bundle {
  readonly flags: number;
  /** With their bytes, which go into errors. */
  readonly messages: { readonly envelope: Envelope; readonly bytes: Uint8Array }[];
  closed: boolean;
}

/** A bundle holds at most so many messages. */
const MAX_MESSAGES = 1_000_000;
const ALLOWED = new Set(["flow_mod", "group_mod", "port_mod", "packet_out"]);

export class Bundles {
  readonly #bundles = new Map<number, Bundle>();
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  control(message: MessageOf<"bundle_control">, xid: number): void {
    const { bundle: id, flags } = message;
    const held = this.#bundles.get(id);
    switch (message.control) {
      case "open_request":
        if ((flags & ~(BUNDLE_FLAG.ATOMIC | BUNDLE_FLAG.ORDERED)) !== 0) throw new OpenFlowRefusal("OFPBFC_BAD_FLAGS");
        if (held !== undefined) {
          this.#bundles.delete(id);
          throw new OpenFlowRefusal("OFPBFC_BAD_ID");
        }
        this.#bundles.set(id, { flags, messages: [], closed: false });
        this.#reply(id, "open_reply", flags, xid);
        return;
      case "close_request":
        if (held === undefined) throw new OpenFlowRefusal("OFPBFC_BAD_ID");
        if (held.closed) throw this.#drop(id, "OFPBFC_BUNDLE_CLOSED");
        if (held.flags !== flags) throw this.#drop(id, "OFPBFC_BAD_FLAGS");
        held.closed = true;
        this.#reply(id, "close_reply", flags, xid);
        return;
      case "commit_request":
        if (held === undefined) throw new OpenFlowRefusal("OFPBFC_BAD_ID");
        if (held.flags !== flags) throw this.#drop(id, "OFPBFC_BAD_FLAGS");
        this.#bundles.delete(id);
        this.#commit(held);
        this.#reply(id, "commit_reply", flags, xid);
        return;
      case "discard_request":
        if (held === undefined) throw new OpenFlowRefusal("OFPBFC_BAD_ID");
        this.#bundles.delete(id);
        this.#reply(id, "discard_reply", flags, xid);
        return;
      default:
        throw new OpenFlowRefusal("OFPBFC_BAD_TYPE");
    }
  }

  #drop(id: number, error: string): OpenFlowRefusal {
    this.#bundles.delete(id);
    return new OpenFlowRefusal(error);
  }

  #reply(bundle: number, control: MessageOf<"bundle_control">["control"], flags: number, xid: number): void {
    this.#session.send({ type: "bundle_control", bundle, control, flags }, xid);
  }

  /** `bytes`: the message that is added. */
  add(message: MessageOf<"bundle_add">, bytes: Uint8Array): void {
    const { bundle: id, flags } = message;
    if (!ALLOWED.has(message.message.message.type)) throw new OpenFlowRefusal("OFPBFC_MSG_UNSUP");
    let held = this.#bundles.get(id);
    if (held === undefined) {
      held = { flags, messages: [], closed: false };
      this.#bundles.set(id, held);
    }
    if (held.closed) throw this.#drop(id, "OFPBFC_BUNDLE_CLOSED");
    if (held.flags !== flags) throw this.#drop(id, "OFPBFC_BAD_FLAGS");
    if (held.messages.length >= MAX_MESSAGES) throw this.#drop(id, "OFPBFC_MSG_TOO_MANY");
    held.messages.push({ envelope: message.message, bytes });
  }

  /** All messages, in order; when one fails, what was done is undone and its error is answered, then that of the bundle. */
  #commit(bundle: Bundle): void {
    const session = this.#session;
    const { bridge, mods } = session.owner;
    const undo: Undo[] = [];
    const groups = new Map<number, Group>(bridge.groups);
    const contents = [...groups.values()].map((group) => ({ group, description: group.description, buckets: group.buckets }));
    for (const { envelope, bytes } of bundle.messages) {
      const { message } = envelope;
      try {
        if (message.type === "flow_mod") {
          session.monitors.during(envelope.xid, () => undo.push(mods.apply(message)));
          session.flowMods.count(message);
        } else session.execute(envelope, bytes);
      } catch (error) {
        if (!(error instanceof OpenFlowRefusal)) throw error;
        for (const one of undo.reverse()) one();
        bridge.groups.clear();
        for (const [id, group] of groups) bridge.groups.set(id, group);
        for (const { group, description, buckets } of contents) {
          group.description = description;
          group.buckets = buckets;
        }
        bridge.changed();
        session.channel.refuse(bytes, error.error, envelope.xid);
        throw new OpenFlowRefusal("OFPBFC_MSG_FAILED");
      }
    }
  }
}
