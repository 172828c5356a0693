/** Flow monitors (ovs-ofctl(8) "monitor watch:", NXST_FLOW_MONITOR): who is told of which changes of flows. */
import { type Action, type FlowMonitorRequest, type FlowRemovedReason, type FlowUpdate, MONITOR_FLAG } from "@weft/openflow";
import { OpenFlowRefusal } from "../ofproto/errors.ts";
import { outputsTo, selectFlows } from "../ofproto/flow-mods.ts";
import type { Rule } from "../ofproto/rule.ts";
import type { Session } from "./session.ts";

export class FlowMonitors {
  readonly #monitors = new Map<number, FlowMonitorRequest>();
  readonly #session: Session;
  /** The session's own request being carried out: monitors without OWN hear of it in short form. */
  #ownXid: number | undefined;
  #pending: FlowUpdate[] = [];
  #scheduled = false;

  constructor(session: Session) {
    this.#session = session;
  }

  during(xid: number, run: () => unknown): void {
    this.#ownXid = xid;
    try {
      run();
    } finally {
      this.#ownXid = undefined;
    }
  }

  request(request: FlowMonitorRequest, xid: number): void {
    const { bridge } = this.#session.owner;
    if (request.command === "delete") {
      this.cancel(request.id);
      this.#session.send({ type: "flow_monitor_reply", updates: [], more: false }, xid);
      return;
    }
    if (request.command === "add" && this.#monitors.has(request.id)) throw new OpenFlowRefusal("OFPMOFC_MONITOR_EXISTS");
    this.#monitors.set(request.id, request);
    const rules =
      (request.flags & MONITOR_FLAG.INITIAL) === 0
        ? []
        : selectFlows(bridge, {
            table: request.table,
            match: request.match,
            cookie: 0n,
            cookieMask: 0n,
            outPort: request.outPort,
            outGroup: request.outGroup,
          });
    const updates = rules.map((rule) => this.#full(rule, "initial", undefined, request));
    for (let at = 0; at < Math.max(1, updates.length); at += 64) {
      this.#session.send(
        { type: "flow_monitor_reply", updates: updates.slice(at, at + 64), more: at + 64 < updates.length },
        xid,
      );
    }
  }

  cancel(id: number): void {
    if (!this.#monitors.delete(id)) throw new OpenFlowRefusal("OFPMOFC_UNKNOWN_MONITOR");
  }

  #full(
    rule: Rule,
    event: "initial" | "added" | "removed" | "modified",
    reason: FlowRemovedReason | undefined,
    request: FlowMonitorRequest,
  ): FlowUpdate {
    return {
      event,
      reason,
      idleTimeout: rule.idleTimeout,
      hardTimeout: rule.hardTimeout,
      table: rule.table,
      priority: rule.priority,
      cookie: rule.cookie,
      match: rule.wire,
      actions: (request.flags & MONITOR_FLAG.ACTIONS) !== 0 ? rule.actions : [],
    };
  }

  /** `before`: the actions that a changed flow had; a monitor of a port hears also when they went there. */
  tell(
    rule: Rule,
    event: "added" | "removed" | "modified",
    reason: FlowRemovedReason | undefined,
    before: readonly Action[] | undefined,
  ): void {
    if (this.#monitors.size === 0) return;
    const bit = event === "added" ? MONITOR_FLAG.ADD : event === "removed" ? MONITOR_FLAG.DELETE : MONITOR_FLAG.MODIFY;
    const own = this.#ownXid;
    let wanted: FlowMonitorRequest | undefined;
    let abbreviate = false;
    for (const request of this.#monitors.values()) {
      if ((request.flags & bit) === 0 || (request.table !== 0xff && request.table !== rule.table)) continue;
      if (!outputsTo(rule.actions, request) && !(before && outputsTo(before, request))) continue;
      if (!rule.wire.isWithin(request.match)) continue;
      if (own !== undefined && (request.flags & MONITOR_FLAG.OWN) === 0) {
        abbreviate = true;
        continue;
      }
      wanted ??= request;
      if ((request.flags & MONITOR_FLAG.ACTIONS) !== 0) wanted = request;
    }
    if (wanted !== undefined) this.#queue(this.#full(rule, event, reason, wanted));
    else if (abbreviate && own !== undefined && !this.#pending.some((u) => u.event === "abbrev" && u.xid === own)) {
      this.#queue({ event: "abbrev", xid: own });
    }
  }

  #queue(update: FlowUpdate): void {
    this.#pending.push(update);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#session.owner.soon(() => this.flush());
  }

  flush(): void {
    this.#scheduled = false;
    const updates = this.#pending;
    this.#pending = [];
    for (let at = 0; at < updates.length; at += 64) {
      this.#session.send({ type: "flow_monitor_reply", updates: updates.slice(at, at + 64), more: false }, 0);
    }
  }
}
