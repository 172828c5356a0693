/** Packets for controllers: the controller action, with or without a pause (ovs-actions(7)). */
import type { Action, PacketInReason } from "@weft/openflow";
import type { Context } from "./context.ts";
import { freezeMetadata } from "./freeze.ts";

/** OFPR_ numbers of OpenFlow 1.5. */
export const REASONS: Readonly<Record<PacketInReason, number>> = {
  no_match: 0,
  action: 1,
  invalid_ttl: 2,
  action_set: 3,
  group: 4,
  packet_out: 5,
  explicit_miss: 6,
  implicit_miss: 7,
};

export function reasonName(reason: number): PacketInReason {
  for (const [name, number] of Object.entries(REASONS)) {
    // Object.entries forgets the key type.
    if (number === reason) return name as PacketInReason;
  }
  return "action";
}

export type ControllerAction = Extract<Action, { type: "controller" }>;

export function xlateController(ctx: Context, action: ControllerAction): void {
  if (action.pause) {
    ctx.pause = action;
    ctx.freeze("pause");
    return;
  }
  ctx.commit();
  emitController(ctx, action, false);
}

/** The reason that an output to CONTROLLER gives: where it was done. */
export function outputReason(ctx: Context): PacketInReason {
  // the reference's trace of a packet-out tells the reason of a flow's output
  if (ctx.packetOut && !ctx.tracing) return "packet_out";
  if (ctx.inGroup) return "group";
  return ctx.inActionSet ? "action_set" : "action";
}

/** A table's own behaviour on a miss and its table-miss flow (OpenFlow 1.3, section 5.4) are told apart from other flows. */
function missReason(ctx: Context, reason: PacketInReason): PacketInReason {
  const { rule } = ctx;
  if (rule === ctx.datapath.missRule) return "implicit_miss";
  return reason === "action" && rule?.isTableMiss === true ? "explicit_miss" : reason;
}

/** Emits the datapath action by which a packet goes up to the switch, which then makes the packet-in. */
export function emitController(
  ctx: Context,
  action: ControllerAction,
  continuation: boolean,
  state?: import("./freeze.ts").FrozenState,
): void {
  const { datapath } = ctx;
  const frozen = state ?? {
    bridge: ctx.bridge,
    table: ctx.table,
    metadata: freezeMetadata(ctx.flow),
    stack: [],
    mirrors: ctx.mirrors,
    conntracked: ctx.conntracked,
    actions: [],
    actionSet: [],
    userdata: action.userdata.length === 0 ? undefined : action.userdata,
  };
  const withData = action.userdata.length === 0 ? frozen : { ...frozen, userdata: action.userdata };
  const id = datapath.recirc.allocate(withData);
  ctx.recircIds.push(id);
  ctx.odp.push({
    type: "controller",
    reason: REASONS[missReason(ctx, action.reason)],
    dontSend: ctx.tracing && !ctx.sideEffects,
    continuation,
    recircId: id,
    cookie: ctx.cookie,
    controllerId: action.controllerId,
    maxLen: action.maxLen,
  });
}
