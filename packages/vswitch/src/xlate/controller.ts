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

/** Emits the datapath action by which a packet goes up to the switch, which then makes the packet-in. */
export function emitController(
  ctx: Context,
  action: ControllerAction,
  continuation: boolean,
  state?: import("./freeze.ts").FrozenState,
): void {
  const { datapath } = ctx;
  const reason =
    ctx.inGroup && action.reason === "action"
      ? "group"
      : ctx.inActionSet && action.reason === "action"
        ? "action_set"
        : action.reason;
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
  const missed = ctx.rule === datapath.missRule;
  ctx.odp.push({
    type: "controller",
    reason: REASONS[missed ? "no_match" : reason],
    dontSend: ctx.tracing && !ctx.sideEffects,
    continuation,
    recircId: id,
    cookie: ctx.cookie,
    controllerId: action.controllerId,
    maxLen: action.maxLen,
  });
}
